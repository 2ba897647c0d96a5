"""Which of several pieces are out of order: the fewest lines without which the others are in order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Sequence
from itertools import pairwise

Interval = tuple[int, int]
"""First and last position, both included."""


def misplaced(intervals: Sequence[Interval]) -> set[int]:
    """The indexes of those that are out of order: all but the increasing ones that cover most positions.

    Of two that are as good, the later stays: what was exchanged is then found where the order first breaks. Of two
    that cover the same, the first stays.
    """
    if all(before[1] < after[0] for before, after in pairwise(intervals)):
        return set()
    ends = sorted({last for _, last in intervals})
    best = _Best(len(ends))
    came_from: list[int] = []
    for index, (first, last) in enumerate(intervals):
        weight, previous = best.until(bisect_left(ends, first))
        came_from.append(previous)
        best.enter(bisect_left(ends, last), (weight + last - first + 1, index))
    index = best.until(len(ends))[1]
    kept = set()
    while index >= 0:
        kept.add(index)
        index = came_from[index]
    return set(range(len(intervals))) - _first_of_equals(intervals, sorted(kept))


def _first_of_equals(intervals: Sequence[Interval], kept: Sequence[int]) -> set[int]:
    """Those that are kept, each exchanged for the first that covers the same since the one before."""
    result = set()
    start = 0
    for index in kept:
        result.add(next(at for at in range(start, index + 1) if intervals[at] == intervals[index]))
        start = index + 1
    return result


class _Best:
    """The greatest (weight, index) among the first so many ends: a tree of prefixes (Fenwick)."""

    def __init__(self, size: int) -> None:
        self._tree = [(0, -1)] * (size + 1)

    def until(self, count: int) -> tuple[int, int]:
        greatest = (0, -1)
        while count > 0:
            greatest = max(greatest, self._tree[count])
            count -= count & -count
        return greatest

    def enter(self, place: int, value: tuple[int, int]) -> None:
        place += 1
        while place < len(self._tree):
            self._tree[place] = max(self._tree[place], value)
            place += place & -place


class Covered:
    """Positions that were seen, as intervals that do not touch."""

    def __init__(self, intervals: Iterable[Interval] = ()) -> None:
        self._first: list[int] = []
        self._last: list[int] = []
        for interval in intervals:
            self.add(interval)

    def add(self, interval: Interval) -> None:
        """Cover an interval."""
        first, last = interval
        low, high = bisect_left(self._last, first - 1), bisect_right(self._first, last + 1)
        if low < high:
            first, last = min(first, self._first[low]), max(last, self._last[high - 1])
        self._first[low:high], self._last[low:high] = [first], [last]

    def within(self, interval: Interval) -> list[Interval]:
        """The parts of an interval that are covered, in order."""
        first, last = interval
        low, high = bisect_left(self._last, first), bisect_right(self._first, last)
        return [(max(first, self._first[index]), min(last, self._last[index])) for index in range(low, high)]

    def count(self, interval: Interval) -> int:
        """How many positions of an interval are covered."""
        return sum(last - first + 1 for first, last in self.within(interval))

    def parts(self, interval: Interval) -> list[Interval]:
        """An interval cut where what is covered begins and ends."""
        first, last = interval
        cuts = {first, last + 1}
        for start, end in self.within(interval):
            cuts |= {start, end + 1}
        edges = sorted(cuts)
        return [(start, end - 1) for start, end in pairwise(edges)]
