"""Ask the tables `events`, `calls` and `rejected` one SELECT, in DuckDB's SQL; nothing else can be read or written."""

from __future__ import annotations

import argparse
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch.cli.arguments import Loaded, add_source_arguments, add_store_arguments, load_all
from llmwatch.cli.output import add_format_arguments, aligned, counters_json, instant, json_text, write_rows
from llmwatch.errors import UsageError

if TYPE_CHECKING:
    from llmwatch.store.store import Rows

NAME = "sql"
HELP = "read-only SQL over events, calls and rejected lines"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `sql` takes."""
    parser.add_argument("sql", metavar="SELECT", nargs="?", help="the query")
    parser.add_argument("--describe", action="store_true", help="print the columns of each table")
    add_source_arguments(parser)
    add_format_arguments(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, ask, print."""
    from llmwatch.query.tables import count_all

    if arguments.sql is None and not arguments.describe:
        raise UsageError("sql takes a query, as in: llmwatch sql 'SELECT * FROM calls' router.jsonl")
    now = datetime.now(UTC)
    with load_all(arguments) as loaded:
        text = _DESCRIBE if arguments.describe else arguments.sql
        answer = _ask(loaded, text, now)
        if arguments.format != "table":
            _refuse_namesakes(answer.columns)
        rows = [dict(zip(answer.columns, row, strict=True)) for row in answer.rows]
        if arguments.format == "json":
            counters = counters_json(count_all(loaded.store, loaded.scope, now))
            print(json_text({"columns": list(answer.columns), "rows": rows, "counters": counters}))
        elif arguments.format == "table":
            cells = [[_cell(value) for value in row] for row in answer.rows]
            for line in aligned(answer.columns, cells, left=len(answer.columns)):
                print(line)
        else:
            write_rows(rows, answer.columns, arguments.format)
        return loaded.exit_code


_DESCRIBE = """SELECT table_name AS "table", column_name AS "column", data_type AS type FROM duckdb_columns()
WHERE table_name IN ('events', 'calls', 'rejected') AND database_name = 'store' ORDER BY table_name, column_index"""


def _ask(loaded: Loaded, text: str, now: datetime) -> Rows:
    """The answer, from a thread of its own: DuckDB looks for signals only between two tasks, and one may never end."""
    with ThreadPoolExecutor(1) as pool:
        scope = loaded.scope
        answer = pool.submit(loaded.store.ask, text, since=scope.since, until=scope.until, now=now)
        try:
            return answer.result()
        except (KeyboardInterrupt, SystemExit):
            loaded.store.interrupt()
            raise


def _refuse_namesakes(columns: tuple[str, ...]) -> None:
    """An object holds one value a name: the other would be lost."""
    name, count = next(iter(Counter(columns).most_common(1)), ("", 0))
    if count > 1:
        raise UsageError(f"{count} columns are named {name!r}: name them apart with AS")


def _cell(value: object) -> str:
    if value is None:
        return "NULL"
    return str(instant(value)) if isinstance(value, datetime) else str(value)
