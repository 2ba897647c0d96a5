"""What one repaint of the monitor shows: plain values, taken from the store in one go."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from llmwatch.sources.source import SourceState

if TYPE_CHECKING:
    from llmwatch.query.audited import Audited


@dataclass(frozen=True, slots=True)
class Usage:
    """The columns every table of calls has. None is unknown, which is not zero.

    `unmetered` calls succeeded and nobody knows their tokens; `unpriced` calls have tokens and no price.
    """

    requests: int = 0
    errors: int = 0
    aborted: int = 0
    unfinished: int = 0
    unmetered: int = 0
    input_tokens: int | None = None
    cache_read_tokens: int | None = None
    cache_write_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    unpriced: int = 0
    latency_p50_ms: float | None = None
    latency_p95_ms: float | None = None
    first_seen: datetime | None = None
    last_seen: datetime | None = None
    cost_per_hour_usd: float | None = None
    """Spend of the newest `RATE_WINDOW`, scaled to an hour."""


@dataclass(frozen=True, slots=True)
class TableRow:
    """One group of calls: `key` has a value for each grouping, None where it is not known."""

    key: tuple[str | None, ...]
    usage: Usage


@dataclass(frozen=True, slots=True)
class Table:
    """Groups of calls, best first, and how many groups there are beyond those listed."""

    by: tuple[str, ...]
    rows: tuple[TableRow, ...]
    groups: int
    totals: Usage


@dataclass(frozen=True, slots=True)
class EventRow:
    """One event, or one line that was not understood (`kind` is `malformed` or `unrecognised`)."""

    seq: int
    time: datetime | None
    source: str
    line: int
    level: str | None
    kind: str
    message: str | None
    request_id: str | None
    user: str | None
    model: str | None
    status: int | None
    latency_ms: int | None
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    error: str | None


@dataclass(frozen=True, slots=True)
class Counters:
    """What was read, and all that was not understood; nothing is dropped without a count here."""

    lines: int = 0
    events: int = 0
    calls: int = 0
    other_requests: int = 0
    malformed: int = 0
    unrecognised: int = 0
    late: int = 0
    """Of all log groups, as in `Feed`; files have none. So for `sampled`."""
    sampled: int = 0
    unmetered: int = 0
    """Of `calls`, as in `Usage`. So for `unpriced`."""
    unpriced: int = 0


@dataclass(frozen=True, slots=True)
class Series:
    """One figure over time: its value now, and one value a bucket, oldest first (None: nothing known)."""

    now: float | None
    points: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Kpis:
    """The figures of the strip: of the newest `RATE_WINDOW`, but for `cost_usd`, which is of the whole scope."""

    requests_per_second: Series
    error_percent: Series
    latency_p95_ms: Series
    tokens_per_second: Series
    cost_per_hour_usd: Series
    cost_usd: Series
    active_users: Series


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One tick's worth. A pane that is hidden was not asked for, and its part is None."""

    version: int
    """Changes whenever the store does; the same version is the same picture, but for the clock."""
    now: datetime
    counters: Counters
    sources: tuple[SourceState, ...]
    lag_seconds: float | None
    """The age of the newest event, by the clock; None before the first."""
    kpis: Kpis | None
    users: Table | None
    models: Table | None
    events: tuple[EventRow, ...]
    """The newest events, oldest first: those after `SnapshotRequest.after_seq`, at most `event_limit`."""
    events_total: int
    """How many events and rejected lines the store has; beyond `event_limit` they are not in `events`."""
    last_seq: int = -1
    """The newest line that `events` were chosen from."""
    by_time: bool = False
    """Whether `events` are the newest by their time, as of groups that are filled backwards; else as read."""
    scope_version: int = 0
    """Changes with the scope: what was kept of another is of no use."""
    whole: bool = False
    """Whether `events` are all there are to show, and not only those that are new."""
    audit: Audited | None = None
    """How audit logs fare; None where no entry of one was read."""


@dataclass(frozen=True, slots=True)
class SnapshotRequest:
    """What the screen shows now. `sort_*` is a column of `Usage`, or `key`; `descending` goes with it."""

    panes: frozenset[Literal["kpis", "users", "models", "events", "audit"]]
    users_sort: str = "cost_usd"
    users_descending: bool = True
    models_sort: str = "cost_usd"
    models_descending: bool = True
    row_limit: int = 500
    after_seq: int = -1
    event_limit: int = 2_000
