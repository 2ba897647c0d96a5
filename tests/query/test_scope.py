"""One scope: tables, counts and events speak of the same calls, whatever chips it has."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import product

import pytest

from llmwatch.query import events as events_module
from llmwatch.query.events import events_between, iterate_events
from llmwatch.query.filters.language import exact, read_filter
from llmwatch.query.scope import EVERYTHING, Chip, Scope
from llmwatch.query.tables import count_all, group_calls
from llmwatch.store.store import Store, StoreSettings
from tests.cli.running import SAMPLE
from tests.store.helpers import as_slice, opened

NOW = datetime(2026, 2, 27, 17, tzinfo=UTC)
KIMI, ERROR, TEXT = (read_filter(text) for text in ("model:kimi", "status:error", '"Stream usage emitted"'))


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with opened(StoreSettings(keep_raw=True)) as store:
        store.ingest(as_slice(SAMPLE.read_bytes().splitlines()))
        store.refresh()
        yield store


def calls(store: Store, scope: Scope) -> set[object]:
    """The first lines of the calls in scope."""
    condition, parameters = scope.sql()
    rows = store.query(f"SELECT first_seq FROM calls WHERE {condition}", parameters, now=NOW).rows
    return {seq for (seq,) in rows}


def events(store: Store, scope: Scope) -> list[int]:
    return [event.seq for event in events_between(store, 0, store.end_seq, 10_000, scope, now=NOW)]


def test_chips_narrow_and_those_that_are_off_do_not(store: Store) -> None:
    every = calls(store, EVERYTHING)
    of = {chip: calls(store, EVERYTHING.narrowed(chip)) for chip in (KIMI, ERROR, TEXT)}
    assert all(0 < len(found) < len(every) for found in of.values())
    for states in product(("on", "off", "inverted"), repeat=3):
        chips = [
            Chip(chip, enabled=state != "off", inverted=state == "inverted")
            for chip, state in zip(of, states, strict=True)
        ]
        wanted = set(every)
        for found, state in zip(of.values(), states, strict=True):
            wanted -= {"on": every - found, "off": set(), "inverted": found}[state]
        assert calls(store, Scope(chips=tuple(chips))) == wanted


def test_the_text_of_a_scope_means_the_same(store: Store) -> None:
    for scope in (
        EVERYTHING.narrowed(KIMI),
        EVERYTHING.narrowed(KIMI, read_filter("status:ok OR status:error")),
        Scope(chips=(Chip(KIMI, inverted=True), Chip(ERROR, enabled=False), Chip(TEXT))),
    ):
        assert scope.text is not None
        again = EVERYTHING.narrowed(read_filter(scope.text))
        assert calls(store, again) == calls(store, scope) != set()
        assert events(store, again) == events(store, scope) != []
    assert EVERYTHING.text is None
    assert Scope(chips=(Chip(KIMI, enabled=False),)).text is None


def test_every_figure_is_of_the_same_calls(store: Store) -> None:
    for scope in (EVERYTHING.narrowed(KIMI), EVERYTHING.narrowed(ERROR), EVERYTHING.narrowed(KIMI, TEXT)):
        table = group_calls(store, scope, ["user"], now=NOW)
        counters = count_all(store, scope, NOW)
        assert table.totals.requests == sum(row.usage.requests for row in table.rows) == counters.calls
        assert counters.calls + counters.other_requests == len(calls(store, scope))
        assert counters.lines == store.lines


def test_a_row_of_a_table_is_a_filter(store: Store) -> None:
    table = group_calls(store, EVERYTHING, ["user"], now=NOW)
    assert len(table.rows) > 50
    for row in table.rows[:20]:
        one = group_calls(store, EVERYTHING.narrowed(exact("user", row.key[0])), ["user"], now=NOW)
        assert one.rows == (row,)
        assert one.totals == replace(row.usage)


@pytest.mark.parametrize("scope", [EVERYTHING, EVERYTHING.narrowed(KIMI), EVERYTHING.narrowed(TEXT, ERROR)])
def test_the_newest_events_do_not_depend_on_how_they_are_looked_for(
    store: Store, scope: Scope, monkeypatch: pytest.MonkeyPatch
) -> None:
    every = events(store, scope)
    assert every == [event.seq for event in iterate_events(store, 0, store.end_seq, scope, NOW)]
    for size in (1, 7, 100_000):
        monkeypatch.setattr(events_module, "_FIRST_PART", size)
        for limit in (1, 5, 10_000):
            found = events_between(store, 0, store.end_seq, limit, scope, now=NOW)
            assert [event.seq for event in found] == every[-limit:]
        some = events_between(store, 500, 1500, 10_000, scope, now=NOW)
        assert [event.seq for event in some] == [seq for seq in every if 500 <= seq < 1500]


def test_a_relative_time_moves_with_the_clock(store: Store) -> None:
    recent = EVERYTHING.narrowed(read_filter("since:2s"))
    times = store.query("SELECT max(time) FROM calls").rows
    newest = times[0][0]
    assert isinstance(newest, datetime)
    newest = newest.replace(tzinfo=UTC)
    counts = [count_all(store, recent, newest + timedelta(seconds=later)).calls for later in (0, 1, 3)]
    assert counts[0] > counts[1] > counts[2] == 0
