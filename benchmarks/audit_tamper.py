"""Audit logs: whether every change to the bytes is found, and how long it takes to class what was changed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context

from benchmarks.figure import Figure, Settings
from tests.audit import chained, exhaustive

_CHANGES = 50_000
_LINES = 20_000
_EACH = 200


def run(_: Settings) -> Iterator[Figure]:
    size = len(exhaustive.DATA)
    kinds: dict[str, tuple[Callable[[int], str | None], int]] = {
        "flipped bits": (exhaustive.flipped, 8 * size),
        "lengths": (exhaustive.cut, size),
        "sequences of changes": (exhaustive.changed, _CHANGES),
    }
    with get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        for name, (way, count) in kinds.items():
            wrong = [one for one in pool.imap_unordered(way, range(count), _EACH) if one]
            detail = f"{count:,} were tried{': ' + wrong[0] if wrong else ''}"
            yield Figure(f"audit, {name} misjudged", len(wrong), 0, "", detail=detail)
    yield from _worst()


def _worst() -> Iterator[Figure]:
    """Lines of which hardly one links to another: what they follow is looked for by trial, and not without end."""
    files = chained.log("fresh", _LINES)
    name = chained.day_name(0)
    clean = _seconds(files)
    random.Random(1).shuffle(files[name])
    yield Figure("audit, a clean log classed", clean / _LINES * 1e6, None, "\u00b5s/line")
    yield Figure("audit, a log that was shuffled", _seconds(files), 60, "s", detail=f"{_LINES:,} lines")


def _seconds(files: chained.Files) -> float:
    began = time.perf_counter()
    chained.check(files)
    return time.perf_counter() - began
