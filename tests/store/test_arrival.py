"""However the lines arrive, in whatever slices and order, the tables are the same."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.store.slice import Slice
from llmwatch.store.store import Store
from tests.oracle.fold import Call
from tests.oracle.traffic import Simulation, simulate
from tests.store.helpers import as_slice, calls_of, feed, opened

thorough = settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
seeds = st.integers(0, 2**32)


def _at_once(day: Simulation) -> Counter[Call]:
    with opened() as store:
        feed(store, day.lines_by_stream)
        return _calls(store, day)


def _calls(store: Store, day: Simulation) -> Counter[Call]:
    """But not those of the corpus of bad lines, whose one id is in every stream."""
    return Counter(call for call in calls_of(store, day.now) if call.request_id != "hostile")


@thorough
@given(seed=seeds, hostility=st.sampled_from((0.0, 0.5, 1.0)))
def test_any_slices_give_the_same_calls(seed: int, hostility: float) -> None:
    random = Random(seed)
    day = simulate(seed, 60, hostility)
    with opened() as store:
        positions = dict.fromkeys(day.lines_by_stream, 0)
        while left := [name for name, at in positions.items() if at < len(day.lines_by_stream[name])]:
            name = random.choice(left)
            start = positions[name]
            end = min(start + random.randint(1, 40), len(day.lines_by_stream[name]))
            store.ingest(as_slice(day.lines_by_stream[name][start:end], name, start + 1))
            positions[name] = end
            if random.random() < 0.5:
                store.refresh()
        store.refresh()
        assert _calls(store, day) == _at_once(day)


@thorough
@given(seed=seeds)
def test_lines_of_calls_that_do_not_overlap_may_come_in_any_order(seed: int) -> None:
    day = simulate(seed, 30, 0.0)
    repeated = {name for name, count in Counter(call.request_id for call in day.truth).items() if count > 1}
    lines = [(name, line) for name, stream in day.lines_by_stream.items() for line in stream]
    lines = [(name, line) for name, line in lines if not any(f'"{id_}"'.encode() in line for id_ in repeated)]
    kept = {name: [line for stream, line in lines if stream == name] for name in day.lines_by_stream}
    with opened() as store:
        feed(store, kept)
        expected = Counter(calls_of(store, day.now))
    Random(seed).shuffle(lines)
    with opened() as store:
        for place in range(0, len(lines), 40):
            for name in day.lines_by_stream:
                if part := [line for stream, line in lines[place : place + 40] if stream == name]:
                    store.ingest(as_slice(part, name, place + 1))
            store.refresh()
        assert Counter(calls_of(store, day.now)) == expected


def test_a_late_line_completes_its_call_however_late() -> None:
    day = simulate(5, 30, 0.0)
    (name, lines), *_ = day.lines_by_stream.items()
    usage = next(line for line in lines if b"usage" in line.lower() or b"Converse API response" in line)
    with opened() as store:
        feed(store, {name: lines})
        expected = Counter(calls_of(store, day.now))
    with opened() as store:
        feed(store, {name: [line for line in lines if line != usage]})
        assert Counter(calls_of(store, day.now)) != expected
        feed(store, {"filler": simulate(6, 300, 0.0).lines_by_stream.popitem()[1]})
        store.ingest(Slice(name, name, len(lines), usage.rstrip(b"\n") + b"\n"))
        store.refresh()
        found = Counter(call for call in calls_of(store, day.now) if call.stream == name)
        assert found == expected
