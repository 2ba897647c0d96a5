"""One process's hold on the folder of a log: in step with the others, a line behind the last, a day behind the day."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from uuid import uuid4

from llmwatch.audit.checkpoints import Checkpoint
from llmwatch.audit.folder import day_of
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteSigner, verifier_key
from llmwatch.audit.writing.adopt import Adoption
from llmwatch.audit.writing.batch import Batch, Receipt
from llmwatch.audit.writing.checkpoint_file import CheckpointFile
from llmwatch.audit.writing.disk import FolderLock, append, open_to_append, probe, put, sync, sync_folder
from llmwatch.audit.writing.record import Fields, Prepared, note
from llmwatch.audit.writing.recovery import EVENT, unrecorded
from llmwatch.audit.writing.refusal import AuditError
from llmwatch.audit.writing.seal import newest_digest, seal
from llmwatch.audit.writing.standing import Standing, StateFile, sealed_at
from llmwatch.audit.writing.tail import Alarm, Listing, Tail, list_folder

KEYS = "audit_keys.txt"
LOCK = "audit.lock"


class Ledger:
    """All that is done under the folder's lock. It is not for two threads at once.

    Raises, in all methods:
        OSError: the disk.
        AuditError: the folder is not as a writer with these keys can use it.

    """

    def __init__(
        self,
        folder: Path,
        ring: KeyRing,
        signer: NoteSigner,
        clock: Callable[[], datetime],
        tell: Callable[[AuditError], None],
    ) -> None:
        """`ring`: the first secret signs. `tell`: takes what went wrong and cost no entry."""
        self.folder, self.ring = folder, ring
        self._signer, self._clock, self._tell = signer, clock, tell
        self._lock = FolderLock(folder / LOCK)
        self._state = StateFile(folder)
        self._checkpoints = CheckpointFile(folder, signer)
        self._standing: Standing | None = None
        self._closed = ""
        """The file of the newest day that is over for good. Names sort as their days do."""
        self._descriptor = self._inode = -1
        self._synced = True
        self._recoveries: list[tuple[str, Prepared]] = []
        """What a crash left, with its file: told in that file, or in the next if the day is over."""
        self._alarms: list[Prepared] = []
        """What the next lines have to say of the log itself, after that."""
        self._noted = False
        """Whether lines of this process's own about the log have no checkpoint yet."""
        self._boot: str | None = str(uuid4())

    @property
    def newest(self) -> Checkpoint | None:
        """The newest checkpoint."""
        return self._checkpoints.newest

    @property
    def unsigned(self) -> int:
        """Lines after the newest checkpoint, as far as this process knows."""
        if self._standing is None or not self._standing.known:
            return 0
        return self._standing.tree.size - (self.newest.size if self.newest else 0)

    def open(self) -> None:
        """Find out where the log stands, mend and seal what a crash left, and see that the disk takes something."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._held():
            self._hand_out_key()
            probe(self.folder)
            today = self._today()
            self._turn(today)
            self._write([], today)
            if self._noted:
                self._sign()

    def check(self) -> None:
        """See that the disk takes what it is given."""
        with self._held():
            probe(self.folder)

    def commit(self, entries: Sequence[Prepared], most_unsigned: int) -> list[Receipt]:
        """Write them with one write and one sync, after the writer's own notes, if it has some to make.

        A checkpoint follows if more than so many lines have none, or a note was made. If that fails, the entries are
        nevertheless recorded.
        """
        with self._held():
            today = self._today()
            self._turn(today)
            receipts = self._write(entries, today)
            if self._noted or self.newest is None or self.unsigned >= most_unsigned:
                try:
                    self._sign()
                except OSError as error:
                    self.release()
                    self._tell(
                        AuditError(
                            f"a checkpoint of {self.folder} could not be written ({error.strerror}): the next try "
                            "is with the next entry"
                        )
                    )
            return receipts

    def sign(self) -> None:
        """Sign a checkpoint of all there is."""
        with self._held():
            self._sign()

    def release(self) -> None:
        """Give back what is open; the next step opens it again. What is known of the log stays known."""
        self._close_file()
        self._checkpoints.close()
        self._lock.close()

    def reborn(self) -> None:
        """In the child of a fork: its descriptors, and the lock on one of them, are the parent's."""
        self.release()
        self._boot = str(uuid4())

    @contextmanager
    def _held(self) -> Iterator[None]:
        try:
            self._lock.acquire()
            if not self._in_step():
                self._load()
            yield
            self._lock.release()
        except BaseException:
            self.release()  # and with it the lock: others are not to wait for what failed here
            raise

    # ---- where the log stands

    def _in_step(self) -> bool:
        """Whether nobody has written since."""
        standing = self._standing
        if standing is None or not self._lock.same:
            return False
        if standing.file <= self._closed:
            return True
        try:
            status = os.stat(f"{self.folder}/{standing.file}")
        except FileNotFoundError:
            return False
        return (status.st_ino, status.st_size) == (standing.inode, standing.offset)

    def _load(self) -> None:
        listing = self._look()
        alarm = Alarm()
        if problem := self._checkpoints.catch_up():
            alarm.add(self._checkpoints.path.name, 0, problem)
        base, signed = self._base(listing), self.newest
        if signed is None and base is not None and base.tree.size and base is not self._standing:
            alarm.add(self._checkpoints.path.name, 0, "the checkpoint of a sealed day is gone")
        adoption = Adoption() if base is None and signed is None else None
        tail = Tail(self.folder, base.copy() if base else Standing(), signed, self.ring, alarm, adoption)
        tail.read(listing)
        self._standing, self._closed, self._synced = tail.standing, listing.closed, False
        self._close_file()
        self._recoveries = [
            (str(torn["file"]), note(EVENT, self._now(), dict(torn))) for torn in self._torn()
        ]
        if alarm.count:
            self._raise_alarm(alarm)
        self._lock.leave(f"{tail.standing.file} {self._closed}")

    def _base(self, listing: Listing) -> Standing | None:
        """The furthest point at which it is certain where the log stood: by memory, or by a signature."""
        sealed = newest_digest(self.folder, listing.names, self._signer)
        candidates = [self._standing, sealed_at(sealed[0]) if sealed else None]
        state = self._state.read(self.ring)
        if state and state.tree.size and self._checkpoints.signed(state.tree):
            candidates.append(state)
        return max(
            (one for one in candidates if one is not None), key=lambda one: one.tree.size, default=None
        )

    def _look(self) -> Listing:
        """The folder without files at its end that a crash made and nothing came to be in."""
        listing = list_folder(self.folder)
        memory = self._standing.file if self._standing else ""
        for name in reversed(listing.days):
            if name in (memory, listing.closed) or name < listing.closed:
                break
            if os.path.getsize(self.folder / name):
                break
            os.unlink(self.folder / name)
        return list_folder(self.folder)

    def _torn(self) -> Iterator[Mapping[str, object]]:
        standing = self._here
        return unrecorded(self.folder, os.listdir(self.folder), standing.file, standing.offset)

    def _raise_alarm(self, alarm: Alarm) -> None:
        self._tell(
            AuditError(
                f"{self.folder / alarm.file} is not as it was written, at byte {alarm.offset:,}: {alarm.detail}; "
                "the log goes on: run llmwatch verify, and keep a copy"
            )
        )
        fields: Fields = {
            "file": alarm.file,
            "offset": alarm.offset,
            "detail": alarm.detail,
            "problems": alarm.count,
        }
        self._alarms.append(note("audit.alarm", self._now(), fields))

    # ---- a line behind the last

    def _now(self) -> datetime:
        return self._clock().astimezone(UTC)

    def _hand_out_key(self) -> None:
        path = self.folder / KEYS
        known = path.read_bytes() if path.exists() else b""
        line = verifier_key(self._signer.name, self._signer.public).encode()
        if line not in known.splitlines():
            put(path, known + line + b"\n")

    def _turn(self, today: str) -> None:
        """Seal the day of the last line, if it is over."""
        standing = self._here
        if standing.file <= self._closed or standing.file >= today:
            return
        self._lock.leave("")  # who comes next looks, whatever happens here
        if standing.kid:
            self._sign()
            if not seal(self.folder, os.listdir(self.folder), standing, self._signer, self._now()):
                alarm = Alarm()
                alarm.add(standing.file, 0, "it cannot be sealed")
                self._raise_alarm(alarm)
        self._closed = standing.file
        self._close_file()
        self._lock.leave(f"{standing.file} {self._closed}")

    def _today(self) -> str:
        return _file_of(self._now().date())

    def _file_name(self, today: str) -> str:
        """Of the newest day there is: a clock that was set back changes nothing."""
        if self._here.file > self._closed:
            return self._here.file
        if today > self._closed:
            return today
        try:
            return _file_of((day_of(self._closed) or date.max) + timedelta(days=1))
        except OverflowError:
            raise AuditError(
                f"{self.folder} has a {self._closed}, and no day is after it: remove it"
            ) from None

    def _write(self, entries: Sequence[Prepared], today: str) -> list[Receipt]:
        batch = Batch(self._here, self._file_name(today), self._boot)
        told = [one for file, one in self._recoveries if file <= batch.file]
        batch.add_notes([*told, *self._alarms], self.ring)
        batch.rotate(self.ring, self._now)
        noted = len(batch.lines)
        batch.add(entries, self.ring.secrets[0])
        if not batch.lines:
            return []
        append(self._file(batch.file, batch.offset), batch.data, batch.offset)
        self._standing = None  # an interrupt in the middle leaves nothing that is half true
        batch.settle(self._inode)
        self._standing, self._synced = batch.standing, True
        if noted:
            self._recoveries = [one for one in self._recoveries if one[0] > batch.file]
            self._alarms, self._noted = [], True
        self._boot = None
        return batch.receipts[noted:]

    def _file(self, name: str, offset: int) -> int:
        """The descriptor of a file that is so long."""
        if self._descriptor >= 0 and name == self._here.file:
            return self._descriptor
        self._close_file()
        if offset == 0:
            self._lock.leave(f"{name} {self._closed}")
        path = self.folder / name
        self._descriptor = open_to_append(path, new=not path.exists())
        self._inode = os.fstat(self._descriptor).st_ino
        if offset == 0:
            sync_folder(self.folder)
        return self._descriptor

    def _close_file(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    # ---- a checkpoint behind the lines

    def _sign(self) -> None:
        """Sign the tree, once the disk has all of its lines."""
        standing = self._here
        if not standing.kid or not standing.known:
            return
        if not self._synced and standing.file > self._closed:
            sync(self._file(standing.file, standing.offset))
            self._synced = True
        if problem := self._checkpoints.catch_up():
            alarm = Alarm()
            alarm.add(self._checkpoints.path.name, 0, problem)
            self._raise_alarm(alarm)
        if self.newest is None or self.newest.size < standing.tree.size:
            self._checkpoints.add(standing.tree)
            self._state.write(standing, self.ring)
        self._noted = False

    @property
    def _here(self) -> Standing:
        if self._standing is None:
            raise LookupError("the folder was not read")
        return self._standing


def _file_of(day: date) -> str:
    return f"audit_{day.isoformat()}.jsonl"
