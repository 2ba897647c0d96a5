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


def load(source: Source, store: Store, progress: Callable[[Source], None] | None = None) -> None:
    """Read a source to its end, and fold. `progress` is called now and then."""
    if isinstance(source, OffersFiles):
        source.offer(store.take_file)
    for ready in read_ahead(store.prepare(piece) for piece in _whole(source)):
        store.take(ready)
        if progress:
            progress(source)
    store.refresh()


def _whole(source: Source) -> Iterator[Slice]:
    yield from source.read()
    yield from source.finish()


def read_ahead(pieces: Iterator[Item]) -> Iterator[Item]:
    """The same items; while one is used, a thread makes the next.

    One at a time, so that at most two are in memory. Errors come out where the slice would have. When the
    consumer stops early, the thread ends with the piece it is reading.
    """
    ahead: queue.Queue[Item | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

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
        thread.join(timeout=5)
