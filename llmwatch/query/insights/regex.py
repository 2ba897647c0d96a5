"""Regular expressions of a query: what RE2 takes, or a fault with its place.

RE2 has neither look-around nor back-references, and so no expression that hangs.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.tree import Regex

_PIECE = re.compile(
    r"(?P<literal>\\Q.*?(?:\\E|\Z)|\[\^?\]?(?:\\.|\[:\^?\w+:\]|[^\]\\])*(?:\]|\Z))"
    r"|(?P<back>\\[1-9k])"
    r"|(?P<escape>\\.)"
    r"|(?P<look>\(\?<?[=!])"
    r"|\(\?P?<(?P<name>[^>]{0,100})>"
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
    _compile(text, found)
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
        if match["look"]:
            raise self._fault(
                match.start(), "RE2 has no look-around: say it with another `like` or `not like`"
            )
        if match["back"]:
            raise self._fault(
                match.start(),
                "RE2 has no back-references: take both parts with `parse`, and compare them",
            )
        if match["name"] is not None:
            return self._group(match)
        return "(?:" if match["plain"] and self.named else match[0]

    def _group(self, match: re.Match[str]) -> str:
        name = match["name"]
        if not _NAME.fullmatch(name):
            raise self._fault(
                match.start(),
                f"`{name}` cannot be the name of a group: it takes letters, digits and `_`, a digit not first",
            )
        if name in self.names:
            raise self._fault(match.start(), f"two groups are called `{name}`: give each a name of its own")
        self.names.add(name)
        return f"(?P<{name}>"

    def _fault(self, offset: int, sentence: str) -> QueryError:
        return QueryError(self.text, self.place if self.begins is None else self.begins + offset, sentence)


def _compile(text: str, regex: Regex) -> None:
    import re2

    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(regex.pattern, options)
    except re2.error as error:
        reason = error.args[0].decode("utf-8", "replace") if isinstance(error.args[0], bytes) else str(error)
        raise QueryError(
            text,
            regex.place,
            f"RE2 refuses the regular expression ({reason}): mend it, or escape it with `\\`",
        ) from None
