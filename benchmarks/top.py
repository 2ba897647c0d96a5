"""`llmwatch top` on a million lines, beside what one handwritten query takes for the same answer."""

from __future__ import annotations

import csv
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from benchmarks.processes import LLMWATCH, ROOT, alternate, seconds, spread

MEMORY_LIMIT = 1 << 30
"""What `--memory` is unless it is said."""

_QUERY = (sys.executable, "-m", "benchmarks.handwritten")
_FEW_REQUESTS = 1_500


class DifferentAnswersError(Exception):
    """The two that are compared do not do the same."""


def run(settings: Settings) -> Iterator[Figure]:
    _check_answers(history(settings.cache, _FEW_REQUESTS))
    path = str(history(settings.cache))
    commands = {"query": (*_QUERY, path), "top": (*LLMWATCH, "top", path)}
    alternate(commands, 1)  # the file and the interpreter's files come into the system's cache
    runs = alternate(commands, settings.rounds)
    query, top = runs["query"], runs["top"]
    yield Figure(
        "top, 1 M lines",
        seconds(top),
        2 * seconds(query),
        "s",
        detail=f"{spread(top)}; twice the query: {spread(query)}",
    )
    peak = max(one.peak_bytes for one in top)
    yield Figure("top, 1 M lines, memory", peak >> 20, MEMORY_LIMIT >> 20, "MiB")


def _check_answers(path: Path) -> None:
    """A faster command that answers something else would be no comparison."""
    wanted = _rows((*_QUERY, str(path)))
    found = _rows((*LLMWATCH, "top", "--format", "csv", "--limit", "0", str(path)))
    for key, row in wanted.items():
        other = found.get(key, {})
        different = [name for name, value in row.items() if other.get(name) != value]
        if different or len(found) != len(wanted):
            raise DifferentAnswersError(
                f"{key}: {', '.join(different)} of {len(wanted)} and {len(found)} rows"
            )


def _rows(words: Sequence[str]) -> dict[tuple[str, str], dict[str, str]]:
    text = subprocess.run(words, cwd=ROOT, capture_output=True, check=True, text=True).stdout
    return {(row["user"], row["model"]): row for row in csv.DictReader(text.splitlines())}
