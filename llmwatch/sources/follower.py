"""One regular file from its first byte on, whatever it is called meanwhile."""

from __future__ import annotations

import codecs
import errno
import os
import time
from collections.abc import Iterator
from contextlib import suppress

from llmwatch.sources.compressed import Unpacked
from llmwatch.sources.content import HEAD_BYTES, packing_of, refusal
from llmwatch.sources.discover import Found, LogName, identity_of, text_of
from llmwatch.sources.passage import FINGERPRINT_BYTES, MARK_BYTES, OPEN_FLAGS, Passage
from llmwatch.sources.slicer import Slicer
from llmwatch.sources.source import SourceState, SourceStatus
from llmwatch.store.slice import SLICE_BYTES, Slice, WholeFile

_LOOK_BACK = 1 << 16
"""How far before the end of a slice a newline is looked for, so that the slice needs no cutting."""

_COARSE_CLOCK_NS = 50_000_000
"""File times move in ticks of up to 10 ms: a file may change after a read and keep its time for this long."""


class MovedError(Exception):
    """A path no longer leads to the file it led to when the folder was listed."""


class Reader:
    """Reads one file to its end, again and again, each byte once.

    It knows the file by device and inode, and holds it open, so that a renamed or deleted file is read to its
    end. The set of files that owns it tells it where the file is now and what a look at it showed.
    """

    def __init__(self, found: Found, watch: int, rank: int, sequence: int, now: float) -> None:
        self.path: str | None = found.path
        """Where the file is now; None once no listing shows it."""
        self.log = found.log
        self.bases = _bases_of(found)
        """The names that its rotations may have in common: its own, and those of what it was a link to."""
        self.identity = found.identity
        self.status = found.status
        """What the newest look showed."""
        self.watch = watch
        """The place, among the paths that the person named, of the one that brought the file."""
        self.quiet_since = now
        """When bytes last came, or writers were told to go elsewhere, on the owner's clock."""
        self.last_path = found.path
        """Where the file was when a listing last showed it."""
        self.note = ""
        """What was lost or left out, as a sentence."""
        self._rank = rank
        self._sequence = sequence
        self.out_of_reach = False
        """Whether the system refused to let the file be read, which may change without a trace in its times."""
        self._problem = ""
        self._descriptor: int | None = None
        self._begin(found.path)

    def _begin(self, path: str) -> None:
        self.name = text_of(path)
        self.stream = text_of(os.path.join(os.path.dirname(path), LogName.of(path).stream))
        self._slicer = Slicer(self.name, self.stream)
        self._packing = "plain"
        self._complaint = ""
        self._origin = self._taken = self._packed_taken = 0
        self._head = self._mark = b""
        self._seen: tuple[int, int] | None = None
        self._settled = True

    # -- what is known of the file

    @property
    def taken(self) -> int:
        """Bytes read, unpacked ones of a compressed file."""
        return self._taken

    @property
    def problem(self) -> str:
        """Why the file, or its end, cannot be read now, as a sentence; empty when it can."""
        return self._problem or self._complaint

    @property
    def order(self) -> tuple[int, int, int]:
        """The order of reading: as the person named the paths, then as the lines were written."""
        return self.watch, self._rank, self._sequence

    @property
    def is_open(self) -> bool:
        """Whether a descriptor is held."""
        return self._descriptor is not None

    @property
    def current(self) -> bool:
        """Whether a writer is expected to go on with the file: no rotation, not gone."""
        return self.path is not None and not self.log.rotated and not self.log.packed

    @property
    def has_rest(self) -> bool:
        """Whether the beginning of a line waits for its end."""
        return self._slicer.rest > 0 and not self._complaint

    @property
    def all_read(self) -> bool:
        """Whether the newest look showed no more than was read."""
        return not self.problem and (self._packing != "plain" or self.status.st_size <= self._taken)

    @property
    def unlinked(self) -> bool:
        """Whether the file has no name left."""
        return self._descriptor is None or os.fstat(self._descriptor).st_nlink == 0

    @property
    def due(self) -> bool:
        """Whether the newest look showed something that was not there at the last read."""
        return _sight(self.status) != self._seen or not self._settled

    def losses(self) -> Iterator[SourceState]:
        """What is lost now that the file is out of reach for good."""
        unread = self.status.st_size - (self._taken if self._packing == "plain" else self._packed_taken)
        if unread > 0:
            detail = f"{self.name} was gone before its last {unread} bytes could be read."
            yield SourceState(self.name, "error", detail, self.status.st_size - unread, self.status.st_size)

    @property
    def seems_emptied(self) -> bool:
        """Whether the newest look lets think that there was more to read for a moment."""
        return self._seen is not None and self.due and not 0 < self._taken <= self.status.st_size

    def passage(self) -> Passage:
        """What was read so far."""
        return Passage(self._origin, self._head, self._mark, self._taken)

    def passages(self) -> Iterator[Passage]:
        """What was read so far, and what lies in the file now, read or not."""
        if self._taken:
            yield self.passage()
        with suppress(OSError):
            descriptor = self._descriptor
            if descriptor is None and self.path is not None:
                descriptor = os.open(self.path, OPEN_FLAGS)
            if descriptor is None:
                return
            try:
                size = os.fstat(descriptor).st_size
                head = os.pread(descriptor, FINGERPRINT_BYTES, self._origin)
                start = max(size - MARK_BYTES, 0)
                yield Passage(self._origin, head, os.pread(descriptor, size - start, start), size)
            finally:
                if descriptor != self._descriptor:
                    os.close(descriptor)

    def state(self, *, follow: bool) -> SourceState:
        """How the file fares. May be called from any thread."""
        size = self.status.st_size
        done = self._taken if self._packing == "plain" else self._packed_taken
        status: SourceStatus
        if self.problem:
            status = "error"
        elif self._seen is None or done < size:
            status = "reading"
        else:
            status = "live" if follow and self._packing == "plain" and self.path is not None else "ended"
        detail = self.problem or self.note
        if not detail and not size and self._seen:
            detail = f"{self.name} is empty." if status == "ended" else f"{self.name} is empty so far."
        if self._slicer.long_lines:
            detail = " ".join(filter(None, (detail, self._long_lines())))
        path = self.path
        return SourceState(self.name if path is None else text_of(path), status, detail, done, size)

    def _long_lines(self) -> str:
        count = self._slicer.long_lines
        which = "a line" if count == 1 else f"{count} lines"
        return (
            f"{self.name} has {which} longer than {SLICE_BYTES >> 20} MiB; "
            f"{self._slicer.left_out} bytes at the end are left out."
        )

    # -- opening and letting go

    def open(self) -> int:
        """Take hold of the file if need be, and look at it. Raises OSError and MovedError."""
        if self._descriptor is None:
            if self.path is None:
                raise MovedError
            self._descriptor = os.open(self.path, OPEN_FLAGS)
        status = os.fstat(self._descriptor)
        if identity_of(status) != self.identity:
            self.close()
            raise MovedError
        self.status = status
        return self._descriptor

    def close(self) -> None:
        """Let go of the descriptor; `open` takes it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def fail(self, error: OSError) -> None:
        """Remember why the file cannot be read, until it can."""
        self._problem = why(self.name, error)
        self._seen = _sight(self.status)
        self._settled = self.out_of_reach = True
        self.close()

    def place(self, found: Found | None, rank: int, now: float) -> None:
        """Note where the newest listing shows the file, in which place, and how it looks there."""
        was_current = self.current
        self.path = None
        self._rank = rank
        if found is not None:
            self.path = self.last_path = found.path
            self.log = found.log
            self.bases |= _bases_of(found)
            self.status = found.status
            if self.out_of_reach:
                self._seen = None
        elif self._descriptor is not None:
            self.status = os.fstat(self._descriptor)
        if was_current and not self.current:
            self.quiet_since = now

    def differs_from(self, found: Found) -> bool:
        """Whether a file with the same device and inode is another: an inode is used again once it is free."""
        if self._descriptor is not None or _sight(found.status) == self._seen:
            return False
        if not self._taken:
            return True
        try:
            return found.path != self.last_path and self.passage().begins(found.path) != "whole"
        except OSError:
            return False

    def restart(self) -> None:
        """Take the file for a new one: it was truncated or written anew."""
        self._begin(self.last_path)

    def take_over(self, other: Reader) -> None:
        """Go on where `other` stopped, in this file, which begins with all that `other` read.

        Raises OSError and MovedError.
        """
        self._packing = packing_of(os.pread(self.open(), 4, 0))
        self.name, self.stream, self._slicer = other.name, other.stream, other._slicer
        self._origin, self._taken = other._origin, other._taken
        self._head, self._mark = other._head, other._mark

    # -- reading

    def rewritten(self) -> bool:
        """Whether the open file no longer begins with what was read of it: truncated, or written anew."""
        if not self._taken or self._descriptor is None:
            return False
        if self._packing != "plain":
            return _sight(self.status) != self._seen and self.passage().begins_in(self._descriptor) != "whole"
        if self.status.st_size < self._taken:
            return True
        mark = os.pread(self._descriptor, len(self._mark), self._taken - len(self._mark))
        return mark != self._mark or os.pread(self._descriptor, len(self._head), self._origin) != self._head

    def examine(self) -> str:
        """Why the file cannot be read, as a sentence; empty when it can, as far as its first bytes tell."""
        try:
            self._judge(self.open())
        except OSError as error:
            self.fail(error)
        except MovedError:
            return ""
        finally:
            self.close()
        return self._problem

    def whole(self) -> WholeFile | None:
        """The file as it lies there, if it is plain text from its first byte and nothing was read of it yet."""
        if self.path is None or self._taken:
            return None
        try:
            descriptor = self.open()
            plain = self._judge(descriptor) and self._packing == "plain" and not self._origin
            size = self.status.st_size
            marked = os.pread(descriptor, len(codecs.BOM_UTF8), 0) == codecs.BOM_UTF8
            if plain and size and not marked:
                return WholeFile(self.name, self.stream, self.path, self.identity, size)
        except (OSError, MovedError):  # reading it finds the same, and says so
            pass
        finally:
            self.close()
        return None

    def skip(self) -> None:
        """Somebody took the whole file."""
        self._taken = self.status.st_size
        self._seen = _sight(self.status)
        self._settled = True

    def read(self) -> Iterator[Slice]:
        """What came since the last read, up to the size that `open` saw. Raises OSError."""
        status = self.status
        if self._descriptor is None:
            return
        self._problem = ""
        self.out_of_reach = False
        if self._slicer.begun or self._judge(self._descriptor):
            if self._packing == "plain":
                yield from self._read_plain(self._descriptor, status.st_size)
            elif _sight(status) != self._seen:
                yield from self._read_packed(self._descriptor)
        self._seen = _sight(status)
        self._settled = not 0 <= time.time_ns() - status.st_mtime_ns < _COARSE_CLOCK_NS

    def finish(self) -> Slice | None:
        """The last line without its newline. Of an archive that is cut short none: `problem` tells of it."""
        return None if self._complaint else self._slicer.finish()

    def _judge(self, descriptor: int) -> bool:
        """Whether the first bytes are a log's; asked until a line has been given. Raises OSError."""
        origin = self._origin or _first_text(descriptor)
        head = os.pread(descriptor, HEAD_BYTES, origin)
        packing = packing_of(head)
        if packing != self._packing:
            self._begin(self.last_path)  # no line was given yet, so its first bytes may be read again
            self._packing = packing
        if packing != "plain":
            head = Unpacked(descriptor, packing).read(HEAD_BYTES)
        words = refusal(head) if head else None
        if words:
            self._problem = f"{self.name} {words}"
            return False
        if origin > self._taken:
            self._origin = self._taken = origin
            self.note = (
                f"{self.name} begins with {origin} zero bytes, as when a file is emptied under a writer that "
                "does not append; they are left out."
            )
        return True

    def _read_plain(self, descriptor: int, size: int) -> Iterator[Slice]:
        while self._taken < size:
            data = os.pread(descriptor, self._block(descriptor, size), self._taken)
            if not data:  # it shrank just now, which the next look shows
                return
            yield from self._take(data)

    def _block(self, descriptor: int, size: int) -> int:
        """How much to read at once: all, or what fills a slice and ends with a line, so as to copy nothing."""
        room = self._slicer.room
        if size - self._taken <= room:
            return size - self._taken
        step = min(_LOOK_BACK, room)
        tail = os.pread(descriptor, step, self._taken + room - step)
        return room - step + (tail.rfind(b"\n") + 1 or step)

    def _read_packed(self, descriptor: int) -> Iterator[Slice]:
        unpacked = Unpacked(descriptor, self._packing)
        unpacked.skip(self._taken)
        self._complaint = ""
        while data := unpacked.read(self._slicer.room):
            self._packed_taken = unpacked.position
            yield from self._take(data)
        self._packed_taken = unpacked.position
        if unpacked.complaint:
            self._complaint = (
                f"{self.name} {unpacked.complaint}; its whole lines are read and"
                f" {self._slicer.rest} bytes of an unfinished one left out. Copy it again from where it came."
            )

    def _take(self, data: bytes) -> Iterator[Slice]:
        self._taken += len(data)
        if len(self._head) < FINGERPRINT_BYTES:
            self._head += data[: FINGERPRINT_BYTES - len(self._head)]
        self._mark = (self._mark + data[-MARK_BYTES:])[-MARK_BYTES:]
        piece = self._slicer.feed(data)
        if piece is not None:
            yield piece


def why(name: str, error: OSError) -> str:
    """Why a file cannot be read and what to do about it, as a sentence."""
    match error.errno:
        case errno.EACCES | errno.EPERM:
            return f"{name} may not be read: permission denied; run as a user who may, or `chmod +r` it."
        case errno.ENOENT | errno.ENOTDIR:
            return f"{name} is not there; it was deleted or moved away."
        case errno.ELOOP:
            return f"{name} is a symbolic link that leads back to itself; name the file itself."
        case errno.EMFILE | errno.ENFILE:
            return f"{name} cannot be opened: too many files are open; raise the limit with `ulimit -n`."
        case _:
            return f"{name} cannot be read: {error.strerror or error}; see whether its disk is in order."


def _bases_of(found: Found) -> frozenset[str]:
    if not os.path.islink(found.path):
        return frozenset((found.log.base,))
    return frozenset((found.log.base, LogName.of(os.path.realpath(found.path)).base))


def _sight(status: os.stat_result) -> tuple[int, int]:
    """What changes whenever a file does."""
    return status.st_size, status.st_mtime_ns


def _first_text(descriptor: int) -> int:
    """Where a file's text begins: at 0, or behind zero bytes, holes mostly. At 0 too when it is all zeros."""
    place = 0
    head = os.pread(descriptor, HEAD_BYTES, place)
    if len(head) == HEAD_BYTES and not head.strip(b"\0"):
        try:
            place = os.lseek(descriptor, 0, os.SEEK_DATA)
        except OSError:  # nothing but a hole, or a file system that knows none
            return 0
        head = os.pread(descriptor, HEAD_BYTES, place)
    text = head.lstrip(b"\0")
    return place + len(head) - len(text) if text else 0
