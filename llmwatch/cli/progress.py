"""Progress of a long load, on stderr, where a person sees it."""

from __future__ import annotations

import shutil
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

from llmwatch import units
from llmwatch.clean import clean

if TYPE_CHECKING:
    from llmwatch.sources.source import Source

_SHOWN_AFTER_SECONDS = 1.0
_EVERY_SECONDS = 0.2
_ERASE_LINE = "\r\033[K"


@contextmanager
def progress_line(source: Source) -> Iterator[None]:
    """Meanwhile a line says how far the source is read, or why it is not; it is gone at the end.

    A thread writes it, since a service that does not answer brings nothing that could be counted. Without a terminal
    there is none.
    """
    if not sys.stderr.isatty():
        yield
        return
    over = threading.Event()
    thread = threading.Thread(target=_show, args=(source, over), name="progress", daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _show(source: Source, over: threading.Event) -> None:
    began = time.monotonic()
    if over.wait(_SHOWN_AFTER_SECONDS):
        return
    while True:
        show_line(sys.stderr, _words(source, time.monotonic() - began))
        if over.wait(_EVERY_SECONDS):
            show_line(sys.stderr, "")
            return


def show_line(stream: TextIO, words: str) -> None:
    """Put the words, cleaned and cut to the width, in place of the last line of a terminal."""
    width = shutil.get_terminal_size().columns - 1
    stream.write(f"{_ERASE_LINE}{clean(words, width).text}")
    stream.flush()


def _words(source: Source, seconds: float) -> str:
    states = source.states()
    read, total = sum(state.bytes_read for state in states), sum(state.bytes_total for state in states)
    feeds = [state.feed for state in states if state.feed]
    filling = [feed.filling for feed in feeds if feed.filling is not None]
    trouble = next((state.detail for state in states if state.status == "error"), "")
    if filling:
        share = f", {100 * sum(filling) / len(filling):.0f} % of the time asked for"
    else:
        share = f" of {units.size(total)}" if total and not feeds else ""
    return f"reading: {units.size(read)}{share}, {seconds:.0f} s{'; ' if trouble else ''}{trouble}"
