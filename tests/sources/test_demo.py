"""The demo's lines are a router's, they are the same for everybody, and they tell the story."""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.demo import DemoSource, DemoTraffic, open_demo, write_demo
from llmwatch.sources.demo.cast import MODELS, PEOPLE, RUNAWAY

START = datetime(2026, 2, 27, 16, 47, 0, 2517, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

LINE = ["timestamp", "level", "logger", "message"]
WHO = ["user_sub", "user_email"]
NAMES = ["request_id", "requested_model", "mapped_model"]
CACHE = ["cache_read_tokens", "cache_write_tokens"]
FAILED = ["request_id", "error", "type", "traceback"]
KEYS: Mapping[str, list[str]] = {
    "Request started": ["request_id", "method", "path", "user_agent", "auth_source", *WHO],
    "Request completed": ["request_id", "method", "path", "status", "duration_ms", "auth_source", *WHO],
    "Request failed": ["request_id", "method", "path", "error", "duration_ms", "auth_source", *WHO],
    "Model mapped": NAMES,
    "Routing decision": [*NAMES, "route"],
    "Routing to Converse API": ["request_id", "model", "stream"],
    "Calling Converse API": ["request_id", "model"],
    "Calling ConverseStream API": ["request_id", "model"],
    "Converse API response": ["request_id", "model", "input_tokens", "output_tokens", *CACHE],
    "Converse API call failed": FAILED,
    "ConverseStream failed": FAILED,
    "Stream usage emitted": [
        *["request_id", "model", "prompt_tokens", "completion_tokens", "total_tokens"],
        *[*CACHE, *WHO],
    ],
    "Forwarding to Bedrock Mantle": ["request_id", "model", "stream", *WHO],
    "Mantle non-streaming response": ["request_id", "status", "has_usage", "usage", *WHO],
    "Mantle streaming complete": ["request_id", "has_usage", "usage", *WHO],
    "Mantle response not JSON-parseable": ["request_id", "status"],
    "Bedrock Mantle request failed": ["request_id", "error"],
    "Client version rejected": ["client_version", "minimum_version", "path"],
    "API key created": ["request_id", "user_sub", "key_prefix"],
    "API key revoked": ["request_id", "user_sub", "key_prefix"],
    "Starting Bedrock router": ["port", "mantle_url", "version"],
    "Refreshed Bedrock token": ["ttl_seconds"],
    "Refreshed version policy": ["minimum"],
    "Initialized Bedrock runtime client": ["region"],
    "Initialized DynamoDB table": ["table", "region"],
    "Received signal SIGTERM": [],
    "Shutting down gracefully...": [],
}
"""Every statement of the demo and its fields, in the order of the router's source."""

Record = dict[str, Any]


def records(lines: Iterable[bytes]) -> list[Record]:
    """The lines that are JSON."""
    return [json.loads(line) for line in lines if line.startswith(b"{")]


def when(record: Record) -> datetime:
    return datetime.fromisoformat(record["timestamp"])


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    """A quarter of an hour before the story, and as much of it."""
    return DemoTraffic(1, START).until(START + 15 * MINUTE)


@pytest.fixture(scope="module")
def said(lines: list[bytes]) -> list[Record]:
    return records(lines)


@settings(max_examples=15, deadline=None)
@given(
    st.integers(0, 2**32),
    st.lists(st.timedeltas(timedelta(0), 3 * MINUTE), max_size=30),
    st.integers(1, 3),
)
def test_the_same_seed_gives_the_same_bytes_however_it_is_stepped(
    seed: int, steps: list[timedelta], processes: int
) -> None:
    begin = START - MINUTE
    stepped = DemoTraffic(seed, START, history=MINUTE, processes=processes)
    whole = DemoTraffic(seed, START, history=MINUTE, processes=processes)
    pieces = []
    for step in [*sorted(steps), 3 * MINUTE]:
        piece = stepped.lines_until(begin + step)
        assert all(when(record) <= begin + step for record in records(line.data for line in piece))
        pieces += piece
    assert pieces == whole.lines_until(begin + 3 * MINUTE)


def test_another_start_moves_the_story_and_changes_nothing_else() -> None:
    def without_times(start: datetime) -> list[Record]:
        found = records(DemoTraffic(5, start).until(start + MINUTE))
        return [record | {"timestamp": when(record) - start} for record in found]

    assert without_times(START) == without_times(START + timedelta(days=400, microseconds=77))


def test_another_seed_is_other_traffic() -> None:
    one, other = (DemoTraffic(seed, START).until(START) for seed in (1, 2))
    assert len(set(one) & set(other)) < len(one) / 100


def test_lines_are_in_the_order_of_time(said: list[Record]) -> None:
    times = [when(record) for record in said]
    assert times == sorted(times)
    assert START - 15 * MINUTE <= times[0] < START - 14 * MINUTE
    assert START + 14 * MINUTE < times[-1] <= START + 15 * MINUTE


def test_lines_are_the_router_s_byte_for_byte(lines: list[bytes]) -> None:
    for line in lines:
        assert line.endswith(b"\n")
        assert line.count(b"\n") == 1
        if line.startswith(b"{"):
            record = json.loads(line)
            assert line == json.dumps(record).encode() + b"\n"
            assert list(record) == LINE + KEYS[record["message"]]
            assert record["logger"] == "bedrock-router"
            assert record["timestamp"].endswith("Z")


def test_every_statement_occurs(said: list[Record]) -> None:
    assert {record["message"] for record in said} == set(KEYS)


def test_all_models_are_asked_for_by_every_name(said: list[Record]) -> None:
    decisions = [record for record in said if record["message"] == "Routing decision"]
    names = {(record["requested_model"], record["mapped_model"]) for record in decisions}
    aliases = {(alias, model.identifier) for alias, model in MODELS.items() if model.bare_alias}
    prefixed = {(f"bedrock/{alias}", model.identifier) for alias, model in MODELS.items()}
    assert aliases | prefixed <= names
    assert any(requested == mapped for requested, mapped in names), "nobody uses Bedrock's own identifier"


def test_everybody_is_there(said: list[Record]) -> None:
    calls = Counter(
        (record["user_email"], bool(record["user_sub"]))
        for record in said
        if record["message"] == "Request started" and record["path"] == "/v1/chat/completions"
    )
    people = {email for email, _ in calls if email and not email.startswith("svc-")}
    assert len(people) == len(PEOPLE) == 40
    assert all(email.endswith("@example.com") for email in people)
    assert len([email for email, _ in calls if email.startswith("svc-")]) == 4
    assert calls["", True] > 0, "no key without an e-mail"
    assert ("", False) not in calls, "calls by nobody"


def spend(said: Iterable[Record]) -> tuple[list[tuple[datetime, str, float]], Counter[str]]:
    """Time, user and dollars of each metered call, roughly priced; and how many Mantle streams told usage."""
    prices = {"converse": (3.0, 15.0, 0.3, 3.75), "mantle": (0.6, 2.5, 0.6, 0.0)}
    routes = {model.identifier: model.route for model in MODELS.values()}
    models, spent, streams = {}, [], Counter[str]()
    pending: dict[str, float] = {}
    for record in said:
        call, message = record.get("request_id", ""), record["message"]
        if message == "Routing decision":
            models[call] = record["mapped_model"]
        usage = record.get("usage")
        if message == "Mantle streaming complete":
            streams["unmetered" if usage is None else "metered"] += 1
        if usage:
            tokens = (usage["prompt_tokens"], usage["completion_tokens"], 0, 0)
        elif message in {"Stream usage emitted", "Converse API response"}:
            read = record.get("prompt_tokens", record.get("input_tokens"))
            written = record.get("completion_tokens", record.get("output_tokens"))
            tokens = (read, written, record["cache_read_tokens"], record["cache_write_tokens"])
        elif message == "Request completed" and call in pending:
            spent.append((when(record), record["user_email"] or record["user_sub"], pending.pop(call)))
            continue
        else:
            continue
        price = prices[routes[models[call]]]
        pending[call] = sum(one * each for one, each in zip(tokens, price, strict=True)) / 1e6
    return spent, streams


def test_the_story(said: list[Record]) -> None:
    spent, streams = spend(said)

    def between(since: datetime, until: datetime) -> tuple[float, float]:
        """The runaway's dollars and everybody else's, an hour."""
        hours = (until - since) / timedelta(hours=1)
        found = [(user, cost) for time, user, cost in spent if since <= time < until]
        runaway = sum(cost for user, cost in found if user == f"{RUNAWAY}@example.com")
        return runaway / hours, (sum(cost for _, cost in found) - runaway) / hours

    runaway, others = between(START - 15 * MINUTE, START + MINUTE)
    assert runaway < 0.05 * (runaway + others)
    assert 25 < others < 150
    runaway, others = between(START, START + 4 * MINUTE)
    assert runaway > 0.6 * (runaway + others)
    runaway, others = between(START + 5 * MINUTE, START + 15 * MINUTE)
    assert 15 < runaway / others < 45

    costs: dict[str, float] = {}
    for time, user, cost in spent:
        if time < START:
            costs[user] = costs.get(user, 0) + cost * 4
    people = sorted(cost for user, cost in costs.items() if not user.startswith("svc-"))
    assert people[3] > 0.05
    assert people[len(people) // 2] > 0.3
    assert people[-1] < 20

    assert 0.01 < streams["unmetered"] / streams.total() < 0.04


def test_errors_are_as_rare_as_in_life(said: list[Record]) -> None:
    calls = sum(record["message"] == "Routing decision" for record in said)
    errors = [record for record in said if record["level"] == "ERROR"]
    hung_up = [record for record in errors if record["error"] == "Cannot write to closing transport"]
    assert 0.005 < (len(errors) - len(hung_up)) / calls < 0.02
    assert 0.001 < len(hung_up) / calls < 0.01
    assert {"ThrottlingException", "ReadTimeoutError"} <= {record.get("type") for record in errors}
    throttled = {record["request_id"] for record in errors if record["message"] == "ConverseStream failed"}
    ends = [r for r in said if r["message"] == "Request completed" and r["request_id"] in throttled]
    assert {record["status"] for record in ends} == {200}
    statuses = Counter(record["status"] for record in said if record["message"] == "Request completed")
    assert statuses[502] > 0


def test_clients_try_again_and_share_ids(said: list[Record]) -> None:
    starts = Counter(
        (record["request_id"], record["user_email"])
        for record in said
        if record["message"] == "Request started"
    )
    assert starts["1", "ingrid.solberg@example.com"] > 1
    assert len({email for call, email in starts if call == "test"}) == 2
    assert any(count in {2, 3} for (call, _), count in starts.items() if len(call) == 36), "no retries"


@pytest.mark.parametrize("processes", [1, 2])
def test_each_process_prints_as_the_router_does(processes: int) -> None:
    """Nothing comes between statements without an `await`; a killed process says nothing more."""
    traffic = DemoTraffic(3, START, processes=processes)
    streams: dict[int, list[Record]] = {number: [] for number in range(processes)}
    for line in traffic.lines_until(START + 5 * MINUTE):
        if line.data.startswith(b"{"):
            streams[line.process].append(json.loads(line.data))
    unfinished = 0
    for stream in streams.values():
        open_calls: Counter[str] = Counter()
        for record, following in zip(stream, [*stream[1:], {}], strict=True):
            call = record.get("request_id", "")
            match record["message"]:
                case "Starting Bedrock router":
                    unfinished += open_calls.total()
                    open_calls.clear()
                case "Request started":
                    open_calls[call] += 1
                    continue
                case "Request completed" | "Request failed":
                    open_calls[call] -= 1
                case "Converse API response" | "Mantle streaming complete":
                    assert (following["message"], following["request_id"]) == ("Request completed", call)
                case "Model mapped":
                    assert (following["message"], following["request_id"]) == ("Routing decision", call)
            assert open_calls[call] >= 0 or not call, "a call ends that never began in this process"
            if call:
                assert open_calls[call] > 0 or record["message"].startswith("Request ")
    assert 0 < unfinished < 60


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = START

    def __call__(self) -> datetime:
        return self.time


def test_the_source_begins_with_its_history_and_goes_on_with_the_clock() -> None:
    clock = Clock()
    source = open_demo(clock, seed=4, history=5 * MINUTE)
    expected = DemoTraffic(4, START, history=5 * MINUTE, processes=2)
    count = size = 0
    for _ in range(4):
        streams = {"demo-1": b"", "demo-2": b""}
        for piece in source.read():
            assert (piece.source, piece.first_line) == ("demo", count + 1)
            streams[piece.stream] += piece.data
            count += piece.data.count(b"\n")
            size += len(piece.data)
        lines = expected.lines_until(clock.time)
        for number, data in enumerate(streams.values()):
            assert data == b"".join(line.data for line in lines if line.process == number) != b""
        assert list(source.read()) == []
        assert source.now() == clock.time
        clock.time += timedelta(seconds=31)
    (state,) = source.states()
    assert (state.name, state.status, state.bytes_read) == ("demo", "live", size)
    source.close()
    source.close()
    assert source.ended
    assert list(source.read()) == []


@pytest.mark.parametrize("speed", [0.5, 3.0, 10.0])
def test_speed_is_that_of_the_story_and_never_passes_the_clock(speed: float) -> None:
    clock = Clock()
    source = open_demo(clock, seed=4, speed=speed, history=MINUTE)
    begin = source.now()
    for minutes in range(6):
        clock.time = START + minutes * MINUTE
        assert source.now() == begin + minutes * speed * MINUTE
        assert source.now() <= clock.time
        found = records(line for piece in source.read() for line in piece.data.splitlines())
        assert max(when(record) for record in found) <= source.now()
        assert max(when(record) for record in found) > source.now() - timedelta(seconds=10)
    clock.time = START + timedelta(days=1)
    assert source.now() == clock.time if speed > 1 else source.now() < clock.time


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan"), float("inf")])
def test_impossible_speeds_are_refused(speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        open_demo(Clock(), speed=speed)


def test_the_file_holds_what_the_traffic_gives(tmp_path: Path) -> None:
    path = tmp_path / "demo.jsonl"
    count = write_demo(path, seed=9, start=START, minutes=2.5)
    data = path.read_bytes()
    assert data == b"".join(DemoTraffic(9, START).until(START + 2.5 * MINUTE))
    assert count == data.count(b"\n")
    assert [found.name for found in tmp_path.iterdir()] == ["demo.jsonl"]


def test_a_file_that_holds_something_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "mine.log"
    path.write_bytes(b"precious\n")
    with pytest.raises(UsageError, match=r"mine\.log"):
        write_demo(path, start=START, minutes=1)
    with pytest.raises(UsageError, match="there already"):
        write_demo(tmp_path, start=START, minutes=1)
    assert path.read_bytes() == b"precious\n"
    path.write_bytes(b"")
    assert write_demo(path, start=START, minutes=1) > 0


def test_a_failed_write_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SourceError, match="No such file or directory"):
        write_demo(tmp_path / "missing" / "demo.jsonl", start=START, minutes=1)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(SourceError, match="No space left on device"):
        write_demo(tmp_path / "demo.jsonl", start=START, minutes=1)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("minutes", [0, -3, float("nan"), 1e12])
def test_impossible_lengths_are_refused(tmp_path: Path, minutes: float) -> None:
    with pytest.raises(UsageError, match="minutes"):
        write_demo(tmp_path / "demo.jsonl", start=START, minutes=minutes)


def test_a_source_takes_any_traffic() -> None:
    clock = Clock()
    source = DemoSource(DemoTraffic(2, START, history=MINUTE), clock)
    (piece,) = source.read()
    assert piece.data == b"".join(DemoTraffic(2, START, history=MINUTE).until(START))
    assert piece.stream == "demo-1"
    assert list(source.finish()) == []
