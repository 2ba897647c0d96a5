"""The facts of a report, from a store and through a scope: there is no other way to choose what it is about."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from llmwatch import __version__
from llmwatch.audit.findings import Verification
from llmwatch.dialects.openrouter import OPENROUTER
from llmwatch.evidence.report.facts import (
    BlindSpots,
    ErrorType,
    EventCount,
    Latency,
    Outcomes,
    Period,
    Report,
    Security,
    SecurityEvent,
    Share,
    SourceLines,
    UnpricedModel,
)
from llmwatch.evidence.report.timeline import timeline
from llmwatch.query.rates import span
from llmwatch.query.scope import Scope, aware
from llmwatch.query.snapshot import Usage
from llmwatch.query.tables import count_all, group_calls
from llmwatch.sources.source import SourceState
from llmwatch.store.store import Store

_NEWEST = 20
"""Security events that are listed."""


def make_report(
    store: Store,
    scope: Scope,
    *,
    now: datetime,
    chain: Verification | None,
    sources: Sequence[SourceState] | None = (),
) -> Report:
    """The report on the calls in scope, as they are at `now`.

    `chain` is what a verification of the audit logs among the sources found, None if none was verified. `sources` is
    how their reading ended; None where nobody knows what it missed.
    """
    users = group_calls(store, scope, ["user"], now=now)
    counters = count_all(store, scope, now)
    outcomes, latency, without_user, without_model = _calls(store, scope, now, users.totals)
    period = _period(store, scope, users.totals)
    feeds = None if sources is None else [state.feed for state in sources if state.feed is not None]
    return Report(
        made=now,
        version=__version__,
        period=period,
        totals=users.totals,
        outcomes=outcomes,
        latency=latency,
        users=users,
        models=group_calls(store, scope, ["model"], now=now),
        days=group_calls(store, scope, ["day"], sort="day", descending=False, now=now),
        timeline=timeline(store, scope, period, now),
        errors=_errors(store, scope, now),
        security=_security(store, scope, now),
        blind_spots=BlindSpots(
            malformed=counters.malformed,
            unrecognised=counters.unrecognised,
            late=None if feeds is None else sum(feed.late for feed in feeds),
            sampled=None if feeds is None else sum(feed.sampled for feed in feeds),
            unmetered=users.totals.unmetered,
            unpriced=users.totals.unpriced,
            unpriced_models=_unpriced(store, scope, now),
            without_user=without_user,
            without_model=without_model,
            without_time=_without_time(store, scope, now),
            unread=tuple(state.sentence for state in sources or () if state.status == "error"),
        ),
        counters=counters,
        sources=_sources(store),
        audit_entries=_audit_entries(store),
        chain=chain,
    )


def _period(store: Store, scope: Scope, totals: Usage) -> Period:
    return Period(scope.since, scope.until, scope.text, totals.first_seen, totals.last_seen, *span(store))


def _calls(store: Store, scope: Scope, now: datetime, totals: Usage) -> tuple[Outcomes, Latency, int, int]:
    """What the tables do not count, and how many calls have no user, and no model."""
    condition, parameters = scope.sql()
    row = store.query(
        "SELECT count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'open'), count(latency_ms), "
        'avg(latency_ms), max(latency_ms), count(*) FILTER ("user" IS NULL), count(*) FILTER (model IS NULL) '
        f"FROM calls WHERE reached_model AND {condition}",
        parameters,
        now=now,
    ).rows[0]
    ok, still_open, known, mean, longest, no_user, no_model = row
    outcomes = Outcomes(_whole(ok), totals.errors, totals.aborted, totals.unfinished, _whole(still_open))
    latency = Latency(
        _whole(known), totals.latency_p50_ms, totals.latency_p95_ms, _number(mean), _number(longest)
    )
    return outcomes, latency, _whole(no_user), _whole(no_model)


def _errors(store: Store, scope: Scope, now: datetime) -> tuple[ErrorType, ...]:
    """Most first; names in order where counts are equal."""
    condition, parameters = scope.sql()
    rows = store.query(
        f"""SELECT error_type, model, count(*), max(last_seen) FROM calls
        WHERE reached_model AND status = 'error' AND {condition} GROUP BY error_type, model
        ORDER BY count(*) DESC, model NULLS LAST""",
        parameters,
        now=now,
    ).rows
    by_type: dict[str | None, list[tuple[Share, datetime | None]]] = {}
    for error, model, count, last in rows:
        part = (Share(_text(model), _whole(count)), aware(last))
        by_type.setdefault(_text(error), []).append(part)
    found = [
        ErrorType(
            error,
            sum(share.requests for share, _ in parts),
            max((last for _, last in parts if last is not None), default=None),
            tuple(share for share, _ in parts),
        )
        for error, parts in by_type.items()
    ]
    return tuple(sorted(found, key=lambda one: (-one.requests, one.error is None, one.error or "")))


def _security(store: Store, scope: Scope, now: datetime) -> Security:
    condition, parameters = scope.events_sql()
    chosen = f"FROM lines l WHERE l.kind = 'security' AND {condition}"
    counts = tuple(
        EventCount(_text(event), _text(dialect), _whole(count), aware(last))
        for event, dialect, count, last in store.query(
            f"SELECT l.message, l.dialect, count(*), max(l.time) {chosen} GROUP BY ALL "
            "ORDER BY count(*) DESC, l.message NULLS LAST, l.dialect",
            parameters,
            now=now,
        ).rows
    )
    newest = store.query(
        f"""WITH chosen AS (SELECT l.rowid AS seq {chosen} ORDER BY l.time DESC NULLS LAST, l.rowid DESC
            LIMIT {_NEWEST})
        SELECT l.time, l.message, l."user", s.source
        FROM chosen c JOIN lines l ON l.rowid = c.seq JOIN slices s USING (slice_id)
        ORDER BY l.time DESC NULLS LAST, l.rowid DESC""",
        parameters,
        now=now,
    ).rows
    listed = tuple(
        SecurityEvent(aware(time), _text(event), _text(user), str(source))
        for time, event, user, source in newest
    )
    return Security(sum(one.count for one in counts), counts, listed)


def _unpriced(store: Store, scope: Scope, now: datetime) -> tuple[UnpricedModel, ...]:
    condition, parameters = scope.sql()
    rows = store.query(
        f"""SELECT provider, model, count(*) FROM calls WHERE reached_model AND unpriced AND {condition}
        GROUP BY provider, model ORDER BY count(*) DESC, provider NULLS LAST, model NULLS LAST""",
        parameters,
        now=now,
    ).rows
    return tuple(
        UnpricedModel(_text(provider), _text(model), _whole(count)) for provider, model, count in rows
    )


def _without_time(store: Store, scope: Scope, now: datetime) -> int:
    condition, parameters = Scope(chips=scope.chips).sql()
    rows = store.query(
        f"SELECT count(*) FROM calls WHERE reached_model AND time IS NULL AND {condition}",
        parameters,
        now=now,
    ).rows
    return _whole(rows[0][0])


def _sources(store: Store) -> tuple[SourceLines, ...]:
    rows = store.query("SELECT source, sum(lines) FROM slices GROUP BY source ORDER BY source").rows
    return tuple(SourceLines(str(source), _whole(lines)) for source, lines in rows)


def _audit_entries(store: Store) -> int:
    rows = store.query(
        "SELECT count(*) FROM lines WHERE dialect = ? AND kind IS NOT NULL", [OPENROUTER.name]
    ).rows
    return _whole(rows[0][0])


def _text(value: object) -> str | None:
    return None if value is None else str(value)


def _whole(value: object) -> int:
    return int(value)  # type: ignore[call-overload, no-any-return]


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
