"""What `search` prints and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llmwatch.sources import sieve
from tests.cli.running import SECONDS, assert_refused, ended, here, outside, process
from tests.cli.traffic import LINES_OF_A_CALL, START, call, line

HOSTILE = "\x1b]0;owned\x07\x1b[31m\u202eevil"


def log_of(*users: str | None) -> bytes:
    """One call of six lines for each user, a second apart."""
    return b"".join(
        call(user, f"r-{number}", started=START + timedelta(seconds=number))
        for number, user in enumerate(users)
    )


@pytest.fixture
def log(tmp_path: Path) -> Path:
    path = tmp_path / "router.jsonl"
    path.write_bytes(log_of("ana", "ben", "ana", "cem") + b"no json at all: ana\n\n")
    return path


@pytest.fixture
def sieved(monkeypatch: pytest.MonkeyPatch) -> None:
    """Also a small log goes through the sieve."""
    monkeypatch.setattr(sieve, "WHOLE_BYTES", 0)


def ids(rows: Sequence[dict[str, Any]]) -> list[str]:
    return [row["request_id"] for row in rows]


def test_events_are_lines_oldest_first(log: Path) -> None:
    ran = here("search", "user:ana message:completed", log)
    assert ran.code == 0
    assert [text.split("request=")[1] for text in ran.text.splitlines()] == ["r-0", "r-2"]
    assert ran.text.startswith("2026-02-27T16:47:02.000Z  INFO     Request completed  user=ana")


def test_calls_are_rows(log: Path) -> None:
    ran = here("search", "user:ana", log, "--calls", "--json")
    assert ran.code == 0
    assert ids(ran.document["rows"]) == ["r-0", "r-2"]
    assert list(ran.document) == ["columns", "rows", "counters"]
    assert list(ran.document["rows"][0]) == ran.document["columns"]
    counters = ran.document["counters"]
    assert (counters["matched"], counters["examined"], counters["calls"], counters["malformed"]) == (
        2,
        4,
        4,
        1,
    )
    table = here("search", "user:ana", log, "--calls").text.splitlines()
    assert len(table) == 3
    assert table[0].split()[:4] == ["seq", "time", "request_id", "user"]


@pytest.mark.parametrize("narrowing", [(), ("--filter", "user:ana")])
def test_lines_that_are_not_understood_are_found(log: Path, narrowing: tuple[str, ...]) -> None:
    ran = here("search", '"no json"', log, "--json", *narrowing)
    if narrowing:
        assert ran.code == 1
        return
    (row,) = ran.document["rows"]
    assert (row["kind"], row["line"], row["message"]) == ("malformed", 25, "no json at all: ana")
    assert ran.document["counters"]["lines"] == 4 * LINES_OF_A_CALL + 1
    assert ran.document["counters"]["malformed"] == 1


def test_exit_codes(log: Path, tmp_path: Path) -> None:
    assert here("search", "user:nobody", log).code == 1
    assert here("search", '"nobody"', log).code == 1
    assert here("search", "user:ana", log).code == 0
    missing = tmp_path / "missing.jsonl"
    ran = here("search", "user:nobody", log, missing)
    assert (ran.code, ran.out) == (3, b"")
    assert "missing.jsonl" in ran.narration
    assert_refused(here("search", "usr:ana", missing), 2, "usr", "user")
    assert_refused(here("search", "user:ana"), 2, "nothing to read is named")


@pytest.mark.usefixtures("sieved")
def test_context_marks_what_matches_and_what_is_near(log: Path) -> None:
    ran = here("search", '"r-0" message:mapped', log, "-C", "1")
    assert [text[:2] for text in ran.text.splitlines()] == ["  ", "> ", "  "]
    ran = here("search", '"Model mapped"', log, "-A1")
    assert [text[:2] for text in ran.text.splitlines()] == [*["> ", "  ", "--"] * 3, "> ", "  "]
    rows = here("search", '"r-3" message:completed', log, "-B2", "-A", "5", "--format", "jsonl").json_lines
    assert [row["match"] for row in rows] == [False, False, True, False]
    assert [row["line"] for row in rows] == [22, 23, 24, 25]


def test_a_sieve_changes_no_row(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = here("search", '"ana"', log, "--json", "-B1").document
    monkeypatch.setattr(sieve, "WHOLE_BYTES", 0)
    monkeypatch.setattr(sieve, "_DENSE", 1)
    monkeypatch.setattr(sieve, "_GAP_BYTES", 0)
    sieved = here("search", '"ana"', log, "--json", "-B1").document

    def without_place(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
        return [{name: value for name, value in row.items() if name != "seq"} for row in rows]

    assert without_place(sieved["rows"]) == without_place(whole["rows"])
    same = ("lines", "matched")
    assert [sieved["counters"][name] for name in same] == [whole["counters"][name] for name in same]
    assert sieved["counters"]["malformed"] is None


def test_count_and_limit(log: Path) -> None:
    assert here("search", "user:ana", log, "--count").text == f"{2 * LINES_OF_A_CALL}\n"
    none = here("search", "user:nobody", log, "--count")
    assert (none.text, none.code) == ("0\n", 1)
    assert here("search", "user:ana", log, "--calls", "--count").text == "2\n"
    ran = here("search", "message:completed", log, "--limit", "2", "--format", "jsonl")
    assert ids(ran.json_lines) == ["r-2", "r-3"]
    assert "2 that are older" in ran.narration
    assert ids(here("search", "user:*", log, "--calls", "--limit", "1", "--format", "jsonl").json_lines) == [
        "r-3"
    ]


def test_fields_are_columns(log: Path) -> None:
    words = ("search", "message:streaming", log, "--fields", "time,user,usage.prompt_tokens,nonesuch")
    header, first, *_ = here(*words).text.splitlines()
    assert header.split() == ["time", "user", "usage.prompt_tokens", "nonesuch"]
    assert first.split() == ["2026-02-27T16:47:02Z", "ana", "1000", "-"]
    rows = list(csv.reader(io.StringIO(here(*words, "--format", "csv").text)))
    assert rows[1] == ["2026-02-27T16:47:02Z", "ana", "1000", ""]


def test_raw_lines_are_exact_in_a_pipe(tmp_path: Path) -> None:
    text = line(START, "Request started", "r-1", user_email=HOSTILE, extra={"deep": [1, None]})
    path = tmp_path / "one.jsonl"
    path.write_bytes(text)
    assert here("search", "message:started", path, "--raw").out == text


def test_hostile_text_is_cleaned(tmp_path: Path) -> None:
    path = tmp_path / "hostile.jsonl"
    path.write_bytes(line(START, HOSTILE, "r-1", user_email=HOSTILE) + f"{HOSTILE} is no json\n".encode())
    for words in ((), ("-C1",), ("--fields", "message,user_email"), ("--format", "csv"), ("--json",)):
        ran = here("search", '"owned"', path, *words)
        assert ran.code == 0, words
        assert not any(char in ran.text + ran.narration for char in "\x1b\x07\u202e"), words


def test_what_does_not_go_together_is_refused(log: Path) -> None:
    for words in (
        ("--calls", "--raw"),
        ("--calls", "-C1"),
        ("--count", "--json"),
        ("--raw", "--json"),
        ("--follow", "--calls"),
        ("--follow", "--format", "csv"),
        ("--wait",),
        ("--limit", "-1"),
        ("-A", "-1"),
        ("--fields", ","),
    ):
        assert_refused(here("search", "user:ana", log, *words), 2)


def test_a_kept_store_is_searched_without_paths(log: Path, tmp_path: Path) -> None:
    database = tmp_path / "kept.duckdb"
    assert here("top", log, "--db", database).code == 0
    ran = here("search", "user:ana message:completed", "--db", database, "--format", "jsonl")
    assert ids(ran.json_lines) == ["r-0", "r-2"]


def test_following_prints_what_matches_as_it_comes(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    path.write_bytes(log_of("ana"))
    program = process("search", 'user:ana "completed"', path, "--follow", "--format", "jsonl", stderr=None)
    try:
        assert program.stdout
        assert json.loads(program.stdout.readline())["request_id"] == "r-0"
        with path.open("ab") as file:
            file.write(call("ben", "r-1") + call("ana", "r-2"))
        assert json.loads(program.stdout.readline())["request_id"] == "r-2"
        program.send_signal(signal.SIGINT)
        assert program.wait(SECONDS) == 130
    finally:
        program.kill()
        program.communicate()


def test_standard_input_and_a_closed_pipe(tmp_path: Path) -> None:
    ran = outside("search", '"ana"', "-", "--format", "jsonl", stdin=log_of("ana", "ben"))
    assert ran.code == 0
    assert {row["request_id"] for row in ran.json_lines} == {"r-0"}
    path = tmp_path / "long.jsonl"
    path.write_bytes(log_of(*["ana"] * 2_000))
    program = process("search", "user:ana", path)
    assert program.stdout
    program.stdout.readline()
    program.stdout.close()
    program.stdout = None
    assert ended(program).err == b""


def test_matches_are_marked_on_a_terminal_that_wants_colour(log: Path) -> None:
    def on_terminal(**changes: str) -> str:
        ours, theirs = os.openpty()
        try:
            program = process(
                "search",
                '"Model mapped"',
                log,
                "--limit",
                "1",
                stdout=theirs,
                stderr=subprocess.DEVNULL,
                env={**os.environ, "TERM": "xterm", **changes},
            )
            assert program.wait(SECONDS) == 0
            return os.read(ours, 65536).decode()
        finally:
            os.close(ours)
            os.close(theirs)

    assert "\x1b[1;31mModel mapped\x1b[0m" in on_terminal()
    assert "\x1b" not in on_terminal(NO_COLOR="1")
