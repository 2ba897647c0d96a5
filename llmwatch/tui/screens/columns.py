"""Which columns the search has: those there are, and fields of the lines' JSON."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from textual import on
from textual.app import ComposeResult
from textual.binding import BindingType
from textual.containers import Container
from textual.screen import ModalScreen

from llmwatch.clean import clean, join, literal
from llmwatch.tui.actions import bindings
from llmwatch.tui.screens.prompt import Done, PromptScreen
from llmwatch.tui.widgets.bars import KeyLines
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import content

MOST_FIELDS = 8
"""Each is read out of every hit's JSON."""


@dataclass(frozen=True, slots=True)
class ColumnRow:
    """A column to have or not."""

    key: str
    title: str
    words: str
    wanted: bool
    fits: bool
    field: str | None = None


def _state(row: ColumnRow) -> Cell:
    if not row.wanted:
        return Cell(literal("[ ]"), "faint")
    return Cell(literal("[x]"), "success" if row.fits else "warning")


def _words(row: ColumnRow) -> Cell:
    if row.wanted and not row.fits:
        return Cell(join([literal("no room here · "), clean(row.words)]), "warning")
    return Cell(clean(row.words), "muted")


_COLUMNS: tuple[Column[ColumnRow], ...] = (
    Column(
        "shown",
        "",
        "",
        lambda row, _now: _state(row),
        width=3,
        right=False,
    ),
    Column(
        "title", "", "", lambda row, _now: Cell(clean(row.title), "strong"), width=10, right=False, room=2
    ),
    Column("words", "", "", lambda row, _now: _words(row), width=10, right=False, room=200),
)

Room = Callable[[frozenset[str], tuple[str, ...]], frozenset[str]]
"""Of all columns but these, and these fields, the keys of those that there is room for."""
Chosen = Callable[[frozenset[str], tuple[str, ...]], None]
"""Takes the keys of the columns that are not wanted, and the fields that are."""


class ColumnsScreen(ModalScreen[None]):
    """Over the search, which follows every change at once."""

    BINDINGS: ClassVar[list[BindingType]] = [*bindings("columns"), *bindings("dialog")]

    def __init__(
        self,
        columns: Sequence[Column[Any]],
        hidden: frozenset[str],
        fields: tuple[str, ...] | None,
        room: Room,
        chosen: Chosen,
    ) -> None:
        """`fields` is None where there can be none, as of calls."""
        super().__init__()
        self._columns = tuple(columns)
        self._hidden = hidden
        self._fields = fields
        self._room = room
        self._chosen = chosen
        self.table = LineTable(_COLUMNS, lambda row: row.key, id="columns-table", heading=False)

    def compose(self) -> ComposeResult:
        """One list."""
        with Container(classes="dialog", id="columns"):
            yield self.table
            yield KeyLines("columns")

    def on_mount(self) -> None:
        """Fill it."""
        dialog = self.query_one("#columns")
        dialog.border_title = content((literal("Columns of the search"), "bold"))
        self._fill()
        self.table.focus()

    def _fill(self) -> None:
        fit = self._room(self._hidden, self._fields or ())
        rows = [
            ColumnRow(column.key, column.title, column.doc, column.key not in self._hidden, column.key in fit)
            for column in self._columns
        ]
        for name in self._fields or ():
            key = f"field {name}"
            rows.append(ColumnRow(key, name, "A field of the line's JSON", True, key in fit, name))
        self.table.set_rows(tuple(rows))

    def on_resize(self) -> None:
        """What there is room for is another; the search below is laid out first."""
        self.call_after_refresh(self._fill)

    def _change(self) -> None:
        self._fill()
        self._chosen(self._hidden, self._fields or ())

    @on(LineTable.Opened)
    def action_switch(self) -> None:
        """There, or not; one at least stays."""
        row = self.table.selected
        if row is None or row.field is not None:
            self.action_remove()
        elif self._hidden ^ {row.key} < {column.key for column in self._columns}:
            self._hidden ^= {row.key}
            self._change()

    def action_remove(self) -> None:
        """Away with a field."""
        row = self.table.selected
        if row is not None and row.field is not None:
            self._fields = tuple(name for name in self._fields or () if name != row.field)
            self._change()

    def action_add(self) -> None:
        """A field more."""
        if self._fields is None:
            self.notify("Calls have no fields of their own: press c in the search for events.", markup=False)
            return
        if len(self._fields) >= MOST_FIELDS:
            self.notify(f"{MOST_FIELDS} fields are enough: remove one first.", markup=False)
            return
        hint = literal("a key of the lines' JSON, as in usage.prompt_tokens")
        prompt = PromptScreen(literal("A column for a field"), "", hint, lambda name, _: Done(name))
        self.app.push_screen(prompt, self._add)

    def _add(self, name: str | None) -> None:
        fields = self._fields or ()
        if name is not None and name not in fields:
            self._fields = (*fields, name)
            self._change()
