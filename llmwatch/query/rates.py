"""Rates: what happens a second or an hour, now, and how it came to that."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmwatch.query.scope import Scope, aware, naive
from llmwatch.query.snapshot import Kpis, Series
from llmwatch.store.store import Store

RATE_WINDOW = timedelta(minutes=5)
"""The newest part of the log, of which rates such as $/h speak."""

BUCKET = timedelta(seconds=10)
_BUCKETS = RATE_WINDOW // BUCKET


@dataclass(frozen=True, slots=True)
class RateWindow:
    """The newest part of the log. It is shorter than `RATE_WINDOW` where the log is."""

    since: datetime
    until: datetime

    @property
    def seconds(self) -> float:
        """Its length; never zero."""
        return max((self.until - self.since).total_seconds(), BUCKET.total_seconds())


def rate_window(store: Store, now: datetime, *, live: bool) -> RateWindow:
    """The window that ends now; for a log that is history, with its newest line."""
    oldest, newest = span(store)
    until = now if live else (newest or now)
    since = max(until - RATE_WINDOW, min(oldest or until, until))
    return RateWindow(since, until)


def span(store: Store) -> tuple[datetime | None, datetime | None]:
    """The times of the first and the last line of any call; None before there is one."""
    oldest, newest = store.query("SELECT min(first_seen), max(last_seen) FROM folded_calls").rows[0]
    return aware(oldest), aware(newest)


_BY_BUCKET = """
WITH recent AS (
    SELECT *, floor(epoch(?::TIMESTAMP - last_seen) / ?)::INTEGER AS bucket FROM calls
    WHERE reached_model AND last_seen > ? AND last_seen <= ? AND {scope})
SELECT bucket, count(*), count(*) FILTER (status = 'error'), quantile_cont(latency_ms, 0.95),
    sum(coalesce(input_tokens, 0) + coalesce(cache_read_tokens, 0) + coalesce(cache_write_tokens, 0)
        + coalesce(output_tokens, 0)),
    sum(cost_usd), count(DISTINCT "user")
FROM recent GROUP BY GROUPING SETS ((bucket), ())
"""


def kpis(store: Store, scope: Scope, window: RateWindow, now: datetime) -> Kpis:
    """The figures of the strip."""
    condition, parameters = scope.sql()
    until = naive(window.until)
    rows = store.query(
        _BY_BUCKET.format(scope=condition),
        [until, BUCKET.total_seconds(), naive(window.until - RATE_WINDOW), until, *parameters],
        now=now,
    ).rows
    total = store.query(
        f"SELECT sum(cost_usd) FROM calls WHERE reached_model AND {condition}", parameters, now=now
    ).rows[0][0]
    buckets = {row[0]: [_number(value) for value in row[1:]] for row in rows}
    whole = buckets.pop(None, [0.0, 0.0, None, None, None, 0.0])
    known = int(window.seconds // BUCKET.total_seconds()) or 1
    points = [buckets.get(_BUCKETS - 1 - place) for place in range(_BUCKETS)]

    def series(column: int, now_value: float | None, scale: float = 1.0) -> Series:
        values = [
            None if place < _BUCKETS - known else _scaled(point[column] if point else _EMPTY[column], scale)
            for place, point in enumerate(points)
        ]
        return Series(now_value, tuple(values))

    requests, errors, p95, tokens, cost, users = whole
    bucket_seconds = BUCKET.total_seconds()
    return Kpis(
        requests_per_second=series(0, (requests or 0) / window.seconds, 1 / bucket_seconds),
        error_percent=Series(
            100 * (errors or 0) / requests if requests else None,
            tuple(100 * (point[1] or 0) / point[0] if point and point[0] else None for point in points),
        ),
        latency_p95_ms=series(2, p95),
        tokens_per_second=series(3, (tokens or 0) / window.seconds, 1 / bucket_seconds),
        cost_per_hour_usd=series(4, _scaled(cost, 3600 / window.seconds), 3600 / bucket_seconds),
        cost_usd=_running(_number(total), [point[4] if point else None for point in points]),
        active_users=series(5, users),
    )


_EMPTY = (0.0, 0.0, None, 0.0, 0.0, 0.0)
"""A bucket in which no call ended, by column of `_BY_BUCKET`."""


def _running(total: float | None, spent: list[float | None]) -> Series:
    """The total, and what it was at the end of each bucket."""
    if total is None:
        return Series(None, (None,) * len(spent))
    value = total - sum(amount or 0 for amount in spent)
    points = []
    for amount in spent:
        value += amount or 0
        points.append(value)
    return Series(total, tuple(points))


def _scaled(value: float | None, scale: float) -> float | None:
    return None if value is None else value * scale


def _number(value: object) -> float | None:
    return None if value is None else float(value)  # type: ignore[arg-type]
