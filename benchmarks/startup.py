"""How long a person waits for the first word."""

from __future__ import annotations

from collections.abc import Iterator
from statistics import median

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from benchmarks.processes import LLMWATCH, alternate, seconds, spread
from benchmarks.terminal import Terminal

_RUNS = 10
_REQUESTS = 1_500


def run(settings: Settings) -> Iterator[Figure]:
    runs = alternate({"version": (*LLMWATCH, "--version")}, _RUNS)["version"]
    yield Figure("llmwatch --version", 1000 * seconds(runs), 100, "ms", detail=spread(runs))
    path = history(settings.cache, _REQUESTS)
    paints = [_first_paint(str(path)) for _ in range(_RUNS // 2)]
    yield Figure(
        "tail, first paint",
        1000 * median(paints),
        700,
        "ms",
        detail=f"{1000 * min(paints):.0f}-{1000 * max(paints):.0f} ms, 10 thousand lines",
    )


def _first_paint(path: str) -> float:
    with Terminal((*LLMWATCH, "tail", path)) as terminal:
        return terminal.wait_for("history-") - terminal.began
