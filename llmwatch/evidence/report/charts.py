"""The charts of the page: SVG that needs no script, with a title and a description for those who do not see it."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import timedelta
from html import escape
from typing import NamedTuple

from llmwatch import units
from llmwatch.clean import clean
from llmwatch.evidence.report.document import UNKNOWN, many
from llmwatch.evidence.report.facts import Report, TimePoint

_DAY = timedelta(days=1)
_WIDTH, _HEIGHT = 560, 220
_LEFT, _RIGHT, _TOP, _BOTTOM = 56, 16, 12, 26
_WIDEST_BAR = 44
_TICKS = 4
_LABELS = 6
_MODELS = 8
_LONGEST_NAME = 64
_ROW = 40


class Chart(NamedTuple):
    """A chart and what stands over it; `svg` is safe HTML, and so is `title`."""

    title: str
    svg: str
    keys: tuple[tuple[str, str], ...] = ()
    """Colour's class → what has it, where there is more than one."""
    wide: bool = False


class _Bar(NamedTuple):
    """Parts from the axis up, (class, value); None is not known."""

    label: str
    tip: str
    parts: tuple[tuple[str, float], ...] | None


def charts(report: Report) -> tuple[Chart, ...]:
    """Calls and cost over time, and the largest models; none of what there is nothing of."""
    if not report.timeline.points:
        return ()
    made = [_calls(report)]
    if any(point.cost_usd for point in report.timeline.points):
        made.append(_cost(report))
    return (*made, _models(report))


def _calls(report: Report) -> Chart:
    points, label = report.timeline.points, _labels(report.timeline.step)
    bars = [
        _Bar(
            label(point),
            f"{label(point)}: {many(point.requests, 'call')}, {units.count(point.errors)} failed, "
            f"{units.count(point.other)} aborted or unfinished",
            (("bar-ok", point.ok), ("bar-other", point.other), ("bar-error", point.errors)),
        )
        for point in points
    ]
    outcomes = report.outcomes
    told = f"{many(report.totals.requests, 'call')}, {units.count(outcomes.errors)} of them failed. {_busiest(bars)}"
    keys = (("bar-ok", "succeeded"), ("bar-other", "aborted, unfinished, open"), ("bar-error", "failed"))
    title = f"Calls {_each(report.timeline.step)}"
    return Chart(title, _columns("calls", title, told, bars, _count_tick), keys)


def _cost(report: Report) -> Chart:
    points, label = report.timeline.points, _labels(report.timeline.step)
    bars = [
        _Bar(
            label(point),
            f"{label(point)}: {units.money(point.cost_usd, UNKNOWN)}",
            None if point.requests and point.cost_usd is None else (("bar-cost", point.cost_usd or 0.0),),
        )
        for point in points
    ]
    told = f"{units.money(report.totals.cost_usd, UNKNOWN)} in all. {_busiest(bars)}"
    title = f"Cost {_each(report.timeline.step)}"
    return Chart(title, _columns("cost", title, told, bars, _money_tick))


def _busiest(bars: Sequence[_Bar]) -> str:
    most = max(bars, key=_height)
    return f"The most is at {most.tip}."


def _height(bar: _Bar) -> float:
    return sum(value for _, value in bar.parts or ())


def _each(step: timedelta) -> str:
    names = {timedelta(minutes=1): "per minute", timedelta(hours=1): "per hour", _DAY: "per day"}
    if step in names:
        return names[step]
    return f"per {step // timedelta(minutes=1)} minutes" if step < _DAY else f"per {step.days} days"


def _labels(step: timedelta) -> Callable[[TimePoint], str]:
    """How a point is named: as short as its step allows."""
    if step >= _DAY:
        return lambda point: point.start.date().isoformat()
    return lambda point: point.start.replace(tzinfo=None).isoformat(" ", "minutes")[5:]


def _columns(name: str, title: str, told: str, bars: Sequence[_Bar], tick: Callable[[float], str]) -> str:
    """Bars side by side over a time axis."""
    step, top = _scale(max(map(_height, bars)))
    bottom, high = _HEIGHT - _BOTTOM, _HEIGHT - _BOTTOM - _TOP
    slot = (_WIDTH - _LEFT - _RIGHT) / len(bars)
    wide = min(_WIDEST_BAR, slot * (0.78 if slot > 4 else 1))
    parts = []
    for number in range(round(top / step) + 1):
        y = bottom - high * number * step / top
        parts.append(f'<line class="rule" x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text class="tick" x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{tick(number * step)}</text>'
        )
    shown = _labelled(len(bars))
    for place, bar in enumerate(bars):
        middle = _LEFT + slot * (place + 0.5)
        parts.append(_column(bar, middle, wide, bottom, high / top))
        if place in shown:
            parts.append(
                f'<text class="tick" x="{middle:.1f}" y="{_HEIGHT - 7}" text-anchor="middle">{escape(bar.label)}</text>'
            )
    return _svg(name, title, told, _HEIGHT, parts)


def _column(bar: _Bar, middle: float, wide: float, bottom: float, scale: float) -> str:
    left = middle - wide / 2
    drawn, y = [f"<title>{escape(bar.tip)}</title>"], bottom
    for kind, value in bar.parts or ():
        if value > 0:
            high = max(value * scale, 1.0)  # a part that is there is seen
            y -= high
            drawn.append(
                f'<rect class="{kind}" x="{left:.1f}" y="{y:.1f}" width="{wide:.1f}" height="{high:.1f}"/>'
            )
    if bar.parts is None:
        drawn.append(f'<text class="tick" x="{middle:.1f}" y="{bottom - 4}" text-anchor="middle">?</text>')
    return f"<g>{''.join(drawn)}</g>" if len(drawn) > 1 else ""


def _labelled(count: int) -> range:
    """Which of so many bars have room for a name under them."""
    every = math.ceil(count / _LABELS)
    return range((count - 1) % every // 2, count, every)


def _models(report: Report) -> Chart:
    """Bars one under the other: of cost or, where none is known, of calls."""
    rows = report.models.rows[:_MODELS]
    costly = any(row.usage.cost_usd for row in rows)
    width = 2 * _WIDTH
    largest = max((row.usage.cost_usd or 0.0) if costly else row.usage.requests for row in rows)
    parts = []
    for place, row in enumerate(rows):
        usage, y = row.usage, place * _ROW
        value = usage.cost_usd if costly else usage.requests
        name = clean("(unknown)" if row.key[0] is None else row.key[0], _LONGEST_NAME).text
        told = f"{units.money(usage.cost_usd, UNKNOWN)}, {many(usage.requests, 'call')}"
        parts.append(f'<text class="name" x="0" y="{y + 14}">{escape(name)}</text>')
        parts.append(f'<text class="tick" x="{width}" y="{y + 14}" text-anchor="end">{escape(told)}</text>')
        parts.append(f'<rect class="track" x="0" y="{y + 21}" width="{width}" height="8" rx="4"/>')
        if value:
            long = max(width * value / largest, 3)
            kind = "bar-cost" if costly else "bar-ok"
            parts.append(f'<rect class="{kind}" x="0" y="{y + 21}" width="{long:.1f}" height="8" rx="4"/>')
    hidden = report.models.groups - len(rows)
    title = f"{'Cost' if costly else 'Calls'} by model"
    rest = f" {many(hidden, 'more model')} in the table." if hidden else ""
    described = f"The {many(len(rows), 'largest model')}.{rest} The table by model has the figures."
    return Chart(title, _svg("models", title, described, len(rows) * _ROW, parts, width), wide=True)


def _svg(name: str, title: str, told: str, height: int, parts: Sequence[str], width: int = _WIDTH) -> str:
    head = (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-labelledby="{name}-title {name}-told">'
        f'<title id="{name}-title">{escape(title)}</title><desc id="{name}-told">{escape(told)}</desc>'
    )
    return "\n".join([head, *filter(None, parts), "</svg>"])


def _scale(most: float) -> tuple[float, float]:
    """(step, top) of an axis on which `most` fits: steps of 1, 2 or 5 times a power of ten."""
    if most <= 0:
        return 1.0, 1.0
    rough = most / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough * 0.999)
    return step, step * math.ceil(most / step - 1e-9)


def _count_tick(value: float) -> str:
    """Of a whole number; an axis of few calls has ticks between them, which have no name."""
    return units.tokens(value) if value == round(value) else ""


def _money_tick(value: float) -> str:
    return f"${units.figure(float(f'{value:.6g}'))}"
