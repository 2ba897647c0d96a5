"""An answer, ready to be shown. Made in a worker, for this is what grows with the rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from llmwatch import units
from llmwatch.clean import Clean, clean, literal
from llmwatch.query.insights.answer import Answer, Value
from llmwatch.tui.panes.columns import figure_cell
from llmwatch.tui.panes.timeline import Grouping, timeline
from llmwatch.tui.widgets.chart import Timeline
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.text import width

_TITLE_LIMIT, _COPIED = 200, 100_000
_LOOKED_AT = 200
"""Rows by which the width of a column of text is chosen."""
_NARROW, _WORDY, _WIDE = 10, 24, 200
"""Cells a column has at least, if it has as many; the title of a column of figures at most; a text at most.

A time is never cut: its end tells one row from the next.
"""


class Row(NamedTuple):
    """A row and its place, which is its key."""

    place: int
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Shown:
    """An answer, ready to be shown."""

    answer: Answer
    rows: tuple[Row, ...]
    columns: tuple[Column[Row], ...]
    timeline: Timeline | None
    remarks: tuple[Clean, ...]
    """On the chart."""
    seconds: float
    """How long it took."""


def shown(answer: Answer, grouping: Grouping | None, seconds: float) -> Shown:
    """All that is to be known before it can be shown."""
    numeric = [_is_numeric(row[place] for row in answer.rows) for place in range(len(answer.columns))]
    columns = tuple(_column(answer, place, numeric[place]) for place in range(len(answer.columns)))
    drawn, remarks = timeline(answer, numeric, grouping)
    rows = tuple(Row(place, values) for place, values in enumerate(answer.rows))
    return Shown(answer, rows, columns, drawn, tuple(remarks), seconds)


def _is_number(value: Value) -> bool:
    return isinstance(value, int | float)


def _is_numeric(values: Iterable[Value]) -> bool:
    known = [_is_number(value) for value in values if value is not None]
    return bool(known) and all(known)


def _decimals(values: Iterable[float]) -> int:
    """How many a column's figures have, so that they stand below each other: none, if all of them are whole."""
    known = [abs(value) for value in values if math.isfinite(value)]
    if all(isinstance(value, int) or value.is_integer() for value in known):
        return 0
    return 2 if max(known) >= 100 else 3 if max(known) >= 1 else 4


def _figure(value: float, decimals: int) -> str:
    """A number in a table. What is not zero never looks like it."""
    if not math.isfinite(value):
        return units.UNKNOWN
    if not isinstance(value, int) and (abs(value) >= 1e15 or 0 < abs(value) < 0.5 * 10**-decimals):
        return f"{value:.2e}"
    return f"{value:,.{decimals}f}" if decimals or not isinstance(value, int) else units.count(value)


def _column(answer: Answer, place: int, numeric: bool) -> Column[Row]:
    title = clean(answer.columns[place], _TITLE_LIMIT)
    if numeric:
        known = [value for row in answer.rows if isinstance(value := row[place], int | float)]
        decimals = _decimals(known)
        least = max(min(width(title), _NARROW), *(len(_figure(value, decimals)) for value in known))
        room = max(0, min(width(title), _WORDY) - least)
        return _made(title, place, _number(place, decimals), least, room, right=True)
    words = (_text(row[place]) for row in answer.rows[:_LOOKED_AT])
    widest = max(width(title), *(width(text) for text in words), 1)
    least = widest if answer.columns[place] in (answer.binned, "@timestamp") else min(widest, _NARROW)
    return _made(title, place, _words(place), least, min(widest, _WIDE) - least, right=False)


def _made(
    title: Clean, place: int, cell: Callable[[Row, datetime], Cell], cells: int, room: int, *, right: bool
) -> Column[Row]:
    return Column(str(place), title.text, "", cell, cells, right=right, rank=place, room=room, sortable=False)


def _number(place: int, decimals: int) -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _now: datetime) -> Cell:
        value = row.values[place]
        return figure_cell(_figure(value, decimals) if isinstance(value, int | float) else units.UNKNOWN)

    return cell


def _words(place: int) -> Callable[[Row, datetime], Cell]:
    def cell(row: Row, _now: datetime) -> Cell:
        value = row.values[place]
        return figure_cell(units.UNKNOWN) if value is None else Cell(_text(value))

    return cell


def _text(value: Value) -> Clean:
    """A value of a column that holds others than numbers too."""
    return literal(units.figure(value)) if isinstance(value, int | float) else clean(value, _WIDE * 2)


def copied(values: tuple[Value, ...]) -> str:
    """A row for a clipboard: every value in full and cleaned, apart by tabs as spreadsheets take them."""
    return "\t".join(clean(value, _COPIED).text for value in values)
