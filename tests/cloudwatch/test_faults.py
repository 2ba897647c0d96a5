"""Each fault of the plan happens, and as often as it says."""

from __future__ import annotations

import dataclasses
from collections import Counter
from itertools import pairwise

import pytest

from llmwatch.sources.cloudwatch.api import CallFailed, Group
from tests.cloudwatch.faults import FaultPlan, Window, hard
from tests.cloudwatch.model import Model
from tests.cloudwatch.reading import MS, pages
from tests.cloudwatch.virtual import VirtualApi


def world(faults: FaultPlan, times: list[int] | None = None) -> tuple[VirtualApi, Group]:
    model = Model()
    model.create_group("router")
    for number, time in enumerate(times if times is not None else range(200)):
        model.add("router", MS + time, str(number))
    api = VirtualApi(model, faults=faults)
    api.clock.advance(3600)
    return api, api.group("router")


def kind_of_next_call(api: VirtualApi, group: Group) -> str:
    try:
        api.filter_events(group, start=MS, end=None)
    except CallFailed as error:
        return error.kind
    return "ok"


def test_empty_pages_have_a_token_and_lose_nothing() -> None:
    api, group = world(FaultPlan(page_events=5, empty=0.5))
    found = pages(api, group)
    empty = [page for page in found if not page.events]
    assert len(empty) == api.injected["empty"] > 10
    assert all(page.token for page in empty)
    assert [event["message"] for page in found for event in page.events] == [str(n) for n in range(200)]


def test_short_pages_lose_nothing() -> None:
    api, group = world(FaultPlan(page_events=20, short=0.5))
    found = pages(api, group)
    assert len({len(page.events) for page in found}) > 3
    assert [event["message"] for page in found for event in page.events] == [str(n) for n in range(200)]


def test_events_of_one_time_are_split_over_pages() -> None:
    splits = 0
    for seed in range(10):
        api, group = world(FaultPlan(seed=seed, split=0.9), [n // 20 for n in range(200)])
        found = pages(api, group)
        ties = [
            before.events[-1]["timestamp"] == after.events[0]["timestamp"]
            for before, after in pairwise(found)
        ]
        assert sum(ties) == api.injected["split"] == len(ties)
        assert sum(len(page.events) for page in found) == 200
        splits += len(ties)
    assert splits > 10


def test_duplicates_across_the_border_of_pages() -> None:
    api, group = world(FaultPlan(page_events=20, duplicate=0.5))
    found = Counter(event["message"] for page in pages(api, group) for event in page.events)
    assert api.injected["duplicate"] > 2
    assert set(found) == {str(n) for n in range(200)}
    assert found.total() >= 200 + api.injected["duplicate"]


def test_the_same_token_comes_back_some_times_and_then_no_more() -> None:
    api, group = world(FaultPlan(page_events=10, repeat_token=0.4, repeat_most=3))
    found = pages(api, group)
    tokens = [page.token for page in found[:-1]]
    runs = Counter(tokens)
    assert api.injected["repeat_token"] == sum(count > 1 for count in runs.values()) > 3
    assert max(runs.values()) > 2
    assert {event["message"] for page in found for event in page.events} == {str(n) for n in range(200)}
    again = [page for before, page in pairwise(found) if page.token == before.token]
    assert {bool(page.events) for page in again} == {True, False}


def test_an_expired_token_stays_expired_and_a_new_chain_works() -> None:
    api, group = world(FaultPlan(page_events=100, expire_token=0.5))
    tokens: list[str | None] = []

    def call_until_refused() -> None:
        while True:
            tokens.append(api.filter_events(group, start=MS, end=None).token)
            api.filter_events(group, start=MS, end=None, token=tokens[-1])

    with pytest.raises(CallFailed, match="nextToken") as caught:
        call_until_refused()
    assert caught.value.kind == "bad_token"
    assert api.injected["expire_token"] == 1
    api.service.faults = FaultPlan(page_events=100)
    with pytest.raises(CallFailed):
        api.filter_events(group, start=MS, end=None, token=tokens[-1])
    assert [len(page.events) for page in pages(api, group)] == [100, 100]


def test_throttles_by_share_and_by_rate() -> None:
    api, group = world(FaultPlan(throttle=0.3))
    kinds = Counter(kind_of_next_call(api, group) for _ in range(1000))
    assert 200 < kinds["throttled"] == api.injected["throttle"] < 400
    api, group = world(FaultPlan(tps=2))
    assert [kind_of_next_call(api, group) for _ in range(3)] == ["ok", "ok", "throttled"]
    api.clock.advance(1)
    assert kind_of_next_call(api, group) == "ok"


def test_outages_and_expired_credentials_end() -> None:
    api, group = world(FaultPlan(outages=(Window(3600, 3610),), expired=(Window(3610, 3620),)))
    kinds = []
    for _ in range(3):
        kinds.append(kind_of_next_call(api, group))
        api.clock.advance(10)
    assert kinds == ["unreachable", "credentials", "ok"]
    assert [request.outcome for request in api.requests] == ["unreachable", "ExpiredTokenException", "ok"]


def test_expired_credentials_that_need_a_renewal_after_the_window() -> None:
    api, group = world(FaultPlan(expired=(Window(3610, 3620),), renew=True))
    kinds = [kind_of_next_call(api, group)]
    api.clock.advance(15)
    api.renew()
    kinds.append(kind_of_next_call(api, group))
    api.clock.advance(15)
    kinds.append(kind_of_next_call(api, group))
    api.renew()
    kinds.append(kind_of_next_call(api, group))
    assert kinds == ["ok", "credentials", "credentials", "ok"]


def test_a_denied_action_is_named() -> None:
    api, group = world(FaultPlan(denied=("FilterLogEvents",)))
    with pytest.raises(CallFailed) as caught:
        api.filter_events(group, start=0, end=None)
    assert caught.value.kind == "denied"
    assert "is not authorized to perform: logs:FilterLogEvents on resource: arn:aws:logs:" in str(
        caught.value
    )
    assert [found.name for found in api.describe_groups().groups] == ["router"]


@pytest.mark.parametrize("offset", [-90.0, 0.0, 90.3])
def test_the_service_time_is_never_ahead_and_little_behind(offset: float) -> None:
    api, group = world(FaultPlan(latency=(0.1, 0.5), clock_offset=offset))
    assert api.service_time() is None
    for _ in range(50):
        before = api.clock.now()
        kind_of_next_call(api, group)
        assert 0.1 <= api.clock.now() - before <= 0.5
        api.clock.advance(0.37)
        told = api.service_time()
        assert told is not None
        assert 0 <= api.service.now() - told <= 1.26


def test_an_outage_tells_no_time() -> None:
    api, group = world(FaultPlan(outages=(Window(),)))
    assert kind_of_next_call(api, group) == "unreachable"
    assert api.service_time() is None


def test_a_seed_gives_the_same_day_again() -> None:
    def day(seed: int) -> list[str]:
        api, group = world(dataclasses.replace(hard(seed), page_events=5))
        return [kind_of_next_call(api, group) for _ in range(50)]

    assert day(1) == day(1)
    assert day(1) != day(2)
