"""Log groups and their events, and when each event can be seen.

Times are milliseconds since 1970 by the service's clock.
"""

from __future__ import annotations

import heapq
import itertools
from bisect import bisect_left, insort
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, NamedTuple, cast

from llmwatch.sources.cloudwatch.api import LogEvent

MEGABYTE = 1_048_576
EVENT_OVERHEAD = 26
"""Bytes that the service adds to each message when it counts."""

Key = tuple[Any, ...]
"""A place in a group: the beginning of a `StoredEvent`."""


class Arrival(NamedTuple):
    """An event on its way to a group."""

    group: str
    stream: str
    timestamp: int
    ingested: int
    visible_at: int
    message: str


class StoredEvent(NamedTuple):
    """An event of a group. Events are in order as tuples: by time, then ingestion, then id."""

    timestamp: int
    ingested: int
    id: str
    size: int
    visible_at: int
    stream: str
    wire: LogEvent
    """What FilterLogEvents returns; never to be changed."""

    @property
    def message(self) -> str:
        """Its text."""
        return self.wire["message"]

    @property
    def after(self) -> Key:
        """The place right behind it."""
        return (self.timestamp, self.ingested, self.id, float("inf"))


class Cut(NamedTuple):
    """A page's worth of a group, and the place behind what was looked at; None when that was all."""

    events: list[StoredEvent]
    behind: Key | None


@dataclass(slots=True)
class StoredStream:
    """A log stream, with what DescribeLogStreams says of it."""

    name: str
    created: int
    first: int | None = None
    last: int | None = None
    ingested: int | None = None


@dataclass(slots=True, eq=False)
class StoredGroup:
    """A log group. `visible` is in order; what is not visible yet waits in the model."""

    name: str
    account: str
    region: str
    created: int
    visible: list[StoredEvent] = field(default_factory=list)
    streams: dict[str, StoredStream] = field(default_factory=dict)
    stored_bytes: int = 0
    serial: int = 0

    @property
    def arn(self) -> str:
        """Without `:*`."""
        return f"arn:aws:logs:{self.region}:{self.account}:log-group:{self.name}"

    def store(self, arrival: Arrival) -> StoredEvent:
        """Give an arriving event its id. Ids are unique in a group only, and their order is not that of arrival."""
        self.serial += 1
        identity = f"{self.serial * 0x9E3779B97F4A7C15F39CC0605CEDC835 % 10**38:056d}"
        message = arrival.message
        size = (len(message) if message.isascii() else len(message.encode())) + EVENT_OVERHEAD
        wire: LogEvent = {
            "logStreamName": arrival.stream,
            "timestamp": arrival.timestamp,
            "message": message,
            "ingestionTime": arrival.ingested,
            "eventId": identity,
        }
        return StoredEvent(
            arrival.timestamp, arrival.ingested, identity, size, arrival.visible_at, arrival.stream, wire
        )

    def show(self, event: StoredEvent) -> None:
        """Make an event visible."""
        insort(self.visible, event)
        self.stored_bytes += event.size
        stream = self.streams.get(event.stream)
        if stream is None:
            stream = self.streams[event.stream] = StoredStream(event.stream, event.visible_at)
        stream.first = event.timestamp if stream.first is None else min(stream.first, event.timestamp)
        stream.last = event.timestamp if stream.last is None else max(stream.last, event.timestamp)
        stream.ingested = event.ingested

    def place(self, key: Key) -> int:
        """The index of the first visible event that is not before `key`."""
        return bisect_left(cast("list[Key]", self.visible), key)

    def between(self, start: int, end: int) -> list[StoredEvent]:
        """The visible events with `start` ≤ timestamp ≤ `end`."""
        return self.visible[self.place((start,)) : self.place((end + 1,))]

    def cut(
        self,
        begin: Key,
        end: int | None,
        wanted: Callable[[StoredEvent], bool] | None,
        *,
        most: int,
        size: int,
    ) -> Cut:
        """A page of the events from `begin` to the time `end`: at most `most`, and `size` bytes of them."""
        first = self.place(begin)
        stop = len(self.visible) if end is None else self.place((end + 1,))
        if wanted is None:
            chosen = self.visible[first : min(stop, first + most)]
            seen = first + len(chosen)
        else:
            chosen = []
            seen = first
            for event in itertools.islice(self.visible, first, max(first, stop)):
                if len(chosen) == most:
                    break
                seen += 1
                if wanted(event):
                    chosen.append(event)
        if sum(event.size for event in chosen) > size:
            totals = itertools.accumulate(event.size for event in chosen)
            fit = max(1, sum(1 for _ in itertools.takewhile(lambda total: total <= size, totals)))
            return Cut(chosen[:fit], chosen[fit - 1].after)
        return Cut(chosen, self.visible[seen - 1].after if seen < stop else None)


Truth = Counter[tuple[str, int, str]]
"""How often each (stream, timestamp, message) is in a group."""


class Model:
    """An account's log groups. Time goes on by `reveal`, which only its service calls."""

    def __init__(self, *, region: str = "eu-central-1", account: str = "123456789012") -> None:
        self.region = region
        self.account = account
        self.groups: list[StoredGroup] = []
        self.listeners: list[Callable[[StoredGroup, StoredEvent], None]] = []
        """Called with each event that becomes visible."""
        self._waiting: list[tuple[int, int, StoredGroup, StoredEvent]] = []
        self._order = itertools.count()
        self._feed: Iterator[Arrival] = iter(())
        self._next: Arrival | None = None

    def create_group(self, name: str, *, created: int = 0, account: str | None = None) -> StoredGroup:
        """A group that exists from the time `created`. One of another `account` is reached by its ARN only."""
        group = StoredGroup(name, account or self.account, self.region, created)
        self.groups.append(group)
        return group

    def group(self, name: str) -> StoredGroup:
        """The group of this name, created or not yet."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    def put(self, arrival: Arrival) -> StoredEvent:
        """Add one event."""
        group = self.group(arrival.group)
        event = group.store(arrival)
        heapq.heappush(self._waiting, (arrival.visible_at, next(self._order), group, event))
        return event

    def add(
        self,
        group: str,
        timestamp: int,
        message: str,
        *,
        stream: str = "stream",
        visible_at: int | None = None,
    ) -> StoredEvent:
        """Add one event by hand; without `visible_at` it can be seen from its own time on."""
        seen = timestamp if visible_at is None else visible_at
        return self.put(Arrival(group, stream, timestamp, seen, seen, message))

    def feed(self, arrivals: Iterable[Arrival]) -> None:
        """Add events that are in order of `visible_at`, taken from the iterable only when their time comes.

        Groups that do not exist are created when their first event arrives.
        """
        rest = self._feed if self._next is None else itertools.chain([self._next], self._feed)
        self._feed = heapq.merge(rest, arrivals, key=lambda arrival: arrival.visible_at)
        self._next = next(self._feed, None)

    def reveal(self, now: int) -> None:
        """Make visible what can be seen by `now`."""
        while self._next is not None and self._next.visible_at <= now:
            group = self._home(self._next)
            self._show(group, group.store(self._next))
            self._next = next(self._feed, None)
        while self._waiting and self._waiting[0][0] <= now:
            _, _, group, event = heapq.heappop(self._waiting)
            self._show(group, event)

    def _home(self, arrival: Arrival) -> StoredGroup:
        for group in self.groups:
            if group.name == arrival.group:
                return group
        return self.create_group(arrival.group, created=arrival.visible_at)

    def _show(self, group: StoredGroup, event: StoredEvent) -> None:
        group.show(event)
        for listener in self.listeners:
            listener(group, event)

    def forget(self, before: int) -> None:
        """Drop the visible events older than `before`, as a retention does; the truth loses them too."""
        for group in self.groups:
            del group.visible[: group.place((before,))]

    def events(self, group: str) -> list[StoredEvent]:
        """All events of a group, those not visible yet too; it draws all that is to be fed."""
        while self._next is not None:
            home = self._home(self._next)
            heapq.heappush(
                self._waiting, (self._next.visible_at, next(self._order), home, home.store(self._next))
            )
            self._next = next(self._feed, None)
        found = self.group(group)
        return sorted([*found.visible, *(event for _, _, home, event in self._waiting if home is found)])

    def truth(
        self, group: str, *, start: int = 0, end: int | None = None, visible_by: int | None = None
    ) -> Truth:
        """What a perfect reader of `start` ≤ timestamp ≤ `end` has by the time `visible_by`."""
        return Counter(
            (event.stream, event.timestamp, event.message)
            for event in self.events(group)
            if start <= event.timestamp
            and (end is None or event.timestamp <= end)
            and (visible_by is None or event.visible_at <= visible_by)
        )

    def ids(self, group: str) -> set[str]:
        """The ids of all events of a group."""
        return {event.id for event in self.events(group)}
