"""One group, read so that nothing is lost and nothing given twice, whatever the service does meanwhile.

Two readings overlap. *Follow* reads every few seconds from a little before its last beginning; *sweep* reads less
often, from ten minutes before its own last beginning, and finds what became visible late. Both start by the
service's clock and never by the time of an event: one writer whose clock is fast would hide all others for as long.
What is given is known by its id. `Fill` reads the past once.

No network, no thread, no clock: the poller asks what is due, and says what came.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from llmwatch.sources.cloudwatch.api import EventPage, Group, LogEvent
from llmwatch.sources.cloudwatch.budget import LastMinute
from llmwatch.sources.cloudwatch.chain import Chain
from llmwatch.sources.cloudwatch.fill import Fill
from llmwatch.sources.cloudwatch.seen import Balance, Seen, newest_time
from llmwatch.sources.source import Feed

FOLLOW_SECONDS, _SLOWEST_FOLLOW = 2.0, 60.0
_FOLLOW_WHILE_FILLING = 5.0
"""Seconds: the past has the rest of the budget then."""
SWEEP_SECONDS, _SLOWEST_SWEEP = 45.0, 300.0
FOLLOW_OVERLAP = 20_000
SWEEP_OVERLAP = 600_000
"""ms. Published settling times are 90 s to 2 min (amazon-dynamodb-tools #315); an event that becomes visible up to
ten minutes after its time is found, however late the sweeps themselves are."""

_SLACK = 60_000
_LATE = 10_000
"""ms after its time at which an event must have been invisible to be called late."""
_PATIENCE = 1.0
"""Seconds that a next page of a follow waits more than the page before: what is nearly read goes before what was due
later, but a long reading does not stop the other groups."""
_OUTGROWN_LAG = 60.0
_STALLED = 30.0
"""Seconds."""


@dataclass(frozen=True, slots=True)
class Range:
    """What of a group is read. Times in ms; None is open."""

    since: int | None = None
    """None: all there is."""
    until: int | None = None
    """The last time that is read."""
    stop_at: int | None = None
    """When to end, by the service's clock; None: never."""
    newest_first: bool = True


class GroupTail:
    """What is read of a group, what is next, and how it fares."""

    def __init__(
        self,
        group: Group,
        wanted: Range,
        service_time: int,
        now: float,
        *,
        at_once: int = 1,
        live: bool = False,
    ) -> None:
        self.group = group
        self.problem = ""
        """Why it cannot be read now, as a sentence; else empty."""
        self.live_problem = ""
        """Why Live Tail is off now, as a sentence; else empty. The exact reading goes on."""
        self.failed = False
        """Whether it was given up."""
        self.was_read = False
        """Whether any page ever came."""
        self.read_bytes = 0
        """Characters of all messages given."""
        self._wanted = wanted
        self._began = service_time
        self._finite = wanted.stop_at is not None and wanted.stop_at <= service_time
        since = _beginning(group) if wanted.since is None else wanted.since
        self._fill = Fill(
            since,
            wanted.until if self._finite else min(service_time, wanted.until or service_time),
            service_time,
            newest_first=wanted.newest_first,
            at_once=at_once,
        )
        self._open: list[Chain] = []
        self._in_order: deque[Chain] = deque()
        """Windows of the past whose events have not all been given, where they are wanted in order of time."""
        self._next_follow, self._next_sweep = now, now + SWEEP_SECONDS
        self._follow_from = max(since, service_time - FOLLOW_OVERLAP)
        self._sweep_from = max(since, service_time - SWEEP_OVERLAP)
        self._last_follow: Chain | None = None
        self._last_sweep: Chain | None = None
        self._finishing = self._ended = False
        self._seen = Seen()
        self._balance = Balance() if live else None
        self._requests = LastMinute()
        self._arrivals = LastMinute()
        self._events = self._late = self._latest = self._throttled = self._sampled = 0
        self._live = False

    @property
    def ended(self) -> bool:
        """Whether nothing more will be read."""
        return self.failed or self._ended or (self._finite and self._fill.done)

    @property
    def remembered(self) -> int:
        """How many events are in memory, by their ids or looks."""
        return len(self._seen) + (len(self._balance) if self._balance is not None else 0)

    def next_chain(self, service_time: int, now: float) -> Chain | None:
        """The chain whose next page has been due the longest, or will be due next; None if there is none."""
        if self.ended:
            return None
        self._open_chains(service_time, now)
        waiting = [chain for chain in self._open if not chain.in_flight]
        return min(waiting, key=lambda chain: chain.due, default=None)

    def _open_chains(self, service_time: int, now: float) -> None:
        while window := self._fill.next_window(now):
            self._open.append(window)
            if not self._wanted.newest_first:
                self._in_order.append(window)
        if self._finite or not (self._wanted.newest_first or self._fill.done):
            return
        stop_at = self._wanted.stop_at
        if stop_at is not None and service_time >= stop_at:
            self._finish(stop_at, now)
            return
        purposes = {chain.purpose for chain in self._open}
        if "follow" not in purposes:
            self._open.append(Chain("follow", self._follow_from, self._wanted.until, self._next_follow))
        if "sweep" not in purposes:
            self._open.append(Chain("sweep", self._sweep_from, self._wanted.until, self._next_sweep))

    def _finish(self, stop_at: int, now: float) -> None:
        """One last sweep, which began after the end; it reads what a follow would."""
        self._open = [chain for chain in self._open if chain.purpose != "follow" or not _untouched(chain)]
        if not self._finishing:
            self._finishing = True
            for chain in self._open:
                chain.due = min(chain.due, now)
        if self._last_sweep and self._last_sweep.began >= stop_at:
            self._open = [chain for chain in self._open if chain.purpose != "sweep" or not _untouched(chain)]
            self._ended = self._fill.done and not self._open
        elif not any(chain.purpose == "sweep" for chain in self._open):
            self._open.append(Chain("sweep", self._sweep_from, self._wanted.until, now))

    def asked(self, chain: Chain, service_time: int, now: float) -> None:
        """A page of the chain is being asked for."""
        chain.begin(service_time, now)
        self._requests.add(now)

    def answered(self, chain: Chain, page: EventPage, now: float) -> list[LogEvent]:
        """A page came. Returns those of its events that are new."""
        if not self.failed:
            self.problem = ""
        self.was_read = True
        chain.in_flight = False
        chain.due = min(now, chain.due + _PATIENCE) if chain.purpose == "follow" else now
        new = list(self._news(chain, page.events))
        self._events += len(new)
        if chain.purpose != "fill":
            self._arrivals.add(now, len(new))
        self.read_bytes += sum(len(event.get("message", "")) for event in new)
        if chain.advance(page):
            self._completed(chain, now)
        return new if self._wanted.newest_first or chain.purpose != "fill" else self._released(chain, new)

    def _released(self, chain: Chain, new: list[LogEvent]) -> list[LogEvent]:
        """What may be given now, that nothing later comes before it."""
        chain.held += new
        released: list[LogEvent] = []
        while self._in_order:
            first = self._in_order[0]
            released += first.held
            first.held = []
            if first in self._open:
                break
            self._in_order.popleft()
        return released

    def refused(self, chain: Chain, due: float, *, throttled: bool = False, token: bool = False) -> None:
        """A page did not come; it is asked for again at `due`, or, with a bad `token`, the range from its start."""
        chain.in_flight = False
        chain.due = due
        self._throttled += throttled
        if token:
            chain.restart()

    def _news(self, chain: Chain, events: Iterable[LogEvent]) -> Iterator[LogEvent]:
        seen, own, floor = self._seen, chain.seen, self._floor()
        for key, event in seen.unknown(events):
            if key in seen or (own is not None and key in own):
                continue
            time = event.get("timestamp", 0)
            if own is not None:
                own.add(key, time)
            if time >= floor:
                seen.add(key, time)
            if own is None:
                self._note_lateness(time)
            recent = newest_time(event) >= floor
            if self._balance is not None and not self._balance.brought_exactly(event, remember=recent):
                continue
            yield event

    def _note_lateness(self, time: int) -> None:
        """Whether a reading of the event's time, begun well after it, did not see it."""
        looked = [
            chain.began for chain in (self._last_follow, self._last_sweep) if chain and time >= chain.start
        ]
        lateness = max(looked, default=time) - time
        if lateness > _LATE:
            self._late += 1
            self._latest = max(self._latest, lateness)

    def _completed(self, chain: Chain, now: float) -> None:
        self._open.remove(chain)
        took = now - chain.begun_at
        if chain.purpose == "fill":
            self._fill.completed(chain)
        elif chain.purpose == "follow":
            self._last_follow = chain
            self._follow_from = max(self._follow_from, chain.began - FOLLOW_OVERLAP)
            shortest = FOLLOW_SECONDS if self._fill.done else _FOLLOW_WHILE_FILLING
            self._next_follow = chain.begun_at + min(_SLOWEST_FOLLOW, max(shortest, 2 * took))
        else:
            self._last_sweep = chain
            self._sweep_from = max(self._sweep_from, chain.began - SWEEP_OVERLAP)
            self._next_sweep = chain.begun_at + min(_SLOWEST_SWEEP, max(SWEEP_SECONDS, 4 * took))
            self._seen.forget(self._floor())
            if self._balance is not None and self._fill.done:
                self._balance.forget(self._floor())

    def _floor(self) -> int:
        """The oldest time that follow and sweep may still read, or have read before the fill, and some slack."""
        if self._finite:
            return 1 << 62
        starts = [chain.start for chain in self._open if chain.purpose != "fill"]
        first_sweep = self._began - SWEEP_OVERLAP
        if self._fill.unread_after(first_sweep):
            starts.append(first_sweep)
        return min(self._follow_from, self._sweep_from, *starts) - _SLACK

    def brought_live(self, events: Iterable[LogEvent], now: float, *, sampled: bool) -> list[LogEvent]:
        """An update of Live Tail. Returns those of its events that are new."""
        balance = self._balance if self._balance is not None else Balance()
        self._balance = balance
        self._live = True
        self._sampled += sampled
        new = [event for event in events if balance.brought_live(event)]
        self._events += len(new)
        self._arrivals.add(now, len(new))
        return new

    def live_ended(self) -> None:
        """Live Tail is off, until it is on again; the exact reading has gone on meanwhile."""
        self._live = False

    def feed(self, service_time: int, now: float) -> Feed:
        """How it fares."""
        arrivals = self._arrivals.per_minute(now)
        return Feed(
            events=self._events,
            events_per_second=None if arrivals is None else arrivals / 60,
            lag_seconds=self.lag(service_time),
            late=self._late,
            late_seconds=self._latest / 1000,
            throttled=self._throttled,
            requests_per_minute=self._requests.per_minute(now),
            sampled=self._sampled,
            live=self._live,
            stalled=self._stalled(service_time),
            filling=None if self._fill.done else self._fill.part,
        )

    def lag(self, service_time: int) -> float | None:
        """Seconds since the last complete reading up to now began; None for a range that ended in the past."""
        if self._finite:
            return None
        since = self._last_follow.began if self._last_follow else self._began
        return max(0.0, (service_time - since) / 1000)

    def outgrown(self, service_time: int) -> bool:
        """Whether lines come faster than they can be read."""
        lag = self.lag(service_time)
        return not self.problem and lag is not None and lag > _OUTGROWN_LAG

    def _stalled(self, service_time: int) -> str:
        lag = self.lag(service_time)
        if self.failed or not self.problem or lag is None or lag < _STALLED:
            return ""
        since = datetime.fromtimestamp(service_time / 1000 - lag, UTC)
        return f"nothing read since {since:%H:%M:%S}Z"


def _beginning(group: Group) -> int:
    """Before the first event a group can hold: lines may be written 14 days back."""
    return 0 if group.created is None else max(0, group.created - 14 * 86_400_000)


def _untouched(chain: Chain) -> bool:
    return chain.pages == 0 and chain.token is None and not chain.in_flight
