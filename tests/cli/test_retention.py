"""`llmwatch retention`: its words, its exit codes, and what it prints."""

from __future__ import annotations

import argparse
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llmwatch.cli import retention
from llmwatch.errors import LlmwatchError, SourceError, UsageError
from tests.audit import recipe
from tests.audit.sealed import SIGNER, SealedLog


def _run(*words: str | Path) -> int:
    parser = argparse.ArgumentParser()
    retention.add_arguments(parser)
    return retention.run(parser.parse_args([str(word) for word in words]))


def _day(days_ago: int) -> str:
    return str((datetime.now(UTC) - timedelta(days=days_ago)).date())


def _name(days_ago: int) -> str:
    return f"audit_{_day(days_ago)}.jsonl"


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    for age in (100, 50, 10, 1):
        recipe.write(tmp_path / _name(age), recipe.entries(2, age))
    (tmp_path / "audit_old.jsonl").write_bytes(b"x")
    return tmp_path


@pytest.fixture
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from cryptography.hazmat.primitives.asymmetric import ed25519
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    private = ed25519.Ed25519PrivateKey.from_private_bytes(SIGNER.private)
    path = tmp_path_factory.mktemp("keys") / "log.pem"
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    path.chmod(0o600)
    return path


def test_the_plan_is_printed_and_nothing_is_done(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = sorted(plain.rglob("*"))
    assert _run(plain, "--archive-after", "30d", "--delete-after", "90d", "--dry-run") == 0
    shown = capsys.readouterr()
    assert sorted(plain.rglob("*")) == before
    rows = {line.split()[0]: line.split()[1] for line in shown.out.splitlines()[1:-1]}
    assert rows == {_name(100): "delete", _name(50): "archive", "audit_old.jsonl": "keep"}
    assert "2 days kept" in shown.out
    assert "1 day leaves no trace" in shown.err


def test_what_was_done_is_told_as_json(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert _run(plain, "--archive-after", "30d", "--delete-after", "90d", "--json") == 0
    told = json.loads(capsys.readouterr().out)
    assert told["dry_run"] is False
    assert {one["file"]: one["outcome"] for one in told["files"]} == {
        _name(100): "deleted",
        _name(50): "archived",
        _name(10): "kept",
        _name(1): "kept",
        "audit_old.jsonl": "kept",
    }
    assert all(one["reason"] for one in told["files"])
    assert (plain / "archive" / f"{_name(50)}.gz").exists()


def test_a_signed_log_wants_its_key(tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]) -> None:
    log = SealedLog(tmp_path / "log")
    for age in (100, 50, 1):
        log.day(_day(age), 3, seal=age > 1)
    assert _run(log.folder, "--delete-after", "90d", "--dry-run", "--json") == 0
    (planned,) = (one for one in json.loads(capsys.readouterr().out)["files"] if one["file"] == _name(100))
    assert planned["outcome"] == "refused"
    assert "--sign-key" in planned["reason"]
    assert _run(log.folder, "--delete-after", "90d") == 1
    assert "--sign-key" in capsys.readouterr().err
    assert _run(log.folder, "--delete-after", "90d", "--dry-run", "--sign-key", key) == 0
    assert f"{_name(100)}  delete " in capsys.readouterr().out
    assert _run(log.folder, "--delete-after", "90d", "--sign-key", key) == 0
    assert not (log.folder / _name(100)).exists()
    assert (log.folder / f"audit_{_day(100)}.gone").exists()


def test_a_day_that_is_left_alone_is_a_finding(plain: Path, capsys: pytest.CaptureFixture[str]) -> None:
    archived = plain / "archive" / f"{_name(50)}.gz"
    archived.parent.mkdir()
    archived.write_bytes(b"x")
    assert _run(plain, "--archive-after", "30d") == 1
    assert "find out why" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "error"),
    [
        ((), UsageError),
        (("--archive-after", "today"), UsageError),
        (("--archive-after", "2026-02-27"), UsageError),
        (("--archive-after=-3d",), UsageError),
        (("--delete-after", "99999999999d"), UsageError),
        (("--delete-after", "30"), UsageError),
        (("--archive-after", "30d", "--sign-key", "nowhere"), UsageError),
    ],
)
def test_what_is_no_policy_is_refused(
    plain: Path, words: tuple[str, ...], error: type[LlmwatchError]
) -> None:
    with pytest.raises(error):
        _run(plain, *words)


def test_what_is_no_folder_of_a_log_is_named(tmp_path: Path) -> None:
    for path in (tmp_path / "nowhere", tmp_path):
        with pytest.raises(SourceError, match=path.name):
            _run(path, "--archive-after", "30d")
