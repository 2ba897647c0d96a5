"""What `search` prints and how it ends."""

from __future__ import annotations

import csv
import io
import json
import os
import signal
import subprocess
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from llmwatch.sources import sieve
from tests.cli.running import SAMPLE, SECONDS, assert_refused, ended, here, outside, process
from tests.cli.traffic import KIMI, LINES_OF_A_CALL, START, call, line

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


def test_fields_have_the_names_of_a_filter_and_say_what_it_asks() -> None:
    shown = here("search", "NOT kind:malformed", SAMPLE, "--fields", "user,status,http", "--format", "jsonl")
    for name in ("user", "status", "http"):
        counts = Counter(row[name] for row in shown.json_lines)
        for value, count in counts.most_common(3):
            wanted = f"{name}:none" if value is None else f'{name}="{value}"'
            assert here("search", wanted, SAMPLE, "--count").text == f"{count}\n", wanted
    names = "request,request_id,cost,cost_usd,input,input_tokens,latency,latency_ms"
    for row in here("search", "user:*", SAMPLE, "--fields", names, "--limit", "50", "--json").document[
        "rows"
    ]:
        values = list(row.values())
        assert values[::2] == values[1::2]
        assert values[0] is not None


def test_a_line_that_names_nobody_shows_the_user_and_model_of_its_call(tmp_path: Path) -> None:
    log = tmp_path / "router.jsonl"
    failed = line(START + timedelta(seconds=1), "Failed", "r-1", error="An error: too much")
    lines = call("ana", "r-1").splitlines(keepends=True)
    log.write_bytes(b"".join([*lines[:4], failed.replace(b'"INFO"', b'"ERROR"'), *lines[4:]]))
    for words in ((), ("--follow",)):
        program = process("search", "level:error", log, "--fields", "line,user,model,message", *words)
        assert program.stdout
        header, row = program.stdout.readline().decode(), program.stdout.readline().decode()
        program.kill()
        ended(program)
        assert header.split() == ["line", "user", "model", "message"]
        assert row.split() == ["5", "ana", KIMI, "Failed"]


def test_a_key_that_no_line_has_is_told_with_the_nearest(log: Path) -> None:
    narration = here("search", "user:ana", log, "--fields", "usr,duration_mss,zzz,message").narration
    assert "'usr': is 'user' meant?" in narration
    assert "'duration_mss': is 'duration_ms' meant?" in narration
    assert "'zzz'" in narration
    assert "'message'" not in narration
    assert here("search", "user:ana", log, "--fields", "message,logger", "--json").narration == ""


def test_calls_take_fields(log: Path) -> None:
    ran = here("search", "user:ana", log, "--calls", "--fields", "request,user,output,cost", "--json")
    assert ran.document["columns"] == ["request", "user", "output", "cost"]
    assert [(row["request"], row["user"], row["output"]) for row in ran.document["rows"]] == [
        ("r-0", "ana", 10),
        ("r-2", "ana", 10),
    ]
    assert all(row["cost"] > 0 for row in ran.document["rows"])
    assert_refused(here("search", "user:ana", log, "--calls", "--fields", "usr"), 2, "is 'user' meant?")
    assert_refused(here("search", "user:ana", log, "--calls", "--fields", "message"), 2, "'message'")


def test_following_writes_rows_as_a_table_does(log: Path) -> None:
    words = ("search", "message:completed", log, "--fields", "time,status,duration_ms,user")
    wanted = here(*words).text.splitlines(keepends=True)
    program = process(*words, "--follow")
    assert program.stdout
    found = [program.stdout.readline().decode() for _ in wanted]
    program.kill()
    ended(program)
    assert found == wanted


def test_lines_of_several_files_begin_with_theirs(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "o\x1bther.jsonl"
    other.write_bytes(log_of("ana"))
    alone = here("search", "message:completed", other).text
    assert alone.startswith("2026")
    together = here("search", "user:ana message:completed", log, other).text.splitlines()
    assert [text.partition(": ")[0] for text in together] == [str(log)] * 2 + [f"{tmp_path}/o␛ther.jsonl"]
    (tmp_path / "one").mkdir()
    (tmp_path / "one" / "only.jsonl").write_bytes(log_of("ana"))
    assert here("search", "message:completed", tmp_path / "one").text == alone
    assert outside("search", "message:completed", "-", stdin=log_of("ana")).text == alone
    folder = here("search", "user:ana message:completed", tmp_path).text.splitlines()
    assert sorted(folder) == sorted(together)
    assert f"{together[2].partition(': ')[2]}\n" == alone


@pytest.mark.parametrize("wanted", ["-level:error", "-Cem", "-Bot", "-timeout", "-hello", "-A1x", "-9999"])
def test_a_filter_may_begin_with_a_minus(wanted: str, log: Path) -> None:
    lines = 4 * LINES_OF_A_CALL + 1 - (4 if wanted == "-Cem" else 0)
    assert here("search", wanted, log, "--count").text == f"{lines}\n"
    assert len(here("search", "--", wanted, log).text.splitlines()) == lines
    narrowed = here("top", log, "--json", "--filter", wanted).document
    assert narrowed["totals"]["requests"] == (3 if wanted == "-Cem" else 4)


def test_a_file_before_the_filter_is_told(log: Path) -> None:
    assert_refused(here("search", log, "error"), 2, "is a file, and the filter stands before it")
    assert_refused(here("search", log), 2, "is a file, and the filter stands before it")
    assert_refused(outside("search", "error", stdin=b"{}\n"), 2, "what is piped in is read where -")
    assert "PATH" not in here("search").narration


def test_nothing_found_is_told_to_a_person(log: Path) -> None:
    ours, theirs = os.openpty()
    try:
        program = process("search", "user:nobody", log, stderr=theirs)
        assert program.wait(SECONDS) == 1
        assert f"{4 * LINES_OF_A_CALL + 1} lines were looked at" in os.read(ours, 65536).decode()
    finally:
        os.close(ours)
        os.close(theirs)
        ended(program)
    assert "looked at" not in here("search", "user:nobody", log).narration


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
