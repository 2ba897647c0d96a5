"""An answer over time: which series it has, and a value for every bin of each."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.errors import UsageError
from llmwatch.query.insights.answer import Answer, Value
from llmwatch.tui.widgets.chart import Bars, Timeline, period

LARGEST_SERIES = 6
"""Drawn by themselves; the others together."""

_FINEST = 1_024
"""Points of a series: more than a screen has columns."""

_Dated = tuple[datetime, tuple[Value, ...]]
_Key = tuple[Value, ...]
_Points = dict[datetime, float | None]
_Named = tuple[Clean, _Points, bool]
"""A series: what it is called, its values, whether it stands for several."""


@dataclass(frozen=True, slots=True)
class Grouping:
    """What the text of a query says of its last `stats`: it groups by these columns, and these can be added up."""

    by: frozenset[str] = frozenset()
    sums: frozenset[str] = frozenset()


def timeline(
    answer: Answer, numeric: Sequence[bool], grouping: Grouping | None
) -> tuple[Timeline | None, list[Clean]]:
    """The chart of an answer whose rows are binned, and what it leaves out."""
    if answer.binned not in answer.columns or not (answer.bin_seconds or answer.bin_months):
        return None, []
    time = answer.columns.index(answer.binned)
    others = [place for place in range(len(answer.columns)) if place != time]
    by = [
        place
        for place in others
        if (answer.columns[place] in grouping.by if grouping else not numeric[place])
    ]
    figures = [place for place in others if numeric[place] and place not in by]
    dated = [(when, row) for row in answer.rows if (when := _time(row[time])) is not None]
    remarks = [_undated(len(answer.rows) - len(dated))] if len(dated) < len(answer.rows) else []
    if not figures or not dated:
        return None, remarks
    drawn = figures[: 1 if by else LARGEST_SERIES]
    if by:
        adds_up = grouping is not None and answer.columns[drawn[0]] in grouping.sums
        named, more = _largest(_grouped(dated, by, drawn[0]), adds_up=adds_up)
        remarks += more
    else:
        named = [(clean(answer.columns[place], 80), _points(dated, place), False) for place in drawn]
    if len(drawn) < len(figures):
        names = [clean(answer.columns[place], 40) for place in figures[len(drawn) :]]
        remarks.append(join([literal("not drawn: "), join(names, literal(", "))]))
    times, every = _times({when for when, _ in dated}, answer)
    return Timeline(times, every, tuple(_series(times, *one) for one in named)), remarks


def _undated(rows: int) -> Clean:
    those = "1 row has no time and is" if rows == 1 else f"{units.count(rows)} rows have no time and are"
    return literal(f"{those} not drawn")


def _grouped(dated: Sequence[_Dated], by: Sequence[int], place: int) -> dict[_Key, _Points]:
    found: dict[_Key, _Points] = defaultdict(dict)
    for when, row in dated:
        _note(found[tuple(row[part] for part in by)], when, row[place])
    return found


def _points(dated: Sequence[_Dated], place: int) -> _Points:
    points: _Points = {}
    for when, row in dated:
        _note(points, when, row[place])
    return points


def _note(points: _Points, when: datetime, value: Value) -> None:
    """Of two for the same time the larger; a value that is no number is not known."""
    known = float(value) if isinstance(value, int | float) and math.isfinite(value) else None
    before = points.get(when)
    points[when] = known if before is None else before if known is None else max(before, known)


def _time(value: Value) -> datetime | None:
    """When a bin begins: `2026-02-27 16:45:00.000`, in UTC."""
    if not isinstance(value, str):
        return None
    try:
        when = datetime.fromisoformat(value)
    except ValueError:
        return None
    return when.replace(tzinfo=UTC) if when.tzinfo is None else when.astimezone(UTC)


def _largest(found: dict[_Key, _Points], *, adds_up: bool) -> tuple[list[_Named], list[Clean]]:
    """The series of the largest sums, and the others as one; of the highest peaks where a sum means nothing."""
    size = sum if adds_up else partial(max, default=0.0)
    ordered = sorted(
        found, key=lambda key: -size(abs(value) for value in found[key].values() if value is not None)
    )
    named: list[_Named] = [(_name(key), found[key], False) for key in ordered[:LARGEST_SERIES]]
    rest = ordered[LARGEST_SERIES:]
    if rest and adds_up:
        together: _Points = {}
        for key in rest:
            for when, value in found[key].items():
                together[when] = _sum(together.get(when), value)
        named.append((literal(f"{units.count(len(rest))} others"), together, True))
    elif rest:
        return named, [literal(f"{units.count(len(rest))} more series, of lower peaks, are not drawn")]
    return named, []


def _sum(left: float | None, right: float | None) -> float | None:
    return right if left is None else left if right is None else left + right


def _name(key: _Key) -> Clean:
    return join([clean(units.UNKNOWN if value is None else value, 80) for value in key], literal(" · "))


def _times(found: set[datetime], answer: Answer) -> tuple[tuple[datetime, ...], Clean]:
    """Every bin from the first to the last, also those that nothing was found for, and how long one is.

    Where there are more than a screen has room for, several are one.
    """
    first, last = min(found), max(found)
    if answer.bin_months:
        return _months(first, last, answer.bin_months)
    step = timedelta(seconds=answer.bin_seconds or 0)
    many = -(-((last - first) // step + 1) // _FINEST)
    count = (last - first) // (many * step) + 1
    return tuple(first + place * many * step for place in range(count)), _every(many, period(step))


def _months(first: datetime, last: datetime, step: int) -> tuple[tuple[datetime, ...], Clean]:
    begin, end = (when.year * 12 + when.month - 1 for when in (first, last))
    many = -(-((end - begin) // step + 1) // _FINEST)
    numbers = range(begin, end + 1, many * step)
    times = (datetime(number // 12, number % 12 + 1, 1, tzinfo=UTC) for number in numbers)
    return tuple(times), _every(many, f"{step}mo")


def _every(many: int, length: str) -> Clean:
    return literal(length if many == 1 else f"{many} × {length}")


def _series(times: Sequence[datetime], name: Clean, points: _Points, rest: bool) -> Bars:
    """Points for all the times; where one stands for several bins, the highest of them."""
    values: list[float | None] = [None] * len(times)
    for when, value in points.items():
        place = bisect_right(times, when) - 1
        values[place] = max((known for known in (values[place], value) if known is not None), default=None)
    return Bars(name, tuple(values), rest)


def grouping(text: str) -> Grouping | None:
    """What a query says of its last `stats`; None when it has none."""
    from llmwatch.query.insights.parse import read_query
    from llmwatch.query.insights.tree import Call, Stats

    try:
        commands = read_query(text).commands
    except UsageError:
        return None
    stats = next((command for command in reversed(commands) if isinstance(command, Stats)), None)
    if stats is None:
        return None
    sums = (
        item.name
        for item in stats.items
        if isinstance(item.expression, Call) and item.expression.name in {"count", "sum"}
    )
    return Grouping(frozenset(item.name for item in stats.by), frozenset(sums))
