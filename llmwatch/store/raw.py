"""The raw bytes of every line, compressed on disk, so that a row on screen can show the line it came from.

Not in DuckDB: a million router lines are 604 MB there and 30 MB here (measured), and only one is looked at.
"""

from __future__ import annotations

from bisect import bisect_right
from pathlib import Path
from typing import NamedTuple

from llmwatch.errors import StoreError

_BLOCK_BYTES = 1 << 20
_LEVEL = -3
"""zstd's fast levels: the ingest thread pays for it."""


class _Block(NamedTuple):
    first_seq: int
    offset: int
    length: int


class RawLines:
    """An append-only file of compressed blocks of whole lines. One thread appends; any may read."""

    def __init__(self, folder: Path) -> None:
        import zstandard

        self._path = folder / "lines.zst"
        self._compressor = zstandard.ZstdCompressor(level=_LEVEL)
        self._blocks: list[_Block] = []
        self._file = self._path.open("wb", buffering=0)

    def append(self, data: bytes, first_seq: int) -> None:
        """Keep whole lines, the first of them as `first_seq`."""
        start, seq = 0, first_seq
        while start < len(data):
            end = data.find(b"\n", min(start + _BLOCK_BYTES, len(data) - 1)) + 1 or len(data)
            block = self._compressor.compress(data[start:end])
            try:
                offset = self._file.tell()
                rest = memoryview(block)
                while rest:  # a nearly full disk takes a part
                    rest = rest[self._file.write(rest) :]
            except OSError as error:
                raise StoreError(
                    f"{self._path.parent} is full ({error.strerror}): free room there or set TMPDIR elsewhere"
                ) from error
            self._blocks.append(_Block(seq, offset, len(block)))
            seq += data.count(b"\n", start, end)
            start = end

    def line(self, seq: int) -> bytes | None:
        """The line with that sequence number, without its newline; None if it was not kept."""
        import zstandard

        place = bisect_right(self._blocks, seq, key=lambda block: block.first_seq) - 1
        if place < 0:
            return None
        block = self._blocks[place]
        with self._path.open("rb") as file:
            file.seek(block.offset)
            lines = zstandard.ZstdDecompressor().decompress(file.read(block.length)).split(b"\n")
        number = seq - block.first_seq
        return lines[number] if number < len(lines) - 1 else None

    def close(self) -> None:
        """Stop writing; the folder's owner removes the file."""
        self._file.close()
