"""Whole days against their signed digests: one hash over all bytes instead of a look at each line."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from threading import Event
from typing import Literal

from llmwatch.audit.archive import Reading
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import LogFile

Match = Literal["whole", "appended", "differs"]
"""All bytes are those of the digest; they are, and more follow; they are not."""

Progress = Callable[[str, int], None]
"""Takes a file's name and how many more of its bytes in the file system were read; from any thread."""

_AT_ONCE = 2


@dataclass(frozen=True, slots=True)
class SealCheck:
    """How a file compares with a digest."""

    match: Match
    sha256: str | None
    """Of as many bytes as the digest says, if there are so many."""

    findings: tuple[Finding, ...] = ()
    """Why an archive cannot be read to its end."""


class _StoppedError(Exception):
    """Nobody waits for the answer any more."""


def check_seal(
    file: LogFile, size: int, digest: str, watch: Callable[[int], None] = lambda _: None
) -> SealCheck:
    """Hash the first `size` bytes of a file; `digest` is the SHA-256 that they should have, in hex.

    Raises:
        SourceError: it cannot be read.

    """
    with Reading(file) as reading:
        if not file.archived and reading.size < size:
            watch(reading.size)
            return SealCheck("differs", None)
        hasher, left, longer = sha256(), size, False
        for piece in reading:
            hasher.update(piece if len(piece) <= left else memoryview(piece)[:left])
            longer = longer or len(piece) > left
            left = max(left - len(piece), 0)
            watch(reading.passed())
            if longer:
                break
        found = hasher.hexdigest() if left == 0 else None
        match: Match = "differs" if found != digest else "appended" if longer else "whole"
        return SealCheck(match, found, tuple(reading.findings))


@contextmanager
def seal_checks(
    wanted: Sequence[tuple[LogFile, int, str]], progress: Progress | None = None
) -> Iterator[Callable[[], list[SealCheck]]]:
    """Begin to check several seals, two at a time; the answers, in order, are waited for by calling.

    Hashing large pieces lets other threads run, so meanwhile the caller can do something else.
    """
    stopped = Event()

    def check(one: tuple[LogFile, int, str]) -> SealCheck:
        file, size, digest = one

        def watch(count: int) -> None:
            if stopped.is_set():
                raise _StoppedError
            if progress is not None:
                progress(file.name, count)

        return check_seal(file, size, digest, watch)

    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="seals") as threads:
        try:
            futures = [threads.submit(check, one) for one in wanted]
            yield lambda: [future.result() for future in futures]
        finally:
            stopped.set()
            threads.shutdown(cancel_futures=True)
