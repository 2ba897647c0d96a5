"""Which JSON object a line is, for queries over raw lines: its text, or what a second chance made of that.

It is in SQL over the columns `message`, `document` (the repaired text of a line that is no JSON as it is written) and
`in_place` (the number of a file that is queried where it lies: there nothing could be repaired).
"""

from __future__ import annotations

from llmwatch.store.lenient import repair

WHITE = "chr(32) || chr(9) || chr(11) || chr(12) || chr(13)"
"""What a line that is blank may have; `\\n` ends it."""

_STARTS = f"ltrim(message, chr(65279) || {WHITE})"
_MAY_BE = f"CASE WHEN starts_with(message, '{{') THEN true ELSE starts_with({_STARTS}, '{{') END"
"""For a text that is no JSON, DuckDB's functions take 15 µs: most of those are not looked into."""

_UNREADABLE = "a line that may be JSON cannot be read where it lies"

IS_ODD = f"({_MAY_BE} AND NOT json_valid(message))"
"""Whether a line may have a second chance."""


def extracted(function: str, paths: str) -> str:
    """What a function of JSON finds in the object that a line is; NULL where it is none.

    For an odd line of a file that is queried where it lies the statement fails, and `is_refusal` tells.
    """
    return (
        f"CASE WHEN {_MAY_BE} THEN coalesce(try({function}(coalesce(document, message), {paths})), "
        f"CASE WHEN in_place IS NOT NULL THEN error('{_UNREADABLE}') END) END"
    )


def is_refusal(error: Exception) -> bool:
    """Whether a statement failed for an odd line of a file."""
    return _UNREADABLE in str(error)


def document(line: bytes) -> str | None:
    """The JSON object that a line is on second thoughts, if it is one."""
    repaired = repair(line)
    return None if repaired is None else repaired.decode()
