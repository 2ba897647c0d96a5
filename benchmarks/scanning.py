"""A search of a 3 GB file that nothing was read of before, beside what people have for it: grep and jq."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import MILLION, history
from benchmarks.processes import LLMWATCH, alternate, seconds, spread

_GIGABYTES_A_SECOND = 0.5
_QUESTIONS = {
    "throttled": ('"ThrottlingException" level:ERROR', "ThrottlingException", 'select(.level == "ERROR")'),
}
"""What is asked of llmwatch → the pattern for grep, and what jq keeps of the lines it finds."""


def run(settings: Settings) -> Iterator[Figure]:
    path = history(settings.cache, 10 * MILLION)
    size = path.stat().st_size
    filter_text, pattern, keep = _QUESTIONS["throttled"]
    words = (filter_text, "--format", "jsonl", str(path))
    commands: dict[str, tuple[str, ...]] = {"search": (*LLMWATCH, "search", *words)}
    has_jq = shutil.which("jq") is not None
    if has_jq:
        script = 'grep -E -- "$1" "$2" | jq -c "$3"'
        commands["grep"] = ("sh", "-c", script, "sh", pattern, str(path), keep)
    alternate(commands, 1)
    runs = alternate(commands, settings.rounds)
    took = seconds(runs["search"])
    yield Figure(
        "search a file of 3 GB",
        size / 1e9 / took,
        _GIGABYTES_A_SECOND,
        "GB/s",
        at_least=True,
        detail=f"{filter_text}: {spread(runs['search'])}",
    )
    if not has_jq:
        print("scanning: jq is not installed, and the comparison is left out", file=sys.stderr)
        return
    others = seconds(runs["grep"])
    yield Figure(
        "the same with grep -E and jq",
        others / took,
        2.0,
        "times as long",
        at_least=True,
        detail=spread(runs["grep"]),
    )
