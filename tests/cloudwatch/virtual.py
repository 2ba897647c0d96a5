"""The face of the fake that is `LogsApi` itself, in this process and on a virtual clock."""

from __future__ import annotations

import math
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from typing import Any

from llmwatch.sources.cloudwatch.api import (
    CallFailed,
    EventPage,
    Group,
    GroupPage,
    LiveUpdate,
    LogEvent,
    QueryPage,
)
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.errors import ServiceError
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.insights import Insights
from tests.cloudwatch.model import Model, StoredGroup
from tests.cloudwatch.service import Request, Service
from tests.cloudwatch.tail import Tail


def failure(operation: str, error: ServiceError) -> CallFailed:
    """A refusal as readers of `LogsApi` meet it."""
    return CallFailed(error.kind, f"{operation} failed: {error.message}", offset=error.offset)


class VirtualSession:
    """An open Live Tail session: what is due is decided by the clock, whoever advances it.

    A test in one thread calls `poll`. A reader in a thread of its own iterates over `updates`, which blocks until
    the clock is advanced; the test then calls `settle` to know that the reader has dealt with all that is due.
    """

    def __init__(self, service: Service, clock: VirtualClock, tail: Tail, arns: dict[str, str]) -> None:
        self.tail = tail
        self._service = service
        self._clock = clock
        self._arns = arns
        self._idle = False
        self._left = False

    def poll(self) -> list[LiveUpdate]:
        """The updates that have become due; CallFailed when none is left and the session is broken."""
        due = [self._update(answer) for answer in self._service.poll(self.tail)]
        if not due and self.tail.end == "broken":
            raise CallFailed("unreachable", "The Live Tail session broke. It is opened again.")
        return due

    def _update(self, answer: dict[str, Any]) -> LiveUpdate:
        events: list[tuple[str, LogEvent]] = []
        for result in answer["sessionResults"]:
            name = result.pop("logGroupIdentifier")
            events.append((self._arns[name], result))
        return LiveUpdate(tuple(events), answer["sessionMetadata"]["sampled"])

    def updates(self) -> Iterator[LiveUpdate]:
        """The updates, each when it is due."""
        try:
            while True:
                due = self.poll()
                yield from due
                if self.tail.end in ("closed", "timeout"):
                    return
                if not due:
                    self._rest()
        finally:
            self._left = True
            self.close()

    def _nothing_due(self) -> bool:
        return self.tail.end == "open" and self._service.now_ms() < self.tail.next

    def _rest(self) -> None:
        with self._clock.moved:
            self._idle = True
            self._clock.moved.notify_all()
            self._clock.wait(lambda: not self._nothing_due())
            self._idle = False

    def settle(self) -> None:
        """Block until the thread in `updates` has taken all that is due and waits for more, or has left."""
        self._clock.wait(lambda: self._left or (self._idle and self._nothing_due()))

    def close(self) -> None:
        """End it, from any thread."""
        self._service.close_tail(self.tail)
        with self._clock.moved:
            self._clock.moved.notify_all()


class VirtualApi:
    """`LogsApi` over a model. A call advances the clock by its latency."""

    def __init__(
        self,
        model: Model,
        clock: VirtualClock | None = None,
        faults: FaultPlan | None = None,
        insights: Insights | None = None,
        *,
        requests_kept: int | None = None,
    ) -> None:
        self.clock = clock or VirtualClock()
        self.model = model
        self.service = Service(model, self.clock, faults, insights, requests_kept=requests_kept)
        self.renewals = 0
        """Calls of `renew`."""
        self.sessions: list[VirtualSession] = []
        """The Live Tail sessions ever opened."""
        self._renewed = self.clock.now()
        self._date: tuple[float, float] | None = None
        """The date of the last answer, and the local time when it came."""

    @property
    def requests(self) -> deque[Request]:
        """The latest calls."""
        return self.service.requests

    @property
    def injected(self) -> Counter[str]:
        """Faults that happened."""
        return self.service.injected

    def group(self, name: str) -> Group:
        """The group of this name, as `describe_groups` returns it."""
        return self._group(self.model.group(name))

    def _group(self, stored: StoredGroup) -> Group:
        own = stored.account == self.model.account
        identifier = stored.name if own else stored.arn
        return Group(stored.name, identifier, stored.arn, stored.created, stored.stored_bytes)

    def _expired(self) -> bool:
        faults, started = self.service.faults, self.service.started
        now, renewed = self.clock.now() - started, self._renewed - started
        return faults.renew and any(now >= window.start and renewed < window.end for window in faults.expired)

    def _call(self, operation: str, **params: object) -> dict[str, Any]:
        given = {name: value for name, value in params.items() if value is not None}
        before = self.service.answered
        try:
            return self.service.call(operation, given, expired=self._expired())
        except ServiceError as error:
            raise failure(operation, error) from error
        finally:
            if self.service.answered is not None and self.service.answered != before:
                self._date = (math.floor(self.service.answered), self.clock.now())

    def describe_groups(
        self, *, prefix: str | None = None, containing: str | None = None, token: str | None = None
    ) -> GroupPage:
        """One page; with `containing` it may be empty, as the service does not search in any case."""
        answer = self._call(
            "DescribeLogGroups", logGroupNamePrefix=prefix, nextToken=token, includeLinkedAccounts=True
        )
        part = (containing or "").casefold()
        arns = {row["logGroupArn"] for row in answer["logGroups"] if part in row["logGroupName"].casefold()}
        found = [self._group(stored) for stored in self.model.groups if stored.arn in arns]
        return GroupPage(tuple(sorted(found, key=lambda group: group.name)), answer.get("nextToken"))

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
        """One page of the events with `start` ≤ timestamp ≤ `end`."""
        answer = self._call(
            "FilterLogEvents",
            logGroupIdentifier=group.identifier,
            startTime=start,
            endTime=end,
            nextToken=token,
            logStreamNamePrefix=stream_prefix,
            filterPattern=pattern,
        )
        return EventPage(answer["events"], answer.get("nextToken"))

    def start_live_tail(
        self, groups: Sequence[Group], *, stream_prefix: str | None = None, pattern: str | None = None
    ) -> VirtualSession:
        """Open a session."""
        answer = self._call(
            "StartLiveTail",
            logGroupIdentifiers=[group.arn for group in groups],
            logStreamNamePrefixes=None if stream_prefix is None else [stream_prefix],
            logEventFilterPattern=pattern,
        )
        tail = self.service.tails[answer["sessionId"]]
        arns = {tail.identifier(stored): stored.arn for stored in self.model.groups}
        session = VirtualSession(self.service, self.clock, tail, arns)
        self.sessions.append(session)
        return session

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        """Start an Insights query."""
        answer = self._call(
            "StartQuery",
            logGroupIdentifiers=[group.identifier for group in groups],
            queryString=text,
            startTime=since,
            endTime=until,
            limit=limit,
        )
        return str(answer["queryId"])

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        """One page of rows."""
        answer = self._call("GetQueryResults", queryId=query_id, nextToken=token)
        statistics = answer["statistics"]
        return QueryPage(
            answer["status"],
            tuple({cell["field"]: cell["value"] for cell in row} for row in answer["results"]),
            answer.get("nextToken"),
            statistics["recordsMatched"],
            statistics["recordsScanned"],
            statistics["bytesScanned"],
        )

    def stop_query(self, query_id: str) -> None:
        """End a query."""
        self._call("StopQuery", queryId=query_id)

    def service_time(self) -> float | None:
        """By the date of the last answer, which has whole seconds."""
        if self._date is None:
            return None
        date, at = self._date
        return date + self.clock.now() - at

    def renew(self) -> None:
        """Take the credentials that there are now."""
        self.renewals += 1
        self._renewed = self.clock.now()
