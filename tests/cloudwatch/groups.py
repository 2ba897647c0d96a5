"""Log groups and streams: finding, listing, creating them and writing to them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from tests.cloudwatch.errors import ServiceError, invalid, missing
from tests.cloudwatch.model import EVENT_OVERHEAD, MEGABYTE, Arrival, StoredGroup, StoredStream

if TYPE_CHECKING:
    from tests.cloudwatch.service import Answer, Params, Service

_NAME = re.compile(r"[.\-_/#A-Za-z0-9]{1,512}")
_IDENTIFIER = re.compile(r"[\w#+=/:,.@-]{1,2048}", re.ASCII)
_STREAM = re.compile(r"[^:*]{1,512}")
DAY_MS = 86_400_000


def find_named(service: Service, identifier: str) -> StoredGroup:
    """The group of a name or ARN; another account's is found by its ARN only."""
    if not _IDENTIFIER.fullmatch(identifier):
        raise invalid(f"Value '{identifier}' at 'logGroupIdentifier' failed to satisfy constraint")
    now = service.now_ms()
    for group in service.model.groups:
        own = group.account == service.model.account and group.name == identifier
        if group.created <= now and (own or group.arn == identifier):
            return group
    raise missing("log group")


def find(service: Service, params: Params) -> StoredGroup:
    """The group that a call names by exactly one of two parameters."""
    name, identifier = params.get("logGroupName"), params.get("logGroupIdentifier")
    if (name is None) == (identifier is None):
        raise invalid("Exactly one of logGroupName and logGroupIdentifier is needed.")
    if name is not None and not _NAME.fullmatch(name):
        raise invalid(f"Value '{name}' at 'logGroupName' failed to satisfy constraint")
    return find_named(service, str(name or identifier))


def streams_chosen(params: Params, group: StoredGroup) -> set[str] | None:
    """The names of the streams that a call is about; None is all."""
    names, prefix = params.get("logStreamNames"), params.get("logStreamNamePrefix")
    if names is not None and prefix is not None:
        raise invalid("logStreamNames and logStreamNamePrefix cannot both be given.")
    if prefix is not None:
        if not _STREAM.fullmatch(prefix):
            raise invalid(f"Value '{prefix}' at 'logStreamNamePrefix' failed to satisfy constraint")
        return {name for name in group.streams if name.startswith(prefix)}
    if names is None:
        return None
    if not 1 <= len(names) <= 100:
        raise invalid("logStreamNames must have between 1 and 100 members")
    if not all(name in group.streams for name in names):
        raise missing("log stream")
    return set(names)


def _page(rows: list[Answer], params: Params, key: str) -> Answer:
    """A page of rows; the token is the number of the row it begins at."""
    most, token = params.get("limit", 50), params.get("nextToken")
    if not 1 <= most <= 50:
        raise invalid("limit must have value between 1 and 50")
    if token is not None and not token.isdecimal():
        raise ServiceError("bad_token", "InvalidParameterException", "The specified nextToken is invalid.")
    first = int(token or 0)
    answer: Answer = {key: rows[first : first + most]}
    if first + most < len(rows):
        answer["nextToken"] = str(first + most)
    return answer


class Groups:
    """The operations on groups and streams of one service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    def describe_log_groups(self, params: Params) -> Answer:
        """The groups, by name. A pattern is a part of the name, in its case."""
        prefix, part = params.get("logGroupNamePrefix"), params.get("logGroupNamePattern")
        if prefix is not None and part is not None:
            raise invalid("logGroupNamePrefix and logGroupNamePattern are mutually exclusive.")
        for text in (prefix, part):
            if text and not _NAME.fullmatch(text):
                raise invalid(f"Value '{text}' failed to satisfy constraint")
        now, account = self._service.now_ms(), self._service.model.account
        rows: list[Answer] = []
        for group in sorted(self._service.model.groups, key=lambda group: (group.name, group.account)):
            linked = group.account != account and not params.get("includeLinkedAccounts")
            named = group.name.startswith(prefix or "") and (part or "") in group.name
            if group.created > now or linked or not named:
                continue
            row: Answer = {
                "logGroupName": group.name,
                "creationTime": group.created,
                "arn": f"{group.arn}:*",
            }
            if part is None:
                row |= {"storedBytes": group.stored_bytes, "logGroupArn": group.arn, "metricFilterCount": 0}
            rows.append(row)
        return _page(rows, params, "logGroups")

    def describe_log_streams(self, params: Params) -> Answer:
        """The streams of a group, by name or by the time of their last event."""
        group = find(self._service, params)
        prefix, order = params.get("logStreamNamePrefix"), params.get("orderBy", "LogStreamName")
        if prefix is not None and order == "LastEventTime":
            raise invalid("Cannot order by LastEventTime with a logStreamNamePrefix.")
        found = [stream for stream in group.streams.values() if stream.name.startswith(prefix or "")]
        by_time = order == "LastEventTime"
        found.sort(
            key=lambda stream: (stream.last or 0 if by_time else 0, stream.name),
            reverse=bool(params.get("descending")),
        )
        return _page([_described(group, stream) for stream in found], params, "logStreams")

    def create_log_group(self, params: Params) -> Answer:
        """A new group."""
        name = params["logGroupName"]
        if not _NAME.fullmatch(name):
            raise invalid(f"Value '{name}' at 'logGroupName' failed to satisfy constraint")
        model = self._service.model
        if any(group.name == name and group.account == model.account for group in model.groups):
            raise _exists("log group")
        model.create_group(name, created=self._service.now_ms())
        return {}

    def create_log_stream(self, params: Params) -> Answer:
        """A new stream."""
        group, name = find(self._service, params), params["logStreamName"]
        if not _STREAM.fullmatch(name):
            raise invalid(f"Value '{name}' at 'logStreamName' failed to satisfy constraint")
        if name in group.streams:
            raise _exists("log stream")
        group.streams[name] = StoredStream(name, self._service.now_ms())
        return {}

    def put_log_events(self, params: Params) -> Answer:
        """Take a batch in; its events can be seen after the plan's delay."""
        group, stream = find(self._service, params), params["logStreamName"]
        if stream not in group.streams:
            raise missing("log stream")
        batch: list[dict[str, Any]] = params["logEvents"]
        _check_batch(batch)
        now = self._service.now_ms()
        too_old = [event["timestamp"] < now - 14 * DAY_MS for event in batch]
        too_new = [event["timestamp"] > now + 7_200_000 for event in batch]
        for event, old, new in zip(batch, too_old, too_new, strict=True):
            if not old and not new:
                delay = self._service.random.uniform(*self._service.faults.visible_after)
                seen = now + round(delay * 1000)
                self._service.model.put(
                    Arrival(group.name, stream, event["timestamp"], now, seen, event["message"])
                )
        rejected: dict[str, int] = {}
        if any(too_old):
            rejected["tooOldLogEventEndIndex"] = sum(too_old)
        if any(too_new):
            rejected["tooNewLogEventStartIndex"] = too_new.index(True)
        answer: Answer = {"nextSequenceToken": str(now)}
        return answer | ({"rejectedLogEventsInfo": rejected} if rejected else {})


def _exists(what: str) -> ServiceError:
    return ServiceError("refused", "ResourceAlreadyExistsException", f"The specified {what} already exists")


def _check_batch(batch: list[dict[str, Any]]) -> None:
    if not 1 <= len(batch) <= 10_000:
        raise invalid("logEvents must have between 1 and 10000 members")
    times = [event["timestamp"] for event in batch]
    if times != sorted(times):
        raise invalid("Log events in a single PutLogEvents request must be in chronological order.")
    if times[-1] - times[0] > DAY_MS:
        raise invalid(
            "The batch of log events in a single PutLogEvents request cannot span more than 24 hours."
        )
    size = sum(len(event["message"].encode()) + EVENT_OVERHEAD for event in batch)
    if size > MEGABYTE:
        raise invalid(f"Upload too large: {size} bytes exceeds limit of {MEGABYTE}")


def _described(group: StoredGroup, stream: StoredStream) -> Answer:
    row: Answer = {
        "logStreamName": stream.name,
        "creationTime": stream.created,
        "arn": f"{group.arn}:log-stream:{stream.name}",
        "storedBytes": 0,
    }
    times = {
        "firstEventTimestamp": stream.first,
        "lastEventTimestamp": stream.last,
        "lastIngestionTime": stream.ingested,
    }
    return row | {name: time for name, time in times.items() if time is not None}
