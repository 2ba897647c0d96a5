"""Events a second through boto3 and HTTP, from services on this machine: moto, and the fake of the tests."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

from benchmarks.cloudwatch.emulator import ENVIRONMENT, REGION, Batch, Emulator, emulator
from benchmarks.figure import Figure, Settings
from benchmarks.processes import LLMWATCH, ROOT
from benchmarks.traffic import by_time, requests

_REQUESTS = 22_950
"""Some 150 thousand lines."""
_SPREAD_MS, _DENSE_MS = 313.0, 15.1
"""Between the beginnings of two requests: two hours in all, or six minutes."""
_STREAMS = 3
_BATCH = 2_500
"""Events: below the 1 MB that PutLogEvents takes."""
_WRITTEN_AGO = timedelta(hours=2, minutes=5)
_PER_SECOND = "25"
"""What `--max-tps` takes at most."""
_RATE = 30_000


class LinesMissingError(Exception):
    """Not all that was put was read once, so nothing was measured."""


@dataclass(frozen=True, slots=True)
class Reading:
    """What one process read, and how long it and its service computed for it."""

    lines: int
    seconds: float
    cpu_seconds: float
    service_seconds: float


def run(settings: Settings) -> Iterator[Figure]:
    with emulator("moto") as moto:
        count = moto.fill("router", _batches(_SPREAD_MS))
        yield _figure("moto, the source alone", lambda: _alone(moto), count, settings.rounds, _RATE)
        yield _figure("moto, llmwatch top", lambda: _top(moto), count, settings.rounds, _RATE)
    with emulator("moto") as moto:
        count = moto.fill("router", _batches(_DENSE_MS))
        name = "moto, all within six minutes"
        yield _figure(name, lambda: _alone(moto), count, settings.rounds, _RATE)
    with emulator("fake") as fake:
        count = fake.fill("router", _batches(_SPREAD_MS))
        yield _figure("the tests' fake, the source alone", lambda: _alone(fake), count, settings.rounds, None)


def _figure(name: str, read: Callable[[], Reading], count: int, rounds: int, bound: float | None) -> Figure:
    readings = [read() for _ in range(rounds)]
    for reading in readings:
        if reading.lines != count:
            raise LinesMissingError(f"{name}: {reading.lines} of {count} lines were read")
    rates = [count / reading.seconds for reading in readings]
    ours = median(reading.cpu_seconds for reading in readings)
    theirs = median(reading.service_seconds for reading in readings)
    taken = median(reading.seconds for reading in readings)
    detail = f"{taken:.2f} s, of which CPU {ours:.2f} s ours and {theirs:.2f} s the service's; "
    detail += f"{min(rates):,.0f}-{max(rates):,.0f}"
    return Figure(name, median(rates), bound, "events/s", at_least=True, detail=detail)


def _alone(service: Emulator) -> Reading:
    """The source without a store; the start of the process is not counted."""
    words = (sys.executable, "-m", "benchmarks.cloudwatch.drain", service.url, "router", _PER_SECOND)
    found, _, service_seconds = _timed(service, words)
    return Reading(found["lines"], found["seconds"], found["cpu_seconds"], service_seconds)


def _top(service: Emulator) -> Reading:
    """The whole command."""
    where = ("--group", "router", "--region", REGION, "--endpoint-url", service.url)
    before = _ended_cpu_seconds()
    found, seconds, service_seconds = _timed(
        service, (*LLMWATCH, "top", *where, "--max-tps", _PER_SECOND, "--json")
    )
    return Reading(found["counters"]["lines"], seconds, _ended_cpu_seconds() - before, service_seconds)


def _timed(service: Emulator, words: Sequence[str]) -> tuple[dict[str, Any], float, float]:
    """What a command prints, as JSON; its seconds, and those that the service has computed meanwhile."""
    own = {name: text for name, text in os.environ.items() if not name.startswith("AWS_")}
    began, before = time.perf_counter(), service.cpu_seconds()
    done = subprocess.run(words, cwd=ROOT, env={**own, **ENVIRONMENT}, stdout=subprocess.PIPE, check=True)
    return json.loads(done.stdout), time.perf_counter() - began, service.cpu_seconds() - before


def _ended_cpu_seconds() -> float:
    """What all processes have computed that we started and that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def _batches(gap_ms: float) -> Iterator[Batch]:
    """Lines of the last two hours, in streams, as several processes of a router write them."""
    start = (datetime.now(UTC) - _WRITTEN_AGO).replace(tzinfo=None)
    calls = list(requests(_REQUESTS, seed=11, start=start, gap_ms=gap_ms))
    for number in range(_STREAMS):
        lines = list(by_time(calls[number::_STREAMS]))
        for first in range(0, len(lines), _BATCH):
            yield f"task/{number}", [_event(*line) for line in lines[first : first + _BATCH]]


def _event(moment: datetime, line: bytes) -> dict[str, Any]:
    timestamp = int(moment.replace(tzinfo=UTC).timestamp() * 1000)
    return {"timestamp": timestamp, "message": line.decode().rstrip("\n")}
