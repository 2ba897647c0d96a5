"""A search of what was read: what is asked, and what has been found so far."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from llmwatch.query.snapshot import EventRow

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter


@dataclass(frozen=True, slots=True)
class CallHit:
    """A call that matches."""

    seq: int
    """Of its first line."""
    time: datetime | None
    request_id: str | None
    user: str | None
    model: str | None
    status: str
    http_status: int | None
    latency_ms: int | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    cost_usd: float | None
    error: str | None
    source: str
    dialect: str | None


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """What is looked for, in the scope: events, or calls that reached a model. None is all of them."""

    filter: Filter | None
    calls: bool = False
    limit: int = 1_000
    """Hits that are listed, the newest; all are counted."""
    fields: tuple[str, ...] = ()
    """Keys of the JSON of an event's line (`usage.prompt_tokens`), whose values are wanted with it."""


@dataclass(frozen=True, slots=True)
class Found:
    """What a search has found so far. Hits are newest first and only added at the end."""

    events: tuple[EventRow, ...]
    calls: tuple[CallHit, ...]
    values: tuple[tuple[str | None, ...], ...]
    """The wanted fields of each event; empty where none are wanted."""
    matched: int
    examined: int
    """Events, or calls, of the scope that were looked at so far."""
    total: int
    """Events, or calls, of the scope; more than `examined` until it is done."""
    done: bool
    unsearched: int = 0
    """Lines whose text was not kept, and which a search of text could not look into."""
