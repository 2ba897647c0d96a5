"""Rows out: a table for people, JSON, JSON lines, CSV and Parquet for programs."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.clean import clean
from llmwatch.errors import UsageError
from llmwatch.query.export import instant, json_text, refuse_namesakes, write_csv

if TYPE_CHECKING:
    from llmwatch.query.snapshot import Counters

__all__ = [
    "FORMATS",
    "STREAMED",
    "UNKNOWN",
    "LiveRows",
    "add_format_arguments",
    "aligned",
    "check_columns",
    "counters_json",
    "instant",
    "json_text",
    "print_rows",
    "write_rows",
]

UNKNOWN = "-"
"""In a table: ASCII, since a table goes through pipes to anything."""

FORMATS = ("table", "json", "jsonl", "csv", "parquet")
STREAMED = ("jsonl", "csv")
"""Formats of which a row can be written before the next is known."""

_IN_TOTALS = ("unmetered", "unpriced")
_WIDEST_CELL = 60


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """How rows come out."""
    parser.add_argument("--format", type=_format, choices=FORMATS, default="table", help="default: table")
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="the same as --format json"
    )


def _format(name: str) -> str:
    """Refuse, before anything is read or paid, what could not be written. Raises UsageError."""
    if name == "parquet" and sys.stdout.isatty():
        raise UsageError("parquet is not text: redirect it, as in --format parquet > rows.parquet")
    return name


def check_columns(columns: Sequence[str], form: str) -> None:
    """Refuse columns of one name where a value would be lost. Raises UsageError."""
    if form not in ("table", "csv"):
        refuse_namesakes(columns)


def counters_json(counters: Counters) -> dict[str, int]:
    """The counters, without those that a table's totals have."""
    return {name: count for name, count in asdict(counters).items() if name not in _IN_TOTALS}


def print_rows(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    form: str,
    counters: Callable[[], Mapping[str, object]],
    *,
    null: str = UNKNOWN,
) -> None:
    """Write rows to stdout. `null` is how a table shows what is absent."""
    if form == "table":
        gathered = list(rows)
        cells = [[_cell(value, null) for value in row] for row in gathered]
        for line in aligned(columns, cells, left=len(columns), right=_numbers(gathered, len(columns))):
            print(line)
    elif form == "json":
        named = [dict(zip(columns, row, strict=True)) for row in rows]
        print(json_text({"columns": columns, "rows": named, "counters": counters()}))
    else:
        write_rows(columns, rows, form)


def write_rows(columns: Sequence[str], rows: Iterable[Sequence[object]], form: str) -> None:
    """Write rows alone: as jsonl, csv or parquet."""
    if form == "csv":
        write_csv(sys.stdout, columns, rows)
        return
    named = (dict(zip(columns, row, strict=True)) for row in rows)
    if form == "jsonl":
        for row in named:
            print(json_text(row))
    elif form == "parquet":
        from llmwatch.query.parquet import parquet_bytes

        sys.stdout.buffer.write(parquet_bytes(list(named), columns))


class LiveRows:
    """Writes each row as it comes: as JSON, or in a table whose columns grow, since nobody knows what will come."""

    def __init__(self, columns: Sequence[str], form: str) -> None:
        self._columns = columns
        self._form = form
        self._widths: list[int] = []

    def write(self, row: Sequence[object]) -> None:
        """Write a row, now."""
        if self._form != "table":
            print(json_text(dict(zip(self._columns, row, strict=True))))
            return
        cells = [clean(_cell(value, UNKNOWN), _WIDEST_CELL).text for value in row]
        if not self._widths:
            heading = [clean(column, _WIDEST_CELL).text for column in self._columns]
            self._widths = [max(map(len, pair)) for pair in zip(heading, cells, strict=True)]
            print(_padded(heading, self._widths, _numbers([row], len(row))))
        self._widths = [max(len(cell), width) for cell, width in zip(cells, self._widths, strict=True)]
        print(_padded(cells, self._widths, _numbers([row], len(row))))


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int, *, right: Collection[int] = ()
) -> Iterable[str]:
    """Lines of a table whose first `left` columns are text and the rest, and `right`, numbers; ends are bare."""
    cells = [[clean(cell, _WIDEST_CELL).text for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    numbers = {*right, *range(left, len(header))}
    return (_padded(row, widths, numbers) for row in cells)


def _padded(cells: Sequence[str], widths: Sequence[int], right: Collection[int]) -> str:
    padded = (
        cell.rjust(width) if column in right else cell.ljust(width)
        for column, (cell, width) in enumerate(zip(cells, widths, strict=True))
    )
    return "  ".join(padded).rstrip()


def _numbers(rows: Sequence[Sequence[object]], width: int) -> Collection[int]:
    """The columns that hold numbers and nothing else."""
    found = set()
    for column in range(width):
        known = [row[column] for row in rows if row[column] is not None]
        if known and all(isinstance(value, int | float | Decimal) for value in known):
            found.add(column)
    return found


def _cell(value: object, null: str) -> str:
    """Whole numbers have all their digits and nothing else, for they may be names: a status, a year, a port."""
    match value:
        case None:
            return null
        case datetime():
            return str(instant(value))
        case float() | Decimal() if math.isfinite(value):
            return units.figure(float(value))
    return str(value)
