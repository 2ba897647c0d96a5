"""Runs a Logs Insights query over lines on this machine."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from datetime import datetime
from itertools import islice
from typing import Protocol

from llmwatch.errors import UsageError
from llmwatch.query.insights import dates
from llmwatch.query.insights.answer import Answer, Value
from llmwatch.query.insights.compile import Plan, Statement, compile_query
from llmwatch.query.insights.faults import nearest
from llmwatch.query.insights.fields import SYSTEM_FIELDS
from llmwatch.query.insights.functions import Surroundings
from llmwatch.query.insights.relation import Parameters
from llmwatch.query.insights.tree import Filter, InsightsQuery
from llmwatch.query.insights.values import Kind
from llmwatch.query.scope import naive
from llmwatch.store.line_store import StoreLines
from llmwatch.store.store import Rows

__all__ = ["Lines", "StoreLines", "answer"]

_EXACT_BELOW = 2**53
"""Whole numbers below which a 64-bit float has their last digit."""


_LOOKED_AT, _MOST_KEYS, _MOST_UNHEARD = 10_000, 1_000, 3
"""Lines that are looked at for the fields there are; the names they may have; how many that are not there are told."""


class Lines(Protocol):
    """Lines in a database."""

    @property
    def relation(self) -> str:
        """What stands after FROM.

        Its columns are message VARCHAR, document VARCHAR and in_place INTEGER (see `store.documents`), time and
        ingestion TIMESTAMP (UTC; of the event), source and stream VARCHAR, line BIGINT (its number in the source). Any
        but `message` may be NULL.
        """
        ...

    @property
    def texts(self) -> str:
        """The same where `message`, `document` and `in_place` are enough."""
        ...

    @property
    def count(self) -> int:
        """How many lines there are."""
        ...

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Rows:
        """The rows of one of our own queries."""
        ...


def answer(
    lines: Lines,
    query: InsightsQuery,
    *,
    now: datetime,
    since: datetime | None = None,
    until: datetime | None = None,
) -> Answer:
    """What a query makes of the lines whose time is in `since` ≤ time < `until`.

    Raises:
        QueryError: a part of the query cannot be run here.

    """
    parameters = Parameters()
    window = _window(parameters, since, until)
    relation = f"(SELECT * FROM {lines.relation} WHERE {window})" if window else lines.relation
    plan = compile_query(query, relation, parameters, Surroundings(query.text, now, since, until))
    found = _ask(lines, plan.rows)
    rows = tuple(
        tuple(_shown(cell, kind) for cell, (_, kind) in zip(row[:-1], plan.columns, strict=True))
        for row in found[: plan.limit]
    )
    truncated = len(found) > plan.limit
    filtered = bool(window) or any(isinstance(command, Filter) for command in query.commands)
    if found and isinstance(found[0][-1], int):
        matched = found[0][-1]
    elif plan.rows_are_lines and not truncated:
        matched = len(rows)
    else:
        matched = _number(lines, plan.matched) if filtered else lines.count
    column, period = plan.binned or (None, None)
    seconds, months = dates.length(period) if period else (None, None)
    return Answer(
        columns=tuple(name for name, _ in plan.columns),
        rows=rows,
        scanned=lines.count,
        matched=matched,
        truncated=truncated,
        binned=column,
        bin_seconds=seconds,
        bin_months=months,
        remarks=(
            *query.remarks,
            *_missing(plan),
            *(_unheard(lines, plan) if _says_nothing(rows, len(plan.columns)) else ()),
            *(_timeless(lines) if window else ()),
        ),
    )


def _window(parameters: Parameters, since: datetime | None, until: datetime | None) -> str:
    bounds = [(">=", since), ("<", until)]
    return " AND ".join(
        f"time {sign} {parameters.bind(naive(moment))}::TIMESTAMP"
        for sign, moment in bounds
        if moment is not None
    )


def _ask(lines: Lines, statement: Statement) -> Sequence[tuple[object, ...]]:
    import duckdb

    try:
        return lines.query(statement.sql, statement.parameters).rows
    except duckdb.InterruptException:
        raise
    except duckdb.Error as error:
        raise UsageError(f"the query cannot be run: {str(error).partition(chr(10))[0]}") from error


def _number(lines: Lines, statement: Statement) -> int:
    (row,) = _ask(lines, statement)
    assert isinstance(row[0], int)  # noqa: S101 (it counts)
    return row[0]


def _missing(plan: Plan) -> tuple[str, ...]:
    return tuple(
        f"`{name}` is none of the columns that the `stats` before it leaves: it is missing in all rows"
        for name in plan.missing
    )


def _says_nothing(rows: Sequence[tuple[Value, ...]], columns: int) -> bool:
    """Whether there is no row, or a column that no row has: a name may be misspelt."""
    return any(all(row[column] is None for row in rows) for column in range(columns))


def _unheard(lines: Lines, plan: Plan) -> tuple[str, ...]:
    """Fields of the query that the JSON of no line has, as far as some lines tell."""
    if not plan.fields or not lines.count:
        return ()
    some = f"SELECT coalesce(document, message) AS json FROM {lines.texts} LIMIT {_LOOKED_AT}"
    found = _ask(
        lines,
        Statement(f"SELECT DISTINCT unnest(try(json_keys(json))) FROM ({some}) LIMIT {_MOST_KEYS}", []),
    )
    keys = [*SYSTEM_FIELDS, *(str(key) for (key,) in found)]
    if len(found) == _MOST_KEYS:
        return ()
    those = "no line has" if lines.count <= _LOOKED_AT else f"none of the first {_LOOKED_AT:,} lines has"
    unheard = (name for name in plan.fields if not any(f"{name}.".startswith(f"{key}.") for key in keys))
    hints = ((name, nearest(name, keys, "")) for name in islice(unheard, _MOST_UNHEARD))
    return tuple(f"{those} `{name}`{hint and f': {hint}'}" for name, hint in hints)


def _timeless(lines: Lines) -> tuple[str, ...]:
    """A line that tells no time is in no interval of time."""
    count = _number(lines, Statement(f"SELECT count(*) FROM {lines.relation} WHERE time IS NULL", []))
    those = "1 line tells no time and is" if count == 1 else f"{count:,} lines tell no time and are"
    return (f"{those} left out, as the time is bounded",) if count else ()


def _shown(cell: object, kind: Kind) -> Value:
    """A cell as a person gets it."""
    if cell is None:
        return None
    if kind is Kind.ANY:
        return _from_json(str(cell))
    if isinstance(cell, float):
        return _short(cell)
    return cell if isinstance(cell, int) else str(cell)


def _from_json(text: str) -> Value:
    """A text, a number with all its digits, or the JSON of a map or a list."""
    if text.startswith(("{", "[")):
        return text
    try:
        value = json.loads(text)
    except ValueError:  # more digits than Python takes
        return text
    return value if isinstance(value, int | str) else _finite(float(value))


def _short(number: float) -> Value:
    if number.is_integer() and abs(number) < _EXACT_BELOW:
        return int(number)
    return _finite(number)


def _finite(number: float) -> float | None:
    return number if math.isfinite(number) else None
