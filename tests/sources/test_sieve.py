"""A sieve drops no line that may match, nor one near to it, and numbers those that pass as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any
from unittest.mock import patch

import pytest
import re2

from llmwatch.sources import sieve
from llmwatch.sources.sieve import Sieve
from llmwatch.sources.source import SourceState
from llmwatch.store.slice import Slice

PATTERNS = (
    "throttl",
    "(?i)THROTTL(ed|ing)",
    "é",
    "thr.*x",
    r"\bx",
    "[^a]b",
    r"\\xff",
    "a*",
    r"(?s)t.*\$",
    "^ *{",
    r"}\s*$",
    r"\Athr",
    r"x\z",
    r"\Q^\E",
    "[$^]",
    "t[^\n]*\n?}",
)
PARTS = (
    b"throttled", b"Throttling", "é".encode(), b"x", b"ab", b"{", b"}", b"^", b"$", b" ", b"\t", b"\r", b"\xff",
    b"\xc3", b"",
)  # fmt: skip


@dataclass(frozen=True)
class Line:
    stream: str
    number: int
    text: bytes

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    def matches(self, pattern: str) -> bool:
        """As the store has the line: it may or may not have left out the white space at its ends."""
        text = self.text.decode("utf-8", "backslashreplace")
        return any(re2.search(pattern, form) for form in (text, text.strip()))


class Given:
    """A source that has these slices."""

    ended = True

    def __init__(self, pieces: Sequence[Slice]) -> None:
        self._pieces = pieces

    def read(self) -> Iterator[Slice]:
        yield from self._pieces[:-1]

    def finish(self) -> Iterator[Slice]:
        yield from self._pieces[-1:]

    def states(self) -> tuple[SourceState, ...]:
        return (SourceState("given", "ended"),)

    def close(self) -> None:
        pass


@dataclass(frozen=True)
class Case:
    """A log, what is looked for in it, and how it is cut."""

    log: list[tuple[str, bytes, bool]]
    patterns: list[str]
    before: int
    after: int
    sizes: dict[str, Any]


def a_case(seed: int) -> Case:
    chance = random.Random(seed)
    parts = chance.sample(PARTS, 8)
    patterns = [PATTERNS[seed % len(PATTERNS)], chance.choice(PATTERNS)]

    def text() -> bytes:
        return b"".join(chance.choice(parts) for _ in range(chance.randrange(5)))

    often = chance.choice((0.02, 0.3))
    return Case(
        [(chance.choice("aab"), text(), chance.random() < often) for _ in range(chance.choice((5, 40, 120)))],
        patterns[: chance.randint(1, 2)],
        chance.randrange(4),
        chance.randrange(4),
        {
            "WHOLE_BYTES": chance.choice((0, 30)),
            "BLOCK_BYTES": chance.choice((1, 20, 1 << 20)),
            "_GAP_BYTES": chance.choice((0, 0, 10)),
            "_HITS_OF_FEW_LINES": chance.choice((1, 3, 1_000)),
            "_DENSE": 2,
        },
    )


def numbered(log: Sequence[tuple[str, bytes, bool]]) -> tuple[list[Line], list[Slice]]:
    """Lines, and slices of them: each is of one stream, and ends where the log says, or the stream changes."""
    numbers = {"a": 0, "b": 0}
    lines: list[Line] = []
    begun = 0
    parts = []
    for stream, text, ends in log:
        numbers[stream] += 1
        lines.append(Line(stream, numbers[stream], text))
        parts.append((begun, stream))
        begun += ends
    pieces = []
    for (_, stream), group in groupby(zip(parts, lines, strict=True), key=lambda one: one[0]):
        inside = [line for _, line in group]
        data = b"".join(line.text + b"\n" for line in inside)
        pieces.append(Slice(f"{stream}.jsonl", stream, inside[0].number, data))
    return lines, pieces


def lines_in(pieces: Sequence[Slice]) -> list[Line]:
    return [
        Line(piece.stream, piece.first_line + number, text)
        for piece in pieces
        for number, text in enumerate(piece.data.split(b"\n")[:-1])
    ]


def needed(lines: Sequence[Line], patterns: Sequence[str], before: int, after: int) -> set[Line]:
    """What has to pass, by a plain look at every line."""
    found: set[Line] = set()
    for stream in "ab":
        told = [line for line in lines if line.stream == stream and not line.blank]
        for place, line in enumerate(told):
            if all(line.matches(pattern) for pattern in patterns):
                found.update(told[max(0, place - before) : place + after + 1])
    return found


@pytest.mark.parametrize("seed", range(16))
def test_nothing_is_lost_and_all_is_counted(seed: int) -> None:
    for number in range(40):
        case = a_case(16 * number + seed)
        lines, pieces = numbered(case.log)
        with patch.multiple(sieve, **case.sizes):
            source = Sieve(Given(pieces), case.patterns, before=case.before, after=case.after)
            passed = lines_in([*source.read(), *source.finish()])
        assert set(passed) <= set(lines), f"{case}: a line has a wrong number or was changed"
        lost = needed(lines, case.patterns, case.before, case.after) - set(passed)
        assert not lost, f"{case}: {lost}"
        for stream in "ab":
            inside = [line.number for line in passed if line.stream == stream]
            assert inside == sorted(set(inside)), f"{case}: lines are in disorder, or there twice"
        not_blank = sum(not line.blank for line in lines) - sum(not line.blank for line in passed)
        assert source.lines_passed_over == not_blank


def a_log(*needles: int, count: int = 10_000) -> bytes:
    return b"".join(
        b'{"n": %d, "text": "%s"}\n' % (n, b"needle" if n in needles else b"hay") for n in range(count)
    )


@pytest.fixture(autouse=True)
def _sieves_all(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "WHOLE_BYTES", 0)


def sift(data: bytes, *patterns: str, before: int = 0, after: int = 0) -> tuple[list[Slice], int]:
    source = Sieve(Given([Slice("log", "log", 1, data)]), patterns, before=before, after=after)
    return [*source.read(), *source.finish()], source.lines_passed_over


@pytest.mark.parametrize("pattern", ["needle", "(?i)NEEDLE", "needle[^~]*", "(?s)needle.*"])
def test_little_passes_where_little_matches(pattern: str) -> None:
    pieces, dropped = sift(a_log(0, 5_000, 9_999), pattern, before=2, after=1)
    numbers = [line.number for line in lines_in(pieces)]
    assert numbers == [1, 2, 4999, 5000, 5001, 5002, 9998, 9999, 10_000]
    assert dropped == 10_000 - len(numbers)


def test_all_patterns_are_needed() -> None:
    pieces, _ = sift(a_log(10, 5_000), "needle", '"n": 5000,')
    assert [line.number for line in lines_in(pieces)] == [5_001]


def test_of_a_log_full_of_matches_nothing_is_touched() -> None:
    data = a_log()
    (piece,), dropped = sift(data, "hay")
    assert piece.data is data
    assert dropped == 0


def test_a_block_that_is_no_text_passes() -> None:
    data = a_log() + b"caf\xe9\n"
    pieces, dropped = sift(data, "needle")
    assert b"".join(piece.data for piece in pieces) == data
    assert dropped == 0


def test_a_huge_line_is_one_line() -> None:
    huge = b'{"x": "' + b"y" * (3 * sieve.BLOCK_BYTES) + b'needle"}\n'
    pieces, dropped = sift(a_log(count=10) + huge + a_log(count=10), "needle")
    assert [(piece.first_line, piece.data) for piece in pieces] == [(11, huge)]
    assert dropped == 20


def test_what_comes_first_passes_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sieve, "WHOLE_BYTES", 1_000)
    monkeypatch.setattr(sieve, "BLOCK_BYTES", 100)
    pieces, dropped = sift(a_log(), "needle")
    passed = lines_in(pieces)
    assert [line.number for line in passed] == list(range(1, len(passed) + 1))
    assert 1_000 <= sum(len(piece.data) for piece in pieces) < 1_200
    assert dropped == 10_000 - len(passed)
