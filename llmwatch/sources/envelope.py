"""Lines whose JSON is wrapped, unwrapped: between any source and the store."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

from llmwatch.sources.envelopes.opening import LINE_OF_A_LOG, Opening
from llmwatch.sources.envelopes.text import line_of
from llmwatch.sources.source import OffersFiles, Source, SourceState
from llmwatch.store.slice import SLICE_BYTES, Slice, WholeFile

__all__ = ["Envelopes", "UnwrappedSource", "line_of", "lines_in"]

_HEAD_LINES = 10_000
"""First lines of a source that are all looked at. Later ones are only if a backslash is in them, which JSON in a string
cannot do without, until one is an envelope; from then on all are. Finding a backslash takes 2 ms for 64 MiB, finding
lines that do not begin as usual 30 ms."""

_MOST_STREAMS = 1000
"""Streams that one source is divided into; lines of further ones stay where they are, as those of no stream do."""

_MOST_BLANKS = 1000
"""Blank lines that stand for lines which were put elsewhere, before a new slice is begun instead."""

_LINE_OVERHEAD = 100
"""Bytes of memory that a line in waiting takes besides its own."""

_BLOCK_BYTES = 1 << 20

_IS_PLAIN = re.compile(LINE_OF_A_LOG).match
_BEFORE_ANOTHER = re.compile(rb"\n(?!" + LINE_OF_A_LOG + rb")")


class Envelopes:
    """Unwraps the slices of one source, in their order.

    A line in an envelope that names no stream is replaced by its message, and keeps its number. Messages of an
    envelope that names one become slices of that stream, numbered from 1 in the file they are in; a blank line
    stays in their place, so that all other lines keep their numbers.
    """

    def __init__(self) -> None:
        self._origins: dict[str, _Origin] = {}
        self._labels: dict[str, str] = {}
        """The first origin of each stream."""

    def unwrap(self, piece: Slice) -> Iterator[Slice]:
        """The same lines, unwrapped; the very same slice if none is wrapped."""
        origin = self._origins.get(piece.source)
        if origin is None or piece.first_line == 1:  # also of a file that took the name of another
            origin = self._origins[piece.source] = _Origin(piece.source, piece.stream, self._labels)
        start = 0 if origin.wrapped else _first_envelope(piece.data, piece.first_line)
        if start is None:
            yield piece
            return
        origin.wrapped = True
        unwrapped = _Unwrapping(origin, piece).slices(start)
        yield from _together(unwrapped if piece.record is None else _recorded(unwrapped, piece), piece)

    def remarks(self) -> dict[str, str]:
        """By source, a sentence about messages that hold no line of a log. From any thread."""
        counts = {origin.source: origin.without_lines for origin in tuple(self._origins.values())}
        return {
            source: f"{source} holds {count} control messages of CloudWatch, which are no lines of a log."
            for source, count in counts.items()
            if count
        }


class UnwrappedSource:
    """A source, with all that is wrapped in its lines unwrapped."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._envelopes = Envelopes()

    def offer(self, take: Callable[[WholeFile], bool]) -> None:
        """The files that do not begin with an envelope; whoever takes one looks at the lines that nobody knows."""
        if isinstance(self._source, OffersFiles):
            self._source.offer(
                lambda file: not _begins_wrapped(file) and take(replace(file, is_wrapped=_is_wrapped))
            )

    def read(self) -> Iterator[Slice]:
        """What there is now."""
        for piece in self._source.read():
            yield from self._envelopes.unwrap(piece)

    def finish(self) -> Iterator[Slice]:
        """What is left."""
        for piece in self._source.finish():
            yield from self._envelopes.unwrap(piece)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._source.ended

    def states(self) -> tuple[SourceState, ...]:
        """The source's own, with what was left out."""
        remarks = self._envelopes.remarks()
        return tuple(
            replace(state, detail=f"{state.detail} {remarks[state.name]}".strip())
            if state.name in remarks
            else state
            for state in self._source.states()
        )

    def close(self) -> None:
        """Close the source."""
        self._source.close()


def lines_in(line: bytes, most: int) -> list[bytes]:
    """The first lines that are wrapped in a line; none where it is no envelope."""
    found: list[bytes] = []
    if not _IS_PLAIN(line):
        Opening(lambda _, wrapped: found.append(wrapped) if len(found) < most else None).open(line)
    return found


def _together(unwrapped: Iterator[Slice], piece: Slice) -> Iterator[Slice]:
    """The same slices, said to be of one time."""
    held: Slice | None = None
    for following in unwrapped:
        if held is not None:
            yield replace(held, more=True)
        held = following
    if held is not None:
        yield held if held.more == piece.more else replace(held, more=piece.more)


def _recorded(unwrapped: Iterator[Slice], piece: Slice) -> Iterator[Slice]:
    """The same slices, the first of them with all that a recording keeps of the piece, the others with nothing."""
    first = next(unwrapped, replace(piece, data=b"\n" * piece.data.count(b"\n")))
    yield first if first is piece else replace(first, record=piece.record)
    for other in unwrapped:
        yield replace(other, record=b"")


def _first_envelope(data: bytes, first_line: int) -> int | None:
    """Where the first line in an envelope begins, among those that are looked at; whole lines, the first's number."""
    head = _end_of_line(data, _HEAD_LINES - first_line) if first_line <= _HEAD_LINES else 0
    opening = Opening(_ignore)
    for start, end in _others(data, 0, head):
        if opening.open(data[start:end]):
            return start
    place = data.find(b"\\", head)
    while place >= 0:
        start = data.rfind(b"\n", 0, place) + 1
        end = data.find(b"\n", place) + 1
        if not _IS_PLAIN(data, start) and opening.open(data[start:end]):
            return start
        place = data.find(b"\\", end)
    return None


def _others(data: bytes, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Lines between two places that do not begin as those of a known log do."""
    if start < end and not _IS_PLAIN(data, start):
        yield start, data.find(b"\n", start) + 1
    for line in _BEFORE_ANOTHER.finditer(data, start, end - 1):
        yield line.end(), data.find(b"\n", line.end()) + 1


def _end_of_line(data: bytes, count: int) -> int:
    """Where the `count`th line ends, from 0, or the last."""
    end = 0
    for _ in range(count + 1):
        end = data.find(b"\n", end) + 1
        if not end:
            return len(data)
    return end


def _ignore(_: str | None, __: bytes) -> None:
    """Takes lines that are only looked for."""


def _begins_wrapped(file: WholeFile) -> bool:
    """Whether a line near the beginning of a file is in an envelope. True too where it cannot be read now."""
    try:
        with open(file.path, "rb") as stream:
            data = stream.read(_BLOCK_BYTES)
    except OSError:
        return True
    return _first_envelope(data[: data.rfind(b"\n") + 1], 1) is not None


def _is_wrapped(line: bytes) -> bool:
    """Whether one line is in an envelope."""
    return not _IS_PLAIN(line) and Opening(_ignore).open(line + b"\n")


@dataclass(slots=True)
class _Stream:
    """The lines of one stream that come from one source."""

    source: str
    name: str
    next_line: int = 1
    waiting: list[bytes] = field(default_factory=list)

    def take_out(self) -> Iterator[Slice]:
        if self.waiting:
            data = b"".join(self.waiting)
            self.waiting = []
            first, self.next_line = self.next_line, self.next_line + data.count(b"\n")
            yield Slice(self.source, self.name, first, data)


@dataclass(slots=True)
class _Origin:
    """A source whose lines may be wrapped."""

    source: str
    stream: str
    labels: dict[str, str]
    wrapped: bool = False
    """Whether any line was."""
    without_lines: int = 0
    streams: dict[str | None, _Stream] = field(default_factory=dict)
    """None: lines of envelopes that hold several and name no stream."""

    def stream_of(self, name: str) -> _Stream | None:
        """Where lines of a stream are gathered; None if there are too many."""
        if name not in self.streams and len(self.streams) < _MOST_STREAMS:
            alone = self.labels.setdefault(name, self.source) == self.source
            self.streams[name] = _Stream(name if alone else f"{name} ({self.source})", name)
        return self.streams.get(name)

    def nameless(self) -> _Stream:
        """Where lines are gathered that have neither a stream nor a place."""
        if None not in self.streams:
            self.streams[None] = _Stream(f"{self.source} (in messages)", self.stream)
        return self.streams[None]


class _Unwrapping:
    """One slice being unwrapped."""

    def __init__(self, origin: _Origin, piece: Slice) -> None:
        self._origin = origin
        self._streams = origin.streams
        self._piece = piece
        self._ready: list[Slice] = []
        self._waiting = 0
        """Bytes of memory that lines take which are in no slice yet."""
        self._line = piece.first_line
        """The number of the next line of the piece."""
        self._first_kept = piece.first_line
        self._kept: list[bytes] = []
        """Lines from `_first_kept` on, up to the last `_blanks` before the next one."""
        self._blanks = 0
        self._in_place: bytes | None = None
        """The line that takes the place of the envelope being opened."""

    def slices(self, start: int) -> Iterator[Slice]:
        """The lines of the piece, of which none before `start` is in an envelope."""
        data = self._piece.data
        opening = Opening(self._take)
        done = 0
        for begin, end in _others(data, start, len(data)):
            self._in_place = None
            if opening.open(data[begin:end]):
                if begin > done:
                    self._keep(data[done:begin])
                self._replace()
                done = end
                if self._waiting >= SLICE_BYTES // 2:
                    self._make_ready()
                if self._ready:
                    yield from self._ready
                    self._ready.clear()
        self._origin.without_lines += opening.without_lines
        if not done:
            yield self._piece
            return
        if done < len(data):
            self._keep(data[done:])
        self._make_ready()
        yield from self._ready

    def _take(self, name: str | None, line: bytes) -> None:
        """Take a line that the envelope being opened holds."""
        stream = None
        if name is not None:
            stream = self._streams.get(name) or self._origin.stream_of(name)
        if stream is None:
            if self._in_place is None:
                self._in_place = line
                return
            stream = self._origin.nameless()
        stream.waiting.append(line)
        self._waiting += len(line) + _LINE_OVERHEAD
        if self._waiting >= SLICE_BYTES:
            self._make_ready()

    def _replace(self) -> None:
        """Put a line, or a blank one, in the place of an envelope."""
        if self._in_place is not None:
            self._keep(self._in_place)
        else:
            self._line += 1
            self._blanks += 1

    def _keep(self, lines: bytes) -> None:
        """Put lines behind those that keep their numbers."""
        if self._kept and self._blanks > _MOST_BLANKS:
            self._make_kept_ready()
        if not self._kept:
            self._first_kept = self._line
        elif self._blanks:
            self._kept.append(b"\n" * self._blanks)
        self._blanks = 0
        self._kept.append(lines)
        self._line += lines.count(b"\n")
        self._waiting += len(lines) + _LINE_OVERHEAD

    def _make_ready(self) -> None:
        self._make_kept_ready()
        for stream in self._origin.streams.values():
            self._ready.extend(stream.take_out())
        self._waiting = 0

    def _make_kept_ready(self) -> None:
        if self._kept:
            piece = self._piece
            self._ready.append(Slice(piece.source, piece.stream, self._first_kept, b"".join(self._kept)))
            self._kept.clear()
