"""From bytes to slices of whole, numbered lines. Knows no files."""

from __future__ import annotations

from llmwatch.store.slice import SLICE_BYTES, Slice

_BOM = b"\xef\xbb\xbf"


class Slicer:
    """Cuts the bytes of one source at newlines, keeps what has none yet, and numbers lines from 1.

    A line of `limit` bytes or more would not fit in a slice: its beginning is given as the line, and the rest
    of it is left out and counted.
    """

    def __init__(self, source: str, stream: str, limit: int = SLICE_BYTES) -> None:
        self.long_lines = 0
        """Lines that were too long and lost their end."""
        self.left_out = 0
        """Bytes of long lines that were left out."""
        self._source = source
        self._stream = stream
        self._limit = limit
        self._rest = bytearray()
        self._line = 1
        self._begun = False
        self._in_long_line = False

    @property
    def room(self) -> int:
        """How many bytes `feed` may be given at once, at least 1."""
        return self._limit - 1 - len(self._rest)

    @property
    def rest(self) -> int:
        """The number of bytes that wait for their newline."""
        return len(self._rest)

    @property
    def begun(self) -> bool:
        """Whether any line has been given."""
        return self._begun

    def feed(self, data: bytes) -> Slice | None:
        """The whole lines that `data`, which follows all that was fed before, completes."""
        if self._in_long_line:
            end = data.find(b"\n")
            self.left_out += len(data) if end < 0 else end
            if end < 0:
                return None
            self._in_long_line = False
            data = data[end + 1 :]
        end = data.rfind(b"\n") + 1
        if end == 0:
            self._rest += data
            return self._cut() if self.room < 1 else None
        whole = b"".join((self._rest, memoryview(data)[:end])) if self._rest else data[:end]
        self._rest = bytearray(memoryview(data)[end:])
        return self._give(whole)

    def finish(self) -> Slice | None:
        """The unended last line, with a newline added."""
        whole = bytes(self._rest)
        self._rest.clear()
        if not whole or (whole == _BOM and not self._begun):
            return None
        return self._give(whole + b"\n")

    def _cut(self) -> Slice:
        self._in_long_line = True
        self.long_lines += 1
        whole = bytes(self._rest) + b"\n"
        self._rest.clear()
        return self._give(whole)

    def _give(self, whole: bytes) -> Slice:
        if not self._begun:
            self._begun = True
            whole = whole.removeprefix(_BOM)
        first = self._line
        self._line += whole.count(b"\n")
        return Slice(self._source, self._stream, first, whole)
