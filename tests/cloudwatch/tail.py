"""A Live Tail session: what arrives is given out once a second, some of it left out when it is too much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

from tests.cloudwatch.errors import ServiceError, invalid
from tests.cloudwatch.faults import LivePlan
from tests.cloudwatch.groups import find_named
from tests.cloudwatch.model import StoredEvent, StoredGroup
from tests.cloudwatch.patterns import compiled

if TYPE_CHECKING:
    from tests.cloudwatch.service import Answer, Params, Service

End = Literal["open", "timeout", "broken", "closed"]


def open_tail(service: Service, params: Params) -> Answer:
    """StartLiveTail, but for the stream: the session is in `service.tails` by the id that is returned."""
    identifiers: list[str] = params["logGroupIdentifiers"]
    if not 1 <= len(identifiers) <= 10:
        raise invalid("logGroupIdentifiers must have between 1 and 10 members")
    for identifier in identifiers:
        if not identifier.startswith("arn:") or identifier.endswith("*"):
            raise invalid("A log group is named by an ARN that does not end with an asterisk.")
    names, prefixes = params.get("logStreamNames"), params.get("logStreamNamePrefixes")
    if (names or prefixes) and len(identifiers) > 1:
        raise invalid("Log streams can be chosen only when one log group is.")
    if names and prefixes:
        raise invalid("logStreamNames and logStreamNamePrefixes cannot both be given.")
    groups = [find_named(service, identifier) for identifier in identifiers]
    if len(service.tails) >= service.faults.live.sessions:
        raise ServiceError("throttled", "LimitExceededException", "Too many Live Tail sessions.")
    tail = Tail(service, groups, params)
    service.tails[tail.id] = tail
    return {"sessionId": tail.id}


class Tail:
    """An open session. `due` gives the updates as `sessionUpdate` has them."""

    def __init__(self, service: Service, groups: list[StoredGroup], params: Params) -> None:
        service.sessions += 1
        self.id = f"session-{service.sessions}"
        self.end: End = "open"
        self.next = service.now_ms()
        """When the next update is due, in milliseconds of the service's clock."""
        self.unreachable = False
        """Whether an outage ended it."""
        self.started: Answer = {**params, "sessionId": self.id, "requestId": self.id}
        """The `sessionStart`."""
        self._service = service
        self._groups = groups
        self._streams = params.get("logStreamNames")
        self._prefixes = tuple(params.get("logStreamNamePrefixes") or ("",))
        self._match = compiled(params.get("logEventFilterPattern") or "")
        self.plan: LivePlan = service.faults.live
        self._opened = self.next
        breaks = self.plan.breaks_after[service.sessions - 1 : service.sessions]
        self._breaks = breaks[0] if breaks else None
        self._arrived: list[tuple[StoredGroup, StoredEvent]] = []
        self._listener = self._hear
        service.model.listeners.append(self._listener)
        self.next += self._step

    @property
    def _step(self) -> int:
        return round(self.plan.interval * 1000)

    def _hear(self, group: StoredGroup, event: StoredEvent) -> None:
        if group not in self._groups or (self._streams is not None and event.stream not in self._streams):
            return
        if not event.stream.startswith(self._prefixes) or not (
            self._match is None or self._match(event.message)
        ):
            return
        if not self._service.strikes("lost", self.plan.lost):
            self._arrived.append((group, event))

    def finish(self, end: End) -> None:
        """End the session; a second end changes nothing."""
        if self.end == "open":
            self.end = end
            self._service.model.listeners.remove(self._listener)
            del self._service.tails[self.id]

    def due(self, now: int) -> list[Answer]:
        """The updates due by `now`, those of empty seconds too."""
        updates: list[Answer] = []
        while self.end == "open" and self.next <= now:
            age = (self.next - self._opened) / 1000
            self.unreachable = self._service.unreachable(self.next / 1000)
            if self.unreachable or (self._breaks is not None and age >= self._breaks):
                self._service.injected["broken"] += 1
                self.finish("broken")
            elif age >= self.plan.lasts:
                self._service.injected["timeout"] += 1
                self.finish("timeout")
            else:
                updates.append(self._update())
                self.next += self._step
        kept = self.plan.buffered
        if kept is not None and len(updates) > kept:
            self._service.injected["buffered"] += len(updates) - kept
            updates = updates[-kept:]
        return updates

    def _update(self) -> Answer:
        chosen = [pair for pair in self._arrived if pair[1].visible_at <= self.next]
        self._arrived = [pair for pair in self._arrived if pair[1].visible_at > self.next]
        sampled = len(chosen) > self.plan.most
        if sampled:
            self._service.injected["sampled"] += 1
            kept = self._service.random.sample(range(len(chosen)), self.plan.most)
            chosen = [chosen[n] for n in sorted(kept)]
        return {
            "sessionMetadata": {"sampled": sampled},
            "sessionResults": [self._result(group, event) for group, event in chosen],
        }

    def identifier(self, group: StoredGroup) -> str:
        """How the events of a group name it."""
        names = {"arn": group.arn, "account": f"{group.account}:{group.name}", "name": group.name}
        return names[self.plan.identifier]

    def _result(self, group: StoredGroup, event: StoredEvent) -> Answer:
        return {
            "logStreamName": event.stream,
            "logGroupIdentifier": self.identifier(group),
            "message": event.message,
            "timestamp": event.timestamp,
            "ingestionTime": event.ingested,
        }
