"""The lines of one recorded file, packed or not, read once from front to back in bounded memory."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.errors import SourceError
from llmwatch.sources.compressed import Unpacked
from llmwatch.sources.content import HEAD_BYTES, packing_of, refusal
from llmwatch.sources.discover import text_of

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

BLOCK = 1 << 20
"""Bytes read at once, and how many of the beginning are shown before."""


class Recording:
    """An open file. Raises SourceError when it is none that holds lines, and OSError from `line`."""

    def __init__(self, path: Path) -> None:
        self.name = text_of(str(path))
        self.position = 0
        """How many bytes of the file itself are read."""
        self._unpacked: Unpacked | None = None
        try:
            if path.exists() and not path.is_file():
                raise SourceError(f"{self.name} is not a file: a replay plays one file.")
            self._file = path.open("rb", buffering=0)
        except OSError as error:
            raise self._unreadable(error) from error
        try:
            self.size = path.stat().st_size
            self._packing = packing_of(self._file.read(4))
            beginning = self._from_the_start()
            self.beginning = beginning.read(BLOCK)
            beginning.detach()
            if words := refusal(self.beginning[:HEAD_BYTES]) if self.beginning else None:
                raise SourceError(f"{self.name} {words}")
            self._lines = self._from_the_start()
        except OSError as error:
            self._file.close()
            raise self._unreadable(error) from error
        except SourceError:
            self._file.close()
            raise

    def _unreadable(self, error: OSError) -> SourceError:
        return SourceError(
            f"{self.name} cannot be read: {error.strerror or error}. Check its name and permissions."
        )

    def _from_the_start(self) -> io.BufferedReader:
        self._file.seek(0)
        if self._packing == "plain":
            return io.BufferedReader(self._file, BLOCK)
        self._unpacked = Unpacked(self._file.fileno(), self._packing)
        return io.BufferedReader(_Unpacking(self._unpacked), BLOCK)

    def line(self, most: int) -> bytes:
        """The next line; empty at the end. A line of more bytes than `most` comes in pieces."""
        line = self._lines.readline(most)
        self.position = self._unpacked.position if self._unpacked else self.position + len(line)
        return line

    @property
    def complaint(self) -> str:
        """What is wrong with the end of a packed file, as a sentence; else empty."""
        if not (self._unpacked and self._unpacked.complaint):
            return ""
        remedy = "its whole lines are played. Copy it again from where it came."
        return f"{self.name} {self._unpacked.complaint}; {remedy}"

    def close(self) -> None:
        """Let go of the file. Safe to call twice."""
        self._lines.close()
        self._file.close()


class _Unpacking(io.RawIOBase):
    """What is unpacked, as the buffer above wants it."""

    def __init__(self, unpacked: Unpacked) -> None:
        self._unpacked = unpacked

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: WriteableBuffer) -> int:
        room = memoryview(buffer).cast("B")
        data = self._unpacked.read(len(room))
        room[: len(data)] = data
        return len(data)
