"""Live Tail on the virtual clock."""

from __future__ import annotations

import threading

import pytest

from llmwatch.sources.cloudwatch.api import CallFailed, LiveUpdate
from tests.cloudwatch.faults import FaultPlan, LivePlan, Window
from tests.cloudwatch.model import Model
from tests.cloudwatch.reading import MS
from tests.cloudwatch.virtual import VirtualApi


def world(live: LivePlan | None = None, outages: tuple[Window, ...] = ()) -> VirtualApi:
    model = Model()
    model.create_group("router")
    model.create_group("other")
    return VirtualApi(model, faults=FaultPlan(live=live or LivePlan(), outages=outages))


def texts(updates: list[LiveUpdate]) -> list[list[str]]:
    return [[event["message"] for _, event in update.events] for update in updates]


def test_events_come_when_they_become_visible_once_a_second() -> None:
    api = world(LivePlan(identifier="account"))
    for time, visible, text in [(0, -1, "past"), (100, 900, "a"), (50, 2_500, "late"), (2_400, 2_450, "b")]:
        api.model.add("router", MS + time, text, visible_at=MS + visible)
    api.model.add("other", MS + 1, "elsewhere", visible_at=MS + 10)
    group = api.group("router")
    session = api.start_live_tail([group])
    assert session.poll() == []
    api.clock.advance(3.9)
    updates = session.poll()
    assert texts(updates) == [["a"], [], ["b", "late"]]
    arn, event = updates[0].events[0]
    assert arn == group.arn
    assert event == {
        "logStreamName": "stream",
        "message": "a",
        "timestamp": MS + 100,
        "ingestionTime": MS + 900,
    }


def test_several_groups_streams_and_patterns() -> None:
    api = world()
    for group, stream, text in [
        ("router", "web/1", "good one"),
        ("router", "web/1", "bad one"),
        ("router", "cron", "good two"),
        ("other", "web/1", "good three"),
    ]:
        api.model.add(group, MS + 1, text, stream=stream)
    both = api.start_live_tail([api.group("router"), api.group("other")], pattern="good")
    one = api.start_live_tail([api.group("router")], stream_prefix="web/")
    api.clock.advance(1)
    assert [sorted(text) for text in texts(both.poll())] == [["good one", "good three", "good two"]]
    assert [sorted(text) for text in texts(one.poll())] == [["bad one", "good one"]]
    with pytest.raises(CallFailed):
        api.start_live_tail([api.group("router"), api.group("other")], stream_prefix="web/")


def test_more_than_500_events_are_sampled_and_marked() -> None:
    api = world()
    for number in range(1101):
        api.model.add("router", MS + (1 if number < 501 else 1_001 if number < 1_001 else 2_001), str(number))
    session = api.start_live_tail([api.group("router")])
    api.clock.advance(3)
    updates = session.poll()
    assert [(len(update.events), update.sampled) for update in updates] == [
        (500, True),
        (500, False),
        (100, False),
    ]
    assert api.injected["sampled"] == 1


def test_events_can_be_lost_without_a_mark() -> None:
    api = world(LivePlan(lost=0.5))
    for number in range(200):
        api.model.add("router", MS + 1, str(number))
    session = api.start_live_tail([api.group("router")])
    api.clock.advance(1)
    (update,) = session.poll()
    assert len(update.events) == 200 - api.injected["lost"]
    assert 50 < len(update.events) < 150
    assert not update.sampled


def test_a_slow_reader_loses_the_oldest_updates() -> None:
    api = world(LivePlan(buffered=2))
    for second in range(5):
        api.model.add("router", MS + second * 1000 + 1, str(second))
    session = api.start_live_tail([api.group("router")])
    api.clock.advance(5)
    assert texts(session.poll()) == [["3"], ["4"]]


def test_a_session_ends_after_three_hours() -> None:
    api = world()
    session = api.start_live_tail([api.group("router")])
    api.clock.advance(10_900)
    assert len(list(session.updates())) == 10_799
    assert session.tail.end == "timeout"
    assert not api.model.listeners


@pytest.mark.parametrize(
    ("live", "outages"),
    [(LivePlan(breaks_after=(5.0,)), ()), (LivePlan(), (Window(5, 6),))],
    ids=["by plan", "by outage"],
)
def test_a_session_breaks_and_the_next_does_not(live: LivePlan, outages: tuple[Window, ...]) -> None:
    api = world(live, outages)
    session = api.start_live_tail([api.group("router")])
    api.clock.advance(10)
    assert len(session.poll()) == 4
    with pytest.raises(CallFailed) as caught:
        session.poll()
    assert caught.value.kind == "unreachable"
    again = api.start_live_tail([api.group("router")])
    api.clock.advance(10)
    assert len(again.poll()) == 10


def test_sixteen_sessions_are_too_many() -> None:
    api = world()
    sessions = [api.start_live_tail([api.group("router")]) for _ in range(15)]
    with pytest.raises(CallFailed) as caught:
        api.start_live_tail([api.group("router")])
    assert caught.value.kind == "throttled"
    sessions[0].close()
    api.start_live_tail([api.group("router")])


def test_a_reader_in_a_thread_of_its_own() -> None:
    api = world()
    for second in range(3):
        api.model.add("router", MS + second * 1000 + 1, str(second))
    session = api.start_live_tail([api.group("router")])
    got: list[LiveUpdate] = []

    def read() -> None:
        for update in session.updates():
            got.append(update)

    reader = threading.Thread(target=read)
    reader.start()
    session.settle()
    assert got == []
    for second in range(2):
        api.clock.advance(1)
        session.settle()
        assert texts(got) == [[str(number)] for number in range(second + 1)]
    session.close()
    session.settle()
    reader.join()
    assert len(got) == 2
