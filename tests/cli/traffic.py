"""Small logs whose every call is known."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

START = datetime(2026, 2, 27, 16, 47, tzinfo=UTC)
KIMI = "moonshotai.kimi-k2.5"


def call(
    user: str | None,
    request_id: str = "r-1",
    *,
    model: str = KIMI,
    prompt: int = 1000,
    completion: int = 10,
    started: datetime = START,
) -> bytes:
    """The lines of one call of 2 seconds through Mantle, that succeeded."""
    who = {"user_sub": None, "user_email": user}
    place = {"method": "POST", "path": "/v1/chat/completions"}
    ended = started + timedelta(seconds=2)
    usage = {"prompt_tokens": prompt, "completion_tokens": completion}
    named = {"requested_model": "kimi", "mapped_model": model}
    lines = (
        line(started, "Request started", request_id, **place, user_agent="curl/8", **who),
        line(started, "Model mapped", request_id, **named),
        line(started, "Routing decision", request_id, **named, route="mantle"),
        line(started, "Forwarding to Bedrock Mantle", request_id, model=model, stream=True, **who),
        line(ended, "Mantle streaming complete", request_id, has_usage=True, usage=usage, **who),
        line(ended, "Request completed", request_id, **place, status=200, duration_ms=2000, **who),
    )
    return b"".join(lines)


LINES_OF_A_CALL = 6


def line(moment: datetime, message: str, request_id: str, **fields: object) -> bytes:
    """One statement of the router, with its newline."""
    time = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
    head = {"timestamp": time, "level": "INFO", "logger": "bedrock-router", "message": message}
    return json.dumps({**head, "request_id": request_id, **fields}).encode() + b"\n"
