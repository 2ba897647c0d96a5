"""The Merkle tree grown over the lines of files, and its root wherever a signature says what it should be."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from llmwatch.audit.archive import Reading
from llmwatch.audit.entry import LINK, METADATA
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import LogFile
from llmwatch.audit.merkle import Tree, leaf_hash
from llmwatch.audit.signed.sealed_days import Progress


@dataclass(slots=True)
class Span:
    """The lines of one file as leaves of the tree."""

    file: LogFile
    first: int
    """The number of its first leaf, from 0."""

    lines: int = 0
    first_sequence: int | None = None
    """The number that its first line says it has; None for a plain line, and for what is no entry."""

    last_sequence: int | None = None

    @property
    def numbered(self) -> bool:
        """Whether our writer wrote its first or its last line."""
        return self.first_sequence is not None or self.last_sequence is not None

    @property
    def gap(self) -> int:
        """Lines that are missing before it, if its own numbers are right: from its first to its last they fit."""
        first, last = self.first_sequence, self.last_sequence
        if first is None or last is None or last - first != self.lines - 1:
            return 0
        return max(first - self.first, 0)

    @property
    def end(self) -> int:
        """The number of the leaf after its last."""
        return self.first + self.lines


@dataclass(slots=True)
class Walk:
    """Files that were walked through, one after another."""

    tree: Tree
    """As it is at the end."""

    spans: list[Span] = field(default_factory=list)
    roots: dict[int, bytes] = field(default_factory=dict)
    """At the sizes that were asked for, as far as the lines go."""

    findings: list[Finding] = field(default_factory=list)


def walk(
    start: Tree,
    files: Sequence[LogFile],
    wanted: Mapping[int, Collection[bytes]],
    progress: Progress | None = None,
) -> Walk:
    """Grow a tree over all physical lines. `wanted`: size → the roots that the tree may have then.

    A last line without its newline is one only where that gives a root that is wanted: else it is a fragment.

    Raises:
        SourceError: a file cannot be read.

    """
    result = Walk(start.copy())
    sizes = sorted(size for size in wanted if size >= start.size)
    if sizes and sizes[0] == start.size:
        result.roots[start.size] = start.root()
    pending = iter([size for size in sizes if size > start.size])
    stop = next(pending, None)
    for file in files:
        span = Span(file, result.tree.size)
        result.spans.append(span)
        with Reading(file) as reading:
            first = last = b""
            for lines, whole in physical_lines(reading):
                if not whole and not _is_line(result.tree, lines[0], wanted):
                    continue
                first, last = first or lines[0], lines[-1]
                begin = 0
                while stop is not None and stop - result.tree.size <= len(lines) - begin:
                    end = begin + stop - result.tree.size
                    result.tree.extend(lines[begin:end])
                    result.roots[stop] = result.tree.root()
                    begin, stop = end, next(pending, None)
                result.tree.extend(lines[begin:] if begin else lines)
                if progress is not None:
                    progress(file.name, reading.passed())
            result.findings += reading.findings
        span.lines = result.tree.size - span.first
        span.first_sequence, span.last_sequence = sequence(first), sequence(last)
    return result


def sequence(line: bytes) -> int | None:
    """The number that our writer gave a line, if it is one of its lines; signatures are not looked at."""
    try:
        number = json.loads(line)[METADATA][LINK]["seq"]
    except (ValueError, TypeError, KeyError, IndexError, RecursionError):
        return None
    return number if type(number) is int and number >= 0 else None


def first_sequence(file: LogFile) -> int | None:
    """The number of its first whole line. Raises SourceError."""
    with Reading(file) as reading:
        lines = next((lines for lines, whole in physical_lines(reading) if whole), None)
    return sequence(lines[0]) if lines else None


def last_sequence(file: LogFile) -> int | None:
    """The number of the last line that has one. Raises SourceError."""
    last = None
    with Reading(file) as reading:
        for lines, _ in physical_lines(reading):
            last = next((number for line in reversed(lines) if (number := sequence(line)) is not None), last)
    return last


def is_numbered(file: LogFile) -> bool:
    """Whether any line is our writer's. Raises SourceError."""
    mark = f'"{LINK}"'.encode()
    with Reading(file) as reading:
        return any(
            mark in line and sequence(line) is not None
            for lines, _ in physical_lines(reading)
            for line in lines
        )


def physical_lines(pieces: Iterable[bytes]) -> Iterator[tuple[list[bytes], bool]]:
    """Lines without their newlines, many at a time; what follows the last newline by itself, with False."""
    held: list[bytes] = []
    for piece in pieces:
        head, newline, tail = piece.rpartition(b"\n")
        if newline:
            yield b"".join((*held, head)).split(b"\n"), True
            held = []
        held.append(tail)
    if rest := b"".join(held):
        yield [rest], False


def _is_line(tree: Tree, line: bytes, wanted: Mapping[int, Collection[bytes]]) -> bool:
    roots = wanted.get(tree.size + 1)
    if not roots:
        return False
    longer = tree.copy()
    longer.append(leaf_hash(line))
    return longer.root() in roots
