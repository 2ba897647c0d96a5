"""Standard input and named pipes never make a followed source wait."""

from __future__ import annotations

import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwatch.sources.open import open_paths
from llmwatch.sources.stdin import StreamSource
from tests.sources.following import lines_of, pull


@pytest.fixture
def pipe() -> Iterator[tuple[int, io.BufferedReader]]:
    reading, writing = os.pipe()
    with open(reading, "rb") as stream:
        yield writing, stream


def test_what_is_there_is_read_and_halves_wait(pipe: tuple[int, io.BufferedReader]) -> None:
    writing, stream = pipe
    source = open_paths(["-"], follow=True, stdin=stream)
    assert pull(source) == []
    os.write(writing, b"one\ntw")
    assert lines_of(pull(source)) == [b"one"]
    assert pull(source) == []
    os.write(writing, b"o\nthree")
    (piece,) = pull(source)
    assert (piece.source, piece.first_line, piece.data) == ("-", 2, b"two\n")
    assert source.states()[0].status == "live"
    os.close(writing)
    assert pull(source) == []
    assert source.ended
    assert [(piece.first_line, piece.data) for piece in source.finish()] == [(3, b"three\n")]
    assert source.states()[0].status == "ended"


def test_unfollowed_it_is_read_to_its_end_however_slow_the_writer(
    pipe: tuple[int, io.BufferedReader],
) -> None:
    writing, stream = pipe
    text = b"".join(b"%07d\n" % n for n in range(200_000))

    def write() -> None:
        with open(writing, "wb") as file:
            file.write(text)

    thread = threading.Thread(target=write)
    thread.start()
    source = open_paths(["-"], follow=False, stdin=stream)
    assert b"".join(piece.data for piece in source.read()) == text
    thread.join()
    assert source.ended


def test_a_regular_file_as_standard_input_is_read_to_its_end(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_text("a\nb")
    for stream in (path.open("rb"), io.BytesIO(b"a\nb")):
        source = open_paths(["-", "/dev/stdin"], follow=True, stdin=stream)
        assert lines_of([*source.read(), *source.finish()]) == [b"a", b"b"]
        assert source.ended
        stream.close()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"\x1f\x8b\x08rest", "standard input is compressed"),
        ("x\n".encode("utf-16"), "standard input is UTF-16"),
        (b"", "standard input is empty."),
    ],
)
def test_what_is_no_log_is_said(data: bytes, words: str) -> None:
    source = StreamSource("-", io.BytesIO(data), follow=False)
    assert pull(source) == []
    assert words in source.states()[0].detail
    assert source.ended


def test_a_followed_named_pipe_waits_for_the_next_writer(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = open_paths([str(path)], follow=True)
    assert pull(source) == []
    for line in (b"first", b"second\n"):
        writer = os.open(path, os.O_WRONLY)
        os.write(writer, line)
        os.close(writer)
        assert lines_of([*pull(source), *pull(source)]) == [line.strip()]
    assert not source.ended
    source.close()
    source.close()


def test_a_named_pipe_ends_when_its_writer_leaves(tmp_path: Path) -> None:
    path = tmp_path / "fifo"
    os.mkfifo(path)
    source = open_paths([str(path)], follow=False)
    writer = os.open(path, os.O_WRONLY)
    os.write(writer, b"all\n")
    os.close(writer)
    assert lines_of(pull(source)) == [b"all"]
    assert source.ended
    source.close()
