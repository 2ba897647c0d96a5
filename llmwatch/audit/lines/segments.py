"""The lines of a file as runs of which nothing is to be said, and the odd lines between them.

Every physical line is in exactly one segment, in order, so memory does not grow with the file.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from io import BytesIO
from mmap import mmap
from typing import Protocol

from llmwatch.audit.entry import CHAIN, SIGNATURE
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.blocks import Block, blocks
from llmwatch.audit.lines.fast import FastReader, Place
from llmwatch.audit.lines.line import MALFORMED, RECIPE_ORDER, Line, Link, Order, in_order, read_line

_FIRST_RECORDS = 2


@dataclass(frozen=True, slots=True)
class Run:
    """Lines that are canonical, that each follow the physical line before, and end with a newline.

    They are all plain, or all v2 and numbered one after the other; then only the first may say more than a number
    and a key (`Link.simple`).
    """

    line: int
    """The number of the first; physical lines count from 1."""

    lines: int
    start: int
    """Offset of the first byte."""

    end: int
    """Offset after the last newline."""

    before: str
    """The chain hash that the first line follows; empty at the start of a chain."""

    chain: str
    """The chain hash of the last line."""

    link: Link | None
    """Of the first line; None: these are plain lines."""

    signed: bool | None
    """Every signature is right; False: none is, or there is none; None: they were not checked."""

    kids: Mapping[str, int]
    """Key → how many of the signatures are right under it."""

    @property
    def last_sequence(self) -> int | None:
        """The number of the last line; None for plain ones."""
        return None if self.link is None else self.link.sequence + self.lines - 1


@dataclass(frozen=True, slots=True)
class Odd:
    """A line that is not in any run.

    It does not follow the line before, its number is not the next, it lacks its newline, or has a flaw: also if that
    is nothing worse than `plain` or `alt_canonical`.
    """

    number: int
    """Physical lines count from 1."""

    start: int
    end: int
    """Offset after its newline, if it has one."""

    line: Line
    newline: bool
    blank: bool
    """Nothing but white space; its flaw is `malformed`, since no writer leaves any."""

    before: str
    """The chain hash it was expected to follow: that of the last line before that has one."""

    follows: bool
    """Whether it does; of a fragment with a record glued to it, whether the record does."""


Segment = Run | Odd


class Readable(Protocol):
    """A file, a stream or a memory map, open for reading bytes."""

    def read(self, size: int, /) -> bytes:
        """Up to so many bytes; none at the end."""
        ...


def segments(
    source: bytes | mmap | Readable,
    ring: KeyRing,
    previous: str = "",
    sequence: int | None = None,
    check_signatures: bool = True,
    progress: Callable[[int], object] | None = None,
) -> Iterator[Segment]:
    """All lines of a file.

    Args:
        source: its bytes.
        ring: keys. Without any, signatures are not checked.
        previous: the chain hash that the first line should follow.
        sequence: the number that its first line should have; None: it is plain, or any number will do.
        check_signatures: False looks at the chain alone, also where there are keys.
        progress: is called now and then with how many bytes were read since the last time.

    """
    read = BytesIO(source).read if isinstance(source, bytes) else source.read
    judge: Judge | None = None
    for block in blocks(read):
        judge = judge or Judge(
            ring if check_signatures else KeyRing(), key_order(block.data), previous, sequence
        )
        yield from judge.judge(block)
        if progress:
            progress(block.size)
    if judge:
        yield from judge.finish()


def key_order(data: bytes) -> Order:
    """The order of the top-level keys in a file that begins so.

    The recipe's, unless both of the first two records have another: programs that changed the recipe wrote them.
    """
    orders = [order for line in data.split(b"\n", _FIRST_RECORDS)[:_FIRST_RECORDS] if (order := _order(line))]
    if not orders or any(in_order(order, RECIPE_ORDER) for order in orders):
        return RECIPE_ORDER
    return {key: place for place, key in enumerate(orders[0])}


def _order(data: bytes) -> list[str]:
    try:
        entry = json.loads(data)
    except (ValueError, RecursionError):
        return []
    return [key for key in entry if key not in (CHAIN, SIGNATURE)] if isinstance(entry, dict) else []


def join(one: Run, other: Run) -> Run | None:
    """Both as one, if one would have gone on into the other."""
    alike = one.end == other.start and one.chain == other.before and one.signed == other.signed
    if other.link is None:
        goes_on = one.link is None
    else:
        goes_on = other.link.simple and one.last_sequence == other.link.sequence - 1
    if not alike or not goes_on:
        return None
    lines, kids = one.lines + other.lines, _sum(one.kids, other.kids)
    return replace(one, lines=lines, end=other.end, chain=other.chain, kids=kids)


def shifted(segment: Segment, lines: int) -> Segment:
    """The same behind more lines."""
    if isinstance(segment, Run):
        return replace(segment, line=segment.line + lines)
    return replace(segment, number=segment.number + lines)


class Judge:
    """Takes the blocks of a file, one after the other. `finish` gives the last run."""

    def __init__(
        self,
        ring: KeyRing,
        order: Order,
        previous: str = "",
        sequence: int | None = None,
        reader: FastReader | None = None,
    ) -> None:
        """`reader`: one that has learned from other lines with the same ring and order."""
        self.chain, self.sequence = previous, sequence
        """What the next line should follow, and its number."""
        self.line = 1
        """The number of the next line."""
        self._ring, self._order = ring, order
        self._fast = reader or FastReader(ring)
        self._run: Run | None = None

    def judge(self, block: Block) -> Iterator[Segment]:
        """What is over with this block."""
        if not block.whole:
            yield from self._odd(MALFORMED, block.offset, block.offset + block.size, block.newline)
            return
        text = block.data.decode("latin-1")
        offset = 0
        while offset < len(text):
            offset = self._quickly(text, offset, block.offset)
            if offset < len(text):
                end = block.data.find(b"\n", offset) + 1 or len(text)
                yield from self._slowly(block.data[offset:end], block.offset + offset)
                offset = end

    def finish(self) -> Iterator[Segment]:
        """The run that was not over yet."""
        if self._run:
            yield self._run
        self._run = None

    def _quickly(self, text: str, offset: int, base: int) -> int:
        """Go on with the run as far as the fast reader gets; returns where that is."""
        run = self._run
        if run is None:
            return offset
        place = Place(offset, self.chain, self.sequence)
        kids = self._fast.run(text, place, run.signed)
        if place.lines:
            self._run = replace(
                run,
                lines=run.lines + place.lines,
                end=base + place.offset,
                chain=place.chain,
                kids=_sum(run.kids, kids),
            )
            self.line += place.lines
            self.chain, self.sequence = place.chain, place.sequence
        return place.offset

    def _slowly(self, data: bytes, start: int) -> Iterator[Segment]:
        """One line."""
        text = data.removesuffix(b"\n")
        line = read_line(text, self._ring, self._order)
        line = line.linked(self.chain) or line
        if text == data or not self._is_fine(line):
            yield from self._odd(line, start, start + len(data), text != data, blank=not text.strip())
            return
        self._fast.learn(text)
        signed = line.kid is not None if self._ring.secrets else None
        kids = {line.kid: 1} if line.kid else {}
        run = Run(
            self.line, 1, start, start + len(data), self.chain, line.chain or "", line.link, signed, kids
        )
        self.line += 1
        self.chain, self.sequence = run.chain, None if line.link is None else line.link.sequence + 1
        joined = join(self._run, run) if self._run else None
        if self._run and not joined:
            yield self._run
        self._run = joined or run

    def _is_fine(self, line: Line) -> bool:
        """Whether it belongs into a run."""
        if line.flaw or not line.follows(self.chain):
            return False
        if self.sequence is not None and (line.link is None or line.link.sequence != self.sequence):
            return False
        return bool(self._ring.secrets or line.signature)

    def _odd(self, line: Line, start: int, end: int, newline: bool, blank: bool = False) -> Iterator[Segment]:
        yield from self.finish()
        record = line.recovered or line
        yield Odd(self.line, start, end, line, newline, blank, self.chain, record.follows(self.chain))
        self.line += 1
        self.chain = record.chain or self.chain
        if record.kid or not self._ring.secrets:
            self.sequence = record.link.sequence + 1 if record.link else self.sequence
        elif record.chain and self.sequence is not None:
            self.sequence += 1


def _sum(one: Mapping[str, int], other: Mapping[str, int]) -> dict[str, int]:
    return {kid: one.get(kid, 0) + other.get(kid, 0) for kid in {**one, **other}}
