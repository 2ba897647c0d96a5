"""What filters find in a log small enough to be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

import pytest

from llmwatch.query.filters.language import exact, read_filter
from llmwatch.store.store import Store, StoreSettings
from tests.store.helpers import as_slice, opened

NOW = datetime(2026, 2, 28, 0, 30, tzinfo=UTC)


def line(time: str, message: str, request: str | None = None, level: str = "INFO", **fields: object) -> bytes:
    head = {"timestamp": time, "level": level, "logger": "bedrock-router", "message": message}
    return json.dumps({**head, **({} if request is None else {"request_id": request}), **fields}).encode()


def call(
    request: str, user: str | None, begin: str, end: str, *, status: int = 200, took: int = 1000
) -> list[bytes]:
    asker: dict[str, object] = {
        "user_email": user,
        "user_sub": None,
        "path": "/v1/chat/completions",
        "method": "POST",
    }
    return [
        line(begin, "Request started", request, "INFO", **asker),
        line(begin, "Routing decision", request, requested_model="kimi", mapped_model="moonshotai.kimi-k2.5"),
        line(end, "Request completed", request, "INFO", **asker, status=status, duration_ms=took),
    ]


ALICE = call("a1", "alice@x.org", "2026-02-27T23:00:00Z", "2026-02-27T23:00:05.500Z", took=5500)
MALICE = call("m1", "malice@x.org", "2026-02-27T23:10:00Z", "2026-02-27T23:10:00.100Z", status=429, took=100)
NOBODY = call("n1", None, "2026-02-28T00:15:00Z", "2026-02-28T00:15:01Z")
LOG = [*ALICE, *MALICE, *NOBODY]


@contextmanager
def stored(**streams: list[bytes]) -> Iterator[Store]:
    with opened(StoreSettings(keep_raw=True)) as store:
        for stream, lines in streams.items():
            store.ingest(as_slice(lines, stream))
        store.refresh()
        yield store


def calls(store: Store, text: str) -> list[object]:
    """The request ids of the calls that match."""
    condition = read_filter(text).on_calls()
    sql = f"SELECT request_id FROM calls WHERE {condition.sql} ORDER BY first_seq"
    return [request for (request,) in store.query(sql, condition.parameters, now=NOW).rows]


def lines(store: Store, text: str) -> list[object]:
    """The places of the lines that match."""
    condition = read_filter(text).on_lines()
    sql = f"SELECT l.rowid FROM lines l WHERE {condition.sql} ORDER BY l.rowid"
    return [seq for (seq,) in store.query(sql, condition.parameters, now=NOW).rows]


@pytest.fixture(scope="module")
def log() -> Iterator[Store]:
    with stored(prod_router=LOG) as store:
        yield store


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("user:alice", ["a1"]),  # a word of the value: not malice
        ("user:ALICE@x.org", ["a1"]),
        ("user:*alice", ["a1", "m1"]),
        ("user:al", []),
        ("user:al*", ["a1"]),
        ("user:?lice", ["a1"]),
        ("user:x.org", ["a1", "m1"]),
        ("user:@x", ["a1", "m1"]),
        ("user=alice", []),
        ('user="alice@x.org"', ["a1"]),
        ("user=Alice@x.org", []),
        ("user!=alice@x.org", ["m1", "n1"]),
        ("user:none", ["n1"]),
        ("user:any", ["a1", "m1"]),
        ('user:"none"', []),
        ("-user:alice", ["m1", "n1"]),
        ("user:alice,malice", ["a1", "m1"]),
        ("user:(alice OR malice)", ["a1", "m1"]),
        ("user!=(alice@x.org OR malice@x.org)", ["n1"]),
        ("model:kimi", ["a1", "m1", "n1"]),
        ("model:kimi*", ["a1", "m1", "n1"]),
        ("model:kimi-k2.5", ["a1", "m1", "n1"]),
        ("model:kimi-k2", ["a1", "m1", "n1"]),
        ("model:kimi-k", []),
        ("status:ok", ["a1", "n1"]),
        ("status:error", ["m1"]),
        ("status:429", ["m1"]),
        ("status:4xx", ["m1"]),
        ("status:5xx", []),
        ("status>=400", ["m1"]),
        ("http:400..499", ["m1"]),
        ("error:429", ["m1"]),
        ("latency>5s", ["a1"]),
        ("latency > 5.5s", []),
        ("latency>=5.5s", ["a1"]),
        ("latency:5500ms", ["a1"]),
        ("latency:100ms..1s", ["m1", "n1"]),
        ("latency:..0.9995s", ["m1"]),
        ("latency<100.5ms", ["m1"]),
        ("latency>99.5ms latency<=100.9ms", ["m1"]),
        ("latency>0m5s", ["a1"]),
        ("tokens:none", ["a1", "m1", "n1"]),
        ("cost:none is:unmetered", ["a1", "n1"]),
        ("source:prod*", ["a1", "m1", "n1"]),
        ("source:prod", ["a1", "m1", "n1"]),
        ("request:m1", ["m1"]),
        ("since:15m", ["n1"]),
        ("until:15m", ["a1", "m1"]),
        ("since:today", ["n1"]),
        ("since:yesterday until:today", ["a1", "m1"]),
        ("since:2026-02-27T23:10Z", ["m1", "n1"]),
        ("until:2026-02-27T23:10Z", ["a1"]),
        ("time:2026-02-27T23:00Z..2026-02-27T23:10Z", ["a1"]),
        ("time>2026-02-27T23:10Z", ["n1"]),
        ("day:2026-02-28", ["n1"]),
        ("hour=2026-02-27T23:00Z", ["a1", "m1"]),
        ("kind:model", ["a1", "m1", "n1"]),
        ('"Request started" message:routing', []),  # no line is both
        ('"Request started" "POST"', ["a1", "m1", "n1"]),
        ("malice OR completed user:alice", ["a1", "m1"]),
        ("MALICE@", ["m1"]),
        ('"MALICE@"', []),
        ('"alice@" -"malice"', ["a1"]),
        ("/[^m]alice/", ["a1"]),
        ("/ALICE/i", ["a1", "m1"]),
        ("alice and 5500", ["a1"]),
        ("NOT alice", ["n1"]),
    ],
)
def test_calls(log: Store, text: str, found: list[str]) -> None:
    assert calls(log, text) == found


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("user:alice", [0, 1, 2]),  # the line in the middle does not name her
        ("user:malice status:error", [3, 4, 5]),
        ("user:malice kind:end", [5]),
        ("-user:any", [6, 7, 8]),
        ("message:routing user:alice", [1]),
        ("latency>5s completed", [2]),
        ("since:2026-02-27T23:00:01Z until:1h", [2, 3, 4, 5]),
        ('"Routing decision" OR user:malice', [1, 3, 4, 5, 7]),
    ],
)
def test_lines(log: Store, text: str, found: list[int]) -> None:
    assert lines(log, text) == found


def test_lines_of_no_call_speak_for_themselves() -> None:
    lone = line("2026-02-27T23:00:00Z", "DynamoDB lookup failed", level="ERROR", error="timeout")
    with stored(log=[*ALICE, lone, b"Traceback (most recent call last):", b'{"request_id": "a1"}']) as store:
        assert lines(store, "status:error") == [3]
        assert lines(store, "error:timeout") == [3]
        assert lines(store, "-status:ok") == [3, 4, 5]
        assert lines(store, "kind:malformed") == [4]
        assert lines(store, "user:alice") == [0, 1, 2]
        assert lines(store, "cost<1") == []
        assert calls(store, "kind:malformed,unrecognised") == []


def test_an_id_of_two_streams_at_a_time_is_kept_apart() -> None:
    one = call("1", "alice@x.org", "2026-02-27T23:00:00Z", "2026-02-27T23:00:09Z")
    other = call("1", "bob@x.org", "2026-02-27T23:00:01Z", "2026-02-27T23:00:05Z", status=500)
    with stored(task1=one, task2=other) as store:
        assert lines(store, "user:alice") == [0, 1, 2]
        assert lines(store, "user:bob status:error") == [3, 4, 5]
        assert calls(store, '"bob@"') == ["1"]
        assert calls(store, "status:error -bob") == []


def test_a_call_whose_lines_are_in_two_files_is_whole() -> None:
    with stored(access=[ALICE[0], ALICE[2]], errors=[ALICE[1]]) as store:
        assert lines(store, "user:alice") == [0, 1, 2]
        assert calls(store, "message:routing") == ["a1"]


def test_an_id_used_twice_is_two_calls() -> None:
    again = call("a1", "bob@x.org", "2026-02-27T23:30:00Z", "2026-02-27T23:30:01Z")
    with stored(log=[*ALICE, *again]) as store:
        assert lines(store, "user:alice") == [0, 1, 2]
        assert lines(store, "user:bob") == [3, 4, 5]
        assert lines(store, "-user:bob") == [0, 1, 2]
        assert calls(store, "bob") == ["a1"]


def test_people_who_share_an_id_at_a_time_are_kept_apart() -> None:
    alice = call("test", "alice@x.org", "2026-02-27T23:00:00Z", "2026-02-27T23:00:05Z")
    bob = call("test", "bob@x.org", "2026-02-27T23:00:01Z", "2026-02-27T23:00:04Z", status=500)
    key = line("2026-02-27T23:00:03Z", "API key created", "test", user_sub="carol")
    routing = line(
        "2026-02-27T23:00:02Z", "Routing decision", "test", requested_model="k", mapped_model="kimi"
    )
    with stored(log=[alice[0], bob[0], routing, key, bob[2], alice[2]]) as store:
        assert lines(store, "user:alice") == [0, 2, 3, 5]  # those in the middle may be of either
        assert lines(store, "-user:bob") == [0, 5]
        assert lines(store, "user:bob -user:alice") == [1, 4]
        assert lines(store, "user:bob status:error") == [1, 2, 3, 4]
        assert lines(store, "user:alice status:error") == []
        assert lines(store, "user:carol") == [3]
        assert calls(store, '"alice@" "bob@"') == []
        assert calls(store, "-alice") == ["test"]
        assert calls(store, "user:bob alice") == []


def test_a_line_that_names_somebody_itself_is_found_by_it() -> None:
    nobodys = call("k", None, "2026-02-27T23:00:00Z", "2026-02-27T23:00:05Z")
    key = line("2026-02-27T23:00:03Z", "API key created", "k", user_sub="s-bob")
    with stored(log=[*nobodys[:2], key, nobodys[2]]) as store:
        assert lines(store, "user:s-bob") == lines(store, 'user="s-bob"') == [2]
        assert lines(store, "user:s-bob kind:security") == [2]
        assert lines(store, "user:s-bob status:ok") == lines(store, "user:s-bob model:kimi") == [2]
        assert lines(store, "user:s-bob status:error") == []
        assert lines(store, "user:s-bob OR status:ok") == [0, 1, 2, 3]
        assert lines(store, "user:none") == lines(store, "-user:s-bob") == [0, 1, 3]
        assert lines(store, "user:none kind:security") == []
        assert calls(store, "user:s-bob") == []


def test_what_is_of_lines_holds_for_one_line_whatever_the_parentheses() -> None:
    texts = (
        "timeout level:error user:alice",
        "timeout (level:error user:alice)",
        "(timeout user:alice) level:error",
    )
    begin, middle, end = ALICE
    apart = line("2026-02-27T23:00:01Z", "Converse API call failed", "a1", level="ERROR", error="x")
    with stored(log=[begin, line("2026-02-27T23:00:01Z", "timeout", "a1"), apart, middle, end]) as store:
        assert [calls(store, text) for text in texts] == [[], [], []]
    together = line("2026-02-27T23:00:01Z", "Converse API call failed", "a1", level="ERROR", error="timeout")
    with stored(log=[begin, together, middle, end]) as store:
        assert [calls(store, text) for text in texts] == [["a1"], ["a1"], ["a1"]]


@pytest.mark.parametrize("wild", ["50%", "a_b", "[ab]", "a*b?", "x\\y", "'; --"])
def test_only_stars_and_question_marks_are_wild(wild: str) -> None:
    others = ("500", "axb", "a", "ab", "x/y")
    names = (wild, *others)
    log = [
        one
        for number, name in enumerate(names)
        for one in call(str(number), name, "2026-02-27T23:00:00Z", "2026-02-27T23:00:01Z")
    ]
    with stored(log=log) as store:
        assert calls(store, f'user:"{wild}"') == ["0"]
        assert calls(store, exact("user", wild).text) == ["0"]
        if "*" not in wild and " " not in wild:
            assert calls(store, f"user:{wild}") == ["0"]


def test_money_is_compared_exactly() -> None:
    usage = line(
        "2026-02-27T23:00:02Z",
        "Converse API response",
        "a1",
        model="us.anthropic.claude-sonnet-4-6",
        input_tokens=1,
        output_tokens=1,
    )
    with stored(log=[ALICE[0], usage, ALICE[2]]) as store:
        ((cost,),) = store.query("SELECT cost_usd FROM calls", now=NOW).rows
        assert calls(store, f"cost:{cost:f}") == ["a1"]
        assert calls(store, f"cost>{cost:f}") == []
        assert calls(store, f"cost>=${cost:f} tokens:2 input:1 cache_read<1") == ["a1"]
        assert calls(store, "cost<$1k tokens<=1M") == ["a1"]


@pytest.mark.parametrize("pattern", ["(a*)*b", "(a+)+$", "((a|aa)+)+$", "(.*)*x", "(.{1,10}){1,10}!"])
def test_no_pattern_hangs(pattern: str) -> None:
    with stored(log=[line("2026-02-27T23:00:00Z", "a" * 5_000)] * 20) as store:
        lines(store, f"/{pattern}/")


def test_the_largest_filter_runs() -> None:
    users = ",".join(f"user{number}" for number in range(199))
    nested = "user:alice"
    for number in range(24):
        nested = f"-({nested} {'OR' if number % 2 else 'x'} kind:end)"
    with stored(log=LOG) as store:
        assert calls(store, f"user:{users} OR alice") == ["a1", "m1"]
        assert lines(store, f"user:{users} OR alice") == [0, 2, 3, 5]
        assert len(calls(store, nested)) + len(calls(store, f"-({nested})")) == 3
        assert len(lines(store, nested)) + len(lines(store, f"-({nested})")) == 9
        groups = " OR ".join(f"(word{number} user:x{number})" for number in range(20))
        assert calls(store, groups) == lines(store, groups) == []
        words = " ".join(f"word{number} -user:bob" for number in range(100))
        assert calls(store, words) == lines(store, words) == []
