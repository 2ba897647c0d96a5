"""Events for the screen and for `tail`: in the order of the log, with the lines nobody understood among them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import UTC, datetime

from llmwatch.query.scope import EVERYTHING, Scope, aware
from llmwatch.query.snapshot import EventRow
from llmwatch.store.store import Store

_AT_ONCE = 20_000
_FILTERED_AT_ONCE = 200_000
"""What a filter asks of calls is asked of all of them for each part."""
_FIRST_PART = 50_000
_EARLIEST = datetime.min.replace(tzinfo=UTC)

_EVENTS = """
WITH chosen AS (
    SELECT l.rowid AS seq FROM lines l
    WHERE {condition} AND (l.kind IS NOT NULL OR l.rowid IN (SELECT seq FROM rejected_lines))
    ORDER BY {order} LIMIT {limit})
SELECT l.rowid AS seq, l.time, s.source, s.first_line + (l.rowid - s.first_seq), l.level,
    coalesce(l.kind, r.reason), coalesce(l.message, r.raw), l.request_id, l."user",
    coalesce(l.model, l.requested_model), l.http_status, l.latency_ms, l.input_tokens, l.cache_read_tokens,
    l.cache_write_tokens, l.output_tokens, coalesce(l.error, l.error_type)
FROM chosen c JOIN lines l ON l.rowid = c.seq JOIN slices s USING (slice_id)
    LEFT JOIN rejected_lines r ON r.seq = l.rowid
ORDER BY {order}
"""
"""Lines are chosen before anything is joined to them: DuckDB 2.0.0 drops a LIMIT that stands over the left join."""


def events_between(
    store: Store,
    first_seq: int,
    end_seq: int,
    limit: int,
    scope: Scope = EVERYTHING,
    *,
    now: datetime | None = None,
    by_time: bool = False,
) -> tuple[EventRow, ...]:
    """The newest `limit` of the events in scope from `first_seq` up to but not including `end_seq`, oldest first.

    Newest are those read last, or, `by_time`, those whose time is the latest.
    """
    condition, parameters = scope.events_sql()
    if by_time:
        order = "l.time DESC NULLS LAST, l.rowid DESC"
        span = "l.rowid >= ? AND l.rowid < ?"
        found = select_events(
            store,
            f"{span} AND {condition}",
            [first_seq, end_seq, *parameters],
            order=order,
            limit=limit,
            now=now,
        )
        return in_time(found)
    rows: list[EventRow] = []
    for start, end in _backwards(first_seq, end_seq):
        rows += select_events(
            store,
            f"l.rowid >= ? AND l.rowid < ? AND {_within(scope, condition, start, end)}",
            [start, end, *parameters],
            order="l.rowid DESC",
            limit=limit - len(rows),
            now=now,
        )
        if len(rows) == limit:
            break
    return tuple(rows[::-1])


def _within(scope: Scope, condition: str, start: int, end: int) -> str:
    """The condition of a scope for these lines alone; a window is one already."""
    if not scope.filters:
        return condition
    from llmwatch.query.filters.compiled import within

    return within(condition, start, end)


def _backwards(first_seq: int, end_seq: int) -> Iterator[tuple[int, int]]:
    """Ever larger parts of a range, the last one first: where much matches, little is looked at."""
    size, end = _FIRST_PART, end_seq
    while end > first_seq:
        start = max(first_seq, end - size)
        yield start, end
        size, end = size * 4, start


def in_time(rows: Iterable[EventRow]) -> tuple[EventRow, ...]:
    """Events in order of time; one without a time stays behind the one it was read after."""
    moments: dict[str, datetime] = {}
    timed = []
    for row in sorted(rows, key=lambda row: row.seq):
        moments[row.source] = moment = row.time or moments.get(row.source, _EARLIEST)
        timed.append((moment, row.seq, row))
    return tuple(row for _, _, row in sorted(timed, key=lambda one: one[:2]))


def iterate_events(
    store: Store, first_seq: int, end_seq: int, scope: Scope = EVERYTHING, now: datetime | None = None
) -> Iterator[EventRow]:
    """The events in scope from `first_seq` up to but not including `end_seq`, in order, a part of them in memory."""
    size = _FILTERED_AT_ONCE if scope.filters else _AT_ONCE
    for start in range(first_seq, end_seq, size):
        yield from events_between(store, start, min(start + size, end_seq), size, scope, now=now)


def select_events(
    store: Store,
    condition: str,
    parameters: Sequence[object],
    *,
    order: str = "l.rowid",
    limit: int,
    now: datetime | None = None,
) -> tuple[EventRow, ...]:
    """Events by an SQL condition of ours over `lines l`; what comes from a person goes in as a parameter."""
    sql = _EVENTS.format(condition=condition, order=order, limit=int(limit))
    return tuple(_event(row) for row in store.query(sql, parameters, now=now).rows)


def _event(row: Sequence[object]) -> EventRow:
    seq, time, *rest = row
    return EventRow(int(str(seq)), aware(time), *rest)  # type: ignore[arg-type]
