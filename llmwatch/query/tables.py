"""Tables of calls: who or what, how many, which tokens, how much money."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from llmwatch.errors import UsageError
from llmwatch.query.columns import GROUPINGS, MEASURES
from llmwatch.query.rates import RateWindow
from llmwatch.query.scope import Scope, aware, naive
from llmwatch.query.snapshot import Counters, Table, TableRow, Usage
from llmwatch.store.store import Store

_MOST_ROWS = 1 << 62
_TIMES = ("first_seen", "last_seen")
_FRACTIONS = ("cost_usd", "latency_p50_ms", "latency_p95_ms", "cost_per_hour_usd")


def group_calls(
    store: Store,
    scope: Scope,
    by: Sequence[str],
    *,
    sort: str = "cost_usd",
    descending: bool = True,
    limit: int = 0,
    now: datetime | None = None,
    rates: RateWindow | None = None,
) -> Table:
    """The calls in scope that reached a model, grouped `by` columns of `GROUPINGS`, best first.

    `limit` 0 is all groups. Unknown sorts last either way. `rates` is the window that `cost_per_hour_usd`
    speaks of; without one it is unknown.

    Raises:
        UsageError: `by` or `sort` names no column.

    """
    check_grouping(by, "key" if rates is not None and sort == "cost_per_hour_usd" else sort)
    measures = dict(MEASURES)
    condition, parameters = scope.sql()
    rate_parameters: list[object] = []
    if rates is not None:
        spent = "sum(cost_usd) FILTER (last_seen > ? AND last_seen <= ?)"
        known = f"CASE WHEN sum(cost_usd) IS NOT NULL THEN coalesce({spent}, 0) END"
        measures["cost_per_hour_usd"] = f"{known} * {3600 / rates.seconds}"
        rate_parameters = [naive(rates.since), naive(rates.until)]
    columns = ", ".join(f"{sql} AS {name}" for name, sql in measures.items())
    keys = ", ".join(f"{GROUPINGS[name]} AS key{number}" for number, name in enumerate(by))
    key_names = ", ".join(f"key{number}" for number in range(len(by)))
    rows = store.query(
        f"SELECT {keys}, {columns}, grouping(key0) AS total, count(*) OVER () - 1 FROM calls "
        f"WHERE reached_model AND {condition} GROUP BY GROUPING SETS (({key_names}), ()) "
        f"ORDER BY total DESC, {_order(by, sort, descending, key_names)}"
        + (f" LIMIT {min(int(limit), _MOST_ROWS) + 1}" if limit else ""),
        [*rate_parameters, *parameters],
        now=now,
    ).rows
    names = tuple(measures)
    usages = [_usage(names, row[len(by) : -2]) for row in rows]
    keyed = [tuple(_text(value) for value in row[: len(by)]) for row in rows]
    listed = tuple(TableRow(key, usage) for key, usage in zip(keyed[1:], usages[1:], strict=True))
    return Table(tuple(by), listed, _whole(rows[0][-1]), usages[0])


def check_grouping(by: Sequence[str], sort: str) -> None:
    """Refuse columns that are not there, before anything is read for them.

    Raises:
        UsageError: `by` or `sort` names no column, or `by` none at all.

    """
    for name in by or ("",):
        if name not in GROUPINGS:
            raise UsageError(f"cannot group by {name!r}: choose from {', '.join(GROUPINGS)}")
    if sort not in (*by, *MEASURES, "key"):
        raise UsageError(f"cannot sort by {sort!r}: choose from {', '.join((*by, *MEASURES))}")


def count_all(store: Store, scope: Scope, now: datetime | None = None) -> Counters:
    """What was read, and what was not understood, in the whole store; calls are those in scope."""
    condition, parameters = scope.sql()
    rejected = {
        str(reason): _whole(count)
        for reason, count in store.query("SELECT reason, count(*) FROM rejected_lines GROUP BY reason").rows
    }
    # Of no rows count_if is NULL; it takes half the time of count(*) FILTER.
    counted = store.query(
        "SELECT count_if(reached_model), count(*), count_if(reached_model AND unmetered), "
        f"count_if(reached_model AND unpriced) FROM calls WHERE {condition}",
        parameters,
        now=now,
    ).rows[0]
    calls, requests, unmetered, unpriced = (_whole(count or 0) for count in counted)
    malformed, unrecognised = rejected.get("malformed", 0), rejected.get("unrecognised", 0)
    return Counters(
        lines=store.lines,
        events=store.lines - malformed - unrecognised,
        calls=calls,
        other_requests=requests - calls,
        malformed=malformed,
        unrecognised=unrecognised,
        unmetered=unmetered,
        unpriced=unpriced,
    )


def _order(by: Sequence[str], sort: str, descending: bool, key_names: str) -> str:
    direction = "DESC" if descending else "ASC"
    if sort == "key":
        return ", ".join(f"{name} {direction} NULLS LAST" for name in key_names.split(", "))
    column = f"key{list(by).index(sort)}" if sort in by else sort
    return f"{column} {direction} NULLS LAST, requests DESC, {key_names}"


def _usage(names: Sequence[str], values: Sequence[object]) -> Usage:
    fields: dict[str, object] = {}
    for name, value in zip(names, values, strict=True):
        if name in _TIMES:
            fields[name] = aware(value)
        elif value is None:
            fields[name] = None
        else:
            fields[name] = _number(value) if name in _FRACTIONS else _whole(value)
    return Usage(**fields)  # type: ignore[arg-type]


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]


def _number(value: object) -> float:
    return float(value)  # type: ignore[arg-type]
