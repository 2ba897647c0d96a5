"""Print who spends what on which model, once."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, NamedTuple

from llmwatch import units
from llmwatch.cli.arguments import Loaded, add_source_arguments, add_store_arguments, load_all
from llmwatch.cli.output import add_format_arguments, aligned, counters_json, instant, json_text, write_rows
from llmwatch.errors import UsageError
from llmwatch.query.columns import GROUPINGS, MEASURES

if TYPE_CHECKING:
    from llmwatch.query.scope import Scope
    from llmwatch.query.snapshot import Counters, Table, Usage

NAME = "top"
HELP = "the tables, once"

_TABLE_ROWS = 25
_FINDING = 1


class _Column(NamedTuple):
    heading: str
    show: Callable[..., str]
    always: bool = False
    """Shown even when there is nothing in it."""


_COLUMNS: Mapping[str, _Column] = {
    "requests": _Column("REQUESTS", units.count, always=True),
    "errors": _Column("ERRORS", units.count, always=True),
    "aborted": _Column("ABORTED", units.count),
    "unfinished": _Column("UNFINISHED", units.count),
    "unmetered": _Column("UNMETERED", units.count),
    "unpriced": _Column("UNPRICED", units.count),
    "input_tokens": _Column("INPUT", units.tokens, always=True),
    "cache_read_tokens": _Column("CACHE READ", units.tokens, always=True),
    "cache_write_tokens": _Column("CACHE WRITE", units.tokens),
    "output_tokens": _Column("OUTPUT", units.tokens, always=True),
    "cost_usd": _Column("COST", units.money, always=True),
    "latency_p50_ms": _Column("P50", units.latency),
    "latency_p95_ms": _Column("P95", units.latency, always=True),
}
"""The columns of the table for people, by the measure they show, in order."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `top` takes."""
    add_source_arguments(parser)
    parser.add_argument(
        "--by", default="user,model", metavar="COLUMNS", help=f"default user,model; of {', '.join(GROUPINGS)}"
    )
    parser.add_argument(
        "--sort", default="cost_usd", metavar="COLUMN", help="default cost_usd, largest first"
    )
    parser.add_argument(
        "--limit",
        type=int,
        metavar="N",
        help=f"rows at most, 0 is all; default {_TABLE_ROWS} for a table, else all",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "insights"),
        default="local",
        help="insights: CloudWatch counts the calls of log groups itself, at a price for each GB it reads",
    )
    parser.add_argument("--fail-over", type=float, metavar="USD", help="exit 1 if the cost in scope is more")
    parser.add_argument(
        "--fail-on-unpriced", action="store_true", help="exit 1 if a call has tokens and no price"
    )
    add_format_arguments(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, group, print; the exit code says what was found."""
    from llmwatch.query.tables import check_grouping, count_all, group_calls

    by = list(dict.fromkeys(name.strip() for name in arguments.by.split(",") if name.strip()))
    check_grouping(by, arguments.sort)
    limit = arguments.limit
    if limit is None:
        limit = _TABLE_ROWS if arguments.format == "table" else 0
    if limit < 0:
        raise UsageError(f"--limit {limit} is less than none: 0 means all rows")
    if arguments.fail_over is not None and not arguments.fail_over >= 0:
        raise UsageError(f"--fail-over {arguments.fail_over} is no amount: write dollars, as in 12.50")
    if arguments.engine == "insights":
        from llmwatch.cli.top_insights import run_insights

        return run_insights(arguments, by, limit)
    now = datetime.now(UTC)
    with load_all(arguments, whole_files=True) as loaded:
        table = group_calls(
            loaded.store,
            loaded.scope,
            by,
            sort=arguments.sort,
            descending=largest_first(arguments.sort),
            limit=min(limit, sys.maxsize),
            now=now,
        )
        counters = count_all(loaded.store, loaded.scope, now)
        _print(arguments.format, loaded, table, counters)
        return finding(arguments, table) or loaded.exit_code


def largest_first(sort: str) -> bool:
    """Whether rows come in descending order of a column: names and beginnings do not."""
    return sort not in GROUPINGS and sort != "first_seen"


def finding(arguments: argparse.Namespace, table: Table) -> int:
    """Say what is over the budget or has no price, if that was asked for; the exit code of it."""
    from llmwatch.cli.main import say

    total, code = table.totals, 0
    if arguments.fail_over is not None and (total.cost_usd or 0) > arguments.fail_over:
        say(f"over budget: {units.money(total.cost_usd)} is more than {units.money(arguments.fail_over)}")
        code = _FINDING
    if arguments.fail_on_unpriced and total.unpriced:
        say(f"{total.unpriced} calls have tokens and no price: add their models to a file for --prices")
        code = _FINDING
    return code


def _print(form: str, loaded: Loaded, table: Table, counters: Counters) -> None:
    if form == "json":
        print(json_text(document(loaded.scope, table, counters_json(counters))))
    elif form == "table":
        print_table(table, counters)
    else:
        print_rows(form, table)


def document(scope: Scope, table: Table, counters: Mapping[str, object]) -> dict[str, object]:
    """The answer as JSON has it."""
    return {
        "scope": {"since": instant(scope.since), "until": instant(scope.until), "filter": scope.text},
        "by": list(table.by),
        "rows": _rows(table),
        "groups": table.groups,
        "totals": _plain(table.totals),
        "counters": dict(counters),
    }


def print_rows(form: str, table: Table) -> None:
    """The rows alone, for programs."""
    columns = [*table.by, *MEASURES]
    write_rows(columns, ([row[column] for column in columns] for row in _rows(table)), form)


def _rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table.by, row.key, strict=True)) | _plain(row.usage) for row in table.rows]


def _plain(usage: Usage) -> dict[str, object]:
    values = {name: getattr(usage, name) for name in MEASURES}
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in values.items()}


def print_table(table: Table, counters: Counters | None = None) -> None:
    """The table for people on stdout, and on stderr what was read, where that is known."""
    from llmwatch.cli.main import say

    shown = [name for name, column in _COLUMNS.items() if column.always or getattr(table.totals, name)]
    header = [*(name.upper() for name in table.by), *(_COLUMNS[name].heading for name in shown)]
    lines = [[*(key or "(unknown)" for key in row.key), *_cells(row.usage, shown)] for row in table.rows]
    total = ["TOTAL", *[""] * (len(table.by) - 1), *_cells(table.totals, shown)]
    for line in aligned(header, [*lines, total], len(table.by)):
        print(line)
    hidden = table.groups - len(table.rows)
    if hidden:
        say(f"{hidden:,} more rows: --limit 0 shows all")
    if counters is not None:
        read = (
            f"{counters.lines:,} lines, {counters.calls:,} calls, {counters.other_requests:,} other requests"
        )
        say(read + _problems(counters))


def _problems(counters: Counters) -> str:
    problems = {
        "malformed": counters.malformed,
        "unrecognised": counters.unrecognised,
        "late": counters.late,
        "sampled": counters.sampled,
    }
    found = ", ".join(f"{count:,} {name}" for name, count in problems.items() if count)
    return f"; {found} (llmwatch sql 'SELECT * FROM rejected' PATH lists bad lines)" if found else ""


def _cells(usage: Usage, shown: list[str]) -> list[str]:
    return [_ascii(_COLUMNS[name].show(getattr(usage, name))) for name in shown]


def _ascii(text: str) -> str:
    return text.replace(units.UNKNOWN, "-")
