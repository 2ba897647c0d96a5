"""Nothing lost, nothing twice: the poller against a service that does all it may, on a virtual clock."""

from __future__ import annotations

import random
from collections import Counter
from dataclasses import dataclass, field

import pytest

from llmwatch.sources.cloudwatch.api import CallFailed, Group, LogEvent
from llmwatch.sources.cloudwatch.poller import Patience, Poller, ReadPage, Settings
from llmwatch.sources.cloudwatch.tail import Range
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.faults import FaultPlan, LivePlan, Window, hard
from tests.cloudwatch.model import Model, Truth
from tests.cloudwatch.traffic import TrafficPlan, arrivals, truth
from tests.cloudwatch.virtual import VirtualApi, VirtualSession
from tests.sources.cloudwatch.driving import drive

HOUR = 3600.0
QUIET = FaultPlan(latency=(0.05, 0.2))


@dataclass
class Run:
    """A poller on the fake, and what it gave."""

    plan: TrafficPlan
    faults: FaultPlan
    wanted: Range = field(default_factory=Range)
    names: tuple[str, ...] = ("router",)
    live: bool = False
    per_second: float = 2.0
    patience: Patience = "always"
    kept: int | None = 100

    def __post_init__(self) -> None:
        self.clock = VirtualClock(self.plan.start - self.faults.clock_offset)
        self.model = Model()
        for name in self.plan.groups:
            self.model.create_group(name, created=int(self.plan.start * 1000) - 1000)
        self.model.feed(arrivals(self.plan))
        self.api = VirtualApi(self.model, self.clock, self.faults, requests_kept=self.kept)
        self.given: dict[str, list[LogEvent]] = {}
        self.most_remembered = 0

    def begin(self) -> None:
        """Make the poller; the clock may have been advanced before."""
        settings = Settings(
            names=self.names,
            wanted=self.wanted,
            per_second=self.per_second,
            patience=self.patience,
            live=self.live,
        )
        self.poller = Poller(
            settings, self.service_time, now=self.clock.now(), random_source=random.Random(self.plan.seed)
        )

    def service_time(self) -> int:
        told = self.api.service_time()
        return int((self.clock.now() if told is None else told) * 1000)

    def go_on(self, seconds: float) -> int:
        """Poll for so long; returns the number of requests."""
        return drive(self.poller, self.api, self.clock, self.clock.now() + seconds, self.take, self.look)

    def take(self, group: Group, events: list[LogEvent]) -> None:
        self.given.setdefault(group.name, []).extend(events)

    def look(self) -> None:
        remembered = sum(tail.remembered for tail in self.poller.tails.values())
        self.most_remembered = max(self.most_remembered, remembered)

    def counted(self, group: str = "router") -> Truth:
        return Counter(
            (event["logStreamName"], event["timestamp"], event["message"])
            for event in self.given.get(group, [])
        )


def settled(plan: TrafficPlan) -> float:
    """How long until all has become visible and a sweep has passed."""
    return plan.seconds + plan.worst_lag + 120


@pytest.mark.parametrize("seed", range(6))
def test_ninety_thousand_events_on_a_bad_day_are_given_once_each(seed: int) -> None:
    plan = TrafficPlan(seed=seed, events=90_000, seconds=HOUR)
    run = Run(plan, hard(seed))
    run.begin()
    run.go_on(settled(plan))
    assert run.counted() == truth(plan, "router")
    assert {"empty", "duplicate", "throttle", "expire_token", "repeat_token", "split"} <= set(
        run.api.injected
    )


def test_outages_and_expired_credentials_lose_nothing_and_are_told() -> None:
    faults = FaultPlan(
        seed=1,
        latency=(0.05, 0.3),
        outages=(Window(300, 420), Window(1000, 1300)),
        expired=(Window(1800, 2400),),
        renew=True,
    )
    plan = TrafficPlan(seed=1, events=20_000, seconds=HOUR)
    run = Run(plan, faults)
    run.begin()
    told: set[tuple[str, bool]] = set()
    while run.clock.now() < plan.start + settled(plan):
        run.go_on(20)
        (state,) = run.poller.states(run.clock.now())
        assert state.feed is not None
        told.add((state.status, bool(state.feed.stalled)))
        assert (state.status == "error") == bool(state.detail)
    assert run.counted() == truth(plan, "router")
    assert {("live", False), ("error", True)} <= told
    assert run.api.renewals > 10


def test_several_groups_share_the_budget_and_one_may_appear_later() -> None:
    plan = TrafficPlan(seed=2, events=20_000, seconds=HOUR, groups=("router-a", "router-b", "router-c"))
    run = Run(plan, FaultPlan(seed=2, latency=(0.05, 0.2), empty=0.1, throttle=0.05), names=("router*",))
    run.begin()
    run.go_on(1200)
    assert len(run.poller.tails) == 3
    run.model.create_group("router-late", created=int(run.clock.now() * 1000))
    for number in range(500):
        now = int(run.clock.now() * 1000) + number * 1000
        run.model.add("router-late", now, f"line {number}", visible_at=now + 900)
    requests = run.go_on(settled(plan) - 1200)
    for group in plan.groups:
        assert run.counted(group) == truth(plan, group)
    assert run.counted("router-late").total() == 500
    assert requests <= (settled(plan) - 1200) * 2.0 + 3


@pytest.mark.parametrize("newest_first", [True, False])
@pytest.mark.parametrize("seed", range(3))
def test_a_range_of_the_past_is_read_once_and_ends(seed: int, newest_first: bool) -> None:
    plan = TrafficPlan(seed=seed, events=30_000, seconds=HOUR, latest=1.0)
    since, until = int((plan.start + 600) * 1000), int((plan.start + 3000) * 1000)
    wanted = Range(since, until, stop_at=until, newest_first=newest_first)
    run = Run(plan, hard(seed), wanted, per_second=5.0, patience="none")
    run.clock.advance(2 * HOUR)
    run.begin()
    run.go_on(6 * HOUR)
    assert run.poller.ended
    (state,) = run.poller.states(run.clock.now())
    assert state.status == "ended"
    expected = Counter(
        {look: count for look, count in truth(plan, "router").items() if since <= look[1] <= until}
    )
    assert run.counted() == expected
    times = [event["timestamp"] for event in run.given["router"]]
    if not newest_first:
        assert times == sorted(times)


def test_without_a_beginning_all_there_is_is_read_also_what_fast_clocks_wrote() -> None:
    plan = TrafficPlan(seed=4, events=5_000, seconds=HOUR, latest=1.0)
    run = Run(plan, QUIET, Range(stop_at=0))
    run.clock.advance(HOUR + 60)
    run.begin()
    run.go_on(6 * HOUR)
    assert run.poller.ended
    assert run.counted() == truth(plan, "router")


def test_the_past_comes_newest_first_while_new_lines_come_too() -> None:
    plan = TrafficPlan(seed=5, events=60_000, seconds=4 * HOUR, latest=1.0, skews=(0.0,))
    faults = FaultPlan(seed=5, latency=(0.05, 0.2), page_events=200)
    run = Run(plan, faults, Range(since=int(plan.start * 1000)))
    run.clock.advance(3 * HOUR)
    run.begin()
    asked_at = run.clock.now() * 1000
    run.go_on(20)
    (state,) = run.poller.states(run.clock.now())
    assert state.feed is not None
    assert state.status == "reading"
    assert state.feed.filling is not None
    assert 0 < state.feed.filling < 1
    times = [event["timestamp"] for event in run.given["router"]]
    assert min(times) > asked_at - 0.9 * HOUR * 1000
    assert max(times) > asked_at + 5_000
    run.go_on(2 * HOUR)
    assert run.counted() == truth(plan, "router")
    (state,) = run.poller.states(run.clock.now())
    assert state.feed is not None
    assert state.feed.filling is None


def test_the_past_in_order_comes_before_what_is_new() -> None:
    plan = TrafficPlan(seed=6, events=20_000, seconds=HOUR, latest=1.0, skews=(0.0,))
    wanted = Range(since=int(plan.start * 1000), newest_first=False)
    run = Run(plan, FaultPlan(seed=6, latency=(0.05, 0.2), page_events=500), wanted)
    run.clock.advance(HOUR / 2)
    run.begin()
    run.go_on(10)
    times = [event["timestamp"] for event in run.given["router"]]
    assert times == sorted(times)
    run.go_on(HOUR)
    assert run.counted() == truth(plan, "router")


def test_following_until_a_moment_ends_there_after_one_last_sweep() -> None:
    plan = TrafficPlan(seed=7, events=20_000, seconds=HOUR, latest=40.0, skews=(0.0,))
    stop = int((plan.start + 1500) * 1000)
    run = Run(plan, QUIET, Range(since=int(plan.start * 1000), until=stop + 900_000, stop_at=stop))
    run.begin()
    run.go_on(2 * HOUR)
    assert run.poller.ended
    assert plan.start + 1500 <= run.clock.now() < plan.start + 1520
    given = run.counted()
    missed = [
        event
        for event in run.model.events("router")
        if event.visible_at <= stop and (event.stream, event.timestamp, event.message) not in given
    ]
    assert missed == []


@pytest.mark.parametrize("seed", range(4))
def test_live_tail_beside_it_gives_each_line_once_whatever_it_leaves_out(seed: int) -> None:
    plan = TrafficPlan(seed=seed, events=20_000, seconds=600.0, twins=0.02)
    live = LivePlan(most=20, lost=0.05, lasts=200.0, breaks_after=(30.0, 50.0))
    run = Run(plan, FaultPlan(seed=seed, latency=(0.05, 0.2), throttle=0.05, live=live), live=True)
    run.begin()
    session: VirtualSession | None = None
    sampled = 0
    while run.clock.now() < plan.start + settled(plan):
        run.go_on(0.7)
        tail = next(iter(run.poller.tails.values()), None)
        if tail is None:
            continue
        try:
            session = session or run.api.start_live_tail([tail.group])
            assert session is not None
            for update in session.poll():
                sampled += update.sampled
                events = [event for _, event in update.events]
                run.take(tail.group, tail.brought_live(events, run.clock.now(), sampled=update.sampled))
            if session.tail.end != "open":
                session = None
        except CallFailed:
            session = None
            tail.live_ended()
    assert run.counted() == truth(plan, "router")
    assert sampled > 0
    (state,) = run.poller.states(run.clock.now())
    assert state.feed is not None
    assert state.feed.sampled == sampled


def test_what_is_visible_within_ten_minutes_is_given_and_what_is_later_is_not() -> None:
    run = Run(TrafficPlan(events=0), QUIET)
    start = int(run.plan.start * 1000)
    for minute in range(60):
        for delay in (1, 200, 595, 700):
            written = start + minute * 60_000
            run.model.add("router", written, f"{delay} s", visible_at=written + delay * 1000)
    run.begin()
    run.go_on(HOUR + 900)
    counted = Counter(event["message"] for event in run.given["router"])
    assert counted["1 s"] == counted["200 s"] == counted["595 s"] == 60
    assert counted["700 s"] == 0
    (state,) = run.poller.states(run.clock.now())
    assert state.feed is not None
    assert state.feed.late == 120
    assert 550 < state.feed.late_seconds <= 595


def test_an_idle_group_takes_fewer_than_fifty_requests_a_minute() -> None:
    run = Run(TrafficPlan(events=0), FaultPlan(latency=(0.05, 0.2), empty=0.15))
    run.begin()
    run.go_on(60)
    assert run.go_on(HOUR) / 60 <= 50


def test_a_day_of_following_takes_no_more_memory_at_its_end() -> None:
    plan = TrafficPlan(seed=8, events=50_000, seconds=24 * HOUR)
    run = Run(plan, QUIET)
    run.begin()
    most = []
    for _ in range(12):
        run.most_remembered = 0
        run.go_on(2 * HOUR)
        most.append(run.most_remembered)
    assert max(most[6:]) <= 1.3 * max(most[:6])
    assert max(most) < 5_000
    run.go_on(600)
    assert run.counted() == truth(plan, "router")


def test_a_group_that_outgrows_the_budget_says_so_and_names_the_ways_out() -> None:
    plan = TrafficPlan(seed=9, events=60_000, seconds=1200.0, skews=(0.0,))
    run = Run(plan, FaultPlan(seed=9, latency=(0.05, 0.2), page_events=15))
    run.begin()
    run.go_on(1200)
    (state,) = run.poller.states(run.clock.now())
    assert state.feed is not None
    assert (state.feed.lag_seconds or 0) > 60
    assert "--filter-pattern" in state.detail
    assert "--live" in state.detail
    assert "insights" in state.detail


@pytest.mark.parametrize(
    ("failure", "name"), [("DescribeLogGroups", "router*"), ("FilterLogEvents", "router")]
)
def test_the_impatient_give_up_what_is_denied_and_the_patient_go_on(failure: str, name: str) -> None:
    patiences: list[tuple[Patience, bool]] = [("none", True), ("when running", True), ("always", False)]
    for patience, gives_up in patiences:
        faults = FaultPlan(denied=(failure,))
        run = Run(TrafficPlan(events=10), faults, names=(name,), patience=patience)
        run.begin()
        run.go_on(300)
        assert run.poller.ended == gives_up
        assert (run.poller.failure() is not None) == gives_up
        states = run.poller.states(run.clock.now())
        assert [state.status for state in states] == ["error"]


def test_who_has_read_before_waits_for_the_service_to_come_back() -> None:
    plan = TrafficPlan(seed=10, events=2_000, seconds=HOUR)
    run = Run(plan, FaultPlan(outages=(Window(600, 2400),)), patience="when running")
    run.begin()
    run.go_on(settled(plan))
    assert run.counted() == truth(plan, "router")


def test_a_service_that_throttles_without_end_is_given_up_by_the_impatient() -> None:
    run = Run(TrafficPlan(events=10), FaultPlan(throttle=0.999), patience="none")
    run.begin()
    run.go_on(HOUR)
    assert run.poller.ended
    assert run.clock.now() - run.plan.start < 300


def test_a_group_that_was_given_up_stays_so_whatever_still_comes() -> None:
    plan = TrafficPlan(seed=11, events=30_000, seconds=HOUR, latest=1.0, skews=(0.0,))
    run = Run(plan, FaultPlan(page_events=200), Range(stop_at=0), per_second=5.0, patience="none")
    run.clock.advance(2 * HOUR)
    run.begin()
    run.go_on(10)
    jobs: list[ReadPage] = []
    while len(jobs) < 2:
        job = run.poller.next_job(run.clock.now())
        if isinstance(job, ReadPage):
            jobs.append(job)
        else:
            assert isinstance(job, float)
            run.clock.advance(job)
    refusal = CallFailed("credentials", "The session has expired.")
    run.poller.done(jobs[0], refusal, run.clock.now())
    run.poller.done(jobs[1], jobs[1].run(run.api), run.clock.now())
    (state,) = run.poller.states(run.clock.now())
    assert run.poller.ended
    assert (state.status, state.detail) == ("error", "The session has expired.")


def test_looking_for_names_keeps_to_the_budget_and_goes_on_where_it_was_throttled() -> None:
    run = Run(TrafficPlan(events=0), FaultPlan(seed=1, throttle=0.3), names=("group-9*",))
    for number in range(1200):
        run.model.create_group(f"group-{number:04}", created=0)
        run.model.create_group(f"group-9{number:04}", created=0)
    run.begin()
    began = run.clock.now()
    while len(run.poller.tails) < 1200 and run.clock.now() < began + 300:
        run.go_on(1)
    assert len(run.poller.tails) >= 1200
    looks = [request.time for request in run.api.requests if request.operation == "DescribeLogGroups"]
    assert run.api.service.calls["DescribeLogGroups"] < 60
    assert max(looks) - min(looks) > 10


def test_a_token_that_stays_dead_for_long_loses_nothing() -> None:
    plan = TrafficPlan(seed=12, events=4_000, seconds=HOUR, skews=(0.0,))
    run = Run(plan, FaultPlan(seed=12, page_events=50))
    run.begin()
    run.go_on(600)
    run.api.service.faults = FaultPlan(seed=12, page_events=50, expire_token=0.99)
    run.go_on(900)
    run.api.service.faults = FaultPlan(seed=12, page_events=50)
    run.go_on(settled(plan))
    assert run.counted() == truth(plan, "router")


def test_many_groups_whose_past_is_filled_slowly_repeat_nothing() -> None:
    groups = tuple(f"router-{number:03}" for number in range(60))
    plan = TrafficPlan(seed=13, events=6_000, seconds=900.0, groups=groups, skews=(0.0,), latest=5.0)
    run = Run(plan, QUIET, Range(since=int(plan.start * 1000)), names=("router*",), kept=10)
    run.clock.advance(900)
    run.begin()
    run.go_on(1500)
    for group in groups:
        assert run.counted(group) == truth(plan, group)


def test_a_group_that_comes_just_before_the_end_is_read() -> None:
    run = Run(TrafficPlan(events=0), QUIET, names=("router*",))
    begin = int(run.plan.start * 1000)
    run.wanted = Range(since=begin, until=begin + 300_000, stop_at=begin + 300_000)
    run.begin()
    run.go_on(270)
    run.model.create_group("router-new", created=begin + 270_000)
    for number in range(20):
        run.model.add("router-new", begin + 271_000 + number, f"line {number}")
    run.go_on(120)
    assert run.poller.ended
    assert run.counted("router-new").total() == 20


def test_a_group_by_its_name_and_by_its_arn_is_not_read_twice() -> None:
    arn = "arn:aws:logs:eu-central-1:123456789012:log-group:router"
    run = Run(TrafficPlan(events=100), FaultPlan(denied=("DescribeLogGroups",)), names=("router", arn))
    run.begin()
    run.go_on(300)
    assert len(run.poller.tails) == 1
    assert ["twice" in state.detail for state in run.poller.states(run.clock.now())] == [False, True]


def test_a_denied_last_sweep_is_not_asked_for_at_every_look() -> None:
    run = Run(TrafficPlan(events=0), QUIET)
    begin = int(run.plan.start * 1000)
    run.wanted = Range(since=begin, until=begin + 60_000, stop_at=begin + 60_000)
    run.begin()
    run.go_on(55)
    run.api.service.faults = FaultPlan(denied=("FilterLogEvents",))
    run.go_on(10)
    assert run.go_on(60) <= 10
    run.api.service.faults = QUIET
    run.go_on(30)
    assert run.poller.ended


def test_an_old_event_that_is_taken_in_now_comes_once_beside_live_tail() -> None:
    run = Run(TrafficPlan(events=0), FaultPlan(), Range(since=0), live=True)
    run.clock.advance(100)
    run.begin()
    run.go_on(0.5)
    now = int(run.clock.now() * 1000)
    run.model.add("router", now - 40 * 86_400_000, "from long ago", visible_at=now + 100)
    (tail,) = run.poller.tails.values()
    session = run.api.start_live_tail([tail.group])
    run.go_on(300)
    for update in session.poll():
        events = [event for _, event in update.events]
        run.take(tail.group, tail.brought_live(events, run.clock.now(), sampled=False))
    assert run.counted().total() == 1
