"""The chain while it grows: lines of files and streams are checked as they arrive, at no more than their own cost.

What is found here is that a chain breaks, and where. What others' writers do honestly is no break: a new chain after a
restart, several writers of one file, a chain that goes on from the day before. What became of the lines, `verify` says,
which sees them all.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from io import BytesIO

from llmwatch.audit.entry import chain_hash
from llmwatch.audit.excerpt import Excerpt, excerpt_of
from llmwatch.audit.findings import Convention, Finding
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.blocks import blocks
from llmwatch.audit.lines.fast import FastReader, Place
from llmwatch.audit.lines.line import MALFORMED, RECIPE_ORDER, Line, Order, read_line
from llmwatch.audit.lines.segments import key_order

PATIENCE_SECONDS = 120.0
"""How long a line of a log group waits for the one it follows: the service shows events late, and older ones last."""

_MOST_TIPS = 1_000
"""Ends of chains that are remembered of a stream, one for each writer; and lines that wait for theirs."""
_MOST_BREAKS = 100
"""Breaks that are kept of a stream; all are counted."""
_KEPT_BYTES = 1 << 20
"""Of the last line, for who wants to know what is before a break."""


@dataclass(frozen=True, slots=True)
class Break:
    """Where a chain does not hold, and the entries around it, as far as they have come."""

    finding: Finding
    around: tuple[Excerpt, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """What is known of one file or stream now."""

    source: str
    """A path, or `group/stream`; raw text."""

    convention: Convention
    lines: int
    hmac_ok: int
    breaks: tuple[Break, ...]
    """The first of them."""

    broken: int
    """How many there are."""

    odd: int
    """Lines that are not simply the next of the chain: `verify` may have something to say about them."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A line that follows none that has come."""

    line: Line
    found: Break
    time: str
    """The entry's own; these compare as text."""

    since: float
    """When it came, by the clock of who watches."""


_Around = Callable[[], tuple[Excerpt, ...]]
_BAD = {
    "malformed": "malformed",
    "plain": "malformed",
    "reencoded": "reencoded",
    "duplicate_keys": "duplicate_keys",
}
"""Flaw → class, of those that are breaks wherever they stand."""


class _Stream:
    """Where the chains of one file or stream stand."""

    def __init__(self, source: str, ring: KeyRing, *, patient: bool) -> None:
        self.source = source
        self.patient = patient
        self._ring = ring
        self.number = 0
        """Of the last physical line."""
        self.lines = self.hmac_ok = self.odd = self.broken = 0
        self.convention: Convention = "fresh"
        self.tip = ""
        """The chain hash of the last line."""
        self._sequence: int | None = None
        """The number of the last line, where our own writer wrote it."""
        self.parked: OrderedDict[str, None] = OrderedDict()
        """Chain hashes of lines that were the last of a chain when a line of another came."""
        self._waiting: list[_Waiting] = []
        self._unsigned: list[Break] = []
        """Signatures that no key made, the first of each run: breaks, as soon as one of the stream is right."""
        self.breaks: list[Break] = []
        self._mending = False
        """The last line was no true one, so nothing is said of what the next follows."""
        self._began: str | None = None
        """When the first of its chains began, of those whose beginning was read."""
        self._last = b""
        """The last line."""
        self._now = 0.0
        self._fast = FastReader(ring)
        self._order: Order = RECIPE_ORDER
        self.lost: tuple[int, str] | None = None
        """The last line's number and chain hash, before the file was read from its beginning again."""

    @property
    def chain(self) -> Chain:
        """How it fares."""
        return Chain(
            self.source,
            self.convention,
            self.lines,
            self.hmac_ok,
            tuple(self.breaks),
            self.broken,
            self.odd,
        )

    def take(self, first_line: int, data: bytes, before: Iterable[str], now: float) -> None:
        """Whole lines. `before`: chain hashes that the first of all may follow."""
        self._now = now
        if not self.number:
            self._order = key_order(data)
        for block in blocks(BytesIO(data).read):
            if self.breaks and self.number and self.breaks[-1].finding.line == self.number:
                self._complete(excerpt_of(block.data[: block.data.find(b"\n")], first_line))
            if block.whole:
                first_line = self._take_block(first_line, block.data, before)
            else:
                self._judge(first_line, MALFORMED, lambda: (), before)
                self.number, first_line, self._last = first_line, first_line + 1, b""

    def _complete(self, after: Excerpt) -> None:
        """What stands after the last break has come."""
        known = self.breaks[-1]
        self.breaks[-1] = replace(known, around=(*known.around, after))

    def _take_block(self, number: int, data: bytes, before: Iterable[str]) -> int:
        """Runs of lines of which nothing is to be said, and others between them. Returns the next line's number."""
        text = data.decode("latin-1")
        start = 0
        while start < len(data):
            if self.number:
                start, number = self._run(text, start, number)
            if start == len(data):
                break
            end = data.index(b"\n", start)
            line = read_line(data[start:end], self._ring, self._order)
            if line.flaw is None:
                self._fast.learn(data[start:end])
            self._judge(number, line, partial(self._around, number, data, start, end), before)
            number, start, self.number = number + 1, end + 1, number
        self._last = data[data.rfind(b"\n", 0, len(data) - 1) + 1 : -1][:_KEPT_BYTES]
        return number

    def _run(self, text: str, start: int, number: int) -> tuple[int, int]:
        """As far as the fast reader gets; returns the place after that, and its line's number."""
        following = None if self._sequence is None else self._sequence + 1
        place = Place(start, self.tip, following)
        signed = None if not self._ring.secrets else bool(self.hmac_ok) or not self._unsigned
        self._fast.run(text, place, signed)
        if place.lines:
            self.lines += place.lines
            self.number = number + place.lines - 1
            self.hmac_ok += place.lines if signed else 0
            self.tip, self._mending = place.chain, False
            self._sequence = None if place.sequence is None else place.sequence - 1
        return place.offset, number + place.lines

    def _around(self, number: int, data: bytes, start: int, end: int) -> tuple[Excerpt, ...]:
        """A line, the one before, and the one after if it has come."""
        before = data[data.rfind(b"\n", 0, start - 1) + 1 : start - 1] if start else self._last
        found = [excerpt_of(before, number - 1)] if number > 1 and before else []
        found.append(excerpt_of(data[start:end], number))
        if end + 1 < len(data):
            found.append(excerpt_of(data[end + 1 : data.index(b"\n", end + 1)], number + 1))
        return tuple(found)

    def _judge(self, number: int, line: Line, around: _Around, before: Iterable[str]) -> None:
        """One line, which may be anything."""
        self.lines += 1
        if line.flaw == "torn_fragment":
            self.odd += 1
            line = line.recovered or line
        tips = self._tips(before)
        previous, linked = next(
            ((tip, found) for tip in tips if (found := line.linked(tip)) is not None), (None, None)
        )
        line = linked or line
        if line.flaw in _BAD:
            self._break(Break(Finding(_BAD[line.flaw], self.source, number), around()))
        if line.chain is None:
            self._mending = True
            return
        signed = line.kid is not None
        self.hmac_ok += signed
        known = signed or not self._ring.secrets
        if previous is None:
            self._unlinked(number, line, around, known=known)
        elif not known:
            finding = Finding("bad_signature", self.source, number, field="signature", actual=line.signature)
            self._unsigned.append(Break(finding, around()))
        elif previous == self.tip and self.number:
            self._count(number, line, around)
        if previous == "" and self.patient:
            began = _time(around(), number)
            self._began = began if self._began is None else min(began, self._began)
        if self.hmac_ok:
            for one in self._unsigned:
                self._break(one)
            self._unsigned.clear()
        self._mending = not known and previous is None
        self._advance(line, line.chain, previous)

    def _tips(self, before: Iterable[str]) -> Iterator[str]:
        """Ends of chains that an honest line may follow, the likeliest first."""
        yield self.tip
        if self.tip:
            yield ""
        yield from reversed(self.parked)
        if not self.number:
            yield from before

    def _unlinked(self, number: int, line: Line, around: _Around, *, known: bool) -> None:
        """The line follows none that was read."""
        self.odd += 1
        if not self.number and not self.patient:
            return
        if self._mending and known:
            return
        finding = Finding(
            "deleted" if line.kid is not None else "edited",
            self.source,
            number,
            at_least=line.kid is not None,
            field="chain_hash",
            expected=None if line.canonical is None else chain_hash(self.tip, line.canonical),
            actual=line.chain,
            detail="The line follows neither the one before it nor the last of any other writer.",
        )
        found = Break(finding, around())
        if self.patient and known and len(self._waiting) < _MOST_TIPS:
            self._waiting.append(_Waiting(line, found, _time(found.around, number), self._now))
        else:
            self._break(found)

    def _count(self, number: int, line: Line, around: _Around) -> None:
        """Lines of our own writer are numbered, besides."""
        if self._sequence is None:
            return
        expected, actual = self._sequence + 1, None if line.link is None else line.link.sequence
        if actual != expected:
            name = "downgraded" if actual is None else "deleted" if actual > expected else "reordered"
            finding = Finding(
                name,
                self.source,
                number,
                field="_lw.seq",
                expected=str(expected),
                actual=None if actual is None else str(actual),
            )
            self._break(Break(finding, around()))

    def _advance(self, line: Line, tip: str, previous: str | None) -> None:
        """The line is the last now, and `tip` its chain hash."""
        if not self.number:
            of_first: Convention = "v2" if line.link else "fresh"
            self.convention = "unlinked" if previous is None else "carry" if previous else of_first
        elif previous != self.tip:
            self.odd += previous is not None
            self.parked.pop(previous or "", None)
            self._park(self.tip)
        self.tip = tip
        self._sequence = line.link.sequence if line.link else None

    def _park(self, tip: str) -> None:
        """Another chain goes on; a line that waits may be the next of this one."""
        found = next((one for one in self._waiting if one.line.follows(tip)), None)
        if found is not None:
            self._waiting.remove(found)
        elif tip:
            self.parked[tip] = None
            while len(self.parked) > _MOST_TIPS:
                self.parked.popitem(last=False)

    def rest(self, now: float, *, filling: bool) -> None:
        """All that there is now was read. `filling`: older lines will come.

        What was logged before the reading began is not missed: its next line follows none.
        """
        if self.lost is not None:
            gone = self.lost[0] - self.number
            words = f"The file had {self.lost[0]} lines, and was cut off."
            self._break(Break(Finding("tail_missing", self.source, self.number, count=gone, detail=words)))
            self.lost = None
        if filling:
            return
        waiting = sorted((one for one in self._waiting if not one.line.follows(self.tip)), key=_when)
        first = waiting[:1] if waiting and (self._began is None or waiting[0].time < self._began) else []
        late = [one for one in waiting[len(first) :] if now - one.since >= PATIENCE_SECONDS]
        for one in late:
            self._break(one.found)
        self._waiting = [one for one in waiting if one not in late]

    def again(self) -> _Stream:
        """The same, read from its beginning once more."""
        stream = _Stream(self.source, self._ring, patient=self.patient)
        stream.breaks, stream.broken, stream.odd = self.breaks, self.broken, self.odd + 1
        stream.lost = self.lost or (self.number, self.tip)
        return stream

    def compare(self) -> None:
        """Whether what was there before the file was read again is there now."""
        if self.lost is None or self.number < self.lost[0]:
            return
        if self.tip != self.lost[1]:
            words = "The file was written anew, and is not what it was."
            self._break(Break(Finding("file_twice_differs", self.source, self.number, detail=words)))
        self.lost = None

    def _break(self, one: Break) -> None:
        self.broken += 1
        self.odd += 1
        if len(self.breaks) < _MOST_BREAKS:
            self.breaks.append(one)


def _when(one: _Waiting) -> str:
    return one.time


def _time(around: Iterable[Excerpt], number: int) -> str:
    return next((one.time for one in around if one.line == number and one.time), "")


class Chains:
    """The chains of all files and streams. One thread calls it."""

    def __init__(self, ring: KeyRing, clock: Callable[[], float]) -> None:
        self._ring = ring
        self._clock = clock
        self._streams: dict[str, _Stream] = {}

    def all(self) -> tuple[Chain, ...]:
        """How each fares, in the order in which they came."""
        return tuple(stream.chain for stream in self._streams.values())

    def take(self, source: str, first_line: int, data: bytes, *, patient: bool = False) -> None:
        """Check whole lines, of which the first has this number; they come in the order of the source.

        `patient`: the source is a log group, which is filled backwards, and shows some events late. A file that is
        read from its beginning again has lost what it held, until it is there again.
        """
        stream = self._streams.get(source)
        if stream is None:
            stream = self._streams[source] = _Stream(source, self._ring, patient=patient)
        elif first_line <= stream.number:
            stream = self._streams[source] = stream.again()
        end = len(data) if stream.lost is None else _end_of(data, stream.lost[0] - first_line + 1)
        for part in filter(None, (data[:end], data[end:])):
            stream.take(first_line, part, self._before(source), self._clock())
            stream.compare()
            first_line = stream.number + 1

    def _before(self, source: str) -> Iterator[str]:
        """Ends of the chains of other files of the folder, the newest first."""
        folder = os.path.dirname(source)
        for other in reversed(self._streams.values()):
            if other.source != source and os.path.dirname(other.source) == folder:
                yield other.tip
                yield from reversed(other.parked)

    def rest(self, *, filling: bool = False) -> bool:
        """All that there is now was read: what a file lost is known. Returns whether anything was found."""
        before = sum(stream.broken for stream in self._streams.values())
        for stream in self._streams.values():
            stream.rest(self._clock(), filling=filling and stream.patient)
        return sum(stream.broken for stream in self._streams.values()) > before


def _end_of(data: bytes, lines: int) -> int:
    """The offset after so many lines; of all, if there are no more."""
    end = 0
    for _ in range(lines):
        end = data.find(b"\n", end) + 1
        if not end:
            return len(data)
    return end
