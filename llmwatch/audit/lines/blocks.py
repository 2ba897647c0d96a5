"""Files read a block at a time, in whole lines."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

BLOCK = 1 << 20
"""Bytes read at a time."""

LONGEST_LINE = 16 << 20
"""A longer one is not kept in memory to be looked at."""


@dataclass(frozen=True, slots=True)
class Block:
    """Whole lines; only the last of a file may lack its newline."""

    offset: int
    data: bytes
    size: int
    """More than the length of `data`: it is one line that is too long, and only its beginning is here."""

    newline: bool
    """Whether it ends with one."""

    @property
    def whole(self) -> bool:
        """Whether all its bytes are here."""
        return self.size == len(self.data)


def blocks(read: Callable[[int], bytes], offset: int = 0) -> Iterator[Block]:
    """All that `read` gives, from a first byte that is at `offset` of the file."""
    rest = b""
    while chunk := read(BLOCK):
        cut = chunk.rfind(b"\n") + 1
        if cut:
            data = rest + chunk[:cut]
            yield Block(offset, data, len(data), newline=True)
            offset += len(data)
            rest = chunk[cut:]
        elif len(rest) + len(chunk) <= LONGEST_LINE:
            rest += chunk
        else:
            block, rest = _too_long(read, rest + chunk, offset)
            yield block
            offset += block.size
    if rest:
        yield Block(offset, rest, len(rest), newline=rest.endswith(b"\n"))


def _too_long(read: Callable[[int], bytes], start: bytes, offset: int) -> tuple[Block, bytes]:
    """The line that begins with `start`, and what was read beyond it."""
    size = len(start)
    while chunk := read(BLOCK):
        cut = chunk.find(b"\n") + 1
        if cut:
            return Block(offset, start[:BLOCK], size + cut, newline=True), chunk[cut:]
        size += len(chunk)
    return Block(offset, start[:BLOCK], size, newline=False), b""
