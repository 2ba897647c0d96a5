"""Groups of calls as a table for people: the largest, the rest as one line, and the total."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from llmwatch import units
from llmwatch.evidence.report.document import UNKNOWN, Cell, Grid, grid, many, own, quoted
from llmwatch.query.snapshot import Table, TableRow, Usage


class _Column(NamedTuple):
    heading: str
    show: Callable[..., str]
    always: bool = False
    """Shown even when there is nothing in it."""


_COLUMNS: Mapping[str, _Column] = {
    "requests": _Column("Calls", units.count, always=True),
    "errors": _Column("Errors", units.count, always=True),
    "aborted": _Column("Aborted", units.count),
    "unfinished": _Column("Unfinished", units.count),
    "unmetered": _Column("Unmetered", units.count),
    "unpriced": _Column("Unpriced", units.count),
    "input_tokens": _Column("Input", units.tokens, always=True),
    "cache_read_tokens": _Column("Cache read", units.tokens),
    "cache_write_tokens": _Column("Cache write", units.tokens),
    "output_tokens": _Column("Output", units.tokens, always=True),
    "cost_usd": _Column("Cost", units.money, always=True),
    "latency_p50_ms": _Column("Median", units.latency),
    "latency_p95_ms": _Column("95 %", units.latency, always=True),
}
_NO_SUMS = ("latency_p50_ms", "latency_p95_ms")
"""What of several groups cannot be had from what it is of each."""


def usage_grid(table: Table, heading: str, most: int, noun: str, *, newest: bool = False) -> Grid:
    """The first `most` rows, or the last if `newest`; a row that is left out is in the line for the rest."""
    listed, rest = table.rows[:most], table.rows[most:]
    if newest and rest:
        listed, rest = table.rows[-most:], table.rows[:-most]
    shown = [name for name, column in _COLUMNS.items() if column.always or getattr(table.totals, name)]
    foot = [(own("Total"), *_cells(table.totals, shown))]
    if rest:
        which = "earlier" if newest else "more"
        foot.insert(0, (own(many(len(rest), f"{which} {noun}")), *_sums(rest, shown)))
    order = "In order of time" if newest else f"By {_order(table)}, the largest first"
    return grid(
        (heading, *(_COLUMNS[name].heading for name in shown)),
        [(quoted(row.key[0]), *_cells(row.usage, shown)) for row in listed],
        foot=foot,
        caption=order,
    )


def _order(table: Table) -> str:
    """Groups are sorted by cost, those of none by calls."""
    return "calls" if table.totals.cost_usd is None else "cost"


def _cells(usage: Usage, shown: Sequence[str]) -> Iterable[Cell]:
    return (own(_COLUMNS[name].show(getattr(usage, name), UNKNOWN)) for name in shown)


def _sums(rows: Sequence[TableRow], shown: Sequence[str]) -> Iterable[Cell]:
    for name in shown:
        known = [value for row in rows if (value := getattr(row.usage, name)) is not None]
        yield own("" if name in _NO_SUMS else _COLUMNS[name].show(sum(known) if known else None, UNKNOWN))
