"""Where the pieces of a log belong: which of them are out of order, or there a second time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from llmwatch.audit.chain.order import Covered, Interval, misplaced
from llmwatch.audit.chain.pieces import Piece


@dataclass(slots=True)
class Placed:
    """The pieces of the chain, in the order of the files."""

    pieces: list[Piece]
    moved: set[Piece] = field(default_factory=set)
    repeated: set[Piece] = field(default_factory=set)
    """Their numbers are those of other lines that are in order."""

    renamed: set[int] = field(default_factory=set)
    """Files that are out of order as a whole."""

    elsewhere: Covered = field(default_factory=Covered)
    """The numbers of lines that were moved."""

    def is_kept(self, piece: Piece) -> bool:
        """Whether it is where it belongs."""
        return piece not in self.moved and piece not in self.repeated


def place(pieces: Sequence[Piece], names: Sequence[str]) -> Placed:
    """Find the fewest lines that are out of order. `names`: of the files."""
    placed = Placed(list(_without_overlaps(pieces)))
    foreign = _foreign(placed.pieces, names)
    chains: dict[object, list[tuple[Piece, Interval]]] = {}
    for piece, chain, interval in _positions(placed.pieces):
        if piece not in foreign:
            chains.setdefault(chain, []).append((piece, interval))
    out = foreign | {
        chain[index][0]
        for chain in chains.values()
        for index in misplaced([interval for _, interval in chain])
    }
    if not out:
        return placed
    there = Covered(
        _numbers(piece) for piece in placed.pieces if piece not in out and piece.sequence is not None
    )
    for piece in placed.pieces:
        if piece not in out:
            continue
        if piece.sequence is not None and there.count(_numbers(piece)):
            placed.repeated.add(piece)
            continue
        placed.moved.add(piece)
        if piece.sequence is not None:
            there.add(_numbers(piece))
            placed.elsewhere.add(_numbers(piece))
    placed.renamed = _whole_files(placed)
    return placed


def _numbers(piece: Piece) -> Interval:
    first = piece.sequence or 0
    return first, first + piece.lines - 1


def _without_overlaps(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Pieces divided where the numbers of another begin or end."""
    largest = -1
    if all(
        piece.sequence is None or largest < piece.sequence <= (largest := piece.last_sequence or 0)
        for piece in pieces
    ):
        yield from pieces
        return
    seen = Covered()
    for piece in pieces:
        part = piece
        if piece.sequence is not None:
            numbers = _numbers(piece)
            for first, last in seen.parts(numbers)[:-1]:
                rest = part.divide(last - first + 1)
                yield part
                part = rest
            seen.add(numbers)
        yield part


def _foreign(pieces: Sequence[Piece], names: Sequence[str]) -> set[Piece]:
    """Those of a file that are on the wrong side of a line which says that it begins a file."""
    foreign: set[Piece] = set()
    in_file: list[Piece] = []
    for piece in pieces:
        if piece.sequence is None:
            continue
        if in_file and in_file[0].file != piece.file:
            in_file = []
        previous = piece.head.link.previous if piece.begins_file and piece.head.link else None
        if previous and in_file:
            if previous.file == names[piece.file]:
                foreign.add(piece)
            else:
                foreign |= {one for one in in_file if (one.last_sequence or 0) <= previous.sequence}
        elif in_file and in_file[-1] in foreign and piece.after is in_file[-1]:
            foreign.add(piece)
        in_file.append(piece)
    return foreign


def _positions(pieces: Sequence[Piece]) -> Iterator[tuple[Piece, object, Interval]]:
    """Each with its chain and its place in that: v2 lines by their numbers, others by what they follow."""
    known: dict[Piece, tuple[object, int]] = {}
    here = set(pieces)
    followed: set[Piece] = set()
    for piece in pieces:
        if piece.sequence is not None:
            yield piece, None, _numbers(piece)
            continue
        path: dict[
            Piece, None
        ] = {}  # an edited line hides what it followed, and so that two pieces go in a ring
        at: Piece | None = piece
        while at is not None and at in here and at not in known and at not in path:
            path[at] = None
            at = at.after
        for one in reversed(path):
            after = one.after
            if after in known and after not in followed:
                followed.add(after)
                chain, place = known[after]
                known[one] = chain, place + after.lines
            else:
                known[one] = one, 0
        chain, first = known[piece]
        yield piece, chain, (first, first + piece.lines - 1)


def _whole_files(placed: Placed) -> set[int]:
    """Files of which everything is out of order, and nothing is there a second time."""
    kept = {piece.file for piece in placed.pieces if piece not in placed.moved}
    return {piece.file for piece in placed.moved} - kept
