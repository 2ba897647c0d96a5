"""One Logs Insights query, from its start to its last row. What it asks is the caller's."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TypeVar

from llmwatch.errors import PlacedError, SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, Group, LogsApi, QueryPage, QueryStatus

MOST_GROUPS = 50
"""Of one query (StartQuery, API reference)."""

MOST_ROWS, USUAL_ROWS = 100_000, 10_000
"""Of one query, and of one that has no limit of its own (StartQuery and GetQueryResults, API reference)."""

LONGEST_TEXT = 10_000
"""Characters of a query (StartQuery, API reference)."""

USD_PER_GB = 0.005
"""Of what a query scans: the CloudWatch pricing page for us-east-1. Most regions ask a little more: say "about"."""

_LONGEST_SECONDS = 60 * 60
"""The service ends a query then (CloudWatch Logs quotas)."""

_FIRST_POLL_SECONDS, _LAST_POLL_SECONDS, _POLL_GROWTH = 0.5, 2.0, 1.25
_FIRST_WAIT_SECONDS, _LAST_WAIT_SECONDS = 0.5, 20.0
"""Bounds of the wait after a refused call, before its jitter."""

_PATIENCE_SECONDS = 120.0
"""So long a start is tried again that was refused for the number of requests or of running queries, and a page of
rows that did not come. A query that runs is waited for however long it takes."""

Result = TypeVar("Result")


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked: `text` over the events of `groups` with `since` ≤ time ≤ `until`, to whole seconds outwards.

    Whoever writes a limit into the text gives it here too.
    """

    groups: Sequence[Group]
    text: str
    since: datetime
    until: datetime
    limit: int | None = None


@dataclass(frozen=True, slots=True)
class QueryStatistics:
    """What a query has read so far; None is unknown."""

    records_matched: int | None = None
    records_scanned: int | None = None
    bytes_scanned: int | None = None

    @property
    def price_usd(self) -> float | None:
        """About."""
        return None if self.bytes_scanned is None else scan_price(self.bytes_scanned)


@dataclass(frozen=True, slots=True)
class QueryProgress:
    """How a query that runs fares. `trouble`: what keeps us from knowing, else empty.

    `rows` are those it has found so far, up to a page of them: all may change until it is complete.
    """

    status: QueryStatus
    statistics: QueryStatistics
    seconds: float
    trouble: str = ""
    rows: tuple[dict[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class QueryResult:
    """All rows of a query; a row lacks the fields that are null in it. `truncated`: as many as there can be."""

    rows: tuple[dict[str, str], ...]
    statistics: QueryStatistics
    truncated: bool


class QueryStoppedError(SourceError):
    """Whoever asked wants no answer any more."""


def scan_price(size: float) -> float:
    """About how many US dollars it costs to scan so many bytes."""
    return size / 1e9 * USD_PER_GB


def run_query(
    api: LogsApi,
    query: Query,
    *,
    progress: Callable[[QueryProgress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> QueryResult:
    """Start a query, wait for its end and fetch all of its rows.

    One that is left before its end, by an interrupt too, is stopped: else it would run on, and cost.

    Raises:
        UsageError: the query is malformed (the place is shown), or has too many groups.
        QueryStoppedError: `cancelled` became true.
        SourceError: it failed, or the service does not answer.

    """
    if not 0 < len(query.groups) <= MOST_GROUPS:
        raise UsageError(
            f"one Insights query takes 1 to {MOST_GROUPS} log groups, and {len(query.groups)} are named: "
            "name fewer, or ask about some of them at a time"
        )
    run = _Run(api, progress or (lambda _: None), cancelled, clock, sleep)
    query_id = run.start(query)
    try:
        page = run.wait(query_id)
        return run.fetch(query_id, page, query.limit)
    finally:
        if not run.ended:
            with suppress(CallFailed):
                api.stop_query(query_id)


@dataclass(slots=True)
class _Run:
    api: LogsApi
    progress: Callable[[QueryProgress], None]
    cancelled: Callable[[], bool]
    clock: Callable[[], float]
    sleep: Callable[[float], None]
    began: float = 0.0
    ended: bool = False
    """It needs no stopping."""
    latest: QueryProgress = QueryProgress("Scheduled", QueryStatistics(), 0.0)

    def start(self, query: Query) -> str:
        self.began = self.clock()
        since, until = math.floor(query.since.timestamp()), math.ceil(query.until.timestamp())
        self.progress(self.latest)
        try:
            return self._insist(
                lambda: self.api.start_query(
                    query.groups, query.text, since=since, until=until, limit=query.limit
                ),
                # A start that was not answered may have begun, and a second would cost again.
                again=("throttled",),
                patience=_PATIENCE_SECONDS,
            )
        except CallFailed as failed:
            if failed.kind == "malformed":
                offset = failed.offset
                if offset is None or not 0 <= offset <= len(query.text):
                    raise UsageError(str(failed)) from failed
                raise PlacedError(str(failed), query.text, offset) from failed
            raise

    def wait(self, query_id: str) -> QueryPage:
        """Poll until it is complete; the first page of its rows."""
        pause = _FIRST_POLL_SECONDS
        while True:
            self._pause(pause)
            pause = min(pause * _POLL_GROWTH, _LAST_POLL_SECONDS)
            page = self._page(query_id, None, self.began + _LONGEST_SECONDS - self.clock())
            self._note(page)
            if page.status == "Complete":
                self.ended = True
                return page
            if page.status in _ENDS:
                self.ended = True
                raise SourceError(_ENDS[page.status])

    def fetch(self, query_id: str, page: QueryPage, limit: int | None) -> QueryResult:
        most = min(limit or USUAL_ROWS, MOST_ROWS)
        rows = [row for part in self._pages(query_id, page) for row in part.rows]
        return QueryResult(tuple(rows), self.latest.statistics, truncated=len(rows) >= most)

    def _pages(self, query_id: str, page: QueryPage) -> Iterator[QueryPage]:
        seen: set[str] = set()
        yield page
        while page.token is not None:
            if page.token in seen:
                raise SourceError("CloudWatch gave the same page of rows twice: run the query again")
            seen.add(page.token)
            page = self._page(query_id, page.token, _PATIENCE_SECONDS)
            yield page

    def _page(self, query_id: str, token: str | None, patience: float) -> QueryPage:
        return self._insist(
            lambda: self.api.query_results(query_id, token),
            again=("throttled", "unreachable"),
            patience=patience,
        )

    def _note(self, page: QueryPage) -> None:
        statistics = QueryStatistics(
            _whole(page.records_matched), _whole(page.records_scanned), _whole(page.bytes_scanned)
        )
        self.latest = QueryProgress(page.status, statistics, self.clock() - self.began, rows=page.rows)
        self.progress(self.latest)
        if self.latest.seconds > _LONGEST_SECONDS and page.status not in ("Complete", *_ENDS):
            raise SourceError(_ENDS["Timeout"])

    def _insist(self, call: Callable[[], Result], *, again: Sequence[str], patience: float) -> Result:
        """Call until it is answered or fails for a reason that waiting does not mend."""
        until = self.clock() + patience
        most = _FIRST_WAIT_SECONDS
        while True:
            try:
                return call()
            except CallFailed as failed:
                if failed.kind not in again or self.clock() >= until:
                    raise
                seconds = self.clock() - self.began
                self.progress(replace(self.latest, seconds=seconds, trouble=str(failed)))
            self._pause(random.uniform(most / 10, most))  # noqa: S311 (jitter, no secret)
            most = min(most * 2, _LAST_WAIT_SECONDS)

    def _pause(self, seconds: float) -> None:
        if self.cancelled():
            raise QueryStoppedError("the query was stopped before its end: run it again for an answer")
        self.sleep(seconds)


_ENDS: dict[QueryStatus, str] = {
    "Failed": "CloudWatch could not run the query and does not say why: run it again, or over less time "
    "with --since",
    "Cancelled": "somebody stopped the query in CloudWatch before its end: run it again",
    "Timeout": "CloudWatch ends a query after 60 minutes, and this one needed more: ask about less time with "
    "--since and --until, or about fewer groups",
}
"""The ends without an answer. `Unknown` is none: a later poll knows more."""


def _whole(value: float | None) -> int | None:
    return None if value is None else int(value)
