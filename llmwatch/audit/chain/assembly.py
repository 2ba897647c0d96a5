"""The lines of a log put together: which of them hold together, what each piece follows, and what is between."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, suppress
from dataclasses import dataclass, field

from llmwatch.audit.archive import Content
from llmwatch.audit.chain.ends import Budget, Ends
from llmwatch.audit.chain.neighbours import (
    Buffer,
    count_chains,
    find_copy,
    follows_earlier,
    follows_later,
    last_chain,
    same_lines,
)
from llmwatch.audit.chain.pieces import Damage, Head, Piece, Relation
from llmwatch.audit.chain.tracing import Tracer
from llmwatch.audit.entry import chain_hash
from llmwatch.audit.lines.line import Link
from llmwatch.audit.lines.segments import Odd, Run
from llmwatch.errors import SourceError

_MOST_ROOTS = 200_000
_MOST_LOST = 1000
_LONGEST_RAW = 1 << 16
_LONGEST_COPY = 16 << 20
_LONGEST_LINE = 1 << 20

DUPLICATE, DOWNGRADED = "duplicate", "downgraded"


@dataclass(slots=True)
class _Copying:
    """Lines that were there before, as long as they go on as those did."""

    piece: Piece
    other: Buffer
    offset: int
    """Of the line that has to come next."""


@dataclass
class Assembly:
    """Takes the lines of one file after another. `pieces` and `damage` may be taken away in between."""

    reopen: Callable[[int], AbstractContextManager[Content]]
    """The bytes of an earlier file. Raises SourceError."""

    pieces: list[Piece] = field(default_factory=list)
    damage: list[Damage] = field(default_factory=list)
    """After the last piece of the chain."""

    origins: dict[int, Relation] = field(default_factory=dict)
    """How the first line of a file is linked."""

    numbered: bool = False
    """A v2 line was seen."""

    _ends: Ends = field(default_factory=Ends)
    _budget: Budget = field(default_factory=Budget)
    """Of looking through the bytes of files."""

    _roots: dict[str, int] = field(default_factory=dict)
    _lost: list[Piece] = field(default_factory=list)
    _last: Piece | None = None
    _copying: _Copying | None = None
    _file: int = 0
    _data: Buffer = b""
    _inside: int = 0

    def begin(self, file: int, data: Buffer) -> None:
        """The next file."""
        self._file, self._data, self._copying = file, data, None
        self._inside = len(self.damage)
        for piece in self._lost:
            if piece.raw and find_copy(data, piece.raw, None, True) is not None:
                piece.apart, piece.flaw = True, DUPLICATE
                for one in piece.damage:
                    one.role = "end"
                self._ends.discard(piece)
        self._lost = [piece for piece in self._lost if not piece.apart]

    def end(self) -> None:
        """No more lines of this file: what is lost so far may follow what came after it."""
        for piece in self._lost:
            if piece.file == self._file and piece.end - piece.start <= _LONGEST_RAW:
                piece.raw = self._data[piece.start : piece.end]
        for piece, end in self._ends.find_later(self._lost):
            piece.relation, piece.after = "later", end
            self._ends.claim(end)
            for one in piece.damage:
                one.role = "end"
        self._lost = [piece for piece in self._lost if piece.relation == "lost"]
        self._data = b""

    def forget(self) -> None:
        """What was put together so far is judged: keep what the next lines may follow."""
        self.pieces, self.damage, self._lost, self._inside = [], [], [], 0

    def given(self, piece: Piece, first_chain: str | None) -> None:
        """A file that others vouch for."""
        self.numbered |= piece.sequence is not None
        if piece.sequence is None and first_chain:
            self._roots.setdefault(first_chain, piece.file)
        piece.stored = first_chain
        piece.damage, self.damage, self._inside = self.damage, [], 0
        self._append(piece)

    def take_run(self, run: Run, flaw: str | None) -> None:
        """Lines that are trusted."""
        head = Head(before=run.before, link=run.link)
        sequence = run.link.sequence if run.link else None
        self._trusted(
            Piece(self._file, run.line, run.lines, run.start, run.end, run.chain, head, sequence, flaw)
        )

    def take_odd(self, odd: Odd, flaw: str | None) -> None:
        """A line that is trusted; of one with a fragment before it, that is the record."""
        line = odd.line.recovered or odd.line
        if line.chain is None or line.canonical is None:
            raise ValueError("a line without a chain hash is not to be trusted")
        head = Head(line=line.linked(odd.before) or line, link=line.link)
        sequence = line.link.sequence if line.link else None
        piece = Piece(self._file, odd.number, 1, odd.start, odd.end, line.chain, head, sequence, flaw)
        if not odd.follows:
            piece.stored, piece.expected = line.chain, chain_hash(odd.before, line.canonical)
        self._trusted(piece)

    def bytes_of(self, odd: Odd) -> bytes:
        """Without its newline; nothing of a line that is too long to be one."""
        return (
            self._data[odd.start : odd.end].removesuffix(b"\n")
            if odd.end - odd.start <= _LONGEST_LINE
            else b""
        )

    def is_linked(self, odd: Odd) -> bool:
        """Whether the line follows what it may, or something else explains that it does not: it was moved or copied."""
        line = odd.line.recovered or odd.line
        if line.chain is None or line.canonical is None:
            return False
        if odd.follows:
            return True
        head, last = Head(line=line), self._last
        if (line.link is None or line.link.begins_file) and line.follows(""):
            return True
        if (last and head.fits(last.chain)) or self._ends.find(head):
            return True
        return self._is_explained(odd, head, line.link)

    def _is_explained(self, odd: Odd, head: Head, link: Link | None) -> bool:
        """By what is missing before it, by damage before it, or because it was copied or moved."""
        last = self._last
        if link is not None and (
            last is None or last.last_sequence is None or link.sequence > last.last_sequence + 1
        ):
            return True
        if len(self.damage) > self._inside:
            before = self.damage[-1]
            if (
                before.chain is None
                or head.fits(before.chain)
                or (before.expected and head.fits(before.expected))
            ):
                return True
        elif link is None and self._file not in self.origins:
            return True
        raw = self._data[odd.start : odd.end]
        if find_copy(self._data, raw, odd.start, False) is not None:
            return True
        return follows_later(self._data, odd.end, head, self._budget)

    def damaged_run(self, run: Run) -> None:
        """Lines that are not trusted, each of which follows the one before."""
        self._copying = None
        link = run.link
        self.damage.append(
            Damage(
                self._file,
                run.line,
                run.lines,
                Head(before=run.before),
                run.chain,
                linked=True,
                sequence=link.sequence if link else None,
            )
        )

    def damaged_odd(self, odd: Odd, unsure: bool) -> None:
        """A line that is not trusted; `unsure`: because it does not link, since no signature tells."""
        self._copying = None
        line = odd.line
        chain, records = line.chain, 1
        if line.canonical is None:
            raw = self.bytes_of(odd)
            chain, records = last_chain(raw), max(1, count_chains(raw))
        self.damage.append(
            Damage(
                self._file,
                odd.number,
                1,
                Head(line=line),
                chain,
                line.recovered is None and (odd.follows or line.follows("") or self._goes_on(odd)),
                records,
                line.flaw,
                line.link.sequence if line.link else None,
                odd.newline,
                odd.blank,
                chain_hash(odd.before, line.canonical) if line.canonical else None,
                unsure,
                not self._data[odd.start : min(odd.end, odd.start + _LONGEST_LINE)].strip(b"\0"),
            )
        )

    def _goes_on(self, odd: Odd) -> bool:
        """Whether the first line of a file follows the last of the file before."""
        if odd.before:
            return False
        before = self.damage[-1] if self.damage else self._last
        return before is not None and before.chain is not None and odd.line.follows(before.chain)

    def _trusted(self, piece: Piece) -> None:
        if self._copying:
            rest = self._copied(self._copying, piece)
            if rest is None:
                return
            piece = rest
        if piece.sequence is None and self.numbered:
            piece.apart, piece.flaw = True, DOWNGRADED
            self.pieces.append(piece)
            return
        if self._extended(piece):
            return
        inside = self._inside if self._last is None or self._last.file != self._file else len(self.damage)
        trace = Tracer(self._last, self.damage, inside, self._ends).trace(piece.head)
        piece.relation, piece.after = trace.relation, trace.after
        first = self._file not in self.origins
        if first:
            self.origins[self._file] = trace.origin
        if piece.sequence is None and (
            trace.relation == "lost" or self._is_known_root(piece, trace.relation)
        ):
            everything = self._budget.spend()
            if self._begin_copy(piece, everything):
                return
            if trace.relation == "lost" and self._is_forked(piece, everything):
                self._fork(piece, inside, first)
        self.numbered |= piece.sequence is not None
        piece.damage, self.damage, self._inside = self.damage, [], 0
        self._append(piece)

    def _fork(self, piece: Piece, inside: int, first: bool) -> None:
        piece.relation = "fork"
        if first:
            self.origins[self._file] = "fork"
        for index, one in enumerate(self.damage):
            one.role = "over" if index >= inside else "end"

    def _append(self, piece: Piece) -> None:
        if piece.after:
            self._ends.claim(piece.after)
        if piece.relation == "root" and piece.sequence is None and len(self._roots) < _MOST_ROOTS:
            self._roots[self._first_chain(piece)] = self._file
        if piece.relation == "lost" and len(self._lost) < _MOST_LOST:
            self._lost.append(piece)
        self._ends.add(piece)
        self.pieces.append(piece)
        self._last = piece

    def _extended(self, piece: Piece) -> bool:
        """Whether it is no more than the continuation of the last one."""
        last = self._last
        if last is None or self.damage or last.file != piece.file or last.last + 1 != piece.first:
            return False
        if last.flaw != piece.flaw or piece.begins_file or not piece.head.fits(last.chain):
            return False
        next_sequence = None if last.last_sequence is None else last.last_sequence + 1
        if piece.sequence != next_sequence:
            return False
        self._ends.discard(last)
        last.lines += piece.lines
        last.end, last.chain, last.claimed = piece.end, piece.chain, False
        self._ends.add(last)
        return True

    def _is_known_root(self, piece: Piece, relation: Relation) -> bool:
        return relation == "root" and self._first_chain(piece) in self._roots

    def _first_chain(self, piece: Piece) -> str:
        if piece.lines == 1:
            return piece.chain
        return last_chain(self._first_line(piece)) or piece.chain

    def _first_line(self, piece: Piece) -> bytes:
        newline = self._data.find(b"\n", piece.start, piece.end)
        return (
            self._data[piece.start : newline + 1]
            if newline >= 0
            else self._data[piece.start : piece.end] + b"\n"
        )

    def _begin_copy(self, piece: Piece, everything: bool) -> bool:
        """Whether its first line stands elsewhere too; then the lines are taken as copies as long as they are."""
        line = self._first_line(piece)
        offset = find_copy(self._data, line, piece.start, everything)
        other: Buffer | None = self._data
        if offset is None:
            offset, other = 0, self._in_earlier_files(line) if everything else None
        if other is None:
            return False
        copy = piece.rest(0, piece.start, "")
        copy.lines, copy.end, copy.chain = 0, piece.start, last_chain(line) or ""
        copy.apart, copy.flaw = True, DUPLICATE
        self.pieces.append(copy)
        self._copying = _Copying(copy, other, offset)
        self._trusted(piece)
        return True

    def _in_earlier_files(self, line: bytes) -> bytes | None:
        """What stands there from the same line on."""
        for data in self._earlier_files():
            offset = find_copy(data, line, None, True)
            if offset is not None:
                return data[offset : offset + _LONGEST_COPY]
        return None

    def _is_forked(self, piece: Piece, everything: bool) -> bool:
        """Whether it follows an earlier line that another line followed already."""
        if self._budget.is_spent:
            piece.sought = False
            return False
        if follows_earlier(self._data, piece.start, piece.head, self._budget, everything):
            return True
        return everything and any(
            follows_earlier(data, len(data), piece.head, self._budget, everything)
            for data in self._earlier_files()
        )

    def _earlier_files(self) -> Iterator[Buffer]:
        """Those that can still be read, the newest first."""
        for file in reversed(range(self._file)):
            with suppress(SourceError), self.reopen(file) as content:
                yield content.data

    def _copied(self, copying: _Copying, piece: Piece) -> Piece | None:
        """What is left of a piece after lines that are copies; None if all are."""
        copy = copying.piece
        lines, size = 0, 0
        if piece.start == copy.end and piece.sequence is None:
            lines, size = same_lines(self._data, piece.start, piece.end, copying.other, copying.offset)
        if not lines:
            self._copying = None
            return piece
        copying.offset += size
        copy.lines += lines
        copy.end += size
        if lines == piece.lines:
            return None
        self._copying = None
        newline = self._data.rfind(b"\n", piece.start, copy.end - 1)
        chain = last_chain(self._data[max(newline + 1, piece.start) : copy.end]) or ""
        return piece.rest(lines, copy.end, chain)
