"""Rows out: a table for people, JSON, JSON lines, CSV and Parquet for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING

from llmwatch.clean import clean
from llmwatch.errors import UsageError
from llmwatch.query.export import instant, json_text, write_csv

if TYPE_CHECKING:
    from llmwatch.query.snapshot import Counters

__all__ = [
    "FORMATS",
    "add_format_arguments",
    "aligned",
    "counters_json",
    "instant",
    "json_text",
    "write_rows",
]

_IN_TOTALS = ("unmetered", "unpriced")
FORMATS = ("table", "json", "jsonl", "csv", "parquet")
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


def write_rows(rows: Iterable[Mapping[str, object]], columns: Sequence[str], form: str) -> None:
    """Write rows as jsonl, csv or parquet."""
    if form == "jsonl":
        for row in rows:
            print(json_text(row))
    elif form == "csv":
        write_csv(sys.stdout, columns, ([row[column] for column in columns] for row in rows))
    elif form == "parquet":
        _write_parquet(list(rows), columns)


def aligned(
    header: Sequence[str], rows: Sequence[Sequence[str]], left: int, *, right: Collection[int] = ()
) -> Iterable[str]:
    """Lines of a table whose first `left` columns are text and the rest, and `right`, numbers; ends are bare."""
    cells = [[clean(cell, _WIDEST_CELL).text for cell in row] for row in [header, *rows]]
    widths = [max(len(row[column]) for row in cells) for column in range(len(header))]
    for row in cells:
        padded = (
            cell.ljust(width) if column < left and column not in right else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        yield "  ".join(padded).rstrip()


def _write_parquet(rows: Sequence[Mapping[str, object]], columns: Sequence[str]) -> None:
    if sys.stdout.isatty():
        raise UsageError("parquet is not text: redirect it, as in --format parquet > calls.parquet")
    from llmwatch.query.parquet import parquet_bytes

    sys.stdout.buffer.write(parquet_bytes(rows, columns))
