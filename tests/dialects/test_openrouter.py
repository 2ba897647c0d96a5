"""The audit log of OpenRouter clients: what its entries say, plain, chained or numbered, however they arrive."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from decimal import Decimal
from functools import partial
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.dialects.dialect import Dialect
from llmwatch.dialects.registry import DIALECTS
from llmwatch.query.detail import UserDetail
from llmwatch.query.details import take_detail
from llmwatch.query.rates import RateWindow
from llmwatch.query.scope import Scope
from llmwatch.query.tables import count_all
from llmwatch.sources.envelopes.opening import Opening
from llmwatch.sources.open import open_paths
from llmwatch.sources.pump import load
from llmwatch.store.reader import json_columns
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.fold import fold
from tests.store.helpers import as_slice, calls_of, opened

SAMPLE = Path(__file__).parent.parent / "data" / "openrouter-audit.jsonl"
LINES = SAMPLE.read_bytes().splitlines()
NOW = datetime(2026, 2, 27, 18, tzinfo=UTC)
ENTRY = {
    "id": "3f0c",
    "timestamp": "2026-02-27T09:00:00.123456Z",
    "event_type": "chat_completion",
    "user_id": "alice",
    "model": "anthropic/claude-3.5-sonnet",
    "prompt_hash": "ab",
    "response_hash": "cd",
    "prompt_tokens": 12,
    "completion_tokens": 3,
    "latency_ms": 1200.25,
    "status": "success",
    "error_type": None,
    "metadata": {"session_id": "s"},
}
ROUTER = {
    "timestamp": "2026-02-27T16:47:00Z",
    "level": "INFO",
    "logger": "bedrock-router",
    "message": "Model mapped",
    "request_id": "r",
}

GOLDEN_CALLS = """
alice@example.com anthropic/claude-3.5-sonnet ok - 2310 1200 340 - 0.0087 genai-prices
bob@example.com openai/gpt-4o-mini ok - 513 800 60 - 0.000156 genai-prices
bob@example.com openai/gpt-4o-mini error RateLimitError 30 - - - - -
alice@example.com anthropic/claude-3.5-sonnet ok - 1500 - - unmetered - -
svc-search openai/text-embedding-3-small ok - 88 90000 0 - 0.0018 genai-prices(openai)
svc-batch some-lab/unlisted-1 ok - 100 500 20 - - -
alice@example.com claude-3.5-sonnet error NotFoundError 12 - - - - -
alice@example.com x-ai/grok-3 ok - 640 300 30 - 0.00135 genai-prices(x-ai)
svc-free thinkingmachines/inkling:free ok - 640 700 70 - 0 genai-prices
"""
GOLDEN_EVENTS = """
09:00:00.123456 call INFO chat_completion
09:00:05.500000 call INFO chat_completion
09:00:06.000000 call ERROR chat_completion
09:01:00.000001 call INFO chat_completion
09:02:00.000000 call INFO embedding
09:03:00.250000 call INFO chat_completion
09:04:00.750000 call ERROR chat_completion
09:05:00.000000 call INFO chat_completion
09:06:00.000000 call INFO chat_completion
09:06:01.000000 security INFO audit.recovery
09:06:02.000000 info INFO login
"""


def read(store: Store, *lines: bytes) -> None:
    store.ingest(as_slice(lines))
    store.refresh()


def raw(**changes: object) -> bytes:
    return json.dumps(ENTRY | changes).encode()


def shown(value: object) -> str:
    match value:
        case None | False:
            return "-"
        case True:
            return "unmetered"
        case Decimal():
            return f"{value.normalize():f}"
        case _:
            return str(value)


def test_the_calls_of_the_sample() -> None:
    with opened() as store:
        read(store, *LINES)
        rows = store.query(
            """SELECT "user", model, status, error_type, latency_ms, input_tokens, output_tokens, unmetered, cost_usd,
            regexp_replace(price_source, ' [0-9.]+ ?', '') FROM calls ORDER BY time"""
        ).rows
        assert [" ".join(map(shown, row)) for row in rows] == GOLDEN_CALLS.strip().splitlines()
        apart = store.query(
            "SELECT DISTINCT provider, dialect, requested_model = model, http_status, region, path, error, "
            "cache_read_tokens, cache_write_tokens, reached_model, lines, time = last_seen FROM calls"
        ).rows
        assert apart == [
            ("openrouter", "openrouter", True, None, None, None, None, None, None, True, 1, True)
        ]


def test_the_events_of_the_sample() -> None:
    with opened() as store:
        read(store, *LINES)
        rows = store.query("SELECT time, kind, level, message FROM events ORDER BY line").rows
        events = [f"{time:%H:%M:%S.%f} {kind} {level} {message}" for time, kind, level, message in rows]
        assert events == GOLDEN_EVENTS.strip().splitlines()
        counters = count_all(store, Scope(), NOW)
        assert (counters.events, counters.calls, counters.other_requests) == (11, 9, 0)
        assert (counters.malformed, counters.unrecognised) == (0, 0)


def test_the_sample_is_what_a_plain_fold_makes_of_it() -> None:
    with opened() as store:
        read(store, *LINES)
        assert Counter(calls_of(store, NOW)) == Counter(fold({"log": LINES}, NOW).calls)


def test_chained_and_numbered_entries_say_what_plain_ones_do() -> None:
    plain = [json.loads(line) for line in LINES]
    for entry in plain:
        entry.pop("chain_hash", None)
        entry.pop("signature", None)
        entry["metadata"] = None
    with opened() as one, opened() as other:
        read(one, *LINES)
        read(other, *(json.dumps(entry).encode() for entry in plain))
        assert Counter(calls_of(one, NOW)) == Counter(calls_of(other, NOW))


SAID: tuple[tuple[dict[str, object], str, object], ...] = (
    ({"timestamp": "2024-01-15T10:30:45.123Z"}, "time::VARCHAR", "2024-01-15 10:30:45.123"),
    ({"timestamp": "2024-01-15T12:30:45+02:00"}, "time::VARCHAR", "2024-01-15 10:30:45"),
    ({"timestamp": "yesterday"}, "time", None),
    ({"latency_ms": 2.5}, "latency_ms", 3),
    ({"latency_ms": 7}, "latency_ms", 7),
    ({"latency_ms": -1.0}, "latency_ms", None),
    ({"latency_ms": float("nan")}, "latency_ms", None),
    ({"latency_ms": 1e300}, "latency_ms", None),
    ({"prompt_tokens": -5, "completion_tokens": 0}, "unmetered", True),
    ({"prompt_tokens": 0, "completion_tokens": 0}, "unmetered", True),
    ({"prompt_tokens": 5, "completion_tokens": 0}, "output_tokens", 0),
    ({"prompt_tokens": None, "completion_tokens": None, "model": None}, "unmetered", True),
    ({"status": "error", "error_type": "Timeout", "prompt_tokens": 0, "completion_tokens": 0}, "unmetered", False),
    ({"status": "error", "error_type": "Timeout", "prompt_tokens": 9, "completion_tokens": 1}, "input_tokens", 9),
    ({"status": "error"}, "error_type", None),
    ({"status": "timeout"}, "status", "error"),
    ({"status": "SUCCESS"}, "status", "ok"),
    ({"status": None}, "status", "ok"),
    ({"status": None, "error_type": "Timeout"}, "status", "error"),
    ({"user_id": " "}, '"user"', None),
    ({"user_id": "a\ud800b"}, '"user"', r"a\ud800b"),
    ({"model": ""}, "model", None),
    ({"event_type": "embedding", "completion_tokens": None}, "status", "ok"),
    ({"message": "added by a collector", "level": "INFO", "logger": "x"}, "status", "ok"),
)  # fmt: skip


def test_what_an_entry_says() -> None:
    with opened() as store:
        read(store, *(raw(id=str(place), **changes) for place, (changes, _, _) in enumerate(SAID)))
        for place, (changes, column, value) in enumerate(SAID):
            found = store.query(f"SELECT {column} FROM calls WHERE request_id = ?", [str(place)]).rows
            assert found == [(value,)], changes


def test_what_is_no_call() -> None:
    with opened() as store:
        read(
            store,
            raw(event_type="audit.alarm"),
            raw(event_type="audit.key_rotated", status="error"),
            raw(event_type="login", model=None),
            raw(event_type="login", prompt_tokens=None, completion_tokens=None),
        )
        found = store.query("SELECT kind, request_id FROM events ORDER BY seq").rows
        assert found == [("security", None), ("security", None), ("info", None), ("info", None)]
        assert store.query("SELECT count(*) FROM calls").rows == [(0,)]


def test_other_logs_are_not_taken_for_it() -> None:
    with opened() as store:
        read(
            store,
            raw(id=None),
            raw(event_type=None),
            raw(prompt_hash=None, prompt_tokens=None, completion_tokens=None),
            b'{"id": 1, "event_type": "push", "timestamp": "2026-02-27T09:00:00Z"}',
        )
        assert store.query("SELECT reason FROM rejected").rows == [("unrecognised",)] * 4


def taken(dialect: Dialect, reader: str) -> str:
    return f"CREATE OR REPLACE TABLE kinds AS {dialect.select(reader)}"


def kinds(path: Path) -> list[tuple[object, ...]]:
    """For each line, what each dialect takes it for."""
    connection = duckdb.connect()
    rows = []
    for dialect in DIALECTS:
        json_columns(connection, [str(path)], dialect.columns, partial(taken, dialect))
        found = connection.execute("SELECT kind FROM kinds ORDER BY rowid").fetchall()
        rows.append([kind for (kind,) in found])
    connection.close()
    return list(zip(*rows, strict=True))


keys = st.sets(st.sampled_from(sorted({**ENTRY, **ROUTER}))).map(
    lambda names: {name: value for name, value in {**ENTRY, **ROUTER}.items() if name not in names}
)


@settings(max_examples=10, deadline=None)
@given(
    lines=st.lists(st.tuples(keys, st.sampled_from(("bedrock-router", "x", None))), min_size=20, max_size=60)
)
def test_no_line_is_of_two_dialects_and_none_of_any_is_an_envelope(
    lines: list[tuple[dict[str, object], str | None]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    path = tmp_path_factory.mktemp("kinds") / "log.jsonl"
    wrapped = json.dumps({"message": json.dumps(ROUTER)})
    objects = [{**line, **({"logger": logger} if "logger" in line else {})} for line, logger in lines]
    path.write_text("".join(json.dumps({**line, "data": "H4sI", "log": wrapped}) + "\n" for line in objects))
    for line, found in zip(path.read_bytes().splitlines(), kinds(path), strict=True):
        known = [kind for kind in found if kind is not None]
        assert len(known) <= 1
        assert not known or not Opening(lambda *_: None).open(line + b"\n")


@pytest.mark.parametrize("whole_files", [True, False])
@pytest.mark.parametrize("first", [0, 1])
def test_a_mixed_file_is_read_whoever_comes_first(first: int, whole_files: bool, tmp_path: Path) -> None:
    router = (SAMPLE.parent / "router-sample.jsonl").read_bytes().splitlines()[:200]
    lines = [*router, *LINES] if first else [*LINES, *router]
    lines[50:50] = [b"", b"no JSON", b'{"a": 1}', raw(id="odd").replace(b"alice", b"a\tlice")]
    path = tmp_path / "mixed.jsonl"
    path.write_bytes(b"".join(line + b"\n" for line in lines))
    with opened(StoreSettings(whole_files=whole_files)) as store:
        load(open_paths([str(path)], follow=False), store)
        counters = count_all(store, Scope(), NOW)
        expected = fold({"mixed.jsonl": lines}, NOW)
        assert (counters.events, counters.malformed, counters.unrecognised) == (212, 1, 1)
        assert counters.lines == expected.lines == 214
        calls = [(call.request_id, call.user, call.tokens) for call in calls_of(store, NOW)]
        assert Counter(calls) == Counter((call.request_id, call.user, call.tokens) for call in expected.calls)


def google(entry: bytes) -> dict[str, object]:
    return {
        "insertId": "1",
        "logName": "projects/p/logs/audit",
        "jsonPayload": json.loads(entry),
        "severity": "INFO",
    }


def subscription(entry: bytes) -> dict[str, object]:
    event = {"id": "1", "timestamp": 1772183000000, "message": entry.decode()}
    return {"messageType": "DATA_MESSAGE", "logGroup": "g", "logStream": "s", "logEvents": [event]}


def insights(entry: bytes) -> dict[str, object]:
    return {"@timestamp": "2026-02-27 09:00:00", "@message": entry.decode(), "@logStream": "s", "@log": "1:g"}


@pytest.mark.parametrize("wrap", [google, subscription, insights])
@pytest.mark.parametrize("whole_files", [True, False])
def test_entries_that_a_service_wrapped(wrap: object, whole_files: bool, tmp_path: Path) -> None:
    path = tmp_path / "wrapped.jsonl"
    path.write_text("".join(json.dumps(wrap(line)) + "\n" for line in LINES))  # type: ignore[operator]
    with opened(StoreSettings(whole_files=whole_files)) as store, opened() as plain:
        load(open_paths([str(path)], follow=False), store)
        read(plain, *LINES)
        figures = 'SELECT request_id, time, "user", model, cost_usd, status FROM calls ORDER BY time'
        assert store.query(figures).rows == plain.query(figures).rows


def test_the_slowest_calls_of_a_person_are_listed() -> None:
    with opened() as store:
        read(store, *LINES)
        window = RateWindow(datetime(2026, 2, 27, 9, tzinfo=UTC), NOW)
        detail = take_detail(store, Scope(), window, "user", "alice@example.com", NOW)
        assert isinstance(detail, UserDetail)
        assert [event.latency_ms for event in detail.slowest] == [2310, 1500, 640, 12]
