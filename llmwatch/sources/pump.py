"""Lines from a source into a store: all there is, or for as long as more comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

from llmwatch.sources.source import OffersFiles, Source
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store

Item = TypeVar("Item")

_PACKED = (".gz", ".zst")
_UNPACKED = 10
"""How many times larger a log is than its archive: a gateway's lines are much alike."""

_MOST_BYTES = 16 << 20
_MOST_SLICES = 5_000
"""Of slices that are taken at once."""

_LAST_WAIT_SECONDS = 2
"""For a thread that nobody needs any more; it may be waiting for standard input."""


def load(source: Source, store: Store) -> None:
    """Read a source to its end, and fold."""
    if isinstance(source, OffersFiles):
        source.offer(store.take_file)
    moments = (store.prepare(*moment) for moment in gathered(_whole(source)))
    for ready in read_ahead(moments, source.close):
        store.take(ready)
    store.refresh()


def gathered(slices: Iterator[Slice]) -> Iterator[tuple[Slice, ...]]:
    """The same slices by moment, so that a store takes those of each at once.

    A moment with much in it comes in parts, whose last slices say that there is more. It is never held back: where
    `slices` raises, what came before comes first.
    """
    moment: list[Slice] = []
    size = 0
    try:
        for piece in slices:
            if moment and size + len(piece.data) > _MOST_BYTES:
                yield tuple(moment)
                moment, size = [], 0
            moment.append(piece)
            size += len(piece.data)
            if not piece.more or len(moment) == _MOST_SLICES:
                yield tuple(moment)
                moment, size = [], 0
    except Exception:
        if moment:
            yield tuple(moment)
        raise
    if moment:
        yield tuple(moment)


def expected_bytes(source: Source) -> int | None:
    """How much there is to read, unpacked, as far as the sizes of files tell; None where they do not."""
    if isinstance(source, OffersFiles):
        source.offer(lambda _: False)  # it has looked at its files then
    states = source.states()
    if any(state.name == "-" for state in states):
        return None
    return sum(state.bytes_total * (_UNPACKED if state.name.endswith(_PACKED) else 1) for state in states)


def _whole(source: Source) -> Iterator[Slice]:
    yield from source.read()
    yield from source.finish()


def read_ahead(pieces: Iterator[Item], cancel: Callable[[], None]) -> Iterator[Item]:
    """The same items; while one is used, a thread makes the next.

    One at a time, so that at most two are in memory. Errors come out where the slice would have. When the
    consumer stops early, `cancel` ends what the thread may be waiting for.
    """
    ahead: queue.Queue[Item | BaseException | None] = queue.Queue(maxsize=1)
    stopped, finished = threading.Event(), threading.Event()

    def offer(item: Item | BaseException | None) -> None:
        while not stopped.is_set():
            try:
                ahead.put(item, timeout=0.1)
            except queue.Full:
                continue
            return

    def run() -> None:
        try:
            for piece in pieces:
                offer(piece)
                if stopped.is_set():
                    return
            finished.set()
            offer(None)
        except BaseException as error:  # noqa: BLE001 (handed to the consumer, whatever it is)
            offer(error)

    thread = threading.Thread(target=run, name="read-ahead", daemon=True)
    thread.start()
    try:
        while (item := ahead.get()) is not None:
            if isinstance(item, BaseException):
                raise item
            yield item
    finally:
        stopped.set()
        if not finished.is_set():
            cancel()
        thread.join(timeout=_LAST_WAIT_SECONDS)
