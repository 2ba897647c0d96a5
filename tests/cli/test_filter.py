"""`--filter` on the commands: the same calls everywhere, and a bad one is refused before anything is read."""

from __future__ import annotations

import json
from collections import Counter
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.cli.running import SAMPLE, assert_refused, here
from tests.oracle.fold import fold

NOW = datetime(2026, 2, 28, tzinfo=UTC)


def truth() -> Counter[tuple[str | None, str | None]]:
    """How many calls reached a model, by user and model, according to the oracle."""
    calls = fold({"log": SAMPLE.read_bytes().splitlines()}, NOW).calls
    return Counter((call.user, call.model) for call in calls if call.reached_model)


def top(*words: object) -> dict[tuple[str | None, str | None], int]:
    document = here("top", SAMPLE, "--json", *words).document
    rows = {(row["user"], row["model"]): row["requests"] for row in document["rows"]}
    assert document["totals"]["requests"] == sum(rows.values()) == document["counters"]["calls"]
    assert document["counters"]["lines"] == 1982
    return rows


def test_top_is_of_the_calls_that_match_and_says_so() -> None:
    every = truth()
    user = every.most_common(1)[0][0][0]
    assert top("--filter", f'user="{user}"') == {key: n for key, n in every.items() if key[0] == user}
    assert top("--filter", "-model:kimi") == {
        key: n for key, n in every.items() if "kimi" not in (key[1] or "")
    }
    document = here("top", SAMPLE, "--json", "--filter", "  model:kimi ").document
    assert document["scope"]["filter"] == "model:kimi"


def test_text_of_a_line_finds_its_call() -> None:
    requests = {
        line["request_id"]
        for line in map(json.loads, SAMPLE.read_bytes().splitlines())
        if "ThrottlingException" in json.dumps(line)
    }
    assert sum(top("--filter", '"ThrottlingException"').values()) == len(requests) == 2


def test_tail_gives_all_lines_of_the_calls_that_match_when_the_log_is_whole() -> None:
    failed = {
        line["request_id"]
        for line in map(json.loads, SAMPLE.read_bytes().splitlines())
        if line["message"] == "ConverseStream failed"
    }
    wanted = [
        number
        for number, raw in enumerate(SAMPLE.read_bytes().splitlines(), 1)
        if json.loads(raw).get("request_id") in failed
    ]
    ran = here("tail", SAMPLE, "--no-follow", "--json", "--filter", "status:error")
    assert [event["line"] for event in ran.json_lines] == wanted
    ran = here("tail", SAMPLE, "--no-follow", "--json", "--filter", "level:ERROR")
    assert len(ran.json_lines) == 2


def test_a_filter_that_asks_for_bad_lines_gets_them(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_text('no JSON\n{"a": "timeout"}\n' + SAMPLE.read_text())
    for wanted in ("kind:malformed OR kind:unrecognised", "-level:any"):
        ran = here("tail", log, "--no-follow", "--json", "--filter", wanted)
        assert [event["line"] for event in ran.json_lines] == [1, 2], wanted
        assert "2 lines were malformed or not recognised" in ran.narration
    understood = here("tail", log, "--no-follow", "--json").json_lines
    assert understood[0]["line"] == 3


def test_nothing_that_matches_is_said_with_why(tmp_path: Path) -> None:
    ran = here("top", SAMPLE, "--filter", "user:nobody")
    assert ran.code == 0
    assert "no call matches user:nobody" in ran.narration
    ran = here("top", SAMPLE, "--filter", "user:nobody", "--since", "1h")
    assert "no call that was read began in the time asked for" in ran.narration


@pytest.mark.parametrize("command", ["top", "tail", "search", "replay"])
def test_a_bad_filter_is_refused_before_anything_is_read(command: str) -> None:
    words = (
        ["usr:alice", "nowhere.jsonl"] if command == "search" else ["nowhere.jsonl", "--filter", "usr:alice"]
    )
    assert_refused(here(command, *words), 2, "usr", "user", "^")


def test_a_saved_filter_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    config = tmp_path / "config.toml"
    config.write_text('[filters]\nkimi = "model:kimi"\n')
    monkeypatch.setenv("LLMWATCH_CONFIG", str(config))
    assert top("--filter", "@kimi") == top("--filter", "model:kimi")
    assert_refused(here("top", SAMPLE, "--filter", "@kimy"), 2, "kimy", "kimi")
