"""Bad days on a virtual clock: what is lost, what comes twice, and how late the rest is."""

from __future__ import annotations

import multiprocessing
import os
from array import array
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from statistics import median, quantiles

from benchmarks.cloudwatch.ledger import Ledger
from benchmarks.cloudwatch.simulation import Simulation
from benchmarks.figure import Figure, Settings
from llmwatch.sources.cloudwatch import poller
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.faults import FaultPlan, hard
from tests.cloudwatch.model import Model
from tests.cloudwatch.traffic import TrafficPlan, arrivals
from tests.cloudwatch.virtual import VirtualApi

_SEEDS = 20
EVENTS = 90_000
_PER_SECOND = 2.0
_AFTER_SECONDS = 120.0
"""How long after the last event became visible the reading goes on: the sweep that finds it may be due by then only."""


class NotAllShownError(Exception):
    """The traffic was not what it should have been, so nothing was measured."""


@dataclass(frozen=True, slots=True)
class BadDay:
    """What one seed came to."""

    lost: int
    twice: int
    requests_a_minute: float
    cpu_seconds: float
    delays: array[float]


def stage(plan: TrafficPlan) -> tuple[FaultPlan, VirtualClock, VirtualApi, Ledger]:
    """The traffic, and a service that has all faults."""
    faults = hard(plan.seed)
    clock = VirtualClock(plan.start - faults.clock_offset)
    model = Model()
    model.create_group("router", created=int(plan.start * 1000) - 1000)
    model.feed(arrivals(plan))
    api = VirtualApi(model, clock, faults, requests_kept=0)
    return faults, clock, api, Ledger(api)


def end(plan: TrafficPlan, clock: VirtualClock) -> float:
    """When, by a clock that has not moved yet, all has become visible and whoever can has read it."""
    return clock.now() + plan.seconds + plan.worst_lag + _AFTER_SECONDS


def check(plan: TrafficPlan, ledger: Ledger) -> None:
    """Raises NotAllShownError."""
    if ledger.shown != plan.events:
        raise NotAllShownError(f"{ledger.shown} of {plan.events} events became visible")


def _bad_day(seed: int) -> BadDay:
    plan = TrafficPlan(seed=seed, events=EVENTS)
    faults, clock, api, ledger = stage(plan)
    api.service.faults = replace(faults, latency=(0.0, 0.0))
    settings = poller.Settings(("router",), per_second=_PER_SECOND, patience="always")
    reading = Simulation(api, clock, settings, lambda _, new: ledger.give(new), latency=faults.latency)
    began, until = clock.now(), end(plan, clock)
    reading.go_on(until)
    check(plan, ledger)
    minutes = (until - began) / 60
    requests = api.service.calls.total() / minutes
    return BadDay(ledger.lost, ledger.twice, requests, reading.cpu_seconds, ledger.delays)


def run(_: Settings) -> Iterator[Figure]:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(os.cpu_count(), mp_context=spawned) as pool:
        days = list(pool.map(_bad_day, range(_SEEDS)))
    scale = f"{_SEEDS} seeds of {EVENTS:,} events"
    yield Figure("bad days, lost", sum(day.lost for day in days), 0, "events", detail=scale)
    yield Figure("bad days, given twice", sum(day.twice for day in days), 0, "events", detail=scale)
    most = max(day.requests_a_minute for day in days)
    yield Figure(
        "bad days, requests",
        median(day.requests_a_minute for day in days),
        60 * _PER_SECOND,
        "a minute",
        detail=f"at most {most:.0f}, refused ones too; the bound is the budget",
    )
    delays = sorted(delay for day in days for delay in day.delays)
    percent = quantiles(delays, n=100)
    yield Figure(
        "bad days, visible to given, p99",
        percent[98],
        None,
        "s",
        detail=f"virtual; p50 {percent[49]:.1f}, p90 {percent[89]:.1f}, max {delays[-1]:.1f}",
    )
    yield Figure(
        "bad days, CPU for each",
        median(day.cpu_seconds for day in days),
        None,
        "s",
        detail="for an hour of traffic, without the fake service",
    )
