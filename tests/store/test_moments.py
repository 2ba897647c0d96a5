"""Slices of one moment are taken at once, and nothing but the time it takes is different."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.sources import pump
from llmwatch.sources.pump import gathered
from llmwatch.store.ingest import Ingest
from llmwatch.store.raw import RawLines
from llmwatch.store.resume import Resume
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.traffic import simulate
from tests.store.helpers import as_slice, calls_of, opened

LINE = (
    b'{"timestamp": "2026-02-27T16:47:00Z", "level": "INFO", "logger": "bedrock-router", "message": "%s"}\n'
)
ODD = (b"", b"  ", b"\xef\xbb\xbf", b"not json", b'{"a": 1}', LINE.strip() % rb"a\ud800b")


def tables(store: Store) -> list[Sequence[object]]:
    """All that the lines of a store are found by; `slices` has blank lines too."""
    store.refresh()
    raw = [store.raw_line(seq) for seq in range(store.end_seq)]
    queries = ("FROM events ORDER BY seq", "FROM rejected ORDER BY seq", "FROM slices", "FROM streams")
    return [raw, *(store.query(f"SELECT * {query}").rows for query in queries)]


def divided(streams: dict[str, list[bytes]], random: Random) -> list[Slice]:
    """All lines in slices of any length, any of which may be of the moment of the next."""
    positions = dict.fromkeys(streams, 0)
    pieces = []
    while left := [name for name, at in positions.items() if at < len(streams[name])]:
        name = random.choice(left)
        start = positions[name]
        positions[name] = start + random.randint(1, 20)
        piece = as_slice(streams[name][start : positions[name]], name, start + 1)
        pieces.append(replace(piece, more=random.random() < 0.8))
    return pieces


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(seed=st.integers(0, 2**32), hostility=st.sampled_from((0.0, 0.5)), most=st.sampled_from((2, 7, 5_000)))
def test_any_moments_give_what_slices_give_one_by_one(seed: int, hostility: float, most: int) -> None:
    random, day = Random(seed), simulate(seed, 25, hostility)
    streams = {
        name: [line for one in lines for line in (one, *random.choices(ODD, k=random.random() < 0.2))]
        for name, lines in day.lines_by_stream.items()
    }
    pieces = divided(streams, random)
    answers = []
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pump, "_MOST_SLICES", most)
        for moments in (gathered(iter(pieces)), ((piece,) for piece in pieces)):
            with opened(StoreSettings(keep_raw=True)) as store:
                for moment in moments:
                    store.ingest(*moment)
                answers.append((tables(store), Counter(calls_of(store, day.now)), store.lines))
    assert answers[0] == answers[1]
    assert answers[0][2] == sum(
        line.removeprefix(b"\xef\xbb\xbf").strip() != b"" for lines in streams.values() for line in lines
    )


def test_rows_and_slices_correspond_where_the_reader_has_two_threads() -> None:
    lines = [LINE % b"%d" % number for number in range(60_000)]
    pieces = [
        as_slice(lines[start : start + 20], f"s{start // 20}", start + 1) for start in range(0, 60_000, 20)
    ]
    with opened() as store:
        store.ingest(*pieces)
        misplaced = (
            "SELECT count(*) FROM events WHERE message <> (line - 1)::VARCHAR OR message <> seq::VARCHAR "
            "OR source <> 's' || (seq // 20) OR stream <> source"
        )
        assert store.query(misplaced).rows == [(0,)]
        assert store.lines == 60_000


def test_a_kept_store_takes_of_each_slice_what_is_new(tmp_path: Path) -> None:
    kept = StoreSettings(database=tmp_path / "kept.duckdb")
    for count in (1, 3, 3, 5):
        with opened(kept) as store:
            store.ingest(
                *(
                    as_slice([LINE % b"%s%d" % (name, at) for at in range(count)], name.decode())
                    for name in (b"a", b"b")
                ),
                as_slice([LINE % b"new%d" % count], f"new{count}"),
            )
    with opened(kept) as store:
        events = store.query("SELECT source, line, message FROM events ORDER BY ALL").rows
    known = [(name, at + 1, f"{name}{at}") for name in ("a", "b") for at in range(5)]
    assert events == [*known, *((f"new{count}", 1, f"new{count}") for count in (1, 3, 5))]


@pytest.mark.parametrize(
    "where",
    [(Ingest, "_divide"), (Ingest, "_second_chance"), (RawLines, "append"), (Resume, "note")],
    ids=lambda where: where[1],
)
@pytest.mark.parametrize("full", [False, True])
def test_a_moment_that_failed_can_be_given_again(
    where: tuple[type, str], full: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where it could not be taken back at first: a disk is full for that too."""
    earlier = [as_slice([LINE % b"before", b"bad"], "a"), as_slice([LINE % b"before"], "b")]
    moment = [
        as_slice([LINE % b"one", b"bad", b"", LINE % b"two"], "a", 3),
        as_slice([LINE % b"three", b"{}"], "new"),
    ]
    with opened(StoreSettings(keep_raw=True)) as store:
        store.ingest(*earlier)
        with monkeypatch.context() as patch:
            patch.setattr(*where, _fail)
            if full:
                patch.setattr(Ingest, "take_back", _fail)
            with pytest.raises(duckdb.Error):
                store.ingest(*moment)
            store.refresh()
        store.ingest(*moment)
        store.refresh()
        events = store.query("SELECT seq, source, line, message FROM events ORDER BY seq").rows
        assert [event[1:] for event in events] == [
            ("a", 1, "before"),
            ("b", 1, "before"),
            ("a", 3, "one"),
            ("a", 6, "two"),
            ("new", 1, "three"),
        ]
        for seq, _, _, message in events:
            assert store.raw_line(int(str(seq))) == (LINE % str(message).encode()).decode().rstrip("\n")
        assert store.query("SELECT source, line FROM rejected ORDER BY ALL").rows == [
            ("a", 2),
            ("a", 4),
            ("new", 2),
        ]
        assert store.lines == 8


def _fail(*_: object) -> None:
    raise duckdb.InternalException("no room")


def test_a_stream_whose_number_could_not_be_kept_gets_it_later() -> None:
    with opened() as store:
        connection = store._connection
        store._resume._connection = _Failing()  # type: ignore[assignment]
        with pytest.raises(duckdb.Error):
            store.ingest(as_slice([LINE % b"one"]))
        store._resume._connection = connection
        store.ingest(as_slice([LINE % b"one"]))
        assert store.query("SELECT stream, message FROM events").rows == [("log", "one")]


class _Failing:
    execute = staticmethod(_fail)


def test_a_moment_with_much_in_it_comes_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pump, "_MOST_BYTES", 100)
    monkeypatch.setattr(pump, "_MOST_SLICES", 3)
    sizes = [10, 10, 10, 10, 90, 90, 300, 10]
    pieces = [Slice("log", "log", 1, b"x" * (size - 1) + b"\n", more=True) for size in sizes]
    pieces.append(replace(pieces[0], more=False))
    moments = list(gathered(iter([*pieces, *pieces])))
    assert [piece for moment in moments for piece in moment] == [*pieces, *pieces]
    once = [(10, 10, 10), (10, 90), (90,), (300,), (10, 10)]
    assert [tuple(len(piece.data) for piece in moment) for moment in moments] == once * 2


def test_what_came_before_an_error_is_given() -> None:
    pieces = [Slice("log", "log", 1, b"x\n", more=True)] * 2

    def broken() -> Iterator[Slice]:
        yield from pieces
        raise OSError("gone")

    moments = gathered(broken())
    assert next(moments) == tuple(pieces)
    with pytest.raises(OSError, match="gone"):
        next(moments)
