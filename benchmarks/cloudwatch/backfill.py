"""How much of what the budget allows the reading of a long past gets: full pages of 1 MB, one after the other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, cast

from benchmarks.cloudwatch.past import MESSAGE, Past
from benchmarks.cloudwatch.simulation import Simulation
from benchmarks.figure import Figure, Settings
from llmwatch.sources.cloudwatch import poller
from llmwatch.sources.cloudwatch.tail import Range
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.model import EVENT_OVERHEAD, MEGABYTE

if TYPE_CHECKING:
    from llmwatch.sources.cloudwatch.api import LogsApi

_PAGES, _HOURS = 500, 24.0
_LATENCY = (0.2, 0.8)
_SHARE = 80
_PATIENCE_SECONDS = 3600.0


class NotAllReadError(Exception):
    """The past was not read once, so nothing was measured."""


def run(_: Settings) -> Iterator[Figure]:
    for per_second in (2.0, 5.0):
        yield _figure("a range", per_second, Range(stop_at=0))
        yield _figure("a range in order", per_second, Range(stop_at=0, newest_first=False))
        yield _figure("before following", per_second, Range())


def _figure(name: str, per_second: float, wanted: Range) -> Figure:
    clock = VirtualClock()
    past = Past(clock, _PAGES, _HOURS)
    given = 0

    def take(_: object, new: object) -> None:
        nonlocal given
        given += len(cast("list[object]", new))

    wanted = Range(past.since, None, wanted.stop_at, wanted.newest_first)
    settings = poller.Settings(("router",), wanted, per_second=per_second, patience="always")
    reading = Simulation(cast("LogsApi", past), clock, settings, take, latency=_LATENCY)
    began = clock.now()
    while given < past.events and clock.now() < began + _PATIENCE_SECONDS:
        reading.go_on(clock.now() + 0.1)
    if given != past.events:
        raise NotAllReadError(f"{given} of {past.events} events")
    took = clock.now() - began
    share = 100 * given * (len(MESSAGE) + EVENT_OVERHEAD) / (took * per_second * MEGABYTE)
    detail = f"{_PAGES} pages of 1 MB in {took:.0f} s (virtual) and {past.requests} requests"
    return Figure(f"past, {name}, {per_second:g} requests/s", share, _SHARE, "% of the pages", True, detail)
