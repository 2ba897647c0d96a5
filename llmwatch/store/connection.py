"""A DuckDB of our own: how much memory it has, where it spills, what it may not load, by which clock it reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import duckdb

    from llmwatch.store.scratch import Scratch

_DUCKDB_SHARE = 0.55
"""Of the memory limit, what DuckDB may use: the interpreter, slices in transit and what the allocator holds back
take the rest (measured on 10 M lines)."""


def connect(memory_bytes: int, scratch: Scratch) -> duckdb.DuckDBPyConnection:
    """An empty database in memory that is still to be locked down. `memory_bytes` bounds the whole process."""
    import duckdb

    connection = duckdb.connect(
        config={
            "memory_limit": f"{int(memory_bytes * _DUCKDB_SHARE) >> 20}MiB",
            "temp_directory": str(scratch.spill),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    connection.execute("SET TimeZone = 'UTC'")  # by which times with an offset become ours
    return connection
