"""All benchmarks, in the order in which they run."""

from __future__ import annotations

from benchmarks import following, idle, large, queries, scanning, searching, startup, top, typed
from benchmarks.cloudwatch import backfill, day, emulated, faults, naive, quiet
from benchmarks.figure import Benchmark

BENCHMARKS: tuple[Benchmark, ...] = (
    Benchmark("startup", "a command and a screen that begin at once", startup.run),
    Benchmark("top", "`llmwatch top` beside one handwritten query, on a million lines", top.run),
    Benchmark("idle", "what the monitor costs while it watches", idle.run),
    Benchmark("following", "a flood of lines, and keys pressed meanwhile", following.run),
    Benchmark("search", "a search of a million lines that are loaded", searching.run),
    Benchmark("queries", "Logs Insights queries on a million lines", queries.run),
    Benchmark("faults", "CloudWatch on bad days: nothing lost, nothing twice", faults.run),
    Benchmark("naive", "the same bad day, read by simpler rules", naive.run),
    Benchmark("day", "a day of following CloudWatch in the same memory", day.run),
    Benchmark("quiet", "what log groups cost in which nothing happens", quiet.run),
    Benchmark("backfill", "the past of a log group, at the pace of the budget", backfill.run),
    Benchmark("moto", "CloudWatch through boto3, from an emulator on this machine", emulated.run),
    Benchmark("scan", "a search of 3 GB that are not loaded, beside grep and jq", scanning.run, large=True),
    Benchmark("typing", "keys in the search box, with ten million lines", typed.run, large=True),
    Benchmark("large", "ten times the lines in the same memory", large.run, large=True),
)
