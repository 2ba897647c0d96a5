"""The service: every call passes the gate of faults, is checked as the documentation says, and is answered."""

from __future__ import annotations

import math
import random
import threading
from collections import Counter, deque
from collections.abc import Callable
from typing import Any, NamedTuple

from tests.cloudwatch.clock import Clock
from tests.cloudwatch.errors import ServiceError, invalid
from tests.cloudwatch.faults import FaultPlan, within
from tests.cloudwatch.filtering import Filtering
from tests.cloudwatch.groups import Groups
from tests.cloudwatch.insights import Insights
from tests.cloudwatch.model import Model
from tests.cloudwatch.tail import Tail, open_tail

Params = dict[str, Any]
Answer = dict[str, Any]


class Request(NamedTuple):
    """A call that reached the service: the service's time in seconds, and how it ended: "ok" or the error's code."""

    time: float
    operation: str
    params: Params
    outcome: str


class Service:
    """CloudWatch Logs of one account and region. Any thread may call."""

    def __init__(
        self,
        model: Model,
        clock: Clock,
        faults: FaultPlan | None = None,
        insights: Insights | None = None,
        *,
        requests_kept: int | None = None,
    ) -> None:
        self.model = model
        self.clock = clock
        self.faults = faults or FaultPlan()
        """May be replaced at any time; its windows count from the start of the service."""
        self.insights = insights or Insights()
        self.started = clock.now()
        self.random = random.Random(self.faults.seed)
        self.requests: deque[Request] = deque(maxlen=requests_kept)
        """The latest calls, all without `requests_kept`."""
        self.calls: Counter[str] = Counter()
        """Calls by operation."""
        self.injected: Counter[str] = Counter()
        """Faults that happened, by their names in the plan."""
        self.answered: float | None = None
        """The service's time of its last answer."""
        self.tails: dict[str, Tail] = {}
        """Live Tail sessions that are open."""
        self.sessions = 0
        """Live Tail sessions ever opened."""
        self._lock = threading.RLock()
        self._recent: dict[str, deque[float]] = {}
        self._filtering = Filtering(self)
        groups = Groups(self)
        self._operations: dict[str, Callable[[Params], Answer]] = {
            "FilterLogEvents": self._filtering.filter_log_events,
            "DescribeLogGroups": groups.describe_log_groups,
            "DescribeLogStreams": groups.describe_log_streams,
            "CreateLogGroup": groups.create_log_group,
            "CreateLogStream": groups.create_log_stream,
            "PutLogEvents": groups.put_log_events,
            "StartLiveTail": lambda params: open_tail(self, params),
            "StartQuery": lambda params: self.insights.start(self, params),
            "GetQueryResults": self.insights.results,
            "StopQuery": self.insights.stop,
        }

    def now(self) -> float:
        """The service's clock, in seconds since 1970."""
        return self.clock.now() + self.faults.clock_offset

    def now_ms(self) -> int:
        """The service's clock, in milliseconds; a hundredth of one makes up for what floats lack."""
        return math.floor(self.now() * 1000 + 0.01)

    def strikes(self, fault: str, share: float) -> bool:
        """Whether a fault of this share happens now; it is counted."""
        if share <= 0 or self.random.random() >= share:
            return False
        self.injected[fault] += 1
        return True

    def unreachable(self, now: float | None = None) -> bool:
        """Whether there is an outage, at a time of the service's clock or now."""
        local = self.clock.now() if now is None else now - self.faults.clock_offset
        return within(self.faults.outages, local - self.started)

    def call(self, operation: str, params: Params, *, expired: bool = False) -> Answer:
        """Answer a call, half of its latency before and half after. Raises ServiceError.

        `expired` says that a face knows the caller's credentials as expired.
        """
        with self._lock:
            delay = self.random.uniform(*self.faults.latency) / 2
        if delay:
            self.clock.sleep(delay)
        try:
            with self._lock:
                return self._answer(operation, params, expired)
        finally:
            if delay:
                self.clock.sleep(delay)

    def _answer(self, operation: str, params: Params, expired: bool) -> Answer:
        now = self.now()
        outcome = "unreachable"
        self.calls[operation] += 1
        try:
            if self.unreachable():
                self.injected["outages"] += 1
                raise ServiceError("unreachable", outcome, "The service cannot be reached.")
            self.answered = now
            self._gate(operation, params, expired)
            self.model.reveal(self.now_ms())
            answer = self._operations[operation](params)
            outcome = "ok"
        except ServiceError as error:
            outcome = error.code
            raise
        finally:
            self.requests.append(Request(now, operation, params, outcome))
        return answer

    def _gate(self, operation: str, params: Params, expired: bool) -> None:
        faults = self.faults
        if expired or (not faults.renew and within(faults.expired, self.clock.now() - self.started)):
            self.injected["expired"] += 1
            raise ServiceError(
                "credentials",
                "ExpiredTokenException",
                "The security token included in the request is expired",
            )
        if operation in faults.denied:
            self.injected["denied"] += 1
            raise self._denial(operation, params)
        if self.strikes("throttle", faults.throttle) or self._too_fast(operation):
            raise ServiceError("throttled", "ThrottlingException", "Rate exceeded")
        if operation not in self._operations:
            raise invalid(f"The fake does not know {operation}.")

    def _too_fast(self, operation: str) -> bool:
        if self.faults.tps is None:
            return False
        recent = self._recent.setdefault(operation, deque())
        now = self.clock.now()
        while recent and recent[0] <= now - 1:
            recent.popleft()
        if len(recent) >= self.faults.tps:
            self.injected["tps"] += 1
            return True
        recent.append(now)
        return False

    def _denial(self, operation: str, params: Params) -> ServiceError:
        named = params.get("logGroupIdentifiers") or [
            params.get("logGroupName") or params.get("logGroupIdentifier") or ""
        ]
        group = str(named[0]).rpartition("log-group:")[2]
        resource = f"arn:aws:logs:{self.model.region}:{self.model.account}:log-group:{group}:log-stream:"
        return ServiceError(
            "denied",
            "AccessDeniedException",
            f"User: arn:aws:sts::{self.model.account}:assumed-role/LogReader/on-call is not authorized to perform: "
            f"logs:{operation} on resource: {resource} because no identity-based policy allows the "
            f"logs:{operation} action",
        )

    def poll(self, tail: Tail) -> list[Answer]:
        """The updates of a Live Tail session that are due, as `sessionUpdate` has them."""
        with self._lock:
            self.model.reveal(self.now_ms())
            return tail.due(self.now_ms())

    def close_tail(self, tail: Tail) -> None:
        """End a Live Tail session from the reader's side."""
        with self._lock:
            tail.finish("closed")
