"""A line to type a filter into, and the words below it: what is wrong and where, or what it comes to."""

from __future__ import annotations

import re
from collections.abc import Sequence

from rich.cells import cell_len
from textual.content import Content
from textual.geometry import Size
from textual.widgets import Input

from llmwatch.clean import Clean, clean, literal
from llmwatch.tui.faults import Fault
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import Pieces, content, cut, wrap

LONGEST = 10_000
"""Characters that can be typed, or pasted."""
SENTENCE_LINES = 3


class Typed(Input):
    """An input that holds plain text only: what is pasted may come from a log."""

    ALLOW_SELECT = False

    def __init__(self, *, id: str, placeholder: str = "", value: str = "") -> None:  # noqa: A002 (Textual's name)
        super().__init__(value, placeholder, id=id, compact=True, max_length=LONGEST, select_on_focus=False)
        self.cursor_blink = False

    def validate_value(self, value: str) -> str:
        """It is shown as it is kept, so what cannot be seen is kept as a mark; a tab is a space."""
        plain = value.isascii() and value.isprintable()
        return value if plain else clean(re.sub(r"\s", " ", value), LONGEST).text

    def cells_before(self, place: int) -> int:
        """In which cell of its line the character at this place stands."""
        return cell_len(self.value[:place]) - round(self.scroll_x)


class Words(Line):
    """A few lines that say something; no lines, no room taken."""

    def __init__(self, id: str) -> None:  # noqa: A002 (Textual's name)
        super().__init__(id=id)
        self._lines: tuple[Pieces, ...] = ()

    def say(self, lines: Sequence[Pieces]) -> None:
        """Say this instead."""
        if tuple(lines) != self._lines:
            taller = len(lines) != len(self._lines)
            self._lines = tuple(lines)
            self.refresh(layout=taller)

    def complain(self, fault: Fault, typed: Typed) -> None:
        """Say what is wrong, with a caret under the place where it is when that is in view.

        Places are in what is typed without the spaces around it.
        """
        cells = max(20, self.size.width)
        wrapped = wrap(clean(fault.sentence, 1_000), cells)
        if len(wrapped) > SENTENCE_LINES:
            wrapped[SENTENCE_LINES - 1 :] = [literal(f"{cut(wrapped[SENTENCE_LINES - 1], cells - 2)} …")]
        lines: list[Pieces] = [[(line, "$text-warning")] for line in wrapped]
        before = len(typed.value) - len(typed.value.lstrip())
        if fault.place is not None and 0 <= (cell := typed.cells_before(before + fault.place)) < cells:
            lines.insert(0, [(literal(" " * cell + "^"), "$text-warning")])
        self.say(lines)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are."""
        del container, viewport, width
        return len(self._lines)

    def draw(self, cells: int) -> Content:
        """Line by line."""
        return Content("\n").join(content(*_kept(line, cells)) for line in self._lines)


def _kept(line: Pieces, cells: int) -> list[tuple[Clean, str]]:
    kept: Pieces = []
    for piece, style in line:
        shown = literal(cut(piece, cells))
        cells -= cell_len(shown.text)
        kept.append((shown, style))
    return kept
