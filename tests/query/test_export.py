"""Files of rows."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from llmwatch.errors import UsageError
from llmwatch.query.export import write_file


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_every_format_holds_the_rows(tmp_path: Path, form: str) -> None:
    columns, rows = ("=a", "b"), (("=1+1\x1b", 1), (None, 2.5))
    path = tmp_path / f"rows.{form.upper()}"
    write_file(path, columns, rows)
    if form == "csv":
        assert path.read_text() == "'=a,b\n'=1+1␛,1\n,2.5\n"
    elif form == "parquet":
        import duckdb

        with duckdb.connect() as connection:
            assert connection.execute(
                "SELECT * FROM read_parquet(?) ORDER BY b", [str(path)]
            ).fetchall() == list(rows)
    else:
        text = path.read_text()
        found = (
            json.loads(text)["rows"] if form == "json" else [json.loads(line) for line in text.splitlines()]
        )
        assert found == [dict(zip(columns, row, strict=True)) for row in rows]
    with pytest.raises(UsageError, match="there already"):
        write_file(path, columns, rows)
    if form != "csv":
        with pytest.raises(UsageError, match="2 columns are named 'a'"):
            write_file(path, ("a", "a"), rows, replace=True)
