"""Seeded traffic: what gateways write, when it is written, and how long after that it can be seen."""

from __future__ import annotations

import heapq
import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from tests.cloudwatch.model import EVENT_OVERHEAD, MEGABYTE, Arrival, Truth

FUTURE_MS = 7_200_000
"""How far ahead of its clock the service accepts events."""
BURST_MEAN = 210


@dataclass(frozen=True, slots=True)
class TrafficPlan:
    """`events` written over `seconds` from `start`.

    `start` is in seconds since 1970 by the service's clock; shares are of events.
    """

    seed: int = 0
    events: int = 90_000
    start: float = 1_772_000_000.0
    seconds: float = 3_600.0
    groups: tuple[str, ...] = ("router",)
    skews: tuple[float, ...] = (0.0, 0.0, 0.0, 0.0, 0.3, -2.0, -200.0, 7_200.0)
    """How far ahead each writer's clock is, in seconds; a writer is a stream in each group."""
    skewed: float = 0.08
    """Share of the writers whose clocks are more than 10 s off, together."""
    late: float = 0.04
    """Events that can be seen after 3 to 30 s; most take 0.1 to 3 s."""
    very_late: float = 0.004
    """Events that can be seen after 30 s to `latest`."""
    latest: float = 150.0
    bursts: float = 0.1
    """Events that are part of a burst, of 20 to 400 in one millisecond."""
    twins: float = 0.005
    """Events that are written twice in one millisecond: two events."""
    empty: float = 0.001
    """Messages without any text."""
    not_json: float = 0.03
    large: int = 0
    """Messages of 1 MB, the most there is, near the middle of each group."""

    @property
    def worst_lag(self) -> float:
        """Seconds between an event's own time and when it can be seen, at most."""
        return max(0.0, -min(self.skews)) + self.latest


def arrivals(plan: TrafficPlan) -> Iterator[Arrival]:
    """The events in the order they become visible, made as they are asked for."""
    waiting: list[tuple[int, int, Arrival]] = []
    for serial, (written, arrival) in enumerate(_written(plan)):
        while waiting and waiting[0][0] <= written:
            yield heapq.heappop(waiting)[2]
        heapq.heappush(waiting, (arrival.visible_at, serial, arrival))
    while waiting:
        yield heapq.heappop(waiting)[2]


def truth(plan: TrafficPlan, group: str) -> Truth:
    """What is written to a group, without a model."""
    return Counter(
        (arrival.stream, arrival.timestamp, arrival.message)
        for _, arrival in _written(plan)
        if arrival.group == group
    )


def _written(plan: TrafficPlan) -> Iterator[tuple[int, Arrival]]:
    """The events in the order they are written, and when."""
    dice = random.Random(plan.seed)
    weights = _weights(plan)
    large = _large_places(plan)
    begin, span = round(plan.start * 1000), plan.seconds * 1000
    bursts = plan.bursts / (BURST_MEAN * (1 - plan.bursts) + plan.bursts)
    writers = range(len(plan.skews))
    made = 0
    while made < plan.events:
        size = dice.randint(20, 400) if dice.random() < bursts else 1
        written = begin + int(span * made / plan.events)
        group = dice.choice(plan.groups)
        for _ in range(size):
            writer = dice.choices(writers, weights)[0]
            text = _large(made) if made in large else _message(dice, plan, made, written)
            for _ in range(2 if dice.random() < plan.twins else 1):
                if made < plan.events:
                    made += 1
                    yield written, _arrival(dice, plan, written, group, writer, text)


def _large_places(plan: TrafficPlan) -> range:
    middle = plan.events // 2
    return range(middle, middle + plan.large)


def _weights(plan: TrafficPlan) -> list[float]:
    off = [abs(skew) > 10 for skew in plan.skews]
    wild, tame = sum(off), len(off) - sum(off)
    if not wild or not tame:
        return [1.0] * len(off)
    return [plan.skewed / wild if bad else (1 - plan.skewed) / tame for bad in off]


def _arrival(
    dice: random.Random, plan: TrafficPlan, written: int, group: str, writer: int, text: str
) -> Arrival:
    chance = dice.random()
    if chance < plan.very_late:
        delay = dice.uniform(30.0, plan.latest)
    elif chance < plan.very_late + plan.late:
        delay = dice.uniform(3.0, 30.0)
    else:
        delay = dice.uniform(0.1, 3.0)
    timestamp = written + min(round(plan.skews[writer] * 1000), FUTURE_MS)
    visible = written + max(1, round(delay * 1000))
    ingested = dice.randint(written, visible)
    return Arrival(group, f"task/{writer}", timestamp, ingested, visible, text)


def _large(serial: int) -> str:
    return f"{serial} ".ljust(MEGABYTE - EVENT_OVERHEAD, "x")


def _message(dice: random.Random, plan: TrafficPlan, serial: int, written: int) -> str:
    chance = dice.random()
    if chance < plan.empty:
        return ""
    if chance < plan.empty + plan.not_json:
        return f'  File "router.py", line {serial}, in handle'
    return (
        f'{{"level": "INFO", "logger": "bedrock-router", "message": "Request completed", "written": {written}, '
        f'"request_id": "r-{serial}", "status": 200, "user_email": "user{serial % 7}@example.com"}}'
    )
