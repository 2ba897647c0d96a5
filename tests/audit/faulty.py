"""A writer whose system calls fail, or that is killed in one of them: `strace` makes it so.

Each run is a child of one process that has imported everything, is stopped until `strace` is attached to it, and counts
its system calls from there. So the n-th call of a name is the same in every run.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmwatch.audit.writing.writer import AuditError, AuditWriter
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER
from tests.audit.soundness import assert_sound, entries_of

BEGAN = datetime(2026, 2, 27, 12, tzinfo=UTC)
CALLS = (
    "openat,read,write,pread64,pwrite64,fdatasync,fsync,ftruncate,close,flock,unlink,rename,mkdir,chmod,fchmod,"
    "newfstatat,fstat,stat,lstat,lseek,getdents64"
)
"""What a writer asks of a file system."""

_MOST_SECONDS = 30
_NEEDS_ROOM = frozenset(("openat", "write", "pwrite64", "fdatasync", "fsync", "rename", "mkdir"))
_CALL = re.compile(r"^(\w+)\(", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Fault:
    """What happens at the n-th call of a name."""

    call: str
    number: int
    what: str
    """`signal=SIGKILL`, or `error=` and the name of an error."""

    stays: bool = False
    """It happens at every call of that name from then on."""

    def __str__(self) -> str:
        return f"{self.call}:{self.what}:when={self.number}{'+' if self.stays else ''}"


def faults(counts: Counter[str]) -> Iterator[Fault]:
    """All that can happen in a run that makes so many calls of each name."""
    for call in sorted(counts):
        for number in range(1, counts[call] + 1):
            yield Fault(call, number, "signal=SIGKILL")
            yield Fault(call, number, "error=EIO")
            if call in _NEEDS_ROOM:
                yield Fault(call, number, "error=ENOSPC")
                yield Fault(call, number, "error=ENOSPC", stays=True)


def prepare(folder: Path, scenario: str) -> None:
    """What the run finds: `new` nothing, `crashed` a day that is over, and half a line at its end."""
    shutil.rmtree(folder, ignore_errors=True)
    if scenario == "crashed":
        writer = AuditWriter(
            folder, SECRET, SIGNER, clock=lambda: BEGAN - timedelta(days=1), checkpoint_seconds=3600
        )
        for one in recipe.entries(3, 99):
            writer.append(one)
        writer._stop()
        writer._ledger.release()
        (path,) = folder.glob("*.jsonl")
        path.write_bytes(path.read_bytes() + path.read_bytes()[:100])


def run(folder: Path, acknowledged: int) -> None:
    """What is done: single entries, several, a checkpoint, the next day. Goes on after what failed."""
    now = BEGAN
    given = recipe.entries(20, 1)

    def open_() -> AuditWriter:
        return AuditWriter(
            folder, SECRET, SIGNER, clock=lambda: now, on_error=lambda _: None, checkpoint_seconds=3600
        )

    try:
        writer = open_()
    except AuditError:
        writer = open_()
    for step in range(7):
        if step == 4:
            now += timedelta(days=1)
        entries = [next(given) for _ in range(3 if step in (2, 5) else 1)]
        with suppress(AuditError):
            if len(entries) == 1:
                writer.append(entries[0])
            else:
                writer.append_many(entries)
            os.write(acknowledged, "".join(f"{one['id']}\n" for one in entries).encode())
        if step == 3:
            with suppress(AuditError):
                writer.checkpoint()
    with suppress(AuditError):
        writer.close()


def traced(folder: Path, scenario: str, *options: str) -> tuple[list[str], str]:
    """Run it under strace; what was acknowledged, and what strace wrote."""
    prepare(folder, scenario)
    trace = folder.with_name(f"{folder.name}.strace")
    (go, let_go), (read, acknowledged) = os.pipe(), os.pipe()
    child = os.fork()
    if child == 0:  # pragma: no cover (another process)
        with suppress(BaseException):
            os.close(let_go)
            signal.alarm(_MOST_SECONDS)
            os.read(go, 1)
            run(folder, acknowledged)
        os._exit(0)
    os.close(acknowledged)
    try:
        command = ["strace", "-p", str(child), "-o", str(trace), *options]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as strace:
            assert strace.stderr is not None
            said = strace.stderr.readline()
            if "attached" not in said:
                raise RuntimeError(said + strace.stderr.read())
            os.write(let_go, b"x")
            with open(read, "rb") as pipe:
                done = pipe.read().decode().split()
            _, status = os.waitpid(child, 0)
            strace.communicate(timeout=60)
    except BaseException:
        with suppress(ProcessLookupError, ChildProcessError):
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
        raise
    finally:
        os.close(go)
        os.close(let_go)
    assert not os.WIFSIGNALED(status) or os.WTERMSIG(status) != signal.SIGALRM, "it waits for ever"
    return done, trace.read_text()


def calls(folder: Path, scenario: str) -> Counter[str]:
    """How many calls of each name a run makes in which nothing fails."""
    _, trace = traced(folder, scenario, "-e", f"trace={CALLS}")
    return Counter(_CALL.findall(trace))


def inject(folder: Path, scenario: str, fault: Fault) -> None:
    """Let it happen, start again, and see that everything acknowledged is there and everything there is right."""
    done, _ = traced(folder, scenario, "-e", f"trace={fault.call}", "-e", f"inject={fault}")
    before = [one["id"] for one in recipe.entries(3, 99)] if scenario == "crashed" else []
    last = next(recipe.entries(1, 2))
    later = BEGAN + timedelta(days=1, hours=1)
    told: list[str] = []
    with AuditWriter(
        folder, SECRET, SIGNER, clock=lambda: later, on_error=lambda one: told.append(str(one))
    ) as writer:
        writer.append(last)
    given = [*before, *(one["id"] for one in recipe.entries(20, 1)), last["id"]]
    entries = entries_of(folder)
    found = [one["id"] for one in entries if not one["event_type"].startswith("audit.")]
    assert found == [one for one in given if one in set(found)], "an entry is out of order, or there twice"
    missing = {*before, *done, last["id"]} - set(found)
    assert not missing, f"acknowledged, and gone: {missing}"
    assert told == []
    assert {one["event_type"] for one in entries} <= {"chat_completion", "audit.recovery"}
    if scenario == "crashed":
        assert any(one["event_type"] == "audit.recovery" for one in entries)
    assert_sound(folder)
