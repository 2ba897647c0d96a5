"""What happens when: acts and lines in the order of time, and the processes that print the lines."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import count
from typing import NamedTuple

from llmwatch.sources.demo.statements import Statement

SECOND = 1_000_000
"""In microseconds since 1970, the unit of all moments."""


class DemoLine(NamedTuple):
    """One line and the process that printed it, counted from 0."""

    process: int
    data: bytes


@dataclass(slots=True)
class Process:
    """One router process at a time in one ECS task."""

    number: int
    generation: int = 0
    """Grows when the process is killed. What a process had still to print is then never printed."""

    accepts: bool = True
    busy_until: int = 0
    """While it prints statements in one go, none other can come between."""


class Timeline:
    """What is still to happen. The same acts give the same lines, whatever moments are asked for."""

    def __init__(self) -> None:
        self._lines: list[DemoLine] = []
        self._heap: list[tuple[int, int, Callable[[int], None]]] = []
        self._order = count()

    def at(self, moment: int, act: Callable[[int], None]) -> None:
        """Plan `act`, which is given the moment it happens at."""
        heapq.heappush(self._heap, (moment, next(self._order), act))

    def say(self, process: Process, moment: int, statements: list[Statement]) -> None:
        """Plan what `process` prints in one go, waiting for nothing in between."""
        if statements:
            self.at(moment, partial(self._prints, process, process.generation, statements, 0))

    def until(self, moment: int) -> list[DemoLine]:
        """Let everything happen up to and with `moment`; the lines that gives."""
        while self._heap and self._heap[0][0] <= moment:
            at, _, act = heapq.heappop(self._heap)
            act(at)
        lines, self._lines = self._lines, []
        return lines

    def _prints(
        self, process: Process, generation: int, statements: list[Statement], number: int, moment: int
    ) -> None:
        """The statement `number`, then the others right behind it."""
        if generation != process.generation:
            return
        if number == 0 and moment < process.busy_until:
            self.at(process.busy_until, partial(self._prints, process, generation, statements, 0))
            return
        self._lines.append(DemoLine(process.number, statements[number].line(moment)))
        if number + 1 < len(statements):
            following = moment + 20 + len(statements[number].message)
            process.busy_until = following + 1
            self.at(following, partial(self._prints, process, generation, statements, number + 1))
