"""The calls of a scope as records, the same in JSON lines, CSV and Parquet, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path

from llmwatch.dialects.dialect import quoted
from llmwatch.query.export import json_text, write_csv
from llmwatch.query.scope import Scope
from llmwatch.store.store import Store

COLUMNS: Mapping[str, str] = {
    "time": "TIMESTAMP",
    "request_id": "VARCHAR",
    "user": "VARCHAR",
    "model": "VARCHAR",
    "requested_model": "VARCHAR",
    "provider": "VARCHAR",
    "region": "VARCHAR",
    "status": "VARCHAR",
    "http_status": "INTEGER",
    "latency_ms": "BIGINT",
    "input_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "unmetered": "BOOLEAN",
    "cost_usd": "DECIMAL(38, 12)",
    "price_source": "VARCHAR",
    "unpriced": "BOOLEAN",
    "error": "VARCHAR",
    "error_type": "VARCHAR",
    "path": "VARCHAR",
    "first_seen": "TIMESTAMP",
    "last_seen": "TIMESTAMP",
    "lines": "BIGINT",
    "dialect": "VARCHAR",
    "source": "VARCHAR",
    "stream": "VARCHAR",
}
"""Columns of `calls` → their type in Parquet. Times are UTC; unknown is null."""

JSON_LINES, CSV, PARQUET = "records.jsonl", "records.csv", "records.parquet"

_LINES_AT_ONCE = 100_000

Hide = Callable[[Mapping[str, object]], Mapping[str, object]]


def write_records(
    store: Store, scope: Scope, folder: Path, *, now: datetime, hide: Hide | None = None
) -> int:
    """Write the three files; how many records each has. Raises OSError and StoreError."""
    count = 0
    with (
        (folder / JSON_LINES).open("w", encoding="ascii", newline="\n") as lines,
        (folder / CSV).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
    ):
        write_csv(table, tuple(COLUMNS), ())
        for records in _parts(store, scope, now):
            shown = [hide(record) if hide else record for record in records]
            lines.writelines(json_text(record) + "\n" for record in shown)
            write_csv(table, None, (tuple(record.values()) for record in shown))
            count += len(shown)
    _write_parquet(folder)
    return count


def _parts(store: Store, scope: Scope, now: datetime) -> Iterator[list[dict[str, object]]]:
    condition, parameters = scope.sql()
    names = ", ".join(f'"{name}"' for name in COLUMNS)
    for first in range(0, store.end_seq, _LINES_AT_ONCE):
        rows = store.query(
            f"SELECT {names} FROM calls WHERE reached_model AND {condition} "
            f"AND first_seq >= {first} AND first_seq < {first + _LINES_AT_ONCE} ORDER BY first_seq, request_id, time",
            parameters,
            now=now,
        ).rows
        yield [dict(zip(COLUMNS, row, strict=True)) for row in rows]


def _write_parquet(folder: Path) -> None:
    """From the JSON lines: what one says the other says too."""
    import duckdb

    columns = {name: "TIMESTAMPTZ" if kind == "TIMESTAMP" else kind for name, kind in COLUMNS.items()}
    shown = ", ".join(
        f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"' if kind == "TIMESTAMPTZ" else f'"{name}"'
        for name, kind in columns.items()
    )
    with duckdb.connect() as connection:
        connection.execute("SET preserve_insertion_order = true")
        connection.execute(
            f"COPY (SELECT {shown} FROM read_json({quoted(str(folder / JSON_LINES))}, "
            f"format = 'newline_delimited', columns = {columns!r}, maximum_object_size = 268435456)) "
            f"TO {quoted(str(folder / PARQUET))} (FORMAT parquet)"
        )


def count_records(folder: Path) -> dict[str, int]:
    """How many records each file has. Raises OSError, ValueError and duckdb.Error for what is no such file."""
    import csv

    import duckdb

    with (folder / JSON_LINES).open("rb") as lines:
        of_lines = sum(1 for _ in lines)
    with (folder / CSV).open(encoding="utf-8", newline="") as table:
        of_table = sum(1 for _ in csv.reader(table)) - 1
    with duckdb.connect() as connection:
        row = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(folder / PARQUET)]).fetchone()
    return {JSON_LINES: of_lines, CSV: of_table, PARQUET: int(row[0]) if row else 0}
