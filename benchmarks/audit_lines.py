"""Audit logs: how fast their lines are checked, beside the recipe's own verifier, and whether two readers agree."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from multiprocessing import get_context
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Settings
from llmwatch.audit.archive import opened
from llmwatch.audit.entry import Secret
from llmwatch.audit.folder import log_file
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines import fast
from llmwatch.audit.lines.parallel import parallel_segments
from tests.audit import mutants, recipe

_LINES = 60_000
_ROUNDS = 5
_FUZZED = 1_000_000
_EACH = 2_000
_RING = KeyRing((Secret(recipe.SECRET.encode()),))


def run(settings: Settings) -> Iterator[Figure]:
    plain, numbered = (_log(settings.cache, name) for name in ("plain", "v2"))
    cores = len(os.sched_getaffinity(0))
    ways: dict[str, Callable[[], None]] = {
        "recipe": lambda: _recipe(plain),
        "one": lambda: _ours(plain, 1),
        "two": lambda: _ours(plain, 2),
        "v2": lambda: _ours(numbered, 1),
    }
    times: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(max(settings.rounds, _ROUNDS)):
        for name, way in ways.items():
            began = time.perf_counter()
            way()
            times[name].append((time.perf_counter() - began) / _LINES * 1e6)
    detail = f"{plain.stat().st_size / _LINES:.0f} bytes a line, {cores} cores"
    yield Figure("audit, the recipe's verifier", min(times["recipe"]), None, "µs/line", detail=detail)
    yield _ratio("audit, verify on one core", times, "one", 3)
    yield _ratio("audit, verify on two cores", times, "two", 5)
    yield _ratio("audit, verify v2 lines on one core", times, "v2", 3)


def fuzz(_: Settings) -> Iterator[Figure]:
    fast.PATIENCE = 1
    seeds = range(_FUZZED // _EACH)
    with get_context("fork").Pool(len(os.sched_getaffinity(0))) as pool:
        total = sum(pool.imap_unordered(_compare, seeds), mutants.Outcome())
    detail = f"{total.accepted:,} taken by the fast reader, {total.changed:,} of them changed"
    yield Figure(
        "audit, mutated lines read twice", total.cases, _FUZZED, "lines", at_least=True, detail=detail
    )
    example = repr(total.disagreements[0]) if total.disagreements else ""
    yield Figure("audit, readers that disagree", len(total.disagreements), 0, "lines", detail=example)


def _compare(seed: int) -> mutants.Outcome:
    return mutants.compare(1_000 + seed, _EACH)


def _ratio(name: str, times: dict[str, list[float]], way: str, bound: float) -> Figure:
    """How many times faster than the recipe's verifier, in each round one after the other."""
    ratios = [recipes / ours for recipes, ours in zip(times["recipe"], times[way], strict=True)]
    detail = f"{min(times[way]):.1f} µs a line at best; {min(ratios):.1f}-{max(ratios):.1f}"
    return Figure(name, median(ratios), bound, "times the recipe's", at_least=True, detail=detail)


def _log(cache: Path, name: str) -> Path:
    path = cache / f"audit-{name}-{_LINES}.jsonl"
    if not path.exists():
        entries = recipe.entries(_LINES)
        data = b"".join(recipe.lines(recipe.v2(entries) if name == "v2" else entries))
        unfinished = path.with_suffix(".part")
        unfinished.write_bytes(data)
        unfinished.replace(path)
    return path


def _recipe(path: Path) -> None:
    assert recipe.verify(path)


def _ours(path: Path, processes: int) -> None:
    with opened(log_file(path)) as content:
        (one,) = parallel_segments(content.data, _RING, processes=processes)
    assert one.end == path.stat().st_size
