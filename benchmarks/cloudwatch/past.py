"""A log group with a long past, of which only the times are kept: events are made when they are asked for."""

from __future__ import annotations

import math
import random
from array import array
from bisect import bisect_left, bisect_right
from itertools import accumulate

from llmwatch.sources.cloudwatch.api import EventPage, Group, GroupPage, LogEvent
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.model import EVENT_OVERHEAD, MEGABYTE

MESSAGE = "x" * 320
"""As long as a line of the router is on average."""
_A_PAGE = MEGABYTE // (len(MESSAGE) + EVENT_OVERHEAD)
_SLOTS = 144
"""Stretches of a day that each have a pace of their own."""


class Past:
    """The part of LogsApi that reads: one group, whose full pages are of 1 MB. Busy and quiet times alternate."""

    def __init__(self, clock: VirtualClock, pages: int, hours: float) -> None:
        self._clock = clock
        self.requests = 0
        self.events = pages * _A_PAGE
        until = int(clock.now() * 1000)
        self.since = until - int(hours * 3_600_000)
        self._times = _times(self.since, until, self.events)
        self._group = Group("router", "router", "arn:aws:logs:eu-central-1:123456789012:log-group:router")

    def describe_groups(
        self, *, prefix: str | None = None, containing: str | None = None, token: str | None = None
    ) -> GroupPage:
        """The group."""
        del prefix, containing, token
        self.requests += 1
        return GroupPage((self._group,), None)

    def filter_events(
        self,
        group: Group,
        *,
        start: int,
        end: int | None,
        token: str | None = None,
        stream_prefix: str | None = None,
        pattern: str | None = None,
    ) -> EventPage:
        """A page; its token is the place at which the next one begins."""
        del group, stream_prefix, pattern
        self.requests += 1
        first = int(token) if token else bisect_left(self._times, start)
        last = len(self._times) if end is None else bisect_right(self._times, end)
        behind = min(last, first + _A_PAGE)
        events = [_event(place, self._times[place]) for place in range(first, behind)]
        return EventPage(events, str(behind) if behind < last else None)

    def service_time(self) -> float:
        """By the clock."""
        return float(math.floor(self._clock.now()))

    def renew(self) -> None:
        """There are no credentials."""


def _event(place: int, time: int) -> LogEvent:
    return {
        "eventId": f"{place:056d}",
        "logStreamName": "task/1",
        "timestamp": time,
        "ingestionTime": time,
        "message": MESSAGE,
    }


def _times(since: int, until: int, count: int) -> array[int]:
    """Times of so many events, in order, at a pace that varies by a factor of some hundred."""
    dice = random.Random(3)
    pace = list(accumulate(dice.lognormvariate(0, 1) for _ in range(_SLOTS)))
    length = (until - since) / _SLOTS
    times = array("q")
    for slot, (before, behind) in enumerate(zip([0.0, *pace], pace, strict=False)):
        part = round(count * behind / pace[-1]) - round(count * before / pace[-1])
        times.extend(int(since + length * (slot + number / part)) for number in range(part))
    return times
