"""What a search lists: events with the fields that were asked for, or calls; and which words of them it found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from itertools import islice
from typing import NamedTuple, TypeVar, cast

from llmwatch import units
from llmwatch.clean import Clean, clean
from llmwatch.query.filters.marks import Finder
from llmwatch.query.found import CallHit, Found
from llmwatch.query.snapshot import EventRow
from llmwatch.sources.source import SourceState
from llmwatch.tui.health import NAME_LIMIT
from llmwatch.tui.panes.columns import EVENT_COLUMNS, UNKNOWN_NAME, UsageLine, figure_cell, name_cell
from llmwatch.tui.widgets.column import Cell, Column, Tone

T = TypeVar("T")

_MOST_MARKS = 20
"""In a cell."""


class EventHit(NamedTuple):
    """An event, and its line's values of the fields that were asked for."""

    event: EventRow
    values: tuple[str | None, ...] = ()

    @property
    def seq(self) -> int:
        """The line's number in the store."""
        return self.event.seq


Hit = EventHit | CallHit
Row = UsageLine | EventRow | SourceState | EventHit | CallHit
"""Anything that a pane lists."""


def hits(found: Found) -> tuple[Hit, ...]:
    """The rows of what was found, newest first."""
    if found.calls or not found.values:
        return found.calls or tuple(map(EventHit, found.events))
    return tuple(map(EventHit, found.events, found.values))


def row_name(row: Row) -> Clean:
    """What a row is called."""
    if isinstance(row, SourceState):
        return clean(row.name, NAME_LIMIT)
    if isinstance(row, UsageLine):
        return UNKNOWN_NAME if row.key is None else clean(row.key, 1024)
    if isinstance(row, CallHit):
        return clean(row.request_id or f"the call of line {row.seq}", 1024)
    event = row.event if isinstance(row, EventHit) else row
    return clean(event.request_id or event.message or f"line {event.line}", 1024)


def _of_event(column: Column[EventRow]) -> Column[EventHit]:
    return Column(
        column.key,
        column.title,
        column.doc,
        lambda hit, now: column.cell(hit.event, now),
        column.width,
        column.right,
        column.rank,
        column.room,
        sortable=False,
    )


def _field_column(name: str, number: int) -> Column[EventHit]:
    """A column of a field of the lines' JSON, the `number`-th that was asked for."""
    return Column(
        f"field {name}",
        clean(name, 40).text,
        "A field of the line",
        lambda hit, _now: _field(hit.values[number] if number < len(hit.values) else None),
        width=max(6, min(16, len(clean(name, 40).text))),
        right=False,
        room=24,
        sortable=False,
    )


def _field(value: str | None) -> Cell:
    return figure_cell(units.UNKNOWN) if value is None else Cell(clean(value), "strong")


_STATUS_TONES: dict[str, Tone] = {"error": "error", "aborted": "warning", "unfinished": "strong"}


def _clock(hit: CallHit) -> Cell:
    return figure_cell(units.UNKNOWN if hit.time is None else f"{hit.time:%H:%M:%S}", "muted")


def _http(hit: CallHit) -> Cell:
    failed = (hit.http_status or 0) >= 400
    return figure_cell(
        units.UNKNOWN if hit.http_status is None else str(hit.http_status), "error" if failed else "muted"
    )


def _column(
    key: str,
    title: str,
    doc: str,
    cell: Callable[[CallHit], Cell],
    width: int,
    rank: int,
    room: int = 0,
    right: bool = True,
) -> Column[CallHit]:
    return Column(key, title, doc, lambda hit, _now: cell(hit), width, right, rank, room, sortable=False)


CALL_COLUMNS: tuple[Column[CallHit], ...] = (
    _column("time", "time", "When the call began, in UTC", _clock, 8, 0, right=False),
    _column(
        "status",
        "status",
        "How the call went: ok, error, aborted, open or unfinished",
        lambda hit: Cell(clean(hit.status), _STATUS_TONES.get(hit.status, "muted")),
        7,
        2,
        room=3,
        right=False,
    ),
    _column("http", "http", "HTTP status", _http, 4, 9),
    _column("user", "user", "Who called", lambda hit: name_cell(hit.user), 16, 1, room=20, right=False),
    _column("model", "model", "The model", lambda hit: name_cell(hit.model), 16, 3, room=26, right=False),
    _column("cost", "$", "Dollars", lambda hit: figure_cell(units.price(hit.cost_usd)), 8, 1),
    _column(
        "took", "took", "How long the call took", lambda hit: figure_cell(units.latency(hit.latency_ms)), 6, 4
    ),
    _column(
        "in",
        "in",
        "Input tokens that were not from a cache",
        lambda hit: figure_cell(units.tokens(hit.input_tokens)),
        5,
        6,
    ),
    _column(
        "c.rd",
        "c.rd",
        "Input tokens read from a cache",
        lambda hit: figure_cell(units.tokens(hit.cache_read_tokens)),
        5,
        10,
    ),
    _column(
        "c.wr",
        "c.wr",
        "Input tokens written to a cache",
        lambda hit: figure_cell(units.tokens(hit.cache_write_tokens)),
        5,
        11,
    ),
    _column("out", "out", "Output tokens", lambda hit: figure_cell(units.tokens(hit.output_tokens)), 5, 5),
    _column(
        "request",
        "request",
        "The request's id",
        lambda hit: Cell(clean(hit.request_id), "muted"),
        10,
        12,
        room=26,
        right=False,
    ),
    _column(
        "error",
        "error",
        "What went wrong",
        lambda hit: Cell(clean(hit.error, 600), "error"),
        12,
        7,
        room=400,
        right=False,
    ),
)
_EVENT_COLUMNS = tuple(_of_event(column) for column in EVENT_COLUMNS)


def call_columns() -> tuple[Column[Hit], ...]:
    """The columns of a table of calls."""
    return cast("tuple[Column[Hit], ...]", CALL_COLUMNS)


def event_columns(fields: Sequence[str] = ()) -> tuple[Column[Hit], ...]:
    """The columns of a table of events, with those of the fields that were asked for before the message."""
    asked = [_field_column(name, number) for number, name in enumerate(fields)]
    return cast("tuple[Column[Hit], ...]", (*_EVENT_COLUMNS[:-1], *asked, _EVENT_COLUMNS[-1]))


_MARKED = {"user", "model", "text", "error", "request"}


def marking(columns: Sequence[Column[T]], find: Finder | None) -> tuple[Column[T], ...]:
    """These columns, with what was found highlighted in those of words."""
    if find is None:
        return tuple(columns)
    return tuple(
        _marked(column, find) if column.key in _MARKED or column.key.startswith("field ") else column
        for column in columns
    )


def _marked(column: Column[T], find: Finder) -> Column[T]:
    def cell(hit: T, now: datetime) -> Cell:
        plain = column.cell(hit, now)
        return plain._replace(marks=tuple(islice(find(plain.text.text), _MOST_MARKS)))

    return replace(column, cell=cell)
