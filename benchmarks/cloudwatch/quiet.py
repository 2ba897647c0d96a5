"""What groups cost in which nothing happens: requests, which other programs of the account want too."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.cloudwatch.simulation import Simulation
from benchmarks.figure import Figure, Settings
from llmwatch.sources.cloudwatch import poller
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.model import Model
from tests.cloudwatch.virtual import VirtualApi

_MINUTES = 60
_PER_SECOND = 2.0
_IDLE_LIMIT = 50
_MANY = 10


def run(_: Settings) -> Iterator[Figure]:
    requests, lag = _hour(1)
    yield Figure("an idle group", requests, _IDLE_LIMIT, "a minute", detail=f"{lag:.1f} s behind at most")
    requests, lag = _hour(_MANY)
    yield Figure(
        f"{_MANY} idle groups, one budget",
        requests,
        60 * _PER_SECOND,
        "a minute",
        detail=f"{requests / _MANY:.1f} a group, {lag:.1f} s behind at most; the bound is the budget",
    )


def _hour(count: int) -> tuple[float, float]:
    """Requests a minute of so many groups, and the most that one of them was behind, in seconds."""
    clock, model = VirtualClock(), Model()
    for number in range(count):
        model.create_group(f"router-{number}", created=int(clock.now() * 1000))
    api = VirtualApi(model, clock, FaultPlan(empty=0.15), requests_kept=0)
    settings = poller.Settings(("router-*",), per_second=_PER_SECOND, patience="always")
    reading = Simulation(api, clock, settings, lambda *_: None, latency=(0.05, 0.2))
    reading.go_on(clock.now() + 60)
    before, lags = api.service.calls.total(), [0.0]
    for _ in range(_MINUTES * 60):
        reading.go_on(clock.now() + 1)
        lags += [state.feed.lag_seconds or 0.0 for state in reading.poller.states(clock.now()) if state.feed]
    return (api.service.calls.total() - before) / _MINUTES, max(lags)
