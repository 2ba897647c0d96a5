"""All benchmarks, in the order in which they run."""

from __future__ import annotations

from benchmarks import (
    audit_faults,
    audit_lines,
    audit_seals,
    audit_tamper,
    audit_writer,
    following,
    idle,
    large,
    queries,
    scanning,
    searching,
    startup,
    top,
    typed,
)
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
    Benchmark("audit-writer", "an audit log, written so that nothing acknowledged is lost", audit_writer.run),
    Benchmark("audit-lines", "an audit log, checked beside the recipe's verifier", audit_lines.run),
    Benchmark("audit-seals", "sealed days of an audit log, and the tree over its lines", audit_seals.run),
    Benchmark("scan", "a search of 3 GB that are not loaded, beside grep and jq", scanning.run, large=True),
    Benchmark("typing", "keys in the search box, with ten million lines", typed.run, large=True),
    Benchmark(
        "audit-faults", "every system call of an audit log's writer fails once", audit_faults.run, large=True
    ),
    Benchmark(
        "audit-fuzz", "a million mutated audit lines, read fast and slow", audit_lines.fuzz, large=True
    ),
    Benchmark(
        "audit-tamper",
        "every bit, every length and any changes of an audit log",
        audit_tamper.run,
        large=True,
    ),
    Benchmark("large", "ten times the lines in the same memory", large.run, large=True),
)
