"""What llmwatch asks of CloudWatch Logs, and how it fails: one call each, no retries, no waiting.

Times are milliseconds since 1970 in UTC, as CloudWatch has them, but for queries, which speak in seconds.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NotRequired, Protocol, TypedDict

from llmwatch.errors import SourceError

FailureKind = Literal[
    "throttled", "bad_token", "credentials", "denied", "missing", "unreachable", "malformed", "refused"
]


class CallFailed(SourceError):  # noqa: N818  reads as a clause
    """A call that CloudWatch did not answer. The message is a sentence for the user, with the remedy.

    `throttled`: too many requests, ours or another's; `bad_token`: a page token that is no longer valid;
    `credentials`: none, or expired; `denied`: the policy lacks an action; `missing`: no such group, stream or
    query; `unreachable`: the network, or the service; `malformed`: the query or filter pattern, with `offset`;
    `refused`: anything else.
    """

    def __init__(self, kind: FailureKind, message: str, *, offset: int | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.offset = offset
        """Where in the text of a malformed query, in characters from 0."""


class LogEvent(TypedDict):
    """One event, as the service gives it: a line, if it holds no newline."""

    eventId: NotRequired[str]
    """Not in Live Tail."""
    logStreamName: NotRequired[str]
    timestamp: NotRequired[int]
    """Its time, by the clock of the writer: up to 14 days ago, up to 2 hours ahead."""
    ingestionTime: NotRequired[int]
    message: NotRequired[str]


@dataclass(frozen=True, slots=True)
class Group:
    """A log group. `identifier` is what calls name it by: its name, or the ARN of another account's."""

    name: str
    identifier: str
    arn: str
    """Without the `:*` at its end."""
    created: int | None = None
    stored_bytes: int | None = None
    retention_days: int | None = None
    """How long it keeps an event; None is for ever, or unknown."""


@dataclass(frozen=True, slots=True)
class GroupPage:
    """Some of the groups asked for, and the token of the next page."""

    groups: tuple[Group, ...]
    token: str | None


@dataclass(frozen=True, slots=True)
class EventPage:
    """At most 1 MB of events in about the order of their times; it may be empty and still have a next token."""

    events: Sequence[LogEvent]
    token: str | None


@dataclass(frozen=True, slots=True)
class LiveUpdate:
    """A second of Live Tail. `sampled`: there were more than 500 events, and the service left some out."""

    events: Sequence[tuple[str, LogEvent]]
    """The ARN of each event's group, and the event."""
    sampled: bool


class LiveSession(Protocol):
    """An open Live Tail session."""

    def updates(self) -> Iterator[LiveUpdate]:
        """One a second, empty ones too. Raises CallFailed when the session breaks; ends after 3 hours."""
        ...

    def close(self) -> None:
        """End it, from any thread."""
        ...


QueryStatus = Literal["Scheduled", "Running", "Complete", "Failed", "Cancelled", "Timeout", "Unknown"]


@dataclass(frozen=True, slots=True)
class QueryPage:
    """What a query has found so far. A row lacks the fields that are null in it."""

    status: QueryStatus
    rows: tuple[dict[str, str], ...]
    token: str | None
    records_matched: float | None
    records_scanned: float | None
    bytes_scanned: float | None


class LogsApi(Protocol):
    """The calls. Any thread may make them; all raise CallFailed and nothing else."""

    def describe_groups(
        self, *, prefix: str | None = None, containing: str | None = None, token: str | None = None
    ) -> GroupPage:
        """One page of the groups whose name begins with `prefix`, or has `containing` in it, in that case."""
        ...

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
        ...

    def start_live_tail(
        self, groups: Sequence[Group], *, stream_prefix: str | None = None, pattern: str | None = None
    ) -> LiveSession:
        """Open a session over at most 10 groups; a stream prefix goes with one group only."""
        ...

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        """Start an Insights query over `since` ≤ time ≤ `until`, in seconds, and return its id."""
        ...

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        """One page of at most 10,000 rows."""
        ...

    def stop_query(self, query_id: str) -> None:
        """End a query."""
        ...

    def service_time(self) -> float | None:
        """The service's clock now, in seconds since 1970, by the `Date` of its last response; None before one.

        It is never ahead of the service, and at most a second and the response's way behind.
        """
        ...

    def renew(self) -> None:
        """Look for credentials anew: they may have been renewed on disk."""
        ...
