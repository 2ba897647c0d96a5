"""Write an audit log: an entry that was acknowledged is on the disk, and whatever happens to it later shows.

The log is a folder of daily files that the recipe's own reader and verifier take for the recipe's; what makes it
stronger is inside `metadata`, under `_lw`, and beside the files. Any number of processes of one machine may write to
one folder, as long as it is on no network file system.
"""

from __future__ import annotations

import logging
import os
import time
import weakref
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from threading import RLock, Timer
from types import TracebackType
from typing import Literal

from llmwatch.audit.checkpoints import Checkpoint
from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteSigner
from llmwatch.audit.writing.batch import Receipt
from llmwatch.audit.writing.ledger import Ledger
from llmwatch.audit.writing.record import Prepared, entry, note, prepare, timestamp
from llmwatch.audit.writing.refusal import AuditError, EntryError, explained, explanation
from llmwatch.errors import LlmwatchError

__all__ = ["AuditError", "AuditWriter", "EntryError", "Receipt", "entry"]

Policy = Literal["fail-closed", "fail-open"]

_LOG = logging.getLogger(__name__)


def _now() -> datetime:
    return datetime.now(UTC)


def _report(error: LlmwatchError) -> None:
    _LOG.error("%s", error)


class AuditWriter:
    """A log that is open for writing; a context manager, safe to share between threads, and to inherit by a fork.

    With the policy `fail-closed`, what cannot be recorded raises AuditError, and the call that it was about should not
    be made, or not be answered. With `fail-open` the error goes to `on_error`, what was not recorded is counted
    (`dropped`), and the first line that is written again, an `audit.gap` entry, says how many are missing.
    """

    def __init__(  # noqa: PLR0913 (all but three have a default)
        self,
        folder: str | Path,
        secret: Secret | bytes | str,
        signer: NoteSigner,
        *,
        older: Sequence[Secret | bytes | str] = (),
        policy: Policy = "fail-closed",
        on_error: Callable[[LlmwatchError], None] = _report,
        clock: Callable[[], datetime] = _now,
        checkpoint_lines: int = 256,
        checkpoint_seconds: float = 5.0,
    ) -> None:
        """Open a log, or begin one.

        Args:
            folder: where it is, on a disk of this machine.
            secret: signs each line; a text stands for its UTF-8.
            signer: signs checkpoints and digests, under the name of the log.
            older: secrets that signed lines before: if the log stands at one of them, the secret takes its place.
            policy: what becomes of a call that cannot be recorded.
            on_error: takes what is not raised: what `fail-open` lets pass, and what a timer or an alarm has to say. It
                is called in any thread, and is not to use the writer; by default it logs.
            clock: the time; its day in UTC names the file.
            checkpoint_lines: after so many lines a checkpoint is signed,
            checkpoint_seconds: and after so many seconds.

        Raises:
            AuditError: the log cannot be written, and the policy is `fail-closed`.

        """
        self.folder = Path(folder)
        self.policy = policy
        self.dropped = 0
        """Entries that were not recorded, and whose callers were not told."""

        self._on_error, self._clock = on_error, clock
        self._lines, self._seconds = checkpoint_lines, checkpoint_seconds
        self._missed: tuple[int, datetime] | None = None
        """Dropped entries of which the log does not know, and when the first was."""
        ring = KeyRing(tuple(_secret(one) for one in (secret, *older)))
        self._ledger = Ledger(self.folder, ring, signer, clock, on_error)
        self._mutex = RLock()
        self._timer: Timer | None = None
        self._opened = self._closed = False
        self._proven = float("-inf")
        """When the disk last took something."""
        _WRITERS.add(self)
        self.ready()

    def __enter__(self) -> AuditWriter:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ready(self) -> bool:
        """Whether an entry could be recorded now: to be asked before the call that it will be about.

        A page is really written and synced where the log is, unless the disk took something in the last
        `checkpoint_seconds`. What fails after that, `append` finds out.

        Raises:
            AuditError: it could not, and the policy is `fail-closed`.

        """
        with self._mutex:
            try:
                with explained(self.folder):
                    opened = self._open()
                    if not opened and time.monotonic() - self._proven > self._seconds:
                        self._ledger.check()
                self._proven = time.monotonic()
            except LlmwatchError as error:
                self._ledger.release()
                self._fail(error)
                return False
            self._schedule()
            return True

    def append(self, entry: Mapping[str, object]) -> Receipt | None:
        """Record an entry; returns when it is on the disk. None: it was dropped, as `fail-open` has it.

        Raises:
            EntryError: JSON cannot hold it, or it uses a name that is the writer's. Nothing was written.
            AuditError: it could not be recorded. Both only if the policy is `fail-closed`.

        """
        receipts = self._record([entry], self._lines)
        return receipts[0] if receipts else None

    def append_many(self, entries: Iterable[Mapping[str, object]]) -> list[Receipt]:
        """Record several, or none of them; returns when all are on the disk, and under a signed checkpoint.

        They cost one write and two syncs. None: they were dropped. Raises as `append` does.
        """
        given = list(entries)
        return self._record(given, 1) if given else []

    def checkpoint(self) -> Checkpoint | None:
        """Sign all there is now; the newest checkpoint, None if nothing is there to sign.

        Raises:
            AuditError: it could not be signed, whatever the policy is.

        """
        with self._mutex, explained(self.folder):
            self._open()
            self._ledger.sign()
            return self._ledger.newest

    def rotate(self, secret: Secret | bytes | str) -> None:
        """Sign with another secret from now on; the log says so under the one before.

        Other processes that write to the log have to be started again, with the new one, and this one as `older`.

        Raises:
            AuditError: it could not be recorded, whatever the policy is; the secret is what it was.

        """
        with self._mutex, explained(self.folder):
            self._open()
            before = self._ledger.ring
            self._ledger.ring = KeyRing((_secret(secret), *before.secrets))
            try:
                self._ledger.commit([], 1)
            except BaseException:
                self._ledger.ring = before
                raise

    def close(self) -> None:
        """Sign what has no checkpoint yet, and let go of the files. Raises AuditError if it could not be signed."""
        with self._mutex, explained(self.folder):
            self._stop()
            try:
                if self._opened and not self._closed and self._ledger.unsigned:
                    self._ledger.sign()
            finally:
                self._closed = True
                self._ledger.release()

    def _record(self, entries: Sequence[Mapping[str, object]], most_unsigned: int) -> list[Receipt]:
        with self._mutex:
            try:
                prepared = [prepare(one) for one in entries]
                self._open()
                gap = self._gap()
                receipts = self._ledger.commit([*gap, *prepared], most_unsigned)
            except OSError as error:
                return self._drop(len(entries), explanation(self.folder, error))
            except LlmwatchError as error:
                return self._drop(len(entries), error)
            self._missed, self._proven = None, time.monotonic()
            self._schedule()
            return receipts[len(gap) :]

    def _open(self) -> bool:
        """Whether it had to be opened."""
        if self._closed:
            raise AuditError(f"the audit log {self.folder} was closed by this program: open another writer")
        if self._opened:
            return False
        self._ledger.open()
        self._opened = True
        return True

    def _gap(self) -> list[Prepared]:
        if self._missed is None:
            return []
        count, since = self._missed
        return [note("audit.gap", self._clock(), {"dropped": count, "since": timestamp(since)})]

    def _drop(self, count: int, error: LlmwatchError) -> list[Receipt]:
        if self.policy == "fail-open":
            missed, since = self._missed or (0, self._clock())
            self._missed = missed + count, since
            self.dropped += count
        self._fail(error)
        return []

    def _fail(self, error: LlmwatchError) -> None:
        if self.policy == "fail-closed":
            raise error
        self._on_error(error)

    # ---- a checkpoint in time, though no entry comes

    def _schedule(self) -> None:
        if self._timer is None and self._ledger.unsigned and not self._closed:
            self._timer = Timer(self._seconds, self._due)
            self._timer.daemon = True
            self._timer.start()

    def _due(self) -> None:
        with self._mutex:
            self._timer = None
            if self._closed:
                return
            try:
                with explained(self.folder):
                    self._ledger.sign()
            except LlmwatchError as error:
                self._on_error(error)
            self._schedule()

    def _stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _forked(self) -> None:
        """In the child: no other thread came along, neither the timer nor one that held the mutex."""
        self._mutex, self._timer = RLock(), None
        self._ledger.reborn()


def _secret(secret: Secret | bytes | str) -> Secret:
    if isinstance(secret, Secret):
        return secret
    return Secret(secret.encode() if isinstance(secret, str) else secret)


_WRITERS: weakref.WeakSet[AuditWriter] = weakref.WeakSet()


def _after_fork() -> None:
    for writer in list(_WRITERS):
        writer._forked()


os.register_at_fork(after_in_child=_after_fork)
