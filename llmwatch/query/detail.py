"""What a row of the monitor drills into: a user, a model, or one event with its call."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmwatch.query.snapshot import EventRow, Series, Table

DetailKind = Literal["user", "model", "event"]
DetailKey = str | int | None
"""A user or model as the tables have it (None: not known), or the `seq` of an event."""


@dataclass(frozen=True, slots=True)
class GroupDetail:
    """What one row of a table consists of."""

    key: str | None
    table: Table
    """The row's calls grouped the other way: a user by model, a model by user."""
    errors: tuple[EventRow, ...]
    """The newest events that tell of an error, newest first."""
    slowest: tuple[EventRow, ...]
    """The events with the longest latency, longest first."""
    cost: Series
    """Dollars spent: all of them, and one value a bucket."""


@dataclass(frozen=True, slots=True)
class UserDetail(GroupDetail):
    """One user's calls; the table is by model."""


@dataclass(frozen=True, slots=True)
class ModelDetail(GroupDetail):
    """One model's calls; the table is by user."""


@dataclass(frozen=True, slots=True)
class CallRow:
    """The call an event belongs to, folded from all its events."""

    request_id: str | None
    user: str | None
    model: str | None
    outcome: str
    cost_usd: float | None
    price_source: str | None
    latency_ms: int | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None


@dataclass(frozen=True, slots=True)
class EventDetail:
    """One event: its line as it was read, and the call it is part of."""

    raw: str | None
    """The line, exact but for bytes that are not UTF-8; None when it is not kept."""
    events: tuple[EventRow, ...]
    """Every event of the same request, oldest first, this one among them."""
    call: CallRow | None


Detail = UserDetail | ModelDetail | EventDetail
