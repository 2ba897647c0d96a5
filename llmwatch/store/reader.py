"""DuckDB's reader of JSON lines, and how long a line may be."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from llmwatch.dialects.dialect import quoted

if TYPE_CHECKING:
    import duckdb

_LONG_VALUE = 4 << 20
_LONGEST_VALUE = 64 << 20
"""Bytes of a line: what the reader is made for, and what it is told to take when it has met a longer one."""


def json_columns(
    connection: duckdb.DuckDBPyConnection,
    files: Sequence[str],
    columns: Mapping[str, str],
    statement: Callable[[str], str],
) -> None:
    """Run a statement on a table function that gives a row a line, with these columns, NULL where a line has none."""
    _read(
        connection,
        "read_json",
        files,
        f", format = 'newline_delimited', columns = {dict(columns)!r}",
        statement,
    )


def json_lines(
    connection: duckdb.DuckDBPyConnection, files: Sequence[str], statement: Callable[[str], str]
) -> None:
    """Run a statement on a table function that gives the text of each line as `json`, NULL where it is no JSON."""
    _read(connection, "read_ndjson_objects", files, "", statement)


def _read(
    connection: duckdb.DuckDBPyConnection,
    function: str,
    files: Sequence[str],
    options: str,
    statement: Callable[[str], str],
) -> None:
    """Run it anew where the reader has met a long value, with longer ones allowed.

    Its buffers are twice the longest value it allows, and large ones are slow.
    """
    import duckdb

    names = ", ".join(quoted(file) for file in files)
    reader = f"{function}([{names}]{options}, ignore_errors = true, maximum_object_size = "
    try:
        connection.execute(statement(f"{reader}{_LONG_VALUE})"))
    except duckdb.InvalidInputException as error:
        if "maximum_object_size" not in str(error):
            raise
        connection.execute(statement(f"{reader}{_LONGEST_VALUE})"))
