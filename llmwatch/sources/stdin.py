"""Standard input and named pipes: bytes that come once, in order, when they come."""

from __future__ import annotations

import os
import select
import stat
import time
from collections.abc import Iterator
from contextlib import suppress
from typing import BinaryIO

from llmwatch.sources.content import HEAD_BYTES, packing_of, refusal
from llmwatch.sources.discover import text_of
from llmwatch.sources.follower import why
from llmwatch.sources.slicer import Slicer
from llmwatch.sources.source import SourceState, SourceStatus
from llmwatch.store.slice import Slice

_BLOCK_BYTES = 1 << 20

_FLOWING_SECONDS = 0.01
"""How soon the next bytes of a stream that flows must come. A pipe holds 64 KiB: without this patience each
call would give no more, however fast the writer is."""

_WAKING_SECONDS = 0.2
"""How often a call that reads to the end looks whether the source was closed meanwhile."""

_GATHER_SECONDS = 0.25
"""How long one call gathers from a stream that flows without pause."""


class StreamSource:
    """Lines from a descriptor that cannot be read twice."""

    def __init__(self, name: str, stream: BinaryIO | int, *, follow: bool, endless: bool = False) -> None:
        """With `follow`, `read` gives what is there; without, it goes on to the end of the stream.

        `endless`: when all writers have left, the next one is waited for, as of a followed named pipe.
        """
        self._follow = follow
        self._name = name
        self._file = None if isinstance(stream, int) else stream
        self._descriptor = stream if isinstance(stream, int) else _descriptor_of(stream)
        self._owned = isinstance(stream, int)
        self._endless = endless
        self._slicer = Slicer(name, name)
        self._head = b""
        self._bytes = 0
        self._ended = False
        self._more = False
        self._problem = ""
        self._deserted = False
        self._patience = 0 if follow else _WAKING_SECONDS
        self._poll: select.poll | None = None
        if self._descriptor is not None:
            mode = os.fstat(self._descriptor).st_mode
            if not stat.S_ISREG(mode):
                self._poll = select.poll()
                self._poll.register(self._descriptor, select.POLLIN)
            if stat.S_ISFIFO(mode):
                _widen(self._descriptor)

    @classmethod
    def of_pipe(cls, path: str, *, follow: bool) -> StreamSource:
        """A named pipe or character device. Raises OSError. Opening waits for no writer."""
        endless = follow and not path.startswith(("/dev/fd/", "/proc/"))
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        return cls(text_of(path), descriptor, follow=follow, endless=endless)

    def read(self) -> Iterator[Slice]:
        """What has come since the last call, of a followed pipe at most one slice; else all until the end."""
        while not self._ended:
            data = self._gather()
            self._bytes += len(data)
            if data and self._judge(data):
                piece = self._slicer.feed(data)
                if piece is not None:
                    yield piece
            if self._deserted:
                yield from self.finish()
            if self._waits and self._follow:
                return

    def finish(self) -> Iterator[Slice]:
        """The last line, when it has no newline."""
        piece = None if self._problem else self._slicer.finish()
        if piece is not None:
            yield piece

    @property
    def ended(self) -> bool:
        """Whether the writers have closed the stream, or it cannot be read."""
        return self._ended

    def states(self) -> tuple[SourceState, ...]:
        """One state."""
        status: SourceStatus
        if self._problem:
            status = "error"
        elif self._ended:
            status = "ended"
        else:
            status = "reading" if self._more else "live"
        detail = self._problem
        if self._ended and not self._bytes:
            detail = detail or f"{_spoken(self._name)} is empty."
        if self._slicer.long_lines:
            detail = detail or (
                f"{_spoken(self._name)} has {self._slicer.long_lines} lines that are too long; "
                f"{self._slicer.left_out} bytes at their ends are left out."
            )
        return (SourceState(self._name, status, detail, self._bytes, self._bytes),)

    def close(self) -> None:
        """Let go of a pipe that was opened here. Standard input stays open."""
        self._ended = True
        if self._owned and self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _gather(self) -> bytes:
        """The bytes that are there now, as long as they flow and fit."""
        parts: list[bytes] = []
        room = self._slicer.room
        until = time.monotonic() + _GATHER_SECONDS
        self._more = self._deserted = False
        try:
            while room and self._ready(_FLOWING_SECONDS if parts else self._patience):
                data = self._take(min(_BLOCK_BYTES, room) if self._waits else room)
                if not data:
                    self._ended = not self._endless
                    self._deserted = self._endless
                    break
                parts.append(data)
                room -= len(data)
                self._more = not room or time.monotonic() > until
                if self._more and self._waits:
                    break
        except BlockingIOError:
            pass
        except OSError as error:
            self._problem = why(_spoken(self._name), error)
            self._ended = True
        return b"".join(parts)

    @property
    def _waits(self) -> bool:
        """Whether bytes come when they come: not of a regular file."""
        return self._poll is not None

    def _ready(self, patience: float) -> bool:
        return self._poll is None or bool(self._poll.poll(patience * 1000))

    def _take(self, count: int) -> bytes:
        if self._descriptor is not None:
            return os.read(self._descriptor, count)
        return self._file.read(count) if self._file is not None else b""

    def _judge(self, data: bytes) -> bool:
        """Whether the stream's first bytes are a log's; asked until a line has been given."""
        if self._slicer.begun:
            return True
        self._head = (self._head + data[:HEAD_BYTES])[:HEAD_BYTES]
        words = refusal(self._head)
        if packing_of(self._head) != "plain":
            words = "is compressed; unpack it on the way, as with `zcat FILE | llmwatch ... -`."
        if words:
            self._problem = f"{_spoken(self._name)} {words}"
            self._ended = True
        return not words


def _spoken(name: str) -> str:
    return "standard input" if name == "-" else name


def _descriptor_of(stream: BinaryIO) -> int | None:
    try:
        return stream.fileno()
    except (OSError, AttributeError):  # not backed by a file
        return None


def _widen(descriptor: int) -> None:
    """Let a pipe hold 1 MiB where Linux allows: fewer, larger reads."""
    with suppress(ImportError, AttributeError, OSError):
        import fcntl

        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _BLOCK_BYTES)
