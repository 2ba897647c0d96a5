"""What a log is made of while it is judged: pieces that hold together, and the damage between them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llmwatch.audit.lines.line import Line, Link

UNKNOWN = "unknown"
"""Stands for the chain hash of a last line that nobody knows any more."""

Relation = Literal["next", "root", "end", "fork", "later", "lost", "given"]
"""How the first line of a piece is linked.

next    to the piece before, or to damage after it
root    to nothing: a chain begins
end     to the last line of an earlier piece that nothing else followed
fork    to an earlier line that something else followed as well
later   to the last line of a piece that stands further on
lost    to a line that is not there
given   not known: the lines were vouched for by other means
"""

Role = Literal["end", "over", "held", "broken", "rehashed", "lost"]
"""What the chain says of damage.

over      the chain goes on over it: it has no place there
held      the chain goes on through it, and it links to the line before
broken    the chain goes on through it, but it does not link to the line before
rehashed  the chain goes on through it as soon as its chain hash is computed anew
lost      the line after it links to nothing that is there, so it may stand for what is gone
end       nothing is known, because the chain before it ends here
"""


@dataclass(frozen=True, slots=True)
class Head:
    """The first line of something, as far as it tells what it follows. Either `before` or `line` is known."""

    before: str | None = None
    """The chain hash that it follows."""

    line: Line | None = None
    link: Link | None = None
    """Of a line that is trusted."""

    @property
    def said(self) -> str | None:
        """The chain hash that it follows, if it need not be tried."""
        if self.link is not None and self.link.begins_file and self.link.previous is not None:
            return self.link.previous.chain
        return self.before

    def fits(self, chain: str) -> bool:
        """Whether it follows the line with this chain hash; `""` stands for the start of a chain."""
        said = self.said
        return chain == said if said is not None else self.line is not None and self.line.follows(chain)


@dataclass(slots=True, eq=False)
class Damage:
    """Lines that are not trusted. More than one: each links to the one before, and none is signed."""

    file: int
    first: int
    lines: int
    head: Head
    chain: str | None
    """Stored in the last line; of one that is no record, what looks like a chain hash in it."""

    linked: bool
    """The first line follows the physical line before, in this file or the one before, or begins a chain."""

    records: int = 1
    """How many lines it may stand for: a newline that is gone makes one of two."""

    flaw: str | None = None
    sequence: int | None = None
    """As the first line claims it."""

    newline: bool = True
    blank: bool = False
    expected: str | None = None
    """The chain hash that the first line would have after the one before."""

    unsure: bool = False
    """It is not trusted because it does not link; there is no signature to tell."""

    nulls: bool = False
    """It is NUL bytes, as far as the first megabyte tells, and has no newline."""

    role: Role = "end"

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.first + self.lines - 1

    @property
    def readable(self) -> bool:
        """Whether it is a record at all."""
        return self.head.line is None or self.head.line.canonical is not None


@dataclass(slots=True, eq=False)
class Piece:
    """Trusted lines, each of which follows the physical line before."""

    file: int
    first: int
    lines: int
    start: int
    end: int
    """Its bytes in the file: the first, and the one after its last."""

    chain: str
    """Of the last line."""

    head: Head
    sequence: int | None = None
    """Of the first line, if these are v2 lines."""

    flaw: str | None = None
    """A class that all of its lines have."""

    relation: Relation = "given"
    after: Piece | None = None
    """What its first line follows, where that is a piece."""

    claimed: bool = False
    """Something follows its last line."""

    damage: list[Damage] = field(default_factory=list)
    """Since the piece before."""

    apart: bool = False
    """It is no part of the chain: its flaw says why."""

    raw: bytes | None = None
    """Its bytes, as far as they may be looked for in other files."""

    sought: bool = True
    """What its first line follows was looked for, and not only among the nearest few."""

    stored: str | None = None
    expected: str | None = None
    """The chain hash of its first line, and the one it would have after the physical line before, if they differ."""

    @property
    def last(self) -> int:
        """The number of its last line."""
        return self.first + self.lines - 1

    @property
    def last_sequence(self) -> int | None:
        """Of its last line."""
        return None if self.sequence is None else self.sequence + self.lines - 1

    @property
    def begins_file(self) -> bool:
        """Whether it says that it is the beginning of a file."""
        return self.head.link is not None and self.head.link.begins_file

    def rest(self, lines: int, start: int, chain: str) -> Piece:
        """What is left without its first lines, the last of which has this chain hash."""
        sequence = None if self.sequence is None else self.sequence + lines
        head = Head(before=chain)
        first = self.first + lines
        return Piece(
            self.file, first, self.lines - lines, start, self.end, self.chain, head, sequence, self.flaw
        )

    def divide(self, lines: int) -> Piece:
        """Keep the first lines, which something follows then; returns the rest. The bytes are not divided."""
        rest = self.rest(lines, self.start, self.chain)
        rest.relation, rest.after, rest.claimed = "next", self, self.claimed
        self.lines, self.claimed = lines, True
        return rest
