"""Small logs in a store, and the same as plain Python: calls, lines and which line is of which call."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from random import Random

from llmwatch.query.filters.filter import Condition
from llmwatch.store.schema import TOKEN_COLUMNS
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.traffic import START, simulate
from tests.store.helpers import feed, opened

Row = Mapping[str, object]


@dataclass(repr=False, eq=False)
class World:
    """`calls` and `lines` are rows of columns; `texts` are the lines as they were written."""

    store: Store
    now: datetime
    texts: Sequence[str]
    calls: Sequence[Row] = field(default_factory=list)
    lines: Sequence[Row] = field(default_factory=list)

    def matching_calls(self, condition: Condition) -> set[object]:
        """The first lines of the calls that a condition lets through."""
        return self._matching(f"SELECT first_seq FROM calls WHERE {condition.sql}", condition)

    def matching_lines(self, condition: Condition) -> set[object]:
        """The lines that a condition lets through."""
        return self._matching(f"SELECT l.rowid FROM lines l WHERE {condition.sql}", condition)

    def _matching(self, sql: str, condition: Condition) -> set[object]:
        return {seq for (seq,) in self.store.query(sql, condition.parameters, now=self.now).rows}

    @cached_property
    def lines_of(self) -> Mapping[object, list[Row]]:
        """A call's first line → all its lines."""
        return {
            call["first_seq"]: [line for line in self.lines if self._is_of(line, call)] for call in self.calls
        }

    @cached_property
    def calls_of(self) -> Mapping[object, list[Row]]:
        """A line → the calls it is of."""
        found: dict[object, list[Row]] = {line["seq"]: [] for line in self.lines}
        for call in self.calls:
            for line in self.lines_of[call["first_seq"]]:
                found[line["seq"]].append(call)
        return found

    @cached_property
    def _streams(self) -> Mapping[object, set[object]]:
        streams: dict[object, set[object]] = {}
        for call in self.calls:
            streams.setdefault(call["request_id"], set()).add(call["stream"])
        return streams

    @cached_property
    def _users(self) -> Mapping[object, set[object]]:
        """A request id → all users of its calls that are known."""
        users: dict[object, set[object]] = {}
        for call in self.calls:
            users.setdefault(call["request_id"], set()).update({call["user"]} - {None})
        return users

    def _is_of(self, line: Row, call: Row) -> bool:
        if line["kind"] is None or line["request_id"] != call["request_id"]:
            return False
        time, first, last = line["time"], call["first_seen"], call["last_seen"]
        if (
            isinstance(time, datetime)
            and isinstance(first, datetime)
            and isinstance(last, datetime)
            and not first <= time <= last
        ):
            return False
        if line["user"] != call["user"] and line["user"] in self._users[call["request_id"]]:
            return False
        return len(self._streams[call["request_id"]]) == 1 or line["stream"] == call["stream"]


_LINES = """SELECT l.rowid AS seq, l.*, s.source, t.stream, r.reason
FROM lines l JOIN slices s USING (slice_id) JOIN streams t ON t.stream_id = l.stream_id
    LEFT JOIN rejected_lines r ON r.seq = l.rowid ORDER BY l.rowid"""


CHAT = {"path": "/v1/chat/completions"}
KIMI = {"requested_model": "kimi", "mapped_model": "moonshotai.kimi-k2.5"}
TOKENS = {"prompt_tokens": 1, "completion_tokens": 1, "cache_read_tokens": 0, "cache_write_tokens": 0}
CROWDED: tuple[tuple[str, Mapping[str, object]], ...] = (
    ("Request started", CHAT),
    ("Request started", CHAT),
    ("Routing decision", KIMI),
    ("Routing decision", {"requested_model": "opus", "mapped_model": "us.anthropic.claude-opus-4-6-v1"}),
    ("Forwarding to Bedrock Mantle", {"model": "moonshotai.kimi-k2.5", "stream": True}),
    ("Stream usage emitted", {"model": "us.anthropic.claude-sonnet-4-6", **TOKENS}),
    ("ConverseStream failed", {"error": "timeout", "type": "ReadTimeout"}),
    ("API key created", {"key_prefix": "ab"}),
    ("Request completed", {**CHAT, "status": 200, "duration_ms": 5}),
    ("Request completed", {**CHAT, "status": 500, "duration_ms": 5}),
)
UNSAID = ("Routing decision", "ConverseStream failed", "API key created")


@contextmanager
def world(seed: int, requests: int, hostility: float) -> Iterator[World]:
    day = simulate(seed, requests, hostility)
    with of_lines(day.lines_by_stream, day.now) as made:
        yield made


@contextmanager
def crowd(seed: int) -> Iterator[World]:
    """Few people who use few ids, all at once, and manage keys with them; some of their calls name nobody.

    In another log are entries of whole calls.
    """
    random = Random(seed)
    times = sorted(START + timedelta(seconds=random.randrange(60)) for _ in range(60))
    lines: dict[str, list[bytes]] = {"one": [], "two": []}
    for time in times:
        user = random.choice(("alice", "bob", "carol", ""))
        message, fields = random.choice(CROWDED)
        line = {
            "timestamp": time.replace(tzinfo=None).isoformat() + "Z",
            "level": "INFO",
            "logger": "bedrock-router",
            "message": message,
            "request_id": random.choice(("test", "1", "2", "3")),
            **({} if message in UNSAID else {"user_email": user, "user_sub": ""}),
            **({"user_sub": random.choice(("alice", "dora"))} if message == "API key created" else {}),
            **fields,
        }
        lines[random.choice(("one", "one", "two"))].append(json.dumps(line).encode())
    lines["audit"] = [_entry(random, place, time) for place, time in enumerate(times[::4])]
    with of_lines(lines, times[-1]) as made:
        yield made


def _entry(random: Random, place: int, time: datetime) -> bytes:
    failed = random.random() < 0.3
    entry = {
        "id": f"entry {place}",
        "timestamp": time.replace(tzinfo=None).isoformat() + "Z",
        "event_type": random.choice(("chat_completion", "chat_completion", "audit.alarm")),
        "user_id": random.choice(("alice", "dora")),
        "model": random.choice(("openai/gpt-4o", "nobody/knows-1")),
        "prompt_hash": "",
        "prompt_tokens": 0 if failed else random.randrange(9),
        "completion_tokens": 0 if failed else 7,
        "latency_ms": 5.25,
        "status": "error" if failed else "success",
        "error_type": "timeout" if failed else None,
    }
    return json.dumps(entry).encode()


@contextmanager
def of_lines(lines_by_stream: Mapping[str, list[bytes]], now: datetime) -> Iterator[World]:
    with opened(StoreSettings(keep_raw=True)) as store:
        feed(store, lines_by_stream)
        texts = [raw.decode("utf-8", "backslashreplace") for raws in lines_by_stream.values() for raw in raws]
        made = World(store, now, texts)
        made.calls = [row | {"tokens": tokens(row)} for row in rows(made, "SELECT * FROM calls")]
        made.lines = [
            row | {"tokens": tokens(row), "kind_or_reason": row["kind"] or row["reason"]}
            for row in rows(made, _LINES)
        ]
        assert len(made.lines) == len(texts)
        yield made


def rows(made: World, sql: str) -> list[dict[str, object]]:
    found = made.store.query(sql, now=made.now)
    return [dict(zip(found.columns, row, strict=True)) for row in found.rows]


def tokens(row: Row) -> int | None:
    """All that are known."""
    known = [int(str(row[name])) for name in TOKEN_COLUMNS if row[name] is not None]
    return sum(known) if known else None
