"""Every line is counted and kept, whatever it is, and found again by its number."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.dialects.dialect import Dialect
from llmwatch.dialects.registry import DIALECTS
from llmwatch.query.scope import Scope
from llmwatch.query.tables import count_all, group_calls
from llmwatch.sources.open import open_paths
from llmwatch.sources.pump import load
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.fold import fold
from tests.oracle.hostile import corpus
from tests.oracle.traffic import simulate
from tests.store.helpers import opened

NOW = datetime(2026, 2, 27, 18, tzinfo=UTC)
LINE = (
    b'{"timestamp": "2026-02-27T16:47:00Z", "level": "INFO", "logger": "bedrock-router", "message": "%s"}\n'
)


def rejected(store: Store) -> list[tuple[object, ...]]:
    return list(store.query("SELECT line, reason, raw FROM rejected ORDER BY line").rows)


def ingest(store: Store, data: bytes, first_line: int = 1) -> None:
    store.ingest(Slice("log", "log", first_line, data))
    store.refresh()


def test_bad_lines_are_listed_by_file_and_line() -> None:
    with opened() as store:
        ingest(store, LINE % b"one" + b"\n   \nnot json\n" + LINE % b"two" + b'{"a": 1}\n[1]\n')
        assert rejected(store) == [
            (4, "malformed", "not json"),
            (6, "unrecognised", '{"a": 1}'),
            (7, "malformed", "[1]"),
        ]
        counters = count_all(store, Scope(), NOW)
        assert (counters.lines, counters.events) == (5, 2)
        assert (counters.malformed, counters.unrecognised) == (2, 1)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (rb"a\ud800b", r"a\ud800b"),
        (b"a\tb", "a\tb"),
        (b"a\x1bb", "a\x1bb"),
        (b"a\xffb", r"a\xffb"),
        (rb"a\u0000b", "a\x00b"),
    ],
)
def test_lines_the_reader_refuses_get_a_second_chance(written: bytes, read: str) -> None:
    with opened() as store:
        ingest(store, LINE % b"before" + LINE % written + LINE % b"after")
        messages = store.query("SELECT line, message FROM events ORDER BY seq").rows
        assert messages == [(1, "before"), (2, read), (3, "after")]


def test_a_byte_order_mark_is_no_part_of_a_line() -> None:
    with opened() as store:
        ingest(store, b"\xef\xbb\xbf" + LINE % b"one" + b"\xef\xbb\xbf\n")
        assert count_all(store, Scope(), NOW).events == 1
        assert rejected(store) == []


def test_a_line_longer_than_the_reader_is_made_for() -> None:
    with opened() as store:
        ingest(store, LINE % b"one" + LINE % (b"x" * (9 << 20)) + LINE % b"three")
        lengths = store.query("SELECT length(message) FROM events ORDER BY seq").rows
        assert lengths == [(3,), (9 << 20,), (5,)]


def test_the_hostile_corpus_is_counted_line_by_line() -> None:
    lines = [line.raw for line in corpus()]
    with opened() as store:
        ingest(store, b"".join(line + b"\n" for line in lines))
        counters = count_all(store, Scope(), NOW)
    assert counters.lines == fold({"log": lines}, NOW).lines
    assert counters.lines == counters.events + counters.malformed + counters.unrecognised


@settings(max_examples=20, deadline=None)
@given(st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), min_size=1, max_size=30))
def test_any_bytes_are_lines(lines: list[bytes]) -> None:
    with opened() as store:
        ingest(store, b"".join(line + b"\n" for line in lines))
        found = store.query("SELECT line FROM rejected ORDER BY line").rows
        blank = [line.removeprefix(b"\xef\xbb\xbf").strip() == b"" for line in lines]
        assert [number for (number,) in found] == [
            place + 1 for place, empty in enumerate(blank) if not empty
        ]


@pytest.mark.parametrize("seed", range(4))
def test_a_whole_file_gives_the_tables_its_slices_give(seed: int, tmp_path: Path) -> None:
    day = simulate(seed, 60, 0.5)
    log = tmp_path / "router.jsonl"
    log.write_bytes(
        b"".join(line.rstrip(b"\n") + b"\n" for lines in day.lines_by_stream.values() for line in lines)
    )
    answers = []
    for whole_files in (True, False):
        with opened(StoreSettings(whole_files=whole_files)) as store:
            load(open_paths([str(log)], follow=False), store)
            table = group_calls(store, Scope(), ["user", "model"], now=day.now)
            answers.append((table, count_all(store, Scope(), day.now)))
    assert answers[0] == answers[1]


def test_a_file_that_grows_while_it_is_taken_is_read_by_slices(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = tmp_path / "router.jsonl"
    log.write_bytes(LINE % b"one" + b"bad\n" + LINE % b"two")
    unchanged = WholeFile.unchanged

    def grow(file: WholeFile) -> bool:
        with log.open("ab") as writer:
            writer.write(LINE % b"three" + b'{"torn')
        return unchanged(file)

    monkeypatch.setattr(WholeFile, "unchanged", grow)
    with opened(StoreSettings(whole_files=True)) as store:
        load(open_paths([str(log)], follow=False), store)
        messages = [message for (message,) in store.query("SELECT message FROM events ORDER BY seq").rows]
        assert messages == ["one", "two", "three"]
        assert [reason for _, reason, _ in rejected(store)] == ["malformed", "malformed"]
        assert store.lines == 5


def test_raw_lines_are_found_by_their_number() -> None:
    with opened(StoreSettings(keep_raw=True)) as store:
        lines = [LINE % str(number).encode() for number in range(20_000)]
        ingest(store, b"".join(lines[:15_000]))
        ingest(store, b"".join(lines[15_000:]), 15_001)
        for seq in (0, 1, 14_999, 15_000, 19_999):
            assert store.raw_line(seq) == lines[seq].decode().rstrip("\n")
        assert store.raw_line(20_000) is None
        assert store.raw_line(-1) is None


def test_a_kept_store_reads_nothing_twice(tmp_path: Path) -> None:
    log, database = tmp_path / "router.jsonl", tmp_path / "kept.duckdb"
    for written in (b"one", b"two", b"three"):
        with log.open("ab") as file:
            file.write(LINE % written)
        if written == b"two":
            log.rename(tmp_path / "renamed.jsonl")
            log = tmp_path / "renamed.jsonl"
        with opened(StoreSettings(database=database)) as store:
            load(open_paths([str(log)], follow=False), store)
    with opened(StoreSettings(database=database)) as store:
        messages = store.query("SELECT message, line FROM events ORDER BY seq").rows
        assert messages == [("one", 1), ("two", 2), ("three", 3)]
        assert store.lines == 3


@pytest.mark.parametrize("dialect", DIALECTS, ids=lambda dialect: dialect.name)
def test_a_dialect_is_read_in_the_order_of_lines(dialect: Dialect) -> None:
    """A join, as DuckDB makes of `IN (…)`, would give rows in any order once the reader has several threads."""
    columns = ", ".join(f'NULL::{kind} AS "{name}"' for name, kind in dialect.columns.items())
    with opened() as store:
        plan = store.query(f"EXPLAIN {dialect.select(f'(SELECT {columns})')}").rows
    assert "JOIN" not in str(plan)


@pytest.mark.parametrize("whole_files", [True, False])
def test_rows_and_lines_correspond_in_a_large_log(whole_files: bool, tmp_path: Path) -> None:
    lines = [LINE % str(number).encode() for number in range(250_000)]
    bad = set(range(0, len(lines), 17_077))
    log = tmp_path / "router.jsonl"
    log.write_bytes(
        b"".join(b"bad %d\n" % place if place in bad else line for place, line in enumerate(lines))
    )
    with opened(StoreSettings(whole_files=whole_files)) as store:
        load(open_paths([str(log)], follow=False), store)
        misplaced = store.query("SELECT count(*) FROM events WHERE message <> (line - 1)::VARCHAR").rows
        assert misplaced == [(0,)]
        assert [raw for _, _, raw in rejected(store)] == [f"bad {place}" for place in sorted(bad)]


def test_a_time_with_an_offset_is_that_moment_in_utc() -> None:
    times = ("2026-02-27T16:47:00+02:00", "2026-02-27T16:47:00.5Z", "2026-02-27T16:47:00", "infinity")
    line = '{"timestamp": "%s", "level": "INFO", "logger": "bedrock-router", "message": "%s"}\n'
    with opened() as store:
        ingest(store, "".join(line % (time, time) for time in times).encode())
        found = store.query("SELECT time::VARCHAR FROM events ORDER BY seq").rows
    assert found == [("2026-02-27 14:47:00",), ("2026-02-27 16:47:00.5",), ("2026-02-27 16:47:00",), (None,)]
