"""A recording, played on its own clock."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmwatch.errors import UsageError
from llmwatch.sources.discover import text_of
from llmwatch.sources.envelope import Envelopes, lines_in
from llmwatch.sources.envelopes.text import object_of
from llmwatch.sources.recording import Recording
from llmwatch.sources.source import Source, SourceState, SourceStatus
from llmwatch.store.slice import SLICE_BYTES, Slice

_TIMES = ("timestamp", "@timestamp", "time", "ts")
"""The keys that may hold a line's time."""

_WRAPPED_LINES = 20
"""How many lines of an envelope are asked for their time."""


class ReplaySource(Source):
    """The lines of `path`, each when its time has come.

    The first timestamp is time zero. From the first `read` on, `speed` seconds of the recording pass in a
    second of `clock`.

    A line without a time comes with the line before it; so does one that steps back in time. The file is read
    once, in order; what is added to it while it plays is played too.
    """

    def __init__(self, path: Path, *, clock: Callable[[], datetime], speed: float = 1.0) -> None:
        if not (math.isfinite(speed) and 0 < speed <= 1_000_000):
            raise UsageError(f"--speed {speed:g} is not possible: give a number above 0, up to 1000000.")
        self._recording = Recording(path)
        self._stream = text_of(path.name)
        self._clock = clock
        self._speed = speed
        self._began: datetime | None = None
        stamped = (_time(line) for line in self._recording.beginning.splitlines())
        self._first = next((time for time in stamped if time is not None), None)
        self._due = timedelta(0)
        self._lines = 0
        self._trouble = ""
        self._ended = False
        self._ahead = b""
        self._envelopes = Envelopes()

    def now(self) -> datetime:
        """The recording's own time. It rests at the last line, and at a line that waits to be read."""
        if self._first is None:
            return self._clock()
        return self._first + max(min(self._position(), self._due), timedelta(0))

    def _position(self) -> timedelta:
        """How far the recording has come."""
        if self._began is None:
            return timedelta(0)
        try:
            return (self._clock() - self._began) * self._speed
        except OverflowError:
            return timedelta.max

    def read(self) -> Iterator[Slice]:
        """All lines whose time has come."""
        self._began = self._began or self._clock()
        return self._unwrapped(self._position())

    def finish(self) -> Iterator[Slice]:
        """All the rest, at once."""
        return self._unwrapped(timedelta.max)

    def _unwrapped(self, position: timedelta) -> Iterator[Slice]:
        for piece in self._released(position):
            yield from self._envelopes.unwrap(piece)

    def _released(self, position: timedelta) -> Iterator[Slice]:
        lines: list[bytes] = []
        size = 0
        while self._next() and self._due <= position:
            lines.append(self._ahead)
            size += len(self._ahead)
            self._ahead = b""
            if size >= SLICE_BYTES // 2:
                yield self._slice(lines)
                lines, size = [], 0
        if lines:
            yield self._slice(lines)

    def _slice(self, lines: list[bytes]) -> Slice:
        first = self._lines + 1
        data = b"".join(lines)
        self._lines += len(lines)
        return Slice(self._recording.name, self._stream, first, data)

    def _next(self) -> bool:
        """Whether there is one more line: then `_ahead` is the line and `_due` its time in the recording."""
        if self._ahead:
            return True
        if self._ended:
            return False
        try:
            line = self._recording.line(SLICE_BYTES // 2)
        except OSError as error:
            self._trouble = f"{self._recording.name} cannot be read further: {error.strerror or error}."
            return False
        self._trouble = self._recording.complaint
        torn = bool(self._trouble) and not line.endswith(b"\n")
        self._ended = not line or torn
        if self._ended:
            return False
        # A line without an end is the last one, or one longer than any log's, which goes on in pieces.
        self._ahead = line if line.endswith(b"\n") else line + b"\n"
        time = _time(line)
        if time is not None:
            self._first = self._first or time
            self._due = max(self._due, time - self._first)
        return True

    @property
    def ended(self) -> bool:
        """Whether the last line was given."""
        return self._ended

    def states(self) -> tuple[SourceState, ...]:
        """How the recording fares; its bytes tell how far it has come."""
        status: SourceStatus = "error" if self._trouble else "ended" if self._ended else "live"
        recording = self._recording
        return (SourceState(recording.name, status, self._trouble, recording.position, recording.size),)

    def close(self) -> None:
        """Let go of the file."""
        self._ended = True
        self._ahead = b""
        self._recording.close()


def _time(line: bytes) -> datetime | None:
    """The time a line tells, in UTC; of an envelope, the time that a line in it tells, before its own."""
    wrapped = lines_in(line, _WRAPPED_LINES)
    told = (_told(object_of(inner) or {}) for inner in wrapped)
    time = next((time for time in told if time is not None), None)
    if time is None and (record := object_of(line)) is not None:
        return _told(record) or (_stamped(record) if wrapped else None)
    return time


def _told(record: dict[str, object]) -> datetime | None:
    told = next((told for key in _TIMES if isinstance(told := record.get(key), str)), "")
    try:
        time = datetime.fromisoformat(told)
        return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _stamped(record: dict[str, object]) -> datetime | None:
    """The time of an event, in milliseconds since 1970."""
    stamp = record.get("timestamp")
    try:
        return datetime.fromtimestamp(stamp / 1000, UTC) if type(stamp) is int else None
    except (ValueError, OverflowError, OSError):
        return None
