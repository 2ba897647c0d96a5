"""The statements of the Bedrock router, as it prints them: field for field, in its order.

The router is `services/router/main.py` of `aws-samples/sample-opencode-with-bedrock`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

Fields = Mapping[str, object]

MANTLE_HOST = "bedrock-mantle.us-east-1.api.aws"
CHAT = "/v1/chat/completions"


@dataclass(frozen=True, slots=True)
class Statement:
    """One log statement, before it has a time. Without a level it is text that is not JSON."""

    level: str
    message: str
    fields: Fields

    def line(self, moment: int) -> bytes:
        """The line as printed at `moment`, in microseconds since 1970."""
        if not self.level:
            return self.message.encode() + b"\n"
        printed = (EPOCH + timedelta(microseconds=moment)).isoformat().replace("+00:00", "Z")
        record = {
            "timestamp": printed,
            "level": self.level,
            "logger": "bedrock-router",
            "message": self.message,
        }
        return json.dumps(record | dict(self.fields)).encode() + b"\n"


@dataclass(frozen=True, slots=True)
class Caller:
    """Who the router takes a request to come from. All are empty on paths it does not authenticate."""

    sub: str = ""
    email: str = ""
    auth_source: str = ""

    @property
    def identity(self) -> dict[str, object]:
        """The two fields that name the caller."""
        return {"user_sub": self.sub, "user_email": self.email}


NOBODY = Caller()


def info(message: str, **fields: object) -> Statement:
    """A statement of level INFO."""
    return Statement("INFO", message, fields)


def warning(message: str, **fields: object) -> Statement:
    """A statement of level WARNING."""
    return Statement("WARNING", message, fields)


def raw(text: str) -> list[Statement]:
    """Lines that are not JSON, as the server's own tracebacks."""
    return [Statement("", line, {}) for line in text.splitlines()]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request and the statements that open and close it."""

    request_id: str
    caller: Caller
    user_agent: str
    method: str = "POST"
    path: str = CHAT

    def _fields(self) -> dict[str, object]:
        return {"request_id": self.request_id, "method": self.method, "path": self.path}

    def _who(self) -> dict[str, object]:
        return {"auth_source": self.caller.auth_source} | self.caller.identity

    def started(self) -> Statement:
        """What opens it."""
        return info("Request started", **self._fields(), user_agent=self.user_agent, **self._who())

    def completed(self, status: int, microseconds: int) -> Statement:
        """What closes it after an answer of any status."""
        took = {"status": status, "duration_ms": microseconds // 1000}
        return info("Request completed", **self._fields(), **took, **self._who())

    def failed(self, error: str, microseconds: int) -> Statement:
        """What closes it after an exception in the router itself."""
        took = {"error": error, "duration_ms": microseconds // 1000}
        return Statement("ERROR", "Request failed", self._fields() | took | self._who())


def server_traceback(error: str) -> list[Statement]:
    """What the HTTP server itself prints for a request that failed inside the router."""
    return raw(
        f"""Error handling request from 10.0.31.18
Traceback (most recent call last):
  File "/usr/local/lib/python3.12/site-packages/aiohttp/web_protocol.py", line 510, in _handle_request
  File "/usr/local/lib/python3.12/site-packages/aiohttp/web_app.py", line 569, in _handle
  File "/app/main.py", line 88, in version_gate_middleware
  File "/app/main.py", line 962, in api_key_auth_middleware
  File "/app/main.py", line 1420, in request_logging_middleware
  File "/app/main.py", line 1472, in chat_completions
{error}"""
    )


def process_started() -> list[Statement]:
    """The first words of a router process."""
    return [
        info("Starting Bedrock router", port=8080, mantle_url=f"https://{MANTLE_HOST}", version="1.4.2"),
    ]


def process_warm() -> list[Statement]:
    """What a process says on its first requests."""
    return [
        info("Initialized DynamoDB table", table="opencode-api-keys", region="us-east-1"),
        info("Refreshed Bedrock token", ttl_seconds=3600),
        info("Initialized Bedrock runtime client", region="us-east-1"),
    ]
