"""The traffic is as wild as its plan says, and a naive reader of it loses what naive readers lose."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest

from llmwatch.sources.cloudwatch.api import LogEvent
from tests.cloudwatch.model import MEGABYTE, Model, Truth
from tests.cloudwatch.reading import MS, START, events, pages
from tests.cloudwatch.traffic import TrafficPlan, arrivals, truth
from tests.cloudwatch.virtual import VirtualApi

PLAN = TrafficPlan(seed=1, events=20_000, groups=("router", "other"), large=2)


def test_the_plan_is_kept() -> None:
    found = list(arrivals(PLAN))
    assert len(found) == 20_000
    assert [arrival.visible_at for arrival in found] == sorted(arrival.visible_at for arrival in found)
    assert {arrival.group for arrival in found} == {"router", "other"}
    lags = [(arrival.visible_at - arrival.timestamp) / 1000 for arrival in found]
    assert 250 < max(lags) <= PLAN.worst_lag
    assert -7_200 <= min(lags) < -7_100
    assert 0.8 < sum(0 <= lag <= 5.1 for lag in lags) / len(lags) < 0.95
    assert max(Counter((arrival.group, arrival.timestamp) for arrival in found).values()) > 100
    texts = [arrival.message for arrival in found]
    assert 5 < texts.count("") < 50
    assert sum(len(text) == MEGABYTE - 26 for text in texts) == 2
    assert 300 < sum(not text.startswith("{") for text in texts) < 1200
    assert all(arrival.timestamp <= arrival.visible_at + 7_200_000 for arrival in found)


def test_twins_are_two_events() -> None:
    model = Model()
    model.feed(arrivals(PLAN))
    twins = [key for key, count in model.truth("router").items() if count > 1 and key[2]]
    assert len(twins) > 10
    assert len(model.ids("router")) == model.truth("router").total()


def test_the_model_has_the_truth_of_the_plan_and_a_full_reading_finds_it() -> None:
    model = Model()
    model.feed(arrivals(PLAN))
    api = VirtualApi(model)
    api.clock.advance(PLAN.seconds + PLAN.latest)
    for name in PLAN.groups:
        api.describe_groups()
        found = events(api, api.group(name), start=0)
        assert counted(found) == truth(PLAN, name) == model.truth(name)
        assert {event["eventId"] for event in found} == model.ids(name)


def counted(found: list[LogEvent]) -> Truth:
    return Counter((event["logStreamName"], event["timestamp"], event["message"]) for event in found)


def follow_naively(model: Model, seconds: int) -> Truth:
    """The rule of `aws logs tail --follow`: the next start is the newest time seen; ids of that time are known."""
    api = VirtualApi(model)
    group = api.group("router")
    start, known = MS, set[str]()
    got: Truth = Counter()
    for _ in range(seconds // 5):
        api.clock.advance(5)
        for page in pages(api, group, start=start):
            fresh = [event for event in page.events if event["eventId"] not in known]
            got += counted(fresh)
            newest = max([start, *(event["timestamp"] for event in fresh)])
            known = {event["eventId"] for event in page.events if event["timestamp"] == newest} | (
                known if newest == start else set()
            )
            start = newest
    return got


def test_a_naive_reader_gets_all_when_nothing_is_late() -> None:
    model = Model()
    model.create_group("router")
    for number in range(1000):
        model.add("router", MS + number * 100, f"line {number}")
    assert follow_naively(model, 120) == model.truth("router")


def test_a_naive_reader_loses_an_event_that_is_a_millisecond_older_than_the_newest() -> None:
    model = Model()
    model.create_group("router")
    model.add("router", MS + 1_000, "newest")
    model.add("router", MS + 999, "late", visible_at=MS + 6_000)
    assert model.truth("router") - follow_naively(model, 30) == Counter({("stream", MS + 999, "late"): 1})


@pytest.mark.parametrize(
    ("skews", "least", "most"),
    [((0.0,), 0.1, 0.9), ((0.0, 0.0, 0.0, 7_200.0), 0.9, 1.0)],
    ids=["late events", "one fast clock"],
)
def test_a_naive_reader_loses_traffic(skews: tuple[float, ...], least: float, most: float) -> None:
    plan = TrafficPlan(seed=2, events=5_000, seconds=600, skews=skews, skewed=0.02)
    model = Model()
    model.create_group("router")
    model.feed(arrivals(plan))
    got = follow_naively(model, 900)
    told = model.truth("router")
    assert not got - told
    assert least < (told - got).total() / told.total() < most


def test_retention_drops_old_events() -> None:
    model = Model()
    model.feed(arrivals(dataclasses.replace(PLAN, large=0, events=1000)))
    api = VirtualApi(model)
    api.clock.advance(4000)
    api.describe_groups()
    cutoff = (START + 3000) * 1000
    model.forget(cutoff)
    found = events(api, api.group("router"), start=0)
    assert found
    assert min(event["timestamp"] for event in found) >= cutoff
