"""The oracle agrees with traffic whose truth is known, with the sample, and with itself."""

from collections import Counter, defaultdict
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle import hostile
from tests.oracle.fold import Call, Folded, Tokens, fold, group
from tests.oracle.lines import Line, Unread, read
from tests.oracle.request import TrueCall
from tests.oracle.traffic import Simulation, simulate

SAMPLE = Path(__file__).parent.parent / "data" / "router-sample.jsonl"
NOW = datetime(2026, 2, 27, 17, tzinfo=UTC)
FIELDS = (
    "model",
    "requested_model",
    "outcome",
    "status",
    "latency_ms",
    "tokens",
    "unmetered",
    "reached_model",
    "first_seen",
    "last_seen",
)

AnyCall = TypeVar("AnyCall", Call, TrueCall)

days = st.builds(
    simulate,
    seed=st.integers(0, 2**32),
    requests=st.integers(1, 60),
    hostility=st.sampled_from((0.0, 0.1, 0.5, 1.0)),
)


def folded(day: Simulation) -> Folded:
    return fold(day.lines_by_stream, day.now)


def sums(calls: list[Call] | list[TrueCall], *by: str) -> dict[tuple[object, ...], Tokens]:
    """The tokens by these fields, of those that have any."""
    totals: dict[tuple[object, ...], Tokens] = {}
    for call in calls:
        if call.tokens.known:
            key = tuple(getattr(call, name) for name in by)
            totals[key] = totals.get(key, Tokens()) + call.tokens
    return totals


@settings(max_examples=150, deadline=None)
@given(days)
def test_each_person_gets_exactly_their_tokens(day: Simulation) -> None:
    assert sums(folded(day).calls, "user") == sums(day.truth, "user")


@settings(max_examples=150, deadline=None)
@given(days)
def test_each_model_gets_exactly_its_tokens_unless_the_log_cannot_tell(day: Simulation) -> None:
    unsure = {call.user for call in day.truth if "model" in call.ambiguous}
    found = [call for call in folded(day).calls if call.user not in unsure]
    true = [call for call in day.truth if call.user not in unsure]
    assert sums(found, "user", "model") == sums(true, "user", "model")


@settings(max_examples=150, deadline=None)
@given(days)
def test_an_unsure_model_is_none_and_never_another(day: Simulation) -> None:
    sure = [call for call in day.truth if "model" not in call.ambiguous]
    found = sums([call for call in folded(day).calls if call.model is not None], "user", "model")
    least = sums([call for call in sure if call.model is not None], "user", "model")
    most = sums(day.truth, "user", "model")
    for key, tokens in found.items():
        assert at_most(tokens, most[key])
    for key, tokens in least.items():
        assert at_most(tokens, found[key])


def at_most(one: Tokens, other: Tokens) -> bool:
    pairs = zip(vars(one).values(), vars(other).values(), strict=True)
    return all((left or 0) <= (right or 0) for left, right in pairs)


@settings(max_examples=150, deadline=None)
@given(days)
def test_each_call_is_what_it_was(day: Simulation) -> None:
    found, true = by_asker(folded(day).calls), by_asker(day.truth)
    assert {asker: len(calls) for asker, calls in found.items()} == {
        asker: len(calls) for asker, calls in true.items()
    }
    for asker, calls in true.items():
        if any(call.crowded for call in calls):
            continue
        unsure = frozenset[str]().union(*(call.ambiguous for call in calls))
        sure = [name for name in FIELDS if name not in unsure]
        assert shown(found[asker], sure) == shown(calls, sure)


def by_asker(calls: list[AnyCall]) -> dict[tuple[str, str, str | None], list[AnyCall]]:
    askers = defaultdict(list)
    for call in calls:
        askers[call.stream, call.request_id, call.user].append(call)
    return askers


def shown(calls: list[Call] | list[TrueCall], names: list[str]) -> Counter[tuple[object, ...]]:
    return Counter(tuple(getattr(call, name) for name in names) for call in calls)


@settings(max_examples=50, deadline=None)
@given(days)
def test_every_line_is_counted(day: Simulation) -> None:
    result = folded(day)
    assert result.lines == result.events + result.malformed + result.unrecognised
    assert {name: getattr(result, name) for name in day.counters} == day.counters


def test_the_sample() -> None:
    result = fold({"sample": SAMPLE.read_bytes().split(b"\n")}, NOW)
    counters = (result.lines, result.events, result.malformed, result.unrecognised, result.unowned)
    assert counters == (1982, 1982, 0, 0, 0)
    assert (result.llm_calls, result.other_requests) == (300, 0)
    total = group(result.calls, [])[()]
    assert (total.errors, total.aborted, total.unfinished) == (2, 0, 0)
