"""A replay gives every line once, in order, and when its time has come."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources import replay
from llmwatch.sources.demo import write_demo
from llmwatch.sources.replay import ReplaySource

Play = Callable[..., ReplaySource]

FIRST = datetime(2026, 2, 27, 16, 47, 0, 2517, tzinfo=UTC)
NOW = datetime(2026, 3, 9, 8, 0, tzinfo=UTC)


class Clock:
    """A clock that stands until it is moved."""

    def __init__(self) -> None:
        self.time = NOW

    def __call__(self) -> datetime:
        return self.time


def at(seconds: float, **fields: object) -> bytes:
    """A line of that many seconds into the recording."""
    return json.dumps({"timestamp": (FIRST + timedelta(seconds=seconds)).isoformat(), **fields}).encode()


@pytest.fixture
def play(tmp_path: Path, clock: Clock) -> Iterator[Play]:
    """Make a recording of some bytes, and play it."""
    sources = []

    def start(data: bytes, speed: float = 1.0) -> ReplaySource:
        path = tmp_path / "router.jsonl"
        path.write_bytes(data)
        sources.append(ReplaySource(path, clock=clock, speed=speed))
        return sources[-1]

    yield start
    for source in sources:
        source.close()


@pytest.fixture
def clock() -> Clock:
    return Clock()


def released(source: ReplaySource) -> bytes:
    return b"".join(piece.data for piece in source.read())


TIMELESS = [
    b"",
    b"Traceback (most recent call last):",
    b'{"timestamp": 7}',
    b'{"timestamp": "soon"}',
    b"[1]",
    b"\xff",
]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.one_of(st.integers(-20, 60), st.sampled_from(TIMELESS)), max_size=25),
    st.lists(st.integers(0, 40), max_size=6),
    st.sampled_from([0.5, 1.0, 4.0]),
    st.booleans(),
)
def test_every_line_comes_once_in_order_and_on_time(
    script: list[int | bytes], steps: list[int], speed: float, ended: bool
) -> None:
    lines = [line if isinstance(line, bytes) else at(line) for line in script]
    times = [second for second in script if isinstance(second, int)]
    dues: list[float] = []
    for entry in script:
        # The model: a line without a time, or behind the one before, is due with it.
        before = dues[-1] if dues else 0
        dues.append(before if isinstance(entry, bytes) else max(before, entry - times[0]))
    with TemporaryDirectory() as folder:
        path = Path(folder) / "router.jsonl"
        path.write_bytes(b"\n".join(lines) + (b"\n" if ended or not lines or not lines[-1] else b""))
        clock = Clock()
        source = ReplaySource(path, clock=clock, speed=speed)
        whole = path.read_bytes()
        whole += b"" if whole.endswith(b"\n") or not whole else b"\n"
        expected = whole.splitlines(keepends=True)
        # An empty list of lines is one blank line here.
        dues = (dues or [0])[: len(expected)]
        given_so_far = b""
        passed = 0
        for step in [0, *steps]:
            passed += step
            clock.time = NOW + timedelta(seconds=passed)
            given_so_far += released(source)
            due = [line for line, moment in zip(expected, dues, strict=True) if moment <= passed * speed]
            assert given_so_far == b"".join(due)
            assert source.ended == (len(due) == len(expected))
        given_so_far += b"".join(piece.data for piece in source.finish())
        assert given_so_far == whole
        assert source.ended
        assert released(source) == b""
        source.close()


def test_its_clock_is_the_recording_s(play: Play, clock: Clock) -> None:
    data = b"banner\n" + at(0) + b"\n" + at(60) + b"\n" + at(90) + b"\n" + at(7) + b"\n"
    source = play(data, speed=10)
    clock.time += timedelta(hours=1)
    assert source.now() == FIRST, "it stands until the first read"
    released(source)
    for wall, recording in ((0, 0), (3, 30), (6, 60)):
        clock.time = NOW + timedelta(hours=1, seconds=wall)
        released(source)
        assert source.now() == FIRST + timedelta(seconds=recording)
    clock.time += timedelta(days=1)
    assert source.now() == FIRST + timedelta(seconds=90), "it waits for the last line"
    released(source)
    assert source.now() == FIRST + timedelta(seconds=90), "it rests at the last line"
    (state,) = source.states()
    assert (state.status, state.bytes_read, state.bytes_total) == ("ended", len(data), len(data))


def test_without_any_time_all_comes_at_once(play: Play) -> None:
    source = play(b"one\ntwo\n")
    assert source.now() == NOW
    assert released(source) == b"one\ntwo\n"


def test_lines_are_numbered_and_named_after_the_file(play: Play, clock: Clock, tmp_path: Path) -> None:
    source = play(at(0) + b"\n" + at(1) + b"\n" + at(5) + b"\n")
    (first,) = source.read()
    clock.time += timedelta(seconds=2)
    (second,) = source.read()
    assert (first.source, first.stream, first.first_line) == (
        str(tmp_path / "router.jsonl"),
        "router.jsonl",
        1,
    )
    assert second.first_line == 2
    assert [state.status for state in source.states()] == ["live"]


def test_slices_stay_small_and_overlong_lines_go_in_pieces(
    play: Play, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(replay, "SLICE_BYTES", 200)
    data = b"".join(at(0, n=n) + b"\n" for n in range(20)) + b"x" * 250 + b"\n" + at(0) + b"\n"
    pieces = list(play(data).read())
    assert all(len(piece.data) <= 201 and piece.data.endswith(b"\n") for piece in pieces)
    together = b"".join(piece.data for piece in pieces)
    assert together.replace(b"x\nx", b"xx") == data
    count = 1
    for piece in pieces:
        assert piece.first_line == count
        count += piece.data.count(b"\n")


def test_a_demo_file_plays(play: Play, clock: Clock, tmp_path: Path) -> None:
    path = tmp_path / "demo.jsonl"
    count = write_demo(path, start=FIRST, minutes=1, history=timedelta(minutes=1))
    source = play(path.read_bytes(), speed=60)
    sizes = []
    for _ in range(4):
        sizes.append(released(source).count(b"\n"))
        clock.time += timedelta(seconds=1)
    assert sum(sizes) == count
    assert source.ended
    assert min(sizes[1:3]) > count // 5


@pytest.mark.parametrize("speed", [0.0, -2.0, float("nan"), float("inf")])
def test_impossible_speeds_are_refused(tmp_path: Path, speed: float) -> None:
    with pytest.raises(UsageError, match="speed"):
        ReplaySource(tmp_path / "any.jsonl", clock=Clock(), speed=speed)


def test_what_cannot_be_played_is_named(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"gone\.jsonl cannot be read: No such file"):
        ReplaySource(tmp_path / "gone.jsonl", clock=Clock())
    with pytest.raises(SourceError, match="not a file"):
        ReplaySource(tmp_path, clock=Clock())
    archive = tmp_path / "router.zip"
    archive.write_bytes(b"PK\x03\x04" + bytes(100))
    with pytest.raises(SourceError, match=r"router\.zip is a zip archive"):
        ReplaySource(archive, clock=Clock())


@pytest.mark.parametrize("pack", [gzip.compress, zstandard.compress])
def test_packed_recordings_play(play: Play, clock: Clock, pack: Callable[[bytes], bytes]) -> None:
    packed = pack(at(0) + b"\n" + at(9) + b"\n")
    source = play(packed)
    assert source.now() == FIRST
    assert released(source) == at(0) + b"\n"
    clock.time += timedelta(seconds=9)
    assert released(source) == at(9) + b"\n"
    (state,) = source.states()
    assert (state.status, state.bytes_read) == ("ended", len(packed))


def test_a_packed_recording_that_is_cut_short_says_so(play: Play) -> None:
    whole = b"".join(at(0, n=n) + b"\n" for n in range(400))
    source = play(gzip.compress(whole)[:-60])
    played = released(source)
    assert whole.startswith(played)
    assert played.endswith(b"}\n")
    assert source.ended
    (state,) = source.states()
    assert state.status == "error"
    assert "router.jsonl is cut short" in state.detail


def test_closing_twice_is_safe(play: Play) -> None:
    source = play(at(0) + b"\n" + at(9) + b"\n")
    released(source)
    source.close()
    source.close()
    assert source.ended
    assert released(source) == b""
