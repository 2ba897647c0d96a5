"""What `verify` reads: files and folders where they lie; standard input, pipes and log groups through a copy."""

from __future__ import annotations

import argparse
import glob
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from llmwatch.errors import SourceError

if TYPE_CHECKING:
    from llmwatch.audit.folder import Log, LogFile

_STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")
_MARK = b'"chain_hash"'
"""What every entry of a chain holds. Streams of a log group hold other lines too."""
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"


@dataclass(frozen=True, slots=True)
class Gathered:
    """What there is to verify."""

    logs: tuple[Log, ...]
    failed: bool = False
    """Whether a part of it could not be read; it was said."""


@contextmanager
def gathered(arguments: argparse.Namespace, since: datetime | None) -> Iterator[Gathered]:
    """What paths and groups name; copies are gone at the end. Raises SourceError and UsageError."""
    from llmwatch.audit.folder import Log, find_logs

    paths = [path for word in dict.fromkeys(arguments.paths) for path in _expanded(word)]
    with tempfile.TemporaryDirectory(prefix="llmwatch-verify-") as name:
        folder = Path(name)
        copies = [_copied(path, folder / f"stream-{number}") for number, path in enumerate(paths)]
        logs = [Log(folder, (copy,), whole=False) for copy in copies if copy is not None]
        found = find_logs(Path(path) for path, copy in zip(paths, copies, strict=True) if copy is None)
        for log in found:
            for file in log.files:
                _refuse_packed(file.path)
        failed = False
        if arguments.group:
            streams, failed = _streams(arguments, since, folder)
            logs += [Log(folder, streams, whole=False)] if streams else []
        yield Gathered((*found, *logs), failed)


def _expanded(word: str) -> list[str]:
    if glob.has_magic(word) and not os.path.lexists(word):
        return sorted(glob.glob(word)) or [word]
    return [word]


def _copied(path: str, copy: Path) -> LogFile | None:
    """A copy of what can be read only once; None of anything else."""
    if path in _STDIN:
        return _copy(_stdin(), "-", copy)
    mode = os.stat(path).st_mode if os.path.exists(path) else stat.S_IFREG
    if stat.S_ISFIFO(mode):
        with _opened(path) as pipe:
            return _copy(pipe, path, copy)
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):
        return None
    raise SourceError(f"{path} is a device or socket, not a log: name a file, a folder or a pipe")


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        raise SourceError("standard input is closed: name a file instead of -")
    return sys.stdin.buffer


def _opened(path: str | Path) -> BinaryIO:
    try:
        return open(path, "rb")
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from error


def _copy(stream: BinaryIO, name: str, copy: Path) -> LogFile:
    """All bytes of a stream. Where they are an archive, the copy's name says so."""
    from llmwatch.audit.folder import LogFile

    head = stream.read(len(_GZIP))
    path = copy.with_suffix(".gz") if head == _GZIP else copy
    with path.open("wb") as file:
        file.write(head)
        shutil.copyfileobj(stream, file, 1 << 20)
    return LogFile(path, name, day=None)


def _refuse_packed(path: Path) -> None:
    """What is compressed, and not as its name says, would look like a log of which nothing is left."""
    with _opened(path) as file:
        head = file.read(4)
    if head == _ZSTD or (head.startswith(_GZIP) and path.suffix != ".gz"):
        raise SourceError(f"{path} is compressed: unpack it first, or name it .gz if it is gzip")


def _streams(
    arguments: argparse.Namespace, since: datetime | None, folder: Path
) -> tuple[tuple[LogFile, ...], bool]:
    """A copy of every stream of the log groups that has entries, and whether something could not be read.

    The service keeps messages, not newlines, so each is ended by one. Lines that are no entries are left out: a stream
    has what a process printed besides.
    """
    from llmwatch.audit.folder import LogFile
    from llmwatch.cli.groups import open_groups
    from llmwatch.cli.main import say
    from llmwatch.cli.progress import progress_line
    from llmwatch.query.scope import Scope

    source = open_groups(arguments, Scope(since), follow=False, calls=False, patience="none")
    copies: dict[str, LogFile] = {}
    left_out = 0
    try:
        with progress_line(source):
            for piece in source.read():
                lines = piece.data.split(b"\n")[:-1]
                entries = [line for line in lines if _MARK in line]
                left_out += len(lines) - len(entries)
                if entries:
                    new = LogFile(folder / f"group-{len(copies)}", piece.source, day=None)
                    with copies.setdefault(piece.source, new).path.open("ab") as file:
                        file.writelines(entry + b"\n" for entry in entries)
        told = [state for state in source.states() if state.detail]
    finally:
        source.close()
    for state in told:
        say(state.sentence)
    if left_out:
        say(f"{left_out:,} lines of the log groups are no entries of an audit log, and were left out")
    if not copies:
        say("the log groups hold no entry of an audit log: is it the right group, --since and --stream?")
    return tuple(copies.values()), any(state.status == "error" for state in told)
