"""A way to end what one asker asks of a store, and nothing else."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb


class Cancel:
    """Given to `Store.query`, it ends that query, from any thread and for good. Called, it says whether it was used."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._cancelled = False
        self._cursor: duckdb.DuckDBPyConnection | None = None

    def __call__(self) -> bool:
        """Whether `cancel` was called."""
        return self._cancelled

    def cancel(self) -> None:
        """End the query that runs, if one does."""
        with self._lock:
            self._cancelled = True
            if self._cursor is not None:
                self._cursor.interrupt()

    @contextmanager
    def ends(self, cursor: duckdb.DuckDBPyConnection) -> Iterator[None]:
        """While what it runs may be ended."""
        with self._lock:
            self._cursor = cursor
        try:
            yield
        finally:
            with self._lock:
                self._cursor = None
