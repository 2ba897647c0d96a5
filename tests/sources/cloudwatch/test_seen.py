"""What was given is known, as long as it can come again."""

from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from llmwatch.sources.cloudwatch.api import LogEvent
from llmwatch.sources.cloudwatch.seen import Balance, Seen

EVENTS = st.lists(st.tuples(st.integers(0, 3), st.sampled_from("ab")), max_size=12)


def event(time: int, message: str) -> LogEvent:
    return {"logStreamName": "s", "timestamp": time, "ingestionTime": time, "message": message}


@given(truth=EVENTS, data=st.data())
def test_two_sides_that_bring_the_same_give_it_once_in_any_interleaving(
    truth: list[tuple[int, str]], data: st.DataObject
) -> None:
    order = data.draw(st.permutations([(side, one) for side in ("live", "exact") for one in truth]))
    balance, given_out = Balance(), Counter[tuple[int, str]]()
    for side, one in order:
        brought = balance.brought_live if side == "live" else balance.brought_exactly
        given_out[one] += brought(event(*one))
    assert +given_out == Counter(truth)
    assert len(balance) == 0


@given(truth=EVENTS, lost=st.sets(st.integers(0, 11)), data=st.data())
def test_what_live_tail_leaves_out_is_given_too(
    truth: list[tuple[int, str]], lost: set[int], data: st.DataObject
) -> None:
    live = [one for place, one in enumerate(truth) if place not in lost]
    order = data.draw(st.permutations([("live", one) for one in live] + [("exact", one) for one in truth]))
    balance, given_out = Balance(), Counter[tuple[int, str]]()
    for side, one in order:
        brought = balance.brought_live if side == "live" else balance.brought_exactly
        given_out[one] += brought(event(*one))
    assert +given_out == Counter(truth)


def test_what_is_too_old_is_forgotten() -> None:
    seen, balance = Seen(), Balance()
    for time in range(100):
        seen.add(hash(time), time)
        balance.brought_live(event(time, "x"))
    seen.forget(90)
    balance.forget(90)
    assert len(seen) == len(balance) == 10
    assert hash(95) in seen
    assert hash(5) not in seen


def test_an_old_event_that_live_tail_cannot_bring_takes_no_memory() -> None:
    balance = Balance()
    assert balance.brought_exactly(event(1, "x"), remember=False)
    assert len(balance) == 0
    assert balance.brought_live(event(2, "x"))
    assert not balance.brought_exactly(event(2, "x"), remember=False)
