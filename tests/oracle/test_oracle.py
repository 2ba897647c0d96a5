"""The oracle agrees with traffic whose truth is known, with the sample, and with itself."""

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from typing import TypeVar

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.oracle.fold import Call, Folded, Tokens, fold, group
from tests.oracle.lines import Line, read
from tests.oracle.request import TrueCall
from tests.oracle.tokens import USAGE
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


@settings(max_examples=150, deadline=None, derandomize=True)
@given(days)
def test_each_person_gets_exactly_their_tokens(day: Simulation) -> None:
    assert sums(folded(day).calls, "user") == sums(day.truth, "user")


@settings(max_examples=150, deadline=None, derandomize=True)
@given(days)
def test_each_model_gets_exactly_its_tokens_unless_the_log_cannot_tell(day: Simulation) -> None:
    unsure = {call.user for call in day.truth if "model" in call.ambiguous}
    found = [call for call in folded(day).calls if call.user not in unsure]
    true = [call for call in day.truth if call.user not in unsure]
    assert sums(found, "user", "model") == sums(true, "user", "model")


@settings(max_examples=150, deadline=None, derandomize=True)
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


@settings(max_examples=150, deadline=None, derandomize=True)
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


@settings(max_examples=50, deadline=None, derandomize=True)
@given(days)
def test_every_line_is_counted(day: Simulation) -> None:
    result = folded(day)
    assert result.lines == result.events + result.malformed + result.unrecognised
    assert {name: getattr(result, name) for name in day.counters} == day.counters


@settings(max_examples=50, deadline=None, derandomize=True)
@given(days, st.randoms(use_true_random=False), st.sampled_from((0.1, 0.5, 1.0)))
def test_no_tokens_are_lost_with_the_other_lines(day: Simulation, random: Random, lost: float) -> None:
    kept = {
        stream: [raw for raw in raws if is_usage(raw) or random.random() >= lost]
        for stream, raws in day.lines_by_stream.items()
    }
    assert sums(fold(kept, day.now).calls) == sums(day.truth)


def is_usage(raw: bytes) -> bool:
    line = read(raw)
    return isinstance(line, Line) and line.message in USAGE


@settings(max_examples=50, deadline=None, derandomize=True)
@given(days, st.floats(0, 1))
def test_a_log_that_begins_late_gives_nobody_more_than_their_own(day: Simulation, share: float) -> None:
    late = {stream: raws[int(share * len(raws)) :] for stream, raws in day.lines_by_stream.items()}
    most = sums(day.truth, "user")
    for user, tokens in sums(fold(late, day.now).calls, "user").items():
        assert at_most(tokens, most[user])


def test_the_traffic_is_as_nasty_as_it_claims() -> None:
    days = [simulate(seed, 60, 1.0) for seed in range(20)]
    truth = [call for day in days for call in day.truth]
    assert {call.outcome for call in truth} == {"ok", "error", "aborted", "unfinished", "open"}
    assert any(call.crowded and "model" in call.ambiguous and call.tokens.known for call in truth)
    assert any(call.outcome == "error" and call.tokens.known for call in truth)
    assert any(call.outcome == "unfinished" and call.tokens.known for call in truth)
    assert any(call.unmetered and call.outcome == "error" for call in truth)
    assert any(not call.reached_model for call in truth)
    assert any(folded(day).malformed for day in days)
    assert any(folded(day).unowned for day in days)
    assert sum(1 for _ in shared_and_exact(days)) > 20


def shared_and_exact(days: list[Simulation]) -> Iterator[TrueCall]:
    """Calls with tokens that ran while another person's did under the same id."""
    for day in days:
        for call in day.truth:
            for other in day.truth:
                same_id = (call.stream, call.request_id) == (other.stream, other.request_id)
                meets = call.first_seen <= other.last_seen and other.first_seen <= call.last_seen
                if same_id and meets and call.user != other.user and call.tokens.known and not call.crowded:
                    yield call


def test_the_sample() -> None:
    raws = SAMPLE.read_bytes().split(b"\n")
    result = fold({"sample": raws}, NOW)
    counters = (result.lines, result.events, result.malformed, result.unrecognised, result.unowned)
    assert counters == (1982, 1982, 0, 0, 0)
    assert (result.llm_calls, result.other_requests) == (300, 0)
    total = group(result.calls, [])[()]
    assert (total.errors, total.aborted, total.unfinished, total.unmetered) == (2, 0, 0, 2)
    # In the sample no id comes twice and no cache is Mantle's, so its totals are plain sums over all lines.
    events = [json.loads(raw) for raw in raws if raw]
    counts = [event | (event.get("usage") or {}) for event in events]
    plain = {
        name: sum(count.get(name) or 0 for count in counts)
        for name in (
            "prompt_tokens",
            "input_tokens",
            "completion_tokens",
            "output_tokens",
            "cache_read_tokens",
        )
    }
    assert total.input_tokens == plain["prompt_tokens"] + plain["input_tokens"]
    assert total.output_tokens == plain["completion_tokens"] + plain["output_tokens"]
    assert total.cache_read_tokens == plain["cache_read_tokens"]


def test_in_the_sample_nobody_without_a_name_and_nothing_without_a_model() -> None:
    calls = fold({"sample": SAMPLE.read_bytes().split(b"\n")}, NOW).calls
    assert all(call.user and call.model and call.requested_model for call in calls)
