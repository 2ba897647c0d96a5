"""A request while it is read, and what it is in the end."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

from tests.oracle.bursts import ENDS, FORWARDING, ROUTES, ROUTING, Burst, Route
from tests.oracle.lines import Line, text
from tests.oracle.tokens import USAGE, Tokens, tokens_of

Outcome = Literal["ok", "error", "aborted", "unfinished", "open"]

PATIENCE = timedelta(minutes=15)
HUNG_UP = "Cannot write to closing transport"
CHAT = ("POST", "/v1/chat/completions")


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


@dataclass(eq=False)
class OpenCall:
    """A request as far as it is read. `user_known` False: no line of it has carried an identity yet.

    `alone`: no other line may join it. `end_doubted`: its end may be that of another call of the person.
    """

    request_id: str
    user: str | None = None
    user_known: bool = False
    alone: bool = False
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
    end_doubted: bool = False
    times: list[datetime] = field(default_factory=list)

    @property
    def is_open(self) -> bool:
        """Whether more lines may come."""
        return self.end is None and not self.alone

    def is_of(self, user: str | None) -> bool:
        """Whether it is known to be this person's."""
        return self.user_known and self.user == user

    def may_own(self, burst: Burst) -> bool:
        """Whether nothing read so far speaks against these lines being of this request."""
        of_chat = self.place in (None, CHAT)
        if burst.has(*ROUTING) and (self.routed or not of_chat):
            return False
        if burst.route is not None and (not of_chat or self.route not in (None, burst.route)):
            return False
        # Forwarding names its person, so it is never missed in a request that was seen from its start on.
        if burst.route == "mantle" and not burst.has(FORWARDING) and self.place and not self.forwarded:
            return False
        if burst.model is not None and self.model not in (None, burst.model):
            return False
        return burst.place is None or self.place in (None, burst.place)

    def take(self, burst: Burst) -> None:
        """Learn what these lines say."""
        if burst.user_known:
            self.user, self.user_known = burst.user, True
        for line in burst.lines:
            self.take_line(line)

    def take_line(self, line: Line) -> None:
        if line.time is not None:
            self.times.append(line.time)
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
        if line.message == FORWARDING:
            self.forwarded = True
        if line.message in USAGE:
            self.tokens += tokens_of(line)
            self.usage_seen = True
            self.usage_due |= line.status is None or line.status < 400

    def hand_end_to(self, other: "OpenCall") -> None:
        """The end, with the errors that led to it, was the other's."""
        other.end, self.end = self.end, None
        other.errors, self.errors = self.errors, other.errors
        other.end_doubted, self.end_doubted = True, False

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
