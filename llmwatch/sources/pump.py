"""Lines from a source into a store: all there is, or for as long as more comes."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

from llmwatch.sources.source import Source
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store


def load(source: Source, store: Store, progress: Callable[[Source], None] | None = None) -> None:
    """Read a source to its end, and fold. `progress` is called now and then."""
    for piece in read_ahead(_whole(source)):
        store.ingest(piece)
        if progress:
            progress(source)
    store.refresh()


def _whole(source: Source) -> Iterator[Slice]:
    yield from source.read()
    yield from source.finish()


def read_ahead(pieces: Iterator[Slice]) -> Iterator[Slice]:
    """The same slices; while one is used, a thread reads the next.

    One at a time, so that at most two are in memory. Errors come out where the slice would have. When the
    consumer stops early, the thread ends with the piece it is reading.
    """
    ahead: queue.Queue[Slice | BaseException | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def offer(item: Slice | BaseException | None) -> None:
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
