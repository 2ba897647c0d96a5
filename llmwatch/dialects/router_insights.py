"""The Bedrock router's lines in Logs Insights QL: the same meaning as `router.ROUTER` gives them in SQL."""

from llmwatch.dialects.dialect import InsightsMapping

_TRIMMED = r"[^ ][\s\S]*[^ ]|[^ ]"
"""All from the first character to the last that is no space; a text without one does not match and stays unknown.

The names of groups are letters alone: not every kind of regular expression takes more.
"""

_TELLS_ANTHROPIC = " or ".join(
    f"ispresent({name})" for name in ("input_tokens", "prompt_tokens", "output_tokens", "completion_tokens")
)
_UNKNOWN = "0 - 1"
"""Whether the language has negative numbers is documented nowhere; that it subtracts is."""

_ANTHROPIC = "line_anthropic = 1"
_CACHED = "coalesce(usage.prompt_tokens_details.cached_tokens, 0)"

HUNG_UP = "Cannot write to closing transport"
"""In the error of a call whose client hung up."""

ROUTER_INSIGHTS = InsightsMapping(
    recognised='ispresent(message) and ispresent(request_id) and ((ispresent(logger) and logger = "bedrock-router") '
    "or (not ispresent(logger) and ispresent(level) and ispresent(timestamp)))",
    unreadable='not ispresent(message) and strcontains(@message, "bedrock-router") = 1',
    commands=(
        f"parse user_email /(?<lineemail>{_TRIMMED})/",
        f"parse user_sub /(?<linesub>{_TRIMMED})/",
        "fields coalesce(lineemail, linesub) as line_user, coalesce(mapped_model, model) as line_named",
        r"parse line_named /(?<linemodel>[\s\S]+)/",
        f"fields if({_TELLS_ANTHROPIC}, 1, 0) as line_anthropic",
    ),
    columns={
        "request_id": "request_id",
        "time": "timestamp",
        "user": "line_user",
        "model": "linemodel",
        "http_status": "status",
        "latency_ms": "duration_ms",
        "chat": 'ispresent(path) and path = "/v1/chat/completions"',
        "failed": 'ispresent(level) and level = "ERROR"',
        "hung_up": f'ispresent(error) and strcontains(error, "{HUNG_UP}") = 1',
    },
    tokens={
        "input_tokens": f"if({_ANTHROPIC}, coalesce(input_tokens, prompt_tokens, {_UNKNOWN}), "
        f"greatest(coalesce(usage.prompt_tokens, 0) - {_CACHED}, 0))",
        "cache_read_tokens": f"if({_ANTHROPIC}, coalesce(cache_read_tokens, 0), {_CACHED})",
        "cache_write_tokens": f"if({_ANTHROPIC}, coalesce(cache_write_tokens, 0), 0)",
        "output_tokens": f"if({_ANTHROPIC}, coalesce(output_tokens, completion_tokens, {_UNKNOWN}), "
        f"coalesce(usage.completion_tokens, {_UNKNOWN}))",
    },
)
