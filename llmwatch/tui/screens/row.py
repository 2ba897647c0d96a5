"""A row of an answer in full: every column, whether the table has room for it or not."""

from __future__ import annotations

from typing import ClassVar, NamedTuple

from textual import events
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.screen import ModalScreen

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.insights.answer import Value
from llmwatch.tui.actions import bindings
from llmwatch.tui.screens.detail import RAW_LIMIT, raw_lines
from llmwatch.tui.widgets.column import GAP, Cell, Column
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, content, width, wrap

_LONGEST_NAME = 32


class Part(NamedTuple):
    """A line of a value; the first has its column's name."""

    place: int
    column: int
    name: Clean
    text: Clean
    unknown: bool


def _columns(names: int) -> tuple[Column[Part], ...]:
    return (
        Column("name", "", "", lambda part, _now: Cell(part.name, "muted"), names, right=False),
        Column(
            "value",
            "",
            "",
            lambda part, _now: Cell(part.text, "faint" if part.unknown else "strong"),
            width=20,
            right=False,
            rank=-1,
            room=2_000,
        ),
    )


class RowScreen(ModalScreen[None]):
    """Over the monitor, which goes on."""

    BINDINGS: ClassVar[list[BindingType]] = [
        *bindings("dialog"),
        Binding("y", "copy", "Copy the value", id="row-copy", show=False),
    ]

    def __init__(self, title: Clean, columns: tuple[str, ...], values: tuple[Value, ...]) -> None:
        super().__init__()
        self._title = title
        self._names = [clean(name, 200) for name in columns]
        self._values = values
        self._name_cells = min(_LONGEST_NAME, max((width(name) for name in self._names), default=1))
        self.table = LineTable(
            _columns(self._name_cells), lambda part: part.place, id="row-values", heading=False
        )

    def compose(self) -> ComposeResult:
        """One scrolling list."""
        with Container(classes="dialog"):
            yield self.table

    def on_mount(self) -> None:
        """Say which row it is."""
        dialog = self.query_one(".dialog")
        dialog.border_title = content((self._title, "bold"))
        dialog.border_subtitle = content((literal("y copies a value · esc closes"), "$foreground 55%"))
        self._fill(self.app.size.width)

    def action_copy(self) -> None:
        """The whole value of which a line is under the cursor, cleaned."""
        part = self.table.selected
        if part is not None:
            self.app.copy_to_clipboard(clean(self._values[part.column], RAW_LIMIT).text)
            self.notify(join([literal("Copied "), self._names[part.column]]).text, markup=False)

    def on_resize(self, event: events.Resize) -> None:
        """Lines are wrapped to what there is."""
        self._fill(event.size.width)

    def _fill(self, screen: int) -> None:
        dialog = min(screen * 92 // 100, 150) - 4
        cells = max(20, dialog - self._name_cells - GAP - 2)
        parts: list[Part] = []
        for column, (name, value) in enumerate(zip(self._names, self._values, strict=True)):
            for number, line in enumerate(_lines(value, cells)):
                parts.append(Part(len(parts), column, NOTHING if number else name, line, value is None))
        self.table.set_rows(tuple(parts))


def _lines(value: Value, cells: int) -> list[Clean]:
    """A value, wrapped: JSON by its lines, anything else as it is."""
    if value is None:
        return [literal(units.UNKNOWN)]
    if not isinstance(value, str):
        return [clean(value)]
    if value[:1] in {"{", "["}:
        lines = raw_lines(value)
    else:
        lines, more = value[:RAW_LIMIT].splitlines() or [""], len(value) - RAW_LIMIT
        lines += [f"… {units.count(more)} more characters"] if more > 0 else []
    return [part for line in lines for part in wrap(clean(line, RAW_LIMIT), cells) or [NOTHING]]
