"""Which files belong together, and in which order they are read."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from llmwatch.sources.discover import LogName, logs_in, matches_of, text_of
from llmwatch.sources.open import open_paths
from tests.sources.following import lines_of, pull


@pytest.mark.parametrize(
    ("name", "base", "stream"),
    [
        ("router.jsonl", "router.jsonl", "router.jsonl"),
        ("router.jsonl.1", "router.jsonl", "router.jsonl"),
        ("router.jsonl.12.gz", "router.jsonl", "router.jsonl"),
        ("router.jsonl.zst", "router.jsonl", "router.jsonl"),
        ("router.jsonl-20260227.gz", "router.jsonl", "router.jsonl-20260227"),
        ("router.jsonl-20260227.2", "router.jsonl", "router.jsonl-20260227"),
        ("router.jsonl.2026-02-27T16:47.gz", "router.jsonl", "router.jsonl.2026-02-27T16:47"),
        ("router-2026-02-27.jsonl", "router-2026-02-27.jsonl", "router-2026-02-27.jsonl"),
        ("app.2.log", "app.2.log", "app.2.log"),
        ("with\nnewline.log.3", "with\nnewline.log", "with\nnewline.log"),
    ],
)
def test_names_are_taken_apart(name: str, base: str, stream: str) -> None:
    log = LogName.of(f"/some/folder/{name}")
    assert (log.base, log.stream) == (base, stream)


ORDERED = [
    "audit.log",
    "router-2026-02-26.jsonl",
    "router-2026-02-27.jsonl",
    "router.jsonl-20260225.gz",
    "router.jsonl-20260226",
    "router.jsonl.10.gz",
    "router.jsonl.2.zst",
    "router.jsonl.1",
    "router.jsonl",
]


def test_a_folder_brings_its_logs_oldest_rotation_first(tmp_path: Path) -> None:
    for name in [*reversed(ORDERED), "notes.txt", ".hidden.log", "core.1"]:
        (tmp_path / name).write_text(name)
    (tmp_path / "sub.log").mkdir()
    assert [os.path.basename(one.path) for one in logs_in(str(tmp_path))] == ORDERED
    assert [os.path.basename(one.path) for one in matches_of(str(tmp_path / "router.j*l"))] == ORDERED[3:]


def test_slices_name_their_file_and_the_stream_of_all_rotations(tmp_path: Path) -> None:
    (tmp_path / "router.jsonl.1").write_text("1\n2\n")
    (tmp_path / "router.jsonl").write_text("3\n")
    pieces = pull(open_paths([str(tmp_path)], follow=False))
    folder = str(tmp_path)
    assert [(piece.source, piece.stream, piece.first_line, piece.data) for piece in pieces] == [
        (f"{folder}/router.jsonl.1", f"{folder}/router.jsonl", 1, b"1\n2\n"),
        (f"{folder}/router.jsonl", f"{folder}/router.jsonl", 1, b"3\n"),
    ]


def test_a_file_named_alone_comes_alone(tmp_path: Path) -> None:
    (tmp_path / "router.jsonl.1").write_text("1\n")
    (tmp_path / "router.jsonl").write_text("2\n")
    assert lines_of(pull(open_paths([str(tmp_path / "router.jsonl")], follow=False))) == [b"2"]
    followed = open_paths([str(tmp_path / "router.jsonl")], follow=True)
    assert lines_of(pull(followed)) == [b"2"]
    followed.close()


def test_a_file_reached_in_many_ways_is_read_once(tmp_path: Path) -> None:
    path = tmp_path / "router.jsonl"
    path.write_text("once\n")
    (tmp_path / "link.log").symlink_to(path)
    os.link(path, tmp_path / "hard.log")
    paths = [path, path, tmp_path / "link.log", tmp_path / "*.jsonl", tmp_path, tmp_path / "." / "hard.log"]
    source = open_paths([str(path) for path in paths], follow=False)
    assert lines_of(pull(source)) == [b"once"]


def test_a_compressed_copy_beside_its_original_is_not_read_again_and_that_is_said(tmp_path: Path) -> None:
    import gzip

    (tmp_path / "router.jsonl").write_text("same\n")
    (tmp_path / "router.jsonl.gz").write_bytes(gzip.compress(b"same\n"))
    (tmp_path / "other.jsonl").write_text("new\n")
    (tmp_path / "other.jsonl.gz").write_bytes(gzip.compress(b"old\n"))
    source = open_paths([str(tmp_path)], follow=False)
    assert sorted(lines_of(pull(source))) == [b"new", b"old", b"same"]
    assert [s.detail for s in source.states() if s.detail] == [
        f"{tmp_path}/router.jsonl.gz holds the lines of {tmp_path}/router.jsonl and is not read a second time."
    ]


def test_names_that_are_not_utf8_become_text(tmp_path: Path) -> None:
    raw = os.fsencode(tmp_path) + b"/bad\xff.jsonl"
    Path(os.fsdecode(raw)).write_text("x\n")
    (piece,) = pull(open_paths([str(tmp_path)], follow=False))
    assert piece.source == f"{tmp_path}/bad\\xff.jsonl"
    piece.source.encode("utf-8")
    assert text_of("plain") == "plain"


def test_archived_days_of_an_audit_log_are_read_with_it_once(tmp_path: Path) -> None:
    (tmp_path / "archive").mkdir()
    for name in (
        "audit_2026-02-28.jsonl",
        "audit_2026-03-01.jsonl",
        "archive/audit_2026-02-27.jsonl.gz",
        "archive/audit_2026-02-28.jsonl.gz",
        "archive/other.jsonl",
    ):
        (tmp_path / name).write_bytes(b"{}\n")
    assert sorted(os.path.relpath(one.path, tmp_path) for one in logs_in(str(tmp_path))) == [
        "archive/audit_2026-02-27.jsonl.gz",
        "audit_2026-02-28.jsonl",
        "audit_2026-03-01.jsonl",
    ]
