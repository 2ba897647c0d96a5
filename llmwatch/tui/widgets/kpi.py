"""The strip of key figures: what it is, what it is now, and how it came there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from textual.content import Content

from llmwatch import units
from llmwatch.clean import Clean, literal
from llmwatch.query.snapshot import Kpis, Series
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.spark import spark
from llmwatch.tui.widgets.text import content, fit, width

TALL = 3
"""With this many lines the sparkline has one of its own."""


@dataclass(frozen=True, slots=True)
class Kpi:
    """One figure of the strip."""

    label: str
    doc: str
    series: Callable[[Kpis], Series]
    figure: Callable[[float | None], str]
    style: str = "bold $foreground"
    line: str = "$primary 60%"
    troubled: bool = False
    """Red when it is not zero."""


def _whole(value: float | None) -> str:
    return units.count(None if value is None else round(value))


KPIS = (
    Kpi(
        "$/h",
        "What an hour costs at the pace of the last minutes",
        lambda k: k.cost_per_hour_usd,
        units.money,
        "bold $text-accent",
        "$accent 80%",
    ),
    Kpi("$ spent", "Dollars for all calls in scope with a known price", lambda k: k.cost_usd, units.money),
    Kpi("req/s", "Calls a second", lambda k: k.requests_per_second, units.rate),
    Kpi("errors", "Share of calls that failed", lambda k: k.error_percent, units.percent, troubled=True),
    Kpi("p95", "19 of 20 calls were faster", lambda k: k.latency_p95_ms, units.latency),
    Kpi("tokens/s", "Tokens a second, in and out", lambda k: k.tokens_per_second, units.rate),
    Kpi("users", "Users with a call in scope", lambda k: k.active_users, _whole),
)
"""Money first: it is what the monitor is for."""


class KpiStrip(Line):
    """Seven figures side by side, in two lines or, where there is room, three."""

    def __init__(self) -> None:
        super().__init__(id="kpis")
        self._kpis: Kpis | None = None

    def show(self, kpis: Kpis | None) -> None:
        """Show these; None keeps what was there."""
        if kpis is not None and kpis != self._kpis:
            self._kpis = kpis
            self.refresh()

    def draw(self, cells: int) -> Content:
        """A column for each figure, all equally wide."""
        gap = 1 if cells < 100 else 3
        each = (cells - gap * (len(KPIS) - 1)) // len(KPIS)
        lines = [self._column(kpi, each) for kpi in KPIS]
        if self.content_size.height >= TALL:
            rows = (
                [[column[0]] for column in lines],
                [[column[1]] for column in lines],
                [[column[3]] for column in lines],
            )
        else:
            rows = [[column[0]] for column in lines], [list(column[1:3]) for column in lines], []
        between = (literal(" " * gap), "")
        shown = []
        for row in rows:
            pieces = [piece for group in row for piece in (*group, between)]
            shown.append(content(*pieces[:-1]))
        return Content("\n").join(shown)

    def _column(self, kpi: Kpi, cells: int) -> tuple[tuple[Clean, str], ...]:
        """Label; value; a sparkline beside the value; a sparkline as wide as the column."""
        series = kpi.series(self._kpis) if self._kpis else Series(None, ())
        value = literal(kpi.figure(series.now))
        style = "bold $text-error" if kpi.troubled and series.now else kpi.style
        beside = cells - width(value) - 1
        line = "$error 70%" if kpi.troubled and series.now else kpi.line
        return (
            (literal(fit(literal(kpi.label), cells)), "$foreground 55%"),
            (literal(fit(value, cells)) if self.content_size.height >= TALL else value, style),
            (
                literal(
                    " " + spark(series.points, beside).text if beside >= 3 else " " * (cells - width(value))
                ),
                line,
            ),
            (spark(series.points, cells), line),
        )
