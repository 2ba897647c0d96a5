"""The place of a fault in a text that a person typed."""

from __future__ import annotations

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
