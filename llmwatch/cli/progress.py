"""Progress of a long load, on stderr, where a person sees it."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmwatch import units

if TYPE_CHECKING:
    from llmwatch.sources.source import Source

_SHOWN_AFTER_SECONDS = 1.0
_EVERY_SECONDS = 0.2
_ERASE_LINE = "\r\033[K"


@contextmanager
def progress_line() -> Iterator[Callable[[Source], None] | None]:
    """A function to call now and then; the line it writes is gone at the end. None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    began = shown = time.monotonic()

    def show(source: Source) -> None:
        nonlocal shown
        now = time.monotonic()
        if now - began < _SHOWN_AFTER_SECONDS or now - shown < _EVERY_SECONDS:
            return
        shown = now
        states = source.states()
        read, total = sum(state.bytes_read for state in states), sum(state.bytes_total for state in states)
        filling = [state.feed.filling for state in states if state.feed and state.feed.filling is not None]
        share = f" of {units.size(total)}" if total else ""
        if filling:
            share = f", {100 * sum(filling) / len(filling):.0f} % of the time asked for"
        sys.stderr.write(f"{_ERASE_LINE}reading: {units.size(read)}{share}, {now - began:.0f} s")
        sys.stderr.flush()

    try:
        yield show
    finally:
        if shown > began:
            sys.stderr.write(_ERASE_LINE)
            sys.stderr.flush()
