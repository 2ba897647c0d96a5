"""Entries of the OpenRouter audit log: every one that is a call is a whole call, and the same entry twice is one."""

import codecs
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal

from tests.oracle.call import Call
from tests.oracle.lines import count, decode, instant, text
from tests.oracle.tokens import Tokens

HASHES = ("prompt_hash", "chain_hash")
COUNTS = ("prompt_tokens", "completion_tokens")


@dataclass(frozen=True)
class Entry:
    """What an entry says of a call; `request_id` None: it is none."""

    request_id: str | None
    event_type: str
    time: datetime | None
    user: str | None
    model: str | None
    failed: bool
    error_type: str | None
    latency_ms: int | None
    tokens: Tokens

    def call(self, stream: str) -> Call:
        assert self.request_id is not None
        return Call(
            request_id=self.request_id,
            stream=stream,
            user=self.user,
            model=self.model,
            requested_model=self.model,
            outcome="error" if self.failed else "ok",
            status=None,
            latency_ms=self.latency_ms,
            tokens=self.tokens,
            unmetered=not self.failed and not self.tokens.known,
            reached_model=True,
            first_seen=self.time,
            last_seen=self.time,
        )


def is_entry(value: Mapping[str, object]) -> bool:
    """Whether an object is an entry of the audit log."""
    has_hash = any(value.get(name) is not None for name in HASHES)
    named = value.get("id") is not None and value.get("event_type") is not None
    return named and (has_hash or any(count(value.get(name)) is not None for name in COUNTS))


def entry_in(raw: bytes) -> Entry | None:
    """The entry that a JSON object is, which no statement of the router is."""
    value: dict[str, object] = json.loads(decode(raw.removeprefix(codecs.BOM_UTF8)), strict=False)
    return read_entry(value) if is_entry(value) else None


def read_entry(value: Mapping[str, object]) -> Entry:
    """An entry's meaning."""
    event_type = str(value["event_type"])
    model = text(value.get("model"))
    prompt, completion = (count(value.get(name)) for name in COUNTS)
    has_counts = prompt is not None or completion is not None
    is_call = event_type == "chat_completion" or (model is not None and has_counts)
    status, error_type = text(value.get("status")), text(value.get("error_type"))
    failed = error_type is not None if status is None else status.lower() != "success"
    return Entry(
        request_id=str(value["id"]) if is_call and not event_type.startswith("audit.") else None,
        event_type=event_type,
        time=instant(value.get("timestamp")),
        user=text(value.get("user_id")),
        model=model,
        failed=failed,
        error_type=error_type if failed else None,
        latency_ms=milliseconds(value.get("latency_ms")),
        tokens=Tokens(input=prompt, output=completion) if prompt or completion else Tokens(),
    )


def milliseconds(value: object) -> int | None:
    """Whole ones, halves up."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value) or value < 0:
        return None
    return int(Decimal(value).quantize(Decimal(1), ROUND_HALF_UP))
