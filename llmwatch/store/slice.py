"""Slices: the one shape in which lines reach the store."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass

SLICE_BYTES = 64 << 20
"""The most bytes a source puts in one slice. Measured: two files of half this size keep both threads of
DuckDB's JSON reader busy; slices of 8 MB take three times as long for the same lines."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Whole lines of one source, in order."""

    source: str
    """What a person calls the source: a path, `-`, or `group/stream`."""

    stream: str
    """The process the lines come from, as far as the source can tell: one name for a file and all its
    rotations (`router.jsonl` for `router.jsonl.2.gz`), or the CloudWatch stream."""

    first_line: int
    """The number in `source` of the first line, counted from 1."""

    data: bytes
    """Whole lines, each ended by a newline (a last line without one is given it)."""

    record: bytes | None = None
    """What a recording keeps of the lines, where that is more than the lines themselves."""

    more: bool = False
    """Whether the next slice has lines of the same time: shown together, they are put in order of time."""


@dataclass(frozen=True, slots=True)
class WholeFile:
    """A plain file that is not followed: its lines may be taken from where it lies, without copying a byte."""

    source: str
    stream: str
    path: str
    identity: tuple[int, int]
    """Device and inode."""
    size: int
    """Bytes, when it was looked at."""
    is_wrapped: Callable[[bytes], bool] = lambda _: False
    """Whether a line that no dialect knows holds others: then the file has to be read as slices."""

    def unchanged(self) -> bool:
        """Whether the path still leads to the file, and it has not grown or shrunk."""
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        return (status.st_dev, status.st_ino) == self.identity and status.st_size == self.size
