"""The program run as people run it: as a process, or, where only the command line matters, in this one."""

from __future__ import annotations

import io
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest.mock import patch

from llmwatch.cli.main import run

DATA = Path(__file__).parent.parent / "data"
SAMPLE = DATA / "router-sample.jsonl"
ROOT = Path(__file__).parent.parent.parent
PROGRAM = (sys.executable, "-m", "llmwatch")
SECONDS = 30


@dataclass(frozen=True)
class Ran:
    """How a run ended and what it wrote."""

    code: int
    out: bytes
    err: bytes

    @property
    def text(self) -> str:
        return self.out.decode()

    @property
    def narration(self) -> str:
        return self.err.decode()

    @property
    def document(self) -> dict[str, Any]:
        document: dict[str, Any] = json.loads(self.out)
        return document

    @property
    def json_lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.splitlines()]


def environment(**changes: str) -> dict[str, str]:
    """This process's, so that the program is found and nothing depends on the terminal."""
    kept = {name: value for name, value in os.environ.items() if name not in ("COLUMNS", "LINES")}
    return {**kept, "PYTHONPATH": str(ROOT), **changes}


def process(*words: object, **options: Any) -> subprocess.Popen[bytes]:
    """The program, started."""
    defaults = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    return subprocess.Popen([*PROGRAM, *map(_word, words)], **{**defaults, "env": environment(), **options})


def ended(program: subprocess.Popen[bytes], stdin: bytes | None = None) -> Ran:
    """The program when it has ended."""
    try:
        out, err = program.communicate(stdin, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        program.kill()
        program.communicate()
        raise
    return Ran(program.returncode, out or b"", err or b"")


def outside(*words: object, stdin: bytes = b"", env: Mapping[str, str] | None = None, **options: Any) -> Ran:
    """A run in a process of its own."""
    started = process(*words, stdin=subprocess.PIPE, env=environment(**(env or {})), **options)
    return ended(started, stdin)


def here(*words: object) -> Ran:
    """A run in this process: the same but for the start of Python."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="\n") for _ in range(2))
    handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    with redirect_stdout(out), redirect_stderr(err), patch("sys.stdin", io.TextIOWrapper(io.BytesIO())):
        try:
            code = run([_word(word) for word in words])
        except SystemExit as ending:
            code = int(ending.code or 0)
        finally:
            for number, handler in handlers.items():
                signal.signal(number, handler)
    return Ran(code, *(_written(stream) for stream in (out, err)))


def assert_refused(ran: Ran, code: int, *words: str) -> None:
    """One sentence that has these words, nothing on stdout, no traceback."""
    assert ran.code == code, ran
    assert ran.out == b""
    first, *rest = ran.narration.splitlines()
    assert first.startswith("llmwatch: ")
    assert re.search(r"\w.*[ ;:,(].*\w", first)
    assert all(line.startswith(" ") or not line for line in rest), "more than one sentence"
    assert "Traceback" not in ran.narration
    for word in words:
        assert word.lower() in ran.narration.lower()


def _word(word: object) -> str:
    return os.fspath(word) if isinstance(word, os.PathLike) else str(word)


def _written(stream: io.TextIOWrapper) -> bytes:
    stream.flush()
    buffer = stream.buffer
    assert isinstance(buffer, io.BytesIO)
    return buffer.getvalue()
