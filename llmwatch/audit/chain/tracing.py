"""Where the first line of a piece is linked, and what that says of the damage before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice

from llmwatch.audit.chain.ends import Ends
from llmwatch.audit.chain.pieces import Damage, Head, Piece, Relation
from llmwatch.audit.entry import chain_hash

_NEAREST, _NEAREST_ANEW = 1000, 100
_BASES = 20
"""Ends of earlier chains after which the chain hash of a damaged first line of a file is computed anew."""


@dataclass(frozen=True, slots=True)
class Place:
    """What a line follows. `index`: damage, by its stored chain hash or, if `anew`, by one computed anew."""

    relation: Relation
    piece: Piece | None = None
    index: int | None = None
    anew: Anew | None = None


@dataclass(frozen=True, slots=True)
class Anew:
    """The chain hash that damage has if it follows `place`."""

    chain: str
    place: Place


@dataclass(slots=True)
class Trace:
    """How the first line of a piece is linked; `origin`: how the chain begins that leads to it through damage."""

    relation: Relation
    after: Piece | None = None
    origin: Relation = "lost"


@dataclass(slots=True)
class Tracer:
    """Looks for what a line follows: the piece `before` it, the damage between, nothing, or an earlier end."""

    before: Piece | None
    damage: Sequence[Damage]
    inside: int
    """The index from which damage stands at the beginning of the file; as many as there are if none does."""

    ends: Ends
    _anew: dict[int, list[Anew]] = field(default_factory=dict)

    def trace(self, head: Head) -> Trace:
        """Find it, and give all damage its role."""
        top = len(self.damage)
        place = self._locate(head, top) or self._locate_anew(head)
        if place is None:
            for one in self.damage:
                one.role = "lost"
            return Trace("lost")
        if place.index is None:
            self._over(place, top)
            return Trace(place.relation, place.piece, place.relation)
        while place is not None and place.index is not None:
            self._mark("over", place.index + 1, top)
            top = place.index
            one = self.damage[top]
            if place.anew is not None:
                one.role, place = "rehashed", place.anew.place
            else:
                place = self._locate(one.head, top)
                one.role = "held" if place else "broken"
        if place is None:
            self._mark("lost", 0, top)
            return Trace("next", self.before)
        self._over(place, top)
        return Trace("next", place.piece, place.relation)

    def _over(self, place: Place, top: int) -> None:
        """The chain goes on over what is between: from the piece before, or from the beginning of the file."""
        self._mark("over", 0 if place.relation == "next" else self.inside, top)
        self._mark("end", 0, 0 if place.relation == "next" else min(self.inside, top))

    def _mark(self, role: str, start: int, end: int) -> None:
        for one in self.damage[start:end]:
            one.role = role  # type: ignore[assignment]

    def _locate(self, head: Head, top: int) -> Place | None:
        if self.before is not None and head.fits(self.before.chain):
            return Place("next", self.before)
        for index in range(top - 1, max(-1, top - 1 - _NEAREST), -1):
            chain = self.damage[index].chain
            if chain and head.fits(chain):
                return Place("next", self.before, index)
        if head.fits(""):
            return Place("root")
        end = self.ends.find(head)
        return Place("end", end) if end else None

    def _locate_anew(self, head: Head) -> Place | None:
        for index in range(max(0, len(self.damage) - _NEAREST_ANEW), len(self.damage)):
            for anew in self._chains_anew(index):
                if head.fits(anew.chain):
                    return Place("next", self.before, index, anew)
        return None

    def _chains_anew(self, index: int) -> list[Anew]:
        """The chain hashes that damage would have after what stands before it."""
        if index not in self._anew:
            line = self.damage[index].head.line
            canonical = line.canonical if line else None
            self._anew[index] = (
                [Anew(chain_hash(chain, canonical), place) for chain, place in self._bases(index)]
                if canonical is not None
                else []
            )
        return self._anew[index]

    def _bases(self, index: int) -> list[tuple[str, Place]]:
        bases: list[tuple[str, Place]] = []
        if index:
            stored = self.damage[index - 1].chain
            if stored:
                bases.append((stored, Place("next", self.before, index - 1)))
            if index - 1 in self._anew:
                bases += [
                    (anew.chain, Place("next", self.before, index - 1, anew))
                    for anew in self._anew[index - 1]
                ]
        if self.before is not None and (not index or not bases):
            bases.append((self.before.chain, Place("next", self.before)))
        if index == self.inside:
            bases.append(("", Place("root")))
            bases += [(end.chain, Place("end", end)) for end in islice(self.ends.newest(), _BASES)]
        return bases
