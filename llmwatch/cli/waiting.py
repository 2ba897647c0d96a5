"""Answers that are awaited: DuckDB works in a thread of its own, so that Ctrl-C and a time limit end it at once.

DuckDB looks for signals only between two tasks, and one of them may never end. Nor does its memory limit count all it
takes: of a row with a text of 1 MB it makes 2,048 at a time.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from llmwatch.errors import UsageError

Item = TypeVar("Item")

_AGAIN_SECONDS = 0.05
"""Between two interrupts: one that comes before the query has begun ends nothing."""


def awaited(parts: Iterator[Item], interrupt: Callable[[], None], *, seconds: float = 0) -> Generator[Item]:
    """The same parts, made in another thread. `seconds` is the longest they may take in all; 0 is for ever.

    What whoever reads them works with them is counted too, or an answer without an end could be printed for ever; that
    their output waits, for a person with a pager, is not.

    Raises:
        UsageError: they took longer.

    """
    from llmwatch.sources.pump import read_ahead

    left = seconds or threading.TIMEOUT_MAX
    ahead = read_ahead(parts, interrupt)
    try:
        while True:
            if left <= 0:
                raise _TooLongError
            part, took = _within(left, ahead, interrupt)
            if part is None:
                return
            working = time.thread_time()
            yield part
            left -= took + time.thread_time() - working
    except _TooLongError:
        raise UsageError(
            f"the query was stopped after {seconds:g} seconds: ask for less, or give it more with --timeout "
            "(0 is no limit)"
        ) from None
    finally:
        ahead.close()  # type: ignore[attr-defined]  # a generator


class _TooLongError(Exception):
    pass


def _within(left: float, parts: Iterator[Item], interrupt: Callable[[], None]) -> tuple[Item | None, float]:
    """The next part, None after the last, and the seconds it took."""
    began, over, late = time.monotonic(), threading.Event(), threading.Event()

    def watch() -> None:
        if over.wait(left):
            return
        late.set()
        while not over.wait(_AGAIN_SECONDS):
            interrupt()

    watcher = threading.Thread(target=watch, name="time-limit", daemon=True)
    watcher.start()
    try:
        return next(parts, None), time.monotonic() - began
    except Exception:
        if late.is_set():
            raise _TooLongError from None
        raise
    finally:
        over.set()
        watcher.join()


@contextmanager
def bounded_memory(more: int) -> Iterator[None]:
    """Let the process take so many bytes more than it has, where the system is Linux.

    Raises:
        UsageError: it needs more.

    """
    try:
        import resource

        taken = _data_bytes()
    except (ImportError, OSError):
        yield
        return
    before, most = resource.getrlimit(resource.RLIMIT_DATA)
    bounds = [limit for limit in (taken + more, before, most) if limit != resource.RLIM_INFINITY]
    resource.setrlimit(resource.RLIMIT_DATA, (min(bounds), most))
    try:
        yield
    except MemoryError:
        raise UsageError(
            f"the query was refused: it needs more than --memory {more >> 20}M leaves it; ask for less, or raise it"
        ) from None
    finally:
        resource.setrlimit(resource.RLIMIT_DATA, (before, most))


def _data_bytes() -> int:
    """Memory of the process that counts against its limit for data."""
    words = Path("/proc/self/status").read_text(encoding="ascii", errors="replace").split()
    return int(words[words.index("VmData:") + 1]) << 10
