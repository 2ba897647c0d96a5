"""The lines of a large file, checked by several processes: what comes out is what one would say.

Each process takes slices of whole lines in turn. All that it has to know of the lines before is the last of them, so it
starts from what that says; where the slice before ends otherwise, as after lines without a chain hash, its slice is
checked again from there.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from mmap import mmap
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.context import ForkProcess

from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.blocks import blocks
from llmwatch.audit.lines.fast import FastReader
from llmwatch.audit.lines.line import Order, read_line
from llmwatch.audit.lines.segments import Judge, Odd, Run, Segment, join, key_order, segments, shifted

BIG = 8 << 20
"""A smaller file is checked before other processes have started."""

_SLICE = 2 << 20
_LINE_BEFORE = 64 << 10
"""Bytes before a slice that are looked at; a line is rarely a hundredth as long."""


@dataclass(frozen=True, slots=True)
class _State:
    """What the next line should follow, and its number."""

    chain: str
    sequence: int | None


@dataclass(frozen=True, slots=True)
class _Checked:
    """A slice. Its lines count from 1."""

    before: _State
    after: _State
    lines: int
    segments: tuple[Segment, ...]


@dataclass(frozen=True)
class _Slices:
    """The bytes of a file, and what is needed to check any slice of them."""

    data: bytes | mmap
    edges: Sequence[int]
    """Where slices begin and end."""

    order: Order
    ring: KeyRing
    reader: FastReader

    def check(self, number: int, state: _State | None) -> _Checked:
        """A slice, from a state or from what the line before it says."""
        start, end = self.edges[number : number + 2]
        before = state or self._guess(start)
        judge = Judge(self.ring, self.order, before.chain, before.sequence, self.reader)
        found = [
            segment
            for block in blocks(_reader(self.data, start, end), start)
            for segment in judge.judge(block)
        ]
        found += judge.finish()
        return _Checked(before, _State(judge.chain, judge.sequence), judge.line - 1, tuple(found))

    def _guess(self, start: int) -> _State:
        before = self.data[max(start - _LINE_BEFORE, 0) : start]
        line = read_line(before.removesuffix(b"\n").rpartition(b"\n")[2], KeyRing(), self.order)
        record = line.recovered or line
        return _State(record.chain or "", record.link.sequence + 1 if record.link else None)


def parallel_segments(
    data: bytes | mmap,
    ring: KeyRing,
    previous: str = "",
    sequence: int | None = None,
    check_signatures: bool = True,
    *,
    progress: Callable[[int], object] | None = None,
    processes: int | None = None,
) -> Iterator[Segment]:
    """All lines of a file, as `segments` gives them.

    A large file is checked by several processes (as many as there are processors, if `processes` is None), unless
    this one has threads: a process with threads cannot safely be forked. They see its memory, so nothing is copied.
    """
    count = (processes or _processors()) if len(data) >= BIG and _may_fork() else 1
    if count == 1:
        yield from segments(data, ring, previous, sequence, check_signatures, progress)
        return
    keys = ring if check_signatures else KeyRing()
    order = key_order(next(blocks(_reader(data, 0, len(data)))).data)
    slices = _Slices(data, _edges(data), order, keys, FastReader(keys))
    yield from _joined(_together(slices, count, _State(previous, sequence), progress))


def _reader(data: bytes | mmap, start: int, end: int) -> Callable[[int], bytes]:
    """What reads a part of it, piece by piece."""
    place = start

    def read(size: int) -> bytes:
        nonlocal place
        piece = data[place : min(place + size, end)]
        place += len(piece)
        return piece

    return read


def _processors() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else 1


def _may_fork() -> bool:
    """Whether this process has one thread, of Python or of a library."""
    return sys.platform == "linux" and threading.active_count() == 1 == len(os.listdir("/proc/self/task"))


def _edges(data: bytes | mmap) -> list[int]:
    """Offsets of lines some megabytes apart; the first is 0, the last the end of the file."""
    edges = [0]
    while edges[-1] < len(data):
        newline = data.find(b"\n", edges[-1] + _SLICE - 1)
        edges.append(newline + 1 if newline >= 0 else len(data))
    return edges


def _together(
    slices: _Slices, count: int, state: _State, progress: Callable[[int], object] | None
) -> Iterator[Segment]:
    """What all slices hold, in order."""
    workers: list[tuple[Connection, ForkProcess]] = []
    line = 0
    try:
        for number in range(count):
            workers.append(_start(slices, range(number, len(slices.edges) - 1, count), workers))
        for number, (start, end) in enumerate(pairwise(slices.edges)):
            try:
                checked = workers[number % count][0].recv()
            except EOFError:  # it was ended by someone else
                checked = None
            if not isinstance(checked, _Checked) or checked.before != state:
                checked = slices.check(number, state)
            for segment in checked.segments:
                yield shifted(segment, line)
            line, state = line + checked.lines, checked.after
            if progress:
                progress(end - start)
    finally:
        for receiver, process in workers:
            process.kill()
            receiver.close()
        for _, process in workers:
            process.join()
            process.close()


def _start(
    slices: _Slices, numbers: range, others: Sequence[tuple[Connection, ForkProcess]]
) -> tuple[Connection, ForkProcess]:
    context = get_context("fork")
    receiver, sender = context.Pipe(duplex=False)
    inherited = [receiver, *(other for other, _ in others)]
    process = context.Process(target=_work, args=(slices, numbers, sender, inherited), daemon=True)
    process.start()
    sender.close()
    return receiver, process


def _work(slices: _Slices, numbers: range, sender: Connection, inherited: Sequence[Connection]) -> None:
    """What another process does. It ends with the one that started it: nobody else holds the other end of its pipe."""
    for ending in (signal.SIGINT, signal.SIGTERM, signal.SIGPIPE):
        signal.signal(ending, signal.SIG_DFL)
    for other in inherited:
        other.close()
    for number in numbers:
        sender.send(slices.check(number, None))


def _joined(found: Iterator[Segment]) -> Iterator[Segment]:
    """Runs that were cut where slices meet are one again."""
    last: Run | None = None
    for segment in found:
        both = join(last, segment) if last and isinstance(segment, Run) else None
        if both:
            last = both
            continue
        if last:
            yield last
        last = segment if isinstance(segment, Run) else None
        if isinstance(segment, Odd):
            yield segment
    if last:
        yield last
