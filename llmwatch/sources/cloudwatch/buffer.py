"""Events on their way from the threads that fetch them to the one that reads, in bounded memory."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import orjson

from llmwatch.sources.cloudwatch.api import Group, LogEvent
from llmwatch.sources.envelopes.text import line_of
from llmwatch.store.slice import Slice

_MOST_BYTES = 16 << 20


@dataclass(slots=True)
class _Stream:
    lines: list[bytes] = field(default_factory=list)
    records: list[bytes] = field(default_factory=list)
    next_line: int = 1


class Buffer:
    """Gathers events by stream; what is taken out is one slice a stream."""

    def __init__(self, *, keep_records: bool) -> None:
        self._keep_records = keep_records
        self._streams: dict[str, _Stream] = {}
        self._filled: dict[str, _Stream] = {}
        self._bytes = 0
        self._next_turn = self._turn = 0
        self._changed = threading.Condition()
        self._closed = False

    def turn(self) -> int:
        """A place in the order of `put`, each of which must be used: several threads wait there when it is full."""
        with self._changed:
            self._next_turn += 1
            return self._next_turn - 1

    def put(self, group: Group, events: Sequence[LogEvent], turn: int) -> None:
        """Add events in their order; waits for its turn, and while there are too many that nobody has taken."""
        with self._changed:
            self._changed.wait_for(lambda: (self._turn == turn and self._bytes < _MOST_BYTES) or self._closed)
            try:
                for event in events:
                    self._add(group, event)
            finally:
                self._turn += 1
                self._changed.notify_all()

    def _add(self, group: Group, event: LogEvent) -> None:
        name = f"{group.name}/{event.get('logStreamName', '')}"
        line = line_of(event.get("message", ""))
        stream = self._filled.get(name)
        if stream is None:
            stream = self._filled[name] = self._streams.setdefault(name, _Stream())
        stream.lines.append(line)
        self._bytes += len(line)
        if self._keep_records:
            record = _record(group, event)
            stream.records.append(record)
            self._bytes += len(record)

    def take(self) -> Iterator[Slice]:
        """All that has been added since, a slice a stream."""
        with self._changed:
            filled, self._filled, self._bytes = self._filled, {}, 0
            taken = [(name, stream, stream.lines, stream.records) for name, stream in filled.items()]
            for stream in filled.values():
                stream.lines, stream.records = [], []
            self._changed.notify_all()
        for place, (name, stream, lines, records) in enumerate(taken, 1):
            data = b"".join(lines)
            first = stream.next_line
            stream.next_line += data.count(b"\n")
            record = b"".join(records) if records else None
            yield Slice(name, name, first, data, record, more=place < len(taken))

    def wait(self, seconds: float) -> None:
        """Until there is something to take, or so long."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._filled) or self._closed, timeout=seconds)

    @property
    def empty(self) -> bool:
        """Whether there is nothing to take."""
        return not self._filled

    @property
    def full(self) -> bool:
        """Whether those who put must wait."""
        return self._bytes >= _MOST_BYTES

    def close(self) -> None:
        """Let go of whoever waits."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()


def _record(group: Group, event: LogEvent) -> bytes:
    """A line of a recording: the event with all that the service said of it."""
    line = {
        "group": group.name,
        "stream": event.get("logStreamName"),
        "timestamp": event.get("timestamp"),
        "ingestion_time": event.get("ingestionTime"),
        "event_id": event.get("eventId"),
        "message": event.get("message", ""),
    }
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # a lone surrogate, which UTF-8 does not have
        import json

        return json.dumps(line).encode() + b"\n"
