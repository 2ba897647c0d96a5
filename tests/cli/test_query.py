"""`query` over files: whose text is run, what comes out, and what is refused before anything is read."""

from __future__ import annotations

import csv
import io
import re
import signal
import time
from pathlib import Path

import pytest

from llmwatch.query.runbook import RUNBOOK
from tests.cli.running import SAMPLE, assert_refused, ended, here, outside, process
from tests.cli.traffic import START, call, line

BY_LEVEL = "stats count(*) as n by level | sort level"


@pytest.fixture(autouse=True)
def config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the configuration will be; the working folder is an empty one."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    path = tmp_path / "conf" / "config.toml"
    monkeypatch.setenv("LLMWATCH_CONFIG", str(path))
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("a@example.com", "r-1") + b"Traceback:\n" + call("b@example.com", "r-2"))
    return log


def test_the_document_of_a_query(log: Path) -> None:
    query = "filter ispresent(level) | stats count(*), sum(duration_ms) as ms by user_email | sort user_email"
    document = here("query", query, log, "--json").document
    assert list(document) == ["columns", "rows", "counters"]
    assert document["columns"] == ["user_email", "count(*)", "ms"]
    assert document["rows"] == [
        {"user_email": None, "count(*)": 4, "ms": None},
        {"user_email": "a@example.com", "count(*)": 4, "ms": 2000},
        {"user_email": "b@example.com", "count(*)": 4, "ms": 2000},
    ]
    assert document["counters"] == {"lines": 13, "matched": 12, "bytes_scanned": None}


def test_the_table_has_numbers_right_and_text_left_and_the_counts_on_stderr(log: Path) -> None:
    ran = here("query", "stats count(*) as n, max(duration_ms) as ms by message | sort n desc, message", log)
    header, first, *rows = ran.text.splitlines()
    assert header == "message                       n    ms"
    assert first.split() == ["Forwarding", "to", "Bedrock", "Mantle", "2", "-"]
    assert "Request completed             2  2000" in rows
    assert ran.narration == "llmwatch: 7 rows; 13 of 13 lines\n"


def test_rows_for_programs(log: Path) -> None:
    query = "fields request_id, duration_ms | filter duration_ms = 2000 | sort request_id"
    wanted = [{"request_id": "r-1", "duration_ms": 2000}, {"request_id": "r-2", "duration_ms": 2000}]
    assert here("query", query, log, "--format", "jsonl").json_lines == wanted
    rows = list(csv.DictReader(io.StringIO(here("query", query, log, "--format", "csv").text)))
    assert [row["request_id"] for row in rows] == ["r-1", "r-2"]
    assert here("query", query, log, "--format", "parquet").out.startswith(b"PAR1")


def test_rows_that_are_not_printed_are_told(log: Path) -> None:
    ran = here("query", "fields request_id", log, "--limit", "2", "--format", "csv")
    assert len(ran.text.splitlines()) == 3
    assert "2 of 13 rows; 13 of 13 lines" in ran.narration
    cut = here("query", "fields request_id | limit 2", log, "--json")
    assert len(cut.document["rows"]) == 2
    assert "2 rows, and there are more than the query's limit lets through" in cut.narration


def test_hostile_text_is_harmless_in_a_table_and_exact_in_json(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    text = "\x1b[2J\u202e\n=1+1"
    log.write_bytes(line(START, text, "r"))
    query = "fields message as `\x1b]0;x\x07`"
    ran = here("query", query, log)
    assert "\x1b" not in ran.text + ran.narration
    assert here("query", query, log, "--json").document["rows"] == [{"\x1b]0;x\x07": text}]


def test_the_scope_is_the_time_of_lines(log: Path) -> None:
    query = "stats count(*) as n"
    window = ("--since", "2026-02-27T16:47:01Z", "--until", "2026-02-27T17:00Z")
    ran = here("query", query, log, *window, "--json")
    assert ran.document["rows"] == [{"n": 4}]
    assert "1 line tells no time" in ran.narration


@pytest.mark.parametrize("name", list(RUNBOOK))
def test_every_query_of_the_runbook_answers_on_the_sample(name: str) -> None:
    document = here("query", f"@{name}", SAMPLE, "--json").document
    if name not in ("warnings", "one-user"):  # the sample has none
        rows = document["rows"]
        missing = [column for column in document["columns"] if all(row[column] is None for row in rows)]
        assert missing == {"slow": ["model"]}.get(name, [])  # the authors' own query: its lines name none


def test_calls_and_tokens_of_the_runbook_are_those_of_top() -> None:
    asked = here("query", "@users-and-models", SAMPLE, "--json").document["rows"]
    top = here("top", SAMPLE, "--by", "user,model", "--json").document["rows"]
    assert len(asked) == len(top)
    assert sum(row["output_tokens"] or 0 for row in asked) == sum(row["output_tokens"] or 0 for row in top)


def test_saved_queries_by_name_in_files_and_from_standard_input(config: Path, log: Path) -> None:
    config.parent.mkdir()
    config.write_text(f'[queries]\nlevels = "{BY_LEVEL}"\nslow = "stats count(*) as mine"\n')
    Path("queries").mkdir()
    Path("queries/local.cwli").write_text(f"\ufeff# of this project\r\n{BY_LEVEL}\r\n")
    wanted = here("query", BY_LEVEL, log, "--json").out
    assert wanted.count(b'"n"') == 3
    for words in (
        ("@levels", log),
        ("--saved", "levels", log),
        (log, "--saved", "local"),
        ("--file", "queries/local.cwli", log),
    ):
        assert here("query", *words, "--json").out == wanted, words
    assert here("query", "@slow", log, "--json").document["columns"] == ["mine"]
    assert outside("query", "-", log, "--json", stdin=BY_LEVEL.encode()).out == wanted
    assert outside("query", BY_LEVEL, "-", "--json", stdin=log.read_bytes()).out == wanted


def test_the_list_has_what_is_saved_and_what_is_built_in(config: Path) -> None:
    config.parent.mkdir()
    config.write_text("[queries]\nmine = '''\nlimit 1\n| limit 2'''\n[colours]\n")
    ran = here("query", "--list")
    rows = [re.split(r"  +", row) for row in ran.text.splitlines()]
    assert rows[0] == ["name", "from", "what"]
    assert ["mine", "saved", "limit 1"] in rows
    assert ["failures", "built in", RUNBOOK["failures"].title] in rows
    assert "'colours' is left out" in ran.narration
    assert "…" not in ran.text
    document = here("query", "--list", "--json").document
    assert {row["name"]: row["text"] for row in document["rows"]}["slow"] == RUNBOOK["slow"].text


def test_one_of_the_list_is_printed_as_it_is_written(config: Path) -> None:
    assert here("query", "--list", "slow").text == f"{RUNBOOK['slow'].text}\n"
    assert here("query", "--list", "@slow").text == f"{RUNBOOK['slow'].text}\n"
    assert_refused(here("query", "--list", "slwo"), 2, "is 'slow' meant?")


def test_fractions_are_short_in_a_table_and_exact_for_programs(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(line(START, "x", "r", ms=ms) for ms in (10_000, 5_000, 7_561)))
    words = ("query", "stats avg(ms) as a", log)
    assert here(*words).text == "a\n7,520.33\n".replace("a\n", "       a\n")
    assert here(*words, "--json").document["rows"] == [{"a": 22561 / 3}]
    assert here(*words, "--format", "csv").text == f"a\n{22561 / 3}\n"


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("filter x = ", SAMPLE), "^"),
        (("fields a | pattern @message", SAMPLE), "--engine insights"),
        (("stats pct(a, 200)", SAMPLE), "percentile"),
        (("filter a like /(?=b)/", SAMPLE), "^"),
        (("x" * 10_001, SAMPLE), "10,000"),
        (("", SAMPLE), "empty"),
        (("@slwo", SAMPLE), "'slow'"),
        (("--saved", "@slow", SAMPLE), "--list"),
        (("--file", "/nonexistent/x.cwli", SAMPLE), "/nonexistent/x.cwli"),
        (("--file", "x.cwli", "--saved", "slow", SAMPLE), "leave one"),
        (("-", "-"), "--file"),
        ((SAMPLE,), "before it"),
        ((), "takes a query"),
        (("limit 1",), "PATH"),
        (("limit 1", SAMPLE, "--filter", "user:a"), "unrecognized arguments: --filter"),
        (("limit 1", SAMPLE, "--limit", "-1"), "--limit"),
        (("limit 1", SAMPLE, "--memory", "x"), "--memory"),
        (("limit 1", SAMPLE, "--yes"), "--engine insights"),
        (("limit 1", SAMPLE, "--max-scan", "1GB"), "--max-scan"),
        (("limit 1", SAMPLE, "--since", "2026-03-01", "--until", "2026-02-01"), "exchange"),
    ],
)
def test_what_is_wrong_is_refused_before_anything_is_read(
    words: tuple[object, ...], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*_: object, **__: object) -> None:
        raise AssertionError("a source was opened")

    monkeypatch.setattr("llmwatch.cli.query.open_source", read)
    assert_refused(here("query", *words), 2, named)


def test_a_file_that_cannot_be_read_is_told_and_no_success(log: Path, tmp_path: Path) -> None:
    ran = here("query", BY_LEVEL, log, tmp_path / "gone.jsonl", "--json")
    assert ran.code == 3
    assert "gone.jsonl" in ran.narration


def test_two_columns_of_one_name_are_refused_where_one_would_be_lost(log: Path) -> None:
    assert_refused(here("query", "stats count(*) as a, max(duration_ms) as a", log, "--json"), 2, "`a`")


def test_ctrl_c_ends_a_query_at_once(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(SAMPLE.read_bytes() * 60)
    slow = "fields split(@message, '') as m | unnest m into c | stats count_distinct(concat(c, @message))"
    program = process("query", slow, log)
    try:
        time.sleep(1.2)
        assert program.poll() is None
        began = time.monotonic()
        program.send_signal(signal.SIGINT)
        program.wait(5)
    finally:
        program.kill()
        ran = ended(program)
    assert (ran.code, ran.out) == (130, b"")
    assert "Traceback" not in ran.narration
    assert time.monotonic() - began < 2
