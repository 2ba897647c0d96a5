"""A plain file, read from front to back in pieces that stay in the processor's reach: a third of the time of slices."""

from __future__ import annotations

import os
from collections.abc import Iterator

from llmwatch.store.slice import SLICE_BYTES, WholeFile

PIECE_BYTES = 4 << 20
"""Memory of this size is used again by the next piece; for more, the system finds and clears it anew each time."""

_LOOK_BACK = 64 << 10


class PlainFile:
    """An open file that nobody follows. Raises OSError, also from its methods."""

    def __init__(self, file: WholeFile) -> None:
        self.position = 0
        """How many bytes were read."""
        self.long_lines = 0
        """Lines that do not fit in a slice, and lost their end."""
        self.left_out = 0
        """Bytes of these ends."""
        self._size = file.size
        self._descriptor = os.open(file.path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        status = os.fstat(self._descriptor)
        self.is_the_same = (status.st_dev, status.st_ino) == file.identity
        """Whether the path still leads to it."""

    def pieces(self) -> Iterator[bytes]:
        """Whole lines, up to the size it had when it was looked at; the last is given a newline if it has none."""
        room = PIECE_BYTES
        while self.position < self._size:
            data = os.pread(self._descriptor, self._whole_lines(room), self.position)
            if not data:  # it has shrunk
                return
            end = data.rfind(b"\n") + 1
            if not end and len(data) == room < SLICE_BYTES:
                room *= 2
                continue
            self.position += end or len(data)
            if end:
                yield data if end == len(data) else data[:end]
            elif self.position >= self._size:
                yield data + b"\n"
            else:
                yield data[:-1] + b"\n"
                self._skip_line()
            room = PIECE_BYTES

    def _whole_lines(self, room: int) -> int:
        """How many bytes to read at most, so that they end with a line where that is easy: nothing is copied then."""
        if self._size - self.position <= room:
            return self._size - self.position
        tail = os.pread(self._descriptor, _LOOK_BACK, self.position + room - _LOOK_BACK)
        return room - _LOOK_BACK + (tail.rfind(b"\n") + 1 or _LOOK_BACK)

    def _skip_line(self) -> None:
        """Leave out the rest of a line, and the byte before it, whose place its newline took."""
        self.long_lines += 1
        self.left_out += 1
        while data := os.pread(self._descriptor, PIECE_BYTES, self.position):
            end = data.find(b"\n")
            self.left_out += len(data) if end < 0 else end
            self.position += len(data) if end < 0 else end + 1
            if end >= 0:
                return

    def close(self) -> None:
        """Let go of it."""
        os.close(self._descriptor)
