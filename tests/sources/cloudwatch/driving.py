"""The poller on a virtual clock: one request after the other, as fast as the machine can."""

from __future__ import annotations

from collections.abc import Callable

from llmwatch.errors import LlmwatchError
from llmwatch.sources.cloudwatch.api import Group, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.poller import LookUp, Poller
from tests.cloudwatch.clock import VirtualClock


def drive(
    poller: Poller,
    api: LogsApi,
    clock: VirtualClock,
    until: float,
    take: Callable[[Group, list[LogEvent]], None],
    each: Callable[[], None] = lambda: None,
) -> int:
    """Do the poller's jobs until that time or its end; returns how many there were."""
    jobs = 0
    while clock.now() < until and not poller.ended:
        job = poller.next_job(clock.now())
        if isinstance(job, float):
            clock.advance(job)
            each()
            continue
        jobs += 1
        if poller.renew:
            poller.renew = False
            api.renew()
        try:
            outcome = job.run(api)
        except LlmwatchError as failure:
            new = poller.done(job, failure, clock.now())
        else:
            new = poller.done(job, outcome, clock.now())
        if not isinstance(job, LookUp) and new:
            take(job.tail.group, new)
        each()
    return jobs
