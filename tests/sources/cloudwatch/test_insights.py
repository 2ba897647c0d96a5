"""A query from its start to its last row, against a service that follows a script."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import TypeVar, cast

import pytest

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.cloudwatch.api import CallFailed, FailureKind, Group, LogsApi, QueryPage, QueryStatus
from llmwatch.sources.cloudwatch.insights import (
    MOST_GROUPS,
    Query,
    QueryProgress,
    QueryResult,
    QueryStatistics,
    QueryStoppedError,
    run_query,
    scan_price,
)

SINCE = datetime(2026, 2, 27, 16, 47, 0, 500_000, tzinfo=UTC)
GROUP = Group("router", "router", "arn:aws:logs:us-east-1:123456789012:log-group:router")
QUERY = Query([GROUP], "stats count(*)", SINCE, SINCE + timedelta(hours=1))


def failure(kind: FailureKind, offset: int | None = None) -> CallFailed:
    return CallFailed(kind, f"the service says {kind}", offset=offset)


def page(
    status: QueryStatus, rows: Sequence[int] = (), token: str | None = None, scanned: float | None = None
) -> QueryPage:
    return QueryPage(
        status,
        tuple({"n": str(row)} for row in rows),
        token,
        scanned,
        scanned,
        None if scanned is None else scanned * 100,
    )


Answer = TypeVar("Answer", str, QueryPage)


def given(answer: CallFailed | Answer) -> Answer:
    if isinstance(answer, CallFailed):
        raise answer
    return answer


@dataclass
class Service:
    """Answers of StartQuery and of GetQueryResults, one a call; what was asked of it, and when."""

    starts: list[CallFailed | str] = field(default_factory=lambda: ["query-1"])
    results: list[CallFailed | QueryPage] = field(default_factory=list)
    asked: list[tuple[object, ...]] = field(default_factory=list)
    now: float = 1000.0
    pauses: list[float] = field(default_factory=list)

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        self.asked.append(("start", tuple(groups), text, since, until, limit))
        return given(self.starts.pop(0))

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        self.asked.append(("results", query_id, token))
        return given(self.results.pop(0) if len(self.results) > 1 else self.results[0])

    def stop_query(self, query_id: str) -> None:
        self.asked.append(("stop", query_id))
        raise failure("unreachable")

    def clock(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)

    @property
    def stopped(self) -> bool:
        return ("stop", "query-1") in self.asked


def run(
    service: Service,
    query: Query = QUERY,
    progress: Callable[[QueryProgress], None] | None = None,
    cancelled: Callable[[], bool] = lambda: False,
) -> QueryResult:
    return run_query(
        cast("LogsApi", service),
        query,
        progress=progress,
        cancelled=cancelled,
        clock=service.clock,
        sleep=service.sleep,
    )


def test_the_rows_are_those_of_the_end_and_not_of_the_way_there() -> None:
    running = [page("Scheduled"), page("Unknown"), page("Running", [1, 2], scanned=10)]
    service = Service(results=[*running, page("Complete", [3], scanned=20.0)])
    told: list[QueryProgress] = []
    result = run(service, replace(QUERY, limit=500), told.append)
    assert result == QueryResult(({"n": "3"},), QueryStatistics(20, 20, 2000), truncated=False)
    assert service.asked[0] == ("start", (GROUP,), "stats count(*)", 1772210820, 1772214421, 500)
    assert [news.status for news in told] == ["Scheduled", "Scheduled", "Unknown", "Running", "Complete"]
    assert told[-2].statistics.bytes_scanned == 1000
    assert not service.stopped


def test_what_is_found_so_far_is_told_while_it_runs_and_kept_while_it_is_not_known() -> None:
    last = [page("Running", [1, 2]), page("Complete", [3])]
    service = Service(results=[page("Running", [1]), failure("throttled"), *last])
    told: list[QueryProgress] = []
    run(service, progress=told.append)
    assert [[row["n"] for row in news.rows] for news in told] == [[], ["1"], ["1"], ["1", "2"], ["3"]]
    assert [bool(news.trouble) for news in told] == [False, False, True, False, False]


def test_polls_are_half_a_second_apart_and_then_two() -> None:
    service = Service(results=[*[page("Running")] * 12, page("Complete")])
    run(service)
    assert service.pauses[0] == 0.5
    assert service.pauses == sorted(service.pauses)
    assert service.pauses[-1] == 2.0


def test_all_pages_of_a_long_answer() -> None:
    pages = [range(10_000), range(10_000, 20_000), (), range(20_000, 25_000)]
    tokens = ["a", "b", "c", None]
    throttled = [failure("throttled"), failure("unreachable")]
    answers = [page("Complete", rows, token) for rows, token in zip(pages, tokens, strict=True)]
    service = Service(results=[answers[0], *throttled, *answers[1:]])
    result = run(service, replace(QUERY, limit=100_000))
    assert [row["n"] for row in result.rows] == [str(n) for n in range(25_000)]
    assert not result.truncated
    assert [asked[2] for asked in service.asked[1:]] == [None, "a", "a", "a", "b", "c"]


@pytest.mark.parametrize(("limit", "rows", "truncated"), [(3, 3, True), (4, 3, False), (None, 10_000, True)])
def test_an_answer_as_long_as_the_limit_is_truncated(limit: int | None, rows: int, truncated: bool) -> None:
    service = Service(results=[page("Complete", range(rows))])
    assert run(service, replace(QUERY, limit=limit)).truncated is truncated


def test_a_page_that_comes_again_is_no_endless_loop() -> None:
    service = Service(results=[page("Complete", [1], "a"), page("Complete", [2], "a")])
    with pytest.raises(SourceError, match="twice"):
        run(service)


def test_a_poll_that_is_refused_is_made_again_with_growing_pauses() -> None:
    told: list[QueryProgress] = []
    refused = [failure("throttled"), failure("unreachable")] * 10
    service = Service(results=[page("Running"), *refused, page("Complete", [1])])
    assert len(run(service, progress=told.append).rows) == 1
    waits = service.pauses[2:]
    assert all(0 < wait <= 20 for wait in waits)
    assert max(waits) > 2
    assert "throttled" in told[2].trouble
    assert told[-1].trouble == ""


def test_a_start_that_is_throttled_is_made_again_and_given_up_after_a_while() -> None:
    service = Service(starts=[failure("throttled"), "query-1"], results=[page("Complete")])
    run(service)
    hopeless = Service(starts=[failure("throttled")] * 1000)
    with pytest.raises(CallFailed, match="throttled"):
        run(hopeless)
    assert 100 < sum(hopeless.pauses) < 200


def test_a_start_that_was_not_answered_is_not_made_twice() -> None:
    """It may have begun, and would be paid twice."""
    service = Service(starts=[failure("unreachable"), "query-2"])
    with pytest.raises(CallFailed, match="unreachable"):
        run(service)
    assert len(service.asked) == 1


@pytest.mark.parametrize(
    ("status", "words"),
    [("Failed", "run it again"), ("Timeout", "--since"), ("Cancelled", "somebody stopped")],
)
def test_ends_without_an_answer(status: QueryStatus, words: str) -> None:
    service = Service(results=[page("Running", [1]), page(status, [1])])
    with pytest.raises(SourceError, match=words):
        run(service)
    assert not service.stopped


def test_no_query_is_waited_for_more_than_an_hour() -> None:
    for results in ([page("Running")], [page("Running"), failure("unreachable")]):
        service = Service(results=[*results])
        with pytest.raises(SourceError):
            run(service)
        assert 3600 <= service.now - 1000 < 3700
        assert service.stopped


def test_other_failures_are_not_waited_out() -> None:
    service = Service(results=[page("Running"), failure("credentials")])
    with pytest.raises(CallFailed, match="credentials"):
        run(service)
    assert service.stopped


def test_an_interrupt_stops_the_query() -> None:
    def interrupt(progress: QueryProgress) -> None:
        if progress.status == "Running":
            raise KeyboardInterrupt

    service = Service(results=[page("Scheduled"), page("Running")])
    with pytest.raises(KeyboardInterrupt):
        run(service, progress=interrupt)
    assert service.stopped


def test_who_asked_can_stop_it() -> None:
    service = Service(results=[page("Running")])
    with pytest.raises(QueryStoppedError):
        run(service, cancelled=lambda: service.now > 1010)
    assert service.stopped
    assert service.now < 1015


def test_the_place_of_a_fault_is_shown() -> None:
    text = "fields @timestamp\n| filter \tmesage lik /x/\n| limit 5"
    service = Service(starts=[failure("malformed", text.index("lik"))])
    with pytest.raises(UsageError) as refused:
        run(service, replace(QUERY, text=text))
    sentence, line, caret = str(refused.value).split("\n")
    assert "malformed" in sentence
    assert line == "| filter  mesage lik /x/"
    assert line[caret.index("^") :].startswith("lik")
    assert caret.strip() == "^"


def test_the_place_in_a_long_line_is_shown_too() -> None:
    text = "x" * 1000 + "?" + "y" * 1000
    service = Service(starts=[failure("malformed", 1000)])
    with pytest.raises(UsageError) as refused:
        run(service, replace(QUERY, text=text))
    _, line, caret = str(refused.value).split("\n")
    assert len(line) <= 110
    assert line[caret.index("^")] == "?"


@pytest.mark.parametrize("offset", [None, -1, 10_000])
def test_a_fault_without_a_place_is_told_all_the_same(offset: int | None) -> None:
    service = Service(starts=[failure("malformed", offset)])
    with pytest.raises(UsageError, match=r"malformed$"):
        run(service)


def test_groups_beyond_the_limit_are_refused_before_anything_is_asked() -> None:
    service = Service()
    with pytest.raises(UsageError, match="50"):
        run(service, replace(QUERY, groups=[GROUP] * (MOST_GROUPS + 1)))
    assert service.asked == []


def test_the_price_is_half_a_cent_a_gigabyte() -> None:
    assert scan_price(2e9) == 0.01
    assert QueryStatistics(bytes_scanned=10**12).price_usd == 5
    assert QueryStatistics().price_usd is None
