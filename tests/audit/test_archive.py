"""The bytes of a file of entries: as they are, archives strictly, and whatever happens to the file meanwhile."""

from __future__ import annotations

import gzip
import os
import zlib
from pathlib import Path

import pytest

from llmwatch.audit import archive
from llmwatch.audit.archive import Reading, opened
from llmwatch.audit.folder import LogFile, log_file
from llmwatch.errors import SourceError

_LINES = b"".join(b'{"id": "%d", "x": "%d"}\n' % (number, number**3) for number in range(15))


def _file(folder: Path, data: bytes, ending: str = "") -> LogFile:
    path = folder / f"audit_2026-02-27.jsonl{ending}"
    path.write_bytes(data)
    return log_file(path)


def _read(file: LogFile) -> tuple[bytes, list[str]]:
    with opened(file) as content:
        return bytes(content.data), [finding.name for finding in content.findings]


@pytest.mark.parametrize("in_memory", [1 << 20, 100], ids=["small", "large"])
@pytest.mark.parametrize("data", [_LINES, b"", b"\0" * 200, _LINES[:-1]])
def test_a_plain_file_is_what_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int, data: bytes
) -> None:
    monkeypatch.setattr(archive, "_IN_MEMORY", in_memory)
    assert _read(_file(tmp_path, data)) == (data, [])


def test_a_large_file_is_copied_also_where_the_system_does_not_help(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(archive, "_IN_MEMORY", 100)
    monkeypatch.delattr(os, "copy_file_range", raising=False)
    assert _read(_file(tmp_path, _LINES)) == (_LINES, [])


@pytest.mark.parametrize("data", [_LINES, b""])
def test_an_archive_is_unpacked(tmp_path: Path, data: bytes) -> None:
    assert _read(_file(tmp_path, gzip.compress(data), ".gz")) == (data, [])


def test_an_archive_cut_anywhere_gives_what_is_left_and_says_so(tmp_path: Path) -> None:
    packed = gzip.compress(_LINES)
    for length in range(len(packed)):
        data, found = _read(_file(tmp_path, packed[:length], ".gz"))
        assert found == ["archive_truncated"], length
        assert _LINES.startswith(data)
    assert len(data) == len(_LINES)


@pytest.mark.parametrize(
    "more", [gzip.compress(b"more\n"), b"\0", b"x" * 200_000], ids=["member", "nul", "much"]
)
def test_what_follows_an_archive_is_not_taken_for_a_part_of_it(tmp_path: Path, more: bytes) -> None:
    file = _file(tmp_path, gzip.compress(_LINES) + more, ".gz")
    with opened(file) as content:
        (finding,) = content.findings
        assert bytes(content.data) == _LINES
    assert finding.name == "archive_trailing_data"
    assert f"{len(more):,} bytes" in finding.detail


def test_a_damaged_archive_says_so_or_gives_the_right_bytes(tmp_path: Path) -> None:
    packed = gzip.compress(_LINES)
    for place in range(len(packed)):
        damaged = bytearray(packed)
        damaged[place] ^= 0x10
        data, found = _read(_file(tmp_path, bytes(damaged), ".gz"))
        assert found or data == _LINES, place


@pytest.mark.parametrize("data", [b"", b"not an archive", b"\x1f\x8b", zlib.compress(_LINES)])
def test_what_is_no_archive_is_not_ok(tmp_path: Path, data: bytes) -> None:
    assert _read(_file(tmp_path, data, ".gz")) == (b"", ["archive_truncated"])


def test_a_bomb_is_not_unpacked_to_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_MOST_UNPACKED", 3 << 20)
    monkeypatch.setattr(archive, "_MOST_TIMES", 4)
    data, found = _read(_file(tmp_path, gzip.compress(bytes(20 << 20)), ".gz"))
    assert found == ["archive_truncated"]
    assert len(data) <= 4 << 20


def test_a_file_that_grows_is_read_to_where_it_ended(tmp_path: Path) -> None:
    file = _file(tmp_path, _LINES)
    with Reading(file) as reading:
        with file.path.open("ab") as out:
            out.write(b"more\n")
        assert b"".join(reading) == _LINES


@pytest.mark.parametrize("in_memory", [1 << 20, 100], ids=["small", "large"])
def test_a_file_that_is_cut_while_it_is_looked_at_kills_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, in_memory: int
) -> None:
    monkeypatch.setattr(archive, "_IN_MEMORY", in_memory)
    file = _file(tmp_path, _LINES * 2000)
    with opened(file) as content:
        os.truncate(file.path, 10)
        assert content.data[:] == _LINES * 2000


def test_a_view_of_the_bytes_may_outlive_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "_IN_MEMORY", 100)
    with opened(_file(tmp_path, _LINES)) as content:
        view = memoryview(content.data)
    assert view == _LINES
    view.release()


def test_what_cannot_be_read_is_named(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "audit_2026-02-26.jsonl")
    (tmp_path / "audit_2026-02-25.jsonl").mkdir()
    for name in ("audit_2026-02-26.jsonl", "audit_2026-02-25.jsonl", "audit_2026-02-24.jsonl", "x.gz"):
        with pytest.raises(SourceError, match=name):
            _read(log_file(tmp_path / name))
