"""`top --engine insights`: CloudWatch counts the calls of log groups that are too large to be read here."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.cli.arguments import read_scope
from llmwatch.cli.output import json_text
from llmwatch.cli.scan import check_paid, estimate, query_progress, spent
from llmwatch.cli.top import document, finding, largest_first, print_rows, print_table
from llmwatch.errors import SourceError

if TYPE_CHECKING:
    from llmwatch.pricing.overrides import Overrides
    from llmwatch.query.insights_calls import CallsQuery
    from llmwatch.query.insights_table import Approximation, InsightsTable
    from llmwatch.query.scope import Scope
    from llmwatch.sources.cloudwatch.insights import QueryResult


def run_insights(arguments: argparse.Namespace, by: Sequence[str], limit: int) -> int:
    """Ask, group, print as `top` does; the exit code says what was found."""
    from llmwatch.cli.groups import connect, named_groups
    from llmwatch.cli.main import say
    from llmwatch.pricing.resolver import PriceResolver, load_overrides
    from llmwatch.query.insights_table import Pricing, insights_table
    from llmwatch.sources.cloudwatch.insights import MOST_ROWS, Query, run_query

    check_paid(arguments)
    now = datetime.now(UTC)
    overrides = load_overrides(arguments.prices) if arguments.prices else None
    question = _question(arguments, by, now, overrides)
    text = question.text()
    api = connect(arguments)
    groups = named_groups(arguments, api)
    if reading := estimate(groups, question.scope.since, question.scope.until, now):
        say(reading.sentence)
    with query_progress() as progress:
        result = run_query(api, Query(groups, text, *question.interval(), limit=MOST_ROWS), progress=progress)
    answer = insights_table(
        question,
        result.rows,
        Pricing(PriceResolver(overrides)),
        sort=arguments.sort,
        descending=largest_first(arguments.sort),
        limit=limit,
    )
    _print(arguments.format, question.scope, answer, result)
    return finding(arguments, answer.table) or (SourceError.exit_code if result.truncated else 0)


def _question(
    arguments: argparse.Namespace, by: Sequence[str], now: datetime, overrides: Overrides | None
) -> CallsQuery:
    from llmwatch.query.insights_calls import LONG_ABOVE, CallsQuery

    scope = read_scope(arguments, now)
    entries = overrides.entries if overrides else ()
    thresholds = {entry.price.threshold for entry in entries if entry.price.threshold is not None}
    changes = [day for entry in entries for day in (entry.valid_from, entry.valid_to) if day is not None]
    since, until = scope.since or now, scope.until or now
    return CallsQuery(
        tuple(by),
        scope,
        now,
        long_above=tuple(sorted({*LONG_ABOVE, *thresholds})),
        by_day=any(since.date() < day <= until.date() for day in changes),
        stream_prefix=arguments.stream or "",
    )


def _print(form: str, scope: Scope, answer: InsightsTable, result: QueryResult) -> None:
    approximate = _approximate(answer, result)
    if form == "json":
        counters = _counters(answer, result)
        approximations = [asdict(approximation) for approximation in approximate]
        print(json_text(document(scope, answer.table, counters) | {"approximate": approximations}))
    elif form == "table":
        print_table(answer.table)
    else:
        print_rows(form, answer.table)
    _tell(form, answer, result, approximate)


def _approximate(answer: InsightsTable, result: QueryResult) -> list[Approximation]:
    from llmwatch.query.insights_table import Approximation

    if not result.truncated:
        return list(answer.approximate)
    reason = (
        "truncated: CloudWatch gives so many rows and no more, and those with the fewest requests are missing"
    )
    return [Approximation("requests", reason, len(result.rows)), *answer.approximate]


def _counters(answer: InsightsTable, result: QueryResult) -> dict[str, int | None]:
    """Those of `top`. CloudWatch does not tell what it could not read, nor was it asked for other requests."""
    return {
        "lines": result.statistics.records_scanned,
        "events": result.statistics.records_matched,
        "calls": answer.table.totals.requests,
        "other_requests": None,
        "malformed": None,
        "unrecognised": None,
        "late": 0,
        "sampled": 0,
    }


def _tell(
    form: str, answer: InsightsTable, result: QueryResult, approximate: Sequence[Approximation]
) -> None:
    """On stderr: what was read and what it cost about; what is not exact, where no JSON has it."""
    from llmwatch.cli.main import say

    found = result.statistics
    if form != "json":
        for reason in dict.fromkeys(approximation.reason for approximation in approximate):
            same = [approximation for approximation in approximate if approximation.reason == reason]
            count = "" if same[0].count is None else f"{same[0].count:,} "
            say(f"not exact, {', '.join(one.column for one in same)}: {count}{reason}")
    if result.truncated:
        say(
            f"truncated at {len(result.rows):,} rows: ask about less time with --since and --until, or with fewer --by"
        )
    lines = f"{units.count(found.records_scanned)} lines, " if found.records_scanned is not None else ""
    calls = f"{lines}{answer.table.totals.requests:,} calls"
    say("; ".join(filter(None, (calls, spent(found.bytes_scanned)))))
    if found.records_matched == 0:
        say(
            "no line of these groups is of a format that --engine insights knows: leave it out to see what they hold"
        )
