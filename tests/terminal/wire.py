"""A pty without a terminal behind it: every byte the program writes, as it is."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from pathlib import Path

from tests.cli.running import environment, process

PATIENCE = 20.0


class Wire:
    """The program on a pty of some size. `close` it."""

    def __init__(self, *words: object, columns: int = 120, rows: int = 40, folder: Path) -> None:
        self.written = b""
        self._master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))
        self._program = process(
            *words,
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
            cwd=folder,
            env=environment(TERM="xterm-256color", COLORTERM="truecolor"),
        )
        os.close(slave)

    def press(self, keys: bytes) -> None:
        """Type."""
        os.write(self._master, keys)

    def quit(self) -> None:
        """Close what is open and quit. A busy program reads an escape and the next key as one: then again."""
        until = time.monotonic() + PATIENCE
        while self._program.poll() is None and time.monotonic() < until:
            for key in (b"\x1b", b"q"):
                self.rest(0.3)
                self.press(key)

    def wait_for(self, text: bytes) -> None:
        """Read until something that is written from now on has this text."""
        seen = b""
        until = time.monotonic() + PATIENCE
        while text not in seen:
            seen += self._read()
            assert time.monotonic() < until, seen[-2000:]

    def rest(self, seconds: float) -> None:
        """Read until nothing has come for so long."""
        while self._read(seconds):
            pass

    def ended(self) -> int:
        """The exit code, when all is read."""
        until = time.monotonic() + PATIENCE
        while self._program.poll() is None:
            self._read()
            assert time.monotonic() < until
        self.rest(0.1)
        return self._program.returncode

    def close(self) -> None:
        """End it if it has not."""
        self._program.kill()
        self._program.wait()
        os.close(self._master)

    def _read(self, seconds: float = 0.1) -> bytes:
        if not select.select([self._master], [], [], seconds)[0]:
            return b""
        try:
            data = os.read(self._master, 1 << 16)
        except OSError:  # the last one has let go of the other end
            data = b""
        self.written += data
        return data
