"""The demo as a source of lines, live, and as a file."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.demo.traffic import HISTORY, DemoTraffic
from llmwatch.sources.source import Source, SourceState
from llmwatch.store.slice import Slice

SEED = 38_500
"""The traffic everybody sees who does not ask for other: the dollars of the incident it retells."""

_PROCESSES = 2
"""As many tasks as a small service on ECS runs."""

_HEAD_START = timedelta(minutes=10)
"""For how long a faster demo keeps its speed before it has caught up with the clock."""

_STEP = timedelta(minutes=5)
"""How much story makes one slice of each process, at most: some megabytes."""


def open_demo(
    clock: Callable[[], datetime], *, seed: int = SEED, speed: float = 1.0, history: timedelta = HISTORY
) -> DemoSource:
    """The demo as it begins now: `history` of calm traffic, a minute more of it, and then the story.

    At a speed above 1 the story's own time lies behind the clock, so that no line is ever in the future: the
    screen takes `DemoSource.now` for its clock.
    """
    if not (math.isfinite(speed) and 0 < speed <= 1_000):
        raise UsageError(f"--speed {speed:g} is not possible: give a number above 0, up to 1000.")
    behind = _HEAD_START * max(speed - 1, 0)
    return DemoSource(
        DemoTraffic(seed, clock() - behind, history=history, processes=_PROCESSES), clock, speed
    )


class DemoSource(Source):
    """Lines of `traffic`, `speed` seconds of it a second, from its start at the moment this is made.

    Its history comes with the first `read`. `clock` gives the time, aware. Once the story has caught up with
    the clock, both go on together.
    """

    def __init__(self, traffic: DemoTraffic, clock: Callable[[], datetime], speed: float = 1.0) -> None:
        self._traffic = traffic
        self._clock = clock
        self._speed = speed
        self._began = clock()
        self._given = traffic.start - traffic.history
        self._lines = 0
        self._bytes = 0
        self._closed = False

    def now(self) -> datetime:
        """The story's own time: the clock's at speed 1."""
        clock = self._clock()
        return min(clock, self._traffic.start + (clock - self._began) * self._speed)

    def read(self) -> Iterator[Slice]:
        """All lines up to now, by process."""
        now = self.now()
        while not self._closed and self._given < now:
            self._given = min(self._given + _STEP, now)
            yield from self._slices(self._given)

    def _slices(self, moment: datetime) -> list[Slice]:
        lines = self._traffic.lines_until(moment)
        slices = []
        for process in range(self._traffic.processes):
            data = [line.data for line in lines if line.process == process]
            if data:
                joined = b"".join(data)
                slices.append(Slice("demo", f"demo-{process + 1}", self._lines + 1, joined))
                self._lines += len(data)
                self._bytes += len(joined)
        return slices

    def finish(self) -> Iterator[Slice]:
        """Nothing: every line is whole."""
        return iter(())

    @property
    def ended(self) -> bool:
        """Whether it was closed; the story itself has no end."""
        return self._closed

    def states(self) -> tuple[SourceState, ...]:
        """Live, always."""
        return (SourceState("demo", "ended" if self._closed else "live", bytes_read=self._bytes),)

    def close(self) -> None:
        """End the story."""
        self._closed = True


def write_demo(
    path: Path, *, start: datetime, seed: int = SEED, minutes: float = 10, history: timedelta = HISTORY
) -> int:
    """Write the log of one router: `history` before `start` and `minutes` of story after. Returns its lines.

    The file is there whole or not at all. A file that holds something is never replaced.
    """
    if not (math.isfinite(minutes) and 0 < minutes <= 7 * 24 * 60):
        raise UsageError(
            f"{minutes:g} minutes of demo cannot be written: give a number above 0, up to a week's."
        )
    traffic = DemoTraffic(seed, start, history=history)
    try:
        if path.exists() and (not path.is_file() or path.stat().st_size):
            raise UsageError(f"{path} is there already: name a new file, or remove that one first.")
        return _write_whole(path, traffic, traffic.start + timedelta(minutes=minutes))
    except OSError as error:
        why = error.strerror or error
        raise SourceError(f"{path} cannot be written: {why}. Name a file in a folder with room.") from error


def _write_whole(path: Path, traffic: DemoTraffic, end: datetime) -> int:
    """Write all lines beside `path`, make sure they are on the disk, then give them its name."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with part.open("xb") as file:
            lines = _write(file, traffic, end)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
    _sync(path.parent)
    return lines


def _write(file: BinaryIO, traffic: DemoTraffic, end: datetime) -> int:
    lines = 0
    moment = traffic.start - traffic.history
    while moment < end:
        moment = min(moment + _STEP, end)
        data = traffic.until(moment)
        lines += len(data)
        file.writelines(data)
    return lines


def _sync(folder: Path) -> None:
    """Make a rename in `folder` last."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
