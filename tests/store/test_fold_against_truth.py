"""The store's SQL and the plain Python fold, on traffic whose truth is known by construction."""

from __future__ import annotations

from collections import Counter, defaultdict
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.oracle.fold import Call, fold
from tests.oracle.request import TrueCall
from tests.oracle.tokens import Tokens
from tests.oracle.traffic import Simulation, simulate
from tests.store.helpers import calls_of, feed, opened

NOW = datetime(2026, 2, 27, 17, tzinfo=UTC)
SAMPLE = Path(__file__).parent.parent / "data" / "router-sample.jsonl"

AnyCall = TypeVar("AnyCall", Call, TrueCall)

days = given(
    seed=st.integers(0, 2**32), requests=st.integers(1, 80), hostility=st.sampled_from((0.0, 0.1, 0.5, 1.0))
)
thorough = settings(
    max_examples=60, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


HOSTILE = "hostile"
"""The request id of the corpus of bad lines, some of which one JSON parser takes and another does not."""


def stored(day: Simulation) -> list[Call]:
    with opened() as store:
        feed(store, day.lines_by_stream)
        return [call for call in calls_of(store, day.now) if call.request_id != HOSTILE]


def sums(calls: list[Call] | list[TrueCall], *by: str) -> dict[tuple[object, ...], Tokens]:
    totals: dict[tuple[object, ...], Tokens] = {}
    for call in calls:
        if call.tokens.known:
            key = tuple(_storable(getattr(call, name)) for name in by)
            totals[key] = totals.get(key, Tokens()) + call.tokens
    return totals


def _storable(value: object) -> object:
    """A lone surrogate cannot be UTF-8: the store has the text of its escape."""
    return value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value


@thorough
@days
def test_the_calls_are_those_that_were_made(seed: int, requests: int, hostility: float) -> None:
    day = simulate(seed, requests, hostility)
    calls = stored(day)
    assert sums(calls, "user") == sums(day.truth, "user")
    _models_are_right(day, calls)
    _sure_fields_are_right(day, calls)


def _models_are_right(day: Simulation, calls: list[Call]) -> None:
    """Where a person's own calls did not overlap under one id; else only that person's sums are sure."""
    unsure = {_storable(call.user) for call in day.truth if call.crowded or "model" in call.ambiguous}
    found = [call for call in calls if call.user not in unsure]
    true = [call for call in day.truth if _storable(call.user) not in unsure]
    assert sums(found, "user", "model") == sums(true, "user", "model")


def _sure_fields_are_right(day: Simulation, calls: list[Call]) -> None:
    fields = (
        "outcome",
        "status",
        "latency_ms",
        "tokens",
        "unmetered",
        "reached_model",
        "first_seen",
        "last_seen",
    )
    found, true = _by_asker(calls), _by_asker(day.truth)
    assert found.keys() == true.keys()
    for asker, made in true.items():
        unsure = frozenset[str]().union(*(call.ambiguous for call in made))
        if not any(call.crowded for call in made):
            if any(call.status is None for call in made):
                unsure |= {
                    "reached_model"
                }  # a call cut short may have others' anonymous lines, or lack its own
            sure = [name for name in fields if name not in unsure]
            assert _shown(found[asker], sure) == _shown(made, sure)


def test_the_sample_is_what_a_plain_fold_makes_of_it() -> None:
    lines = {"sample": SAMPLE.read_bytes().splitlines()}
    with opened() as store:
        feed(store, lines)
        assert Counter(calls_of(store, NOW)) == Counter(fold(lines, NOW).calls)


def _by_asker(calls: list[AnyCall]) -> dict[tuple[object, ...], list[AnyCall]]:
    askers: dict[tuple[object, ...], list[AnyCall]] = defaultdict(list)
    for call in calls:
        askers[call.stream, _storable(call.request_id), _storable(call.user)].append(call)
    return askers


def _shown(calls: list[Call] | list[TrueCall], names: list[str]) -> Counter[tuple[object, ...]]:
    return Counter(tuple(getattr(call, name) for name in names) for call in calls)
