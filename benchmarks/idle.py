"""What the monitor costs in a real terminal: while nothing happens, and at the pace of a busy day."""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from benchmarks.processes import LLMWATCH, ROOT
from benchmarks.terminal import Terminal

_REQUESTS = 1_500
"""In the file at first: some 10 thousand lines."""

_SECONDS = 20
_SETTLE_SECONDS = 5
_RATE = 500


def run(settings: Settings) -> Iterator[Figure]:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(shutil.copy(history(settings.cache, _REQUESTS), folder))
        with Terminal((*LLMWATCH, "tail", str(path))) as terminal:
            terminal.wait_for("LIVE")
            yield Figure("tail, quiet file", _percent(terminal), 2, "% of a core", detail=f"{_SECONDS} s")
            plan = ("live", str(path), str(_RATE), str(_SECONDS + _SETTLE_SECONDS + 5))
            words = (sys.executable, "-m", "benchmarks.writer", *plan)
            with subprocess.Popen(words, cwd=ROOT) as writer:
                yield Figure(
                    f"tail, {_RATE} lines/s",
                    _percent(terminal),
                    12,
                    "% of a core",
                    detail=f"{_SECONDS} s, a screen of 140 x 40",
                )
                writer.terminate()


def _percent(terminal: Terminal) -> float:
    """Of one core, over some seconds, after what came before has settled."""
    time.sleep(_SETTLE_SECONDS)
    began, before = time.perf_counter(), terminal.cpu_seconds()
    time.sleep(_SECONDS)
    return 100 * (terminal.cpu_seconds() - before) / (time.perf_counter() - began)
