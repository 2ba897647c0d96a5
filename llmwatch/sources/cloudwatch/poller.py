"""Who is asked next: all groups' pages, names that are looked up, one budget for them all, and what refusals mean.

It makes no request itself and knows no thread: `next_job` says what to do or how long to wait, `done` takes what
came of it. So the same code runs against AWS in threads, and in tests on a virtual clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmwatch.errors import LlmwatchError, SourceError
from llmwatch.sources.cloudwatch.api import CallFailed, EventPage, Group, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.budget import Budget
from llmwatch.sources.cloudwatch.chain import Chain
from llmwatch.sources.cloudwatch.names import NoSuchGroup, find_groups
from llmwatch.sources.cloudwatch.tail import GroupTail, Range
from llmwatch.sources.source import SourceState, SourceStatus

Patience = Literal["none", "when running", "always"]
"""What happens when a group cannot be read: it is given up; it is given up if it never could be read; it is tried
again until it can."""

_LOOK_AGAIN_SECONDS = 60.0
_RETRY_SECONDS = 10.0
"""After a refusal that time alone does not mend: somebody has to log in, or to change a policy."""
_MOST_REFUSALS = {"throttled": 10, "unreachable": 5}
"""Refusals in a row after which the impatient give up: with back-off, half a minute and some seconds on average."""
_MOST_RESTARTS = 20
_SHORTEST_WAIT = 0.001
"""A shorter one may be lost in the rounding of a clock."""
_SKEW_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Settings:
    """What is read, and how eagerly."""

    names: tuple[str, ...]
    wanted: Range = field(default_factory=Range)
    stream_prefix: str | None = None
    pattern: str | None = None
    per_second: float = 2.0
    patience: Patience = "when running"
    wait: bool = False
    """Wait for groups that do not exist yet."""
    live: bool = False


@dataclass(slots=True)
class Name:
    """A word for groups, and when it is looked up."""

    word: str
    due: float
    in_flight: bool = False
    found: bool = False
    waiting: str = ""
    problem: str = ""
    failure: LlmwatchError | None = None
    """Why it was given up."""

    @property
    def failed(self) -> bool:
        """Whether it was given up."""
        return self.failure is not None

    @property
    def is_prefix(self) -> bool:
        """Whether groups may be added to it at any time."""
        return self.word.endswith("*")


@dataclass(frozen=True, slots=True)
class LookUp:
    """The job to find the groups of a name."""

    name: Name

    def run(self, api: LogsApi) -> tuple[Group, ...]:
        """Ask. Raises LlmwatchError."""
        return find_groups(api, self.name.word)


@dataclass(frozen=True, slots=True)
class ReadPage:
    """The job to read the next page of a chain."""

    tail: GroupTail
    chain: Chain
    stream_prefix: str | None
    pattern: str | None

    def run(self, api: LogsApi) -> EventPage:
        """Ask. Raises CallFailed."""
        return api.filter_events(
            self.tail.group,
            start=self.chain.start,
            end=self.chain.end,
            token=self.chain.token,
            stream_prefix=self.stream_prefix,
            pattern=self.pattern,
        )


Job = LookUp | ReadPage
Outcome = tuple[Group, ...] | EventPage | LlmwatchError


class Poller:
    """Reads groups in turn. `service_time` gives ms by the service's clock; `now` is seconds of a steady one."""

    def __init__(
        self,
        settings: Settings,
        service_time: Callable[[], int],
        *,
        now: float = 0.0,
        random_source: random.Random | None = None,
    ) -> None:
        self.settings = settings
        self.tails: dict[str, GroupTail] = {}
        self._service_time = service_time
        self._budget = Budget(settings.per_second, random_source)
        self._names = [Name(word, now) for word in dict.fromkeys(settings.names)]
        self._paused_until = now
        self.renew = False
        """Whether credentials are to be looked for anew before the next job."""
        self.skew_seconds: float | None = None
        """How far this machine's clock is ahead of the service's, as first measured."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do, ever."""
        return all(
            name.failed or (name.found and not self._looks_again(name)) for name in self._names
        ) and all(tail.ended for tail in self.tails.values())

    def next_job(self, now: float) -> Job | float:
        """What to ask now, or for how many seconds to wait at most."""
        if now < self._paused_until:
            return self._paused_until - now
        due, job = min(self._candidates(now), key=lambda candidate: candidate[0], default=(now + 1, None))
        wait = due - now if job is None or due > now else self._budget.wait(now)
        if job is None or wait > 0:
            return min(1.0, max(_SHORTEST_WAIT, wait))
        if isinstance(job, LookUp):
            job.name.in_flight = True
        else:
            job.tail.asked(job.chain, self._service_time(), now)
        return job

    def _candidates(self, now: float) -> Sequence[tuple[float, Job]]:
        jobs: list[tuple[float, Job]] = [
            (name.due, LookUp(name)) for name in self._names if self._to_look_up(name)
        ]
        service_time = self._service_time()
        for tail in self.tails.values():
            chain = tail.next_chain(service_time, now)
            if chain is not None:
                page = ReadPage(tail, chain, self.settings.stream_prefix, self.settings.pattern)
                jobs.append((chain.due, page))
        return jobs

    def _to_look_up(self, name: Name) -> bool:
        return not (name.in_flight or name.failed) and (not name.found or self._looks_again(name))

    def _looks_again(self, name: Name) -> bool:
        return name.is_prefix and not self._is_finite()

    def _is_finite(self) -> bool:
        stop_at = self.settings.wanted.stop_at
        return stop_at is not None and stop_at <= self._service_time()

    def done(self, job: Job, outcome: Outcome, now: float) -> list[LogEvent]:
        """What came of a job. Returns the events that are new, in order."""
        if isinstance(outcome, LlmwatchError):
            if isinstance(job, LookUp):
                self._name_failed(job.name, outcome, now)
            else:
                self._page_failed(job, outcome, now)
            return []
        self._budget.succeeded()
        if isinstance(job, ReadPage) and isinstance(outcome, EventPage):
            return job.tail.answered(job.chain, outcome, now)
        if isinstance(job, LookUp) and not isinstance(outcome, EventPage):
            self._found(job.name, outcome, now)
        return []

    def _found(self, name: Name, groups: tuple[Group, ...], now: float) -> None:
        name.in_flight, name.problem = False, ""
        name.found = bool(groups) or name.is_prefix
        name.due = now + _LOOK_AGAIN_SECONDS
        name.waiting = "" if groups else f"No log group begins with {name.word[:-1]}; waiting for one."
        for group in groups:
            if group.identifier not in self.tails:
                self.tails[group.identifier] = GroupTail(
                    group,
                    self.settings.wanted,
                    self._service_time(),
                    now,
                    at_once=round(self.settings.per_second),
                    live=self.settings.live,
                )
        if name.is_prefix and not groups and self._is_finite():
            name.failure = NoSuchGroup(f"No log group begins with {name.word[:-1]}: look at the name.")
            name.problem = str(name.failure)

    def _name_failed(self, name: Name, failure: LlmwatchError, now: float) -> None:
        name.in_flight = False
        if isinstance(failure, NoSuchGroup) and self.settings.wait:
            name.waiting = f"{failure} Waiting for it."
            name.due = now + _RETRY_SECONDS
            return
        passing = self._passes(failure, now)
        name.problem = "" if passing and self._budget.refusals == 1 else str(failure)
        name.due = now if passing else now + _RETRY_SECONDS
        impatient = self.settings.patience != "always" and not name.found
        if impatient and (not passing or self._is_hopeless(failure)):
            name.failure, name.problem = failure, str(failure)

    def _page_failed(self, job: ReadPage, failure: LlmwatchError, now: float) -> None:
        tail, chain = job.tail, job.chain
        kind = failure.kind if isinstance(failure, CallFailed) else "refused"
        if kind == "bad_token" and chain.token is not None and chain.restarts < _MOST_RESTARTS:
            tail.refused(chain, now, token=True)
            return
        passing = self._passes(failure, now)
        tail.refused(chain, now if passing else now + _RETRY_SECONDS, throttled=kind == "throttled")
        if not passing or self._budget.refusals > 1:
            tail.problem = str(failure)
        impatient = self.settings.patience == "none" or (
            self.settings.patience == "when running" and not tail.was_read
        )
        tail.failed = impatient and (not passing or self._is_hopeless(failure))

    def _is_hopeless(self, failure: LlmwatchError) -> bool:
        kind = failure.kind if isinstance(failure, CallFailed) else ""
        return self._budget.refusals >= _MOST_REFUSALS.get(kind, 1)

    def _passes(self, failure: LlmwatchError, now: float) -> bool:
        """Whether the same request may be answered later, by waiting alone; then everybody backs off."""
        if not isinstance(failure, CallFailed):
            return False
        if failure.kind in ("throttled", "unreachable"):
            self._budget.back_off(now)
            return True
        if failure.kind == "credentials":
            self.renew = True
            self._paused_until = now + _RETRY_SECONDS
        return False

    def failure(self) -> LlmwatchError | None:
        """Why nothing was read at all, if nothing was: words that are off first."""
        if any(tail.was_read for tail in self.tails.values()):
            return None
        failures = [name.failure for name in self._names if name.failure]
        failures += [SourceError(tail.problem) for tail in self.tails.values() if tail.failed]
        return min(failures, key=lambda failure: failure.exit_code, default=None)

    def states(self, now: float) -> tuple[SourceState, ...]:
        """How each group fares, and each name that has none."""
        service_time = self._service_time()
        named = [
            SourceState(name.word, "error" if name.problem else "waiting", name.problem or name.waiting)
            for name in self._names
            if name.problem or name.waiting or not name.found
        ]
        return (*(self._state(tail, service_time, now) for tail in self.tails.values()), *named)

    def _state(self, tail: GroupTail, service_time: int, now: float) -> SourceState:
        feed = tail.feed(service_time, now)
        status: SourceStatus
        if tail.problem:
            status = "error"
        elif tail.ended:
            status = "ended"
        else:
            status = "live" if feed.filling is None else "reading"
        outgrown = self._outgrown() if tail.outgrown(service_time) else ""
        detail = tail.problem or outgrown or tail.live_problem or self._skew()
        read = tail.read_bytes
        return SourceState(tail.group.name, status, detail, read, read, feed)

    def _outgrown(self) -> str:
        return (
            f"Outgrows {self.settings.per_second:g} requests a second: narrow with --filter-pattern, raise --max-tps, "
            "or use --live or `top --engine insights`."
        )

    def _skew(self) -> str:
        if self.skew_seconds is None or abs(self.skew_seconds) < _SKEW_SECONDS:
            return ""
        way = "ahead of" if self.skew_seconds > 0 else "behind"
        return f"This clock is {abs(self.skew_seconds):.0f} s {way} CloudWatch's, and --since 15m counts by it: set it."
