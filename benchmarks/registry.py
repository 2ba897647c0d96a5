"""All benchmarks, in the order in which they run."""

from __future__ import annotations

from benchmarks import following, idle, large, startup, top
from benchmarks.figure import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark("startup", "a command and a screen that begin at once", startup.run),
    Benchmark("top", "`llmwatch top` beside one handwritten query, on a million lines", top.run),
    Benchmark("idle", "what the monitor costs while it watches", idle.run),
    Benchmark("following", "a flood of lines, and keys pressed meanwhile", following.run),
    Benchmark("large", "ten times the lines in the same memory", large.run, large=True),
)
