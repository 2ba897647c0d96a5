"""Rows out: a table for people, JSON, JSON lines, CSV and Parquet for programs."""

from __future__ import annotations

import argparse
import json
import math
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import TYPE_CHECKING

from llmwatch.clean import clean
from llmwatch.errors import UsageError

if TYPE_CHECKING:
    from llmwatch.query.snapshot import Counters

_IN_TOTALS = ("unmetered", "unpriced")
FORMATS = ("table", "json", "jsonl", "csv", "parquet")
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_WIDEST_CELL = 60


def add_format_arguments(parser: argparse.ArgumentParser) -> None:
    """How rows come out."""
    parser.add_argument("--format", choices=FORMATS, default="table", help="default: table")
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="the same as --format json"
    )


def counters_json(counters: Counters) -> dict[str, int]:
    """The counters, without those that a table's totals have."""
    return {name: count for name, count in asdict(counters).items() if name not in _IN_TOTALS}


def json_text(value: object) -> str:
    """JSON that holds any text exactly and is harmless on a terminal: all but printable ASCII is escaped."""
    try:
        text = json.dumps(value, default=_plain, allow_nan=False)
    except ValueError:
        text = json.dumps(_without_nan(value), default=_plain, allow_nan=False)
    return text.replace("\x7f", "\\u007f")


def instant(moment: datetime | None) -> str | None:
    """A time as JSON has it: UTC, with `Z`."""
    if moment is None:
        return None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def write_rows(rows: Iterable[Mapping[str, object]], columns: Sequence[str], form: str) -> None:
    """Write rows as jsonl, csv or parquet."""
    if form == "jsonl":
        for row in rows:
            print(json_text(row))
    elif form == "csv":
        _write_csv(rows, columns)
    elif form == "parquet":
        _write_parquet(list(rows), columns)


def aligned(header: Sequence[str], rows: Sequence[Sequence[str]], left: int) -> Iterable[str]:
    """Lines of a table whose first `left` columns are text and the rest numbers; ends of lines are bare."""
    cells = [[clean(cell, _WIDEST_CELL).text for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = (
            cell.ljust(width) if column < left else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


def _without_nan(value: object) -> object:
    """JSON has no number for NaN and the infinities; what is no number is not known."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: _without_nan(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(item) for item in value]
    return value


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return instant(value)
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Decimal):
        return (
            int(value)
            if value == value.to_integral_value() and value.as_tuple().exponent == 0
            else float(value)
        )
    return str(value)


def _write_csv(rows: Iterable[Mapping[str, object]], columns: Sequence[str]) -> None:
    import csv

    writer = csv.writer(sys.stdout, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow([_csv_cell(row[column]) for column in columns])


def _csv_cell(value: object) -> object:
    """Cleaned text that no spreadsheet takes for a formula."""
    if value is None or isinstance(value, int | float | Decimal):
        return value
    text = clean(instant(value) if isinstance(value, datetime) else value, 32_000).text
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


def _write_parquet(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    if sys.stdout.isatty():
        raise UsageError("parquet is not text: redirect it, as in --format parquet > calls.parquet")
    from llmwatch.query.parquet import parquet_bytes

    sys.stdout.buffer.write(parquet_bytes(rows, columns))
