"""However lines are wrapped, split and mixed, the tables are those of the plain lines; those are never touched."""

from __future__ import annotations

import base64
import gzip
import json
import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.sources import envelope
from llmwatch.sources.envelope import Envelopes, UnwrappedSource, line_of
from llmwatch.sources.envelopes import opening
from llmwatch.sources.open import open_paths
from llmwatch.sources.pump import load
from llmwatch.sources.replay import ReplaySource
from llmwatch.sources.source import SourceState
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.fold import Call
from tests.sources.following import lines_of, pull
from tests.store.helpers import calls_of, opened

DATA = Path(__file__).parent.parent / "data"
LINES = (DATA / "router-sample.jsonl").read_text().splitlines()
SAMPLES = sorted(DATA.glob("envelope-*"))
NOW = datetime(2026, 3, 1, tzinfo=UTC)

Wrap = Callable[[str], bytes]


def compact(value: object) -> bytes:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False).encode()


def recorded(message: str, stream: str = "task/1") -> bytes:
    event = {"group": "/ecs/router", "stream": stream, "timestamp": 1772210820002, "ingestion_time": None}
    return compact({**event, "event_id": "3726", "message": message})


def firelens(message: str) -> bytes:
    return compact(
        {"container_id": "c0ffee-1", "container_name": "router", "log": message, "source": "stdout"}
    )


def subscription(*messages: str, stream: str = "task/2") -> bytes:
    events = [
        {"id": str(n), "timestamp": 1772210820002 + n, "message": text} for n, text in enumerate(messages)
    ]
    payload = {"messageType": "DATA_MESSAGE", "owner": "1", "logGroup": "router", "logStream": stream}
    return compact({**payload, "subscriptionFilters": ["all"], "logEvents": events})


def packed(data: bytes) -> str:
    return base64.b64encode(gzip.compress(data)).decode()


def control() -> bytes:
    return subscription("CWL CONTROL MESSAGE: Checking health.").replace(b"DATA_", b"CONTROL_")


WRAPS: Mapping[str, Wrap] = {
    "plain": str.encode,
    "recording": recorded,
    "event": lambda text: compact({"logStreamName": "task/3", "timestamp": 1, "message": text, "eventId": "1"}),
    "insights": lambda text: compact({"@timestamp": "2026", "@message": text, "@logStream": "t", "@log": "1:g"}),
    "google": lambda text: compact({"logName": "projects/p/logs/l", "jsonPayload": json.loads(text)}),
    "docker": lambda text: compact({"log": text + "\n", "stream": "stdout", "time": "2026"}),
    "firelens": firelens,
    "task": lambda text: compact({"log": text, "ecs_task_arn": "arn:aws:ecs:task/7"}),
    "kubernetes": lambda text: compact({"log": text, "kubernetes": {"pod_name": "router-1"}}),
    "bare message": lambda text: compact({"message": text}),
    "bare log": lambda text: json.dumps({"time": 1, "log": text}).encode(),
    "recorded firelens": lambda text: recorded(firelens(text).decode()),
    "four layers": lambda text: compact({"log": recorded(compact({"message": firelens(text).decode()}).decode())
                                         .decode()}),
    "subscription": subscription,
    "firehose": lambda text: subscription("no JSON") + control() + subscription(text),
    "lambda": lambda text: compact({"awslogs": {"data": packed(subscription(text))}}),
    "kinesis": lambda text: compact({"Records": [{"kinesis": {"data": packed(subscription(text))}}] * 1}),
    "export": lambda text: b"2026-02-27T16:47:00.000Z " + text.encode(),
    "aws logs tail": lambda text: b"2026-02-27T16:47:00.002000+00:00 router/1 " + text.encode(),
    "container runtime": lambda text: b"2026-02-27T16:47:00.002517123Z stdout F " + text.encode(),
}  # fmt: skip


class Pieces:
    """A source of slices that are there."""

    def __init__(self, pieces: Sequence[Slice]) -> None:
        self.pieces = list(pieces)
        self.ended = True

    def read(self) -> Iterator[Slice]:
        yield from self.pieces

    def finish(self) -> Iterator[Slice]:
        return iter(())

    def states(self) -> tuple[SourceState, ...]:
        return (SourceState("file", "ended"),)

    def close(self) -> None:
        pass


def cut(lines: Sequence[bytes], places: Sequence[int], source: str = "file") -> list[Slice]:
    ends = sorted({0, len(lines), *(place % (len(lines) + 1) for place in places)})
    return [
        Slice(source, "stream", start + 1, b"".join(line + b"\n" for line in lines[start:end]))
        for start, end in pairwise(ends)
    ]


def unwrapped(*pieces: Slice) -> list[Slice]:
    envelopes = Envelopes()
    return [out for piece in pieces for out in envelopes.unwrap(piece)]


def numbered(pieces: Sequence[Slice]) -> dict[str, list[tuple[int, bytes]]]:
    """By source, the lines that are not blank, with their numbers."""
    found: dict[str, list[tuple[int, bytes]]] = {}
    for piece in pieces:
        assert piece.data.endswith(b"\n")
        for number, line in enumerate(piece.data[:-1].split(b"\n"), piece.first_line):
            if line:
                found.setdefault(piece.source, []).append((number, line))
    return found


def tables(pieces: Sequence[Slice]) -> Counter[Call]:
    """The calls of a store, wherever their lines came from."""
    with opened() as store:
        load(UnwrappedSource(Pieces(pieces)), store)
        return Counter(replace(call, stream="") for call in calls_of(store, NOW))


mixes = st.lists(
    st.tuples(st.sampled_from(sorted(WRAPS)), st.integers(1, 12)), min_size=1, max_size=12
)  # so many lines, so wrapped
places = st.lists(st.integers(0, 10_000), max_size=5)


def mixed(mix: Sequence[tuple[str, int]], lines: Iterator[str]) -> Iterator[tuple[str, str]]:
    for name, count in mix:
        for _ in range(count):
            yield name, next(lines)


# -- what is wrapped


@settings(max_examples=25, deadline=None)
@given(mixes, places, st.integers(0, 1800))
def test_wrapped_lines_give_the_tables_of_the_plain_ones(
    mix: list[tuple[str, int]], at: list[int], start: int
) -> None:
    pairs = list(mixed(mix, iter(LINES[start:] + LINES)))
    wrapped = [WRAPS[name](line) for name, line in pairs]
    assert tables(cut(wrapped, at)) == tables(cut([line.encode() for _, line in pairs], []))


@pytest.mark.parametrize("name", sorted(WRAPS))
def test_each_shape_gives_the_very_bytes(name: str) -> None:
    pieces = unwrapped(*cut([WRAPS[name](line) for line in LINES[:5]], [2]))
    lines = [line for line in lines_of(pieces) if line != b"no JSON"]
    assert lines == [line.encode() for line in LINES[:5]]


@pytest.mark.parametrize("path", SAMPLES, ids=[path.stem for path in SAMPLES])
def test_samples_of_real_shapes_are_read_from_files(path: Path) -> None:
    pieces = pull(source := open_paths([str(path)], follow=False)) + list(source.finish())
    assert lines_of(pieces) == [line.encode() for line in LINES[:20]]
    with opened(StoreSettings(whole_files=True)) as store:
        load(open_paths([str(path)], follow=False), store)
        assert store.query("SELECT count(*) FROM events").rows == [(20,)]


@given(mixes, places)
def test_numbers_are_true_and_no_split_changes_anything(mix: list[tuple[str, int]], at: list[int]) -> None:
    pairs = list(mixed(mix, iter(LINES)))
    wrapped = [WRAPS[name](line) for name, line in pairs]
    found = numbered(unwrapped(*cut(wrapped, at)))
    assert found == numbered(unwrapped(*cut(wrapped, [])))
    kept = dict(found.pop("file", []))
    for number, (name, line) in enumerate(pairs, 1):
        if name == "plain" or number in kept:
            assert kept[number] == line.encode()
    for lines in found.values():
        assert [number for number, _ in lines] == list(range(1, len(lines) + 1))


def test_streams_are_those_of_the_envelopes() -> None:
    names = {
        "recording": "/ecs/router/task/1",
        "event": "task/3",
        "firelens": "c0ffee-1",
        "task": "arn:aws:ecs:task/7/",
        "kubernetes": "/router-1/",
        "subscription": "router/task/2",
        "lambda": "router/task/2",
        "recorded firelens": "c0ffee-1",
        "aws logs tail": "router/1",
        "docker": None,
        "bare message": None,
        "export": None,
    }
    for name, stream in names.items():
        (piece,) = unwrapped(*cut([WRAPS[name](LINES[0])], []))
        assert (piece.source, piece.stream) == ((stream,) * 2 if stream else ("file", "stream"))
    row = {"@message": LINES[0], "@log": "123456789012:/ecs/router", "@logStream": "task/1"}
    (piece,) = unwrapped(*cut([compact(row)], []))
    assert piece.stream == "/ecs/router/task/1", "the account is no part of a group's name"


def test_a_stream_in_two_files_is_numbered_in_each() -> None:
    line = recorded(LINES[0])
    pieces = unwrapped(*cut([line, line], [1]), *cut([line], [], "other"), *cut([line], []))
    assert [(piece.source, piece.first_line) for piece in pieces] == [
        ("/ecs/router/task/1", 1),
        ("/ecs/router/task/1", 2),
        ("/ecs/router/task/1 (other)", 1),
        ("/ecs/router/task/1", 1),  # a new file took the name of the first
    ]
    assert {piece.stream for piece in pieces} == {"/ecs/router/task/1"}


def test_streams_without_number_stay_in_their_file(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "_MOST_STREAMS", 2)
    lines = [recorded(LINES[n], f"task/{n}") for n in range(5)]
    found = numbered(unwrapped(*cut(lines, [3])))
    assert [number for number, _ in found["file"]] == [3, 4, 5]
    assert len(found) == 3


def test_long_stretches_of_wrapped_lines_leave_no_blank_ones() -> None:
    lines = [LINES[0].encode(), *[recorded(LINES[1])] * 1500, LINES[2].encode()]
    pieces = [piece for piece in unwrapped(*cut(lines, [])) if piece.source == "file"]
    assert [(piece.first_line, piece.data.count(b"\n")) for piece in pieces] == [(1, 1), (1502, 1)]


def test_text_in_an_envelope_is_a_line_of_text() -> None:
    lines = ["Traceback (most recent call last):", '  File "/app/main.py", line 600', "", "naïve"]
    for wrap in (recorded, firelens, WRAPS["docker"], subscription):
        pieces = unwrapped(*cut([wrap(line) for line in lines], []))
        assert lines_of(pieces) == [line.encode() for line in lines]
    with opened() as store:
        store.ingest(pieces[0])
        (reasons,) = zip(*store.query("SELECT reason FROM rejected").rows, strict=True)
        assert set(reasons) == {"malformed"}
        assert store.lines == 3


def test_events_of_several_lines() -> None:
    first, second = LINES[:2]
    pretty = json.dumps(json.loads(first), indent=2)
    found = numbered(unwrapped(*cut([recorded(f"{first}\n{second}\n"), recorded(pretty)], [])))
    one, two, three = found["/ecs/router/task/1"]
    assert [one[1], two[1]] == [first.encode(), second.encode()]
    assert (three[0], json.loads(three[1])) == (3, json.loads(first))
    found = numbered(unwrapped(*cut([compact({"log": f"{first}\n{second}"}), first.encode()], [])))
    assert found == {
        "file": [(1, first.encode()), (2, first.encode())],
        "file (in messages)": [(1, second.encode())],
    }


# -- messages


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ('{"a": 1}', b'{"a": 1}\n'),
        ('{"a": 1}\r\n', b'{"a": 1}\n'),
        ("", b"\n"),
        ("\n\n", b"\n"),
        ('{\n  "a": 1\n}', b'{   "a": 1 }\n'),
        ('{"a": 1}\n{"b": 2}', b'{"a": 1}\n{"b": 2}\n'),
        ('{}\r\n\n{"b": NaN}\n', b'{}\n{"b": NaN}\n'),
        ('Error:\n{"forged": 1}\n', b'Error: {"forged": 1}\n'),
        ('{"a": 1}\nText', b'{"a": 1} Text\n'),
        ('{"a": 1}\n[1]', b'{"a": 1} [1]\n'),
        ('{"a": 1}\n{b}', b'{"a": 1} {b}\n'),
        ("naïve", "naïve\n".encode()),
        ('{"a": "\ud800"}', b'{"a": "\\\\ud800"}\n'),
    ],
)
def test_a_message_as_lines(message: str, line: bytes) -> None:
    assert line_of(message) == line


@given(st.text(st.characters(exclude_categories=())))
def test_any_message_is_whole_lines(message: str) -> None:
    line = line_of(message)
    assert line.endswith(b"\n")
    assert line.decode("utf-8")
    assert line.count(b"\n") == 1 or all(json.loads(one) is not None for one in line.splitlines())


# -- what is not

FORGED = json.dumps({"level": "INFO", "logger": "bedrock-router", "message": "Forged", "request_id": "1"})
TEXTS = [
    FORGED,
    compact({"message": FORGED}).decode(),
    recorded(FORGED).decode(),
    firelens(FORGED).decode(),
    subscription(FORGED).decode(),
    "}" + FORGED,
    "x\n" + FORGED,
    '"}{"message": "{}"}',
    packed(subscription(FORGED)),
    "2026-02-27T16:47:00.000Z " + FORGED,
]
USERS_KEYS = [
    "user_agent",
    "error",
    "message",
    "log",
    "@message",
    "path",
    "data",
    "stream",
    "time",
    "group",
    "é",
]
own = st.sampled_from(["logger", "level", "request_id"])
values = st.one_of(st.sampled_from(TEXTS), st.none(), st.integers(), st.lists(st.sampled_from(TEXTS)))


@given(
    st.lists(st.tuples(own, st.dictionaries(st.sampled_from(USERS_KEYS), values), st.booleans()), min_size=1),
    st.integers(0, 1),
    places,
    st.booleans(),
)
def test_a_line_of_a_log_is_never_touched_whatever_it_says(
    lines: list[tuple[str, dict[str, object], bool]], first_line: int, at: list[int], among: bool
) -> None:
    """The same slice comes out: of a source that has envelopes too, and of one that has none."""
    texts = []
    for key, fields, behind in lines:
        ordered = {**fields, key: FORGED} if behind else {key: FORGED, **fields}
        texts.append(json.dumps(ordered).encode())
    envelopes = Envelopes()
    if among:
        list(envelopes.unwrap(*cut([recorded(LINES[0])], [])))
    for first in cut(texts, at):
        piece = replace(first, first_line=first.first_line + first_line * 50_000 + 1)
        (out,) = envelopes.unwrap(piece)
        assert out is piece


@settings(max_examples=30)
@given(places, st.booleans())
def test_the_router_s_own_lines_come_out_as_the_same_slices(at: list[int], hostile: bool) -> None:
    data = (DATA / "hostile.jsonl").read_bytes() if hostile else "\n".join(LINES).encode()
    for piece in cut(data.rstrip(b"\n").split(b"\n"), at):
        (out,) = Envelopes().unwrap(piece)
        assert out is piece


LEFT_AS_THEY_ARE = [
    b'{"message": 5}',
    b'{"message": null}',
    b'{"message": ["{}"]}',
    b'{"message": {"a": "\\"b\\""}}',
    b'{"message": "\\"no object\\""}',
    b'{"message": "{\\"broken\\": }"}',
    b'{"message": "[{\\"a\\": 1}]"}',
    b'{"group": "g", "stream": "s", "timestamp": 1, "message": null}',
    b'{"log": "{\\"a\\": 1}", "level": "INFO"}',
    b'{"logEvents": [{"message": "{\\"a\\": 1}"}]}',
    b'{"messageType": "DATA_MESSAGE", "logEvents": "{\\"a\\": 1}"}',
    b'{"awslogs": {"data": "H4sI\\"!"}}',
    b'{"awslogs": {"data": "H4sIAAAA"}}',
    b'{"awslogs": "H4sIAAAA"}',
    compact({"awslogs": {"data": packed(b"{}")[:-8]}}),
    b'{"Records": [{"eventName": "\\"x\\""}]}',
    b'{"Records": []}',
    b'{"Records":' * 900 + b"0" + b"}" * 900,
    b'{"Records":[' * 450 + b"]}" * 450,
    b'{"message": "{\\"a\\": 1}"} and more',
    b'{"a": 1}{"message": "{\\"a\\": 1}"}',
    b'{"message":' * 100_000,
    b"[" * 100_000 + b'"\\""',
    b'{"n":' + b"9" * 6000 + b', "message": "{\\"a\\": 1}"}',
    b"2026-02-27T16:47:00.000Z text {\\}",
    b"2026-02-27T16:47:00.000Z {\\} text",
    b"1 \\",
    b"\xff\\",
    b"\\",
]


@pytest.mark.parametrize("line", LEFT_AS_THEY_ARE, ids=[str(n) for n in range(len(LEFT_AS_THEY_ARE))])
@pytest.mark.parametrize("first_line", [1, 50_000])
def test_what_only_looks_wrapped_stays_as_it_is(line: bytes, first_line: int) -> None:
    piece = Slice("file", "stream", first_line, line + b"\n")
    (out,) = Envelopes().unwrap(piece)
    assert out is piece


def test_envelopes_are_opened_so_deep_and_no_deeper() -> None:
    text = LINES[0]
    for _ in range(6):
        text = compact({"message": text}).decode()
    (line,) = lines_of(unwrapped(*cut([text.encode()], [])))
    assert json.loads(json.loads(line)["message"])["message"] == LINES[0]


@pytest.mark.parametrize("line", [b'{"message": "{\\"a\\": 1}", "message": "{\\"b\\": 1}"}'])
def test_a_key_twice_gives_one_line(line: bytes) -> None:
    assert len(lines_of(unwrapped(*cut([line], [])))) == 1


def test_a_lone_surrogate_and_raw_bytes_do_not_hide_an_envelope() -> None:
    for text in ('{"a": "\ud800"}', '{"a": "\\ud800"}'):
        (line,) = lines_of(unwrapped(*cut([json.dumps({"message": text}).encode()], [])))
        assert line in (b'{"a": "\\\\ud800"}', b'{"a": "\\ud800"}')
    (line,) = lines_of(unwrapped(*cut([b'{"log": "{\\"a\\": \\"\xff\\"}"}'], [])))
    assert json.loads(line)["a"]
    assert lines_of(unwrapped(*cut([b'{"log": "{\\"a\\":\t1}"}'], []))) == [b'{"a":\t1}']
    (piece,) = unwrapped(*cut([json.dumps({"container_id": "\ud800", "log": "text"}).encode()], []))
    assert piece.stream == "\\ud800"


def test_a_bomb_stays_packed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(opening, "MOST_UNPACKED", 1 << 20)
    bomb = compact({"awslogs": {"data": packed(bytes(1 << 21))}})
    two = compact({"Records": [{"data": packed(b"x" * 700_000)}, {"data": packed(b"y" * 700_000)}]})
    began = time.process_time()
    assert lines_of(unwrapped(*cut([bomb], []))) == [bomb]
    first, second = lines_of(unwrapped(*cut([two], [])))
    assert first == b"x" * 700_000
    assert "data" in json.loads(second), "the second has no room left"
    assert time.process_time() - began < 2


def test_much_from_little_comes_in_slices(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(envelope, "SLICE_BYTES", 100_000)
    text = b'{"a": 1}\n' * 20_000
    pieces = unwrapped(*cut([compact({"awslogs": {"data": packed(text)}}), LINES[0].encode()], []))
    assert max(len(piece.data) for piece in pieces) <= 100_000
    assert Counter(lines_of(pieces)) == {b'{"a": 1}': 20_000, LINES[0].encode(): 1}
    found = numbered(pieces)
    assert found["file"] == [(1, b'{"a": 1}'), (2, LINES[0].encode())]
    assert [number for number, _ in found["file (in messages)"]] == list(range(1, 20_000))


def test_one_huge_object_is_neither_parsed_nor_lost() -> None:
    line = compact({"message": '{"a": 1}', "time": "x" * (17 << 20)})
    piece = Slice("file", "stream", 1, line + b"\n")
    (out,) = Envelopes().unwrap(piece)
    assert out is piece


def test_what_is_broken_behind_an_envelope_on_its_line_is_kept() -> None:
    line = subscription(LINES[0]) + b'{"broken": }' + b'{"other": 1} ' + subscription(LINES[1]) + b'{"mess'
    whole = [LINES[0].encode(), LINES[1].encode()]
    assert Counter(lines_of(unwrapped(*cut([line], [])))) == Counter(
        [*whole, b'{"broken": }', b'{"other": 1}', b'{"mess']
    )


# -- when it is looked at


def test_the_first_lines_are_all_looked_at_and_later_ones_that_may_hold_json(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(envelope, "_HEAD_LINES", 3)
    plain, text, wrapped = LINES[0].encode(), recorded("text"), recorded(LINES[1])
    for lines, expected in (
        ([plain, plain, text, plain], {"/ecs/router/task/1": [b"text"]}),
        ([plain, plain, plain, text], {}),
        ([plain, plain, plain, text, wrapped, text], {"/ecs/router/task/1": [LINES[1].encode(), b"text"]}),
    ):
        for at in ([], [1, 3], [3, 4], [5]):
            found = numbered(unwrapped(*cut(lines, at)))
            found.pop("file", None)
            assert {name: [line for _, line in there] for name, there in found.items()} == expected


# -- on every way in


@pytest.mark.parametrize("name", ["2026-02-27-16", "2026-02-27-16.gz"])
def test_what_firehose_leaves_in_a_bucket(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    path.write_bytes(
        gzip.compress(control())
        + b"".join(gzip.compress(subscription(*LINES[n : n + 3])) for n in range(0, 30, 3))
    )
    source = open_paths([str(path)], follow=False)
    pieces = [*source.read(), *source.finish()]
    assert lines_of(pieces) == [line.encode() for line in LINES[:30]]
    assert {piece.stream for piece in pieces} == {"router/task/2"}


def test_a_control_message_is_told_of_and_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "delivery.json"
    path.write_bytes(control() + b"\n" + subscription(LINES[0]) + b"\n")
    source = open_paths([str(path)], follow=False)
    with opened() as store:
        load(source, store)
        assert store.lines == 1
        assert store.query("SELECT count(*) FROM rejected").rows[0] == (0,)
    (state,) = source.states()
    assert state.detail == f"{path} holds 1 control messages of CloudWatch, which are no lines of a log."


@pytest.mark.parametrize("wrapped_line", [None, 0, 700])
def test_a_whole_file_is_taken_only_if_no_line_is_wrapped(tmp_path: Path, wrapped_line: int | None) -> None:
    path = tmp_path / "router.jsonl"
    lines = [line.encode() for line in LINES * 15]  # more than the first ones
    assert len(lines) > 2 * 10_000
    if wrapped_line is not None:
        place = wrapped_line and len(lines) - wrapped_line
        lines[place] = recorded(LINES[place % len(LINES)])
    path.write_bytes(b"\n".join(lines))
    source = open_paths([str(path)], follow=False)
    assert isinstance(source, UnwrappedSource)
    taken: list[bool] = []
    with opened(StoreSettings(whole_files=True)) as store:

        def take(file: WholeFile) -> bool:
            taken.append(store.take_file(file))
            return taken[-1]

        source.offer(take)
        assert taken == ([] if wrapped_line == 0 else [wrapped_line is None])
        assert store.lines == (len(lines) if wrapped_line is None else 0)
    if wrapped_line is not None:
        pieces = [*source.read(), *source.finish()]
        given_lines = Counter(line for line in lines_of(pieces) if line)
        assert given_lines == Counter(line.encode() for line in LINES * 15)


def test_whole_files_and_slices_give_the_same_totals(tmp_path: Path) -> None:
    path = tmp_path / "router.jsonl"
    path.write_bytes(b"\n".join([*(line.encode() for line in LINES[:500]), *map(recorded, LINES[500:1000])]))
    plain = tmp_path / "plain.jsonl"
    plain.write_text("\n".join(LINES[:1000]))
    answers = []
    for file, whole in ((plain, True), (path, True), (path, False)):
        with opened(StoreSettings(whole_files=whole)) as store:
            load(open_paths([str(file)], follow=False), store)
            answers.append(Counter(replace(call, stream="") for call in calls_of(store, NOW)))
    assert answers[0] == answers[1] == answers[2]


def test_a_recording_replays_on_the_clock_of_its_lines(tmp_path: Path) -> None:
    first = datetime(2026, 2, 27, 16, 47, tzinfo=UTC)

    def at(seconds: int) -> str:
        return json.dumps({"timestamp": (first + timedelta(seconds=seconds)).isoformat(), "level": "INFO"})

    def event(text: str, seconds: int) -> bytes:
        milliseconds = int(first.timestamp() + seconds) * 1000
        return compact({"group": "g", "stream": "s", "timestamp": milliseconds, "message": text}) + b"\n"

    path = tmp_path / "recording.jsonl"
    # The clock of the event is off by an hour, but where there is no other it counts.
    path.write_bytes(
        event(at(0), 3600) + event("text", 5) + event(at(10), 3600) + subscription(at(20)) + b"\n"
    )
    now = [NOW]
    source = ReplaySource(path, clock=lambda: now[0])
    seen: list[list[Slice]] = []
    for step in (0, 5, 5, 10):
        now[0] += timedelta(seconds=step)
        seen.append(list(source.read()))
    source.close()
    assert [lines_of(pieces) for pieces in seen] == [
        [at(0).encode()],
        [b"text"],
        [at(10).encode()],
        [at(20).encode()],
    ]
    assert [(piece.source, piece.first_line) for pieces in seen for piece in pieces] == [
        ("g/s", 1),
        ("g/s", 2),
        ("g/s", 3),
        ("router/task/2", 1),
    ]
    assert source.now() == first + timedelta(seconds=20)


@pytest.mark.parametrize("wrap", [recorded, firelens, WRAPS["docker"]])
def test_a_recording_that_has_grown_is_not_counted_twice(tmp_path: Path, wrap: Wrap) -> None:
    path, database = tmp_path / "recording.jsonl", tmp_path / "kept.duckdb"
    lines = [wrap(line) for line in LINES]
    if wrap is recorded:
        streams = random.Random(1)
        lines = [recorded(line, f"task/{streams.randrange(3)}") for line in LINES]
    for count in (300, 300, 1200):
        path.write_bytes(b"\n".join(lines[:count]) + b"\n")
        store = Store(StoreSettings(database=database))
        load(open_paths([str(path)], follow=False), store)
        found = Counter(replace(call, stream="") for call in calls_of(store, NOW))
        assert store.lines == count
        store.close()
    assert found == tables(cut([line.encode() for line in LINES[:1200]], []))


def test_what_a_recording_keeps_goes_with_the_lines_once() -> None:
    record = b"kept\n"
    for lines in ([LINES[0].encode()], [firelens(LINES[0]), LINES[1].encode()], [control()]):
        (piece,) = cut(lines, [])
        pieces = unwrapped(replace(piece, record=record))
        assert [piece.record for piece in pieces] == [record, *[b""] * (len(pieces) - 1)]
        assert all(piece.record is None for piece in unwrapped(piece))
