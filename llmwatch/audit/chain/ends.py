"""The ends of chains that no line follows yet: what an honest line may go on from, besides the line before it."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from itertools import islice

from llmwatch.audit.chain.pieces import Head, Piece

_MOST = 100_000
_NEAREST = 1000
_LEAST = 16


class Budget:
    """How much may be tried for lines that link to nothing near. What one follows is found by trial: a hash for each.

    The first hundred are looked for everywhere; others among the nearest thousand; and once so many were tried that
    they took seconds, only among the nearest few.
    """

    def __init__(self, searches: int = 100, trials: int = 1_000_000) -> None:
        self._searches, self._trials = searches, trials

    def spend(self) -> bool:
        """Whether this search may look everywhere."""
        self._searches -= 1
        return self._searches >= 0

    def trials(self, wanted: int, everything: bool) -> int:
        """How many of the trials that are wanted may be made."""
        most = _NEAREST if self._trials > 0 else _LEAST
        allowed = wanted if everything and wanted <= self._trials else min(wanted, most)
        self._trials -= allowed
        return allowed

    @property
    def is_spent(self) -> bool:
        """Whether only the nearest few are tried."""
        return self._trials <= 0


class Ends:
    """They are kept by chain hash, oldest first; of too many, the oldest are forgotten."""

    def __init__(self) -> None:
        self._budget = Budget()
        self._open: dict[str, Piece] = {}
        self._numbered: dict[int, Piece] = {}

    def add(self, piece: Piece) -> None:
        """A new end."""
        self._open[piece.chain] = piece
        if piece.last_sequence is not None:
            self._numbered[piece.last_sequence] = piece
        if len(self._open) > _MOST:
            self.discard(self._open[next(iter(self._open))])

    def discard(self, piece: Piece) -> None:
        """It is none any more: a line follows it, or it is not to be gone on from."""
        if self._open.get(piece.chain) is piece:
            del self._open[piece.chain]
        if piece.last_sequence is not None and self._numbered.get(piece.last_sequence) is piece:
            del self._numbered[piece.last_sequence]

    def claim(self, piece: Piece) -> None:
        """A line follows it."""
        piece.claimed = True
        self.discard(piece)

    def newest(self) -> Iterator[Piece]:
        """The newest first."""
        return iter(reversed(self._open.values()))

    def find(self, head: Head) -> Piece | None:
        """The one that a line follows."""
        if head.said is not None:
            return self._open.get(head.said)
        if head.link is not None:
            end = self._numbered.get(head.link.sequence - 1)
            return end if end and head.fits(end.chain) else None
        everything = len(self._open) > _NEAREST and self._budget.spend()
        return self._try(head, self.newest(), len(self._open), everything)

    def find_later(self, pieces: Iterable[Piece]) -> Iterator[tuple[Piece, Piece]]:
        """Each of the pieces whose first line follows an end that stands after it, and that end."""
        ends = sorted(self._open.values(), key=_place)
        places = [_place(end) for end in ends]
        for piece in pieces:
            if piece.head.said is not None or piece.sequence is not None:
                end = self.find(piece.head)
            else:
                after = bisect_right(places, _place(piece))
                everything = self._budget.spend()
                end = self._try(piece.head, islice(ends, after, None), len(ends) - after, everything)
            if end and not end.claimed and _place(end) > _place(piece):
                yield piece, end

    def _try(self, head: Head, ends: Iterator[Piece], count: int, everything: bool) -> Piece | None:
        most = self._budget.trials(count, everything)
        return next((end for end in islice(ends, most) if head.fits(end.chain)), None)


def _place(piece: Piece) -> tuple[int, int]:
    return piece.file, piece.first
