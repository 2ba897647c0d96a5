"""FilterLogEvents: pages, tokens, and what may be odd about them."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

from tests.cloudwatch.errors import ServiceError, invalid
from tests.cloudwatch.groups import find, streams_chosen
from tests.cloudwatch.model import Cut, Key, StoredEvent, StoredGroup
from tests.cloudwatch.patterns import compiled

if TYPE_CHECKING:
    from tests.cloudwatch.service import Answer, Params, Service


class _Token(NamedTuple):
    serial: int
    """Makes tokens of one place differ."""
    issued: int
    began: int
    """When its chain began, in milliseconds."""
    asked: int
    """Sums up the parameters of the chain, which a token goes with."""
    place: list[Any]
    """What the next page begins at."""

    def text(self) -> str:
        place = [part if part != float("inf") else None for part in self.place]
        return base64.urlsafe_b64encode(json.dumps([*self[:4], place]).encode()).decode()


def _bad_token(what: str) -> ServiceError:
    return ServiceError("bad_token", "InvalidParameterException", f"The specified nextToken is {what}.")


def _parse(text: str) -> _Token:
    try:
        serial, issued, began, asked, place = json.loads(base64.urlsafe_b64decode(text))
        return _Token(
            serial, issued, began, asked, [float("inf") if part is None else part for part in place]
        )
    except (ValueError, TypeError) as error:
        raise _bad_token("invalid") from error


_CHAIN = ("startTime", "endTime", "filterPattern", "logStreamNamePrefix", "logStreamNames")


def _asked(params: Params, group: StoredGroup) -> int:
    return zlib.crc32(repr([group.arn, *map(params.get, _CHAIN)]).encode())


class Filtering:
    """FilterLogEvents of one service, and what it remembers of tokens."""

    def __init__(self, service: Service) -> None:
        self._service = service
        self._serial = 0
        self._dead: set[str] = set()
        self._repeats: dict[str, int] = {}
        """How many more calls with a token get it back."""

    def filter_log_events(self, params: Params) -> Answer:
        """One page."""
        group = find(self._service, params)
        start, end, most = _bounds(params)
        text = params.get("nextToken")
        asked = _asked(params, group)
        token = self._accepted(text, asked) if text else None
        now = self._service.now_ms()
        began = token.began if token else now
        begin: Key = tuple(token.place) if token else (start,)
        faults = self._service.faults
        cut = Cut([], begin)
        if not self._service.strikes("empty", faults.empty):
            wanted = self._wanted(params, group, began)
            most = min(most, faults.page_events)
            cut = group.cut(begin, end, wanted, most=most, size=faults.page_bytes)
            cut = self._shortened(cut)
        answer: Answer = {"events": [event.wire for event in cut.events], "searchedLogStreams": []}
        if text and self._same_token_again(text):
            if self._service.random.random() < 0.5:
                answer["events"] = []
            answer["nextToken"] = text
        elif cut.behind is not None:
            self._serial += 1
            answer["nextToken"] = _Token(self._serial, now, began, asked, list(cut.behind)).text()
        return answer

    def _accepted(self, text: str, asked: int) -> _Token:
        token = _parse(text)
        faults = self._service.faults
        if token.asked != asked:
            raise _bad_token("invalid")
        if text in self._dead or token.issued + faults.token_life * 1000 < self._service.now_ms():
            raise _bad_token("expired")
        if self._service.strikes("expire_token", faults.expire_token):
            self._dead.add(text)
            raise _bad_token("expired")
        return token

    def _wanted(self, params: Params, group: StoredGroup, began: int) -> Callable[[StoredEvent], bool] | None:
        """What of the group is asked for; None is all, which is fast."""
        streams = streams_chosen(params, group)
        match = compiled(params.get("filterPattern") or "")
        snapshot = self._service.faults.snapshot
        if streams is None and match is None and not snapshot:
            return None
        return lambda event: (
            (streams is None or event.stream in streams)
            and (match is None or match(event.message))
            and (not snapshot or event.visible_at <= began)
        )

    def _shortened(self, cut: Cut) -> Cut:
        """The page with the faults that end it early or begin the next one too early."""
        service, faults, events = self._service, self._service.faults, cut.events
        if len(events) > 1 and service.strikes("short", faults.short):
            events = events[: service.random.randint(1, len(events) - 1)]
            cut = Cut(events, events[-1].after)
        if faults.split and service.random.random() < faults.split:
            ties = [n for n in range(1, len(events)) if events[n].timestamp == events[n - 1].timestamp]
            if ties:
                service.injected["split"] += 1
                events = events[: service.random.choice(ties)]
                cut = Cut(events, events[-1].after)
        again = service.random.randint(1, 5) if faults.duplicate else 0
        if again and len(events) > again and service.strikes("duplicate", faults.duplicate):
            cut = Cut(events, events[-1 - again].after)
        return cut

    def _same_token_again(self, text: str) -> bool:
        left = self._repeats.pop(text, None)
        faults = self._service.faults
        if left is None:
            if not self._service.strikes("repeat_token", faults.repeat_token):
                return False
            left = self._service.random.randint(1, faults.repeat_most)
        if left == 0:
            return False
        self._repeats[text] = left - 1
        return True


def _bounds(params: Params) -> tuple[int, int | None, int]:
    start, end, most = params.get("startTime", 0), params.get("endTime"), params.get("limit", 10_000)
    if start < 0 or (end is not None and end < start):
        raise invalid("The start time must be 0 or later, and not after the end time.")
    if not 1 <= most <= 10_000:
        raise invalid("limit must have value between 1 and 10000")
    if params.get("startFromHead") is False:
        raise invalid("The fake reads the oldest events first only.")
    return start, end, most
