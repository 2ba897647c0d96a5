"""`llmwatch top` on a million lines, beside what one handwritten query takes for the same answer."""

from __future__ import annotations

import sys
from collections.abc import Iterator

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from benchmarks.processes import LLMWATCH, alternate, seconds, spread

MEMORY_LIMIT = 1 << 30
"""What `--memory` is unless it is said."""


def run(settings: Settings) -> Iterator[Figure]:
    path = str(history(settings.cache))
    commands = {
        "query": (sys.executable, "-m", "benchmarks.handwritten", path),
        "top": (*LLMWATCH, "top", path),
    }
    alternate(commands, 1)  # the file and the interpreter's files come into the system's cache
    runs = alternate(commands, settings.rounds)
    query, top = runs["query"], runs["top"]
    yield Figure(
        "top, 1 M lines",
        seconds(top),
        2 * seconds(query),
        "s",
        detail=f"{spread(top)}; the query {seconds(query):.2f} s ({spread(query)})",
    )
    peak = max(one.peak_bytes for one in top)
    yield Figure("top, 1 M lines, memory", peak >> 20, MEMORY_LIMIT >> 20, "MiB")
