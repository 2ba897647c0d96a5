"""What is wrong with a query, and where."""

from __future__ import annotations

from collections.abc import Iterable

from llmwatch.errors import PlacedError, meant


class QueryError(PlacedError):
    """A query that cannot be read, or not be run here."""

    def __init__(self, text: str, offset: int, sentence: str) -> None:
        line = text.count("\n", 0, offset) + 1
        column = offset - text.rfind("\n", 0, offset)
        super().__init__(f"line {line}, column {column}: {sentence}", text, offset)


def nearest(word: str, names: Iterable[str], among: str) -> str:
    """A question after the name that was meant, else where all of them are."""
    return meant(word, names, "`{}`".format).rstrip() or among
