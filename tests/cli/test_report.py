"""`report`: its forms, its files, its scope, its exit codes."""

from __future__ import annotations

import gzip
import json
import stat
from pathlib import Path

import pytest

from llmwatch.cli import report
from llmwatch.errors import SourceError
from tests.audit import recipe
from tests.cli.running import SAMPLE, Ran, assert_refused, here
from tests.cli.traffic import call
from tests.evidence.reports import entry, verification


def run(*words: object) -> Ran:
    return here("report", *words)


def test_json_agrees_with_top() -> None:
    top = here("top", SAMPLE, "--json", "--by", "model", "--limit", "0").document
    document = run(SAMPLE, "--json").document
    assert document["by_model"] == top["rows"]
    assert document["totals"] == top["totals"]
    assert document["scope"] == top["scope"]


def test_the_keys_of_its_json_are_those_that_are_documented() -> None:
    assert list(run(SAMPLE, "--format", "json").document) == [
        "made",
        "tool",
        "scope",
        "period",
        "totals",
        "outcomes",
        "success_rate",
        "success_rate_of",
        "latency",
        "by_user",
        "by_model",
        "by_day",
        "timeline",
        "errors",
        "security",
        "blind_spots",
        "counters",
        "sources",
        "audit_entries",
        "chain",
        "unattested",
    ]


@pytest.mark.parametrize(
    ("form", "begin"),
    [("text", "LLM USAGE REPORT\n"), ("markdown", "# LLM usage report\n"), ("html", "<!doctype html>\n")],
)
def test_a_form_is_printed_and_nothing_is_narrated(form: str, begin: str) -> None:
    ran = run(SAMPLE, "--format", form)
    assert (ran.code, ran.err) == (0, b"")
    assert ran.text.startswith(begin)
    assert run(SAMPLE).text.startswith("LLM USAGE REPORT\n")


@pytest.mark.parametrize(
    ("name", "begin"),
    [("r.html", "<!doctype"), ("r.MD", "# LLM"), ("r.json", "{"), ("r.txt", "LLM"), ("r", "LLM")],
)
def test_the_ending_of_a_file_says_the_form(tmp_path: Path, name: str, begin: str) -> None:
    path = tmp_path / name
    path.write_text("what was there")
    ran = run(SAMPLE, "-o", path)
    assert (ran.code, ran.out) == (0, b"")
    assert path.read_text().startswith(begin)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_form_that_is_asked_for_comes_before_the_ending(tmp_path: Path) -> None:
    run(SAMPLE, "-o", tmp_path / "r.html", "--json")
    assert json.loads((tmp_path / "r.html").read_text())["totals"]["requests"] == 300


def test_a_place_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    assert_refused(run(SAMPLE, "-o", tmp_path / "none" / "r.html"), 3, "r.html", "cannot be written")


def test_the_period_and_the_filter_choose() -> None:
    since, until = "2026-02-27T16:47:01Z", "2026-02-27T16:47:03Z"
    document = run(
        SAMPLE, "--since", since, "--until", until, "--filter", "model:us.anthropic*", "--json"
    ).document
    assert document["scope"] == {"since": since, "until": until, "filter": "model:us.anthropic*"}
    assert 0 < document["totals"]["requests"] < 300
    assert {"claude" in row["model"] for row in document["by_model"]} == {True}
    assert since[:-1] <= document["period"]["first"] < until[:-1]
    assert (
        "2026-02-27 16:47:01 UTC to 2026-02-27 16:47:03 UTC"
        in run(SAMPLE, "--since", since, "--until", until).text
    )


def test_a_filter_that_looks_into_the_text_works() -> None:
    document = run(SAMPLE, "--filter", "ThrottlingException", "--json").document
    assert document["totals"]["requests"] == document["totals"]["errors"] == 2


def test_audit_entries_and_archives_are_read(tmp_path: Path) -> None:
    (tmp_path / "entries.jsonl").write_bytes(entry(1) + entry(2, status="error", error_type="Timeout"))
    (tmp_path / "old.jsonl.gz").write_bytes(gzip.compress(entry(3, status="error", error_type="Timeout")))
    document = run(tmp_path, "--json").document
    assert [(one["error"], one["requests"]) for one in document["errors"]] == [("Timeout", 2)]
    assert document["success_rate"] == 1 / 3
    assert [one["lines"] for one in document["sources"]] == [2, 1]


def test_a_kept_store_is_reported_on_without_its_files(tmp_path: Path) -> None:
    log, kept = tmp_path / "log.jsonl", tmp_path / "kept.duckdb"
    log.write_bytes(call("a@example.com"))
    first = run(log, "--db", kept, "--json").document
    log.unlink()
    again = run("--db", kept, "--json").document
    assert without_time(again) == without_time(first)
    assert first["totals"]["requests"] == 1


def test_a_source_that_fails_is_in_the_report_and_in_the_exit_code(tmp_path: Path) -> None:
    bad = tmp_path / "bad.jsonl.gz"
    bad.write_bytes(gzip.compress(call("a@example.com"))[:-12])
    ran = run(SAMPLE, bad)
    assert ran.code == 3
    assert "NOT READ:" in ran.text
    assert "bad.jsonl.gz" in ran.narration


def test_nothing_named_and_nothing_there_are_refused(tmp_path: Path) -> None:
    assert_refused(run(), 2, "nothing to read is named")
    assert_refused(run(tmp_path / "none.jsonl"), 3, "none.jsonl")
    assert_refused(run(SAMPLE, "--since", "soon"), 2, "soon")


def test_a_log_that_was_tampered_with_is_reported_on_and_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    for verdict, code in (("tampered", 1), ("warn", 0), ("ok", 0), ("unverifiable", 0)):
        found = verification(verdict)
        monkeypatch.setattr(report, "chain_verdict", lambda arguments, paths, found=found: found)
        ran = run(SAMPLE, "--json")
        assert ran.code == code
        assert ran.document["chain"]["verdict"] == verdict
        assert ran.document["totals"]["requests"] == 300


@pytest.fixture
def audit(tmp_path: Path) -> Path:
    """A folder with two days of an honest log, the first archived, and the key that signed it beside it."""
    folder, today = tmp_path / "audit", tmp_path / "audit" / "audit_2026-02-27.jsonl"
    (folder / "archive").mkdir(parents=True)
    yesterday = recipe.lines(recipe.entries(5, seed=1))
    (folder / "archive" / "audit_2026-02-26.jsonl.gz").write_bytes(gzip.compress(b"".join(yesterday)))
    recipe.write(today, recipe.entries(40, seed=2))
    (tmp_path / "key").write_text(recipe.SECRET)
    (tmp_path / "key").chmod(0o600)
    return folder


def test_an_honest_audit_log_is_verified_and_the_rest_is_said(audit: Path) -> None:
    ran = run(audit, "--key-file", audit.parent / "key", "--json")
    chain = ran.document["chain"]
    assert (ran.code, chain["verdict"], chain["counts"]) == (0, "ok", {})
    assert (chain["coverage"]["lines"], chain["coverage"]["hmac_ok"]) == (45, 45)
    assert ran.document["unattested"]
    assert ran.document["audit_entries"] >= 40


def test_an_audit_log_that_was_changed_is_reported_on_and_fails(audit: Path) -> None:
    day = audit / "audit_2026-02-27.jsonl"
    lines = day.read_bytes().splitlines(keepends=True)
    day.write_bytes(b"".join([*lines[:16], lines[16].replace(b'"user-', b'"abuser-'), *lines[17:]]))
    for paths in ((audit,), (f"{audit}/*.jsonl",), (day, SAMPLE)):
        ran = run(*paths, "--key-file", audit.parent / "key", "--json")
        assert ran.code == 1
        assert ran.document["chain"]["first_bad"] == {"file": day.name, "line": 17, "class": "edited"}
        assert ran.document["totals"]["requests"] >= 40
    assert f"{day.name} line 17 was edited" in run(audit, "--key-file", audit.parent / "key").text


def test_without_a_key_a_log_is_not_ok(audit: Path) -> None:
    ran = run(audit, "--json")
    assert (ran.code, ran.document["chain"]["verdict"]) == (0, "unverifiable")


def test_other_logs_have_no_chain_and_are_not_accused(audit: Path, tmp_path: Path) -> None:
    folder = tmp_path / "router"
    folder.mkdir()
    (folder / "router.jsonl").write_bytes(call("a@example.com"))
    ran = run(folder, SAMPLE, "--key-file", audit.parent / "key", "--json")
    assert (ran.code, ran.document["chain"]) == (0, None)
    assert "nothing to check" in ran.narration
    both = run(folder, audit, "--key-file", audit.parent / "key", "--json").document
    assert both["chain"]["verdict"] == "ok"
    assert set(both["chain"]["coverage"]["files"]) == {"audit_2026-02-26.jsonl", "audit_2026-02-27.jsonl"}


def test_an_audit_log_that_cannot_be_verified_is_no_reason_for_no_report(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def verdict(arguments: object, paths: object) -> None:
        raise SourceError("audit.lock cannot be read: check its permissions")

    monkeypatch.setattr(report, "chain_verdict", verdict)
    ran = run(SAMPLE, "--json")
    assert (ran.code, ran.document["chain"]) == (3, None)
    assert "check its permissions" in ran.narration


def test_keys_that_are_none_are_refused_before_anything_is_read(tmp_path: Path) -> None:
    assert_refused(run(SAMPLE, "--key-file", tmp_path / "none"), 2, "none")
    assert_refused(run(SAMPLE, "--public-key", SAMPLE), 2, "public key")


def without_time(document: dict[str, object]) -> dict[str, object]:
    return {name: value for name, value in document.items() if name != "made"}
