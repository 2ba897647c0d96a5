"""What a report says: exact values, raw text, and None for what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from llmwatch.audit.findings import Verification
from llmwatch.query.snapshot import Counters, Table, Usage

NO_CHAIN = (
    "No chain was checked (no audit log among the sources): nothing here vouches that the log is whole and as it "
    "was written."
)
UNCHECKED = (
    "No chain was checked, though audit entries were read: llmwatch verify checks them. Nothing here vouches that "
    "they are whole and as they were written."
)
WHOLE_FILES = "The chain is of whole files: lines outside the period were checked too."


@dataclass(frozen=True, slots=True)
class Period:
    """What was asked for, and what is there. A call is of the period in which it began."""

    since: datetime | None
    until: datetime | None
    filter: str | None
    first: datetime | None
    """When the first call in scope began."""
    last: datetime | None
    """When the last one in scope was last heard of."""
    log_first: datetime | None
    """The time of the first line of any request that was read, in scope or not."""
    log_last: datetime | None


@dataclass(frozen=True, slots=True)
class Outcomes:
    """How calls ended; together they are all calls."""

    ok: int
    errors: int
    aborted: int
    unfinished: int
    open: int

    @property
    def judged(self) -> int:
        """The denominator of the success rate: a call that its client left, or that has no end, is no failure."""
        return self.ok + self.errors

    @property
    def success_rate(self) -> float | None:
        """Between 0 and 1; unknown where nothing succeeded or failed."""
        return self.ok / self.judged if self.judged else None


@dataclass(frozen=True, slots=True)
class Latency:
    """In milliseconds, of the `known` calls that tell it, however they ended."""

    known: int
    p50_ms: float | None
    p95_ms: float | None
    mean_ms: float | None
    max_ms: float | None


@dataclass(frozen=True, slots=True)
class TimePoint:
    """The calls that began in one step of a timeline."""

    start: datetime
    ok: int = 0
    errors: int = 0
    other: int = 0
    """Aborted, unfinished and open."""
    cost_usd: float | None = None
    """None without a call that has a price."""

    @property
    def requests(self) -> int:
        """All of them."""
        return self.ok + self.errors + self.other


@dataclass(frozen=True, slots=True)
class Timeline:
    """The period in equal steps, those without a call too; no points where no call has a time."""

    step: timedelta
    points: tuple[TimePoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Share:
    """A part of calls by the name of a model."""

    model: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class ErrorType:
    """The failed calls of one type of error, and on which models, most first."""

    error: str | None
    requests: int
    last_seen: datetime | None
    models: tuple[Share, ...]


@dataclass(frozen=True, slots=True)
class SecurityEvent:
    """A line about keys, versions, access, or the log itself."""

    time: datetime | None
    event: str | None
    user: str | None
    source: str


@dataclass(frozen=True, slots=True)
class EventCount:
    """How often a security event happened."""

    event: str | None
    dialect: str | None
    count: int
    last_seen: datetime | None


@dataclass(frozen=True, slots=True)
class Security:
    """The security events of the period: counts most first, and the newest, newest first."""

    total: int
    by_event: tuple[EventCount, ...]
    newest: tuple[SecurityEvent, ...]


@dataclass(frozen=True, slots=True)
class UnpricedModel:
    """Calls of a model that have tokens and no price."""

    provider: str | None
    model: str | None
    requests: int


@dataclass(frozen=True, slots=True)
class BlindSpots:
    """What the figures cannot see. Lines are of all that was read, for one nobody understands has no time."""

    malformed: int
    unrecognised: int
    late: int | None
    """Events of log groups that came after they had been looked for, and were found. So for `sampled`."""
    sampled: int | None
    unmetered: int
    unpriced: int
    unpriced_models: tuple[UnpricedModel, ...]
    without_user: int
    without_model: int
    without_time: int
    """Calls that match the filter; with a window they are not in scope, for nobody knows their time."""
    unread: tuple[str, ...]
    """Sentences about sources that could not be read, or not to their end."""


@dataclass(frozen=True, slots=True)
class SourceLines:
    """A file or stream that was read, and its lines that are not blank."""

    source: str
    lines: int


@dataclass(frozen=True, slots=True)
class Report:
    """All that a report says, whatever its form. Tables have all their rows."""

    made: datetime
    version: str
    period: Period
    totals: Usage
    outcomes: Outcomes
    latency: Latency
    users: Table
    models: Table
    days: Table
    """In order of time."""
    timeline: Timeline
    errors: tuple[ErrorType, ...]
    security: Security
    blind_spots: BlindSpots
    counters: Counters
    sources: tuple[SourceLines, ...]
    audit_entries: int
    """Lines that are entries of an audit log."""
    chain: Verification | None
    """Of the audit logs among the sources; None where none was verified."""

    @property
    def unattested(self) -> tuple[str, ...]:
        """What is not vouched for; there is always something."""
        if self.chain is None:
            return (UNCHECKED if self.audit_entries else NO_CHAIN,)
        return (*self.chain.coverage.sentences, WHOLE_FILES)
