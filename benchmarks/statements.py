"""What the Bedrock router says of one call, statement by statement."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

_CHAT = {"method": "POST", "path": "/v1/chat/completions"}
_THROTTLED = {
    "error": "An error occurred (ThrottlingException) when calling the ConverseStream operation: "
    "Too many tokens, please wait before trying again.",
    "type": "ThrottlingException",
    "traceback": 'Traceback (most recent call last):\n  File "/app/main.py", line 600\n'
    "botocore.errorfactory.ThrottlingException",
}
_TIMED_OUT = {"error": "Read timeout", "type": "ReadTimeoutError"}
_UNREACHABLE = {"error": "Cannot connect to host bedrock-mantle.us-east-1.api.aws:443"}

Fields = dict[str, object]
Statement = tuple[str, Fields]
"""A message, and the fields that come with it."""

Line = tuple[datetime, bytes]
"""When it is written, and its bytes with the newline."""


@dataclass(frozen=True, slots=True)
class Call:
    """What the dice say about one request."""

    request_id: str
    began: datetime
    took_ms: int
    user_sub: str
    user_email: str
    auth_source: str
    mantle: bool
    """It goes to Bedrock Mantle, not to Converse."""
    requested: str
    model: str
    stream: bool
    fails: bool
    metered: bool
    """Mantle tells its tokens."""
    prompt: int
    completion: int
    cache_read: int
    cache_write: int

    @property
    def who(self) -> Fields:
        """The caller, on the lines that know it."""
        return {"user_sub": self.user_sub, "user_email": self.user_email}

    @property
    def tokens(self) -> Fields:
        """The usage that OpenAI's API has."""
        total = self.prompt + self.completion
        return {"prompt_tokens": self.prompt, "completion_tokens": self.completion, "total_tokens": total}


def lines_of(call: Call) -> list[Line]:
    """All lines of one call, in order: those of its beginning, and the two or so of its end."""
    ended = call.began + timedelta(milliseconds=call.took_ms)
    before, answer = _mantle(call) if call.mantle else _converse(call)
    return [
        *(_line(call.began, call, statement) for statement in (*_opening(call), *before)),
        *(_line(ended, call, statement) for statement in (answer, _closing(call))),
    ]


def _opening(call: Call) -> list[Statement]:
    agent = {"user_agent": "opencode/1.2.0 ai-sdk/5", "auth_source": call.auth_source}
    models: Fields = {"requested_model": call.requested, "mapped_model": call.model}
    return [
        ("Request started", {**_CHAT, **agent, **call.who}),
        ("Model mapped", models),
        ("Routing decision", {**models, "route": "mantle" if call.mantle else "converse"}),
    ]


def _closing(call: Call) -> Statement:
    status = {"status": 502 if call.fails else 200, "duration_ms": call.took_ms}
    return "Request completed", {**_CHAT, **status, "auth_source": call.auth_source, **call.who}


def _mantle(call: Call) -> tuple[list[Statement], Statement]:
    """All models but Anthropic's: what is said before the answer, and with it."""
    forwarded: Fields = {"model": call.model, "stream": call.stream, **call.who}
    before = [("Forwarding to Bedrock Mantle", forwarded)]
    usage: Fields = {"has_usage": call.metered, "usage": call.tokens if call.metered else None, **call.who}
    if call.fails:
        return before, ("Bedrock Mantle request failed", {**_UNREACHABLE})
    if call.stream:
        return before, ("Mantle streaming complete", usage)
    return before, ("Mantle non-streaming response", {"status": 200, **usage})


def _converse(call: Call) -> tuple[list[Statement], Statement]:
    """Anthropic's models: the same."""
    model: Fields = {"model": call.model}
    operation = "ConverseStream" if call.stream else "Converse"
    before: list[Statement] = [
        ("Routing to Converse API", {**model, "stream": call.stream}),
        (f"Calling {operation} API", model),
    ]
    cache: Fields = {"cache_read_tokens": call.cache_read, "cache_write_tokens": call.cache_write}
    if call.fails:
        message = "ConverseStream failed" if call.stream else "Converse API call failed"
        return before, (message, {**(_THROTTLED if call.stream else _TIMED_OUT)})
    if call.stream:
        return before, ("Stream usage emitted", {**model, **call.tokens, **cache, **call.who})
    counts: Fields = {"input_tokens": call.prompt, "output_tokens": call.completion}
    return before, ("Converse API response", {**model, **counts, **cache})


def _line(moment: datetime, call: Call, statement: Statement) -> Line:
    message, fields = statement
    common = {
        "timestamp": f"{moment.isoformat()}Z",
        "level": "ERROR" if message.endswith("failed") else "INFO",
        "logger": "bedrock-router",
        "message": message,
        "request_id": call.request_id,
    }
    return moment, json.dumps({**common, **fields}).encode() + b"\n"
