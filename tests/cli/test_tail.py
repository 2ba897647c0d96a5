"""`tail` without a screen: every line comes out once, harmless, and is recorded as it was."""

from __future__ import annotations

import errno
import json
import os
import queue
import re
import signal
import stat
import subprocess
import threading
import time
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmwatch.cli.tail import _recorder
from llmwatch.errors import SourceError
from llmwatch.store.slice import Slice
from tests.cli.running import SAMPLE, Ran, here, outside, process
from tests.cli.traffic import LINES_OF_A_CALL, call
from tests.oracle.hostile import corpus, started

PATIENCE = 15.0
WRITE = os.write
LONG = [
    started(user_email="1 MB " + "m" * 1_000_000),
    started(user_agent="\x1b]52;c;" + "Y" * 1_000_000 + "\x07"),
    b"\x1b[2J" + b"n" * 1_000_000,
    started(request_id="\x1b[31m" * 2_000, user_email="é" * 10_000, path="\u202e" * 10_000),
]
FORGIVEN = ("trailing comma", "number as message")
"""What the store's reader understands although the oracle does not."""
FIELDS = [
    "seq",
    "time",
    "source",
    "line",
    "level",
    "kind",
    "message",
    "request_id",
    "user",
    "model",
    "status",
    "latency_ms",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "error",
]


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The corpus and very long lines, in a file whose name is hostile too."""
    path = tmp_path_factory.mktemp("hostile") / "\x1b]0;owned\x07\u202e\x9b31m.jsonl"
    path.write_bytes(b"".join(raw + b"\n" for raw in [*(line.raw for line in corpus()), *LONG]))
    return path


@pytest.fixture(scope="module")
def plain(hostile: Path) -> Ran:
    return outside("tail", hostile, "--plain", "--no-follow")


@pytest.fixture(scope="module")
def as_json(hostile: Path) -> Ran:
    return outside("tail", hostile, "--json", "--no-follow")


def test_not_on_a_terminal_lines_come_out() -> None:
    ran = outside("tail", SAMPLE, "--no-follow")
    assert ran.code == 0
    assert ran.err == b""
    assert ran.out.isascii()
    lines = ran.text.splitlines()
    assert len(lines) == 1982
    form = r"2026-02-27T16:4\d:\d\d\.\d{3}Z  (INFO   |WARNING|ERROR  )  \w.*"
    assert [line for line in lines if not re.fullmatch(form, line)] == []
    assert sum("Request completed" in line and "latency=" in line for line in lines) > 250


def test_json_is_an_event_a_line_in_the_order_of_the_log() -> None:
    ran = here("tail", SAMPLE, "--no-follow", "--json")
    events = ran.json_lines
    assert [event["line"] for event in events] == list(range(1, 1983))
    assert {tuple(event) for event in events} == {tuple(FIELDS)}
    for event, raw in zip(events, SAMPLE.read_bytes().splitlines(), strict=True):
        said = json.loads(raw)
        assert event["message"] == said["message"]
        assert event["request_id"] == said.get("request_id")
        assert event["time"] == said["timestamp"]
        assert event["user"] == (said.get("user_email") or said.get("user_sub"))


def test_a_window_takes_events_by_their_own_time() -> None:
    window = ("--since", "2026-02-27T16:47:01Z", "--until", "2026-02-27T16:47:02Z")
    events = here("tail", SAMPLE, "--no-follow", "--json", *window).json_lines
    times = [json.loads(raw)["timestamp"] for raw in SAMPLE.read_bytes().splitlines()]
    wanted = [time for time in times if "2026-02-27T16:47:01" <= time < "2026-02-27T16:47:02"]
    assert [event["time"] for event in events] == wanted
    assert 0 < len(wanted) < len(times)


def test_a_last_line_without_newline_counts(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("a@example.com").rstrip(b"\n"))
    assert len(here("tail", log, "--no-follow", "--json").json_lines) == LINES_OF_A_CALL
    assert len(outside("tail", "-", "--json", stdin=log.read_bytes()).json_lines) == LINES_OF_A_CALL


def test_a_recording_is_the_bytes_that_came_and_the_owners_alone(tmp_path: Path, hostile: Path) -> None:
    record = tmp_path / "recorded.jsonl"
    mask = os.umask(0)
    try:
        ran = here("tail", hostile, "--no-follow", "--plain", "--record", record)
    finally:
        os.umask(mask)
    assert ran.code == 0
    assert stat.S_IMODE(record.stat().st_mode) == 0o600
    assert record.read_bytes() == hostile.read_bytes()
    here("tail", SAMPLE, "--no-follow", "--json", "--record", record)
    assert record.read_bytes() == hostile.read_bytes() + SAMPLE.read_bytes()


def test_a_recording_that_failed_ends_with_a_whole_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The disk takes a part of each write, and then nothing."""
    log, record = tmp_path / "log.jsonl", tmp_path / "recorded.jsonl"
    record.write_bytes(b"an older line\n")
    log.write_bytes(call("a@example.com", "r-0") + call("a@example.com", "r-1"))
    room = len(call("a@example.com", "r-0")) + 100
    monkeypatch.setattr(os, "write", full_after(room))
    ran = here("tail", log, "--no-follow", "--plain", "--record", record)
    assert ran.code == SourceError.exit_code
    assert f"cannot record to {record}" in ran.narration
    kept = record.read_bytes().removeprefix(b"an older line\n")
    assert log.read_bytes().startswith(kept)
    assert kept.endswith(b"\n")
    assert room - max(map(len, log.read_bytes().splitlines())) < len(kept) <= room


@pytest.mark.parametrize("again", [True, False])
def test_a_recording_goes_on_in_the_middle_of_a_line(
    again: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever gives the failed slice again, goes on with the next, or ends."""
    path = tmp_path / "recorded.jsonl"
    pieces = [Slice("log", "log", 1, b"one\n"), Slice("log", "log", 2, b"", record=b"two\nthree\n")]
    with _recorder(path) as record:
        assert record
        record(pieces[0])
        with monkeypatch.context() as patch:
            patch.setattr(os, "write", full_after(6))
            with pytest.raises(SourceError, match="free room"):
                record(pieces[1])
        assert path.read_bytes() == b"one\ntwo\nth"
        if again:
            record(pieces[1])
            record(pieces[0])
    assert path.read_bytes() == b"one\ntwo\nthree\n" + b"one\n" * again


def test_what_others_appended_to_a_recording_is_never_taken_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "recorded.jsonl"
    monkeypatch.setattr(os, "write", full_after(6))
    with _recorder(path) as record:
        assert record
        with pytest.raises(SourceError):
            record(Slice("log", "log", 1, b"one\ntwo\n"))
        append(path, b"\nanother's\n")
    assert path.read_bytes() == b"one\ntw\nanother's\n"


def full_after(room: int) -> Callable[[int, memoryview], int]:
    """`os.write` to a disk with so much room, at most 50 bytes a time."""
    left = room

    def write(descriptor: int, data: memoryview) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        count = WRITE(descriptor, data[: min(50, left)])
        left -= count
        return count

    return write


@pytest.mark.parametrize("form", ["--plain", "--json"])
def test_a_growing_file_is_followed_until_ctrl_c_and_nothing_is_lost(tmp_path: Path, form: str) -> None:
    log, record = tmp_path / "log.jsonl", tmp_path / "recorded.jsonl"
    log.write_bytes(call("a@example.com", "r-0"))
    with following("tail", log, form, "--record", record) as tail:
        tail.wait_for("r-0", LINES_OF_A_CALL)
        for number in range(1, 6):
            append(log, call("a@example.com", f"r-{number}"))
        halves = call("b@example.com", "r-6")
        append(log, halves[:100])
        tail.wait_for("r-5", LINES_OF_A_CALL)
        assert not tail.has("r-6")
        append(log, halves[100:])
        tail.wait_for("r-6", LINES_OF_A_CALL)
        log.rename(tmp_path / "log.jsonl.1")
        log.write_bytes(call("c@example.com", "r-7"))
        tail.wait_for("r-7", LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert ran.code == 130
    assert ran.err == b""
    assert len(tail.lines) == 8 * LINES_OF_A_CALL
    assert record.read_bytes() == (tmp_path / "log.jsonl.1").read_bytes() + log.read_bytes()


def test_lines_of_a_pipe_come_out_as_they_come() -> None:
    with following("tail", "-", "--json", stdin=subprocess.PIPE) as tail:
        for number in range(3):
            tail.feed(call("a@example.com", f"r-{number}"))
            tail.wait_for(f"r-{number}", LINES_OF_A_CALL)
        tail.feed(call("a@example.com", "r-3").rstrip(b"\n"))
        ran = tail.close()
    assert ran.code == 0
    assert len(tail.lines) == 4 * LINES_OF_A_CALL


def test_nothing_of_the_data_reaches_the_terminal_as_a_command(plain: Ran, as_json: Ran) -> None:
    for ran in (plain, as_json):
        assert ran.code == 0
        for stream in (ran.out, ran.err):
            assert harmful(stream.decode()) == set()
    assert as_json.out.isascii()
    assert len(as_json.out) > 1_000_000


def test_every_hostile_line_is_one_line(plain: Ran, as_json: Ran) -> None:
    kinds = ["event" if line.name in FORGIVEN else line.kind for line in corpus()]
    kinds += ["event", "event", "malformed", "event"]
    lines = plain.text.splitlines()
    assert len(lines) == len(kinds) - kinds.count("blank")
    assert len(as_json.json_lines) == kinds.count("event")
    shown = [line.split("  ")[1].strip() for line in lines]
    assert shown.count("malformed") == kinds.count("malformed")
    assert shown.count("unrecognised") == kinds.count("unrecognised")
    assert max(map(len, lines)) < 2_500
    rejected = kinds.count("malformed") + kinds.count("unrecognised")
    for ran in (plain, as_json):
        assert f"{rejected} lines were malformed or not recognised" in ran.narration


def test_hostile_text_is_exact_in_json(as_json: Ran) -> None:
    named = [line.raw for line in corpus() if line.name.endswith("as user_email")]
    said = {json.loads(raw)["user_email"] for raw in [*named, LONG[0], LONG[3]]} - {"   "}
    assert len(said) > 5
    users = {event["user"] for event in as_json.json_lines}
    assert said <= users
    texts = {str(event["request_id"]) for event in as_json.json_lines}
    assert "\x1b[31m" * 2_000 in texts


def harmful(text: str) -> set[str]:
    """Characters that move, recolour, reorder or hide."""
    return {
        char
        for char in set(text)
        if char != "\n" and unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")
    }


def append(path: Path, data: bytes) -> None:
    with path.open("ab") as file:
        file.write(data)


class Following:
    """A run whose lines are read as they come."""

    def __init__(self, program: subprocess.Popen[bytes]) -> None:
        self.lines: list[str] = []
        self._program = program
        self._arrived: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def has(self, text: str) -> int:
        """How many lines have it."""
        while not self._arrived.empty():
            self.lines.append(self._arrived.get())
        return sum(text in line for line in self.lines)

    def wait_for(self, text: str, count: int) -> None:
        until = time.monotonic() + PATIENCE
        while self.has(text) < count:
            assert time.monotonic() < until, f"{text}: {self.has(text)} of {count} lines came"
            time.sleep(0.01)

    def feed(self, data: bytes) -> None:
        assert self._program.stdin is not None
        self._program.stdin.write(data)
        self._program.stdin.flush()

    def close(self) -> Ran:
        assert self._program.stdin is not None
        self._program.stdin.close()
        return self._end()

    def stop(self, number: int) -> Ran:
        self._program.send_signal(number)
        return self._end()

    def _end(self) -> Ran:
        self._program.wait(PATIENCE)
        self._reader.join(PATIENCE)
        self.has("")
        assert self._program.stderr is not None
        return Ran(self._program.returncode, b"", self._program.stderr.read())

    def _read(self) -> None:
        assert self._program.stdout is not None
        for line in self._program.stdout:
            self._arrived.put(line.decode())


@contextmanager
def following(*words: object, **options: object) -> Iterator[Following]:
    program = process(*words, **options)
    try:
        yield Following(program)
    finally:
        program.kill()
        program.wait()
        for stream in (program.stdin, program.stdout, program.stderr):
            if stream is not None:
                stream.close()
