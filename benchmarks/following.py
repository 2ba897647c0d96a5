"""A flood of lines into the store, and keys that are pressed meanwhile."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import median, quantiles

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import flood, history
from benchmarks.processes import ROOT
from benchmarks.terminal import Terminal
from benchmarks.traffic import LINES_A_REQUEST

_RATE = 150_000
_WRITTEN = 165_000
"""Lines a second that are written: one that falls behind cannot hide it."""

_SECONDS = 20
_BEFORE = 1_500
"""Requests that are in the log already."""

_CATCH_UP_SECONDS = 30
_KEYS = "jjjjskkkkS"


def run(settings: Settings) -> Iterator[Figure]:
    count = int(1.02 * _WRITTEN * _SECONDS / LINES_A_REQUEST)
    plan = flood(settings.cache, count, 1000 * LINES_A_REQUEST / _WRITTEN)
    with tempfile.TemporaryDirectory(dir=settings.cache) as folder:
        log, result = Path(folder, "flood.jsonl"), Path(folder, "result.json")
        shutil.copy(history(settings.cache, _BEFORE), log)
        with Terminal((sys.executable, "-m", "benchmarks.watched", str(log), str(result))) as terminal:
            terminal.wait_for("LIVE")
            writing = (str(plan), str(log), str(_WRITTEN), str(_SECONDS))
            with subprocess.Popen((sys.executable, "-m", "benchmarks.writer", *writing), cwd=ROOT) as writer:
                pressed = _press(terminal, writer)
            time.sleep(_CATCH_UP_SECONDS / 3)
            terminal.press("q")
            terminal.wait(timeout=_CATCH_UP_SECONDS)
        found = json.loads(result.read_text())
        with log.open("rb") as lines:
            written = sum(1 for _ in lines)
    yield _sustained(found["lines"], written)
    yield responsive("following", pressed, found["drawn"])


def _press(terminal: Terminal, writer: subprocess.Popen[bytes]) -> list[float]:
    """Keys, a few a second, at moments that have nothing to do with any tick; when each was pressed."""
    pressed = []
    waits = random.Random(7)
    while writer.poll() is None:
        pressed.append(time.monotonic())
        terminal.press(_KEYS[len(pressed) % len(_KEYS)])
        time.sleep(waits.uniform(0.05, 0.15))
    return pressed


def _sustained(progress: Sequence[tuple[float, int]], written: int) -> Figure:
    """Lines a second, from the moment they begin to come to that at which all are in the store."""
    before = progress[0][1]
    began = next(moment for (moment, _), (_, count) in pairwise(progress) if count > before)
    ended, count = next(((moment, count) for moment, count in progress if count >= written), progress[-1])
    came = count - before
    detail = f"{came:,} of {written - before:,} lines, written at {_WRITTEN:,} a second for {_SECONDS} s"
    return Figure("following, into the store", came / (ended - began), _RATE, "lines/s", True, detail)


def responsive(name: str, pressed: Sequence[float], drawn: Sequence[float]) -> Figure:
    """How long keys waited for the first picture after them."""
    waits = sorted(1000 * (end - begin) for begin, end in zip(pressed, drawn, strict=False))
    late = quantiles(waits, n=100)[98]
    detail = f"{len(waits)} of {len(pressed)} keys, median {median(waits):.0f} ms, worst {waits[-1]:.0f} ms"
    return Figure(f"{name}, key to picture, p99", late, 50, "ms", detail=detail)
