"""The poller on virtual time, with several requests under way at once as the source's threads have them."""

from __future__ import annotations

import heapq
import itertools
import math
import random
import time
from collections.abc import Callable, Sequence

from llmwatch.errors import LlmwatchError
from llmwatch.sources.cloudwatch.api import Group, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.poller import Job, LookUp, Outcome, Poller, Settings
from tests.cloudwatch.clock import VirtualClock

AT_ONCE = 4
"""Threads of the real source."""

Take = Callable[[Group, Sequence[LogEvent]], None]


class Simulation:
    """Does the poller's jobs as events of a queue: each reaches the service after half of its latency.

    The service must answer at once: latencies, in seconds, are drawn here.
    """

    def __init__(
        self,
        api: LogsApi,
        clock: VirtualClock,
        settings: Settings,
        take: Take,
        *,
        latency: tuple[float, float],
    ) -> None:
        self.cpu_seconds = 0.0
        """What the poller itself has computed, without the service."""
        self.most_remembered = 0
        """Ids in memory, at most so far."""
        self._api = api
        self._clock = clock
        self._take = take
        self._latency = latency
        self._random = random.Random(1)
        self._serial = itertools.count()
        self._under_way: list[tuple[float, int, float, Job, Outcome | None]] = []
        """When something happens to a request, a serial number, half of its latency, and its answer once it has one."""
        self.poller = Poller(settings, self._service_time, now=clock.now(), random_source=random.Random(2))

    def go_on(self, until: float) -> None:
        """Read until that time of the clock, or to the end of what is to be read."""
        while self._clock.now() < until and (self._under_way or not self.poller.ended):
            moment = min(until, self._clock.now() + self._ask())
            if self._under_way:
                moment = min(moment, self._under_way[0][0])
            self._clock.advance(max(0.0, moment - self._clock.now()))
            while self._under_way and self._under_way[0][0] <= self._clock.now():
                self._happen(*heapq.heappop(self._under_way))

    def _ask(self) -> float:
        """Make the requests that are due. Returns seconds until the next may be."""
        while len(self._under_way) < AT_ONCE:
            began = time.process_time()
            job = self.poller.next_job(self._clock.now())
            self.cpu_seconds += time.process_time() - began
            if isinstance(job, float):
                return job
            if self.poller.renew:
                self.poller.renew = False
                self._api.renew()
            half = self._random.uniform(*self._latency) / 2
            self._push(self._clock.now() + half, half, job, None)
        return math.inf

    def _push(self, moment: float, half: float, job: Job, outcome: Outcome | None) -> None:
        heapq.heappush(self._under_way, (moment, next(self._serial), half, job, outcome))

    def _happen(self, moment: float, _: int, half: float, job: Job, outcome: Outcome | None) -> None:
        if outcome is None:
            self._push(moment + half, half, job, self._answer(job))
            return
        began = time.process_time()
        new = self.poller.done(job, outcome, self._clock.now())
        self.cpu_seconds += time.process_time() - began
        self.most_remembered = max(
            self.most_remembered, sum(tail.remembered for tail in self.poller.tails.values())
        )
        if new and not isinstance(job, LookUp):
            self._take(job.tail.group, new)

    def _answer(self, job: Job) -> Outcome:
        try:
            return job.run(self._api)
        except LlmwatchError as failure:
            return failure

    def _service_time(self) -> int:
        told = self._api.service_time()
        return int((self._clock.now() if told is None else told) * 1000)
