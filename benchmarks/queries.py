"""The router authors' two Logs Insights queries on a million lines, and the parser alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from benchmarks.processes import LLMWATCH, ROOT, alternate, seconds, spread
from llmwatch.query.insights.parse import read_query

_SAMPLES = ROOT / "tests" / "data" / "insights-samples.txt"
_REFUSED = "| pattern "
_SEEDS = 2


def run(settings: Settings) -> Iterator[Figure]:
    samples = [text for text in _SAMPLES.read_text().split("\n---\n") if _REFUSED not in text]
    path, few = str(history(settings.cache)), str(history(settings.cache, 10))
    commands = {"nothing": _query(samples[0], few)}
    commands |= {f"query {number}": _query(samples[number - 1], path) for number in range(1, _SEEDS + 1)}
    alternate(commands, 1)
    runs = alternate(commands, settings.rounds)
    begin = seconds(runs["nothing"])
    for name in list(commands)[1:]:
        yield Figure(
            f"{name} of the authors, 1 M lines",
            seconds(runs[name]) - begin,
            0.6,
            "s",
            detail=f"{spread(runs[name])}; on a few lines {begin:.2f} s, which is not counted",
        )
    yield _parser(samples)


def _query(text: str, path: str | Path) -> tuple[str, ...]:
    return (*LLMWATCH, "query", text, str(path))


def _parser(samples: list[str]) -> Figure:
    read_query(samples[0])  # the grammar is made once
    times = []
    for _ in range(20):
        began = time.perf_counter()
        for text in samples:
            read_query(text)
        times.append(time.perf_counter() - began)
    return Figure(f"parsing {len(samples)} queries", 1000 * median(times), 50, "ms")
