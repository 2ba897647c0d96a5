"""What the tables show: usage by user or model, and events."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from llmwatch import units
from llmwatch.clean import clean, literal
from llmwatch.query.snapshot import EventRow, Table, Usage
from llmwatch.tui.widgets.column import Cell, Column, Tone
from llmwatch.tui.widgets.text import NOTHING

BAD_KINDS = frozenset({"malformed", "unrecognised"})
"""Kinds of lines that were not understood."""

UNKNOWN_NAME = literal("(unknown)")


@dataclass(frozen=True, slots=True)
class UsageLine:
    """A row of a table of calls, and whether it outweighs all the others together."""

    key: str | None
    usage: Usage
    costs_most: bool
    burns_most: bool


def usage_lines(table: Table) -> tuple[UsageLine, ...]:
    """The rows of a table by one dimension."""
    total, rate = table.totals.cost_usd, table.totals.cost_per_hour_usd
    compared = table.groups > 2
    return tuple(
        UsageLine(
            row.key[0],
            row.usage,
            compared and _most(row.usage.cost_usd, total),
            compared and _most(row.usage.cost_per_hour_usd, rate),
        )
        for row in table.rows
    )


def _most(part: float | None, total: float | None) -> bool:
    return part is not None and total is not None and part > total / 2


def is_error(event: EventRow) -> bool:
    """Whether the event tells of something that failed."""
    return event.error is not None or (event.status or 0) >= 400 or event.level in {"ERROR", "CRITICAL"}


def is_bad(event: EventRow) -> bool:
    """Whether the line was not understood."""
    return event.kind in BAD_KINDS


def short_count(value: int) -> str:
    """A count in at most six cells."""
    return units.count(value) if value < 100_000 else units.tokens(value)


def name_cell(name: str | None, tone: Tone = "plain") -> Cell:
    """A user or model."""
    return Cell(UNKNOWN_NAME, "faint") if name is None else Cell(clean(name), tone)


def figure_cell(text: str, tone: Tone = "plain") -> Cell:
    """A figure; one that is unknown is faint."""
    return Cell(literal(text), "faint" if text == units.UNKNOWN else tone)


def _trouble(value: int, tone: Tone) -> Cell:
    """A count that is a worry when it is not zero."""
    return figure_cell(short_count(value), tone if value else "faint")


def _tokens(value: int | None) -> Cell:
    return figure_cell(units.tokens(value), "faint" if value == 0 else "plain")


def _money(value: float | None, *, most: bool, tone: Tone, cents_below: float = math.inf) -> Cell:
    text = units.money(value) if value is None or value < cents_below else f"${value:,.0f}"
    return figure_cell(text, "hot" if most else tone if value else "faint")


def _age(then: datetime | None, now: datetime) -> Cell:
    return figure_cell(units.age(None if then is None else (now - then).total_seconds()), "muted")


def _of(part: Callable[[Usage], Cell]) -> Callable[[UsageLine, datetime], Cell]:
    return lambda line, _now: part(line.usage)


_USAGE: tuple[Column[UsageLine], ...] = (
    Column(
        "cost_usd",
        "$",
        "Dollars for all calls in scope with a known price. Amber: more than all others together",
        lambda line, _now: _money(line.usage.cost_usd, most=line.costs_most, tone="money"),
        width=9,
        rank=1,
    ),
    Column(
        "cost_per_hour_usd",
        "$/h",
        "What an hour costs at the pace of the last minutes. Amber: more than all others together",
        lambda line, _now: _money(
            line.usage.cost_per_hour_usd, most=line.burns_most, tone="strong", cents_below=1_000
        ),
        width=7,
        rank=2,
    ),
    Column("requests", "reqs", "Calls", _of(lambda u: figure_cell(short_count(u.requests))), width=6, rank=1),
    Column("errors", "err", "Calls that failed", _of(lambda u: _trouble(u.errors, "error")), width=5, rank=3),
    Column(
        "unmetered",
        "unmet",
        "Calls that succeeded and whose tokens nobody knows: their cost is missing from $",
        _of(lambda u: _trouble(u.unmetered, "warning")),
        width=6,
        rank=8,
    ),
    Column(
        "input_tokens",
        "in",
        "Input tokens that were not read from or written to a cache",
        _of(lambda u: _tokens(u.input_tokens)),
        width=5,
        rank=6,
    ),
    Column(
        "cache_read_tokens",
        "c.rd",
        "Input tokens read from a cache",
        _of(lambda u: _tokens(u.cache_read_tokens)),
        width=5,
        rank=9,
    ),
    Column(
        "cache_write_tokens",
        "c.wr",
        "Input tokens written to a cache",
        _of(lambda u: _tokens(u.cache_write_tokens)),
        width=5,
        rank=10,
    ),
    Column(
        "output_tokens",
        "out",
        "Output tokens, reasoning among them",
        _of(lambda u: _tokens(u.output_tokens)),
        width=5,
        rank=5,
    ),
    Column(
        "latency_p50_ms",
        "p50",
        "Half of the calls were faster",
        _of(lambda u: figure_cell(units.latency(u.latency_p50_ms), "muted")),
        width=6,
        rank=11,
    ),
    Column(
        "latency_p95_ms",
        "p95",
        "19 of 20 calls were faster",
        _of(lambda u: figure_cell(units.latency(u.latency_p95_ms))),
        width=6,
        rank=4,
    ),
    Column(
        "last_seen",
        "last",
        "How long ago the newest call was",
        lambda line, now: _age(line.usage.last_seen, now),
        width=5,
        rank=7,
    ),
    Column(
        "unpriced",
        "unpr",
        "Calls with tokens and no known price: their cost is missing from $",
        _of(lambda u: _trouble(u.unpriced, "warning")),
        width=5,
        rank=12,
    ),
    Column(
        "aborted",
        "abort",
        "Calls the client gave up",
        _of(lambda u: _trouble(u.aborted, "warning")),
        width=6,
        rank=13,
    ),
    Column(
        "unfinished",
        "unfin",
        "Calls whose process ended, or that have been open for 15 minutes",
        _of(lambda u: _trouble(u.unfinished, "strong")),
        width=6,
        rank=14,
    ),
)


_NAME_CELLS = {"user": 20, "model": 30}
"""Models of a family differ late in their names."""


def usage_columns(dimension: str) -> tuple[Column[UsageLine], ...]:
    """The columns of a table by `user` or `model`."""
    return (
        Column(
            "key",
            dimension,
            f"The {dimension}; calls whose {dimension} the log does not tell are under (unknown)",
            lambda line, _now: name_cell(line.key, "strong" if line.costs_most else "plain"),
            width=_NAME_CELLS[dimension],
            right=False,
            room=28,
        ),
        *_USAGE,
    )


def _kind(event: EventRow) -> Cell:
    return Cell(clean(event.kind), "warning" if is_bad(event) else "faint")


def _clock(event: EventRow) -> Cell:
    return figure_cell(units.UNKNOWN if event.time is None else f"{event.time:%H:%M:%S}", "muted")


def _status(event: EventRow) -> Cell:
    if event.status is None:
        return Cell(
            NOTHING if event.level == "INFO" else clean(event.level), "error" if is_error(event) else "muted"
        )
    return figure_cell(str(event.status), "error" if event.status >= 400 else "muted")


def _text(event: EventRow) -> Cell:
    tone: Tone = "error" if event.error else "warning" if is_bad(event) else "muted"
    return Cell(clean(event.error or event.message, 600), tone)


def _mentioned(name: str | None) -> Cell:
    """A name an event may well not have: then the place is empty."""
    return Cell(clean(name))


def _told(value: int | None, figure: Callable[[int | None], str]) -> Cell:
    return Cell(literal("" if value is None else figure(value)), "plain")


EVENT_COLUMNS: tuple[Column[EventRow], ...] = (
    Column("time", "time", "When, in UTC", lambda e, _now: _clock(e), width=8, right=False, sortable=False),
    Column(
        "kind",
        "kind",
        "What the line tells; malformed and unrecognised lines were not understood",
        lambda e, _now: _kind(e),
        width=9,
        right=False,
        rank=5,
        room=3,
        sortable=False,
    ),
    Column(
        "status",
        "status",
        "HTTP status, or the log level where it is not INFO",
        lambda e, _now: _status(e),
        width=6,
        right=False,
        rank=2,
        sortable=False,
    ),
    Column(
        "user",
        "user",
        "The user the line names",
        lambda e, _now: _mentioned(e.user),
        width=16,
        right=False,
        rank=3,
        room=16,
        sortable=False,
    ),
    Column(
        "model",
        "model",
        "The model the line names",
        lambda e, _now: _mentioned(e.model),
        width=16,
        right=False,
        rank=4,
        room=26,
        sortable=False,
    ),
    Column(
        "latency_ms",
        "took",
        "How long the call took",
        lambda e, _now: _told(e.latency_ms, units.latency),
        width=6,
        rank=6,
        sortable=False,
    ),
    Column(
        "input_tokens",
        "in",
        "Input tokens that were not from a cache",
        lambda e, _now: _told(e.input_tokens, units.tokens),
        width=5,
        rank=8,
        sortable=False,
    ),
    Column(
        "output_tokens",
        "out",
        "Output tokens",
        lambda e, _now: _told(e.output_tokens, units.tokens),
        width=5,
        rank=7,
        sortable=False,
    ),
    Column(
        "text",
        "message",
        "The error the line tells of, else its message",
        lambda e, _now: _text(e),
        width=23,
        right=False,
        rank=1,
        room=400,
        sortable=False,
    ),
)
