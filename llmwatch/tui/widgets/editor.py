"""Where a query is typed. What is typed or pasted goes through the cleaner at once: what is seen is what is asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from textual.content import Content
from textual.message import Message
from textual.widgets import TextArea
from textual.widgets.text_area import Edit, EditResult, Selection

from llmwatch import units
from llmwatch.clean import clean, literal
from llmwatch.tui.widgets.text import content

_LONGEST = 20_000
"""Characters that can be pasted at once; Logs Insights takes 10,000."""


def plain(text: str) -> str:
    """Text of several lines in which every character is visible; a tab is four blanks."""
    return "\n".join(clean(line.replace("\t", "    "), 4 * _LONGEST).text for line in text.split("\n"))


def _unix(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\r", "\n")


class Editor(TextArea):
    """A few lines of a query. Beyond its first and last line lie the queries asked before and after it."""

    ALLOW_SELECT = False
    PLACEHOLDER: ClassVar[Content] = content(
        (literal("fields @timestamp, @message | filter status >= 400 | limit 20"), "")
    )

    @dataclass
    class Stepped(Message):
        """The cursor went beyond the first line (-1) or the last (1)."""

        step: int

    def __init__(self) -> None:
        super().__init__(
            id="query-editor", highlight_cursor_line=False, placeholder=self.PLACEHOLDER, soft_wrap=True
        )
        self.cursor_blink = False

    def edit(self, edit: Edit) -> EditResult:
        """Every way in leads through here, but for `fill`."""
        if len(edit.text) > _LONGEST:
            self.notify(f"Only the first {units.count(_LONGEST)} characters are taken.", markup=False)
        edit.text = plain(_unix(edit.text[:_LONGEST]))
        return super().edit(edit)

    def fill(self, text: str) -> None:
        """Have this text instead, with the cursor at its end; what was there comes back with undo."""
        self.replace(text, self.document.start, self.document.end, maintain_selection_offset=False)
        self.move_cursor(self.document.end)

    def mark(self, words: str) -> None:
        """Select these where they first stand, for what is typed next to take their place."""
        place = self.text.find(words)
        if place >= 0:
            self.selection = Selection(self.location(place), self.location(place + len(words)))

    def location(self, offset: int) -> tuple[int, int]:
        """Line and column of a character."""
        before = self.text[:offset]
        return before.count("\n"), len(before) - before.rfind("\n") - 1

    def action_cursor_up(self, select: bool = False) -> None:
        """Up a line, and from the first to the query before."""
        if not select and self.navigator.is_first_wrapped_line(self.cursor_location):
            self.post_message(self.Stepped(-1))
        else:
            super().action_cursor_up(select)

    def action_cursor_down(self, select: bool = False) -> None:
        """Down a line, and from the last to the query after."""
        if not select and self.navigator.is_last_wrapped_line(self.cursor_location):
            self.post_message(self.Stepped(1))
        else:
            super().action_cursor_down(select)
