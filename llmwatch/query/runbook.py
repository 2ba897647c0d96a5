"""Logs Insights queries that come with llmwatch: what is asked of a gateway's log during an incident.

Most are of the log lines of `aws-samples/sample-opencode-with-bedrock`, the first five in its authors' own words.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class RunbookQuery:
    """A query and what it tells."""

    title: str
    text: str


PLACEHOLDER = "user@example.com"
"""Stands in a query for what a person has to put there."""

_USAGE = """["Stream usage emitted", "Converse API response", "Mantle streaming complete",
    "Mantle non-streaming response"]"""
_INPUT = "coalesce(usage.prompt_tokens, prompt_tokens, input_tokens)"
_OUTPUT = "coalesce(usage.completion_tokens, completion_tokens, output_tokens)"

RUNBOOK: Mapping[str, RunbookQuery] = {
    "converse-tokens": RunbookQuery(
        "Tokens of Converse streams by user and model",
        """\
fields @timestamp, user_email, model, prompt_tokens, completion_tokens
| filter @message like /Stream usage emitted/
| stats sum(prompt_tokens) as total_input, sum(completion_tokens) as total_output by user_email, model
| sort total_input desc""",
    ),
    "mantle-tokens": RunbookQuery(
        "Tokens of Mantle streams by user",
        """\
fields @timestamp, user_email, usage.prompt_tokens, usage.completion_tokens
| filter @message like /Mantle streaming complete/
| stats sum(usage.prompt_tokens) as total_input, sum(usage.completion_tokens) as total_output by user_email
| sort total_input desc""",
    ),
    "slow": RunbookQuery(
        "Requests of over 5 s by path; their lines name no model",
        """\
fields @timestamp, request_id, path, duration_ms, model
| filter message = "Request completed" and duration_ms > 5000
| sort duration_ms desc
| limit 50""",
    ),
    "failures": RunbookQuery(
        "The latest failures",
        """\
fields @timestamp, request_id, message, error, type
| filter message like /failed/ and level = "ERROR"
| sort @timestamp desc
| limit 50""",
    ),
    "warnings": RunbookQuery(
        "The latest warnings, and errors of authentication",
        """\
fields @timestamp, request_id, message, path
| filter level = "WARNING" or (message like /auth/ and level = "ERROR")
| sort @timestamp desc
| limit 50""",
    ),
    "users-and-models": RunbookQuery(
        "Calls and tokens by user and model, each call put together",
        f"""\
filter ispresent(request_id)
| fields coalesce(mapped_model, model) as line_model, {_INPUT} as line_input, {_OUTPUT} as line_output
| stats sortsLast(user_email) as user, sortsLast(line_model) as called, sum(line_input) as call_input,
    sum(line_output) as call_output by request_id
| filter ispresent(called)
| stats count(*) as calls, sum(call_input) as input_tokens, sum(call_output) as output_tokens by user, called
| sort input_tokens desc""",
    ),
    "over-time": RunbookQuery(
        "Calls and tokens over time by user, and model where told",
        f"""\
filter message in {_USAGE}
| stats count(*) as calls, sum({_INPUT}) as input, sum({_OUTPUT}) as output by bin(5m), user_email, model""",
    ),
    "models-over-time": RunbookQuery(
        "Calls over time by model",
        """\
filter message = "Routing decision"
| stats count(*) as calls by bin(5m), mapped_model""",
    ),
    "errors-by-type": RunbookQuery(
        "Errors by what failed and why",
        """\
filter level = "ERROR"
| stats count(*) as errors, count_distinct(request_id) as requests, max(@timestamp) as latest_time by message, type
| sort errors desc""",
    ),
    "slowest-calls": RunbookQuery(
        "The slowest calls, put together: with user and model",
        """\
filter ispresent(request_id)
| fields coalesce(mapped_model, model) as line_model
| stats latest(@timestamp) as ended, sortsLast(user_email) as user, sortsLast(line_model) as called,
    max(status) as last_status, max(duration_ms) as call_ms by request_id
| sort call_ms desc
| limit 20""",
    ),
    "one-user": RunbookQuery(
        f"One user: put an address in place of {PLACEHOLDER}",
        f"""\
fields @timestamp, request_id, message, model, path, status, duration_ms, error
| filter user_email = "{PLACEHOLDER}"
| sort @timestamp desc
| limit 200""",
    ),
}
"""Name → query."""
