"""The fold of calls that share a request id and overlap in time: who owns which line.

The id is the client's to choose, so one value may be several people's at once. These rules are those of the
router's own order of statements (router-logs, rules 2 and 3): between some of them it never yields, so the lines
around one that does not name its caller tell whose it is. Nearly all ids have one call and never come here.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

_CLOCK_TOLERANCE = timedelta(milliseconds=3)
"""A duration is logged in whole milliseconds, cut off, and its clock is read a moment after the start is logged."""


_LOOK_BACK = 100
"""Calls among which the owner of a usage line is looked for that came after its call's end."""


class Tokens(NamedTuple):
    """The disjoint token columns; None is unknown."""

    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None


UNKNOWN_TOKENS = Tokens(None, None, None, None)


class CallLine(NamedTuple):
    """One event of a call, as the fold reads it from the store."""

    request_id: str
    seq: int
    slice_id: int
    stream_id: int
    dialect: str
    time: datetime | None
    kind: str
    identified: bool
    user: str | None
    requested_model: str | None
    model: str | None
    provider: str | None
    path: str | None
    chat: bool | None
    http_status: int | None
    latency_ms: int | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    failure: str | None
    error: str | None
    error_type: str | None

    @property
    def tokens(self) -> Tokens:
        """What a usage line tells."""
        return Tokens(self.input_tokens, self.cache_read_tokens, self.cache_write_tokens, self.output_tokens)

    @property
    def names_caller(self) -> bool:
        """Starts and ends always do, even those that name nobody; other events speak of other people too."""
        return self.kind in ("start", "end") or (self.identified and self.kind in ("model", "usage"))


@dataclass(slots=True, eq=False)
class OverlappingCall:
    """A call while its lines are gathered, and after."""

    user: str | None
    identified: bool
    stream_id: int
    started: datetime | None
    path: str | None
    lines: list[CallLine] = field(default_factory=list)
    model: str | None = None
    forwarded: bool = False
    """Its own line said to which model it was sent."""
    ambiguous: bool = False
    """Another call of the same person was open at once and the usage could be of either model."""
    usage: CallLine | None = None
    end: CallLine | None = None
    over: bool = False

    def add(self, line: CallLine) -> None:
        """Take a line that is this call's."""
        self.lines.append(line)
        if line.kind == "usage":
            self.usage = line
        if line.kind == "end":
            self.end, self.over = line, True
        if line.model is not None:
            self.model = line.model

    @property
    def chat(self) -> bool:
        """Whether it may have called a model: its path does, or was not seen."""
        paths = [line for line in self.lines if line.path is not None]
        return not paths or any(line.chat for line in paths)


def fold_overlapping(lines: Iterable[CallLine]) -> list[OverlappingCall]:
    """The calls of one request id. `lines` are in order of time, then of arrival; `process` lines among them."""
    fold = _Fold()
    for line in lines:
        fold.take(line)
    return fold.finish()


class _Fold:
    def __init__(self) -> None:
        self._calls: list[OverlappingCall] = []
        self._active: list[OverlappingCall] = []
        """Those that are not over; an id may have thousands that are."""
        self._block: list[CallLine] = []
        """Lines that name a model and no caller, written in one breath, while more of them may come."""
        self._homeless: list[list[CallLine]] = []
        """Such blocks that may be of several people's calls, until a line with the same model tells whose."""
        self._responses: list[CallLine] = []
        """Usage without a caller: it belongs to the caller on the next line."""
        self._unsure: list[tuple[CallLine, list[OverlappingCall]]] = []
        """Usage and the calls of its caller that it may be of: it goes to the one of them that ends next."""
        self._errors: list[CallLine] = []
        """Errors without a caller: they belong to a call that ends soon."""

    def take(self, line: CallLine) -> None:
        if line.kind == "process":
            ended = [call for call in self._active if call.stream_id == line.stream_id]
            if ended:
                self._place_all()
            for call in ended:
                call.over = True
        elif line.names_caller:
            self._take_identified(line)
        elif line.kind == "model":
            if self._block and _begins_anew(line, self._block[-1]):
                self._place_block()
            self._block.append(line)
        else:
            self._place_block()
            self._take_unidentified(line)

    def finish(self) -> list[OverlappingCall]:
        self._place_all()
        return self._calls

    def _take_identified(self, line: CallLine) -> None:
        if line.kind != "model":
            self._place_block()
        if line.kind == "start":
            call = self._begin(line)
        elif line.kind == "usage":
            candidates = self._could_have_used(line)
            if len(candidates) > 1:
                self._unsure.append((line, candidates))
                return
            call = candidates[0] if candidates else self._owner(line)
            self._adopt_block(call, line)
        else:
            call = self._owner(line)
        if line.kind == "model":
            call.forwarded = True
            self._hand(self._block, call)
        for response in self._responses:
            self._adopt_block(call, response)
        self._hand(self._responses, call)
        if line.kind == "end":
            self._hand(self._errors, call)
            self._hand_unsure(call)
            self._exchange_guess(call, line)
        call.add(line)

    def _begin(self, line: CallLine, *, identified: bool = True) -> OverlappingCall:
        """A call of which this is the first line seen; it is still to be added."""
        call = OverlappingCall(
            line.user if identified else None, identified, line.stream_id, line.time, line.path
        )
        self._calls.append(call)
        self._active.append(call)
        return call

    def _take_unidentified(self, line: CallLine) -> None:
        open_calls = self._open(line)
        if line.kind == "usage":
            self._responses.append(line)
        elif len(open_calls) == 1:
            open_calls[0].add(line)
        elif line.failure:
            self._errors.append(line)
        elif open_calls:
            open_calls[-1].add(line)

    def _open(self, line: CallLine) -> list[OverlappingCall]:
        """Open calls of the line's process; of any, if that has none (the log may be several files of one)."""
        self._active = [call for call in self._active if not call.over]
        return [call for call in self._active if call.stream_id == line.stream_id] or list(self._active)

    def _owner(self, line: CallLine) -> OverlappingCall:
        """The call of a line that names its caller. One whose start was not seen begins here."""
        calls = self._open(line)
        candidates = [call for call in calls if call.identified and call.user == line.user]
        if line.kind == "usage":
            candidates = self._ended_without_usage(line)
        elif line.kind == "model":
            candidates = _could_be_sent_to(line.model, candidates) or candidates[::-1]
        if not candidates and line.user is None:
            candidates = [call for call in calls if line.kind == "end"]
        if not candidates:
            nobodys = (call for call in calls if call.user is None and call.usage is None)
            call = next(nobodys, None) or self._begin(line)
            call.user, call.identified = line.user, True
            return call
        if line.kind == "end":
            return min(candidates, key=lambda call: self._unlikeliness(call, line))
        return candidates[0]

    def _could_have_used(self, line: CallLine) -> list[OverlappingCall]:
        """The open calls of its caller that a usage line may be of, by the models they were sent to."""
        calls = [call for call in self._open(line) if call.identified and call.user == line.user]
        without = [call for call in calls if call.usage is None and call.chat]
        if line.model is not None:
            same = [call for call in without if call.model == line.model]
            return same or [call for call in without if call.model is None] or without
        forwarded = [call for call in without if call.forwarded] or without
        if len({call.model for call in forwarded}) > 1:
            for call in forwarded:
                call.ambiguous = True
        return forwarded

    def _ended_without_usage(self, line: CallLine) -> list[OverlappingCall]:
        """A usage line that came after its call's end: their times may be equal, or the log out of order."""
        return [
            call
            for call in self._calls[: -_LOOK_BACK - 1 : -1]
            if call.end is not None and call.user == line.user and call.usage is None and not _failed(call)
        ]

    def _unlikeliness(self, call: OverlappingCall, end: CallLine) -> tuple[bool, bool, bool, timedelta]:
        """How badly a call fits its end line.

        By path and the response just before it, by the time it took, by whether it got as far as the end says.
        """
        other_call = end.path is not None and call.path not in (None, end.path)
        for response in self._responses:
            other_call |= call.usage is not None or call.model not in (None, response.model)
        went_well = end.failure is None and (end.http_status or 0) < 400
        used = call.usage is not None or any(call in candidates for _, candidates in self._unsure)
        misfit = not used and (went_well or _modelled(call))
        if call.started is None or end.time is None or end.latency_ms is None:
            return other_call, True, misfit, timedelta.max
        off = abs(end.time - call.started - timedelta(milliseconds=end.latency_ms))
        return other_call, off > _CLOCK_TOLERANCE, misfit, off

    def _hand_unsure(self, call: OverlappingCall) -> None:
        """The oldest usage it may be the owner of, if the call has none of its own."""
        if call.usage is None:
            for place, (usage, candidates) in enumerate(self._unsure):
                if call in candidates:
                    del self._unsure[place]
                    call.add(usage)
                    return

    def _exchange_guess(self, call: OverlappingCall, end: CallLine) -> None:
        """A call that ends well has had its usage: if another call of its caller was given it on a guess, that."""
        if call.usage is None and end.failure is None and (end.http_status or 0) < 400:
            for other in self._open(end):
                if (
                    other.user == call.user
                    and other.usage is not None
                    and not (other.forwarded or call.forwarded)
                ):
                    call.lines[1:], other.lines[1:] = other.lines[1:], call.lines[1:]
                    call.usage, other.usage = other.usage, call.usage
                    call.model, other.model = other.model, call.model
                    return

    def _place_block(self) -> None:
        """Give the lines that name a model to the call they can be of, if they can be of one person's only."""
        if not self._block:
            return
        open_calls = self._open(self._block[0])
        candidates = [call for call in open_calls if call.chat]
        if len(candidates) != 1:
            candidates = _could_be_sent_to(self._block[-1].model, candidates)
        if candidates and len({call.user for call in candidates}) == 1:
            self._hand(self._block, candidates[0])
        elif candidates:
            self._homeless.append(list(self._block))
        elif not open_calls:
            self._hand(self._block, self._begin(self._block[0], identified=False))
        self._block.clear()

    def _adopt_block(self, call: OverlappingCall, usage: CallLine) -> None:
        """A usage line with the model of a homeless block tells whose it is."""
        if usage.model is not None and not _modelled(call):
            for place, block in enumerate(self._homeless):
                if block[-1].model == usage.model:
                    del self._homeless[place]
                    self._hand(block, call)
                    return

    def _place_homeless(self) -> None:
        """A block nothing more was heard of is some call's that has no model: it reached one, unknown which."""
        for block in self._homeless:
            calls = [call for call in self._calls if call.chat and not call.forwarded and not _modelled(call)]
            calls = [call for call in calls if call.usage is None]
            if calls:
                self._hand([line._replace(model=None, requested_model=None) for line in block], calls[0])
        self._homeless.clear()

    def _place_all(self) -> None:
        """Nothing more comes for these lines: tokens go to the one open call there is, else to nobody."""
        self._place_block()
        for usage, candidates in self._unsure:
            self._hand([usage], next((call for call in candidates if call.usage is None), candidates[0]))
        self._unsure.clear()
        for pending in (self._responses, self._errors):
            if pending:
                open_calls = self._open(pending[0])
                if len(open_calls) != 1:
                    open_calls = [self._begin(pending[0], identified=False)]
                self._hand(pending, open_calls[0])
        self._place_homeless()

    def _hand(self, pending: list[CallLine], call: OverlappingCall) -> None:
        """A call has one usage line; a second is of another call of that caller, whose start was not seen."""
        for line in pending:
            if line.kind == "usage" and call.usage is not None:
                other = self._begin(line, identified=False)
                other.user, other.identified, other.over = call.user, call.identified, call.over
                other.add(line)
            else:
                call.add(line)
        pending.clear()


def _begins_anew(line: CallLine, before: CallLine) -> bool:
    """Whether a line that names a model is the first of another call's, not the next of the same."""
    return line.model != before.model or (line.requested_model is not None and before.requested_model is None)


def _could_be_sent_to(model: str | None, calls: Sequence[OverlappingCall]) -> list[OverlappingCall]:
    """Calls that are not known to have gone to another model, the newest first: most are sent on at once."""
    waiting = [call for call in calls if call.chat and not call.forwarded and call.usage is None]
    return [call for call in reversed(waiting) if call.model in (None, model)]


def _failed(call: OverlappingCall) -> bool:
    return any(line.failure for line in call.lines)


def _modelled(call: OverlappingCall) -> bool:
    return any(line.kind == "model" for line in call.lines)
