"""The audit log of OpenRouter clients: an entry a line, and an entry is a whole call.

Entries may be plain, chained (with `chain_hash` and `signature`) or numbered inside `metadata`: what they say is the
same. They are made when a call is over, and that moment is all they tell of its time. On errors both counts of tokens
are 0 and mean nothing, as everywhere. `prompt_tokens` includes what came from a cache; nothing tells how much that was.
"""

from llmwatch.dialects.dialect import Dialect, quoted

_PROVIDER = "openrouter"

_FAILED = "coalesce(lower(status) <> 'success', error_type IS NOT NULL)"
"""Entries say `success` or `error`; whatever else one may say is no success."""

_MODEL = "nullif(model, '')"
_COUNTED = "(prompt_tokens IS NOT NULL OR completion_tokens IS NOT NULL)"
_NOTE = "starts_with(event_type, 'audit.')"
"""An entry that a writer of the log makes about the log itself."""

_CALL = f"(NOT {_NOTE} AND (event_type = 'chat_completion' OR ({_MODEL} IS NOT NULL AND {_COUNTED})))"
"""Events of other types, as an embedding, are calls if they have what makes one."""

_NO_STATEMENT = "(message IS NULL OR (request_id IS NULL AND logger IS DISTINCT FROM 'bedrock-router'))"
"""Nothing of this is one of the router's statements, whatever collectors of logs have added to an entry."""

OPENROUTER = Dialect(
    name="openrouter",
    title="OpenRouter audit log",
    columns={
        "id": "VARCHAR",
        "timestamp": "TIMESTAMPTZ",
        "event_type": "VARCHAR",
        "user_id": "VARCHAR",
        "model": "VARCHAR",
        "prompt_hash": "VARCHAR",
        "prompt_tokens": "BIGINT",
        "completion_tokens": "BIGINT",
        "latency_ms": "DOUBLE",
        "status": "VARCHAR",
        "error_type": "VARCHAR",
        "chain_hash": "VARCHAR",
        "message": "VARCHAR",
        "request_id": "VARCHAR",
        "logger": "VARCHAR",
    },
    sign=b'"event_type":',
    recognised="id IS NOT NULL AND event_type IS NOT NULL "
    f"AND (prompt_hash IS NOT NULL OR chain_hash IS NOT NULL OR {_COUNTED}) AND {_NO_STATEMENT}",
    other_kind=f"CASE WHEN {_NOTE} THEN 'security' WHEN {_CALL} THEN 'call' ELSE 'info' END",
    failed=_FAILED,
    mapping={
        "time": "CASE WHEN isfinite(timestamp) THEN timestamp::TIMESTAMP END",
        "level": f"CASE WHEN {_FAILED} THEN 'ERROR' ELSE 'INFO' END",
        "message": "event_type",
        "request_id": f"CASE WHEN {_CALL} THEN id END",
        "identified": _CALL,
        "user": "nullif(trim(user_id), '')",
        "requested_model": _MODEL,
        "model": _MODEL,
        "provider": f"CASE WHEN {_CALL} THEN {quoted(_PROVIDER)} END",
        "chat": _CALL,
        "latency_ms": f"CASE WHEN {_CALL} AND isfinite(latency_ms) AND latency_ms >= 0 THEN round(latency_ms) END",
        "error_type": f"CASE WHEN {_FAILED} THEN nullif(error_type, '') END",
    },
    tokens={"input_tokens": "prompt_tokens", "output_tokens": "completion_tokens"},
    provider=_PROVIDER,
)
