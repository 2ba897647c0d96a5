"""The filters of the scope, and those saved for later."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import ClassVar, NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.errors import LlmwatchError
from llmwatch.query.scope import Chip, Scope
from llmwatch.tui.actions import bindings
from llmwatch.tui.faults import fault
from llmwatch.tui.filters import Filters
from llmwatch.tui.looking import Search
from llmwatch.tui.screens.filter_prompt import FilterPrompt
from llmwatch.tui.screens.prompt import Done, Objection, PromptScreen
from llmwatch.tui.widgets.bars import KeyLines
from llmwatch.tui.widgets.chips import Rescoped
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import content, width


class ChipRow(NamedTuple):
    """A filter of the scope, and its place there."""

    place: int
    chip: Chip


class SavedRow(NamedTuple):
    """A saved filter."""

    name: str
    text: str


def _state(row: ChipRow) -> Cell:
    return Cell(literal("● on"), "success") if row.chip.enabled else Cell(literal("○ off"), "faint")


def _effect(row: ChipRow) -> Cell:
    return Cell(literal("leaves out"), "warning") if row.chip.inverted else Cell(literal("keeps"), "muted")


def _filter(row: ChipRow) -> Cell:
    return Cell(clean(row.chip.filter.text, 400), "strong" if row.chip.enabled else "faint")


_CHIPS: tuple[Column[ChipRow], ...] = (
    Column("state", "", "", lambda row, _now: _state(row), width=5, right=False, sortable=False),
    Column("effect", "", "", lambda row, _now: _effect(row), width=10, right=False, sortable=False),
    Column(
        "text", "filter", "", lambda row, _now: _filter(row), width=20, right=False, room=400, sortable=False
    ),
)


def _saved_columns(longest: int) -> tuple[Column[SavedRow], ...]:
    """Filters stand below those of the scope, if no name is long."""
    return (
        Column(
            "name",
            "name",
            "",
            lambda row, _now: Cell(clean(row.name), "strong"),
            width=max(17, longest),
            right=False,
        ),
        Column(
            "text",
            "filter",
            "",
            lambda row, _now: Cell(clean(row.text, 400), "muted"),
            width=20,
            right=False,
            room=400,
        ),
    )


def _save(filters: Filters, text: str, name: str, insisted: bool) -> Done[Clean] | Objection:
    """In a thread: it writes a file."""
    if not insisted and name in filters.saved:
        return Objection(literal("there is a filter of that name: enter again replaces it"), may_insist=True)
    filters.save(name, text)
    return Done(join([literal("Saved the filter as "), clean(name)]))


class FiltersScreen(ModalScreen[None]):
    """Over the monitor, which follows every change at once."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("filters"),
        *bindings("dialog"),
        Binding("tab,shift+tab", "other", show=False),
    ]

    def __init__(self, scope: Scope, filters: Filters, search: Search) -> None:
        super().__init__()
        self.scope = scope
        self._filters = filters
        self._search = search
        self._longest = 0
        """Cells of the longest name."""
        self.chips = LineTable(_CHIPS, lambda row: row.place, id="chip-table", heading=False)
        self.saved = LineTable(_saved_columns(0), lambda row: row.name, id="saved-table", heading=False)

    def compose(self) -> ComposeResult:
        """Those that count above those that might."""
        with Container(classes="dialog", id="filters"):
            yield self.chips
            yield self.saved
            yield KeyLines("filters")

    def on_mount(self) -> None:
        """Fill it."""
        dialog = self.query_one("#filters")
        dialog.border_title = content((literal("Filters"), "bold"))
        self.chips.empty = literal("everything is shown: press a to add a filter")
        self.saved.empty = literal("none is saved: press w on a filter to save it")
        self._fill()
        self.chips.focus()

    def _fill(self) -> None:
        chips = tuple(ChipRow(place, chip) for place, chip in enumerate(self.scope.chips))
        self.chips.set_rows(chips)
        saved = tuple(SavedRow(*one) for one in sorted(self._saved().items()))
        longest = max((width(clean(row.name)) for row in saved), default=0)
        if longest != self._longest:
            self._longest = longest
            self.saved.set_columns(_saved_columns(longest))
        self.saved.set_rows(saved)
        on = sum(row.chip.enabled for row in chips)
        self.chips.entitle(literal(f"In the scope · {units.count(on)} of {units.count(len(chips))} on"))
        self.saved.entitle(literal("Saved"))

    def _saved(self) -> Mapping[str, str]:
        try:
            return self._filters.saved
        except LlmwatchError as error:
            self._complain(error)
            return {}

    def _complain(self, error: LlmwatchError) -> None:
        self.notify(clean(fault(error).sentence, 400).text, severity="error", markup=False)

    def _change(self, *chips: Chip) -> None:
        self.scope = replace(self.scope, chips=chips)
        self._fill()
        self.post_message(Rescoped(self.scope))

    @property
    def _row(self) -> ChipRow | None:
        return self.chips.selected if self.chips.has_focus else None

    def _replace(self, row: ChipRow, *chips: Chip) -> None:
        before, after = self.scope.chips[: row.place], self.scope.chips[row.place + 1 :]
        self._change(*before, *chips, *after)

    # Keys

    def action_other(self) -> None:
        """To the other list."""
        (self.saved if self.chips.has_focus else self.chips).focus()

    def action_switch(self) -> None:
        """Off, or on again."""
        if row := self._row:
            self._replace(row, replace(row.chip, enabled=not row.chip.enabled))

    def action_invert(self) -> None:
        """Leave out what it keeps."""
        if row := self._row:
            self._replace(row, replace(row.chip, inverted=not row.chip.inverted))

    def action_remove(self) -> None:
        """Away with it."""
        if row := self._row:
            self._replace(row)
        elif self.saved.has_focus and (saved := self.saved.selected):
            try:
                self._filters.remove(saved.name)
            except LlmwatchError as error:
                self._complain(error)
            self._fill()

    def action_clear(self) -> None:
        """Everything is shown again."""
        self._change()

    def action_add(self) -> None:
        """A new one."""
        prompt = FilterPrompt("Add a filter", self._filters, self._search)
        self.app.push_screen(prompt, self._add)

    def _add(self, text: str | None) -> None:
        if text:
            self._change(*self.scope.chips, Chip(self._filters.read(text)))

    def action_edit(self) -> None:
        """Other words for one."""
        if row := self._row:

            def edited(text: str | None) -> None:
                if text:
                    self._replace(row, replace(row.chip, filter=self._filters.read(text)))

            prompt = FilterPrompt("Edit the filter", self._filters, None, value=row.chip.filter.text)
            self.app.push_screen(prompt, edited)

    def action_save(self) -> None:
        """Under a name."""
        if row := self._row:
            hint = literal("a name for the filter; in another filter @name means this one")
            save = partial(_save, self._filters, row.chip.text)
            self.app.push_screen(PromptScreen(literal("Save the filter"), "", hint, save), self._kept)

    def _kept(self, words: Clean | None) -> None:
        if words is not None:
            self._fill()
            self.notify(words.text, markup=False)

    def action_use(self) -> None:
        """Add the saved one."""
        if saved := self.saved.selected:
            try:
                self._add(saved.text)
            except LlmwatchError as error:
                self._complain(error)

    @on(LineTable.Opened)
    def _opened(self, message: LineTable.Opened) -> None:
        if message.table is self.saved:
            self.action_use()
        else:
            self.action_edit()
