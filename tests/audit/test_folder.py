"""Which files a log has, and in what order."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from llmwatch.audit.folder import day_of, find_logs
from llmwatch.errors import SourceError


def put(folder: Path, *names: str) -> None:
    for name in names:
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"{}\n")


def names(folder: Path) -> list[str]:
    (log,) = find_logs([folder])
    return [str(file.path.relative_to(folder)) for file in log.files]


def test_days_are_in_order_with_their_archive(tmp_path: Path) -> None:
    put(
        tmp_path,
        "audit_2026-02-28.jsonl",
        "audit_2026-03-01.jsonl",
        "archive/audit_2026-02-27.jsonl.gz",
        "archive/audit_2026-02-28.jsonl.gz",
        "audit_2026-02-27.digest",
        "audit_checkpoints.txt",
        "audit_torn_2026-02-27_10_abc.bin",
        "router.jsonl",
    )
    assert names(tmp_path) == [
        "archive/audit_2026-02-27.jsonl.gz",
        "audit_2026-02-28.jsonl",
        "archive/audit_2026-02-28.jsonl.gz",
        "audit_2026-03-01.jsonl",
    ]


def test_a_name_that_is_no_date_is_read_last_and_has_no_day(tmp_path: Path) -> None:
    put(tmp_path, "audit_2026-02-30.jsonl", "audit_backup.jsonl", "audit_2026-02-28.jsonl")
    assert names(tmp_path) == ["audit_2026-02-28.jsonl", "audit_2026-02-30.jsonl", "audit_backup.jsonl"]
    assert day_of("audit_2026-02-30.jsonl") is None
    assert day_of("audit_2026-02-28.jsonl.gz") == date(2026, 2, 28)


def test_a_folder_of_other_names_is_read_whole(tmp_path: Path) -> None:
    put(tmp_path, "b.jsonl", "a.jsonl", "notes.txt")
    assert names(tmp_path) == ["a.jsonl", "b.jsonl"]


def test_files_of_one_folder_are_one_log_that_is_not_whole(tmp_path: Path) -> None:
    put(tmp_path, "logs/audit_2026-02-28.jsonl", "logs/archive/audit_2026-02-27.jsonl.gz", "x/odd name")
    archived, plain = (
        tmp_path / "logs/archive/audit_2026-02-27.jsonl.gz",
        tmp_path / "logs/audit_2026-02-28.jsonl",
    )
    first, second = find_logs([plain, archived, plain, tmp_path / "x/odd name"])
    assert [file.path for file in first.files] == [archived, plain]
    assert [file.name for file in second.files] == ["odd name"]
    assert first.folder == tmp_path / "logs"
    assert not first.whole


def test_what_is_no_log_is_said(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="is not there"):
        find_logs([tmp_path / "missing"])
    with pytest.raises(SourceError, match="holds no audit log"):
        find_logs([tmp_path])
