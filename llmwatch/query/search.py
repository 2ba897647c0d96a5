"""Search: what in the scope matches, newest first, a part at a time: whoever asks sees it grow, and can stop it."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from llmwatch.query.filters.filter import Condition
from llmwatch.query.found import CallHit, Found, SearchRequest
from llmwatch.query.matching import (
    MOMENT,
    NEWEST_BY_TIME,
    NEWEST_READ,
    NOTHING,
    Matching,
    Steps,
    rows_of,
    values_of,
)
from llmwatch.query.neighbours import context
from llmwatch.query.scope import Scope, aware
from llmwatch.query.snapshot import EventRow
from llmwatch.store.cancel import Cancel
from llmwatch.store.store import Store

__all__ = ["context", "search"]

MOST_HITS = 100_000
"""Hits that can be listed: DuckDB keeps the best of a million at most, and each of them is some hundred bytes here."""

_CALL_COLUMNS = """first_seq, time, request_id, "user", model, status, http_status, latency_ms, input_tokens,
cache_read_tokens, cache_write_tokens, output_tokens, cost_usd::DOUBLE, coalesce(error, error_type), source, dialect"""


def search(
    store: Store,
    scope: Scope,
    request: SearchRequest,
    *,
    now: datetime,
    cancelled: Callable[[], bool],
    by_time: bool = False,
) -> Iterator[Found]:
    """What has been found so far, every 0.1 s or so; the last one is `done`, unless it was cancelled before.

    Events that were read last come first, or, `by_time`, those whose time is the latest, which are known only at the
    end: until then there are counts. Calls come by their time, and all at once. If `cancelled` is a `Cancel`, it ends
    the part that is being searched; else the search ends after that.
    """
    import duckdb

    cancel = cancelled if isinstance(cancelled, Cancel) else Cancel()
    matching = Matching(store, scope, request.filter, now, cancel)
    try:
        if request.calls:
            yield _calls(matching, min(request.limit, MOST_HITS))
        else:
            yield from _events(matching, request, cancelled, by_time=by_time)
    except duckdb.InterruptException:
        if not cancelled():
            raise


def _events(
    matching: Matching, request: SearchRequest, cancelled: Callable[[], bool], *, by_time: bool
) -> Iterator[Found]:
    store, end_seq = matching.store, matching.store.end_seq
    limit = min(request.limit, MOST_HITS)
    wanted = (NOTHING if not limit else NEWEST_BY_TIME if by_time else NEWEST_READ).format(limit=limit)
    left = matching.count_in_window(end_seq)
    unsearched = matching.count_without_text(end_seq)
    best: list[tuple[int, int]] = []
    events: tuple[EventRow, ...] = ()
    values: tuple[tuple[str | None, ...], ...] = ()
    examined = matched = 0

    def listed(seqs: Sequence[int]) -> None:
        nonlocal events, values
        events += rows_of(store, seqs)
        values += values_of(store, seqs, request.fields)

    start = end_seq
    for start, end in Steps(end_seq).backwards():
        if cancelled():
            return
        part = matching.look(start, end, wanted)
        examined, matched, left = examined + part.examined, matched + part.matched, left - part.in_window
        if by_time:
            best = heapq.nlargest(limit, [*best, *map(_dated, part.chosen)])
        else:
            listed([int(str(seq)) for seq in part.chosen[: limit - len(events)]])
        if start:
            yield Found(
                events, (), values, matched, examined, examined + left, done=False, unsearched=unsearched
            )
    if by_time:
        listed([seq for _, seq in best])
    if not cancelled():
        yield Found(events, (), values, matched, examined, examined, done=True, unsearched=unsearched)


def _dated(chosen: object) -> tuple[int, int]:
    """A moment and a sequence number, as the newest come by time."""
    if not isinstance(chosen, dict):
        raise TypeError(chosen)
    return int(chosen["moment"]), int(chosen["seq"])


def _calls(matching: Matching, limit: int) -> Found:
    """Calls in one go: there are a seventh as many as lines, and to fold a part of them costs as much as all."""
    store, now, cancel = matching.store, matching.now, matching.cancel
    in_scope, parameters = matching.scope.sql()
    hit = Condition("true") if matching.filter is None else matching.filter.on_calls()
    wanted = (NEWEST_BY_TIME if limit else NOTHING).format(limit=limit)
    total, matched, chosen = store.query(
        f"""SELECT count(*), count(*) FILTER (hit), {wanted} FILTER (hit)
        FROM (SELECT {MOMENT.format(time="time")} AS moment, first_seq AS seq, ({hit.sql}) AS hit
            FROM calls WHERE reached_model AND {in_scope})""",
        [*hit.parameters, *parameters],
        now=now,
        cancel=cancel,
    ).rows[0]
    seqs = [seq for _, seq in map(_dated, chosen)] if isinstance(chosen, list) else []
    rows = store.query(
        f"""SELECT {_CALL_COLUMNS} FROM calls WHERE reached_model AND first_seq IN (SELECT unnest(?::BIGINT[]))
        ORDER BY time DESC NULLS LAST, first_seq DESC""",
        [seqs],
        now=now,
        cancel=cancel,
    ).rows
    count = int(str(total))
    return Found(
        events=(),
        calls=tuple(_call(row) for row in rows[:limit]),
        values=(),
        matched=int(str(matched)),
        examined=count,
        total=count,
        done=True,
        unsearched=matching.count_without_text(store.end_seq),
    )


def _call(row: Sequence[object]) -> CallHit:
    seq, time, *rest = row
    return CallHit(int(str(seq)), aware(time), *rest)  # type: ignore[arg-type]
