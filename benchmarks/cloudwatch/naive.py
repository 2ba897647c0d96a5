"""The same bad day, read by simpler rules: what the second reading and the service's clock are for."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

from benchmarks.cloudwatch.faults import EVENTS, check, end, stage
from benchmarks.cloudwatch.ledger import Ledger
from benchmarks.figure import Figure, Settings
from llmwatch.sources.cloudwatch.api import CallFailed, EventPage
from llmwatch.sources.cloudwatch.tail import FOLLOW_OVERLAP, FOLLOW_SECONDS
from tests.cloudwatch.clock import VirtualClock
from tests.cloudwatch.traffic import TrafficPlan
from tests.cloudwatch.virtual import VirtualApi

_SEED = 0
_CLI_SLEEPS = 5.0
_CLI_BEGINS = 600_000
"""ms before now: `--since 10m`."""
_PAUSE = 1.0
"""Seconds after a refusal. The AWS CLI itself gives up after some; none of these rules does."""

Reader = Callable[[VirtualApi, VirtualClock, Ledger, float], None]


def run(_: Settings) -> Iterator[Figure]:
    bad_day = TrafficPlan(seed=_SEED, events=EVENTS)
    right_clocks = replace(bad_day, skews=(0.0,))
    readings: tuple[tuple[str, Reader, TrafficPlan], ...] = (
        ("rule of the AWS CLI", _newest_time_seen, bad_day),
        ("the same, all clocks right", _newest_time_seen, right_clocks),
        ("fast reading alone", _fast_alone, bad_day),
        ("the same, all clocks right", _fast_alone, right_clocks),
    )
    for name, reader, plan in readings:
        _faults, clock, api, ledger = stage(plan)
        reader(api, clock, ledger, end(plan, clock))
        check(plan, ledger)
        detail = f"{ledger.lost:,} of {EVENTS:,} events, {ledger.twice:,} given twice"
        yield Figure(f"{name}, lost", 100 * ledger.lost / EVENTS, None, "%", detail=detail)


def _newest_time_seen(api: VirtualApi, clock: VirtualClock, ledger: Ledger, until: float) -> None:
    """`aws logs tail --follow` (v2, FollowLogEventsGenerator): it begins again at the newest time seen.

    It remembers the ids of that millisecond only, and sleeps when there is no next token.
    """
    start, token = api.service.now_ms() - _CLI_BEGINS, None
    seen: dict[int, set[str]] = defaultdict(set)
    while clock.now() < until:
        page = _page(api, clock, start, token)
        token = page.token if page is not None else None
        if page is None:
            continue
        for event in page.events:
            if event["eventId"] not in seen[event["timestamp"]]:
                seen[event["timestamp"]].add(event["eventId"])
                ledger.give([event])
        newest = max((time for time, ids in seen.items() if ids), default=None)
        seen = defaultdict(set, {} if newest is None else {newest: seen[newest]})
        if token is None:
            start = start if newest is None else newest
            clock.advance(_CLI_SLEEPS)


def _fast_alone(api: VirtualApi, clock: VirtualClock, ledger: Ledger, until: float) -> None:
    """Our own, without the sweep: it begins a little before its last beginning, and remembers all ids."""
    seen: set[str] = set()
    start = began = api.service.now_ms()
    token: str | None = None
    while clock.now() < until:
        page = _page(api, clock, start, token)
        token = page.token if page is not None else None
        if page is None:
            continue
        new = [event for event in page.events if event["eventId"] not in seen]
        seen.update(event["eventId"] for event in new)
        ledger.give(new)
        if token is None:
            start = began - FOLLOW_OVERLAP
            clock.advance(max(0.0, began / 1000 + FOLLOW_SECONDS - api.service.now()))
            began = api.service.now_ms()


def _page(api: VirtualApi, clock: VirtualClock, start: int, token: str | None) -> EventPage | None:
    """One page, however often it is refused; None when its token is no longer good."""
    while True:
        try:
            return api.filter_events(api.group("router"), start=start, end=None, token=token)
        except CallFailed as failure:
            if failure.kind == "bad_token":
                return None
            clock.advance(_PAUSE)
