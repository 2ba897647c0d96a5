"""A search of lines that the monitor has loaded: how soon there is something to see, and when all are counted."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from statistics import median

from benchmarks.figure import Figure, Settings
from benchmarks.inputs import history
from llmwatch.query.filters.language import read_filter
from llmwatch.query.found import SearchRequest
from llmwatch.query.scope import EVERYTHING
from llmwatch.query.search import search
from llmwatch.sources.open import open_paths
from llmwatch.sources.pump import load
from llmwatch.store.store import Store, StoreSettings

_FIRST_MS, _ALL_MS = 100, 300
_QUESTIONS = {
    "a rare text": '"ThrottlingException"',
    "a text of every line": '"bedrock-router"',
    "a regex": "/Thrott[a-z]+/",
    "a regex, any case": "/too many (requests|tokens)/i",
    "a person's errors": "user:user007 status:error",
}


def run(settings: Settings) -> Iterator[Figure]:
    store = Store(StoreSettings(keep_raw=True))
    try:
        load(open_paths([str(history(settings.cache))], follow=False), store)
        for name, text in _QUESTIONS.items():
            yield from _figures(store, name, text, settings.rounds)
    finally:
        store.close()


def _figures(store: Store, name: str, text: str, rounds: int) -> Iterator[Figure]:
    _timed(store, text)  # what DuckDB reads once comes into its cache
    runs = [_timed(store, text) for _ in range(max(rounds, 5))]
    first, done, matched = median(run[0] for run in runs), median(run[1] for run in runs), runs[0][2]
    detail = f"{matched:,} lines match {text}"
    yield Figure(f"search 1 M lines, {name}: first hits", 1000 * first, _FIRST_MS, "ms", detail=detail)
    yield Figure(f"search 1 M lines, {name}: all counted", 1000 * done, _ALL_MS, "ms", detail=detail)


def _timed(store: Store, text: str) -> tuple[float, float, int]:
    """Seconds to the first hits and to the end, and how many there are."""
    request = SearchRequest(read_filter(text))
    began = time.perf_counter()
    first, matched = None, 0
    for found in search(store, EVERYTHING, request, now=datetime.now(UTC), cancelled=lambda: False):
        matched = found.matched
        if first is None and found.events:
            first = time.perf_counter() - began
    done = time.perf_counter() - began
    return (done if first is None else first), done, matched
