"""Ten million lines: ten times the time, and no more memory."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import MILLION, history
from benchmarks.processes import LLMWATCH, alternate, seconds, spread
from benchmarks.top import MEMORY_LIMIT


def run(settings: Settings) -> Iterator[Figure]:
    small, large = history(settings.cache), history(settings.cache, 10 * MILLION)
    commands = {
        "small": (*LLMWATCH, "top", str(small)),
        "large": (*LLMWATCH, "top", str(large)),
    }
    runs = alternate(commands, settings.rounds)
    yield Figure(
        "top, 10 M lines",
        seconds(runs["large"]),
        11 * seconds(runs["small"]),
        "s",
        detail=f"{spread(runs['large'])}; 1 M lines {spread(runs['small'])}",
    )
    peak = max(one.peak_bytes for one in runs["large"])
    yield Figure("top, 10 M lines, memory", peak >> 20, MEMORY_LIMIT >> 20, "MiB")
