"""A day of following, in a process of its own: the memory at its end is that of its beginning."""

from __future__ import annotations

import gc
import multiprocessing
import os
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from benchmarks.cloudwatch.faults import check
from benchmarks.cloudwatch.ledger import Ledger
from benchmarks.cloudwatch.simulation import Simulation
from benchmarks.figure import Figure, Settings
from llmwatch.sources.cloudwatch import poller
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.model import Model
from tests.cloudwatch.traffic import TrafficPlan, arrivals
from tests.cloudwatch.virtual import VirtualApi

_HOUR = 3600.0
_MARKS, _APART = 12, 2 * _HOUR
_EVENTS = 120_000
_KEPT = 3_600_000
"""ms of events that the fake keeps, so that its own memory does not grow: more than any reading looks back."""
_GROWTH_LIMIT = 1.0
"""MiB. Nothing should grow; the allocator's arenas come and go."""


def run(_: Settings) -> Iterator[Figure]:
    spawned = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawned) as pool:
        remembered, resident, wrong = pool.submit(_day).result()
    half = _MARKS // 2
    yield Figure("a day, lost or given twice", wrong, 0, "events", detail=f"{_EVENTS:,} events")
    yield Figure(
        "a day, remembered ids",
        max(remembered[half:]) / max(remembered[:half]),
        1.3,
        "of the first half",
        detail="at most, every 2 hours: " + " ".join(f"{count:,}" for count in remembered),
    )
    yield Figure(
        "a day, growth of memory",
        max(resident[half:]) - max(resident[:half]),
        _GROWTH_LIMIT,
        "MiB",
        detail="every 2 hours: " + " ".join(f"{size:.1f}" for size in resident),
    )


def _day() -> tuple[list[int], list[float], int]:
    """The most ids remembered and the MiB of the process, every two hours; events lost and given twice."""
    plan = TrafficPlan(seed=8, events=_EVENTS, seconds=_MARKS * _APART)
    clock, model = VirtualClock(plan.start), Model()
    model.create_group("router", created=int(plan.start * 1000) - 1000)
    model.feed(arrivals(plan))
    api = VirtualApi(model, clock, FaultPlan(), requests_kept=0)
    ledger = Ledger(api)
    settings = poller.Settings(("router",), patience="always")
    reading = Simulation(api, clock, settings, lambda _, new: ledger.give(new), latency=(0.05, 0.2))
    remembered, resident = [], []
    for mark in range(1, _MARKS + 1):
        reading.most_remembered = 0
        reading.go_on(plan.start + mark * _APART)
        remembered.append(reading.most_remembered)
        model.forget(api.service.now_ms() - _KEPT)
        del ledger.delays[:]
        gc.collect()
        resident.append(_resident())
    reading.go_on(clock.now() + plan.worst_lag + 120)
    check(plan, ledger)
    return remembered, resident, ledger.lost + ledger.twice


def _resident() -> float:
    """MiB of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / (1 << 20)
