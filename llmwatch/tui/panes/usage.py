"""Users and models: who spends what on what."""

from __future__ import annotations

from datetime import datetime

from llmwatch import units
from llmwatch.clean import Clean, join, literal
from llmwatch.query.snapshot import Table
from llmwatch.tui.panes.columns import UsageLine, usage_columns, usage_lines
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, Piece


class UsagePane(LineTable[UsageLine]):
    """One row a user or a model, sorted by the store."""

    def __init__(self, dimension: str, number: int) -> None:
        super().__init__(usage_columns(dimension), lambda line: line.key, id=f"{dimension}s")
        self.add_class("pane")
        self._dimension = dimension
        self._number = number
        self._groups: int | None = None
        self.sort = ("cost_usd", True)

    @property
    def title(self) -> Clean:
        """What is listed, and how much of it: `Users · 50 of 312`."""
        name = f"{self._dimension.capitalize()}s"
        if self._groups is None:
            return literal(name)
        shown = len(self.rows)
        of = (
            f"{units.count(shown)} of {units.count(self._groups)}"
            if shown < self._groups
            else units.count(shown)
        )
        return literal(f"{name} · {of}")

    badge: Piece = (NOTHING, "")

    def show(self, table: Table | None, now: datetime) -> None:
        """Show these groups; None keeps what was there."""
        if table is not None:
            self._groups = table.groups
            self.set_rows(usage_lines(table), now)
        self.entitle(join([literal(f"{self._number} "), self.title]))

    def sort_by(self, column: str) -> None:
        """Sort by this column, or the other way round when it is the one."""
        current, descending = self.sort or ("", False)
        self.sort = (column, not descending if column == current else column != "key")
        self.refresh()

    def step_sort(self, step: int) -> None:
        """Sort by the next column there is room for."""
        keys = [column.key for column, _ in self.placed if column.sortable]
        current = self.sort[0] if self.sort else ""
        self.sort_by(keys[(keys.index(current) + step) % len(keys)] if current in keys else keys[0])

    def reverse(self) -> None:
        """Turn the order round."""
        if self.sort:
            self.sort_by(self.sort[0])
