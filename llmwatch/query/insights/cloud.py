"""What CloudWatch answers a query, as the local engine answers it: its rows lack what is null, and all is text."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence

from llmwatch.query.insights.answer import Answer, Value
from llmwatch.query.insights.dates import length
from llmwatch.query.insights.tree import (
    Call,
    Display,
    Fields,
    InsightsQuery,
    Limit,
    Period,
    Stats,
)
from llmwatch.sources.cloudwatch.insights import QueryResult

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,4000})")
_FRACTION = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,4})?")
"""Numbers as they are written of themselves: `007` and `+1` are texts."""


def answer_of(result: QueryResult, query: InsightsQuery | None) -> Answer:
    """The answer with its columns in the order of the query, where that is known; a column of numbers is one."""
    columns = columns_of(result.rows, query)
    values = [numbers([row.get(column) for row in result.rows]) for column in columns]
    binned, period = _binned(query)
    seconds, months = length(period) if period else (None, None)
    return Answer(
        columns,
        tuple(zip(*values, strict=True)) if columns else ((),) * len(result.rows),
        scanned=result.statistics.records_scanned,
        matched=result.statistics.records_matched,
        bytes_scanned=result.statistics.bytes_scanned,
        truncated=result.truncated,
        binned=binned,
        bin_seconds=seconds,
        bin_months=months,
        remarks=query.remarks if query else (),
    )


def columns_of(rows: Iterable[Mapping[str, str]], query: InsightsQuery | None) -> tuple[str, ...]:
    """Those that the query names, then any others in the order in which they first appear."""
    found = dict.fromkeys(name for row in rows for name in row)
    return tuple(dict.fromkeys([*(_outputs(query) if query else ()), *found]))


def limit_of(query: InsightsQuery | None) -> int | None:
    """How many rows a query asks for itself; None where it does not say."""
    limits = [command.count for command in query.commands if isinstance(command, Limit)] if query else []
    return limits[-1] if limits else None


def numbers(values: Sequence[str | None]) -> Sequence[Value]:
    """The values of a column: as numbers if all that are known look like some, else as they are."""
    known = [value for value in values if value is not None]
    if known and all(map(_WHOLE.fullmatch, known)):
        return [None if value is None else int(value) for value in values]
    if known and all(map(_FRACTION.fullmatch, known)):
        read = [
            None if value is None else int(value) if _WHOLE.fullmatch(value) else float(value)
            for value in values
        ]
        if all(value is None or math.isfinite(value) for value in read):
            return read
    return values


def _outputs(query: InsightsQuery) -> Sequence[str]:
    """The columns that a query shows, as far as its text tells."""
    names: list[str] = []
    displayed: list[str] | None = None
    for command in query.commands:
        match command:
            case Stats(items, by):
                names, displayed = [item.name for item in (*by, *items)], None
            case Fields(items):
                names += [item.name for item in items]
            case Display(items):
                displayed = [item.name for item in items]
    return displayed or names or ("@timestamp", "@message")


def _binned(query: InsightsQuery | None) -> tuple[str | None, Period | None]:
    """The column of a `bin(…)`, and what is in its brackets."""
    stats = [command for command in query.commands if isinstance(command, Stats)] if query else []
    for key in stats[-1].by if stats else ():
        match key.expression:
            case Call(name="bin", arguments=(Period() as period,)):
                return key.name, period
    return None, None
