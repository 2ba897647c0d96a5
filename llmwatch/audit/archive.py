"""The bytes of a file of entries as they are when it is opened; archives unpacked, and strictly.

A writer may add to a file while it is read, or cut a torn line off it. What was added later is not seen; and no file of
the log is mapped into memory, for a program that looks at a part of its map that was cut off is killed (SIGBUS).
"""

from __future__ import annotations

import mmap
import os
import stat
import tempfile
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO

from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import LogFile
from llmwatch.errors import SourceError

PIECE = 1 << 20
"""Bytes that are read or unpacked at a time: much more than the 2 KiB above which hashing lets other threads run."""

_IN_MEMORY = 64 << 20
"""Larger files are copied, which costs as much as reading them."""
_MOST_UNPACKED, _MOST_TIMES = 1 << 30, 64
"""An archive may unpack to the larger of so many bytes and so many times its size: entries, which are full of hashes,
pack to a third or a tenth."""


@dataclass(frozen=True, slots=True)
class Content:
    """All bytes of a file, unpacked, as far as they can be read; `findings` say why not all can."""

    data: bytes | mmap.mmap
    findings: tuple[Finding, ...] = ()


class Reading:
    """One pass over the bytes of a file, unpacked, a piece at a time; a context manager.

    Raises:
        SourceError: it cannot be read.

    """

    def __init__(self, file: LogFile) -> None:
        self.file = file
        self.findings: list[Finding] = []
        """Complete at the end of the pass."""
        with _explained(file):
            self._source = _open(file)
            self.size = os.fstat(self._source.fileno()).st_size
            """Bytes in the file system when it was opened; no more are read."""
        self._left = self.size
        self._told = 0

    def __enter__(self) -> Reading:
        return self

    def __exit__(self, *_: object) -> None:
        self._source.close()

    def __iter__(self) -> Iterator[bytes]:
        return self._unpacked() if self.file.archived else self._raw()

    def all(self) -> bytes:
        """All bytes of a plain file at once, which is twice as fast as pieces."""
        with _explained(self.file):
            data = self._source.read(self._left)
        self._left -= len(data)
        return data if not self._left else data + b"".join(self._raw())

    def passed(self) -> int:
        """Bytes of the file system that were read since this was asked last."""
        before, self._told = self._told, self.size - self._left
        return self._told - before

    def descriptor(self) -> int:
        """Of the open file, for what reads it otherwise."""
        return self._source.fileno()

    def _raw(self) -> Iterator[bytes]:
        while piece := self._read():
            yield piece

    def _read(self) -> bytes:
        with _explained(self.file):
            piece = self._source.read(min(PIECE, self._left))
        self._left -= len(piece)
        return piece

    def _unpacked(self) -> Iterator[bytes]:
        engine = zlib.decompressobj(31)
        bound = max(_MOST_UNPACKED, _MOST_TIMES * self.size)
        packed = b""
        while not engine.eof:
            packed = engine.unconsumed_tail or self._read()
            before = engine.copy()
            try:
                piece = engine.decompress(packed, PIECE)
            except zlib.error:
                yield from _salvaged(before, packed)
                self._find("archive_truncated", f"is damaged before its byte {self.size - self._left:,}")
                return
            if not (packed or piece or engine.eof):
                self._find("archive_truncated", f"is cut short at its byte {self.size:,}")
                return
            bound -= len(piece)
            if bound < 0:
                self._find("archive_truncated", "unpacks to far more than a log does: the rest is not read")
                return
            if piece:
                yield piece
        if trailing := len(engine.unused_data) + self._left:
            self._find(
                "archive_trailing_data", f"goes on for {trailing:,} bytes after the end of the archive"
            )

    def _find(self, name: str, what: str) -> None:
        self.findings.append(Finding(name, self.file.name, detail=f"{self.file.path.name} {what}"))


@contextmanager
def opened(file: LogFile) -> Iterator[Content]:
    """All bytes of a file at once: in memory, or in an unnamed temporary file, which is mapped.

    Raises:
        SourceError: it cannot be read, or there is no room for its copy.

    """
    with ExitStack() as stack:
        reading = stack.enter_context(Reading(file))
        if not file.archived and reading.size <= _IN_MEMORY:
            yield Content(reading.all())
            return
        try:
            kept = stack.enter_context(tempfile.TemporaryFile(buffering=0))
            if file.archived or not _copied(reading, kept):
                for piece in reading:
                    _write(kept, piece)
            size = os.fstat(kept.fileno()).st_size
            data = mmap.mmap(kept.fileno(), size, prot=mmap.PROT_READ) if size else b""
        except OSError as error:
            raise SourceError(
                f"{file.path} is copied while it is checked, and that failed in {tempfile.gettempdir()} "
                f"({error.strerror}): free room there or name another folder in TMPDIR"
            ) from error
        try:
            yield Content(data, tuple(reading.findings))
        finally:
            if isinstance(data, mmap.mmap):
                with suppress(BufferError):  # someone still looks at a part: it goes with the last of them
                    data.close()


@contextmanager
def _explained(file: LogFile) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SourceError(
            f"{file.path} cannot be read ({error.strerror}): check its permissions and its disk"
        ) from error


def _open(file: LogFile) -> BinaryIO:
    """A pipe or a device would never end, or never begin."""
    descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise SourceError(f"{file.path} is no regular file: pipe its lines in and name - instead")
    return open(descriptor, "rb", buffering=0)


def _copied(reading: Reading, kept: BinaryIO) -> bool:
    """Whether the system made the copy; between some file systems, and on some systems, it cannot."""
    if not hasattr(os, "copy_file_range"):
        return False
    done = 0
    try:
        while done < reading.size and (
            count := os.copy_file_range(reading.descriptor(), kept.fileno(), reading.size - done)
        ):
            done += count
    except OSError:
        if done:
            raise
        return False
    return True


def _write(kept: BinaryIO, piece: bytes) -> None:
    view = memoryview(piece)
    while view:
        view = view[kept.write(view) :]


def _salvaged(engine: zlib._Decompress, packed: bytes) -> Iterator[bytes]:
    """What comes out before the damage: zlib gives nothing from a call that fails, so each call gets a byte."""
    with suppress(zlib.error):
        for place in range(len(packed)):
            byte = packed[place : place + 1]
            while byte or engine.unconsumed_tail:
                if piece := engine.decompress(byte or engine.unconsumed_tail, PIECE):
                    yield piece
                byte = b""
