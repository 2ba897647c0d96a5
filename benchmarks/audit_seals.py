"""Sealed days against their digests, and the tree over lines: beside the bare hash of the same bytes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from hashlib import sha256
from pathlib import Path
from statistics import median

from benchmarks.figure import Figure, Settings
from llmwatch.audit.archive import PIECE
from llmwatch.audit.folder import LogFile, log_file
from llmwatch.audit.merkle import Tree
from llmwatch.audit.signed.sealed_days import seal_checks
from llmwatch.audit.signed.walk import walk

_DAYS, _LINES, _LINE_BYTES = 4, 100_000, 720
_LEAST_GIGABYTES = 1.0
_MOST_TREE_MICROSECONDS = 2.5
"""Three hashes a line; on a quiet machine it is half of it."""


def run(settings: Settings) -> Iterator[Figure]:
    """Whole days, then lines."""
    files = [_day(settings.cache, number) for number in range(_DAYS)]
    gigabytes = sum(file.path.stat().st_size for file in files) / 1e9
    bare = gigabytes / _seconds(lambda: [_hash(file) for file in files], settings.rounds)
    pair = gigabytes / _seconds(lambda: _check(files), settings.rounds)
    detail = f"{gigabytes:.2f} GB; {pair / bare:.2f} times one bare SHA-256"
    yield Figure("sealed days", pair, _LEAST_GIGABYTES, "GB/s", at_least=True, detail=detail)
    alone = gigabytes / _DAYS / _seconds(lambda: _check(files[:1]), settings.rounds)
    detail = f"{alone / bare:.2f} times one bare SHA-256"
    yield Figure("one sealed day", alone, None, "GB/s", at_least=True, detail=detail)
    line = _seconds(lambda: walk(Tree(), files, {}), settings.rounds) / (_DAYS * _LINES)
    yield Figure("the tree over lines", line * 1e6, _MOST_TREE_MICROSECONDS, "µs a line")


def _seconds(work: Callable[[], object], rounds: int) -> float:
    taken = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        taken.append(time.perf_counter() - began)
    return median(taken)


def _check(files: list[LogFile]) -> None:
    with seal_checks([(file, file.path.stat().st_size, "") for file in files]) as checked:
        assert all(check.sha256 for check in checked())


def _hash(file: LogFile) -> str:
    hasher = sha256()
    with file.path.open("rb", buffering=0) as source:
        while piece := source.read(PIECE):
            hasher.update(piece)
    return hasher.hexdigest()


def _day(cache: Path, number: int) -> LogFile:
    """Lines of the usual length; what is in them does not matter to a hash."""
    path = cache / f"audit_2026-03-{number + 1:02}.jsonl"
    if not path.exists() or path.stat().st_size != _LINES * _LINE_BYTES:
        with path.open("wb") as out:
            out.writelines(b"%0*d\n" % (_LINE_BYTES - 1, number * _LINES + line) for line in range(_LINES))
    return log_file(path)
