"""A plain file comes in whole lines, each byte once, however small the pieces."""

from __future__ import annotations

import os
import random
from pathlib import Path

import pytest

from llmwatch.sources import plain, sieve
from llmwatch.sources.open import open_paths
from llmwatch.sources.plain import PlainFile
from llmwatch.sources.sieve import Sieve
from llmwatch.store.slice import WholeFile
from tests.sources.following import lines_of


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plain, "PIECE_BYTES", 64)
    monkeypatch.setattr(plain, "_LOOK_BACK", 16)
    monkeypatch.setattr(plain, "SLICE_BYTES", 256)
    monkeypatch.setattr(sieve, "WHOLE_BYTES", 0)


def whole(path: Path, *, size: int | None = None) -> WholeFile:
    status = os.stat(path)
    identity = (status.st_dev, status.st_ino)
    return WholeFile(str(path), path.name, str(path), identity, status.st_size if size is None else size)


def pieces_of(file: WholeFile) -> tuple[list[bytes], PlainFile]:
    opened = PlainFile(file)
    try:
        return list(opened.pieces()), opened
    finally:
        opened.close()


@pytest.mark.parametrize("seed", range(20))
def test_all_bytes_come_in_whole_lines(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    path = tmp_path / "log"
    lines = [b"x" * chance.choice((0, 1, 15, 60, 63, 64, 65, 130, 200)) for _ in range(chance.randrange(40))]
    data = b"\n".join(lines)
    path.write_bytes(data)
    pieces, opened = pieces_of(whole(path))
    assert b"".join(pieces) == (data if not data or data.endswith(b"\n") else data + b"\n")
    assert all(piece.endswith(b"\n") for piece in pieces)
    assert (opened.long_lines, opened.left_out, opened.position) == (0, 0, len(data))


@pytest.mark.parametrize("length", [256, 257, 400, 5_000])
@pytest.mark.parametrize("end", [b"", b"\n", b"\nlast\n"])
def test_a_line_that_fits_in_no_slice_loses_its_end(length: int, end: bytes, tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\n" + b"y" * length + end)
    pieces, opened = pieces_of(whole(path))
    first, long, *last = b"".join(pieces).splitlines()
    assert (first, last) == (b"first", [b"last"] if b"last" in end else [])
    assert len(long) + opened.left_out == length
    assert opened.long_lines == (len(long) < length)
    assert all(len(piece) <= 257 for piece in pieces)


def test_what_came_after_the_look_is_left(tmp_path: Path) -> None:
    path = tmp_path / "log"
    path.write_bytes(b"first\nsecond\n")
    pieces, _ = pieces_of(whole(path, size=6))
    assert pieces == [b"first\n"]


def test_another_file_in_its_place_is_noticed(tmp_path: Path) -> None:
    (tmp_path / "old").write_bytes(b"old\n")
    (tmp_path / "new").write_bytes(b"new\n")
    file = whole(tmp_path / "old")
    (tmp_path / "new").rename(tmp_path / "old")
    opened = PlainFile(file)
    opened.close()
    assert not opened.is_the_same


def a_log(first: int) -> bytes:
    return b"".join(b'{"n": %d}\n' % number for number in range(first, first + 200))


def test_a_sieve_reads_files_in_order_and_says_how_far_it_is(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl.1").write_bytes(a_log(0))
    (tmp_path / "r.jsonl").write_bytes(a_log(200))
    source = Sieve(open_paths([str(tmp_path)], follow=False), ['"n": (199|200|399)}'], before=1, after=1)
    pieces = [*source.read(), *source.finish()]
    assert lines_of(pieces) == [b'{"n": %d}' % number for number in (198, 199, 200, 201, 398, 399)]
    assert [piece.first_line for piece in pieces] == [199, 1, 199]
    assert source.lines_passed_over == 394
    assert [(state.status, state.bytes_read == state.bytes_total > 0) for state in source.states()] == [
        ("ended", True),
        ("ended", True),
    ]
    source.close()


def test_a_sieve_unwraps_what_is_wrapped_late(tmp_path: Path) -> None:
    path = tmp_path / "mixed.jsonl"
    wrapped = b'{"stream": "task/1", "timestamp": 1, "message": "{\\"needle\\": 1}"}\n'
    path.write_bytes(a_log(0) * 800 + wrapped + a_log(0) + b'{"needle": 2}\n')
    source = Sieve(open_paths([str(path)], follow=False), ["^never", '"needle"'])
    assert sorted(lines_of([*source.read(), *source.finish()])) == [b'{"needle": 1}', b'{"needle": 2}']
    source.close()
