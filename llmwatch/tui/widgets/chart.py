"""Series over time, one below the other, as bars of blocks.

Names and figures stand beside them, so that nothing has to be told by its colour. Each has a scale of its own, or what
is rare would be a flat line below what is not.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from textual.content import Content

from llmwatch import units
from llmwatch.clean import Clean, clean, literal
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.spark import BLOCKS
from llmwatch.tui.widgets.text import Pieces, content, fit, width

_LONGEST_NAME, _FIGURE = 28, 10
_LABEL = 14
"""Cells from one time on the axis to the next."""
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400
_ROUND = (
    *(1, 5, 10, 15, 30),
    *(minutes * _MINUTE for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR for hours in (1, 2, 3, 6, 12)),
    *(days * _DAY for days in (1, 2, 7, 14, 28)),
)
"""Seconds between two times on the axis that people like."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Bars:
    """One series: a value for each time, None where nothing is known."""

    name: Clean
    points: tuple[float | None, ...]
    rest: bool = False
    """Whether it stands for all that have no series of their own."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """Series over the same times, which follow each other without a hole."""

    times: tuple[datetime, ...]
    every: Clean
    """What a point stands for: `5m`."""
    series: tuple[Bars, ...]


class Chart(Line, can_focus=True):
    """The series, in as many lines each as there is room for, and the time below."""

    def __init__(self) -> None:
        super().__init__(id="query-chart")
        self._timeline: Timeline | None = None

    def show(self, timeline: Timeline | None) -> None:
        """Draw this one."""
        self._timeline = timeline
        self.refresh()

    def draw(self, cells: int) -> Content:
        """Panels from top to bottom, then the axis."""
        timeline, lines = self._timeline, self.content_size.height
        if timeline is None or lines < 2 or cells < _FIGURE + 8:
            return Content("")
        shown = timeline.series[: lines - 1]
        high = (lines - 1) // len(shown)
        gutter = _gutter(timeline.series, cells)
        rows = [
            content(*row)
            for number, bars in enumerate(shown)
            for row in _panel(bars, _style(bars, number), _scale(bars), high, gutter, cells)
        ]
        hidden = len(timeline.series) - len(shown)
        return Content("\n").join([*rows, content(*_axis(timeline, hidden, gutter, cells - gutter))])


def _gutter(series: Sequence[Bars], cells: int) -> int:
    names = max(width(bars.name) for bars in series)
    return max(10, min(names, _LONGEST_NAME, cells // 4)) + 1 + _FIGURE + 1


def _style(bars: Bars, number: int) -> str:
    """Neighbours differ, so that it is seen where one ends."""
    return "$foreground 35%" if bars.rest else ("$primary 85%", "$secondary 70%")[number % 2]


def _scale(bars: Bars) -> tuple[float, float]:
    """From where to where a panel goes, which its figures say: zero is in it."""
    known = [point for point in bars.points if point is not None]
    return min(0.0, *known, 0.0), max(0.0, *known, 0.0)


def figure(value: float) -> str:
    """A value in at most six cells."""
    if value and not 0.001 <= abs(value) < 1e15:
        return f"{value:.0e}"
    return units.tokens(value) if abs(value) >= 999.5 else f"{value:.3g}"


def _panel(
    bars: Bars, style: str, scale: tuple[float, float], high: int, gutter: int, cells: int
) -> list[Pieces]:
    """One series: its name and its peak at the left, its bars at the right; a blank line above when there is room."""
    apart = 1 if high >= 4 else 0
    drawn = _drawn(merged(bars.points, cells - gutter), scale, high - apart)
    known = [point for point in bars.points if point is not None]
    room = gutter - _FIGURE - 2
    peak = f"max {figure(max(known))}" if known else units.UNKNOWN
    rows: list[Pieces] = []
    for number, line in enumerate(drawn):
        first, last = number == 0, number == len(drawn) - 1
        name = fit(bars.name if first else literal(""), room)
        label = peak if first else figure(scale[0]) if last else ""
        rows.append(
            [
                (literal(name), "$foreground 60%" if bars.rest else "$foreground"),
                (literal(f" {label:>{_FIGURE}}"), "$foreground 55%"),
                (literal("▏"), "$foreground 25%"),
                (line, style),
            ]
        )
    return [*[[(literal(""), "")]] * apart, *rows]


def merged(points: Sequence[float | None], cells: int) -> list[float | None]:
    """A value for each cell: the bin it lies in, or the highest of the bins it holds. Peaks are not to be missed."""
    bins = len(points)
    if bins <= cells:
        return [points[cell * bins // cells] for cell in range(cells)]
    parts = (points[cell * bins // cells : (cell + 1) * bins // cells] for cell in range(cells))
    return [max((point for point in part if point is not None), default=None) for part in parts]


def _drawn(points: Sequence[float | None], scale: tuple[float, float], high: int) -> list[Clean]:
    """Bars of `high` lines from the top; what is known is never without a mark, what is not never has one."""
    low, top = scale
    steps = len(BLOCKS)
    heights = [
        0 if point is None else max(1, math.ceil((point - low) / ((top - low) or 1.0) * high * steps))
        for point in points
    ]
    rows = []
    for line in range(high - 1, -1, -1):
        filled = (min(steps, max(0, height - line * steps)) for height in heights)
        rows.append(literal("".join(BLOCKS[part - 1] if part else " " for part in filled)))
    return rows


def _axis(timeline: Timeline, hidden: int, gutter: int, cells: int) -> Pieces:
    """Under the names what a bar is, under the bars the times."""
    bins = len(timeline.times)
    many = -(-bins // cells)
    note = f"+{hidden} more, enlarge" if hidden else f"peaks of {many} × " if many > 1 else "each "
    bar = literal(note) if hidden else clean(note + timeline.every.text, gutter - 1)
    line = [" "] * cells
    end = 0
    for cell, label in ticks(timeline.times, cells):
        text = f"╵{label}"
        if cell >= end and cell + len(text) <= cells - 4:
            line[cell : cell + len(text)] = text
            end = cell + len(text) + 1
    line[-3:] = "UTC"
    return [
        (literal(fit(bar, gutter)), "$text-warning" if hidden else "$foreground 55%"),
        (literal("".join(line)), "$foreground 55%"),
    ]


def ticks(times: Sequence[datetime], cells: int) -> list[tuple[int, str]]:
    """Where on the axis which times stand, as many as have room; a new day is said."""
    bins = len(times)
    apart = max(1, -(-_LABEL * bins // cells))
    step = (times[1] - times[0]).total_seconds() if bins > 1 else _DAY
    wanted = apart * step
    between = next((size for size in _ROUND if size >= wanted and size % step == 0), None)
    if between is None or bins == 1:
        chosen = list(range(0, bins, apart))
    else:
        chosen = [place for place in range(bins) if not (times[place] - _EPOCH).total_seconds() % between]
    days = all(time.hour == time.minute == time.second == 0 for time in times)
    labels, day = [], None
    for place in chosen or [0]:
        time = times[place]
        clock = f"{time:%H:%M:%S}" if step < _MINUTE else f"{time:%H:%M}"
        label = f"{time:%Y-%m-%d}" if days else clock if time.date() == day else f"{time:%m-%d} {clock}"
        day = time.date()
        first = -(-place * cells // bins) if bins <= cells else ((place + 1) * cells - 1) // bins
        labels.append((first, label))
    return labels


def period(step: timedelta) -> str:
    """A length of time as Logs Insights writes it: `90s`, `5m`."""
    seconds = step.total_seconds()
    for size, unit in ((_DAY, "d"), (_HOUR, "h"), (_MINUTE, "m"), (1, "s")):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:.0f}{unit}"
    return f"{seconds * 1000:.0f}ms"
