"""One line of bytes, read as the router's reference says: what it states, of which request, by whom."""

import codecs
import json
import math
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import Enum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

LOGGER = "bedrock-router"

# Statements that carry the identity of their request. Security events name a sub too, but their request's own
# lines do not, so it says nothing about whose request it is.
WITH_IDENTITY = frozenset(
    {
        "Request started",
        "Request completed",
        "Request failed",
        "Stream usage emitted",
        "Forwarding to Bedrock Mantle",
        "Mantle non-streaming response",
        "Mantle streaming complete",
    }
)

# The fields by which a statement is known when the line names no logger. Older lines have no identity, so it
# is not among them.
FIELDS = {
    "Request started": ("request_id", "method", "path"),
    "Request completed": ("request_id", "method", "path", "status", "duration_ms"),
    "Request failed": ("request_id", "method", "path", "error", "duration_ms"),
    "Model mapped": ("request_id", "requested_model", "mapped_model"),
    "Routing decision": ("request_id", "requested_model", "mapped_model", "route"),
    "Routing to Converse API": ("request_id", "model", "stream"),
    "Calling Converse API": ("request_id", "model"),
    "Converse API response": ("request_id", "model", "input_tokens", "output_tokens"),
    "Converse API call failed": ("request_id", "error", "type"),
    "Calling ConverseStream API": ("request_id", "model"),
    "Stream usage emitted": ("request_id", "model", "prompt_tokens", "completion_tokens"),
    "ConverseStream failed": ("request_id", "error", "type"),
    "Forwarding to Bedrock Mantle": ("request_id", "model", "stream"),
    "Mantle non-streaming response": ("request_id", "status", "has_usage", "usage"),
    "Mantle streaming complete": ("request_id", "has_usage", "usage"),
    "Mantle response not JSON-parseable": ("request_id", "status"),
    "Bedrock Mantle request failed": ("request_id", "error"),
    "Failed to get Bedrock token": ("request_id", "error"),
    "Client version rejected": ("client_version", "minimum_version", "path"),
    "Starting Bedrock router": ("port", "version"),
}


class Unread(Enum):
    """Why a line states nothing."""

    BLANK = "blank"
    MALFORMED = "malformed"
    UNRECOGNISED = "unrecognised"


@dataclass(frozen=True)
class Line:
    """One statement of the router. `request_id` None: it belongs to no request."""

    message: str
    fields: "Mapping[str, object]"
    time: datetime | None
    request_id: str | None
    user: str | None

    @property
    def has_identity(self) -> bool:
        """Whether `user` says who the request is by (None then means: nobody known, and that is said)."""
        return self.message in WITH_IDENTITY

    @property
    def is_error(self) -> bool:
        return self.fields.get("level") == "ERROR"

    @property
    def error(self) -> str:
        return text(self.fields.get("error")) or ""

    @property
    def model(self) -> str | None:
        """The Bedrock id the line names."""
        return text(self.fields.get("model")) or text(self.fields.get("mapped_model"))

    @property
    def status(self) -> int | None:
        return whole(self.fields.get("status"))

    @property
    def place(self) -> tuple[str | None, str | None]:
        """Method and path."""
        return text(self.fields.get("method")), text(self.fields.get("path"))

    @property
    def duration_ms(self) -> float | None:
        value = self.fields.get("duration_ms")
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            return None
        return value


def read(raw: bytes) -> Line | Unread:
    """What a line says, or why it says nothing."""
    raw = raw.removeprefix(codecs.BOM_UTF8)
    if not raw.strip():
        return Unread.BLANK
    try:
        value: object = json.loads(decode(raw), strict=False)
        if not isinstance(value, dict):
            return Unread.MALFORMED
        if not is_statement(value):
            return Unread.UNRECOGNISED
        return Line(
            message=value["message"],
            fields=value,
            time=instant(value.get("timestamp")),
            request_id=text(value.get("request_id"), blank_is_none=False),
            user=text(value.get("user_email")) or text(value.get("user_sub")),
        )
    except (ValueError, RecursionError):
        return Unread.MALFORMED


def decode(raw: bytes) -> str:
    """Text of a line; a byte that is not UTF-8 becomes the text of its escape (JSON strings too)."""
    pieces = []
    while raw:
        try:
            pieces.append(raw.decode("utf-8"))
            break
        except UnicodeDecodeError as bad:
            pieces.append(raw[: bad.start].decode("utf-8"))
            pieces.extend(f"\\\\x{byte:02x}" for byte in raw[bad.start : bad.end])
            raw = raw[bad.end :]
    return "".join(pieces)


def is_statement(value: "Mapping[str, object]") -> bool:
    """Whether the router made this line."""
    message = value.get("message")
    if not isinstance(message, str):
        return False
    if value.get("logger") is None:
        return message in FIELDS and all(field in value for field in FIELDS[message])
    return value["logger"] == LOGGER


def text(value: object, *, blank_is_none: bool = True) -> str | None:
    """Any JSON value as text: strings as they are, null as None, the rest as compact JSON."""
    if value is None:
        return None
    if not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False, separators=(",", ":"))
    return None if blank_is_none and not value.strip() else value


def whole(value: object) -> int | None:
    """A JSON integer; true and false are none."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def count(value: object) -> int | None:
    """A number of tokens: an integer of 0 or more (12.0 is one); everything else is unknown."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    number = whole(value)
    return number if number is not None and number >= 0 else None


def instant(value: object) -> datetime | None:
    """An ISO 8601 time as UTC; without an offset it is UTC already."""
    if not isinstance(value, str):
        return None
    try:
        time = datetime.fromisoformat(value)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
