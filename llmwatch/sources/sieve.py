"""Lines that cannot match, dropped: between any source and a store that is made for one search."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from llmwatch.errors import SourceError
from llmwatch.sources.envelope import Envelopes
from llmwatch.sources.follower import why
from llmwatch.sources.plain import PlainFile
from llmwatch.sources.pump import read_ahead
from llmwatch.sources.source import OffersFiles, Source, SourceState
from llmwatch.store.slice import SLICE_BYTES, Slice, WholeFile

if TYPE_CHECKING:
    import re2

WHOLE_BYTES = 16 << 20
"""So much of what a source gives first passes whole: of a small log everything is counted exactly."""

BLOCK_BYTES = 1 << 20
"""What is judged at once."""

_DENSE = 20
"""A block in which one line of so many matches passes whole: more slices than that cost more than they save."""

_HITS_OF_FEW_LINES = 32
"""Hits after which it is worth the while to count the lines of a block."""

_GAP_BYTES = 1 << 10
"""Fewer bytes between two lines that pass do too."""

_OF_LINE_ENDS = re.compile(r"\\[AzQ]|(?<!\[)\^|\$")
"""In a pattern without what `_ESCAPED` finds: it may depend on where a line begins or ends."""

_ESCAPED = re.compile(r"\\[^AzQ]", re.DOTALL)
_MAY_BE_BLANK = rb"\n[ \t\r\n\v\f]"
_BLANK_LINE = re.compile(rb"^[ \t\r\v\f]*\n", re.MULTILINE)

Range = tuple[int, int]
"""Where lines begin and end in the bytes of a slice."""


@dataclass(slots=True)
class _Stream:
    """What is to be known of a stream's lines when more of them come."""

    last: deque[Slice]
    """Its last lines, one each, as far as they were dropped; none is blank."""
    owed: int = 0
    """How many lines are still to pass because they are after one that matched."""


@dataclass(slots=True)
class _Sifted:
    """What became of a slice."""

    passed: list[Slice]
    lines: int
    """How many it had."""
    dropped: int = 0
    """How many of them did not pass, blank ones aside."""


class Sieve:
    """A source without lines that some pattern does not match, unless they are near to one that all match.

    It has to be right about what it drops; what passes is looked at again. Patterns are RE2's, of the text of one
    line. A block with bytes that are no UTF-8 passes whole: the store writes them as other text.
    """

    def __init__(self, source: Source, patterns: Sequence[str], *, before: int = 0, after: int = 0) -> None:
        self.lines_passed_over = 0
        """How many lines were dropped, blank ones aside."""
        self._source = source
        self._patterns = [_compiled(pattern.encode()) for pattern in patterns if not _of_line_ends(pattern)]
        self._may_be_blank = _compiled(_MAY_BE_BLANK, never_nl=False)
        self._before, self._after = before, after
        self._streams: dict[str, _Stream] = {}
        self._whole_left = WHOLE_BYTES
        self._files: dict[str, PlainFile] = {}
        """By source, those that are read here."""

    def read(self) -> Iterator[Slice]:
        """What passes of what there is now."""
        files = self._plain_files()
        for file in files:
            yield from self._read_file(file)
        if files and isinstance(self._source, OffersFiles):
            self._source.offer(lambda file: file.source in self._files)
        for piece in read_ahead(self._source.read(), self._source.close):
            yield from self._sift(piece).passed

    def finish(self) -> Iterator[Slice]:
        """What passes of what is left."""
        for piece in self._source.finish():
            yield from self._sift(piece).passed

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._source.ended

    def states(self) -> tuple[SourceState, ...]:
        """The source's own, with how far it is in the files that are read here."""
        return tuple(_seen_here(state, self._files.get(state.name)) for state in self._source.states())

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    # -- files

    def _plain_files(self) -> list[WholeFile]:
        """All that the source has, if it is plain files and nothing else: so they are read in their order."""
        offered: list[WholeFile] = []

        def look(file: WholeFile) -> bool:
            offered.append(file)
            return False

        if isinstance(self._source, OffersFiles) and self._patterns:
            self._source.offer(look)
        return offered if len(offered) == len(self._source.states()) else []

    def _read_file(self, file: WholeFile) -> Iterator[Slice]:
        try:
            plain = PlainFile(file)
            try:
                if plain.is_the_same:
                    self._files[file.source] = plain
                    yield from _joined(self._sift_file(file, plain))
            finally:
                plain.close()
        except OSError as error:
            raise SourceError(why(file.source, error)) from error

    def _sift_file(self, file: WholeFile, plain: PlainFile) -> Iterator[Slice]:
        line, envelopes = 1, Envelopes()
        for data in plain.pieces():
            piece = Slice(file.source, file.stream, line, data)
            lines = None
            for part in envelopes.unwrap(piece):
                sifted = self._sift(part)
                yield from sifted.passed
                lines = sifted.lines if part is piece else None
            line += data.count(b"\n") if lines is None else lines

    def _sift(self, piece: Slice) -> _Sifted:
        if not self._patterns:
            return _Sifted([piece], 0)
        stream = self._streams.get(piece.stream)
        if stream is None:
            stream = self._streams[piece.stream] = _Stream(deque(maxlen=self._before))
        found = self._found_in(piece.data)
        kept, wanted_before = self._with_neighbours(piece.data, found, stream)
        earlier = list(stream.last)[len(stream.last) - wanted_before :] if wanted_before else []
        sifted = self._cut(piece, kept, stream)
        self.lines_passed_over += sifted.dropped - len(earlier)
        passed = [*earlier, *sifted.passed]
        sifted.passed = [one if one.more else replace(one, more=True) for one in passed]
        return sifted

    # -- what matches

    def _found_in(self, data: bytes) -> list[Range]:
        """Lines that all patterns match, with a few others between them."""
        found: list[Range] = []
        is_ascii = data.isascii()
        for start, end in _blocks(data):
            if self._whole_left > 0:
                self._whole_left -= end - start
                _add(found, (start, end))
            elif is_ascii or _is_text(data[start:end]):
                for one in self._found_in_block(data, start, end):
                    _add(found, one)
            else:
                _add(found, (start, end))
        return found

    def _found_in_block(self, data: bytes, start: int, end: int) -> list[Range]:
        first, *others = self._patterns
        found: list[Range] = []
        hits, place = 0, start
        while place < end and (match := first.search(data, place, end - 1)):
            begin = data.rfind(b"\n", place, match.start()) + 1 or place
            place = data.find(b"\n", match.end()) + 1
            if all(pattern.search(data, begin, place - 1) for pattern in others):
                found.append((begin, place))
            hits += 1
            if hits == _HITS_OF_FEW_LINES and data.count(b"\n", start, place) < hits * _DENSE:
                return [(start, end)]
        return found

    # -- and what is near to it

    def _with_neighbours(
        self, data: bytes, found: Sequence[Range], stream: _Stream
    ) -> tuple[list[Range], int]:
        """What passes, and how many lines before this slice do too."""
        kept: list[Range] = []
        missing = 0
        if stream.owed:
            end, stream.owed = _after(data, 0, stream.owed)
            kept.append((0, end))
        for number, (begin, end) in enumerate(found):
            start, lacking = _before(data, begin, self._before)
            missing = missing if number else min(lacking, len(stream.last))
            stop, stream.owed = _after(data, end, self._after)
            _add(kept, (start, stop))
        return kept, missing

    def _cut(self, piece: Slice, kept: Sequence[Range], stream: _Stream) -> _Sifted:
        """The lines that pass, with their numbers."""
        if kept == [(0, len(piece.data))]:
            stream.last.clear()
            return _Sifted([piece], piece.data.count(b"\n"))
        data, line, done = piece.data, piece.first_line, 0
        blank = data[:1].isspace() or self._may_be_blank.search(data) is not None
        sifted = _Sifted([], 0)
        for start, end in (*kept, (len(data), len(data))):
            between = data.count(b"\n", done, start)
            sifted.dropped += between - (_blank_lines(data, done, start) if blank else 0)
            line += between
            if start < end:
                sifted.passed.append(Slice(piece.source, piece.stream, line, data[start:end]))
                line += data.count(b"\n", start, end)
            done = end
        sifted.lines = line - piece.first_line
        if self._before:
            self._remember(piece, kept[-1][1] if kept else 0, line, stream)
        return sifted

    def _remember(self, piece: Slice, start: int, line: int, stream: _Stream) -> None:
        """Keep the last lines that were dropped, which are after `start`; `line` is the one after the slice."""
        data, end = piece.data, len(piece.data)
        last: list[Slice] = []
        while end > start and len(last) < self._before:
            begin = data.rfind(b"\n", start, end - 1) + 1 or start
            line -= 1
            if data[begin:end].strip():
                last.append(Slice(piece.source, piece.stream, line, data[begin:end]))
            end = begin
        if start:
            stream.last.clear()
        stream.last.extend(reversed(last))


def _seen_here(state: SourceState, plain: PlainFile | None) -> SourceState:
    if plain is None:
        return state
    detail = state.detail
    if plain.long_lines:
        detail = (
            f"{detail} {state.name} has {plain.long_lines} lines that are too long; "
            f"{plain.left_out} bytes at their ends are left out."
        ).strip()
    return replace(state, detail=detail, bytes_read=plain.position)


def _joined(slices: Iterator[Slice]) -> Iterator[Slice]:
    """The same lines; where slices follow each other they become one, which a store takes in less time."""
    held: list[Slice] = []
    size = line = 0
    for piece in slices:
        follows = held and piece.source == held[0].source and piece.first_line == line
        if held and not (follows and size + len(piece.data) <= SLICE_BYTES):
            yield _as_one(held)
            held, size = [], 0
        held.append(piece)
        size += len(piece.data)
        line = piece.first_line + piece.data.count(b"\n")
    if held:
        yield _as_one(held)


def _as_one(slices: Sequence[Slice]) -> Slice:
    return (
        slices[0] if len(slices) == 1 else replace(slices[0], data=b"".join(piece.data for piece in slices))
    )


def _compiled(pattern: bytes, *, never_nl: bool = True) -> re2._Regexp:
    import re2

    options = re2.Options()
    options.never_nl = never_nl
    options.never_capture = True
    options.log_errors = False
    return re2.compile(pattern, options)


def _of_line_ends(pattern: str) -> bool:
    """Whether a pattern may depend on where a line begins or ends: the store leaves out white space there.

    Others match in a line of a block just as they do in that line alone.
    """
    return _OF_LINE_ENDS.search(_ESCAPED.sub("", pattern)) is not None


def _blocks(data: bytes) -> Iterator[Range]:
    """Whole lines of about `BLOCK_BYTES`."""
    start = 0
    while start < len(data):
        end = data.find(b"\n", min(start + BLOCK_BYTES, len(data)) - 1) + 1
        yield start, end
        start = end


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _add(ranges: list[Range], one: Range) -> None:
    """Put a range behind others, as a part of the last if it is near."""
    if ranges and one[0] - ranges[-1][1] <= _GAP_BYTES:
        ranges[-1] = ranges[-1][0], max(ranges[-1][1], one[1])
    else:
        ranges.append(one)


def _before(data: bytes, start: int, count: int) -> tuple[int, int]:
    """Where so many lines before `start` begin that are not blank, and how many there are too few."""
    while count and start:
        begin = data.rfind(b"\n", 0, start - 1) + 1
        count -= bool(data[begin:start].strip())
        start = begin
    return start, count


def _after(data: bytes, end: int, count: int) -> tuple[int, int]:
    """Where so many lines after `end` end that are not blank, and how many there are too few."""
    while count and end < len(data):
        begin, end = end, data.find(b"\n", end) + 1
        count -= bool(data[begin:end].strip())
    return end, count


def _blank_lines(data: bytes, start: int, end: int) -> int:
    return sum(1 for _ in _BLANK_LINE.finditer(data, start, end))
