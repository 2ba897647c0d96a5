"""FilterLogEvents as the documentation has it: bounds, order, pages, tokens, refusals."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwatch.sources.cloudwatch.api import CallFailed, Group
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.model import MEGABYTE, Arrival, Model
from tests.cloudwatch.reading import MS, events, messages, pages
from tests.cloudwatch.virtual import VirtualApi


def api_with(times: list[int], faults: FaultPlan | None = None, size: int = 0) -> tuple[VirtualApi, Group]:
    model = Model()
    model.create_group("router")
    for time in times:
        model.add("router", MS + time, str(time).ljust(size))
    api = VirtualApi(model, faults=faults)
    api.clock.advance(3600)
    return api, api.group("router")


def test_both_bounds_are_included() -> None:
    api, group = api_with([0, 1, 2, 3, 4])
    assert messages(api, group, start=MS + 1, end=MS + 3) == ["1", "2", "3"]


def test_order_is_time_then_ingestion_then_id() -> None:
    model = Model()
    model.create_group("router")
    for time, ingested in [(5, 9), (5, 7), (3, 8), (5, 7)]:
        model.put(Arrival("router", "s", MS + time, MS + ingested, MS + 10, "x"))
    api = VirtualApi(model)
    api.clock.advance(1)
    found = events(api, api.group("router"))
    keys = [(event["timestamp"] - MS, event["ingestionTime"] - MS, event["eventId"]) for event in found]
    assert keys == sorted(keys)
    assert [key[:2] for key in keys] == [(3, 8), (5, 7), (5, 7), (5, 9)]


def test_an_event_is_there_only_from_when_it_is_visible() -> None:
    model = Model()
    model.create_group("router")
    model.add("router", MS, "late", visible_at=MS + 2_000)
    api = VirtualApi(model)
    group = api.group("router")
    api.clock.advance(1.999)
    assert messages(api, group) == []
    api.clock.advance(0.001)
    assert messages(api, group) == ["late"]


def test_a_page_has_at_most_ten_thousand_events() -> None:
    api, group = api_with(list(range(10_001)))
    assert [len(page.events) for page in pages(api, group)] == [10_000, 1]


def test_a_page_has_at_most_a_megabyte_of_messages_and_overhead() -> None:
    api, group = api_with(list(range(5)), size=MEGABYTE // 2 - 26)
    assert [len(page.events) for page in pages(api, group)] == [2, 2, 1]
    api, group = api_with(list(range(3)), size=MEGABYTE // 2 - 25)
    assert [len(page.events) for page in pages(api, group)] == [1, 1, 1]


def test_bytes_are_counted_not_characters() -> None:
    model = Model()
    model.create_group("router")
    for time in (0, 1):
        model.add("router", MS + time, "é" * (MEGABYTE // 3))
    api = VirtualApi(model)
    api.clock.advance(1)
    assert [len(page.events) for page in pages(api, api.group("router"))] == [1, 1]


def test_a_chain_of_tokens_does_not_see_what_appears_behind_it_and_a_new_one_does() -> None:
    model = Model()
    model.create_group("router")
    for time in (10, 20, 30):
        model.add("router", MS + time, str(time))
    for time in (5, 25):
        model.add("router", MS + time, f"late {time}", visible_at=MS + 1_000)
    api = VirtualApi(model, faults=FaultPlan(page_events=1))
    group = api.group("router")
    api.clock.advance(0.5)
    first = api.filter_events(group, start=MS, end=None)
    api.clock.advance(1)
    rest = []
    token = first.token
    while token:
        page = api.filter_events(group, start=MS, end=None, token=token)
        rest += [event["message"] for event in page.events]
        token = page.token
    assert rest == ["20", "late 25", "30"]
    assert messages(api, group) == ["late 5", "10", "20", "late 25", "30"]


def test_a_snapshot_chain_shows_only_what_was_there_when_it_began() -> None:
    model = Model()
    model.create_group("router")
    for time in (10, 20):
        model.add("router", MS + time, str(time))
    model.add("router", MS + 15, "late", visible_at=MS + 1_000)
    api = VirtualApi(model, faults=FaultPlan(page_events=1, snapshot=True))
    group = api.group("router")
    api.clock.advance(0.5)
    first = api.filter_events(group, start=MS, end=None)
    api.clock.advance(1)
    second = api.filter_events(group, start=MS, end=None, token=first.token)
    assert [event["message"] for event in second.events] == ["20"]
    assert messages(api, group) == ["10", "late", "20"]


def test_streams_by_prefix_and_messages_by_pattern() -> None:
    model = Model()
    model.create_group("router")
    model.add("router", MS, '{"who": {"name": "a"}}', stream="web/1")
    model.add("router", MS, '{"who": {"name": "b"}}', stream="web/2")
    model.add("router", MS, '{"who": {"name": "a"}}', stream="cron")
    api = VirtualApi(model, faults=FaultPlan(page_events=1))
    group = api.group("router")
    api.clock.advance(1)
    found = []
    token = None
    while True:
        page = api.filter_events(
            group, start=0, end=None, token=token, stream_prefix="web/", pattern='{ $.who.name = "a" }'
        )
        found += [event["logStreamName"] for event in page.events]
        token = page.token
        if token is None:
            break
    assert found == ["web/1"]
    assert not api.filter_events(group, start=0, end=None, stream_prefix="none").events


def test_tokens_go_with_their_parameters() -> None:
    api, group = api_with([1, 2, 3], FaultPlan(page_events=1))
    token = api.filter_events(group, start=MS, end=None).token
    for wrong in (token, "junk"):
        with pytest.raises(CallFailed) as caught:
            api.filter_events(group, start=MS + 1, end=None, token=wrong)
        assert caught.value.kind == "bad_token"


def test_a_token_is_good_for_a_day() -> None:
    api, group = api_with([1, 2, 3], FaultPlan(page_events=1))
    token = api.filter_events(group, start=MS, end=None).token
    api.clock.advance(86_399)
    assert api.filter_events(group, start=MS, end=None, token=token).events
    api.clock.advance(2)
    with pytest.raises(CallFailed) as caught:
        api.filter_events(group, start=MS, end=None, token=token)
    assert caught.value.kind == "bad_token"


def test_refusals() -> None:
    api, group = api_with([1])
    unknown = Group("nope", "nope", "arn:aws:logs:eu-central-1:123456789012:log-group:nope")
    cases: list[tuple[str, Callable[[], object]]] = [
        ("missing", lambda: api.filter_events(unknown, start=0, end=None)),
        ("refused", lambda: api.filter_events(group, start=5, end=4)),
        ("refused", lambda: api.filter_events(group, start=-1, end=None)),
        ("refused", lambda: api.filter_events(group, start=0, end=None, stream_prefix="a*")),
        ("malformed", lambda: api.filter_events(group, start=0, end=None, pattern="[a, b]")),
        ("missing", lambda: api.query_results("nope")),
    ]
    for kind, call in cases:
        with pytest.raises(CallFailed) as caught:
            call()
        assert caught.value.kind == kind
    assert [request.outcome for request in api.requests] == [
        "ResourceNotFoundException",
        *["InvalidParameterException"] * 4,
        "ResourceNotFoundException",
    ]


def test_groups_are_listed_found_and_appear_when_they_are_created() -> None:
    model = Model()
    for number in range(60):
        model.create_group(f"a{number:02d}")
    model.create_group("Router")
    model.create_group("router-later", created=MS + 5_000)
    other = model.create_group("linked-router", account="999999999999")
    api = VirtualApi(model)
    first = api.describe_groups()
    second = api.describe_groups(token=first.token)
    assert len(first.groups) == 50
    assert [group.name for group in second.groups][-2:] == ["a59", "linked-router"]
    assert [group.name for group in api.describe_groups(prefix="a1").groups] == [
        f"a1{digit}" for digit in range(10)
    ]
    found = api.describe_groups(containing="ROUTER", token=first.token).groups
    assert [(group.name, group.identifier) for group in found] == [("linked-router", other.arn)]
    assert [group.name for group in api.describe_groups(containing="router").groups] == ["Router"]
    assert api.filter_events(api.group("linked-router"), start=0, end=None).events == []
    later = api.group("router-later")
    with pytest.raises(CallFailed):
        api.filter_events(later, start=0, end=None)
    api.clock.advance(5)
    assert api.filter_events(later, start=0, end=None).events == []
