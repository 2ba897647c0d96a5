"""Rows for programs: JSON, JSON lines, CSV and Parquet, as text or as a file of one's own."""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from llmwatch.clean import clean
from llmwatch.errors import SourceError, UsageError
from llmwatch.private_file import write_private

FILE_FORMATS = ("csv", "json", "jsonl", "parquet")
"""What the ending of a file's name may ask for."""

_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")
_NAME = re.compile(r"@?[A-Za-z0-9_]+")
"""A field's name, such as `@timestamp`: no formula, for it calls nothing."""
_LONGEST_CELL = 32_000
"""Characters; a spreadsheet's cell holds 32,767."""


class _Text(Protocol):
    """What takes text: standard output, a file, a buffer."""

    def write(self, text: str, /) -> object: ...


def json_text(value: object, *, indent: int | None = None) -> str:
    """JSON that holds any text exactly and is harmless on a terminal: all but printable ASCII is escaped."""
    try:
        text = json.dumps(value, default=_plain, allow_nan=False, indent=indent)
    except ValueError:
        text = json.dumps(_without_nan(value), default=_plain, allow_nan=False, indent=indent)
    return text.replace("\x7f", "\\u007f")


def instant(moment: datetime | None) -> str | None:
    """A time as JSON has it: UTC, with `Z`."""
    if moment is None:
        return None
    aware = moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    return aware.isoformat().replace("+00:00", "Z")


def write_csv(target: _Text, columns: Sequence[str] | None, rows: Iterable[Sequence[object]]) -> None:
    """A line of names, if there are any, then a line for each row."""
    import csv

    writer = csv.writer(target, lineterminator="\n")
    if columns is not None:
        writer.writerow([column if _NAME.fullmatch(column) else _csv_cell(column) for column in columns])
    for row in rows:
        writer.writerow([_csv_cell(value) for value in row])


def refuse_namesakes(columns: Sequence[str]) -> None:
    """An object holds one value a name: the other would be lost. Raises UsageError."""
    name, count = next(iter(Counter(columns).most_common(1)), ("", 0))
    if count > 1:
        raise UsageError(f"{count} columns are named {name!r}: name them apart with `as`, or write CSV")


def file_format(path: Path) -> str:
    """What the ending of the name asks for. Raises UsageError."""
    form = path.suffix.lower().removeprefix(".")
    if form not in FILE_FORMATS:
        endings = ", ".join(f".{name}" for name in FILE_FORMATS)
        raise UsageError(f"{path.name or path} does not say its format: end it in one of {endings}")
    return form


def write_file(
    path: Path, columns: Sequence[str], rows: Sequence[Sequence[object]], *, replace: bool = False
) -> None:
    """Write a file in the format of its ending, for its owner's eyes alone, whole or not at all.

    What is there already stays unless `replace`. Raises UsageError and SourceError.
    """
    made = _file_bytes(file_format(path), columns, rows)
    try:
        if replace:
            write_private(path, made)
        else:
            _write_new(path, made)
    except FileExistsError:
        raise UsageError(f"{path} is there already") from None
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror or error}") from error


def _write_new(path: Path, data: bytes) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
        try:
            file.write(data)
            file.flush()
        except OSError:
            path.unlink()
            raise


def _file_bytes(form: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> bytes:
    if form == "csv":
        text = io.StringIO()
        write_csv(text, columns, rows)
        return text.getvalue().encode("utf-8", "backslashreplace")
    refuse_namesakes(columns)
    named = [dict(zip(columns, row, strict=True)) for row in rows]
    if form == "json":
        return (json_text({"columns": list(columns), "rows": named}) + "\n").encode()
    if form == "jsonl":
        return "".join(json_text(row) + "\n" for row in named).encode()
    from llmwatch.query.parquet import parquet_bytes

    return parquet_bytes(named, columns)


def _csv_cell(value: object) -> object:
    """Cleaned text that no spreadsheet takes for a formula; what is no finite number is as unknown as in JSON."""
    if isinstance(value, str) and len(value) < _LONGEST_CELL and value.isascii() and value.isprintable():
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None or isinstance(value, int | float | Decimal):
        return value
    if isinstance(value, datetime):
        value = instant(value)
    elif isinstance(value, dict | list | tuple):
        value = json_text(value)
    text = clean(value, _LONGEST_CELL).text
    return f"'{text}" if text.startswith(_FORMULA_STARTS) else text


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
        whole = value == value.to_integral_value() and value.as_tuple().exponent == 0
        return int(value) if whole else float(value)
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    return str(value)
