"""Compressed files are read as far as they are whole, and what is missing is said."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest
import zstandard

from llmwatch.sources.open import open_paths
from tests.sources.following import lines_of, pull

RANDOM = Random(1)
LINES = [b'{"line":%d,"text":"%s"}' % (n, RANDOM.randbytes(20).hex().encode()) for n in range(600)]
TEXT = b"".join(line + b"\n" for line in LINES)


def frames(compress: Callable[[bytes], bytes], parts: int) -> bytes:
    """Cut anywhere, not at line ends."""
    step = -(-len(TEXT) // parts)
    return b"".join(compress(TEXT[at : at + step]) for at in range(0, len(TEXT), step))


def zstd(data: bytes) -> bytes:
    return zstandard.ZstdCompressor(write_checksum=True).compress(data)


PACKINGS = [pytest.param(gzip.compress, "gz", id="gzip"), pytest.param(zstd, "zst", id="zstd")]


@pytest.mark.parametrize(("compress", "ending"), PACKINGS)
@pytest.mark.parametrize("parts", [1, 2, 40])
def test_all_members_are_read(
    tmp_path: Path, compress: Callable[[bytes], bytes], ending: str, parts: int
) -> None:
    path = tmp_path / f"router.jsonl.1.{ending}"
    path.write_bytes(frames(compress, parts))
    source = open_paths([str(path)], follow=False)
    assert lines_of(pull(source)) == LINES
    (state,) = source.states()
    assert (state.status, state.detail, state.bytes_read) == ("ended", "", path.stat().st_size)


@pytest.mark.parametrize(("compress", "ending"), PACKINGS)
@pytest.mark.parametrize("parts", [1, 7])
def test_cut_short_anywhere_whole_lines_are_read_and_the_rest_is_said(
    tmp_path: Path, compress: Callable[[bytes], bytes], ending: str, parts: int
) -> None:
    whole = frames(compress, parts)
    path = tmp_path / f"router.jsonl.1.{ending}"
    most = 0
    for size in range(1000, len(whole), 1000):
        path.write_bytes(whole[:size])
        source = open_paths([str(path)], follow=False)
        read = lines_of([*source.read(), *source.finish()])
        assert read == LINES[: len(read)]
        (state,) = source.states()
        assert state.status == "error"
        assert f"is cut short at byte {size}" in state.detail
        assert len(read) >= most
        most = len(read)
    assert most > len(LINES) / 2 or parts == 1


@pytest.mark.parametrize(("compress", "ending"), PACKINGS)
def test_damage_is_said_and_what_came_before_is_read(
    tmp_path: Path, compress: Callable[[bytes], bytes], ending: str
) -> None:
    data = bytearray(frames(compress, 4))
    data[len(data) * 3 // 4] ^= 0xFF
    path = tmp_path / f"router.jsonl.1.{ending}"
    path.write_bytes(data)
    source = open_paths([str(path)], follow=False)
    read = lines_of(pull(source))
    assert len(read) > 100
    assert "is damaged before byte" in source.states()[0].detail


def test_followed_it_goes_on_where_it_was_cut_short(tmp_path: Path) -> None:
    whole = frames(gzip.compress, 3)
    path = tmp_path / "router.jsonl.gz"
    path.write_bytes(whole[:9000])
    source = open_paths([str(path)], follow=True)
    read = lines_of(pull(source))
    path.write_bytes(whole)
    assert read + lines_of(pull(source)) == LINES
    source.close()


def test_padding_between_members_and_misleading_names_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "a.log").write_bytes(
        gzip.compress(b"1\n") + bytes(100_000) + gzip.compress(b"2\n") + bytes(7)
    )
    (tmp_path / "b.log.gz").write_bytes(b"3\n")
    (tmp_path / "c.log.zst").write_bytes(b"\x50\x2a\x4d\x18\x02\0\0\0xx" + zstd(b"4\n"))
    source = open_paths([str(tmp_path)], follow=False)
    assert lines_of(pull(source)) == [b"1", b"2", b"3", b"4"]
    assert {state.status for state in source.states()} == {"ended"}


def test_a_file_that_unpacks_to_gigabytes_is_read_in_bounded_slices(tmp_path: Path) -> None:
    path = tmp_path / "bomb.log.zst"
    path.write_bytes(zstd(b"line\n" + b" " * (100 << 20)))
    source = open_paths([str(path)], follow=False)
    sizes = [len(piece.data) for piece in source.read()]
    assert max(sizes) <= 64 << 20
    assert "longer than 64 MiB" in source.states()[0].detail
