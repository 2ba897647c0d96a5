"""Rows as a Parquet file, written by DuckDB."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal
from pathlib import Path

from llmwatch.dialects.dialect import quoted

_TYPES: tuple[tuple[type | tuple[type, ...], str], ...] = (
    (bool, "BOOLEAN"),
    (int, "HUGEINT"),
    ((int, float, Decimal), "DOUBLE"),
    (datetime, "TIMESTAMP"),
)
"""The first type that all values of a column are of; else it is text."""


def parquet_bytes(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    """One file's bytes; a column's type is that of its values."""
    import duckdb

    types = {column: _type(row[column] for row in rows) for column in columns}
    with tempfile.TemporaryDirectory(prefix="llmwatch-") as name:
        lines, output = Path(name, "rows.jsonl"), Path(name, "rows.parquet")
        lines.write_text(
            "".join(json.dumps(dict(row), default=_plain) + "\n" for row in rows), encoding="utf-8"
        )
        with duckdb.connect() as connection:
            connection.execute(
                f"COPY (SELECT * FROM read_json({quoted(str(lines))}, format = 'newline_delimited', "
                f"columns = {types!r})) TO {quoted(str(output))} (FORMAT parquet)"
            )
        return output.read_bytes()


def _type(values: Iterable[object]) -> str:
    known = [value for value in values if value is not None]
    for kinds, name in _TYPES:
        if known and all(isinstance(value, kinds) for value in known):
            return "BIGINT" if name == "HUGEINT" and all(abs(int(str(v))) < 1 << 63 for v in known) else name
    return "VARCHAR"


def _plain(value: object) -> object:
    return float(value) if isinstance(value, Decimal) else str(value)
