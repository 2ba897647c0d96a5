"""The period in equal steps, as a chart shows it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from llmwatch.evidence.report.facts import Period, Timeline, TimePoint
from llmwatch.query.scope import Scope, naive
from llmwatch.store.store import Store

_DAY = timedelta(days=1)
_STEPS = (
    timedelta(minutes=1),
    timedelta(minutes=5),
    timedelta(minutes=15),
    timedelta(hours=1),
    _DAY,
    timedelta(days=7),
    timedelta(days=28),
)
_MOST_POINTS = 93
"""Three months of days."""


def timeline(store: Store, scope: Scope, period: Period, now: datetime) -> Timeline:
    """From the beginning of the period that was asked for, or else of the first call, to its end or the last one."""
    if period.first is None or period.last is None:
        return Timeline(_DAY)
    begin = period.since or period.first
    end = max(now, period.last) if period.until else period.last
    if period.until:
        end = min(end, period.until - timedelta.resolution)
    step = _step(end - begin)
    first = _rounded(begin, min(step, _DAY))
    points = [TimePoint(first + number * step) for number in range((end - first) // step + 1)]
    condition, parameters = scope.sql()
    rows = store.query(
        f"""SELECT (epoch_us(time) - epoch_us(?::TIMESTAMP)) // {step // timedelta.resolution} AS place,
            count(*) FILTER (status = 'ok'), count(*) FILTER (status = 'error'),
            count(*) FILTER (status NOT IN ('ok', 'error')), sum(cost_usd)
        FROM calls WHERE reached_model AND time IS NOT NULL AND {condition} GROUP BY place""",
        [naive(first), *parameters],
        now=now,
    ).rows
    return Timeline(step, tuple(_filled(points, rows)))


def _filled(points: list[TimePoint], rows: Iterable[tuple[object, ...]]) -> Iterable[TimePoint]:
    found = {row[0]: row[1:] for row in rows}
    for place, point in enumerate(points):
        if place not in found:
            yield point
            continue
        ok, errors, other, cost = found[place]
        yield replace(
            point,
            ok=int(str(ok)),
            errors=int(str(errors)),
            other=int(str(other)),
            cost_usd=None if cost is None else float(str(cost)),
        )


def _step(length: timedelta) -> timedelta:
    """The shortest that gives no more points than can be told apart; a log may speak of any year."""
    for step in _STEPS:
        if length <= step * (_MOST_POINTS - 1):
            return step
    return timedelta(days=-(-length // (_DAY * (_MOST_POINTS - 1))))


def _rounded(moment: datetime, step: timedelta) -> datetime:
    """The last multiple of `step` since midnight, which is at most a day."""
    midnight = moment.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
    return midnight + (moment - midnight) // step * step
