"""Lines that are whole calls: each is one call, however often, in whatever slices and order it comes."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.store.store import Store
from tests.oracle.fold import Call, fold
from tests.oracle.traffic import simulate
from tests.store.helpers import as_slice, calls_of, feed, opened

NOW = datetime(2026, 2, 27, 18, tzinfo=UTC)
START = datetime(2026, 2, 27, 9, tzinfo=UTC)
ENTRY: dict[str, object] = {
    "id": "one",
    "timestamp": "2026-02-27T09:00:00.123456Z",
    "event_type": "chat_completion",
    "user_id": "alice",
    "model": "openai/gpt-4o",
    "prompt_hash": "ab",
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "latency_ms": 1200.25,
    "status": "success",
    "error_type": None,
}
OTHER: dict[str, object] = {
    "timestamp": "2026-02-27T09:00:00.123457Z",
    "event_type": "embedding",
    "user_id": "bob",
    "model": "openai/gpt-4o-mini",
    "prompt_tokens": 13,
    "completion_tokens": 4,
    "latency_ms": 1201.25,
    "status": "error",
}

thorough = settings(max_examples=6, deadline=None)
seeds = st.integers(0, 2**32)


def raw(**changes: object) -> bytes:
    return json.dumps(ENTRY | changes).encode()


def entries(random: Random, count: int) -> list[bytes]:
    """Entries with few ids, so that many are of several calls, some of which differ in one value alone."""
    made: list[bytes] = []
    for _ in range(count):
        error = random.random() < 0.2
        tokens = (0, 0) if error else (random.choice((0, 5, 900)), random.choice((0, 7)))
        changes: dict[str, object] = {
            "id": f"id{random.randrange(count // 3 + 1)}",
            "timestamp": f"{(START + timedelta(seconds=random.randrange(9))).replace(tzinfo=None).isoformat()}Z",
            "event_type": random.choice(
                ("chat_completion", "chat_completion", "embedding", "audit.alarm", "login")
            ),
            "user_id": random.choice(("alice", "bob", "", None)),
            "model": random.choice(("openai/gpt-4o", "anthropic/claude-3.5-sonnet", "", None)),
            "prompt_tokens": tokens[0],
            "completion_tokens": tokens[1],
            "latency_ms": random.choice((0.5, 1.5, 2.4999, 1000)),
            "status": "error" if error else "success",
            "error_type": random.choice(("RateLimitError", None)) if error else None,
            "chain_hash": random.choice(("c", None)),
        }
        made.append(raw(**changes))
    return made


def without_streams(calls: Sequence[Call]) -> Counter[Call]:
    """The stream of a call is that of the line that came first."""
    return Counter(replace(call, stream="") for call in calls)


def tables(store: Store) -> Counter[Call]:
    return without_streams(calls_of(store, NOW))


def seen(store: Store) -> Counter[tuple[object, ...]]:
    return Counter(store.query("SELECT request_id, time, model, lines FROM calls").rows)


@thorough
@given(seed=seeds)
def test_any_slices_any_order_and_any_repetition_give_the_calls_of_a_plain_fold(seed: int) -> None:
    random = Random(seed)
    day = simulate(seed, 10, 0.0)
    (name, statements), *_ = day.lines_by_stream.items()
    lines = entries(random, 40)
    again = random.choices(lines, k=20)
    arriving = [("audit", line) for line in lines] + [
        (random.choice(("audit", "copy")), line) for line in again
    ]
    random.shuffle(arriving)
    for _ in statements:  # in their own order, anywhere among the entries
        arriving.insert(random.randrange(len(arriving) + 1), (name, b""))
    waiting = iter(statements)
    arriving = [(stream, line or next(waiting)) for stream, line in arriving]
    expected = fold({name: statements, "audit": lines}, NOW)
    with opened() as store:
        place = 0
        while place < len(arriving):
            size = random.randint(5, 60)
            part, place = arriving[place : place + size], place + size
            for stream in dict.fromkeys(stream for stream, _ in part):
                of_stream = [line for other, line in part if other == stream]
                store.ingest(as_slice(of_stream, stream, 1 + 1000 * place))
            if random.random() < 0.5:
                store.refresh()
        store.refresh()
        assert tables(store) == without_streams(expected.calls)
        with opened() as at_once:
            feed(at_once, {stream: [line for other, line in arriving if other == stream] for stream in
                           dict.fromkeys(stream for stream, _ in arriving)})  # fmt: skip
            assert seen(store) == seen(at_once)


def test_two_entries_that_differ_in_anything_are_two_calls() -> None:
    pairs = [[raw(id=name), raw(id=name, **{name: value}), raw(id=name)] for name, value in OTHER.items()]
    with opened() as store:
        feed(store, {"log": [line for pair in pairs for line in pair]})
        found = store.query("SELECT request_id, lines FROM calls").rows
        assert sorted(found) == [(name, lines) for name in sorted(OTHER) for lines in (1, 2)]


def test_an_entry_delivered_again_later_is_still_one_call() -> None:
    with opened() as store:
        for stream in ("today", "today", "archive"):
            store.ingest(as_slice([raw(), raw(id="two")], stream))
            store.refresh()
        found = store.query("SELECT request_id, stream, lines, input_tokens FROM calls ORDER BY 1").rows
        assert found == [("one", "today", 3, 12), ("two", "today", 3, 12)]


@pytest.mark.parametrize("first", [0, 1])
def test_a_request_with_the_id_of_an_entry_is_a_call_of_its_own(first: int) -> None:
    day = simulate(3, 5, 0.0)
    (name, statements), *_ = day.lines_by_stream.items()
    taken = [call.request_id for call in fold({name: statements}, NOW).calls]
    streams = [(name, list(statements)), ("audit", [raw(id=request_id) for request_id in taken])]
    arriving = dict(streams if first else streams[::-1])
    with opened() as store:
        for stream, lines in arriving.items():
            feed(store, {stream: lines})
        assert tables(store) == without_streams(fold(arriving, NOW).calls)


def test_entries_under_an_id_that_several_requests_share_at_once() -> None:
    def statement(second: int, message: str, user: str, **fields: object) -> bytes:
        time = (START + timedelta(seconds=second)).replace(tzinfo=None).isoformat() + "Z"
        head = {"timestamp": time, "level": "INFO", "logger": "bedrock-router", "message": message}
        return json.dumps(
            {**head, "request_id": "one", "user_email": user, "path": "/v1/models", **fields}
        ).encode()

    lines = [
        statement(0, "Request started", "alice"),
        statement(1, "Request started", "bob"),
        raw(),
        statement(2, "Request completed", "bob", status=200, duration_ms=1000),
        statement(3, "Request completed", "alice", status=200, duration_ms=3000),
    ]
    with opened() as store:
        feed(store, {"log": lines})
        found = store.query('SELECT dialect, "user", status, latency_ms, reached_model FROM calls').rows
        assert sorted(found) == [
            ("openrouter", "alice", "ok", 1200, True),
            ("router", "alice", "ok", 3000, False),
            ("router", "bob", "ok", 1000, False),
        ]
