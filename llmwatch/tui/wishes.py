"""What the screen wants: snapshots of what it shows, what a row consists of, nothing but what a row stands for."""

from __future__ import annotations

from dataclasses import dataclass

from textual.message import Message

from llmwatch.clean import Clean
from llmwatch.query.detail import DetailKey, DetailKind
from llmwatch.query.found import CallHit
from llmwatch.query.snapshot import EventRow, SnapshotRequest
from llmwatch.tui.panes.columns import UsageLine
from llmwatch.tui.panes.hits import EventHit, row_name


@dataclass
class Wanted(Message):
    """The screen now shows something else: the feed is asked for it."""

    request: SnapshotRequest


@dataclass
class Drilled(Message):
    """A row was opened."""

    kind: DetailKind
    key: DetailKey
    name: Clean


@dataclass
class Narrowed(Message):
    """Everything is to be narrowed to what a row stands for, or to what was searched for; or to all else."""

    text: str = ""
    """A filter as typed; if there is none, the field has this value."""
    field: str = ""
    value: str | None = None
    negated: bool = False


@dataclass
class Located(Message):
    """A line is to be shown among the events."""

    seq: int


def drilled(row: object, dimension: DetailKind) -> Drilled | None:
    """The wish to open a row of events, of hits, or of a table of users or models."""
    if isinstance(row, EventRow | EventHit | CallHit):
        return Drilled("event", row.seq, row_name(row))
    return Drilled(dimension, row.key, row_name(row)) if isinstance(row, UsageLine) else None


def narrowed(row: object, dimension: DetailKind, *, negated: bool) -> Narrowed | None:
    """The wish to see nothing but a row's user, model or request; None where it has none."""
    if isinstance(row, UsageLine):
        return Narrowed(field=dimension, value=row.key, negated=negated)
    event = row.event if isinstance(row, EventHit) else row
    if isinstance(event, EventRow | CallHit) and event.request_id is not None:
        return Narrowed(field="request", value=event.request_id, negated=negated)
    return None
