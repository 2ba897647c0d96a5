"""The folder of an audit log from the shell: its days and its archive are read, what lies beside them is not."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest

from tests.cli.running import DATA, here

LINES = (DATA / "openrouter-audit.jsonl").read_bytes().splitlines(keepends=True)
DAYS = {
    "audit_2026-02-25.jsonl": LINES[:4],
    "audit_2026-02-26.jsonl": LINES[4:7],
    "audit_2026-02-27.jsonl": LINES[7:],
}
BESIDE = (
    "audit_checkpoints.txt",
    "audit_2026-02-25.digest",
    "audit_2026-01-01.gone",
    "audit.lock",
    "audit.state",
    "audit_torn_2026-02-26_100_0123456789ab.bin",
)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("audit")
    for name, lines in DAYS.items():
        (folder / name).write_bytes(b"".join(lines))
    for name in BESIDE:
        (folder / name).write_bytes(LINES[0].replace(b"alice", b"mallory"))
    (folder / "archive").mkdir()
    archived = LINES[0].replace(b"alice", b"zoe").replace(b"000001", b"000099")
    with gzip.open(folder / "archive" / "audit_2026-01-20.jsonl.gz", "wb") as packed:
        packed.write(archived)
    return folder


def test_the_tables_have_users_models_and_errors(folder: Path) -> None:
    document = here("top", folder, "--by", "user,model", "--json").document
    assert (
        document["counters"] | {"lines": 12, "events": 12, "calls": 10, "other_requests": 0}
        == document["counters"]
    )
    rows = {(row["user"], row["model"]): row for row in document["rows"]}
    alice = rows["alice@example.com", "anthropic/claude-3.5-sonnet"]
    figures = (
        "requests",
        "errors",
        "unmetered",
        "input_tokens",
        "cache_read_tokens",
        "output_tokens",
        "cost_usd",
    )
    assert [alice[name] for name in figures] == [2, 0, 1, 1200, None, 340, 0.0087]
    archived = rows["zoe@example.com", "anthropic/claude-3.5-sonnet"]
    assert document["totals"]["cost_usd"] - archived["cost_usd"] == pytest.approx(0.012006)
    assert document["totals"]["unpriced"] == 1
    errors = here("top", folder, "--by", "error", "--json").document["rows"]
    assert {row["error"]: row["requests"] for row in errors} == {
        None: 8,
        "NotFoundError": 1,
        "RateLimitError": 1,
    }


def test_each_day_is_a_source_and_an_archived_one_too(folder: Path) -> None:
    def sources(*words: object) -> dict[str, int]:
        rows = here("top", *words, "--by", "source", "--json").document["rows"]
        return {Path(row["source"]).name: row["requests"] for row in rows}

    days = {"audit_2026-02-25.jsonl": 4, "audit_2026-02-26.jsonl": 3, "audit_2026-02-27.jsonl": 2}
    assert sources(folder) == days | {"audit_2026-01-20.jsonl.gz": 1}
    assert sources(f"{folder}/**/*.jsonl*") == days | {"audit_2026-01-20.jsonl.gz": 1}
    assert sources(folder, folder / "archive") == days | {"audit_2026-01-20.jsonl.gz": 1}
    assert sources(f"{folder}/*.jsonl") == days


def test_entries_are_printed_searched_and_asked_about(folder: Path) -> None:
    lines = here("tail", folder, "--no-follow", "--plain").text.splitlines()
    assert len(lines) == 12
    assert lines[1].split() == [
        *("2026-02-27T09:00:05.500Z", "INFO", "chat_completion", "user=bob@example.com"),
        *("model=openai/gpt-4o-mini", "latency=513", "ms", "input=800", "output=60"),
        "request=00000000-0000-4000-8000-000000000002",
    ]
    found = here("search", "status:error user:bob", folder, "--json").document["rows"]
    assert [(row["kind"], row["error"]) for row in found] == [("call", "RateLimitError")]
    assert len(here("search", "kind:security", folder, "--json").document["rows"]) == 1
    assert len(here("search", '"s-1"', folder, "--json").document["rows"]) == 5
    calls = here("search", "provider:openrouter cost>0.001", "--calls", folder, "--json").document["rows"]
    assert {row["model"] for row in calls} == {
        "anthropic/claude-3.5-sonnet",
        "openai/text-embedding-3-small",
        "x-ai/grok-3",
    }
    asked = here(
        "query", 'filter status = "error" | stats count(*) as n by error_type', folder, "--json"
    ).document
    assert sorted(json.dumps(row) for row in asked["rows"]) == [
        '{"error_type": "NotFoundError", "n": 1}',
        '{"error_type": "RateLimitError", "n": 1}',
    ]
    answered = here(
        "sql", "SELECT count(*) AS n FROM calls WHERE dialect = 'openrouter'", folder, "--json"
    ).document
    assert answered["rows"] == [{"n": 10}]
