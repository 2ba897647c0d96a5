"""Who is asked next: all groups' pages, names that are looked up, one budget for them all, and what refusals mean.

It makes no request itself and knows no thread: `next_job` says what to do or how long to wait, `done` takes what
came of it. So the same code runs against AWS in threads, and in tests on a virtual clock.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from llmwatch.errors import LlmwatchError, SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, EventPage, Group, GroupPage, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.budget import Budget
from llmwatch.sources.cloudwatch.chain import Chain
from llmwatch.sources.cloudwatch.names import GroupsAsked, NoSuchGroup, Search, search_groups
from llmwatch.sources.cloudwatch.tail import GroupTail, Range
from llmwatch.sources.source import SourceState, SourceStatus

Patience = Literal["none", "when running", "always"]
"""What happens when a group cannot be read: it is given up; it is given up if it never could be read; it is tried
again until it can."""

_LOOK_AGAIN_SECONDS = 60.0
_PAGE_SECONDS = 10.0
"""So much later for each page that a look takes: where there are thousands of groups, the budget is for events."""
_PASSING = ("throttled", "unreachable")
"""Failures that the same request may not have a little later."""
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
    search: Search[tuple[Group, ...]] | None = None
    asked: GroupsAsked | None = None
    """The page that the search needs next."""
    pages: int = 0
    """How many the last search took."""
    looked_at: int = 0
    """The service's time when the last look began, in ms."""
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

    def give_up(self, failure: LlmwatchError) -> None:
        """Look no more."""
        self.failure, self.problem = failure, str(failure)

    @property
    def is_prefix(self) -> bool:
        """Whether groups may be added to it at any time."""
        return self.word.endswith("*")


@dataclass(frozen=True, slots=True)
class LookUp:
    """The job to ask for the next page in the search for a name."""

    name: Name

    def run(self, api: LogsApi) -> GroupPage:
        """Ask. Raises LlmwatchError."""
        name = self.name
        if name.search is None or name.asked is None:
            name.search, name.pages = search_groups(name.word), 0
            name.asked = next(name.search)
        return name.asked.run(api)


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
Outcome = GroupPage | EventPage | LlmwatchError


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
        self.held_up = False
        """Whether nobody takes what was read."""
        self.skew_seconds: float | None = None
        """How far this machine's clock is ahead of the service's, as first measured."""

    @property
    def ended(self) -> bool:
        """Whether nothing is left to do, ever."""
        looked = all(
            name.failed or (name.found and not name.in_flight and not self._looks_again(name))
            for name in self._names
        )
        return looked and all(tail.ended for tail in self.tails.values())

    def is_followed(self, tail: GroupTail) -> bool:
        """Whether new events of a group are wanted now."""
        return not (tail.ended or self._is_over())

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
            if job.name.search is None:
                job.name.looked_at = self._service_time()
        else:
            job.tail.asked(job.chain, self._service_time(), now)
        return job

    def _candidates(self, now: float) -> Sequence[tuple[float, Job]]:
        service_time = self._service_time()
        over = self._is_over()
        jobs: list[tuple[float, Job]] = [
            (min(name.due, now) if over and name.found else name.due, LookUp(name))
            for name in self._names
            if self._to_look_up(name)
        ]
        for tail in self.tails.values():
            chain = tail.next_chain(service_time, now)
            if chain is not None:
                page = ReadPage(tail, chain, self.settings.stream_prefix, self.settings.pattern)
                jobs.append((chain.due, page))
        return jobs

    def _to_look_up(self, name: Name) -> bool:
        return not (name.in_flight or name.failed) and (not name.found or self._looks_again(name))

    def _looks_again(self, name: Name) -> bool:
        """Groups may be added to a prefix until the end; the last look begins after it."""
        stop_at = self.settings.wanted.stop_at
        return name.is_prefix and (stop_at is None or name.looked_at < stop_at)

    def _is_over(self) -> bool:
        """Whether the end has come, by the service's clock."""
        stop_at = self.settings.wanted.stop_at
        return stop_at is not None and stop_at <= self._service_time()

    def done(self, job: Job, outcome: Outcome, now: float) -> list[LogEvent]:
        """What came of a job. Returns the events that are new, in order."""
        if not isinstance(outcome, LlmwatchError):
            self._budget.succeeded()
        if isinstance(job, LookUp):
            if not isinstance(outcome, EventPage):
                self._looked_up(job.name, outcome, now)
        elif isinstance(outcome, LlmwatchError):
            self._page_failed(job, outcome, now)
        elif isinstance(outcome, EventPage):
            return job.tail.answered(job.chain, outcome, now)
        return []

    def _looked_up(self, name: Name, outcome: GroupPage | LlmwatchError, now: float) -> None:
        """The search for a name has a page, or was refused one."""
        name.in_flight, name.due = False, now
        try:
            if isinstance(outcome, GroupPage):
                name.pages += 1
                name.asked = name.search.send(outcome) if name.search else None
            elif isinstance(outcome, CallFailed) and name.search and outcome.kind not in _PASSING:
                name.asked = name.search.throw(outcome)
            else:
                self._name_failed(name, outcome, now)
        except StopIteration as found:
            name.search = None
            self._found(name, found.value, now)
        except LlmwatchError as failure:
            name.search = None
            self._name_failed(name, failure, now)

    def _found(self, name: Name, groups: tuple[Group, ...], now: float) -> None:
        name.problem = ""
        name.found = bool(groups) or name.is_prefix
        name.due = now + max(_LOOK_AGAIN_SECONDS, name.pages * _PAGE_SECONDS)
        name.waiting = "" if groups else f"No log group begins with {name.word[:-1]}; waiting for one."
        for group in groups:
            if self._may_be_known(group):
                words = "may be one group, whose lines would count twice: name it one way."
                name.give_up(UsageError(f"{group.name} and its ARN {words}"))
            elif group.identifier not in self.tails:
                self.tails[group.identifier] = GroupTail(
                    group,
                    self.settings.wanted,
                    self._service_time(),
                    now,
                    at_once=round(self.settings.per_second),
                    live=self.settings.live,
                )
        if name.is_prefix and not groups and self._is_over():
            name.give_up(NoSuchGroup(f"No log group begins with {name.word[:-1]}: look at the name."))

    def _may_be_known(self, group: Group) -> bool:
        """Whether a group is read already under another name, as far as one without an ARN tells."""
        return any(
            tail.group.name == group.name
            and tail.group.identifier != group.identifier
            and not (tail.group.arn and group.arn)
            for tail in self.tails.values()
        )

    def _name_failed(self, name: Name, failure: LlmwatchError, now: float) -> None:
        if isinstance(failure, NoSuchGroup) and self.settings.wait and not self._is_over():
            name.waiting = f"{failure} Waiting for it."
            name.due = now + _RETRY_SECONDS
            return
        passing = self._passes(failure, now)
        name.problem = "" if passing and self._budget.refusals == 1 else str(failure)
        name.due = now if passing else now + _RETRY_SECONDS
        never = not passing and not name.found and self.settings.patience != "always"
        if never or (self._impatient and passing and self._is_hopeless(failure)):
            name.give_up(failure)

    def _page_failed(self, job: ReadPage, failure: LlmwatchError, now: float) -> None:
        tail, chain = job.tail, job.chain
        kind = failure.kind if isinstance(failure, CallFailed) else "refused"
        if kind == "bad_token" and chain.token is not None:
            often = chain.restarts >= _MOST_RESTARTS
            tail.refused(chain, now + _RETRY_SECONDS * often, token=True)
            tail.failed = tail.failed or (often and self.settings.patience == "none")
            tail.problem = str(failure) if often else tail.problem
            return
        passing = self._passes(failure, now)
        tail.refused(chain, now if passing else now + _RETRY_SECONDS, throttled=kind == "throttled")
        if not passing or self._budget.refusals > 1:
            tail.problem = str(failure)
        hopeless = not passing or self._is_hopeless(failure)
        tail.failed = tail.failed or (self._impatient and hopeless)

    @property
    def _impatient(self) -> bool:
        """Whether nobody waits for what cannot be read now."""
        patience = self.settings.patience
        return patience == "none" or (patience == "when running" and not self._was_read)

    @property
    def _was_read(self) -> bool:
        """Whether a page of any group ever came."""
        return any(tail.was_read for tail in self.tails.values())

    def _is_hopeless(self, failure: LlmwatchError) -> bool:
        kind = failure.kind if isinstance(failure, CallFailed) else ""
        return self._budget.refusals >= _MOST_REFUSALS.get(kind, 1)

    def _passes(self, failure: LlmwatchError, now: float) -> bool:
        """Whether the same request may be answered later, by waiting alone; then everybody backs off."""
        if not isinstance(failure, CallFailed):
            return False
        if failure.kind in _PASSING:
            self._budget.back_off(now)
            return True
        if failure.kind == "credentials":
            self.renew = True
            self._paused_until = now + _RETRY_SECONDS
        return False

    def failure(self) -> LlmwatchError | None:
        """Why nothing was read at all, if nothing was: words that are off first."""
        if self._was_read:
            return None
        failures = [name.failure for name in self._names if name.failure]
        failures += [SourceError(tail.problem) for tail in self.tails.values() if tail.failed]
        return min(failures, key=lambda failure: failure.exit_code, default=None)

    def states(self, now: float) -> tuple[SourceState, ...]:
        """How each group fares, and each name that has none."""
        service_time = self._service_time()
        named = [
            SourceState(
                name.word, "error" if name.problem else "waiting", name.problem or name.waiting, group=True
            )
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
        return SourceState(tail.group.name, status, detail, read, read, feed, group=True)

    def _outgrown(self) -> str:
        if self.held_up:
            return (
                "This machine takes lines in more slowly than they come: narrow with --filter-pattern or --stream, "
                "or use `top --engine insights`."
            )
        return (
            f"Outgrows {self.settings.per_second:g} requests a second: narrow with --filter-pattern, raise --max-tps, "
            "or use --live or `top --engine insights`."
        )

    def _skew(self) -> str:
        if self.skew_seconds is None or abs(self.skew_seconds) < _SKEW_SECONDS:
            return ""
        way = "ahead of" if self.skew_seconds > 0 else "behind"
        return f"This clock is {abs(self.skew_seconds):.0f} s {way} CloudWatch's, and --since 15m counts by it: set it."
