"""Whatever fails in the monitor, every line is stored once and recorded once."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from threading import Event, Thread
from typing import TypeVar

import duckdb
import pytest

from llmwatch.cli.tail import _recorder
from llmwatch.errors import LlmwatchError, SourceError, StoreError
from llmwatch.query import monitor as monitor_module
from llmwatch.query.filters.language import read_filter
from llmwatch.query.found import SearchRequest
from llmwatch.query.monitor import Monitor
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import SourceState
from llmwatch.store.cancel import Cancel
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.store.helpers import as_slice, opened

PATIENCE = 20.0
COUNT = 100
LINE = (
    b'{"timestamp": "2026-02-27T16:47:00Z", "level": "INFO", "logger": "bedrock-router", "message": "%d"}\n'
)
WRITE = os.write

Answer = TypeVar("Answer")


class Emptied:
    """A source that gives what it has once, in moments of `together` slices, and ends when it has."""

    def __init__(self, together: int, *, last: int = 0, broken: int | None = None) -> None:
        pieces = [
            replace(as_slice([LINE % number], f"s{number}"), more=bool((number + 1) % together))
            for number in range(COUNT)
        ]
        self._last = pieces[COUNT - last :]
        self._pieces = pieces[: COUNT - last]
        self._broken = broken
        self.ended = False

    def read(self) -> Iterator[Slice]:
        taken, self._pieces = self._pieces, []
        for number, piece in enumerate(taken):
            if number == self._broken:
                self._pieces = taken[number:]
                self._broken = None
                raise SourceError("the source is gone for a moment")
            yield piece
        self.ended = True

    def finish(self) -> Iterator[Slice]:
        taken, self._last = self._last, []
        yield from taken

    def states(self) -> tuple[SourceState, ...]:
        return (SourceState("source", "live"),)

    def close(self) -> None:
        pass


def failing(real: Callable[..., Answer], *calls: int) -> Callable[..., Answer]:
    """`real`, but these calls of it, counted from 0, fail."""
    made = iter(range(10_000))

    def attempt(*arguments: object) -> Answer:
        if next(made) in calls:
            raise LlmwatchError("a full disk")
        return real(*arguments)

    return attempt


def watch(
    source: Emptied,
    store: Store,
    monkeypatch: pytest.MonkeyPatch,
    record: Callable[[Slice], None] | None = None,
    done: Callable[[], bool] = lambda: True,
) -> list[str]:
    """Run a monitor until all is there. Returns what it said was wrong."""
    monkeypatch.setattr(monitor_module, "_IDLE_TICK_SECONDS", 0.05)
    monkeypatch.setattr(monitor_module, "TICK_SECONDS", 0.02)
    said: list[str] = []
    complete = Event()

    def deliver(snapshot: Snapshot) -> None:
        said.extend(state.detail for state in snapshot.sources if state.status == "error")
        if snapshot.counters.lines == COUNT and snapshot.kpis and done():
            complete.set()

    monitor = Monitor(source, store, title="logs", record=record)
    monitor.start(deliver)
    try:
        assert complete.wait(PATIENCE), f"{store.lines} of {COUNT} lines, {said}"
    finally:
        monitor.stop()
    return said


def numbers(store: Store) -> list[str]:
    return [str(message) for (message,) in store.query("SELECT message FROM events ORDER BY seq").rows]


ALL = [str(number) for number in range(COUNT)]


@pytest.mark.parametrize("together", [1, 7, COUNT])
@pytest.mark.parametrize("method", ["ingest", "refresh", "_snapshot"])
def test_a_failure_loses_no_line(together: int, method: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as store:
        with monkeypatch.context() as patch:
            owner = Monitor if method == "_snapshot" else store
            patch.setattr(owner, method, failing(getattr(owner, method), 0))
            said = watch(Emptied(together, last=10), store, patch)
        assert said == ["a full disk"]
        assert numbers(store) == ALL


def test_a_source_that_fails_in_a_moment_has_given_what_came_before(monkeypatch: pytest.MonkeyPatch) -> None:
    with opened() as store:
        said = watch(Emptied(COUNT, broken=30), store, monkeypatch)
        assert said == ["the source is gone for a moment"]
        assert numbers(store) == ALL


def test_a_store_is_closed_while_searches_run() -> None:
    for _ in range(5):
        with opened(StoreSettings(keep_raw=True)) as store:
            store.ingest(as_slice([LINE % number for number in range(20_000)]))
            monitor = Monitor(Emptied(1), store, title="logs")
            ended: list[Exception] = []
            running = Event()

            def search(
                monitor: Monitor = monitor, running: Event = running, ended: list[Exception] = ended
            ) -> None:
                try:
                    while True:
                        for _ in monitor.search(SearchRequest(read_filter("9 or /x.*y/")), Cancel()):
                            running.set()
                except (duckdb.InterruptException, StoreError) as error:
                    ended.append(error)

            threads = [Thread(target=search, daemon=True) for _ in range(2)]
            for thread in threads:
                thread.start()
            assert running.wait(PATIENCE)
            monitor.stop()
            store.close()
            for thread in threads:
                thread.join(PATIENCE)
            assert len(ended) == len(threads)


@pytest.mark.parametrize("together", [1, 7])
def test_each_line_is_recorded_once_whatever_fails(
    together: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes a part of a line, then it is full, then it takes the rest; and the store fails too."""
    path = tmp_path / "recorded.jsonl"
    whole = b"".join(LINE % number for number in range(COUNT))
    full = OSError(errno.ENOSPC, "full")
    answers: Iterator[int | OSError | None] = iter([*[None] * 5, 7, full, full, 3])

    def write(descriptor: int, data: memoryview) -> int:
        answer = next(answers, None)
        if isinstance(answer, OSError):
            raise answer
        return WRITE(descriptor, data[:answer])

    with opened() as store, _recorder(path) as record:
        assert record
        monkeypatch.setattr(os, "write", write)
        monkeypatch.setattr(store, "ingest", failing(store.ingest, 3))
        said = watch(
            Emptied(together, last=10), store, monkeypatch, record, lambda: path.stat().st_size >= len(whole)
        )
        assert numbers(store) == ALL
        assert path.read_bytes() == whole
    assert sorted(said) == ["a full disk", *[f"cannot record to {path} (full): free room there"] * 2]
    assert path.read_bytes() == whole
