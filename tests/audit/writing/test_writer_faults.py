"""Disks that fail, processes that are killed, folders that cannot be written: nothing acknowledged is lost.

`LLMWATCH_FAULTS` is how many system calls fail in a run of these tests, 40 if it is not set; all of them do in
`python -m benchmarks --only audit-faults`.
"""

from __future__ import annotations

import gzip
import json
import os
import random
import re
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

from llmwatch.audit.writing import disk
from llmwatch.audit.writing.writer import AuditError, AuditWriter
from tests.audit import recipe
from tests.audit.faulty import BEGAN, calls, faults, inject, traced
from tests.audit.sealed import SECRET, SIGNER
from tests.audit.soundness import assert_sound, checkpoints_of, entries_of, ids_of, lines_of, verified

_SAMPLE = int(os.environ.get("LLMWATCH_FAULTS", "40"))

needs_strace = pytest.mark.skipif(not shutil.which("strace"), reason="strace is not installed")


def open_(folder: Path, **options: Any) -> AuditWriter:
    return AuditWriter(
        folder, SECRET, SIGNER, **{"clock": lambda: BEGAN, "checkpoint_seconds": 3600.0, **options}
    )


@needs_strace
@pytest.mark.parametrize("scenario", ["new", "crashed"])
def test_a_system_call_fails_or_is_the_last(tmp_path: Path, scenario: str) -> None:
    folder = tmp_path / "log"
    counts = calls(folder, scenario)
    assert {"write", "fdatasync", "fsync", "flock", "rename", "openat"} <= set(counts)
    every = list(faults(counts))
    for fault in random.Random(4).sample(every, min(_SAMPLE // 2, len(every))):
        try:
            inject(folder, scenario, fault)
        except AssertionError as error:
            error.add_note(f"after {fault}")
            raise


_STEP = re.compile(r"(\w+)\((?:AT_FDCWD\S* )?\d*<?([^>,]*)>?(.*)")


@needs_strace
def test_nothing_is_signed_or_acknowledged_before_it_is_on_the_disk(tmp_path: Path) -> None:
    folder = tmp_path / "log"
    done, trace = traced(folder, "new", "-y", "-e", "trace=openat,write,fdatasync,fsync")
    waiting: set[str] = set()
    signed = 0
    for step in filter(None, map(_STEP.match, trace.splitlines())):
        call, place = step[1], Path(step[2].strip('"')).name
        if call == "openat" and "O_EXCL" in step[3] and place.endswith(".jsonl"):
            waiting.add(folder.name)  # a name, until its folder is synced
        elif call == "write" and place.startswith("pipe:"):
            assert not waiting
        elif call == "write":
            if place == "audit_checkpoints.txt":
                assert not {one for one in waiting if one.endswith(".jsonl")}
                signed += 1
            waiting.add(place)
        elif call in ("fdatasync", "fsync"):
            waiting.discard(place)
    assert len(done) == 11
    assert signed > 3


_WRITER = """
import os, sys
from llmwatch.audit.writing.writer import AuditWriter, entry
from tests.audit.sealed import SECRET, SIGNER
with AuditWriter(sys.argv[1], SECRET, SIGNER, checkpoint_lines=7) as writer:
    number = 0
    while True:
        made = [entry(user_id="u", model="m", metadata={"n": n}) for n in range(number, number + 1 + number % 3)]
        number += len(made)
        writer.append(made[0]) if len(made) == 1 else writer.append_many(made)
        os.write(1, "".join(f"{one['id']}\\n" for one in made).encode())
"""


def test_three_writers_killed_at_random(tmp_path: Path) -> None:
    chance = random.Random(6)
    folder, acknowledged = tmp_path / "log", tmp_path / "acknowledged"

    def start() -> subprocess.Popen[bytes]:
        with acknowledged.open("ab") as out:
            return subprocess.Popen([sys.executable, "-c", _WRITER, str(folder)], stdout=out)

    writers = [start() for _ in range(3)]
    try:
        for _ in range(9):
            size = acknowledged.stat().st_size
            until = monotonic() + 30
            while acknowledged.stat().st_size < size + 37 * chance.randrange(5, 60) and monotonic() < until:
                sleep(0.001)
            place = chance.randrange(3)
            writers[place].kill()
            writers[place].wait()
            writers[place] = start()
    finally:
        for writer in writers:
            writer.kill()
            writer.wait()
    with open_(folder, clock=lambda: datetime.now(UTC)) as last:
        last.append(next(recipe.entries(1)))
    done = acknowledged.read_text().split()
    found = ids_of(folder)
    assert len(set(found)) == len(found)
    assert set(done) <= set(found)
    assert len(done) > 50
    assert_sound(folder)
    assert not any(one["event_type"] == "audit.alarm" for one in entries_of(folder))


@contextmanager
def room(size: int) -> Iterator[None]:
    """No file of this process grows beyond so many bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, ignored)


def test_a_write_that_found_room_for_a_part_is_undone(tmp_path: Path) -> None:
    with open_(tmp_path) as writer:
        first = writer.append_many(recipe.entries(3, 1))
        size = (tmp_path / first[0].file).stat().st_size
        with room(size + 5000), pytest.raises(AuditError, match="found room"):
            writer.append_many(recipe.entries(20, 2))
        assert (tmp_path / first[0].file).stat().st_size == size
        writer.append_many(recipe.entries(2, 3))
    assert ids_of(tmp_path) == [
        one["id"] for seed, count in ((1, 3), (3, 2)) for one in recipe.entries(count, seed)
    ]
    assert_sound(tmp_path)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root may mount a small disk")
def test_a_full_disk(tmp_path: Path) -> None:
    folder = tmp_path / "small"
    folder.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if mounted.returncode:
        pytest.skip(f"mount: {mounted.stderr.decode().strip()}")
    try:
        log = folder / "log"
        with open_(log) as writer:
            done = []
            with pytest.raises(AuditError, match="free room"):  # noqa: PT012
                for one in recipe.entries(1000):
                    writer.append(one)
                    done.append(one["id"])
            assert 10 < len(done) < 100
            with pytest.raises(AuditError, match="free room"):
                open_(log)
            assert [each for each in ids_of(log) if each in done] == done
            subprocess.run(["mount", "-o", "remount,size=1m", str(folder)], check=True)
            writer.append(next(recipe.entries(1, 1)))
        assert set(done) <= set(ids_of(log))
        assert_sound(log)
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=True)


def test_a_folder_that_cannot_be_one_is_told_before_the_call(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for folder in (tmp_path / "file", tmp_path / "file" / "log"):
        with pytest.raises(AuditError, match=r"cannot be written .*: it is to be a folder"):
            open_(folder)


def _read_only(*_: object) -> None:
    raise OSError(30, "Read-only file system")


def test_ready_asks_the_disk_before_the_call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_(tmp_path, checkpoint_seconds=0.0) as writer:
        assert writer.ready()
        monkeypatch.setattr(disk, "sync", _read_only)
        with pytest.raises(AuditError, match="read-only: mount it for writing"):
            writer.ready()
        with pytest.raises(AuditError, match="read-only"):
            open_(tmp_path)
        assert lines_of(tmp_path) == []
        monkeypatch.undo()
        assert writer.ready()


def test_fail_open_counts_what_it_drops_and_the_log_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    told: list[str] = []
    given = list(recipe.entries(6))
    monkeypatch.setattr(disk, "sync", _read_only)
    writer = open_(tmp_path, policy="fail-open", on_error=lambda error: told.append(str(error)))
    assert not writer.ready()
    assert writer.append(given[0]) is None
    assert writer.append_many(given[1:3]) == []
    assert (writer.dropped, len(told)) == (3, 4)
    monkeypatch.undo()
    receipt = writer.append(given[3])
    assert writer.append({"x": float("nan")}) is None
    writer.append(given[4])
    writer.close()
    assert writer.dropped == 4
    assert receipt is not None
    assert receipt.sequence == 1
    events = [(one["event_type"], one["metadata"].get("dropped")) for one in entries_of(tmp_path)]
    call = ("chat_completion", None)
    assert events == [("audit.gap", 3), call, ("audit.gap", 1), call]
    assert_sound(tmp_path)


def test_a_checkpoint_that_fails_costs_no_entry(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    writer = open_(tmp_path, on_error=lambda error: told.append(str(error)))
    monkeypatch.setattr("llmwatch.audit.writing.checkpoint_file.append", _read_only)
    receipt = writer.append(next(recipe.entries(1)))
    assert receipt is not None
    assert checkpoints_of(tmp_path) == []
    assert len(told) == 1
    monkeypatch.undo()
    writer.append(next(recipe.entries(1, 1)))
    writer.close()
    assert [each.size for each in checkpoints_of(tmp_path)] == [2]
    assert_sound(tmp_path)


def _crash(writer: AuditWriter) -> None:
    writer._stop()
    writer._ledger.release()


@pytest.mark.parametrize("day_over", [False, True])
def test_whatever_half_line_a_crash_leaves_is_kept_and_recorded(tmp_path: Path, day_over: bool) -> None:
    folder = tmp_path / "log"
    clock = BEGAN
    writer = open_(folder)
    for one in recipe.entries(2):
        writer.append(one)
    _crash(writer)
    before = {path: path.read_bytes() for path in folder.iterdir()}
    (path,) = folder.glob("*.jsonl")
    lost = writer_line(tmp_path / "other")
    half = [
        lost[:1],
        lost[: len(lost) // 2],
        lost[:-2],
        b"\0" * 50,
        lost[:20] + b"\0" * 400 + b"\n" + lost,
    ]
    for torn in half:
        shutil.rmtree(folder)
        folder.mkdir()
        for kept, data in before.items():
            kept.write_bytes(data)
        path.write_bytes(before[path] + torn)
        if day_over:
            clock = BEGAN + timedelta(days=1)
        with open_(folder, clock=lambda now=clock: now) as writer:
            writer.append(next(recipe.entries(1, 9)))
        (saved,) = folder.glob("audit_torn_*.bin")
        assert saved.read_bytes() == torn
        recovery = entries_of(folder)[2]
        assert recovery["event_type"] == "audit.recovery"
        assert {key: value for key, value in recovery["metadata"].items() if key != "_lw"} == {
            "file": path.name,
            "offset": len(before[path]),
            "bytes": len(torn),
            "sha256": sha256(torn).hexdigest(),
            "saved": saved.name,
        }
        assert_sound(folder)


def writer_line(folder: Path) -> bytes:
    with open_(folder) as writer:
        writer.append(next(recipe.entries(1, 5)))
    return lines_of(folder)[0] + b"\n"


def test_a_line_that_lacks_only_its_newline_is_kept_where_it_is(tmp_path: Path) -> None:
    writer = open_(tmp_path)
    for one in recipe.entries(3):
        writer.append(one)
    _crash(writer)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes()[:-1])
    open_(tmp_path).close()
    assert ids_of(tmp_path) == [one["id"] for one in recipe.entries(3)]
    assert list(tmp_path.glob("audit_torn_*")) == []
    assert_sound(tmp_path)


def test_a_crash_after_a_half_line_was_moved_aside_and_before_it_was_recorded(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = open_(tmp_path)
    writer.append(next(recipe.entries(1)))
    _crash(writer)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b'{"id": "')
    with monkeypatch.context() as patch:
        patch.setattr("llmwatch.audit.writing.ledger.append", _read_only)
        with pytest.raises(AuditError):
            open_(tmp_path)
    assert len(lines_of(tmp_path)) == 1
    assert len(list(tmp_path.glob("audit_torn_*"))) == 1
    for _ in range(2):
        open_(tmp_path).close()
    assert [json.loads(line)["event_type"] for line in lines_of(tmp_path)] == [
        "chat_completion",
        "audit.recovery",
    ]
    assert_sound(tmp_path)


def test_a_file_that_a_crash_left_empty_is_none(tmp_path: Path) -> None:
    with open_(tmp_path) as writer:
        writer.append(next(recipe.entries(1)))
    later = BEGAN + timedelta(days=2)
    (tmp_path / "audit_2026-02-28.jsonl").write_bytes(b"")
    with open_(tmp_path, clock=lambda: later) as writer:
        writer.append(next(recipe.entries(1, 1)))
    assert not (tmp_path / "audit_2026-02-28.jsonl").exists()
    assert_sound(tmp_path)


_TORN = [b'{"id": "', b"{", b"\0" * 50]


@pytest.mark.parametrize("torn", _TORN, ids=("half", "brace", "nulls"))
@pytest.mark.parametrize("before", ["nothing", "a day", "a plain day"])
@pytest.mark.parametrize("days", [-1, 0, 1])
@pytest.mark.parametrize("again", [False, True])
def test_a_crash_in_the_first_write_of_a_day(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, torn: bytes, before: str, days: int, again: bool
) -> None:
    """`days` later the next process starts; `again`: that one fails before it has told of it."""
    yesterday = BEGAN - timedelta(days=1)
    if before == "a day":
        with open_(tmp_path, clock=lambda: yesterday) as writer:
            writer.append(next(recipe.entries(1)))
    elif before == "a plain day":
        recipe.write(tmp_path / f"audit_{yesterday.date()}.jsonl", recipe.entries(2))
    name = f"audit_{BEGAN.date()}.jsonl"
    (tmp_path / name).write_bytes(torn)
    now = BEGAN + timedelta(days=days)
    if again:
        with monkeypatch.context() as patch:
            patch.setattr("llmwatch.audit.writing.ledger.append", _read_only)
            with pytest.raises(AuditError):
                open_(tmp_path, clock=lambda: now).append({})
    for seed in (1, 2):
        with open_(tmp_path, clock=lambda: now) as writer:
            writer.append(next(recipe.entries(1, seed)))
    with open_(tmp_path, clock=lambda: now + timedelta(days=1)) as writer:
        writer.append(next(recipe.entries(1, 3)))
    (saved,) = tmp_path.glob("audit_torn_*.bin")
    assert saved.read_bytes() == torn
    (recovery,) = [one for one in entries_of(tmp_path) if one["event_type"] == "audit.recovery"]
    assert [recovery["metadata"][key] for key in ("file", "offset", "saved")] == [name, 0, saved.name]
    if before == "a plain day":
        assert verified(tmp_path).verdict == "ok"
    else:
        assert_sound(tmp_path)


def test_all_files_that_crashes_left_empty_are_none(tmp_path: Path) -> None:
    writer = open_(tmp_path)
    writer.append(next(recipe.entries(1)))
    _crash(writer)
    (path,) = tmp_path.glob("*.jsonl")
    path.write_bytes(path.read_bytes() + b"{")
    for day in ("2026-02-28", "2026-03-01"):
        (tmp_path / f"audit_{day}.jsonl").write_bytes(b"")
    with open_(tmp_path, clock=lambda: BEGAN + timedelta(days=1)) as writer:
        writer.append(next(recipe.entries(1, 1)))
    assert len(list(tmp_path.glob("*.jsonl"))) == 2
    assert_sound(tmp_path)


def test_a_file_that_was_emptied_does_not_stop_its_writer(tmp_path: Path) -> None:
    told: list[str] = []
    with open_(tmp_path, on_error=lambda error: told.append(str(error))) as writer:
        writer.append(next(recipe.entries(1)))
        (path,) = tmp_path.glob("*.jsonl")
        path.write_bytes(b"")
        writer.append(next(recipe.entries(1, 1)))
    assert [one["event_type"] for one in entries_of(tmp_path)] == ["audit.alarm", "chat_completion"]
    assert "cut off" in told[0]


def test_a_checkpoint_after_all_was_archived_leaves_no_file(tmp_path: Path) -> None:
    with open_(tmp_path) as writer:
        writer.append(next(recipe.entries(1)))
    later = BEGAN + timedelta(days=1)
    open_(tmp_path, clock=lambda: later).close()
    (path,) = tmp_path.glob("*.jsonl")
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
    path.unlink()
    with open_(tmp_path, clock=lambda: later) as writer:
        writer.checkpoint()
    assert list(tmp_path.glob("*.jsonl")) == []
