"""Days of a log archived and deleted by their age, so that what policy deleted never looks like what an attacker did.

A day is as old as its last moment, midnight UTC after the day in its name. Of a day that has a digest, the digest
stays, and a signed tombstone says that the lines went by policy; a day that is not as its digest says is evidence, and
is not touched. Every step can be interrupted: the next run goes on.
"""

from __future__ import annotations

import fcntl
import os
import re
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from datetime import time as clock_time
from pathlib import Path
from typing import Literal

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.digests import Tombstone, sign_tombstone
from llmwatch.audit.folder import ARCHIVE, KEYS, LogFile, day_of, digest_path, find_logs, tombstone_path
from llmwatch.audit.keeping.packing import FRESH, Refused, State, last_chain, pack, read_hash, remove
from llmwatch.audit.notes import NoteSigner, NoteVerifier
from llmwatch.audit.signed.statements import (
    DIGEST_ENDING,
    Seal,
    Statements,
    count_statements,
    read_statements,
)
from llmwatch.audit.writing.disk import sync_folder
from llmwatch.audit.writing.record import timestamp
from llmwatch.errors import SourceError, UsageError
from llmwatch.private_file import write_private

Action = Literal["archive", "delete", "keep"]
Outcome = Literal["archived", "deleted", "kept", "refused", "failed"]
Foreseen = Literal["archive", "delete", "keep", "refused"]

_NEWEST, _NOT_OVER, _YOUNG = "it is the newest day", "the day is not over", "not old enough"
_NO_DAY = "its name is no day: it is left alone"
UNREMARKABLE = (_NEWEST, _NOT_OVER, _YOUNG)
"""Reasons to keep a day that need no explanation."""

_LOCK, _LOCK_SECONDS = "audit.lock", 30.0
_OF_A_DAY = re.compile(rf"(.*)({re.escape(DIGEST_ENDING)}|\.gone|\.jsonl{re.escape(FRESH)})", re.DOTALL)
_BESIDE = re.compile(
    rf"{re.escape(CHECKPOINTS)}|{re.escape(KEYS)}|audit_torn_.*\.bin|{re.escape(_LOCK)}|audit\.state|{ARCHIVE}",
    re.DOTALL,
)
"""What a log has beside its days."""
_NEEDS_KEY = "needs --sign-key, the log's key, to sign its deletion"


@dataclass(frozen=True, slots=True)
class Policy:
    """How old a day gets; None: for ever."""

    archive_after: timedelta | None = None
    delete_after: timedelta | None = None


@dataclass(frozen=True, slots=True)
class Step:
    """What is to become of a day, or of a file that is no part of the log."""

    name: str
    action: Action
    reason: str
    files: tuple[LogFile, ...] = ()
    sealed: bool = False
    """There is a digest, whoever signed it."""
    signed: bool = False
    """The log has digests or checkpoints, so that a deletion has to be signed too."""

    @property
    def size(self) -> int:
        """Bytes in the file system. Raises OSError."""
        return sum(file.path.stat().st_size for file in self.files)


@dataclass(frozen=True, slots=True)
class Done:
    """What became of it."""

    name: str
    outcome: Outcome
    reason: str
    size: int = 0
    """Bytes of the archive that was made, or of the files that were deleted."""


def plan(folder: Path, policy: Policy, now: datetime) -> list[Step]:
    """What a policy means for a folder, oldest day first; only names are looked at. Raises SourceError."""
    files = [file for log in find_logs([folder]) for file in log.files if file.day]
    days = sorted({file.name for file in files})
    sealed = {path.name.replace(DIGEST_ENDING, ".jsonl") for path in folder.glob(f"audit_*{DIGEST_ENDING}")}
    steps, signed = [], bool(sealed) or (folder / CHECKPOINTS).exists()
    for name in days:
        copies = tuple(file for file in files if file.name == name)
        action, reason = _due(name, copies, policy, now, newest=days[-1])
        if action == "delete" and signed and not any(later >= name for later in sealed):
            action, reason = (
                "keep",
                "no digest says how the log goes on after it",
            )
        steps.append(Step(name, action, reason, copies, name in sealed, signed))
    return [*steps, *_strange(folder)]


def foreseen(step: Step, signer: NoteSigner | None) -> tuple[Foreseen, str]:
    """What will become of it, and why, as far as names tell."""
    if step.action == "delete" and step.signed and not signer:
        return "refused", _NEEDS_KEY
    return step.action, step.reason


def signer_of(folder: Path, private: bytes, origin: str | None) -> NoteSigner:
    """What signs tombstones, under the name that the log's own digests have; `origin` is for a log without any.

    Raises:
        SourceError: a note cannot be read.
        UsageError: the key is not the log's, or the log has no name.

    """
    said = read_statements(folder, NoteVerifier(NoteSigner("key", private).public))
    if said.origin is None and any(count_statements(folder)):
        raise UsageError(
            f"--sign-key signed nothing in {folder}: its tombstones would not count; name the log's key"
        )
    if origin and said.origin not in (None, origin):
        raise UsageError(f"--origin {origin} is another log: the digests in {folder} are of {said.origin}")
    if not (origin or said.origin):
        raise UsageError(f"nothing signed in {folder} says what the log is called: name it in --origin")
    return NoteSigner(said.origin or origin or "", private)


def remarks(steps: Sequence[Step], signer: NoteSigner | None) -> Iterator[str]:
    """What is to be known about deletions that nobody signs."""
    unsigned = [step for step in steps if step.action == "delete" and not signer]
    if signed := [step.name for step in unsigned if step.signed]:
        more = f" and {len(signed) - 3:,} more" if len(signed) > 3 else ""
        yield (
            f"{', '.join(signed[:3])}{more}: not deleted without --sign-key, the log's key: "
            "it would look like an attack"
        )
    if count := len(unsigned) - len(signed):
        days, they = ("1 day leaves", "it leaves a tombstone")
        if count > 1:
            days, they = f"{count:,} days leave", "they leave tombstones"
        yield f"{days} no trace, for nothing in the log is signed; with --sign-key {they}"


def carry_out(
    folder: Path, steps: Sequence[Step], signer: NoteSigner | None, now: datetime
) -> Iterator[Done]:
    """Do it, step by step. What fails is said, and the rest goes on.

    Raises:
        SourceError: another retention is at work, or a note cannot be read.

    """
    with _alone(folder):
        said = read_statements(folder, signer.verifier) if signer else None
        work = _Work(folder, said, signer, now)
        for step in steps:
            try:
                if step.action == "archive":
                    yield work.archive(step)
                elif step.action == "delete":
                    yield work.delete(step)
                else:
                    yield Done(step.name, "kept", step.reason)
            except Refused as refusal:
                yield Done(step.name, "refused", str(refusal))
            except SourceError as error:
                yield Done(step.name, "failed", str(error))
            except OSError as error:
                place = error.filename or step.name
                yield Done(
                    step.name, "failed", f"{place} failed ({error.strerror}): nothing is lost; run it again"
                )


@dataclass(frozen=True, slots=True)
class _Work:
    """What the steps need."""

    folder: Path
    said: Statements | None
    signer: NoteSigner | None
    now: datetime

    def archive(self, step: Step) -> Done:
        """Pack a day, then delete the plain file."""
        plain = next(file for file in step.files if not file.archived)
        state = State.of(plain.path)
        seal = self._seal(step)
        archive, size = pack(plain, seal.digest.sha256 if seal else None)
        with _locked(self.folder):
            remove(plain.path, state)
        return Done(
            step.name, "archived", f"{step.reason}; it is {archive.relative_to(self.folder)} now", size
        )

    def delete(self, step: Step) -> Done:
        """Leave a tombstone, then delete all that is there of a day."""
        if step.signed and not self.signer:
            raise Refused(f"{step.name}: {_NEEDS_KEY}")
        states = [State.of(file.path) for file in step.files]
        hashes = {read_hash(file) for file in step.files}
        seal = self._seal(step)
        if seal and hashes != {seal.digest.sha256}:
            raise Refused(f"{step.name} is not as its digest says: it is evidence, verify the log")
        if len(hashes) > 1 or None in hashes:
            raise Refused(
                f"{step.name} is there twice, not twice the same, or cannot be unpacked: verify the log"
            )
        if self.signer:
            self._bury(step, self.signer, seal, hashes.pop())
        with _locked(self.folder):
            for file, state in zip(step.files, states, strict=True):
                remove(file.path, state)
        return Done(step.name, "deleted", step.reason, sum(state.size for state in states))

    def _seal(self, step: Step) -> Seal | None:
        seal = self.said.seals.get(step.name) if self.said else None
        if self.said and step.sealed and not seal:
            raise Refused(f"{step.name}: its digest is not signed by the key: verify the log")
        return seal

    def _bury(self, step: Step, signer: NoteSigner, seal: Seal | None, content: str | None) -> None:
        """Sign what is deleted; of a day without a digest no more than that it is, for nobody vouches for it."""
        there = self.said.tombstones.get(step.name) if self.said else None
        path = tombstone_path(self.folder, step.name)
        if there and seal and there.digest == seal.sha256:
            return
        at = timestamp(self.now)
        if seal:
            stone = Tombstone(signer.name, step.name, seal.sha256, step.reason, at)
        else:
            reason = f"{step.reason}, unattested"
            chain = last_chain(step.files[0])
            stone = Tombstone(signer.name, step.name, None, reason, at, content, chain)
        like = digest_path(self.folder, step.name) if seal else step.files[0].path
        write_private(path, sign_tombstone(signer, stone), like.stat().st_mode & 0o777)
        sync_folder(self.folder)


def _due(
    name: str, files: Collection[LogFile], policy: Policy, now: datetime, *, newest: str
) -> tuple[Action, str]:
    day = day_of(name)
    if name == newest or day is None or day >= date.max:
        return "keep", _NEWEST
    age = now - datetime.combine(day + timedelta(days=1), clock_time(), UTC)
    if age < timedelta(0):
        return "keep", _NOT_OVER
    if policy.delete_after is not None and age >= policy.delete_after:
        return "delete", f"retention after {_days(policy.delete_after)}"
    if (
        policy.archive_after is not None
        and age >= policy.archive_after
        and not all(file.archived for file in files)
    ):
        return "archive", f"older than {_days(policy.archive_after)}"
    return "keep", _YOUNG


def _days(length: timedelta) -> str:
    hours = length / timedelta(hours=1)
    return f"{hours / 24:g}d" if hours % 24 == 0 else f"{hours:g}h"


def _strange(folder: Path) -> Iterator[Step]:
    for place in (folder, folder / ARCHIVE):
        for path in sorted(place.iterdir()) if place.is_dir() else ():
            if not _of_the_log(path.name):
                yield Step(str(path.relative_to(folder)), "keep", _NO_DAY)


def _of_the_log(name: str) -> bool:
    """Whether it is a day, or what a log has beside its days."""
    of_a_day = _OF_A_DAY.fullmatch(name)
    day = day_of(f"{of_a_day[1]}.jsonl" if of_a_day else name)
    return day is not None or _BESIDE.fullmatch(name) is not None


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """One retention at a time: the folder itself is the lock, so that no file has to be left there."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise SourceError(f"another retention is at work in {folder}: wait until it ends") from None
        yield
    finally:
        os.close(descriptor)


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """The writers' lock, where there are writers that have one. They hold it for a moment at a time."""
    path = folder / _LOCK
    if not path.exists():
        yield
        return
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        _wait(descriptor, path)
        yield
    finally:
        os.close(descriptor)


def _wait(descriptor: int, path: Path) -> None:
    ends = time.monotonic() + _LOCK_SECONDS
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            if time.monotonic() > ends:
                raise SourceError(
                    f"{path} is held by a writer that does not let go: stop it, and run again"
                ) from None
            time.sleep(0.05)
