"""Whole processes, from their start to their end."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

ROOT = Path(__file__).resolve().parent.parent
LLMWATCH = (sys.executable, "-m", "llmwatch")
_KILOBYTE = 1 if sys.platform == "darwin" else 1024
"""The unit of `ru_maxrss`."""
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True)
class Run:
    """What a process took."""

    seconds: float
    cpu_seconds: float
    peak_bytes: int


def run_once(words: Sequence[str]) -> Run:
    """Run a command to its end, its output thrown away. Raises CalledProcessError when it fails."""
    began = time.perf_counter()
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd=ROOT)
    try:
        _, status, usage = os.wait4(process.pid, 0)
    except BaseException:
        process.kill()
        process.wait()
        raise
    seconds = time.perf_counter() - began
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise subprocess.CalledProcessError(process.returncode, words)
    return Run(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss * _KILOBYTE)


def cpu_seconds(process: int) -> float:
    """What a running process and its threads have computed so far."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def alternate(commands: Mapping[str, Sequence[str]], rounds: int) -> dict[str, list[Run]]:
    """Each command `rounds` times, in turn, so that a noisy moment hits all of them."""
    runs: dict[str, list[Run]] = {name: [] for name in commands}
    for _ in range(rounds):
        for name, words in commands.items():
            runs[name].append(run_once(words))
    return runs


def seconds(runs: Sequence[Run]) -> float:
    """The median time."""
    return median(run.seconds for run in runs)


def spread(runs: Sequence[Run]) -> str:
    """How much the times varied, and the processor's part."""
    times = [run.seconds for run in runs]
    cpu = median(run.cpu_seconds for run in runs)
    return f"{min(times):.2f}-{max(times):.2f} s, {cpu:.2f} s of CPU"
