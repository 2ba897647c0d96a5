"""What the writer does to a disk, and when it counts as done: nothing here returns before it is durable."""

from __future__ import annotations

import errno
import fcntl
import os
import sys
from contextlib import suppress
from pathlib import Path

from llmwatch.private_file import write_private

_FLAGS = os.O_CLOEXEC | os.O_CREAT
_NOTE_BYTES = 64
_PROBE = b"\0" * 4096


def sync(descriptor: int) -> None:
    """Wait until the file's bytes and length are on the disk, as far as the disk is honest."""
    if sys.platform == "darwin":
        fcntl.fcntl(descriptor, fcntl.F_FULLFSYNC)  # there, fsync stops at the disk's own cache
    else:
        os.fdatasync(descriptor)


def sync_folder(folder: Path) -> None:
    """Wait until names that came or went are on the disk."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def open_to_append(path: Path, *, new: bool = False) -> int:
    """A descriptor; `new`: there is no such file yet. Raises OSError."""
    return os.open(path, _FLAGS | os.O_RDWR | os.O_APPEND | (os.O_EXCL if new else 0), 0o600)


def append(descriptor: int, data: bytes, size: int) -> None:
    """Add all of it to a file of `size` bytes, or nothing. Raises OSError.

    After a failure the file is cut back to what it was: bytes whose writing or syncing failed may be in memory alone,
    whatever a later sync says.
    """
    try:
        written = os.write(descriptor, data)
        if written < len(data):
            raise OSError(errno.ENOSPC, f"only {written:,} of {len(data):,} bytes found room")
        sync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.ftruncate(descriptor, size)
        raise


def put(path: Path, data: bytes) -> None:
    """A whole file, in place of the one there may be. Raises OSError."""
    write_private(path, data)
    sync_folder(path.parent)


def probe(folder: Path) -> None:
    """Really write and sync a page where the log is. Raises OSError."""
    path = folder / f".audit_probe_{os.getpid()}"
    descriptor = open_to_append(path)
    try:
        if os.write(descriptor, _PROBE) < len(_PROBE):
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        sync(descriptor)
    finally:
        os.close(descriptor)
        os.unlink(path)


class FolderLock:
    """One process at a time; and a note from each to the next, so that none needs to look through the folder."""

    def __init__(self, path: Path) -> None:
        self._path = str(path)
        self._descriptor = -1
        self._left = b""

    def acquire(self) -> None:
        """Wait for it. Raises OSError."""
        while True:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, _FLAGS | os.O_RDWR, 0o600)
            fcntl.flock(self._descriptor, fcntl.LOCK_EX)
            if os.fstat(self._descriptor).st_nlink:
                return
            self.close()  # someone deleted it: others lock a new one

    def release(self) -> None:
        """Let the next one have it. Raises OSError."""
        if self._descriptor >= 0:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    @property
    def same(self) -> bool:
        """Whether the note that was left last says what this process left."""
        return os.pread(self._descriptor, _NOTE_BYTES, 0) == self._left

    def leave(self, note: str) -> None:
        """Write the note, of up to 63 characters; it need not outlast a crash."""
        self._left = note.ljust(_NOTE_BYTES - 1).encode() + b"\n"
        os.pwrite(self._descriptor, self._left, 0)

    def close(self) -> None:
        """Give the descriptor back, and with it the lock, unless a fork shares it. No note is known then."""
        self._left = b""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1
