"""One request to the router, played: the lines it logs, where it waits, and what is true of it."""

from collections.abc import Generator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from random import Random
from typing import Protocol

from tests.oracle.call import HUNG_UP, PATIENCE, Outcome
from tests.oracle.hostile import TEXTS
from tests.oracle.tokens import Tokens

Waits = Generator[float, None, int]
"""A handler: yields seconds to wait, returns its HTTP status."""

CHAT_PATH = "/v1/chat/completions"
MODELS = {
    "claude-opus": "us.anthropic.claude-opus-4-6-v1",
    "claude-sonnet": "us.anthropic.claude-sonnet-4-6",
    "bedrock/claude-sonnet-45": "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "kimi-k25": "moonshotai.kimi-k2.5",
    "bedrock/kimi-k25": "moonshotai.kimi-k2.5",
    "deepseek-v3": "deepseek.v3.2",
    "glm-4": "zai.glm-4.7",
    "bedrock/qwen3-coder": "qwen.qwen3-coder-next",
}
UNMAPPED = (
    "openai.gpt-oss-120b",
    "anthropic.claude-haiku-4-5",
    "[/oops]",
    "us.anthropic.\ud800",
    "m" * 5_000,
)


@dataclass(frozen=True)
class Person:
    """An identity as its lines carry it, and the name it must be counted under."""

    email: object
    sub: object
    name: str | None


@dataclass(frozen=True)
class TrueCall:
    """What one request really was.

    `ambiguous` names the fields that no reader can learn from the log, for other requests with its id ran
    meanwhile. `crowded`: the same person's did, so which of the person's calls a line is of cannot be told;
    `user` is then sure, and so are the sums of the tokens.
    """

    request_id: str
    stream: str
    user: str | None
    model: str | None
    requested_model: str | None
    outcome: Outcome
    status: int | None
    latency_ms: int | None
    tokens: Tokens
    unmetered: bool
    reached_model: bool
    first_seen: datetime
    last_seen: datetime
    crowded: bool
    ambiguous: frozenset[str]


class RequestFailedError(Exception):
    """A handler raises: the router logs `Request failed`."""


class Loop(Protocol):
    """What a request needs of the process it runs in."""

    name: str
    random: Random
    clock: datetime
    lines: list[bytes]
    process: int

    def chance(self, share: float) -> bool:
        """Whether something nasty happens."""

    def log(self, message: str, level: object = "INFO", **fields: object) -> None:
        """Write one line."""


class Request:
    """One request: its coroutine, and what is true of it so far."""

    def __init__(self, stream: Loop, person: Person, request_id: str) -> None:
        self.stream = stream
        self.random = stream.random
        self.person = person
        self.request_id = request_id
        self.process = 0
        self.model: str | None = None
        self.requested: str | None = None
        self.route: str | None = None
        self.tokens = Tokens()
        self.usage_logged = False
        self.usage_due = False
        self.failed = False
        self.hung_up = False
        self.waited_after_error = False
        self.status: int | None = None
        self.latency_ms: int | None = None
        self.ended = False
        self.times: list[datetime] = []
        self.first_line = 0
        self.last_line: int | None = None
        self.crowded = False
        self.ambiguous: set[str] = set()

    def chance(self, share: float) -> bool:
        return self.stream.chance(share)

    def seconds(self, *choices: float) -> float:
        """A wait, often too short to matter."""
        return self.random.choice((0.0, *choices)) * self.random.random()

    @property
    def ident(self) -> dict[str, object]:
        return {"user_sub": self.person.sub, "user_email": self.person.email}

    def log(self, message: str, level: object = "INFO", **fields: object) -> None:
        self.stream.log(message, level, request_id=self.request_id, **fields)
        self.times.append(self.stream.clock)

    def error(self, message: str, error: str, **fields: object) -> None:
        """Log an error, of the service or of a client that hung up."""
        self.log(message, "ERROR", error=error, **fields)
        if HUNG_UP in error:
            self.hung_up = True
        else:
            self.failed = True

    def run(self) -> Waits:
        """The router's logging middleware."""
        self.first_line = len(self.stream.lines)
        kind = self.random.random() * (1 if self.chance(1) else 0.8)
        method, path, handler = "POST", CHAT_PATH, self.chat
        if kind > 0.95:
            method, path, handler = "GET", "/v1/models", self.models
        elif kind > 0.9:
            method, path, handler = "POST", "/v1/api-keys", self.create_key
            self.person = Person("", "", None)
        elif kind > 0.85:
            method, path, handler = "POST", TEXTS["window title"], self.not_found
        begun = self.stream.clock
        same = {"method": method, "path": path}
        self.log("Request started", **same, user_agent="opencode/1.2.0", auth_source="jwt", **self.ident)
        try:
            self.status = yield from handler()
        except RequestFailedError as failure:
            self.latency_ms = self.since(begun)
            self.error("Request failed", str(failure), **same, duration_ms=self.latency_ms, **self.ident)
        else:
            self.latency_ms = self.since(begun)
            end = {"status": self.status, "duration_ms": self.latency_ms, "auth_source": "jwt"}
            self.log("Request completed", **same, **end, **self.ident)
        self.ended = True
        return self.status or 500

    def since(self, begun: datetime) -> int:
        return (self.stream.clock - begun) // timedelta(milliseconds=1)

    def models(self) -> Waits:
        yield from ()
        return 200

    def not_found(self) -> Waits:
        yield from ()
        raise RequestFailedError("Not Found")

    def create_key(self) -> Waits:
        yield self.seconds(0.5)
        if self.chance(0.3):
            self.error("Failed to create API key", "throttled")
            return 500
        self.log("API key created", user_sub="sub-key", key_prefix="oc_1234567")
        return 201

    def chat(self) -> Waits:
        yield self.seconds(0.01, 3.0)
        if self.chance(0.05):
            return 400
        if self.chance(0.03):
            raise RequestFailedError("'NoneType' object has no attribute 'startswith'")
        requested = (
            self.random.choice([*MODELS, *UNMAPPED, ""])
            if self.chance(0.3)
            else self.random.choice([*MODELS])
        )
        model = MODELS.get(requested, requested)
        self.requested, self.model = requested or None, model or None
        if requested in MODELS:
            self.log("Model mapped", requested_model=requested, mapped_model=model)
        converse = model.startswith(("anthropic.", "us.anthropic."))
        self.route = "converse" if converse else "mantle"
        self.log("Routing decision", requested_model=requested, mapped_model=model, route=self.route)
        streams = self.random.random() < 0.5
        if not converse:
            return (yield from self.mantle(streams))
        self.log("Routing to Converse API", model=model, stream=streams)
        if self.chance(0.03):
            raise RequestFailedError("'str' object has no attribute 'get'")
        return (yield from (self.converse_stream() if streams else self.converse()))

    def converse(self) -> Waits:
        self.log("Calling Converse API", model=self.model)
        yield self.seconds(1.0, 60.0)
        if self.random.random() < 0.03 or self.chance(0.1):
            self.error(
                "Converse API call failed", "Read timeout", type="ReadTimeoutError", traceback="Traceback"
            )
            return 502
        counts = self.spend(self.converse_usage())
        self.log(
            "Converse API response",
            model=self.model,
            input_tokens=counts[0],
            output_tokens=counts[1],
            cache_read_tokens=counts[2],
            cache_write_tokens=counts[3],
        )
        if self.chance(0.15):
            self.error("Converse API call failed", "'reasoningText'", type="KeyError", traceback="Traceback")
            return 502
        return 200

    def converse_stream(self) -> Waits:
        self.log("Calling ConverseStream API", model=self.model)
        yield self.seconds(0.01)
        if self.chance(0.03):
            raise RequestFailedError(HUNG_UP)
        yield self.seconds(2.0, 900.0)
        if self.random.random() < 0.03 or self.chance(0.1):
            return (yield from self.stream_failed())
        if self.chance(0.1):
            return 200  # a stream that sends no usage
        counts = self.spend(self.converse_usage())
        total = (counts[0] or 0) + (counts[1] or 0)
        self.log(
            "Stream usage emitted",
            model=self.model,
            prompt_tokens=counts[0],
            completion_tokens=counts[1],
            total_tokens=total,
            cache_read_tokens=counts[2],
            cache_write_tokens=counts[3],
            **self.ident,
        )
        yield self.seconds(0.01, 2.0)
        if self.chance(0.1):
            return (yield from self.stream_failed())
        return 200

    def stream_failed(self) -> Waits:
        error = HUNG_UP if self.chance(0.5) else "An error occurred (ThrottlingException)"
        self.error("ConverseStream failed", error, type="SomeError", traceback="Traceback")
        yield from self.flush()
        return 200

    def flush(self) -> Generator[float, None, None]:
        """The small writes between an error and the end, which once in a while do wait."""
        if self.chance(0.1):
            self.waited_after_error = True
            yield self.seconds(0.5)

    def mantle(self, streams: bool) -> Waits:
        if self.chance(0.03):
            self.error("Failed to get Bedrock token", "no credentials")
            return 500
        self.log("Forwarding to Bedrock Mantle", model=self.model, stream=streams, **self.ident)
        yield self.seconds(1.0, 60.0)
        if self.chance(0.03):
            raise RequestFailedError("")  # a time-out has no text
        if self.random.random() < 0.03 or self.chance(0.1):
            return (yield from self.mantle_failed())
        if streams:
            yield self.seconds(1.0, 600.0)
            return (yield from self.mantle_streamed())
        status = 429 if self.chance(0.1) else 200
        if self.chance(0.05):
            self.log("Mantle response not JSON-parseable", "WARNING", status=status)
        else:
            usage = None if status == 429 else self.spend_mantle()
            self.usage_logged = True
            self.log(
                "Mantle non-streaming response",
                status=status,
                has_usage=usage is not None,
                usage=usage,
                **self.ident,
            )
        yield self.seconds(0.01, 0.5)
        return status

    def mantle_streamed(self) -> Waits:
        if not self.chance(0.1):  # the last chunk can be anything; then nothing is logged
            usage = self.spend_mantle()
            self.log("Mantle streaming complete", has_usage=usage is not None, usage=usage, **self.ident)
        yield self.seconds(0.01, 2.0)
        if self.chance(0.1):
            return (yield from self.mantle_failed())
        return 200

    def mantle_failed(self) -> Waits:
        self.error("Bedrock Mantle request failed", HUNG_UP if self.chance(0.5) else "Cannot connect to host")
        yield from self.flush()
        return 502

    def amount(self) -> int:
        """A count of tokens, sometimes more than a float or 32 bits can hold."""
        return (
            self.random.choice((1, 2**53 + 1, 2**62))
            if self.chance(0.05)
            else int(self.random.lognormvariate(7, 1))
        )

    def converse_usage(self) -> Tokens:
        """What Converse counts: input without the cache."""
        read, write = (self.amount() if self.random.random() < 0.4 else 0 for _ in range(2))
        return Tokens(self.amount(), read, write, self.amount())

    def spend(self, tokens: Tokens) -> tuple[int | None, int | None, int | None, int | None]:
        """Take the tokens as spent; returns input, output, cache read and write as the line has them."""
        self.usage_logged = self.usage_due = True
        if self.chance(0.1):
            return self.random.choice(((0, 0, 0, 0), (None, None, None, None), (None, None, 0, 0)))
        if self.chance(0.1):
            self.tokens = replace(tokens, cache_read=0, cache_write=0)
            return tokens.input, tokens.output, None, None
        if self.chance(0.05):
            self.tokens = replace(tokens, output=None)
            return tokens.input, None, tokens.cache_read, tokens.cache_write
        self.tokens = tokens
        return tokens.input, tokens.output, tokens.cache_read, tokens.cache_write

    def spend_mantle(self) -> object:
        """Take tokens as spent; returns the usage as Mantle words it: input with the cache."""
        self.usage_logged = self.usage_due = True
        if self.chance(0.2):
            nothing = {"prompt_tokens": None, "completion_tokens": None}
            zero = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
            nan = {"prompt_tokens": float("nan"), "completion_tokens": float("inf")}
            return self.random.choice((None, {}, nothing, zero, nan, [], "none", 3))
        tokens = Tokens(self.amount(), 0, 0, self.amount())
        usage: dict[str, object] = {
            "prompt_tokens": tokens.input,
            "completion_tokens": tokens.output,
            "total_tokens": (tokens.input or 0) + (tokens.output or 0),
        }
        if self.chance(0.2):
            usage["prompt_tokens_details"] = self.random.choice((None, {}, {"cached_tokens": None}, [], "x"))
        elif self.chance(0.4):
            cached = self.amount()
            tokens = replace(tokens, cache_read=cached)
            usage["prompt_tokens"] = (tokens.input or 0) + cached
            usage["prompt_tokens_details"] = {"cached_tokens": cached}
        elif self.chance(0.05):
            tokens = replace(
                tokens, input=0, cache_read=(tokens.input or 0) + 7
            )  # more from the cache than there was
            usage["prompt_tokens_details"] = {"cached_tokens": tokens.cache_read}
        elif self.chance(0.05):
            tokens = replace(tokens, output=None)
            usage["completion_tokens"] = self.random.choice((None, float("nan"), -3))
        self.tokens = tokens
        return usage

    def truth(self, now: datetime) -> TrueCall:
        """What is true of this request at a time."""
        reached = self.route is not None
        outcome = self.outcome(now)
        return TrueCall(
            request_id=self.request_id,
            stream=self.stream.name,
            user=self.person.name,
            model=self.model,
            requested_model=self.requested,
            outcome=outcome,
            status=self.status,
            latency_ms=self.latency_ms,
            tokens=self.tokens,
            unmetered=reached and self.tokens == Tokens() and (outcome == "ok" or self.usage_due),
            reached_model=reached,
            first_seen=min(self.times),
            last_seen=max(self.times),
            crowded=self.crowded,
            ambiguous=frozenset(self.ambiguous),
        )

    def outcome(self, now: datetime) -> Outcome:
        if self.failed:
            return "error"
        if self.hung_up:
            return "aborted"
        if self.ended:
            return "error" if (self.status or 0) >= 400 else "ok"
        killed = self.process < self.stream.process
        return "unfinished" if killed or min(self.times) <= now - PATIENCE else "open"
