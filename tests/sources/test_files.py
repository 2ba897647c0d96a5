"""What a person sees of followed files, and what following costs."""

from __future__ import annotations

import gzip
import os
import tempfile
import time
from pathlib import Path
from typing import Any
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.sources import files
from llmwatch.sources.files import GRACE_SECONDS, LATE_SECONDS, FileSource
from llmwatch.sources.open import open_paths
from llmwatch.sources.watch import FileWatch, FolderWatch
from tests.sources.following import Clock, lines_of, pull


def settle(*paths: Path) -> None:
    """Let the files look as if they were written a minute ago."""
    for path in paths:
        written = time.time() - 60
        os.utime(path, (written, written))


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


def statuses(source: FileSource) -> list[str]:
    return [state.status for state in source.states()]


@pytest.fixture
def clock() -> Clock:
    return Clock()


def follow_file(path: Path, clock: Clock) -> FileSource:
    return FileSource([FileWatch(str(path), follow=True)], follow=True, clock=clock)


def follow_folder(path: Path, clock: Clock) -> FileSource:
    return FileSource([FolderWatch(str(path), follow=True)], follow=True, clock=clock)


@given(st.lists(st.sampled_from([b"a", b"\n", b"\xef\xbb\xbf", b"(", b"\x1f", b"\xff"])))
def test_appended_in_any_portions_lines_and_numbers_are_the_same(portions: list[bytes]) -> None:
    data = b"first" + b"".join(portions)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.log"
        path.touch()
        source = open_paths([str(path)], follow=True)
        pieces = pull(source)
        for portion in (b"first", *portions):
            append(path, portion)
            pieces += pull(source)
        pieces += source.finish()
        source.close()
    text = b"".join(piece.data for piece in pieces)
    assert text == data + (b"" if data.endswith(b"\n") else b"\n")
    line = 1
    for piece in pieces:
        assert piece.first_line == line
        line += piece.data.count(b"\n")


def test_nothing_is_opened_or_read_while_nothing_changes(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "a.log").write_text("x\n")
    (tmp_path / "a.log.1").write_text("y\n")
    (tmp_path / "a.log.2.gz").write_bytes(gzip.compress(b"z\n"))
    (tmp_path / "empty.log").touch()
    (tmp_path / "binary.log").write_bytes(bytes(range(256)) * 40)
    settle(*tmp_path.iterdir())
    source = follow_folder(tmp_path, clock)
    assert sorted(lines_of(pull(source))) == [b"x", b"y", b"z"]
    calls: dict[str, Any] = {}
    with mock.patch("os.open") as calls["open"], mock.patch("os.pread") as calls["pread"]:
        for _ in range(100):
            clock.now += 0.5
            assert pull(source) == []
    assert not [name for name, call in calls.items() if call.called]
    source.close()


def test_a_file_that_is_not_there_yet_is_read_when_it_appears_and_again_when_it_comes_back(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "late.log"
    source = follow_file(path, clock)
    assert pull(source) == []
    assert source.states()[0].detail.endswith("is not there yet; it is read as soon as it appears.")
    path.write_text("1\n")
    assert lines_of(pull(source)) == [b"1"]
    assert statuses(source) == ["live"]
    append(path, b"2\n")
    path.unlink()
    assert lines_of(pull(source)) == [b"2"]
    assert statuses(source) == ["waiting"]
    assert "was deleted or moved away" in source.states()[0].detail
    path.write_text("3\n")
    (piece,) = pull(source)
    assert (piece.first_line, piece.data) == (1, b"3\n")
    path.unlink()
    path.mkdir()
    assert pull(source) == []
    assert statuses(source) == ["error"]
    assert "is a folder now" in source.states()[0].detail
    path.rmdir()
    path.write_text("4\n")
    assert lines_of(pull(source)) == [b"4"]
    assert statuses(source) == ["live"]
    source.close()


def test_a_watched_folder_may_be_empty_vanish_and_come_back(tmp_path: Path, clock: Clock) -> None:
    folder = tmp_path / "logs"
    folder.mkdir()
    source = follow_folder(folder, clock)
    assert pull(source) == []
    assert "holds no logs yet" in source.states()[0].detail
    for number, words in ((1, "is gone"), (2, "is gone")):
        folder.mkdir(exist_ok=True)
        (folder / "x.log").write_text(f"{number}\n")
        clock.now += 1
        assert lines_of(pull(source)) == [b"%d" % number]
        assert statuses(source) == ["live"]
        (folder / "x.log").unlink()
        folder.rmdir()
        clock.now += 1
        assert pull(source) == []
        assert words in source.states()[0].detail
        assert statuses(source) == ["waiting"]
    source.close()


def test_the_beginning_of_a_line_in_a_replaced_file_waits_for_its_end_a_moment(
    tmp_path: Path, clock: Clock
) -> None:
    path = tmp_path / "x.log"
    path.write_text("ha")
    source = follow_file(path, clock)
    assert pull(source) == []
    path.rename(tmp_path / "x.log.1")
    path.write_text("new\n")
    assert lines_of(pull(source)) == [b"new"]
    append(tmp_path / "x.log.1", b"lf\nlast")
    assert lines_of(pull(source)) == [b"half"]
    clock.now += GRACE_SECONDS
    assert lines_of(pull(source)) == [b"last"]
    assert list(source.finish()) == []
    source.close()


@pytest.mark.parametrize("packed", [True, False])
def test_a_copy_is_not_read_while_it_is_made(tmp_path: Path, clock: Clock, packed: bool) -> None:
    path = tmp_path / "x.log"
    path.write_bytes(b"".join(b"%d\n" % n for n in range(50_000)))
    made = path.read_bytes()
    source = follow_folder(tmp_path, clock)
    assert len(lines_of(pull(source))) == 50_000
    copy = tmp_path / ("x.log.1.gz" if packed else "x.log.1")
    content = gzip.compress(made) if packed else made
    for size in (0, 2, 10, 20, 40_000, len(content)):
        copy.write_bytes(content[:size])
        clock.now += 1
        assert pull(source) == []
    append(path, b"more\n")
    assert lines_of(pull(source)) == [b"more"]
    source.close()


def test_truncation_without_a_copy_is_told_of(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.log"
    path.write_text("one\ntwo\nthr")
    source = follow_file(path, clock)
    assert lines_of(pull(source)) == [b"one", b"two"]
    path.write_text("1\n2\n3\n4\n5\n6\n")  # longer than before, and of the same inode
    pieces = pull(source)
    assert [(piece.first_line, piece.data) for piece in pieces] == [(3, b"thr\n"), (1, b"1\n2\n3\n4\n5\n6\n")]
    assert "lost to every reader" in source.states()[0].detail
    source.close()


def test_zero_bytes_that_a_truncation_leaves_are_left_out(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.log"
    source = follow_file(path, clock)
    for hole in (100, 1 << 20):
        with path.open("wb") as file:
            file.seek(hole)
            file.write(b"after\n")
        assert lines_of(pull(source)) == [b"after"]
        assert f"begins with {hole} zero bytes" in source.states()[-1].detail
        path.unlink()
        assert pull(source) == []
    source.close()


def test_a_file_copied_over_by_name_goes_on_where_it_was(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.log"
    lines = [b"line %d of a log that another machine writes" % n for n in range(9)]
    path.write_bytes(b"\n".join(lines[:5]) + b"\n")
    source = follow_file(path, clock)
    assert lines_of(pull(source)) == lines[:5]
    other = tmp_path / ".x.log.part"
    other.write_bytes(b"\n".join(lines) + b"\n")
    other.rename(path)
    (piece,) = pull(source)
    assert piece.first_line == 6
    assert lines_of([piece]) == lines[5:]
    source.close()


def test_more_files_than_may_be_open_are_all_followed(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(files, "OPEN_FILES", 3)
    paths = [tmp_path / f"{n}.log" for n in range(9)]
    for path in paths:
        path.write_text(f"{path.name}\n")
    source = follow_folder(tmp_path, clock)
    before = len(os.listdir("/dev/fd"))
    assert len(lines_of(pull(source))) == 9
    assert len(os.listdir("/dev/fd")) <= before + 3
    for path in paths:
        append(path, b"more\n")
    clock.now += 1
    assert lines_of(pull(source)) == [b"more"] * 9
    source.close()
    assert len(os.listdir("/dev/fd")) == before


def test_rotations_of_a_long_run_are_let_go(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.log"
    path.touch()
    source = follow_folder(tmp_path, clock)
    before = len(os.listdir("/dev/fd"))
    read: list[bytes] = []
    for number in range(100):
        append(path, b"%d\n" % number)
        read += lines_of(pull(source))
        (tmp_path / "x.log.1").unlink(missing_ok=True)
        path.rename(tmp_path / "x.log.1")
        path.touch()
        clock.now += LATE_SECONDS
    read += lines_of(pull(source))
    assert read == [b"%d" % number for number in range(100)]
    assert len(os.listdir("/dev/fd")) <= before + 4
    assert len(source.states()) <= 3
    source.close()


def test_a_file_that_was_gone_before_it_could_be_read_is_told_of(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "x.log"
    path.write_text("secret\n")
    source = follow_folder(tmp_path, clock)
    with mock.patch("os.open", side_effect=PermissionError(13, "Permission denied")):
        assert pull(source) == []
        assert statuses(source) == ["error"]
        assert "permission denied" in source.states()[0].detail
        path.unlink()
        clock.now += 1
        assert pull(source) == []
    assert f"{path} was gone before its last 7 bytes could be read." in [s.detail for s in source.states()]
    source.close()
