"""Files of rows."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest

from llmwatch.errors import UsageError
from llmwatch.query.export import json_text, write_csv, write_file


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


def test_nested_values_are_json_in_csv_and_what_is_no_number_is_unknown() -> None:
    target = io.StringIO()
    row = ([1, None], {"a": "é"}, float("nan"), float("-inf"), b"\xffx", 2.5)
    write_csv(target, ["list", "map", "nan", "inf", "blob", "number"], [row])
    assert next(csv.reader([target.getvalue().splitlines()[1]])) == [
        "[1, null]",
        '{"a": "\\u00e9"}',
        "",
        "",
        "\\xffx",
        "2.5",
    ]
    assert json.loads(json_text(row))[4] == "\\xffx"
