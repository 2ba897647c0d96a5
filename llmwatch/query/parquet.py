"""Rows as a Parquet file, written by DuckDB."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from llmwatch.dialects.dialect import quoted


def parquet_bytes(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> bytes:
    """One file's bytes. Types are found in the values; a column without any is text."""
    import duckdb

    with tempfile.TemporaryDirectory(prefix="llmwatch-") as name:
        lines, output = Path(name, "rows.jsonl"), Path(name, "rows.parquet")
        lines.write_text("".join(json.dumps(dict(row), default=str) + "\n" for row in rows), encoding="utf-8")
        wanted = ", ".join('"' + column.replace('"', '""') + '"' for column in columns)
        with duckdb.connect() as connection:
            if rows:
                source = f"read_json({quoted(str(lines))}, format = 'newline_delimited', sample_size = -1)"
            else:
                source = (
                    "(SELECT "
                    + ", ".join(f"NULL::VARCHAR AS {column}" for column in wanted.split(", "))
                    + " LIMIT 0)"
                )
            connection.execute(
                f"COPY (SELECT {wanted} FROM {source}) TO {quoted(str(output))} (FORMAT parquet)"
            )
        return output.read_bytes()
