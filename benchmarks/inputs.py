"""The files that are read: each is made once, and kept in the cache."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from pathlib import Path

from benchmarks.statements import Line
from benchmarks.traffic import by_time, requests

_SEED = 7
_FORM = 1
"""Part of the names: raise it when the lines change, and files of before are not taken for new ones."""

MILLION = 150_000
"""Requests in a million lines, near enough: 982 thousand, 313 MB."""


def history(cache: Path, count: int = MILLION) -> Path:
    """So many requests, the lines of each together."""
    groups = requests(count, _SEED)
    return _made(cache / f"history-{count}-{_FORM}.jsonl", (line for lines in groups for line in lines))


def flood(cache: Path, count: int, gap_ms: float) -> Path:
    """So many requests so close together, in the order in which a router writes their lines."""
    path = cache / f"flood-{count}-{gap_ms:.6f}-{_FORM}.jsonl"
    return _made(path, by_time(requests(count, _SEED + 1, gap_ms=gap_ms)))


def _made(path: Path, lines: Iterable[Line]) -> Path:
    if not path.exists():
        print(f"making {path} …", file=sys.stderr, flush=True)
        unfinished = path.with_suffix(f".{os.getpid()}")
        try:
            with unfinished.open("wb", buffering=1 << 20) as out:
                out.writelines(text for _, text in lines)
            unfinished.rename(path)
        finally:
            unfinished.unlink(missing_ok=True)
    return path
