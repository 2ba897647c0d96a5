"""A command in a terminal of its own, whose screen nobody looks at but us."""

from __future__ import annotations

import fcntl
import os
import pty
import signal
import struct
import subprocess
import termios
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

from benchmarks.processes import ROOT, cpu_seconds

_LINES, _COLUMNS = 40, 140


class Terminal:
    """Runs a command in a pseudo-terminal of 140 x 40 cells, and reads what it draws, as a terminal would."""

    def __init__(self, words: Sequence[str]) -> None:
        self._ours, theirs = pty.openpty()
        fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", _LINES, _COLUMNS, 0, 0))
        self._drawn = bytearray()
        self._awaited = b""
        self._seen = threading.Event()
        self._seen_at = 0.0
        self.began = time.perf_counter()
        self._process = subprocess.Popen(
            words,
            stdin=theirs,
            stdout=theirs,
            stderr=theirs,
            cwd=ROOT,
            env={**os.environ, "TERM": "xterm-256color", "COLORTERM": "truecolor"},
            start_new_session=True,
        )
        os.close(theirs)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Terminal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(timeout=5)
        os.close(self._ours)

    def wait_for(self, text: str, timeout: float = 60) -> float:
        """The moment (of `perf_counter`) at which this was on screen, in one style. Raises TimeoutError."""
        self._awaited = text.encode()
        self._seen.wait(timeout)
        if not self._seen_at:
            tail = bytes(self._drawn[-2000:]).decode(errors="replace")
            raise TimeoutError(f"{text!r} was not drawn in {timeout:.0f} s; the last that was: {tail!r}")
        return self._seen_at

    def press(self, key: str) -> None:
        """Type a character."""
        os.write(self._ours, key.encode())

    def wait(self, timeout: float) -> None:
        """Until the command ends. Raises TimeoutExpired."""
        self._process.wait(timeout)

    def cpu_seconds(self) -> float:
        """What the process and its threads have computed so far."""
        return cpu_seconds(self._process.pid)

    def _read(self) -> None:
        with suppress(OSError):  # the other end is closed when the command has ended
            while drawn := os.read(self._ours, 1 << 16):
                if self._seen.is_set():
                    continue
                self._drawn += drawn
                if self._awaited and self._awaited in self._drawn:
                    self._seen_at = time.perf_counter()
                    self._seen.set()
        self._seen.set()
