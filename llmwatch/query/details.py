"""What stands behind a row: a user's models, a model's users, an event's call."""

from __future__ import annotations

from datetime import datetime

from llmwatch.query.detail import CallRow, Detail, DetailKey, DetailKind, EventDetail, ModelDetail, UserDetail
from llmwatch.query.events import select_events
from llmwatch.query.rates import RateWindow
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import EventRow, Series
from llmwatch.query.tables import group_calls
from llmwatch.store.store import Store

_SHOWN = 20
_COST_BUCKETS = 40
_LONGEST_RAW = 64 << 10
_EVENTS_OF_A_CALL = 500


def take_detail(
    store: Store, scope: Scope, window: RateWindow, kind: DetailKind, key: DetailKey, now: datetime
) -> Detail:
    """The detail of a row of the users or models table, or of an event by its sequence number."""
    if kind == "event":
        return _event(store, int(key or 0), now)
    from llmwatch.query.filters.language import exact

    name = None if key is None else str(key)
    one = scope.narrowed(exact(kind, name))
    parts = {
        "key": name,
        "table": group_calls(store, one, ["model" if kind == "user" else "user"], now=now, rates=window),
        "errors": _call_events(
            store, one, "c.status = 'error' AND l.failure IS NOT NULL", "l.time DESC NULLS LAST", now
        ),
        "slowest": _call_events(store, one, "l.kind IN ('end', 'call')", "l.latency_ms DESC NULLS LAST", now),
        "cost": _cost(store, one, now),
    }
    return UserDetail(**parts) if kind == "user" else ModelDetail(**parts)  # type: ignore[arg-type]


def _call_events(
    store: Store, scope: Scope, condition: str, order: str, now: datetime
) -> tuple[EventRow, ...]:
    wanted, parameters = scope.sql()
    rows = store.query(
        f"""SELECT l.rowid FROM lines l JOIN (SELECT DISTINCT request_id, status FROM calls
            WHERE reached_model AND {wanted}) c ON c.request_id = l.request_id
        WHERE {condition} ORDER BY {order} LIMIT {_SHOWN}""",
        parameters,
        now=now,
    ).rows
    places = {seq: place for place, (seq,) in enumerate(rows)}
    found = select_events(store, "list_contains(?, l.rowid)", [list(places)], limit=_SHOWN)
    return tuple(sorted(found, key=lambda event: places[event.seq]))


def _cost(store: Store, scope: Scope, now: datetime) -> Series:
    condition, parameters = scope.sql()
    rows = store.query(
        f"""WITH c AS (SELECT last_seen, cost_usd, min(last_seen) OVER () AS oldest, max(last_seen) OVER () AS newest
            FROM calls WHERE reached_model AND {condition})
        SELECT least(floor({_COST_BUCKETS} * epoch(last_seen - oldest)
            / greatest(epoch(newest - oldest), 1))::INTEGER, {_COST_BUCKETS - 1}) AS bucket, sum(cost_usd)
        FROM c GROUP BY bucket""",
        parameters,
        now=now,
    ).rows
    spent = {bucket: float(str(cost)) for bucket, cost in rows if cost is not None and bucket is not None}
    points = tuple(spent.get(bucket, 0.0) for bucket in range(_COST_BUCKETS))
    return Series(sum(spent.values()) if spent else None, points if spent else ())


def _event(store: Store, seq: int, now: datetime) -> EventDetail:
    raw = store.raw_line(seq)
    text = None if raw is None else raw[:_LONGEST_RAW]
    found = store.query("SELECT request_id FROM lines WHERE rowid = ?", [seq]).rows
    request_id = found[0][0] if found else None
    if request_id is None:
        return EventDetail(text, select_events(store, "l.rowid = ?", [seq], limit=1), None)
    events = select_events(
        store, "l.request_id = ?", [request_id], order="l.time, l.rowid", limit=_EVENTS_OF_A_CALL
    )
    calls = store.query(
        """SELECT request_id, "user", model, status, cost_usd::DOUBLE, price_source, latency_ms, input_tokens,
            cache_read_tokens, cache_write_tokens, output_tokens FROM calls
        WHERE request_id = ?
        ORDER BY (SELECT l.time FROM lines l WHERE l.rowid = ?) BETWEEN first_seen AND last_seen DESC, first_seen
        LIMIT 1""",
        [request_id, seq],
        now=now,
    ).rows
    return EventDetail(text, events, CallRow(*calls[0]) if calls else None)  # type: ignore[arg-type]
