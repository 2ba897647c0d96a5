"""The service is never asked more often than agreed."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest

from llmwatch.sources.cloudwatch.budget import Budget, LastMinute


@pytest.mark.parametrize("per_second", [0.1, 0.5, 2.0, 10.0])
def test_any_stretch_of_time_has_no_more_requests_than_the_budget_and_a_burst(per_second: float) -> None:
    rng, budget, now = random.Random(1), Budget(per_second), 100.0
    made: list[float] = []
    while len(made) < 300:
        wait = budget.wait(now)
        if wait == 0:
            made.append(now)
            continue
        now += wait + (rng.expovariate(per_second / 3) if rng.random() < 0.2 else 0)
    for first in range(0, 300, 7):
        for last in range(first, 300, 11):
            assert last - first + 1 <= (made[last] - made[first]) * per_second + 4 + 1e-6


def test_someone_who_always_has_a_request_uses_all_of_it() -> None:
    budget, now, made = Budget(2.0), 0.0, 0
    while now < 100:
        wait = budget.wait(now)
        now, made = now + wait, made + (wait == 0)
    assert 199 <= made <= 205


def test_pauses_after_refusals_grow_and_are_random_and_end() -> None:
    longest = []
    for refusals in range(8):
        pauses = []
        for seed in range(200):
            budget = Budget(2.0, random.Random(seed))
            for _ in range(refusals):
                budget.back_off(0.0)
            pauses.append(budget.back_off(0.0))
        longest.append(max(pauses))
        assert min(pauses) < max(pauses) / 10
    assert all(later > earlier * 1.2 for earlier, later in pairwise(longest[:5]))
    assert longest[-1] <= 20
    budget = Budget(2.0, random.Random(3))
    pause = budget.back_off(50.0)
    assert budget.wait(50.0) == pytest.approx(pause)
    assert budget.wait(50.0 + pause) == 0
    budget.succeeded()
    assert budget.refusals == 0


def test_the_last_minute_forgets() -> None:
    rate = LastMinute()
    assert rate.per_minute(5.0) is None
    for second in range(120):
        rate.add(float(second), 2)
    assert rate.per_minute(119.0) == pytest.approx(120, rel=0.02)
    assert rate.per_minute(500.0) == 0
