"""The errors llmwatch raises at its edges, each with a sentence for the person who reads it.

The exit codes are the command line's promise: 1 a finding, 2 usage, 3 a source failed and may work later.
"""

from collections.abc import Callable, Iterable


class LlmwatchError(Exception):
    """Something a person can mend; `str(error)` names the thing and the remedy."""

    exit_code = 3


class UsageError(LlmwatchError):
    """The words of the call are off: a bad flag, date, filter, query or override file."""

    exit_code = 2


class PlacedError(UsageError):
    """A fault in a text that a person typed; `offset` is its place there, in characters."""

    def __init__(self, sentence: str, text: str, offset: int) -> None:
        super().__init__(f"{sentence}{caret(text, offset)}")
        self.sentence = sentence
        self.offset = offset


class SourceError(LlmwatchError):
    """A source cannot be read now and may be later: missing, unreadable, not a log."""


class StoreError(LlmwatchError):
    """The store cannot go on: its disk is full, its database file is locked or not ours."""


def meant(word: str, names: Iterable[str], shown: Callable[[str], str] = str) -> str:
    """A question after the name that is nearest to a wrong one, to stand before a remedy; empty if none is near."""
    from difflib import get_close_matches

    spelled = {name.lower(): name for name in names}
    near = get_close_matches(word.lower(), spelled, n=1)
    return f"is {shown(spelled[near[0]])} meant? " if near else ""


_BEFORE, _AFTER = 60, 40
"""Characters of the line that are shown around the place."""


def caret(text: str, offset: int) -> str:
    """A new line, the line of `text` at `offset` as far as it fits, and under it a caret at the place.

    As many characters are before the caret as before the place. One that is not to be seen is a space or a dot there,
    so that cleaning changes no place.
    """
    begin = text.rfind("\n", 0, offset) + 1
    end = text.find("\n", offset)
    line = text[begin : len(text) if end < 0 else end]
    column = offset - begin
    left = max(column - _BEFORE, 0)
    return f"\n{_visible(line[left : column + _AFTER])}\n{' ' * (column - left)}^"


def _visible(text: str) -> str:
    return "".join(" " if char.isspace() else char if char.isprintable() else "·" for char in text)
