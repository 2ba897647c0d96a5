"""`query --engine insights`: CloudWatch runs the query over log groups, and is paid for what it reads."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.clean import clean
from llmwatch.cli.arguments import read_scope
from llmwatch.cli.output import UNKNOWN, aligned
from llmwatch.cli.progress import show_line
from llmwatch.cli.scan import MAX_SCAN, Estimate, check_paid, estimate, query_progress, read_size
from llmwatch.errors import UsageError

if TYPE_CHECKING:
    from llmwatch.query.insights.answer import Answer
    from llmwatch.query.insights.tree import InsightsQuery
    from llmwatch.sources.cloudwatch.insights import QueryProgress

_PARTIAL_SECONDS = 5.0
_PARTIAL_ROWS = 5
_IN_A_LINE = 3
_CLOUDWATCH_HAS_IT = "--engine insights"
"""A refusal of the local parser names the flag where CloudWatch takes what it does not."""


def run_insights(arguments: argparse.Namespace, text: str) -> Answer:
    """The answer, once its price is allowed; what is worth knowing meanwhile is said."""
    from llmwatch.cli.groups import connect, named_groups
    from llmwatch.cli.main import say
    from llmwatch.query.insights.cloud import answer_of, limit_of
    from llmwatch.sources.cloudwatch.insights import Query, run_query

    check_paid(arguments)
    if arguments.stream:
        raise UsageError(
            "--stream does not go with --engine insights: put `filter @logStream like /^name/` in the query"
        )
    most = read_size(arguments.max_scan or MAX_SCAN, "--max-scan")
    now = datetime.now(UTC)
    scope = read_scope(arguments, now)
    query, doubt = _read(text)
    api = connect(arguments)
    groups = named_groups(arguments, api)
    for remark in query.remarks if query else filter(None, (doubt,)):
        say(remark)
    _allow(estimate(groups, scope.since, scope.until, now), most, allowed=arguments.yes)
    asked = Query(groups, text, scope.since or now, scope.until or now, limit=limit_of(query))
    with query_progress(_found) as show:
        result = run_query(api, asked, progress=_Partial(query, show) if arguments.partial else show)
    return replace(answer_of(result, query), remarks=())


def _read(text: str) -> tuple[InsightsQuery | None, str]:
    """The query, if the local parser takes it, and what it says if not: CloudWatch may know more.

    Raises:
        UsageError: CloudWatch cannot take it either.

    """
    from llmwatch.query.insights.parse import read_query
    from llmwatch.sources.cloudwatch.insights import LONGEST_TEXT

    try:
        return read_query(text), ""
    except UsageError as error:
        if not text.strip() or len(text) > LONGEST_TEXT or not _is_unicode(text):
            raise
        doubt = (
            ""
            if _CLOUDWATCH_HAS_IT in str(error)
            else f"CloudWatch is asked, though this looks wrong: {error}"
        )
        return None, doubt


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _allow(reading: Estimate | None, most: int, *, allowed: bool) -> None:
    """Say what the query may cost. One that may read more than `most` bytes has to be allowed, or is refused."""
    from llmwatch.cli.main import say

    if reading is None:
        say("how much this reads is not known beforehand: CloudWatch does not say how much the groups hold")
        return
    if allowed or reading.read <= most:
        say(reading.sentence)
        return
    above = f"{reading.sentence}; --max-scan allows {units.size(most)}"
    if not (sys.stdin and sys.stdin.isatty() and sys.stderr.isatty()):
        raise UsageError(f"{above}: ask about less time with --since and --until, or say --yes")
    say(above)
    print("Run it all the same? [y/N] ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("the query was not started")


def _found(progress: QueryProgress) -> str:
    """How many rows there are so far, and the first of them."""
    if not progress.rows:
        return ""
    first = [" ".join(clean(value, 20).text for value in row.values()) for row in progress.rows[:_IN_A_LINE]]
    return f"{len(progress.rows):,} rows so far: {'; '.join(first)}"


@dataclass(slots=True)
class _Partial:
    """Takes the news of a query, and writes its first rows on stderr as they change, every few seconds."""

    query: InsightsQuery | None
    show: Callable[[QueryProgress], None] | None
    written: Sequence[Mapping[str, str]] = ()
    at: float = -_PARTIAL_SECONDS

    def __call__(self, progress: QueryProgress) -> None:
        """Take news."""
        top = progress.rows[:_PARTIAL_ROWS]
        running = progress.status == "Running"
        if running and top and top != self.written and progress.seconds >= self.at + _PARTIAL_SECONDS:
            self.written, self.at = top, progress.seconds
            self._write(progress)
        if self.show:
            self.show(progress)

    def _write(self, progress: QueryProgress) -> None:
        from llmwatch.cli.main import say
        from llmwatch.query.insights.cloud import columns_of

        if self.show:
            show_line(sys.stderr, "")
        columns = columns_of(self.written, self.query)
        rows = [[row.get(column, UNKNOWN) for column in columns] for row in self.written]
        lines = aligned(columns, rows, left=len(columns))
        say(
            "\n".join(
                [f"after {progress.seconds:.0f} s, {len(progress.rows):,} rows, not the last word:", *lines]
            )
        )
