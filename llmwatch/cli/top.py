"""Print who spends what on which model, once."""

from __future__ import annotations

import argparse
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.cli.arguments import Loaded, add_source_arguments, add_store_arguments, load_all
from llmwatch.cli.output import add_format_arguments, aligned, instant, json_text, write_rows
from llmwatch.errors import UsageError
from llmwatch.query.columns import GROUPINGS, MEASURES

if TYPE_CHECKING:
    from llmwatch.query.snapshot import Counters, Table, Usage

NAME = "top"
HELP = "the tables, once"

_TABLE_ROWS = 25
_FINDING = 1
_HEADINGS = {
    "requests": units.count,
    "errors": units.count,
    "aborted": units.count,
    "unfinished": units.count,
    "unmetered": units.count,
    "unpriced": units.count,
    "input_tokens": units.tokens,
    "cache_read_tokens": units.tokens,
    "cache_write_tokens": units.tokens,
    "output_tokens": units.tokens,
    "cost_usd": units.money,
    "latency_p50_ms": units.latency,
    "latency_p95_ms": units.latency,
}
_SHORT = {
    "requests": "REQUESTS",
    "errors": "ERRORS",
    "aborted": "ABORTED",
    "unfinished": "UNFINISHED",
    "unmetered": "UNMETERED",
    "unpriced": "UNPRICED",
    "input_tokens": "INPUT",
    "cache_read_tokens": "CACHE READ",
    "cache_write_tokens": "CACHE WRITE",
    "output_tokens": "OUTPUT",
    "cost_usd": "COST",
    "latency_p50_ms": "P50",
    "latency_p95_ms": "P95",
}


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
    now = datetime.now(UTC)
    with load_all(arguments, whole_files=True) as loaded:
        text_column = arguments.sort in GROUPINGS or arguments.sort == "first_seen"
        table = group_calls(
            loaded.store,
            loaded.scope,
            by,
            sort=arguments.sort,
            descending=not text_column,
            limit=min(limit, sys.maxsize),
            now=now,
        )
        counters = count_all(loaded.store, loaded.scope, now)
        _print(arguments.format, loaded, table, counters)
        return _finding(arguments, table) or loaded.exit_code


def _finding(arguments: argparse.Namespace, table: Table) -> int:
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
    rows = [dict(zip(table.by, row.key, strict=True)) | _plain(row.usage) for row in table.rows]
    if form == "json":
        scope = {"since": instant(loaded.scope.since), "until": instant(loaded.scope.until), "filter": None}
        print(
            json_text(
                {
                    "scope": scope,
                    "by": list(table.by),
                    "rows": rows,
                    "groups": table.groups,
                    "totals": _plain(table.totals),
                    "counters": asdict(counters),
                }
            )
        )
    elif form == "table":
        print_table(table, counters)
    else:
        write_rows(rows, [*table.by, *MEASURES], form)


def _plain(usage: Usage) -> dict[str, object]:
    values = {name: getattr(usage, name) for name in MEASURES}
    return {name: instant(value) if isinstance(value, datetime) else value for name, value in values.items()}


def print_table(table: Table, counters: Counters) -> None:
    """The table for people on stdout, and on stderr what was read."""
    from llmwatch.cli.main import say

    shown = [name for name in _HEADINGS if name in _ALWAYS or getattr(table.totals, name)]
    header = [*(name.upper() for name in table.by), *(_SHORT[name] for name in shown)]
    lines = [[*(key or "(unknown)" for key in row.key), *_cells(row.usage, shown)] for row in table.rows]
    total = ["TOTAL", *[""] * (len(table.by) - 1), *_cells(table.totals, shown)]
    for line in aligned(header, [*lines, total], len(table.by)):
        print(line)
    hidden = table.groups - len(table.rows)
    notes = [
        f"{hidden:,} more rows: --limit 0 shows all" if hidden else "",
        f"{counters.lines:,} lines, {counters.calls:,} calls, {counters.other_requests:,} other requests"
        + _problems(counters),
    ]
    for note in notes:
        if note:
            say(note)


_ALWAYS = (
    "requests",
    "errors",
    "input_tokens",
    "cache_read_tokens",
    "output_tokens",
    "cost_usd",
    "latency_p95_ms",
)
"""Columns of the table that are shown even when there is nothing in them."""


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
    return [_ascii(_HEADINGS[name](getattr(usage, name))) for name in shown]


def _ascii(text: str) -> str:
    return text.replace(units.UNKNOWN, "-")
