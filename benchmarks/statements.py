"""What the router says of one call, statement by statement."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

_CHAT = {"method": "POST", "path": "/v1/chat/completions"}
_THROTTLED = (
    "An error occurred (ThrottlingException) when calling the ConverseStream operation: "
    "Too many tokens, please wait before trying again."
)
_TRACEBACK = (
    'Traceback (most recent call last):\n  File "/app/main.py", line 600\nbotocore.errorfactory.ThrottlingException'
)
_UNREACHABLE = "Cannot connect to host bedrock-mantle.us-east-1.api.aws:443"

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class _Call:
    """What the dice say about one request."""

    request_id: str
    who: Fields
    asked: str
    model: str
    stream: bool
    fails: bool
    prompt: int
    completion: int
    cache_read: int
    cache_write: int
    metered: bool


LINESdef _mantle(call: _Call) -> tuple[list[tuple[str, Fields]], tuple[str, Fields]]:
    """Models that are not Anthropic's: what is said before the answer, and what with it."""
    before = [("Forwarding to Bedrock Mantle", {"model": call.model, "stream": call.stream, **call.who})]
    if call.fails:
        return before, ("Bedrock Mantle request failed", {"error": _UNREACHABLE})
    tokens = _tokens(call) if call.metered else None
    usage: Fields = {"has_usage": call.metered, "usage": tokens, **call.who}
    if call.stream:
        return before, ("Mantle streaming complete", usage)
    return before, ("Mantle non-streaming response", {"status": 200, **usage})


def _converse(call: _Call) -> tuple[list[tuple[str, Fields]], tuple[str, Fields]]:
    """Anthropic's models: the same."""
    operation = "ConverseStream" if call.stream else "Converse"
    before: list[tuple[str, Fields]] = [
        ("Routing to Converse API", {"model": call.model, "stream": call.stream}),
        (f"Calling {operation} API", {"model": call.model}),
    ]
    cache = {"cache_read_tokens": call.cache_read, "cache_write_tokens": call.cache_write}
    if call.stream and call.fails:
        failure = {"error": _THROTTLED, "type": "ThrottlingException", "traceback": _TRACEBACK}
        return before, ("ConverseStream failed", failure)
    if call.fails:
        return before, ("Converse API call failed", {"error": "Read timeout", "type": "ReadTimeoutError"})
    if call.stream:
        return before, ("Stream usage emitted", {"model": call.model, **_tokens(call), **cache, **call.who})
    counts = {"input_tokens": call.prompt, "output_tokens": call.completion}
    return before, ("Converse API response", {"model": call.model, **counts, **cache})


def _tokens(call: _Call) -> Fields:
    total = call.prompt + call.completion
    return {"prompt_tokens": call.prompt, "completion_tokens": call.completion, "total_tokens": total}


def _line(moment: datetime, call: _Call, message: str, fields: Fields) -> Line:
    level = "ERROR" if message.endswith("failed") else "INFO"
    text = json.dumps(
        {
            "timestamp": f"{moment.isoformat()}Z",
            "level": level,
            "logger": "bedrock-router",
            "message": message,
            "request_id": call.request_id,
            **fields,
        }
    )
    return moment, text.encode() + b"\n"


