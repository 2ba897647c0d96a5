"""The bytes inside `.gz` and `.zst` files, as far as they are whole, in bounded memory."""

from __future__ import annotations

import os
import zlib
from typing import Protocol

_GZIP_INPUT = 1 << 16
_GZIP_OUTPUT = 1 << 22

_ZSTD_INPUT = 2048
"""Compressed bytes per call. The output of a call has no limit, and zstd packs up to 32750 bytes in one: this
keeps a hostile file's output at 64 MiB. Measured: no slower than 64 KiB per call."""


class _Member(Protocol):
    """One gzip member or zstd frame being unpacked."""

    @property
    def eof(self) -> bool: ...

    @property
    def unused_data(self) -> bytes: ...

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        """What `data` yields, and what of it is to be given again."""
        ...


class _DamagedError(Exception):
    """The compressed bytes make no sense; `salvaged` is what came out before."""

    def __init__(self, salvaged: bytes) -> None:
        super().__init__()
        self.salvaged = salvaged


class Unpacked:
    """What a compressed file holds, read once from front to back through a descriptor it does not close."""

    def __init__(self, descriptor: int, packing: str) -> None:
        self.position = 0
        """Compressed bytes read so far."""
        self.complaint = ""
        """Why the end is missing, as the middle of a sentence; empty when all members are whole so far."""
        self._descriptor = descriptor
        self._new_member = _GzipMember if packing == "gzip" else _ZstdFrame
        self._block = _GZIP_INPUT if packing == "gzip" else _ZSTD_INPUT
        self._member: _Member | None = None
        self._input = b""
        self._ready = b""
        self._whole_members = 0
        self._over = False

    def read(self, limit: int) -> bytes:
        """The next bytes, `limit` of them unless the end comes first; empty at the end."""
        parts: list[bytes] = []
        size = 0
        while size < limit:
            data = self._ready or self._next()
            if not data:
                break
            self._ready = data[limit - size :]
            parts.append(data[: limit - size])
            size += len(parts[-1])
        return b"".join(parts)

    def skip(self, count: int) -> int:
        """Pass over `count` bytes; how many there were."""
        left = count
        while left and (data := self.read(min(left, _GZIP_OUTPUT))):
            left -= len(data)
        return count - left

    def _next(self) -> bytes:
        """Some more bytes; empty only when no more will come."""
        while not self._over:
            if not self._input:
                self._refill()
                continue
            if self._member is None:
                self._member = self._new_member()
            try:
                output, self._input = self._member.unpack(self._input)
            except _DamagedError as damage:
                self._over, self.complaint = True, f"is damaged before byte {self.position}"
                return damage.salvaged
            if self._member.eof:
                self._input = self._member.unused_data.lstrip(b"\0")  # zeros between members are padding
                self._member = None
                self._whole_members += 1
            if output:
                return output
        return b""

    def _refill(self) -> None:
        data = os.pread(self._descriptor, self._block, self.position)
        self.position += len(data)
        between_members = self._member is None and self._whole_members > 0
        self._input = data.lstrip(b"\0") if between_members else data
        if not data:
            self._over = True
            self.complaint = "" if self._member is None else f"is cut short at byte {self.position}"


class _GzipMember:
    def __init__(self) -> None:
        self._engine = zlib.decompressobj(wbits=31)

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        before = self._engine.copy()
        try:
            output = self._engine.decompress(data, _GZIP_OUTPUT)
        except zlib.error:
            raise _DamagedError(_salvage(before, data)) from None
        return output, self._engine.unconsumed_tail


class _ZstdFrame:
    def __init__(self) -> None:
        import zstandard

        self._engine = zstandard.ZstdDecompressor().decompressobj()
        self._error = zstandard.ZstdError

    @property
    def eof(self) -> bool:
        return self._engine.eof

    @property
    def unused_data(self) -> bytes:
        return self._engine.unused_data

    def unpack(self, data: bytes) -> tuple[bytes, bytes]:
        try:
            return self._engine.decompress(data), b""
        except self._error:
            raise _DamagedError(b"") from None


def _salvage(engine: zlib._Decompress, data: bytes) -> bytes:
    """What comes out before the damage. zlib gives nothing from a call that fails: each call gets a byte."""
    parts = []
    try:
        for place in range(len(data)):
            parts.append(engine.decompress(data[place : place + 1], _GZIP_OUTPUT))
            while engine.unconsumed_tail:
                parts.append(engine.decompress(engine.unconsumed_tail, _GZIP_OUTPUT))
    except zlib.error:
        pass
    return b"".join(parts)
