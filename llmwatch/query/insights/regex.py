"""Regular expressions of a query, whose groups may have names: as RE2 writes them, or a fault with its place."""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.tree import Regex
from llmwatch.query.regex import PatternError, check_pattern

_PIECE = re.compile(
    r"(?P<literal>\\Q.*?(?:\\E|\Z)|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*(?:\]|\Z))"
    r"|(?P<escape>\\.)"
    r"|\(\?P?<(?![=!])(?P<name>[^>]{0,100})>"
    r"|(?P<plain>\((?!\?))",
    re.DOTALL,
)
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def checked_regex(text: str, place: int, pattern: str, *, begins: int | None, named: bool = False) -> Regex:
    """A pattern as RE2 takes it. `begins` is where it begins in the query's text, if it stands there as it is.

    `named`: only groups with a name capture.

    Raises:
        QueryError: RE2 refuses it, or two groups have one name.

    """
    reading = _Reading(text, place, begins, named)
    found = Regex(_PIECE.sub(reading.piece, pattern), place)
    try:
        check_pattern(pattern)
    except PatternError as error:
        raise reading.fault(error.offset, str(error)) from None
    return found


def group_names(regex: Regex) -> tuple[str, ...]:
    """The names of its groups, in order."""
    return tuple(match["name"] for match in _PIECE.finditer(regex.pattern) if match["name"] is not None)


@dataclass(slots=True)
class _Reading:
    text: str
    place: int
    begins: int | None
    named: bool
    names: set[str] = field(default_factory=set)

    def piece(self, match: re.Match[str]) -> str:
        if match["name"] is not None:
            return self._group(match)
        return "(?:" if match["plain"] and self.named else match[0]

    def _group(self, match: re.Match[str]) -> str:
        name = match["name"]
        if not _NAME.fullmatch(name):
            raise self.fault(
                match.start(),
                f"`{name}` cannot be the name of a group: it takes letters, digits and `_`, a digit not first",
            )
        if name in self.names:
            raise self.fault(match.start(), f"two groups are called `{name}`: give each a name of its own")
        self.names.add(name)
        return f"(?P<{name}>"

    def fault(self, offset: int, sentence: str) -> QueryError:
        return QueryError(self.text, self.place if self.begins is None else self.begins + offset, sentence)
