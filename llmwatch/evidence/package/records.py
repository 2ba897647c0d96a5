"""The calls of a scope as records, the same in JSON lines, CSV and Parquet, in the order of the log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

from llmwatch.dialects.dialect import quoted
from llmwatch.errors import SourceError
from llmwatch.query.export import instant, json_text, write_csv
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

_READ_AS = {"TIMESTAMP": "TIMESTAMPTZ", "DECIMAL(38, 12)": "VARCHAR"}
"""Of a type in Parquet, what it is read as from JSON lines. Money as text: as a number it were rounded once more."""

_PART = 1 << 20

_LEAST_BUFFER = 16 << 20
"""Bytes that DuckDB's reader has for a record; more, where one is longer."""

_LINES_AT_ONCE = 25_000
"""Lines of the log whose calls are in memory at once: of an audit log, as many calls."""

Hide = Callable[[Mapping[str, object]], Mapping[str, object]]


def write_records(
    store: Store, scope: Scope, folder: Path, *, now: datetime, hide: Hide | None = None
) -> int:
    """Write the three files; how many records each has. Raises OSError and StoreError."""
    count = longest = 0
    with (
        (folder / JSON_LINES).open("w", encoding="ascii", newline="\n") as lines,
        (folder / CSV).open("w", encoding="utf-8", errors="backslashreplace", newline="") as table,
    ):
        write_csv(table, tuple(COLUMNS), ())
        for records in _parts(store, scope, now):
            shown = [hide(record) if hide else record for record in records]
            texts = [json_text(record) for record in shown]
            longest = max(longest, *map(len, texts), 0)
            lines.writelines(f"{text}\n" for text in texts)
            write_csv(table, None, (tuple(record.values()) for record in shown))
            count += len(shown)
    _write_parquet(folder, longest)
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
        yield [dict(zip(COLUMNS, map(_plain, row), strict=True)) for row in rows]


def _plain(value: object) -> object:
    """As JSON has it, so that all forms hold the same: times as text, money with the digits of a double."""
    if isinstance(value, datetime):
        return instant(value)
    return Decimal(repr(float(value))) if isinstance(value, Decimal) else value


def _write_parquet(folder: Path, longest: int) -> None:
    """From the JSON lines: what one says the other says too."""
    import duckdb

    columns = {name: _READ_AS.get(kind, kind) for name, kind in COLUMNS.items()}
    shown = ", ".join(
        f'"{name}" AT TIME ZONE \'UTC\' AS "{name}"'
        if kind == "TIMESTAMP"
        else f'"{name}"::{kind} AS "{name}"'
        for name, kind in COLUMNS.items()
    )
    try:
        with duckdb.connect() as connection:
            connection.execute("SET preserve_insertion_order = true")
            buffer = max(_LEAST_BUFFER, 2 * longest)
            connection.execute(
                f"COPY (SELECT {shown} FROM read_json({quoted(str(folder / JSON_LINES))}, format = "
                f"'newline_delimited', columns = {columns!r}, maximum_object_size = {buffer})) "
                f"TO {quoted(str(folder / PARQUET))} (FORMAT parquet, COMPRESSION zstd)"
            )
    except duckdb.Error as error:
        first = str(error).partition("\n")[0]
        raise SourceError(
            f"{PARQUET} cannot be written ({first}): free room for it, or name another place"
        ) from error


def count_records(folder: Path) -> dict[str, int]:
    """How many records each file has. Raises OSError, ValueError and duckdb.Error for what is no such file."""
    import csv

    import duckdb

    with (folder / JSON_LINES).open("rb") as lines:
        of_lines = sum(part.count(b"\n") for part in iter(partial(lines.read, _PART), b""))
    try:
        with (folder / CSV).open(encoding="utf-8", newline="") as table:
            of_table = sum(1 for _ in csv.reader(iter(partial(table.readline, _PART), ""))) - 1
    except csv.Error as error:
        raise ValueError(str(error)) from error
    with duckdb.connect() as connection:
        row = connection.execute("SELECT count(*) FROM read_parquet(?)", [str(folder / PARQUET)]).fetchone()
    return {JSON_LINES: of_lines, CSV: of_table, PARQUET: int(row[0]) if row else 0}
