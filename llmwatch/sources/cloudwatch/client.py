"""CloudWatch Logs through boto3. It reads only: no call here changes anything."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Literal, Protocol

from llmwatch import __version__
from llmwatch.clean import clean
from llmwatch.sources.cloudwatch.access import Connection, identity
from llmwatch.sources.cloudwatch.api import (
    CallFailed,
    EventPage,
    Group,
    GroupPage,
    LiveUpdate,
    LogEvent,
    QueryPage,
)
from llmwatch.sources.cloudwatch.failures import Asked, NeedsCode, NotTheService, date_of, failure

__all__ = ["CloudWatch", "Connection"]

Operation = Literal[
    "DescribeLogGroups", "FilterLogEvents", "StartLiveTail", "StartQuery", "GetQueryResults", "StopQuery"
]

_ANSWERS: dict[Operation, str] = {
    "DescribeLogGroups": "logGroups",
    "FilterLogEvents": "events",
    "StartLiveTail": "responseStream",
    "StartQuery": "queryId",
    "GetQueryResults": "status",
    "StopQuery": "success",
}
"""What every response to an operation has, be it an empty list."""

_EMULATORS_REGION = "us-east-1"


class CloudWatch:
    """The LogsApi of an account and region. It asks nothing, and reads no credentials, before the first call."""

    def __init__(self, connection: Connection, clock: Callable[[], float] = time.monotonic) -> None:
        self._connection = connection
        self._clock = clock
        self._lock = threading.Lock()
        self._client: Any = None
        self._renewed = False
        self._heard: tuple[float, float] | None = None
        """The service's clock in its last response, and ours when that had come."""

    def describe_groups(
        self, *, prefix: str | None = None, containing: str | None = None, token: str | None = None
    ) -> GroupPage:
        """One page of the groups. The service tells cases apart in `containing`; emulators may ignore it."""
        response = self._call(
            "DescribeLogGroups",
            f"log groups named {prefix or containing}…" if prefix or containing else "log groups",
            limit=50,
            logGroupNamePrefix=prefix or None,
            logGroupNamePattern=containing or None,
            nextToken=token,
        )
        wanted = (containing or "").casefold()
        groups = (_group(raw) for raw in response["logGroups"])
        return GroupPage(
            tuple(group for group in groups if wanted in group.name.casefold()), response.get("nextToken")
        )

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
        """One page of events, as botocore parsed them. The stream prefix is applied here too: emulators ignore it."""
        key = "logGroupIdentifier" if _is_arn(group.identifier) else "logGroupName"
        response = self._call(
            "FilterLogEvents",
            f"log group {group.name}",
            **{key: group.identifier},
            startTime=start,
            endTime=end,
            nextToken=token,
            logStreamNamePrefix=stream_prefix or None,
            filterPattern=pattern or None,
            interleaved=True,  # AWS does so anyway since 2019, emulators do not
        )
        events: list[LogEvent] = response["events"]
        if stream_prefix:
            events = [event for event in events if event.get("logStreamName", "").startswith(stream_prefix)]
        return EventPage(events, response.get("nextToken"))

    def start_live_tail(
        self, groups: Sequence[Group], *, stream_prefix: str | None = None, pattern: str | None = None
    ) -> LiveTail:
        """Open a session. It names groups by ARN, so it cannot be had of a group whose ARN is not known."""
        subject = _listed(groups)
        response = self._call(
            "StartLiveTail",
            subject,
            logGroupIdentifiers=[_arn(group) for group in groups],
            logStreamNamePrefixes=[stream_prefix] if stream_prefix else None,
            logEventFilterPattern=pattern or None,
        )
        asked = Asked("StartLiveTail", subject, self._connection)
        return LiveTail(response["responseStream"], groups, stream_prefix or "", asked)

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        """Start an Insights query. It costs money by the bytes it scans."""
        identifiers = [group.identifier for group in groups]
        # Emulators know groups by name only.
        key = "logGroupIdentifiers" if any(map(_is_arn, identifiers)) else "logGroupNames"
        response = self._call(
            "StartQuery",
            _listed(groups),
            **{key: identifiers},
            queryString=text,
            startTime=since,
            endTime=until,
            limit=limit,
        )
        query_id: str = response["queryId"]
        return query_id

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        """One page of rows, without `@ptr`, which is of use to no one."""
        response = self._call("GetQueryResults", f"query {query_id}", queryId=query_id, nextToken=token)
        rows = tuple(
            {cell["field"]: cell["value"] for cell in row if "value" in cell and cell.get("field") != "@ptr"}
            for row in response.get("results", ())
        )
        statistics: Mapping[str, float] = response.get("statistics", {})
        return QueryPage(
            response["status"],
            rows,
            response.get("nextToken"),
            statistics.get("recordsMatched"),
            statistics.get("recordsScanned"),
            statistics.get("bytesScanned"),
        )

    def stop_query(self, query_id: str) -> None:
        """End a query; one that has ended already is refused."""
        self._call("StopQuery", f"query {query_id}", queryId=query_id)

    def service_time(self) -> float | None:
        """See LogsApi. A `Date` has no fraction and our clock is read after the response, so it is never ahead."""
        if self._heard is None:
            return None
        date, heard = self._heard
        return date + self._clock() - heard

    def renew(self) -> None:
        """Forget the client and its credentials. Calls and sessions under way end as they are."""
        with self._lock:
            self._client = None
            self._renewed = True

    @property
    def region(self) -> str | None:
        """The region that is asked. Raises CallFailed when there is no way to ask."""
        try:
            region: str | None = self._connected().meta.region_name
        except Exception as error:
            raise failure(error, Asked("DescribeLogGroups", "log groups", self._connection)) from error
        return region

    def _call(self, operation: Operation, subject: str, **arguments: object) -> dict[str, Any]:
        """The response to a call; arguments that are None are not sent."""
        given = {name: value for name, value in arguments.items() if value is not None}
        try:
            response: dict[str, Any] = getattr(self._connected(), _method(operation))(**given)
            if _ANSWERS[operation] not in response:
                # To botocore a body that is cut off, or a web page, is an empty response: events would be lost.
                raise NotTheService(f"it has no {_ANSWERS[operation]}")
            self._hear(response)
        except Exception as error:
            refusal = getattr(error, "response", None)
            if isinstance(refusal, dict) and refusal.get("ResponseMetadata", {}).get("RequestId"):
                self._hear(refusal)  # a proxy's error page has no such id, and any clock
            raise failure(error, Asked(operation, subject, self._connection)) from error
        return response

    def _hear(self, response: object) -> None:
        if (date := date_of(response)) is not None:
            self._heard = (date, self._clock())

    def _connected(self) -> Any:  # noqa: ANN401  boto3 makes the class of a client at run time
        """The client, made once: making one is not safe in two threads, using one is."""
        with self._lock:
            if self._client is None:
                if self._renewed and identity(self._connection).asks_mfa:
                    # botocore would ask for the code on the terminal, which belongs to the monitor by now.
                    raise NeedsCode("it asks for an MFA code")
                self._client = _client(self._connection)
            return self._client


class _Stream(Protocol):
    """A botocore EventStream."""

    def __iter__(self) -> Iterator[Mapping[str, Any]]: ...

    def close(self) -> None: ...


class LiveTail:
    """An open session: see LiveSession."""

    def __init__(self, stream: _Stream, groups: Sequence[Group], stream_prefix: str, asked: Asked) -> None:
        self._stream = stream
        self._stream_prefix = stream_prefix
        self._asked = asked
        self._closed = False
        self._arns = {name: _arn(group) for group in groups for name in _spellings(group)}

    def updates(self) -> Iterator[LiveUpdate]:
        """Updates, one a second, until the session ends after 3 hours. Raises CallFailed when it breaks."""
        try:
            for event in self._stream:
                if "sessionUpdate" in event:
                    yield self._update(event["sessionUpdate"])
        except Exception as error:
            if self._closed or _code(error) == "SessionTimeoutException":
                return
            raise failure(error, self._asked) from error

    def _update(self, update: Mapping[str, Any]) -> LiveUpdate:
        events = tuple(
            (self._arns.get(group := event.get("logGroupIdentifier", ""), group), event)
            for event in update.get("sessionResults", ())
            if event.get("logStreamName", "").startswith(self._stream_prefix)
        )
        return LiveUpdate(events, bool(update.get("sessionMetadata", {}).get("sampled")))

    def close(self) -> None:
        """End the session. A thread that waits in `updates` is woken by shutting the socket down under it."""
        self._closed = True
        raw = getattr(self._stream, "_raw_stream", None)
        # Of urllib3 from 2.3 on; without it the waiting thread wakes at the next update, a second later.
        shutdown = getattr(raw, "shutdown", None)
        if shutdown is not None:
            with suppress(OSError, ValueError, RuntimeError):
                shutdown()
        with suppress(OSError, ValueError):
            self._stream.close()


def _client(connection: Connection) -> Any:  # noqa: ANN401
    import boto3
    from botocore.config import Config

    # The budget and the back-off are ours, so botocore neither repeats a request nor slows one down.
    config: dict[str, Any] = {
        "retries": {"total_max_attempts": 1, "mode": "standard"},
        "connect_timeout": 5,
        "read_timeout": 30,
        "max_pool_connections": 16,
        "user_agent_extra": f"llmwatch/{__version__}",
    }
    if connection.endpoint_url:
        # Live Tail is asked of the host stream-…, which an emulator has not.
        config["inject_host_prefix"] = False
    session = boto3.Session(profile_name=connection.profile, region_name=connection.region)
    # A signature needs a region; an emulator does not care which.
    region = session.region_name or (_EMULATORS_REGION if connection.endpoint_url else None)
    return session.client(
        "logs", region_name=region, endpoint_url=connection.endpoint_url, config=Config(**config)
    )


def _method(operation: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", operation).lower()


def _code(error: Exception) -> str:
    response = getattr(error, "response", None)
    return str(response.get("Error", {}).get("Code", "")) if isinstance(response, dict) else ""


def _group(raw: Mapping[str, Any]) -> Group:
    name = raw["logGroupName"]
    arn = raw.get("logGroupArn") or raw.get("arn", "").removesuffix(":*")
    return Group(name, name, arn, raw.get("creationTime"), raw.get("storedBytes"), raw.get("retentionInDays"))


def _is_arn(identifier: str) -> bool:
    return identifier.startswith("arn:")


def _arn(group: Group) -> str:
    arn = group.arn or (group.identifier if _is_arn(group.identifier) else "")
    if not arn:
        raise CallFailed(
            "refused",
            f"Live Tail needs the ARN of log group {clean(group.name).text}: "
            "give it to --group, or allow logs:DescribeLogGroups.",
        )
    return arn.removesuffix(":*")


def _spellings(group: Group) -> tuple[str, ...]:
    """How Live Tail may name a group: by ARN, by account and name, or by name."""
    arn = _arn(group)
    account = arn.split(":")[4]
    return (arn, f"{arn}:*", f"{account}:{group.name}", group.name)


def _listed(groups: Sequence[Group]) -> str:
    names = ", ".join(group.name for group in groups[:3])
    more = f" and {len(groups) - 3} more" if len(groups) > 3 else ""
    return f"log group{'s' if len(groups) > 1 else ''} {names}{more}"
