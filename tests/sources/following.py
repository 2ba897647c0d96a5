"""A log as its writers treat it, and every line it was given; for tests of what reads it."""

from __future__ import annotations

import gzip
import os
from dataclasses import dataclass, field
from pathlib import Path

from llmwatch.sources.source import Source
from llmwatch.store.slice import Slice


def pull(source: Source) -> list[Slice]:
    return list(source.read())


def lines_of(pieces: list[Slice]) -> list[bytes]:
    return [line for piece in pieces for line in piece.data.splitlines()]


@dataclass
class Clock:
    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class _File:
    lines: list[bytes] = field(default_factory=list)
    fresh: list[bytes] = field(default_factory=list)
    """Lines since the last poll."""
    held: bool = False
    """Whether a poll could have opened the file."""


class Log:
    """`router.jsonl` and its rotations. Each line is unique."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.expected: list[bytes] = []
        self.unreachable: set[bytes] = set()
        self.torn: set[bytes] = set()
        """Beginnings of lines that were read before their ends were truncated."""
        self._seen_part = b""
        self._copied: list[tuple[list[bytes], bytes]] = []
        """What was not read of files before they were copied and emptied, since the last poll."""
        self._count = 0
        self._part = b""
        self._file = _File()
        self.path.touch()

    def _write(self, data: bytes) -> None:
        with self.path.open("ab") as file:
            file.write(data)

    def part(self) -> None:
        """A beginning of a line, or more of it."""
        if not self._part:
            self._count += 1
        more = b'{"line":%d' % self._count if not self._part else b"x"
        self._part += more
        self._write(more)

    def line(self) -> None:
        if not self._part:
            self.part()
        self._end()
        self._write(b"}\n")

    def _end(self) -> None:
        """What there is of a line is a line, with what closes it when that is written."""
        if self._part:
            self._note(self._part + b"}")
            self._part = b""

    def _tear(self) -> None:
        """The unended line gets no end any more."""
        if self._part:
            self._note(self._part)
            if self._part == self._seen_part:
                self._file.fresh.remove(self._part)
            self._part = b""

    def _note(self, line: bytes) -> None:
        self.expected.append(line)
        self._file.lines.append(line)
        self._file.fresh.append(line)

    def _shift(self) -> None:
        def number(path: Path) -> int:
            return int(path.name.removeprefix(self.path.name + ".").removesuffix(".gz"))

        for path in sorted(self.path.parent.glob(self.path.name + ".*"), key=number, reverse=True):
            new = f"{self.path.name}.{number(path) + 1}" + (".gz" if path.name.endswith(".gz") else "")
            path.rename(path.with_name(new))

    def rotate(self) -> None:
        self._tear()
        self._shift()
        self.path.rename(self.path.with_name(self.path.name + ".1"))
        self.path.touch()
        self._renew()

    def _renew(self, *, held: bool = False) -> None:
        self._file = _File(held=held)
        self._seen_part = b""

    def compress(self) -> None:
        """The youngest plain rotation, as logrotate does: new file, same time, old name gone."""
        for number in range(1, 30):
            plain = self.path.with_name(f"{self.path.name}.{number}")
            if plain.exists():
                status = plain.stat()
                packed = plain.with_name(plain.name + ".gz")
                packed.write_bytes(gzip.compress(plain.read_bytes()))
                os.utime(packed, ns=(status.st_atime_ns, status.st_mtime_ns))
                plain.unlink()
                return

    def copy_and_truncate(self) -> None:
        self._tear()
        self._shift()
        self.path.with_name(self.path.name + ".1").write_bytes(self.path.read_bytes())
        self._copied.append((self._file.fresh, self._seen_part))
        os.truncate(self.path, 0)
        self._renew(held=self._file.held)

    def truncate(self) -> None:
        self._tear()
        self.unreachable.update(self._file.fresh if self._file.held else self._file.lines)
        self.torn.add(self._seen_part)
        os.truncate(self.path, 0)
        self._renew(held=self._file.held)

    def replace(self) -> None:
        """Delete and create."""
        self._tear()
        if not self._file.held:
            self.unreachable.update(self._file.lines)
        self.path.unlink()
        self.path.touch()
        self._renew()

    def polled(self, *, denied: bool) -> None:
        """All that can be reached was read; with `denied`, what was not open before cannot be opened."""
        for fresh, part in self._copied if denied else ():
            self.unreachable.update(fresh)
            self.torn.add(part)
        self._copied = []
        if self._file.held or not denied:
            self._file.held = True
            self._seen_part = self._part
            self._file.fresh = []
