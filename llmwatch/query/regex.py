"""Regular expressions that people write, in filters and in queries: what RE2 takes, or why it does not, and where.

RE2 has neither look-around nor back-references, and so no expression that hangs.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from re2 import Options

_LARGEST_PATTERN = 1 << 16
"""Bytes of memory, of the 8 MiB that DuckDB gives it. Large patterns search kilobytes a second: `(.{1,30}){1,30}!`
does, and needs 256 KiB; `.{1,300}` fits, and searches tens of megabytes."""

_NO_BACK_REFERENCE = "RE2 has no back-references, so that no pattern can hang: write out what may repeat"
_NO_LOOK_AROUND = (
    "RE2 has no look-around, so that no pattern can hang: ask for two, one of them with - or `not`"
)
_REMEDIES = (
    *((start, _NO_LOOK_AROUND) for start in ("(?=", "(?!", "(?<=", "(?<!")),
    *((start, _NO_BACK_REFERENCE) for start in ("(?P=", "\\k", *(f"\\{digit}" for digit in range(1, 10)))),
)
"""How what is not in RE2 begins → what to do."""


class PatternError(Exception):
    """A sentence with the remedy, and the place: an offset in the pattern."""

    def __init__(self, sentence: str, offset: int) -> None:
        super().__init__(sentence)
        self.offset = offset


def check_pattern(pattern: str) -> Collection[str]:
    """The names of its groups. Raises PatternError: RE2 refuses it, or would be slow with it."""
    import re2

    try:
        compiled = re2.compile(pattern, _options())
    except re2.error as error:
        what = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise _refusal(pattern, what) from None
    return tuple(compiled.groupindex)


@cache
def _options() -> Options:
    import re2

    options = re2.Options()
    options.log_errors = False
    options.max_mem = _LARGEST_PATTERN
    return options


def _refusal(pattern: str, what: str) -> PatternError:
    """RE2 ends its sentence with the part it means, or the beginning of that part."""
    reason, _, part = what.partition(": ")
    for start, remedy in _REMEDIES:
        if part and (start.startswith(part) or part.startswith(start)) and start in pattern:
            return PatternError(remedy, pattern.find(start))
    if reason.startswith("pattern too large"):
        return PatternError(
            "this pattern is too large to be quick: let less be repeated, or repeat it less often", 0
        )
    sentence = (
        f"this is no regular expression of RE2 ({reason}): mend it, or put \\ before what stands for itself"
    )
    return PatternError(sentence, max(pattern.find(part), 0))
