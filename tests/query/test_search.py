"""A search finds what a plain look at every line finds, whatever its parts, and newest first."""

from __future__ import annotations

import json
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from llmwatch.query import matching
from llmwatch.query.filters.language import read_filter
from llmwatch.query.found import Found, SearchRequest
from llmwatch.query.neighbours import around
from llmwatch.query.scope import EVERYTHING, Chip, Scope
from llmwatch.query.search import context, search
from llmwatch.store.cancel import Cancel
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.cli.traffic import START, call, line
from tests.store.helpers import opened

NOW = START + timedelta(days=1)
USERS = ("ana@example.com", "ben@example.com", "Ana.Two@example.com")
WORDS = ("throttled", "Throttled", "café", 'a "quoted" word', "plain")
STREAMS = ("one", "two", "three")


@dataclass(frozen=True)
class Line:
    """A line as it was written."""

    text: bytes
    stream: str

    @property
    def blank(self) -> bool:
        return not self.text.strip()

    @property
    def values(self) -> Mapping[str, Any]:
        try:
            value = json.loads(self.text)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    def has(self, words: str) -> bool:
        return words in self.text.decode("utf-8", "backslashreplace")


def a_line(chance: random.Random, number: int) -> bytes:
    kind = chance.random()
    if kind < 0.1:
        return chance.choice((b"\n", b"  \n"))
    if kind < 0.2:
        return chance.choice((b'{"broken": throttled\n', b'{"other": "Throttled"}\n', b"caf\xe9 throttled\n"))
    moment = START + timedelta(milliseconds=chance.randrange(10_000))
    fields_of_line = {
        "error": chance.choice(WORDS),
        "user_email": chance.choice(USERS),
        "extra": {"n": number},
    }
    return line(moment, chance.choice(("Request started", "Model mapped")), f"r-{number}", **fields_of_line)


def a_log(seed: int, count: int = 200) -> list[Line]:
    chance = random.Random(seed)
    return [Line(a_line(chance, number), chance.choice(STREAMS)) for number in range(count)]


@contextmanager
def loaded(lines: list[Line]) -> Iterator[Store]:
    """A store in which a line's place is its sequence number."""
    with opened(StoreSettings(keep_raw=True)) as store:
        numbers = dict.fromkeys(STREAMS, 1)
        pieces = []
        for one in lines:
            pieces.append(Slice(one.stream, one.stream, numbers[one.stream], one.text))
            numbers[one.stream] += 1
        store.ingest(*pieces)
        store.refresh()
        yield store


@dataclass(frozen=True)
class Log:
    """Lines, and a store of them."""

    lines: list[Line]
    store: Store


@pytest.fixture(scope="module")
def log() -> Iterator[Log]:
    lines = a_log(8)
    with loaded(lines) as store:
        yield Log(lines, store)


@pytest.fixture(params=[9, 64, 122_880])
def part_lines(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many lines a part begins with."""
    monkeypatch.setattr(matching, "_ROW_GROUP", request.param)
    return int(request.param)


Test = Callable[[Line], bool]

QUESTIONS: dict[str, Test] = {
    '"Throttled"': lambda one: one.has("Throttled"),
    "throttled": lambda one: one.has("throttled") or one.has("Throttled"),
    "/[Tt]hrott.ed/": lambda one: one.has("throttled") or one.has("Throttled"),
    '-"plain"': lambda one: not one.has("plain"),
    '("Throttled" OR "plain") message:mapped': lambda one: (
        (one.has("Throttled") or one.has("plain")) and one.values.get("message") == "Model mapped"
    ),
    "kind:malformed": lambda one: not one.values,
    "kind:unrecognised": lambda one: bool(one.values) and "message" not in one.values,
    '"nowhere to be found"': lambda one: False,
}


def every(store: Store, request: SearchRequest, scope: Scope = EVERYTHING, **options: Any) -> list[Found]:
    return list(search(store, scope, request, now=NOW, cancelled=lambda: False, **options))


@pytest.mark.parametrize("question", QUESTIONS)
def test_hits_and_counts_are_those_of_a_plain_scan(question: str, part_lines: int, log: Log) -> None:
    lines, store = log.lines, log.store
    expected = [seq for seq, one in enumerate(lines) if not one.blank and QUESTIONS[question](one)]
    for limit in (0, 3) if part_lines == 64 else (1_000,):
        founds = every(store, SearchRequest(read_filter(question), limit=limit))
        last = founds[-1]
        assert [event.seq for event in last.events] == expected[::-1][:limit]
        assert last.matched == len(expected)
        assert last.examined == last.total == sum(not one.blank for one in lines)
        assert [found.done for found in founds] == [False] * (len(founds) - 1) + [True]
        if part_lines < len(lines):
            assert len(founds) > 1


def test_what_is_found_only_grows(part_lines: int, log: Log) -> None:
    founds = every(log.store, SearchRequest(read_filter("throttled"), limit=20, fields=("error",)))
    for before, after in pairwise(founds):
        assert after.events[: len(before.events)] == before.events
        assert (before.matched, before.examined) <= (after.matched, after.examined)
        assert before.examined <= before.total
        assert before.total == after.total
    assert len(founds[-1].values) == len(founds[-1].events) == 20


def test_by_time_the_latest_come_first_and_only_at_the_end(part_lines: int, log: Log) -> None:
    *counting, last = every(log.store, SearchRequest(read_filter("throttled"), limit=50), by_time=True)
    everything = every(log.store, SearchRequest(read_filter("throttled")))[-1]
    assert not any(found.events for found in counting)
    earliest = datetime.min.replace(tzinfo=UTC)
    newest = sorted(everything.events, key=lambda event: (event.time or earliest, event.seq), reverse=True)
    assert last.events == tuple(newest[:50])
    assert last.matched == everything.matched


def test_a_scope_narrows_what_is_examined(part_lines: int, log: Log) -> None:
    lines, store = log.lines, log.store
    since, until = START + timedelta(seconds=2), START + timedelta(seconds=6)
    scope = Scope(
        since, until, (Chip(read_filter("message:started")), Chip(read_filter('"plain"'), inverted=True))
    )

    def in_scope(one: Line) -> bool:
        if one.values.get("message") != "Request started" or one.has("plain"):
            return False
        return since <= datetime.fromisoformat(one.values["timestamp"]) < until

    examined = [seq for seq, one in enumerate(lines) if in_scope(one)]
    founds = every(store, SearchRequest(read_filter('"Throttled"')), scope)
    everything = every(store, SearchRequest(None), scope)[-1]
    assert founds[-1].examined == founds[-1].total == len(examined)
    assert [event.seq for event in founds[-1].events] == [
        seq for seq in examined[::-1] if lines[seq].has("Throttled")
    ]
    assert [event.seq for event in everything.events] == examined[::-1]
    totals = [found.total for found in founds]
    assert totals == sorted(totals, reverse=True)


def test_values_are_those_of_the_json_of_the_line() -> None:
    texts = (
        b'{"message": "x", "usage": {"n": 1}, "usage.n": "dotted", "a/b~c": true, "list": [{"z": "deep"}]}',
        b'{"message": "x", "usage": {"n": null, "word": "caf\\u00e9"}}',
        b"no json: x",
    )
    keys = ("usage.n", "usage.word", "a/b~c", "list.0.z", "$", "")
    with loaded([Line(text + b"\n", "one") for text in texts]) as store:
        (found,) = every(store, SearchRequest(read_filter("x"), fields=keys))
        assert found.values == (
            (None,) * 6,
            (None, "café", None, None, None, None),
            ("dotted", None, "true", "deep", None, None),
        )
        assert [event.kind for event in found.events] == ["malformed", "unrecognised", "unrecognised"]


def test_a_condition_on_calls_finds_all_lines_of_these_calls(part_lines: int) -> None:
    lines = [
        Line(text + b"\n", "one")
        for number in range(20)
        for text in call(
            USERS[number % 2], f"r-{number}", started=START + timedelta(seconds=number)
        ).splitlines()
    ]
    expected = [seq for seq, one in enumerate(lines) if int(one.values["request_id"][2:]) % 2]
    with loaded(lines) as store:
        (*_, found) = every(store, SearchRequest(read_filter(f"user={USERS[1]}")))
        (calls,) = every(store, SearchRequest(read_filter(f"user={USERS[1]}"), calls=True, limit=4))
        (none,) = every(store, SearchRequest(None, calls=True, limit=0))
    assert [event.seq for event in found.events] == expected[::-1]
    assert [hit.request_id for hit in calls.calls] == ["r-19", "r-17", "r-15", "r-13"]
    assert [lines[hit.seq].values["request_id"] for hit in calls.calls] == ["r-19", "r-17", "r-15", "r-13"]
    assert (calls.matched, calls.examined, calls.total, calls.done) == (10, 20, 20, True)
    assert (none.calls, none.matched) == ((), 20)


def test_a_cancelled_search_ends_after_a_part(log: Log, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(matching, "_ROW_GROUP", 10)
    monkeypatch.setattr(matching, "_PART_SECONDS", 0.0)
    seen: list[Found] = []
    with loaded(a_log(3)) as store:
        for found in search(
            store, EVERYTHING, SearchRequest(None), now=NOW, cancelled=lambda: len(seen) == 2
        ):
            seen.append(found)
    assert len(seen) == 2
    assert not any(found.done for found in seen)


def test_a_cancel_ends_the_query_that_runs_and_no_other(log: Log) -> None:
    import duckdb

    cancel = Cancel()
    slow = "SELECT count(*) FROM range(1000000000000) a, range(1000000) b"
    timer = threading.Timer(0.1, cancel.cancel)
    timer.start()
    with pytest.raises(duckdb.InterruptException):
        log.store.query(slow, cancel=cancel)
    timer.join()
    assert list(search(log.store, EVERYTHING, SearchRequest(None), now=NOW, cancelled=cancel)) == []
    assert every(log.store, SearchRequest(None))[-1].done


@pytest.mark.parametrize(("before", "after"), [(0, 0), (2, 0), (0, 3), (5, 5), (1_000, 1_000)])
def test_context_is_of_the_same_stream(before: int, after: int, log: Log) -> None:
    lines, store = log.lines, log.store
    events = [seq for seq, one in enumerate(lines) if not one.blank]
    for seq in (events[0], events[90], events[-1]):
        stream = [at for at in events if lines[at].stream == lines[seq].stream]
        place = stream.index(seq)
        expected = stream[max(0, place - before) : place + after + 1]
        assert [event.seq for event in context(store, seq, before, after)] == expected
        assert around(store, [seq], before, after) == [expected]
    assert context(store, 10_000, 1, 1) == ()


def test_groups_of_neighbours_join_where_they_meet() -> None:
    lines = [line(START, "Request started", f"r-{number}") for number in range(20)]
    with loaded([Line(text, "one") for text in lines]) as store:
        assert around(store, [3, 6, 15], 1, 1) == [[2, 3, 4, 5, 6, 7], [14, 15, 16]]
        assert around(store, [], 1, 1) == []


def test_context_reaches_far_in_a_stream_that_is_rare() -> None:
    rare = {0, 5_000, 9_999}
    pieces = [
        Slice(name, name, number + 1, line(START, "Request started", f"r-{number}"))
        for number, name in ((number, "rare" if number in rare else "busy") for number in range(10_000))
    ]
    with opened() as store:
        store.ingest(*pieces[:5_000])
        store.ingest(*pieces[5_000:])
        assert [event.seq for event in context(store, 5_000, 1, 1)] == [0, 5_000, 9_999]


def test_lines_without_text_are_told_of(tmp_path: Path) -> None:
    old, new = (line(START, "Request started", request_id) for request_id in ("r-old", "r-new"))
    for text in (old, new):
        store = Store(StoreSettings(database=tmp_path / "kept.duckdb", keep_raw=True))
        try:
            store.ingest(Slice(text.decode(), "one", 1, text))
            store.refresh()
            (by_text,) = every(store, SearchRequest(read_filter('"Request"')))
            (by_field,) = every(store, SearchRequest(read_filter("message:request")))
        finally:
            store.close()
    assert (by_text.matched, by_text.unsearched, by_text.examined) == (1, 1, 2)
    assert (by_field.matched, by_field.unsearched) == (2, 0)


def test_an_empty_store_is_searched_through() -> None:
    with opened() as store:
        (found,) = every(store, SearchRequest(None))
    assert (found.done, found.total, found.events) == (True, 0, ())


@dataclass
class Costs:
    """A clock by which a part takes so many seconds, and so many more for each group of lines."""

    part: float
    group: float
    now: float = 0.0

    def __call__(self) -> float:
        return self.now

    def parts(self, groups: int) -> list[float]:
        """The seconds of every part of a search."""
        took = []
        for start, end in matching.Steps(groups * 122_880 - 5, self).backwards():
            took.append(self.part + self.group * (end - start) / 122_880)
            self.now += took[-1]
        return took


@pytest.mark.parametrize(("part", "group"), [(0.0, 0.017), (0.02, 0.01), (0.0, 0.3), (0.0, 0.0005)])
def test_parts_take_about_a_tenth_of_a_second(part: float, group: float) -> None:
    took = Costs(part, group).parts(100)
    assert max(took) <= max(0.15, 2 * group)
    assert took[0] <= part + group
    assert sum(took) <= 100 * group * 1.4 + 5 * part


@pytest.mark.parametrize("part", [0.1, 0.3, 1.0])
def test_what_every_part_costs_again_is_paid_a_few_times_only(part: float) -> None:
    took = Costs(part, 0.006).parts(100)
    assert len(took) <= 9
    assert max(took) <= 2.5 * part


@pytest.mark.parametrize("lines", [0, 1, 122_880, 122_881, 1_000_000])
def test_parts_cover_every_line_once(lines: int) -> None:
    for parts in (list(matching.Steps(lines).backwards())[::-1], list(matching.Steps(lines).forwards())):
        assert [start for start, _ in parts] == [0, *(end for _, end in parts)][: len(parts)]
        assert not parts or parts[-1][1] == lines
