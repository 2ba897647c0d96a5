"""Bytes in any portions give the same lines with the same numbers."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llmwatch.sources.slicer import Slicer
from llmwatch.store.slice import Slice

BOM = b"\xef\xbb\xbf"
TEXT = st.lists(st.sampled_from([b"\n", b"\r\n", b"{}", b"\xff", b"\0", b" ", BOM])).map(b"".join)


def cut(data: bytes, places: list[int], limit: int = 1000) -> list[Slice]:
    slicer = Slicer("file", "stream", limit)
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    given_out = [slicer.feed(data[start:end]) for start, end in pairwise(ends)]
    return [piece for piece in (*given_out, slicer.finish()) if piece is not None]


@given(TEXT, st.lists(st.integers(0, 1000)))
def test_any_split_gives_every_byte_once_and_true_line_numbers(data: bytes, places: list[int]) -> None:
    pieces = cut(data, places)

    text = data.removeprefix(BOM)
    whole = b"".join(piece.data for piece in pieces)
    assert whole in (text, text + b"\n")
    assert not text or whole.endswith(b"\n")
    line = 1
    for piece in pieces:
        assert piece.data.endswith(b"\n")
        assert piece.first_line == line
        line += piece.data.count(b"\n")


@given(st.lists(st.integers(0, 30)), st.lists(st.integers(0, 1000)))
def test_a_line_that_fits_no_slice_loses_its_end_and_the_loss_is_counted(
    sizes: list[int], places: list[int]
) -> None:
    limit = 10
    data = b"".join(b"x" * size + b"\n" for size in sizes)
    slicer = Slicer("file", "stream", limit)
    ends = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    out = b""
    for start, end in pairwise(ends):
        portion = data[start:end]
        while portion:
            room = slicer.room
            piece = slicer.feed(portion[:room])
            assert piece is None or len(piece.data) <= limit
            out += piece.data if piece else b""
            portion = portion[room:]

    assert [len(line) for line in out.splitlines()] == [min(size, limit - 1) for size in sizes]
    assert slicer.left_out == sum(max(size - limit + 1, 0) for size in sizes)


def test_numbers_stay_true_behind_a_long_line() -> None:
    pieces = cut(b"12345678901234\nb\n", [9, 12], limit=10)
    assert [(piece.first_line, piece.data) for piece in pieces] == [(1, b"123456789\n"), (2, b"b\n")]
