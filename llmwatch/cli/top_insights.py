"""`top --engine insights`: CloudWatch counts the calls of log groups that are too large to be read here."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.cli.arguments import check_sources, read_scope
from llmwatch.cli.output import json_text
from llmwatch.cli.progress import show_line
from llmwatch.cli.top import document, finding, largest_first, print_rows, print_table
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.pricing.overrides import Overrides
    from llmwatch.query.insights_calls import CallsQuery
    from llmwatch.query.insights_table import Approximation, InsightsTable
    from llmwatch.query.scope import Scope
    from llmwatch.sources.cloudwatch.api import Group
    from llmwatch.sources.cloudwatch.insights import QueryProgress, QueryResult


def run_insights(arguments: argparse.Namespace, by: Sequence[str], limit: int) -> int:
    """Ask, group, print as `top` does; the exit code says what was found."""
    from llmwatch.cli.groups import connect, named_groups
    from llmwatch.cli.main import say
    from llmwatch.pricing.resolver import PriceResolver, load_overrides
    from llmwatch.query.insights_table import Pricing, insights_table
    from llmwatch.sources.cloudwatch.insights import MOST_ROWS, Query, run_query

    _check(arguments)
    now = datetime.now(UTC)
    overrides = load_overrides(arguments.prices) if arguments.prices else None
    question = _question(arguments, by, now, overrides)
    text = question.text()
    api = connect(arguments)
    groups = named_groups(arguments, api)
    if price := _price_before(groups, question.scope, now):
        say(price)
    with _progress_line() as progress:
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


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what the engine cannot do, with what to do instead."""
    if arguments.paths:
        raise UsageError("--engine insights asks CloudWatch, which has no files: leave PATH or --engine out")
    if not arguments.group:
        raise UsageError("--engine insights asks about log groups: name one with --group")
    if arguments.since is None:
        raise UsageError(
            "--engine insights is paid by what it reads, so it must know how much: give --since, as in --since 30d"
        )
    if arguments.filter_pattern:
        raise UsageError("--filter-pattern does not go with --engine insights: leave one of them out")
    check_sources(arguments)


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


def _price_before(groups: Sequence[Group], scope: Scope, now: datetime) -> str:
    """What the scan may cost. How a group's bytes lie in time is not known: for the share they are taken as even."""
    from llmwatch.sources.cloudwatch.insights import scan_price

    if any(group.stored_bytes is None for group in groups):
        return ""
    total = sum(group.stored_bytes or 0 for group in groups)
    held = f"the groups hold {units.size(total)}, which would cost {_about(scan_price(total))} to read"
    shares = [_share(group, scope, now) for group in groups]
    if None in shares or all(share == 1 for share in shares):
        return held
    part = sum((group.stored_bytes or 0) * (share or 0) for group, share in zip(groups, shares, strict=True))
    return f"{held}; the time asked for {_about(scan_price(part))}, if all their days are alike"


def _share(group: Group, scope: Scope, now: datetime) -> float | None:
    """Which part of a group's life the scope is."""
    if group.created is None or scope.since is None:
        return None
    created, end = group.created / 1000, now.timestamp()
    since = max(scope.since.timestamp(), created)
    until = min((scope.until or now).timestamp(), end)
    return min(max(until - since, 0) / (end - created), 1.0) if end > created else 1.0


def _about(usd: float) -> str:
    return f"about {units.money(usd)}" if usd >= 0.01 else "less than $0.01"


@contextmanager
def _progress_line() -> Iterator[Callable[[QueryProgress], None] | None]:
    """A function for each news of the query; the line it writes is gone at the end. None without a terminal."""
    if not sys.stderr.isatty():
        yield None
        return

    def show(progress: QueryProgress) -> None:
        found = progress.statistics
        parts = [f"CloudWatch: {progress.status.lower()}, {progress.seconds:.0f} s"]
        if found.records_scanned is not None and found.bytes_scanned:
            parts.append(f"{found.records_scanned:,} lines, {units.size(found.bytes_scanned)}")
            parts.append(_about(found.price_usd or 0))
        if progress.trouble:
            parts.append("waiting to ask again")
        show_line(sys.stderr, ", ".join(parts))

    try:
        yield show
    finally:
        show_line(sys.stderr, "")


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
    cost = f"; CloudWatch read {units.size(found.bytes_scanned)}, " if found.bytes_scanned is not None else ""
    say(f"{calls}{cost}{_about(found.price_usd) if found.price_usd is not None else ''}")
    if found.records_matched == 0:
        say(
            "no line of these groups is of a format that --engine insights knows: leave it out to see what they hold"
        )
