"""The files through which bytes reach DuckDB's JSON reader, in memory where the system has such a place."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from pathlib import Path

from llmwatch.errors import StoreError

_MEMORY_FILES = Path("/dev/shm")  # noqa: S108 (a folder of our own is made in it, mode 0700)
_MEMORY_NEEDED = 256 << 20
_SPLIT_FROM = 4 << 20
"""Bytes from which a slice is written as two files: the reader gives each thread a file, or 32 MB of one."""


class Scratch:
    """A private folder for slices in transit and for what the store spills to disk."""

    def __init__(self) -> None:
        try:
            self.spill = Path(tempfile.mkdtemp(prefix="llmwatch-"))
            self.transit = Path(tempfile.mkdtemp(prefix="llmwatch-", dir=_memory_folder()))
        except OSError as error:
            raise StoreError(
                f"no temporary folder can be made ({error.strerror}): set TMPDIR to a folder with room"
            ) from error

    def put(self, data: bytes | memoryview, name: str = "slice") -> list[str]:
        """Write whole lines to files for the reader; the files of the last call of that name are overwritten.

        Overwritten in place, not made anew: the system need not find and clear new pages for every slice.
        """
        paths = []
        for number, part in enumerate(_halves(memoryview(data))):
            path = self.transit / f"{name}{number}.jsonl"
            try:
                _overwrite(path, part)
            except OSError as error:
                raise StoreError(f"{path} cannot be written ({error.strerror}): free room there") from error
            paths.append(str(path))
        return paths

    def close(self) -> None:
        """Remove both folders."""
        for folder in (self.spill, self.transit):
            shutil.rmtree(folder, ignore_errors=True)


def _memory_folder() -> Path | None:
    try:
        room = os.statvfs(_MEMORY_FILES)
    except OSError:
        return None
    return _MEMORY_FILES if room.f_bavail * room.f_frsize >= _MEMORY_NEEDED else None


def _halves(data: memoryview) -> Sequence[memoryview]:
    if len(data) < _SPLIT_FROM:
        return (data,)
    middle = len(data) // 2
    window = bytes(data[middle : middle + (1 << 20)])
    cut = window.find(b"\n")
    return (data,) if cut < 0 else (data[: middle + cut + 1], data[middle + cut + 1 :])


def _overwrite(path: Path, data: memoryview) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o600)
    try:
        written = 0
        while written < len(data):
            written += os.pwrite(descriptor, data[written:], written)
        os.ftruncate(descriptor, len(data))
    finally:
        os.close(descriptor)
