"""The rows of an answer, in every format."""

from __future__ import annotations

import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime
from decimal import Decimal

from llmwatch.cli.output import aligned, write_rows
from llmwatch.errors import UsageError
from llmwatch.query.export import instant, json_text, refuse_namesakes, write_csv

STREAMED = ("jsonl", "csv")
"""Formats of which a row can be written before the next is known."""


def check_format(form: str) -> None:
    """Refuse, before anything is read or paid, what could not be written. Raises UsageError."""
    if form == "parquet" and sys.stdout.isatty():
        raise UsageError("parquet is not text: redirect it, as in --format parquet > rows.parquet")


def check_columns(columns: Sequence[str], form: str) -> None:
    """Refuse columns of one name where a value would be lost. Raises UsageError."""
    if form not in ("table", "csv"):
        refuse_namesakes(columns)


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    form: str,
    counters: Callable[[], Mapping[str, object]],
    *,
    null: str,
) -> None:
    """Write rows to stdout. `null` is how a table shows what is absent."""
    if form == "table":
        gathered = list(rows)
        cells = [[_cell(value, null) for value in row] for row in gathered]
        for line in aligned(columns, cells, left=len(columns), right=_numbers(gathered, len(columns))):
            print(line)
    elif form == "csv":
        write_csv(sys.stdout, columns, rows)
    else:
        named = (dict(zip(columns, row, strict=True)) for row in rows)
        if form == "json":
            print(json_text({"columns": columns, "rows": list(named), "counters": counters()}))
        else:
            write_rows(named, columns, form)


def _numbers(rows: Sequence[Sequence[object]], width: int) -> Collection[int]:
    """The columns that hold numbers and nothing else."""
    found = set()
    for column in range(width):
        known = [row[column] for row in rows if row[column] is not None]
        if known and all(isinstance(value, int | float | Decimal) for value in known):
            found.add(column)
    return found


def _cell(value: object, null: str) -> str:
    if value is None:
        return null
    return str(instant(value)) if isinstance(value, datetime) else str(value)
