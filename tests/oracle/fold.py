"""Lines to calls, one line after the other: the router's rules read so plainly that the eye can check them.

Calls of different request ids, or of different processes, never touch each other. So the lines of a stream
are cut where a process starts, then dealt out by request id, and each pile is walked once, in file order.
"""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Literal

from tests.oracle.lines import Line, Unread, read, text
from tests.oracle.table import Price, Row, group
from tests.oracle.tokens import USAGE, Tokens, tokens_of

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["Call", "Folded", "Outcome", "Price", "Row", "Tokens", "fold", "group"]

Outcome = Literal["ok", "error", "aborted", "unfinished", "open"]
Route = Literal["converse", "mantle"]

PATIENCE = timedelta(minutes=15)
HUNG_UP = "Cannot write to closing transport"
CHAT = ("POST", "/v1/chat/completions")
ENDS = ("Request completed", "Request failed")

# No await lies between a statement and what follows it here: where they do follow, both are of one request,
# and the identity on the one is that of the other.
FOLLOWS = {
    "Model mapped": ("Routing decision",),
    "Routing decision": (
        "Routing to Converse API",
        "Forwarding to Bedrock Mantle",
        "Failed to get Bedrock token",
    ),
    "Routing to Converse API": ("Calling Converse API", "Calling ConverseStream API", "Request failed"),
    "Converse API response": ("Converse API call failed", *ENDS),
    "Converse API call failed": ENDS,
    "Failed to get Bedrock token": ENDS,
}
ROUTING = ("Model mapped", "Routing decision")
ROUTES: "Mapping[str, Route]" = {
    "Routing to Converse API": "converse",
    "Calling Converse API": "converse",
    "Calling ConverseStream API": "converse",
    "Converse API response": "converse",
    "Converse API call failed": "converse",
    "Stream usage emitted": "converse",
    "ConverseStream failed": "converse",
    "Forwarding to Bedrock Mantle": "mantle",
    "Mantle non-streaming response": "mantle",
    "Mantle streaming complete": "mantle",
    "Mantle response not JSON-parseable": "mantle",
    "Bedrock Mantle request failed": "mantle",
}


@dataclass(frozen=True)
class Call:
    """One request. It is an LLM request where `reached_model`; tables show only those."""

    request_id: str
    stream: str
    user: str | None
    model: str | None
    requested_model: str | None
    outcome: Outcome
    status: int | None
    latency_ms: float | None
    tokens: Tokens
    unmetered: bool
    reached_model: bool
    first_seen: datetime | None
    last_seen: datetime | None

    @property
    def input_tokens(self) -> int | None:
        return self.tokens.input

    @property
    def cache_read_tokens(self) -> int | None:
        return self.tokens.cache_read

    @property
    def cache_write_tokens(self) -> int | None:
        return self.tokens.cache_write

    @property
    def output_tokens(self) -> int | None:
        return self.tokens.output


@dataclass
class Folded:
    """All requests of some lines, and where every line went: lines = events + malformed + unrecognised.

    `unowned` counts events of a request that could be any of several.
    """

    calls: list[Call] = field(default_factory=list)
    lines: int = 0
    events: int = 0
    malformed: int = 0
    unrecognised: int = 0
    unowned: int = 0

    @property
    def llm_calls(self) -> int:
        """`counters.calls` of `top`."""
        return sum(call.reached_model for call in self.calls)

    @property
    def other_requests(self) -> int:
        return len(self.calls) - self.llm_calls


@dataclass
class Burst:
    """Lines that follow one another with no await between: they are of one request.

    `next_end`: the end line that comes right after, be it of this request or of another.
    """

    lines: list[Line]
    user: str | None = None
    user_known: bool = False
    next_end: Line | None = None

    def has(self, *messages: str) -> bool:
        return any(line.message in messages for line in self.lines)

    @property
    def route(self) -> Route | None:
        return next((ROUTES[line.message] for line in self.lines if line.message in ROUTES), None)

    @property
    def model(self) -> str | None:
        return next((line.model for line in self.lines if line.model is not None), None)

    @property
    def place(self) -> tuple[str | None, str | None] | None:
        return next((line.place for line in self.lines if line.message in ENDS), None)


@dataclass
class OpenCall:
    """A request as far as it is read. `user_known` False: no line of it has carried an identity yet.

    `lone`: no other line may join it.
    """

    request_id: str
    user: str | None = None
    user_known: bool = False
    lone: bool = False
    place: tuple[str | None, str | None] | None = None
    route: Route | None = None
    forwarded: bool = False
    routed: bool = False
    model: str | None = None
    model_ambiguous: bool = False
    requested_model: str | None = None
    tokens: Tokens = field(default_factory=Tokens)
    usage_seen: bool = False
    usage_due: bool = False
    errors: list[str] = field(default_factory=list)
    end: Line | None = None
    times: list[datetime] = field(default_factory=list)

    def may_own(self, burst: Burst) -> bool:
        """Whether nothing read so far speaks against these lines being of this request."""
        of_chat = self.place in (None, CHAT)
        if burst.has(*ROUTING) and (self.routed or not of_chat):
            return False
        if burst.route is not None and (not of_chat or self.route not in (None, burst.route)):
            return False
        if burst.model is not None and self.model not in (None, burst.model):
            return False
        return burst.place is None or self.place in (None, burst.place)

    def take(self, line: Line) -> None:
        """Learn what one line says."""
        if line.time is not None:
            self.times.append(line.time)
        if line.has_identity:
            self.user, self.user_known = line.user, True
        if line.is_error:
            self.errors.append(line.error)
        if line.message == "Request started":
            self.place = line.place
        if line.message in ENDS:
            self.place, self.end = line.place, line
        if line.message in ROUTING or line.message in ROUTES:
            self.routed = True
            self.route = ROUTES.get(line.message, self.route)
            self.model = line.model or self.model
            self.requested_model = text(line.fields.get("requested_model")) or self.requested_model
        if line.message == "Forwarding to Bedrock Mantle":
            self.forwarded = True
        if line.message in USAGE:
            self.tokens += tokens_of(line)
            self.usage_seen = True
            self.usage_due |= line.status is None or line.status < 400

    def reached_model(self) -> bool:
        status = self.end.status if self.end else None
        return self.routed or (self.place == CHAT and status is not None and status < 400)

    def outcome(self, process_ended: bool, now: datetime) -> Outcome:
        if any(HUNG_UP not in error for error in self.errors):
            return "error"
        if self.errors:
            return "aborted"
        if self.end is not None:
            return "error" if self.end.status is not None and self.end.status >= 400 else "ok"
        if process_ended or (self.times and min(self.times) <= now - PATIENCE):
            return "unfinished"
        return "open"

    def finish(self, stream: str, process_ended: bool, now: datetime) -> Call:
        outcome = self.outcome(process_ended, now)
        reached = self.reached_model()
        return Call(
            request_id=self.request_id,
            stream=stream,
            user=self.user,
            model=None if self.model_ambiguous else self.model,
            requested_model=None if self.model_ambiguous else self.requested_model,
            outcome=outcome,
            status=self.end.status if self.end else None,
            latency_ms=self.end.duration_ms if self.end else None,
            tokens=self.tokens,
            unmetered=reached and not self.tokens.known and (outcome == "ok" or self.usage_due),
            reached_model=reached,
            first_seen=min(self.times, default=None),
            last_seen=max(self.times, default=None),
        )


def fold(lines_by_stream: "Mapping[str, Sequence[bytes]]", now: datetime) -> Folded:
    """Every request of these streams, each stream's lines in the order they were written."""
    folded = Folded()
    for stream, raws in lines_by_stream.items():
        statements = list(keep_statements(raws, folded))
        processes = cut_at_starts(statements)
        for number, process in enumerate(processes, 1):
            for pile in by_request(process):
                for call in walk(pile, folded):
                    folded.calls.append(call.finish(stream, number < len(processes), now))
    return folded


def keep_statements(raws: "Sequence[bytes]", folded: Folded) -> "Iterable[Line]":
    """The router's statements; everything is counted."""
    for raw in raws:
        line = read(raw)
        folded.lines += line is not Unread.BLANK
        folded.malformed += line is Unread.MALFORMED
        folded.unrecognised += line is Unread.UNRECOGNISED
        if isinstance(line, Line):
            folded.events += 1
            yield line


def cut_at_starts(lines: "Sequence[Line]") -> list[list[Line]]:
    """The lines of each process; the last one may still run."""
    processes: list[list[Line]] = [[]]
    for line in lines:
        if line.message == "Starting Bedrock router":
            processes.append([])
        processes[-1].append(line)
    return processes


def by_request(lines: "Sequence[Line]") -> "Iterable[list[Line]]":
    """The lines of each request id, in order. Lines without one are of no request."""
    piles: dict[str, list[Line]] = {}
    for line in lines:
        if line.request_id is not None:
            piles.setdefault(line.request_id, []).append(line)
    return piles.values()


def bursts(pile: "Sequence[Line]") -> list[Burst]:
    """One id's lines, each joined to the one before it where it must be of the same request."""
    joined: list[Burst] = []
    for line in pile:
        if joined and line.message in FOLLOWS.get(joined[-1].lines[-1].message, ()):
            joined[-1].lines.append(line)
        else:
            joined.append(Burst([line]))
    for burst, following in zip(joined, [*joined[1:], None], strict=True):
        first = following.lines[0] if following else None
        burst.next_end = first if first and first.message in ENDS else None
        said_by = next((line for line in burst.lines if line.has_identity), None)
        # Without its call's end line in the log, a Converse response is of whoever speaks next under this id.
        if said_by is None and burst.has("Converse API response") and speaks_on(first):
            said_by = first
        if said_by is not None:
            burst.user, burst.user_known = said_by.user, True
    return joined


def speaks_on(line: Line | None) -> bool:
    """Whether a line says who an already running request is by."""
    return line is not None and line.has_identity and line.message != "Request started"


def walk(pile: "Sequence[Line]", folded: Folded) -> list[OpenCall]:
    """All requests that used one id in one process."""
    calls: list[OpenCall] = []
    for burst in bursts(pile):
        open_calls = [call for call in calls if call.end is None and not call.lone]
        owner = find_owner(burst, open_calls)
        if owner == "new" or owner == "lone":
            owner = OpenCall(pile[0].request_id or "", lone=owner == "lone")
            calls.append(owner)
        elif owner == "nobody":
            folded.unowned += len(burst.lines)
            continue
        if burst.user_known:
            owner.user, owner.user_known = burst.user, True
        for line in burst.lines:
            owner.take(line)
        if burst.has("Forwarding to Bedrock Mantle"):
            doubt_models(owner, open_calls)
    return calls


def find_owner(burst: Burst, open_calls: "Sequence[OpenCall]") -> OpenCall | Literal["new", "lone", "nobody"]:
    """Whose lines these are. "lone": tokens that could be of several, kept as a call of nobody."""
    if burst.has("Request started"):
        return "new"
    able = [call for call in open_calls if call.may_own(burst)]
    if burst.user_known:
        same = [call for call in able if call.user_known and call.user == burst.user]
        able = same or [call for call in able if not call.user_known]
        return likeliest(burst, able) if able else "new"
    if len(able) <= 1:
        return able[0] if able else "new"
    if burst.has("Converse API response"):
        return "lone"
    # An error is logged just before its request ends; what awaits between are small writes that rarely wait.
    ending = [
        call for call in able if burst.next_end and call.user_known and call.user == burst.next_end.user
    ]
    return likeliest(burst, ending) if ending and is_error(burst) else "nobody"


def is_error(burst: Burst) -> bool:
    return any(line.is_error for line in burst.lines)


def likeliest(burst: Burst, able: "Sequence[OpenCall]") -> OpenCall:
    """The oldest fitting one of a person's simultaneous calls under one id.

    The log does not say which it is. Sums by user and model do not depend on it, as long as each call gets
    one usage and one end: an end goes to a call that has had its usage or its error, all else to one that
    has not.
    """
    ends_only = burst.lines[0].message in ENDS and not is_error(burst)
    return min(
        able,
        key=lambda call: (
            burst.model is not None and call.model != burst.model,
            burst.route is not None and call.route != burst.route,
            (call.usage_seen or bool(call.errors)) != ends_only,
        ),
    )


def doubt_models(owner: OpenCall, open_calls: "Sequence[OpenCall]") -> None:
    """Unsettle the models of a person's simultaneous Mantle calls that differ: their usage names none."""
    rivals = [
        call
        for call in open_calls
        if call is not owner and call.forwarded and not call.usage_seen and call.user == owner.user
    ]
    if any(call.model_ambiguous or call.model != owner.model for call in rivals):
        for call in [owner, *rivals]:
            call.model_ambiguous = True
