"""Insights queries on the virtual clock."""

from __future__ import annotations

import pytest

from llmwatch.sources.cloudwatch.api import CallFailed, QueryPage
from tests.cloudwatch.errors import MalformedQueryError
from tests.cloudwatch.insights import Insights, Row, Script, Statistics, Step
from tests.cloudwatch.model import Model
from tests.cloudwatch.virtual import VirtualApi


def world(insights: Insights) -> VirtualApi:
    model = Model()
    model.create_group("router")
    return VirtualApi(model, insights=insights)


def start(api: VirtualApi, text: str, limit: int | None = None) -> str:
    return api.start_query([api.group("router")], text, since=0, until=10, limit=limit)


def to_the_end(api: VirtualApi, query: str) -> list[QueryPage]:
    found = [api.query_results(query)]
    while found[-1].status in ("Scheduled", "Running") or found[-1].token:
        found.append(api.query_results(query, found[-1].token))
    return found


def rows_of(count: int) -> list[Row]:
    return [{"n": str(number)} for number in range(count)]


def test_a_query_goes_from_scheduled_to_complete() -> None:
    script = Script(
        text="stats",
        rows=rows_of(3),
        statistics=Statistics(3.0, 100.0, 5_000.0),
        steps=(Step("Scheduled"), Step("Running", rows_of(1)), Step("Running", rows_of(2))),
    )
    api = world(Insights([script]))
    found = to_the_end(api, start(api, "stats count(*)"))
    assert [(page.status, len(page.rows)) for page in found] == [
        ("Scheduled", 0),
        ("Running", 1),
        ("Running", 2),
        ("Complete", 3),
    ]
    assert found[-1].rows == ({"n": "0"}, {"n": "1"}, {"n": "2"})
    assert (found[-1].records_matched, found[-1].records_scanned, found[-1].bytes_scanned) == (3, 100, 5_000)
    assert found[1].bytes_scanned == 2_500


@pytest.mark.parametrize(
    ("text", "limit", "sizes"),
    [
        ("stats", None, [10_000]),
        ("stats", 25_000, [10_000, 10_000, 5_000]),
        ("stats | limit 12000", None, [10_000, 2_000]),
        ("stats", 100_000, [10_000] * 10),
    ],
)
def test_rows_come_in_pages_up_to_the_limit(text: str, limit: int | None, sizes: list[int]) -> None:
    api = world(Insights([Script(rows=rows_of(100_100), steps=())]))
    found = to_the_end(api, start(api, text, limit))
    assert [len(page.rows) for page in found] == sizes
    assert found[-1].rows[-1] == {"n": str(sum(sizes) - 1)}


@pytest.mark.parametrize("final", ["Failed", "Timeout", "Cancelled", "Unknown"])
def test_a_query_can_end_badly(final: str) -> None:
    api = world(Insights([Script(rows=rows_of(3), final=final)]))  # type: ignore[arg-type]
    last = to_the_end(api, start(api, "x"))[-1]
    assert (last.status, last.rows) == (final, ())


def test_a_stopped_query_is_cancelled_and_an_ended_one_cannot_be_stopped() -> None:
    insights = Insights([Script()])
    api = world(insights)
    query = start(api, "x")
    api.query_results(query)
    assert insights.running == [query]
    api.stop_query(query)
    assert api.query_results(query).status == "Cancelled"
    assert insights.running == []
    with pytest.raises(CallFailed):
        api.stop_query(query)
    assert insights.stopped == [query, query]


def test_a_malformed_query_has_the_place() -> None:
    error = MalformedQueryError("unexpected symbol found", 7, 9)
    api = world(Insights([Script(text=lambda text: "nonsense" in text, malformed=error), Script()]))
    with pytest.raises(CallFailed) as caught:
        start(api, "fields nonsense")
    assert (caught.value.kind, caught.value.offset) == ("malformed", 7)
    assert start(api, "fields @message")


def test_an_evaluator_sees_the_query_and_gives_the_rows() -> None:
    seen = []

    def evaluate(text: str, groups: tuple[str, ...], since: int, until: int) -> list[Row]:
        seen.append((text, groups, since, until))
        if text == "bad":
            raise MalformedQueryError("no", 1, 2)
        return rows_of(4)

    api = world(Insights(evaluate=evaluate))
    found = to_the_end(api, start(api, "good"))
    assert [len(page.rows) for page in found] == [0, 2, 4]
    assert seen == [("good", ("router",), 0, 10)]
    with pytest.raises(CallFailed):
        start(api, "bad")


def test_too_many_queries_at_a_time() -> None:
    api = world(Insights([Script()], concurrent=1))
    query = start(api, "x")
    with pytest.raises(CallFailed) as caught:
        start(api, "x")
    assert caught.value.kind == "throttled"
    to_the_end(api, query)
    start(api, "x")
