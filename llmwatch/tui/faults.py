"""What is wrong with what a person typed, or what failed, as a screen shows it."""

from __future__ import annotations

from typing import NamedTuple

from llmwatch.errors import PlacedError


class Fault(NamedTuple):
    """A sentence, as raw text, and the character of the typed text at which it points."""

    sentence: str
    place: int | None = None


def fault(error: Exception) -> Fault:
    """Of an error: the caret under a line of its own is for a terminal, not for a screen."""
    if isinstance(error, PlacedError):
        return Fault(error.sentence, error.offset)
    return Fault(str(error))
