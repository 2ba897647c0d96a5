"""Bad input gets one sentence that names the thing and the remedy."""

from __future__ import annotations

import errno
import os
import socket
from pathlib import Path
from unittest import mock

import pytest

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.open import open_paths
from llmwatch.sources.slicer import Slicer
from tests.sources.following import lines_of, pull

REFUSED = [
    (bytes(range(256)) * 40, "is a binary file, not a log"),
    ("{}\n".encode("utf-16"), "is UTF-16 text; convert it with `iconv"),
    ('{"a": 1}\n{"b": 2}\n'.encode("utf-16-le"), "looks like UTF-16 text"),
    ('{"a": 1}\n{"b": 2}\n'.encode("utf-16-be"), "looks like UTF-16 text"),
    (b"\xfd7zXZ\0\0\0", "is compressed with xz; unpack it"),
    (bytes(20_000), "is a binary file"),
]


def refuse(path: str, *rest: int) -> int:
    raise PermissionError(errno.EACCES, "Permission denied", path)


def sentence(*paths: Path | str, follow: bool = False) -> str:
    with pytest.raises(SourceError) as caught:
        open_paths([str(path) for path in paths], follow=follow)
    assert caught.value.exit_code == 3
    assert str(paths[0]) in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(("data", "words"), REFUSED)
def test_what_is_no_log_is_refused(tmp_path: Path, data: bytes, words: str) -> None:
    path = tmp_path / "file.log"
    path.write_bytes(data)
    assert words in sentence(path)
    source = open_paths([str(path)], follow=True)
    assert pull(source) == []
    (state,) = source.states()
    assert state.status == "error"
    assert words in state.detail
    path.write_text("a log now\n")
    assert lines_of(pull(source)) == [b"a log now"]
    assert source.states()[0].status == "live"
    source.close()


def test_single_nul_bytes_do_not_make_a_log_binary(tmp_path: Path) -> None:
    path = tmp_path / "file.log"
    path.write_bytes(b"one\ntw\0o\nthree\nfour\n")
    assert len(lines_of(pull(open_paths([str(path)], follow=False)))) == 4


def test_a_missing_file_is_named_with_the_nearest_one(tmp_path: Path) -> None:
    (tmp_path / "router.jsonl").touch()
    words = sentence(tmp_path / "ruoter.jsonl")
    assert words.endswith(f"does not exist; is {tmp_path}/router.jsonl meant?")
    assert sentence(tmp_path / "other").endswith("does not exist; check the path.")
    assert "cannot be listed" in sentence(tmp_path / "none" / "file", follow=True)
    assert "matches no file" in sentence(tmp_path / "*.nothing")


def test_a_folder_without_logs_is_named_with_a_way_out(tmp_path: Path) -> None:
    assert "holds no logs (*.jsonl, *.json, *.log" in sentence(tmp_path)
    (tmp_path / "notes.txt").touch()
    assert f"name a file in it, such as {tmp_path}/notes.txt" in sentence(tmp_path)


def test_an_empty_path_is_a_usage_error() -> None:
    for paths in ([], [""]):
        with pytest.raises(UsageError):
            open_paths(paths, follow=False)


def test_an_unreadable_file_is_named_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "secret.log"
    path.write_text("x\n")
    with mock.patch("os.open", refuse):
        assert "permission denied" in sentence(path)


def test_a_socket_is_refused(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "s"))
        assert "is a device or socket" in sentence(tmp_path / "s")


def test_of_several_what_can_be_read_is_and_the_others_are_told_of(tmp_path: Path) -> None:
    (tmp_path / "good.log").write_text("x\n")
    (tmp_path / "bad.log").write_bytes(REFUSED[0][0])
    paths = [str(tmp_path / name) for name in ("good.log", "bad.log", "none.log")]
    source = open_paths(paths, follow=False)
    assert lines_of(pull(source)) == [b"x"]
    assert [(state.name, state.status) for state in source.states()] == list(
        zip(paths, ["ended", "error", "error"], strict=True)
    )
    assert source.ended
    assert len(sentence(*paths[1:]).splitlines()) == 2


def test_an_empty_file_is_said_and_is_no_error(tmp_path: Path) -> None:
    path = tmp_path / "empty.log"
    path.touch()
    source = open_paths([str(path)], follow=False)
    assert pull(source) == []
    assert [(s.status, s.detail) for s in source.states()] == [("ended", f"{path} is empty.")]


def test_a_bom_is_no_part_of_the_first_line_and_crlf_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "windows.log"
    path.write_bytes(b"\xef\xbb\xbfa\r\nb\r\n")
    (piece,) = pull(open_paths([str(path)], follow=False))
    assert piece.data == b"a\r\nb\r\n"


def test_bulk_reading_fills_slices_with_whole_lines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Slicer.__init__, "__defaults__", (100_000,))
    path = tmp_path / "big.log"
    lines = [b"%d " % n + b"x" * (n % 97) for n in range(20_000)]
    path.write_bytes(b"\n".join(lines))
    source = open_paths([str(path)], follow=False)
    pieces = [*source.read(), *source.finish()]
    assert lines_of(pieces) == lines
    assert os.path.getsize(path) + 1 == sum(len(piece.data) for piece in pieces)
