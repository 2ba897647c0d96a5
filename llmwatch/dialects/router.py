"""The Bedrock router of `aws-samples/sample-opencode-with-bedrock`: one JSON object a line.

It serves the OpenAI chat API and sends Anthropic models to Bedrock Converse and all others to Bedrock Mantle.
Anthropic's token counts exclude the cache, Mantle's include it.
"""

from llmwatch.dialects.dialect import Dialect, quoted
from llmwatch.dialects.router_insights import HUNG_UP, ROUTER_INSIGHTS

_KINDS = {
    "Request started": "start",
    "Request completed": "end",
    "Request failed": "end",
    "Model mapped": "model",
    "Routing decision": "model",
    "Routing to Converse API": "model",
    "Calling Converse API": "model",
    "Calling ConverseStream API": "model",
    "Forwarding to Bedrock Mantle": "model",
    "Converse API response": "usage",
    "Stream usage emitted": "usage",
    "Mantle non-streaming response": "usage",
    "Mantle streaming complete": "usage",
    "Starting Bedrock router": "process",
    "API key created": "security",
    "API key revoked": "security",
    "Client version rejected": "security",
}

_NAME_CALLERS = (
    "Request started",
    "Request completed",
    "Request failed",
    "Forwarding to Bedrock Mantle",
    "Stream usage emitted",
    "Mantle non-streaming response",
    "Mantle streaming complete",
)
"""Statements with `user_sub` and `user_email`; those of a caller nobody knows may be blank or null."""

_PROVIDER = "bedrock"

_CACHED = "coalesce(usage.prompt_tokens_details.cached_tokens, 0)"
_PROMPT = "coalesce(input_tokens, prompt_tokens)"
_COMPLETION = "coalesce(output_tokens, completion_tokens)"
_ANTHROPIC = f"({_PROMPT} IS NOT NULL OR {_COMPLETION} IS NOT NULL)"

ROUTER = Dialect(
    name="router",
    title="Bedrock router",
    columns={
        "timestamp": "TIMESTAMPTZ",
        "level": "VARCHAR",
        "logger": "VARCHAR",
        "message": "VARCHAR",
        "request_id": "VARCHAR",
        "path": "VARCHAR",
        "user_sub": "VARCHAR",
        "user_email": "VARCHAR",
        "requested_model": "VARCHAR",
        "mapped_model": "VARCHAR",
        "model": "VARCHAR",
        "input_tokens": "BIGINT",
        "output_tokens": "BIGINT",
        "prompt_tokens": "BIGINT",
        "completion_tokens": "BIGINT",
        "cache_read_tokens": "BIGINT",
        "cache_write_tokens": "BIGINT",
        "usage": "STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT, "
        "prompt_tokens_details STRUCT(cached_tokens BIGINT))",
        "status": "INTEGER",
        "duration_ms": "BIGINT",
        "error": "VARCHAR",
        "type": "VARCHAR",
        "region": "VARCHAR",
        "mantle_url": "VARCHAR",
    },
    sign=b'"logger":',
    recognised="message IS NOT NULL AND (logger = 'bedrock-router' OR (logger IS NULL AND level IS NOT NULL "
    "AND timestamp IS NOT NULL AND request_id IS NOT NULL))",
    kinds=_KINDS,
    mapping={
        "time": "CASE WHEN isfinite(timestamp) THEN timestamp::TIMESTAMP END",
        "level": "level",
        "message": "message",
        "request_id": "request_id",
        "identified": " OR ".join(f"message = {quoted(message)}" for message in _NAME_CALLERS),
        "user": "coalesce(nullif(trim(user_email), ''), nullif(trim(user_sub), ''))",
        "requested_model": "nullif(requested_model, '')",
        "model": "nullif(coalesce(mapped_model, model), '')",
        "provider": quoted(_PROVIDER),
        "region": r"coalesce(region, nullif(regexp_extract(mantle_url, 'bedrock-mantle\.([a-z0-9-]+)\.', 1), ''))",
        "path": "path",
        "chat": "path = '/v1/chat/completions'",
        "http_status": "status",
        "latency_ms": "duration_ms",
        "error": "error",
        "error_type": r"coalesce(type, nullif(regexp_extract(error, '\((\w+)\) when calling', 1), ''))",
    },
    tokens={
        "input_tokens": f"CASE WHEN {_ANTHROPIC} THEN {_PROMPT} "
        f"ELSE greatest(usage.prompt_tokens::HUGEINT - {_CACHED}, 0) END",
        "cache_read_tokens": f"CASE WHEN {_ANTHROPIC} THEN coalesce(cache_read_tokens, 0) ELSE {_CACHED} END",
        "cache_write_tokens": f"CASE WHEN {_ANTHROPIC} THEN coalesce(cache_write_tokens, 0) ELSE 0 END",
        "output_tokens": f"CASE WHEN {_ANTHROPIC} THEN {_COMPLETION} ELSE usage.completion_tokens END",
    },
    hung_up=HUNG_UP,
    provider=_PROVIDER,
    insights=ROUTER_INSIGHTS,
)
