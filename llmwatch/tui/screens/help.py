"""What the keys do and what the columns mean, read from where they are defined."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen

from llmwatch.clean import literal
from llmwatch.tui.actions import bindings
from llmwatch.tui.panes.columns import EVENT_COLUMNS, usage_columns
from llmwatch.tui.panes.sources import FEED_COLUMNS
from llmwatch.tui.registry import EVERY_ACTION
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.kpi import KPIS
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import content, wrap


@dataclass(frozen=True, slots=True)
class HelpLine:
    """One key or column, or the heading of a group of them."""

    name: str
    words: str = ""
    group: bool = False


def help_lines() -> tuple[HelpLine, ...]:
    """All there is to say."""
    lines: list[HelpLine] = []
    for group in dict.fromkeys(action.group for action in EVERY_ACTION):
        lines.append(HelpLine(group, group=True))
        lines += [
            HelpLine(action.label, action.description) for action in EVERY_ACTION if action.group == group
        ]
        lines.append(HelpLine(""))
    from llmwatch.tui.panes.audit import FILE_COLUMNS

    sections = (
        ("Figures at the top", [(kpi.label, kpi.doc) for kpi in KPIS]),
        ("Columns of users and models", [(column.title, column.doc) for column in usage_columns("user")[1:]]),
        ("Columns of sources", [(column.title, column.doc) for column in FEED_COLUMNS]),
        ("Columns of audit logs", [(column.title, column.doc) for column in FILE_COLUMNS]),
        ("Columns of events", [(column.title, column.doc) for column in EVENT_COLUMNS]),
    )
    for title, entries in sections:
        lines += [HelpLine(title, group=True), *(HelpLine(*entry) for entry in entries), HelpLine("")]
    return tuple(lines[:-1])


_COLUMNS: tuple[Column[HelpLine], ...] = (
    Column(
        "name",
        "",
        "",
        lambda line, _now: Cell(
            literal(line.name if line.group else f"  {line.name}"), "money" if line.group else "strong"
        ),
        width=27,
        right=False,
    ),
    Column("words", "", "", lambda line, _now: Cell(literal(line.words)), width=20, right=False, room=200),
)


class HelpScreen(ModalScreen[None]):
    """Over the monitor, which goes on."""

    BINDINGS = bindings("dialog")

    def compose(self) -> ComposeResult:
        """One scrolling list."""
        with Container(classes="dialog"):
            yield LineTable(_COLUMNS, lambda line: line, id="help", heading=False)

    def on_mount(self) -> None:
        """Fill it."""
        dialog = self.query_one(".dialog")
        dialog.border_title = content((literal("Help"), "bold"))
        dialog.border_subtitle = content((literal("esc closes"), "$foreground 55%"))

    def on_resize(self) -> None:
        """Words that are too long for a line go on below."""
        self.call_after_refresh(self._fill)

    def _fill(self) -> None:
        table = self.query_one("#help", LineTable)
        cells = table.placed[-1][1]
        table.set_rows(tuple(row for line in help_lines() for row in _wrapped(line, cells)))


def _wrapped(line: HelpLine, cells: int) -> Iterator[HelpLine]:
    words = wrap(literal(line.words), cells) or [literal("")]
    yield replace(line, words=words[0].text)
    yield from (HelpLine("", more.text) for more in words[1:])
