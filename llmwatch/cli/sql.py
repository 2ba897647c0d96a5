"""Ask the tables `events`, `calls` and `rejected` one SELECT, in DuckDB's SQL; nothing else can be read or written."""

from __future__ import annotations

import argparse
import math
import sys
from collections.abc import Iterable
from contextlib import closing
from datetime import UTC, datetime
from itertools import chain

from llmwatch.cli.arguments import Loaded, add_source_arguments, add_store_arguments, load_all
from llmwatch.cli.output import STREAMED, add_format_arguments, check_columns, counters_json, print_rows
from llmwatch.cli.waiting import awaited, bounded_memory
from llmwatch.errors import UsageError

NAME = "sql"
HELP = "read-only SQL over events, calls and rejected lines"

_SECONDS = 60.0
_ROW_BYTES = 64
"""Of a tuple and its place in a list."""
_SHARE_OF_ROWS = 8
"""Which part of the memory rows may take that are gathered; as text on their way out they take some times more."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `sql` takes."""
    parser.add_argument("sql", metavar="SELECT", nargs="?", help="the query")
    parser.add_argument("--describe", action="store_true", help="print the columns of each table, and end")
    parser.add_argument(
        "--timeout",
        metavar="SECONDS",
        type=float,
        default=_SECONDS,
        help=f"how long the query may run, 0 is for ever; default {_SECONDS:g}",
    )
    add_source_arguments(parser, filters=False)
    add_format_arguments(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, ask, print."""
    if arguments.describe:
        return _describe(arguments.format)
    if arguments.sql is None:
        raise UsageError("sql takes a query, as in: llmwatch sql 'SELECT * FROM calls' router.jsonl")
    if not (arguments.timeout >= 0 and math.isfinite(arguments.timeout)):
        raise UsageError(f"--timeout {arguments.timeout} is no time: write seconds, or 0 for no limit")
    _check_text(arguments.sql)
    with load_all(arguments) as loaded:
        _answer(loaded, arguments)
        return loaded.exit_code


def _describe(form: str) -> int:
    """Print the tables, their columns and what those mean."""
    from llmwatch.store.meanings import MEANINGS
    from llmwatch.store.store import Store

    store = Store()
    try:
        types = {
            row[:2]: row[2]
            for row in store.query(
                "SELECT table_name, column_name, data_type FROM duckdb_columns() WHERE database_name = 'store'"
            ).rows
        }
    finally:
        store.close()
    rows = [
        (table, column, str(types[table, column]), meaning)
        for table, meanings in MEANINGS.items()
        for column, meaning in meanings.items()
    ]
    print_rows(("table", "column", "type", "meaning"), rows, form, dict)
    return 0


def _check_text(sql: str) -> None:
    try:
        sql.encode()
    except UnicodeEncodeError as error:
        raise UsageError(f"character {error.start + 1} of the query is not Unicode: leave it out") from error


def _answer(loaded: Loaded, arguments: argparse.Namespace) -> None:
    from llmwatch.query.tables import count_all

    store, scope, now, form = loaded.store, loaded.scope, datetime.now(UTC), arguments.format
    memory = store.settings.memory_bytes
    answer = store.ask(arguments.sql, since=scope.since, until=scope.until, now=now)
    with (
        bounded_memory(memory),
        closing(awaited(answer, store.interrupt, seconds=arguments.timeout)) as parts,
    ):
        first = next(parts)
        check_columns(first.columns, form)
        rows: Iterable[tuple[object, ...]] = (row for part in chain([first], parts) for row in part.rows)
        if form not in STREAMED:
            rows = _gathered(rows, memory // _SHARE_OF_ROWS)
        # What is absent has SQL's own word, for that is what one writes to ask for it.
        print_rows(
            first.columns, rows, form, lambda: counters_json(count_all(store, scope, now)), null="NULL"
        )


def _gathered(rows: Iterable[tuple[object, ...]], most_bytes: int) -> list[tuple[object, ...]]:
    """All rows, if they are no more than so much."""
    gathered: list[tuple[object, ...]] = []
    size = 0
    for row in rows:
        size += _ROW_BYTES + sum(map(sys.getsizeof, row))
        if size > most_bytes:
            raise UsageError(
                f"the query was refused: its first {len(gathered):,} rows fill the memory; ask for fewer with LIMIT "
                "or GROUP BY, raise --memory, or write them as they come with --format jsonl or csv"
            )
        gathered.append(row)
    return gathered
