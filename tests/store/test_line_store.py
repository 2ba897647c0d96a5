"""Lines come out of the line store as they went in, whichever way they took."""

from __future__ import annotations

import codecs
import os
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.errors import SourceError, StoreError
from llmwatch.query.matching import values_of
from llmwatch.store import line_store
from llmwatch.store.documents import extracted
from llmwatch.store.line_store import LineStore, StoreLines
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Store, StoreSettings

ALL = "SELECT source, stream, line, message, time FROM {} ORDER BY source, line"

Rows = Sequence[tuple[object, ...]]


@contextmanager
def opened(*pieces: Slice, files: Sequence[WholeFile] = ()) -> Iterator[LineStore]:
    with closing(LineStore(256 << 20)) as store:
        for file in files:
            assert store.take_file(file)
        store.add(*pieces)
        yield store


def everything(store: LineStore) -> Rows:
    return store.query(ALL.format(store.relation)).rows


def messages(store: LineStore) -> list[object]:
    return [row[3] for row in everything(store)]


def settled(at: Path, data: bytes, **changes: object) -> WholeFile:
    """A file that nobody writes to any more."""
    at.write_bytes(data)
    os.utime(at, (0, 0))
    status = at.stat()
    file = WholeFile(at.name, at.name, str(at), (status.st_dev, status.st_ino), status.st_size)
    return replace(file, **changes)  # type: ignore[arg-type]


SEPARATOR = line_store._SEPARATOR.encode()

ODD_LINES = [
    b'{"timestamp": "2026-02-27T16:47:00Z", "a": 1}',
    b"",
    b"  ",
    b"\t",
    b"  indented",
    b'"quoted, with commas"',
    b"'single'",
    b"\\N",
    b"NULL",
    b"#comment",
    b"\\",
    b"\x00",
    b"\x01",
    b"ends in\x01",
    b"\x02",
    "é💥\u2028\u0085".encode(),
    codecs.BOM_UTF8,
    codecs.BOM_UTF8 + b" \t",
    codecs.BOM_UTF8 * 2,
    b" " + codecs.BOM_UTF8,
    codecs.BOM_UTF8 + b"{}",
]
PLAIN = st.lists(
    st.sampled_from(ODD_LINES)
    | st.text(st.characters(codec="utf-8", exclude_characters="\n\r")).map(str.encode)
)
ANY = st.lists(
    st.sampled_from([*ODD_LINES, b"\xff\xfe", b"a\rb", b"a\r", b"a" + SEPARATOR + b"b"])
    | st.binary(max_size=9).map(lambda b: b.replace(b"\n", b""))
)

thorough = settings(
    max_examples=25,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


def expected(lines: Sequence[bytes], first: int = 1) -> list[tuple[int, str]]:
    if first == 1 and lines:
        lines = [lines[0].removeprefix(codecs.BOM_UTF8), *lines[1:]]
    return [
        (number, line.rstrip(b"\r").decode("utf-8", "backslashreplace"))
        for number, line in enumerate(lines, first)
        if line.removeprefix(codecs.BOM_UTF8).strip()
    ]


@thorough
@given(lines=PLAIN | ANY, ended=st.booleans())
def test_lines_are_the_same_in_place_and_as_slices(lines: list[bytes], ended: bool, tmp_path: Path) -> None:
    data = b"\n".join(lines) + (b"\n" if ended and lines else b"")
    whole = data if data.endswith(b"\n") or not data else data + b"\n"
    with opened(files=[settled(tmp_path / "log.jsonl", data)]) as store:
        in_place = everything(store)
        assert store.count == len(in_place)
    with opened(Slice("log.jsonl", "log.jsonl", 1, whole)) as store:
        assert everything(store) == in_place
    assert [(row[2], row[3]) for row in in_place] == expected(lines)


@thorough
@given(lines=PLAIN | ANY)
def test_the_readers_way_is_pythons(lines: list[bytes]) -> None:
    piece = Slice("s", "t", 7, b"".join(line + b"\n" for line in lines))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(line_store, "_IN_PYTHON_BELOW", 0)
        with opened(piece) as store:
            assert [(row[2], row[3]) for row in everything(store)] == expected(lines, 7)


def test_a_plain_file_is_not_copied(tmp_path: Path) -> None:
    with opened(files=[settled(tmp_path / "a.jsonl", b"one\n\ntwo\n")]) as store:
        assert [row[2:4] for row in everything(store)] == [(1, "one"), (3, "two")]
        assert store.query("SELECT count(*) FROM kept.lines").rows[0] == (0,)


@pytest.mark.parametrize(
    "data",
    [b"a\r\nb\r\n", b"a\xff\n", b"a" + SEPARATOR + b"b\n", b"x" * (5 << 20) + b"\nshort\n"],
    ids=["returns", "no UTF-8", "separator", "long line"],
)
def test_a_file_that_the_reader_refuses_is_copied_whole(data: bytes, tmp_path: Path) -> None:
    good = settled(tmp_path / "good.jsonl", b"good\n")
    with opened(files=[settled(tmp_path / "bad.jsonl", data), good]) as store:
        texts = [text for _, text in expected(data.split(b"\n"))]
        assert messages(store) == [*texts, "good"]
        assert store.count == len(texts) + 1


ODD = [
    b'{"n": 1}',
    b'{"n": 2, "note": "bad\xff"}',
    b'{"n": 3, "note": "\\ud800"}',
    b'{"n": 4, "note": "raw\x1b[31m"}',
    b'{"n": 5, "note": NaN}',
    b"plain {",
    codecs.BOM_UTF8 + b'{"n": 6, "timestamp": "2026-02-27T16:47:00Z"}',
    b'  {"n": 7, "note": "\t\\udfff"}',
    b'{"n": 8',
]


def number_of(line: bytes) -> int | None:
    """What is its `n`."""
    return next((number for number in range(1, 8) if b'"n": %d' % number in line), None)


@pytest.mark.parametrize("way", ["in place", "in Python", "by the reader", "recorded", "in a store"])
def test_json_that_the_database_refuses_has_a_second_chance(
    way: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = b"".join(
        line + b"\n" for line in ODD if way not in ("in place", "by the reader") or b"\xff" not in line
    )
    if way == "by the reader":
        monkeypatch.setattr(line_store, "_IN_PYTHON_BELOW", 0)
    piece = Slice("a.jsonl", "a.jsonl", 1, data, b"{}\n" * data.count(b"\n") if way == "recorded" else None)
    with ExitStack() as stack:
        found: LineStore | StoreLines
        if way == "in place":
            good = settled(tmp_path / "good.jsonl", b'{"n": 9}\n')
            found = stack.enter_context(opened(files=[settled(tmp_path / "a.jsonl", data), good]))
        elif way == "in a store":
            store = stack.enter_context(closing(Store(StoreSettings(keep_raw=True))))
            store.ingest(piece)
            found = StoreLines(store)
            values = values_of(store, range(len(ODD)), ["n"])
            assert values == tuple((None if text is None else str(text),) for text in map(number_of, ODD))
        else:
            found = stack.enter_context(opened(piece))
        number = extracted("json_extract", "['/n']")
        text = f"SELECT message, ({number})[1]::INTEGER FROM {found.relation} WHERE source = 'a.jsonl' ORDER BY line"
        assert [number for _, number in found.query(text).rows] == [
            number_of(line) for line in data.splitlines()
        ]
        assert [(place, message) for place, (message, _) in enumerate(found.query(text).rows, 1)] == expected(
            data.splitlines()
        )
        assert found.query(f"SELECT min(time) FROM {found.relation}").rows == [
            (datetime(2026, 2, 27, 16, 47),)
        ]
        if way == "in place":
            assert found.query("SELECT DISTINCT source FROM kept.lines").rows == [("a.jsonl",)]


def test_a_file_that_grows_is_what_it_was_when_it_was_taken(tmp_path: Path) -> None:
    file = settled(tmp_path / "a.jsonl", b"one\ntwo\n")
    with opened(files=[file]) as store:
        assert messages(store) == ["one", "two"]
        with Path(file.path).open("ab") as stream:
            stream.write(b"three\nfo")
        assert messages(store) == ["one", "two"]
        assert messages(store) == ["one", "two"]


@pytest.mark.parametrize("exchanged", [True, False])
def test_a_file_that_is_no_longer_there_is_told(exchanged: bool, tmp_path: Path) -> None:
    file = settled(tmp_path / "a.jsonl", b"one\ntwo\n")
    with opened(files=[file]) as store:
        if exchanged:
            (tmp_path / "b.jsonl").write_bytes(b"another\n")
            os.replace(tmp_path / "b.jsonl", file.path)
        else:
            os.truncate(file.path, 4)
        with pytest.raises(SourceError, match=r"a\.jsonl.*again"):
            everything(store)


def test_what_cannot_be_read_in_place_is_left_to_the_source(tmp_path: Path) -> None:
    with closing(LineStore()) as store:
        fresh = settled(tmp_path / "fresh", b"x\n")
        os.utime(fresh.path)
        assert not store.take_file(fresh)
        assert not store.take_file(settled(tmp_path / "pattern[1]*.jsonl", b"x\n"))
        assert not store.take_file(settled(tmp_path / "gone", b"x\n", path=str(tmp_path / "elsewhere")))
        assert not store.take_file(settled(tmp_path / "replaced", b"x\n", identity=(0, 0)))
        store.query("SELECT 1")
        assert not store.take_file(settled(tmp_path / "late", b"x\n"))


@pytest.mark.parametrize("place", [0, 99, 100, 4_000, 9_960])
def test_wrapped_lines_are_seen_wherever_many_of_them_are(place: int, tmp_path: Path) -> None:
    lines = [b"plain line %d" % number for number in range(10_000)]
    lines[place : place + 40] = [b"wrapped"] * len(lines[place : place + 40])
    data = b"".join(line + b"\n" for line in lines)
    with closing(LineStore()) as store:
        assert not store.take_file(settled(tmp_path / "a", data, is_wrapped=lambda line: line == b"wrapped"))
        assert store.take_file(settled(tmp_path / "b", data, is_wrapped=lambda line: line == b"plain"))


def test_hostile_names_of_sources_are_data(tmp_path: Path) -> None:
    name = "x'; DROP TABLE kept.lines; --"
    file = settled(tmp_path / "it's.jsonl", b"in a file\n", source=name, stream='"')
    with opened(Slice(name, "$1 ?", 5, b"in a slice\n"), files=[file]) as store:
        assert [row[:4] for row in everything(store)] == [
            (name, '"', 1, "in a file"),
            (name, "$1 ?", 5, "in a slice"),
        ]


def test_a_recording_knows_the_time_and_the_stream_of_each_line() -> None:
    record = (
        b'{"group": "g", "stream": "s", "timestamp": 1772210820123, "ingestion_time": 1772210821000, "message": "a"}\n'
        b'{"group": null, "stream": 5, "timestamp": 1e99, "message": "b"}\n'
        b"no JSON\n"
        b'{"timestamp": 99999999999999999999}\n'
    )
    piece = Slice("g/s", "g/s", 1, b"a\nb\nc\nd\n", record)
    other = Slice("h", "h", 1, b"e\nf\n", b'{"group": "not one a line"}\n')
    text = "SELECT message, time, ingestion, source, stream, line FROM every_line ORDER BY message"
    told = datetime(2026, 2, 27, 16, 47, 0, 123_000), datetime(2026, 2, 27, 16, 47, 1)
    with opened(piece, other) as store:
        assert store.query(text).rows == [
            ("a", *told, "g", "s", 1),
            ("b", None, None, "g/s", "g/s", 2),
            ("c", None, None, "g/s", "g/s", 3),
            ("d", None, None, "g/s", "g/s", 4),
            ("e", None, None, "h", "h", 1),
            ("f", None, None, "h", "h", 2),
        ]


def test_slices_that_come_later_are_in_later_answers() -> None:
    with opened(Slice("a", "a", 1, b"one\n")) as store:
        assert store.count == 1
        store.add(Slice("a", "a", 2, b"two\n" * 100_000))
        assert store.count == 100_001
        assert store.query("SELECT max(line) FROM every_line").rows == [(100_001,)]


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_csv('/etc/passwd')",
        "SELECT * FROM read_text('{other}')",
        "COPY kept.lines TO '{folder}/out.csv'",
        "ATTACH '{folder}/x.duckdb'",
        "SET enable_external_access = true",
        "SET lock_configuration = false",
        "INSTALL httpfs",
    ],
)
def test_nothing_else_can_be_read_or_written(sql: str, tmp_path: Path) -> None:
    other = tmp_path / "other.jsonl"
    other.write_bytes(b"secret\n")
    refused = pytest.raises((duckdb.Error, StoreError), match=r"(?i)permission|disabled|locked|cannot")
    with opened(files=[settled(tmp_path / "a.jsonl", b"x\n")]) as store, refused:
        store.query(sql.format(folder=tmp_path, other=other))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.jsonl", "other.jsonl"]


def test_a_query_is_ended_from_another_thread() -> None:
    with opened(Slice("a", "a", 1, b"x\n" * 2000)) as store:
        store.count  # noqa: B018 (the store is ready then)
        done = threading.Event()

        def interrupt() -> None:
            while not done.wait(0.05):
                store.interrupt()

        thread = threading.Thread(target=interrupt)
        thread.start()
        began = time.monotonic()
        try:
            with pytest.raises(duckdb.InterruptException):
                store.query(
                    "SELECT count(*) FROM every_line a, every_line b, every_line c WHERE a.line + b.line > c.line"
                )
        finally:
            done.set()
            thread.join()
        assert time.monotonic() - began < 20
        assert store.count == 2000


def test_several_threads_may_ask() -> None:
    with opened(Slice("a", "a", 1, b"x\ny\n")) as store:
        found: list[object] = []
        threads = [threading.Thread(target=lambda: found.append(messages(store))) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert found == [["x", "y"]] * 4


def test_temporary_files_are_gone_at_the_end() -> None:
    store = LineStore()
    store.add(Slice("a", "a", 1, b"x\n" * 200_000))
    folders = [store._scratch.spill, store._scratch.transit]
    assert all(folder.exists() for folder in folders)
    store.close()
    assert not any(folder.exists() for folder in folders)


def test_a_store_gives_the_same_lines() -> None:
    lines = [
        b'{"timestamp": "2026-02-27T16:47:00.5Z", "level": "INFO", "logger": "bedrock-router", "message": "x"}',
        b"",
        b"Traceback",
        b'{"time": "2026-02-27T16:47:01+00:00", "another": "dialect"}',
        b"   ",
        b"null",
        b'{"timestamp": 1772210822000}',
    ]
    piece = Slice("a.jsonl", "a", 5, b"".join(line + b"\n" for line in lines))
    text = "SELECT source, stream, line, message, time, ingestion FROM {} ORDER BY line"
    with opened(piece) as wanted, closing(Store(StoreSettings(keep_raw=True))) as store:
        store.ingest(piece)
        found = StoreLines(store)
        assert (
            found.query(text.format(found.relation)).rows == wanted.query(text.format(wanted.relation)).rows
        )
        assert found.count == wanted.count == 5
