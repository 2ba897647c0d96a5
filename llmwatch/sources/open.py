"""From the words on the command line to one source of lines."""

from __future__ import annotations

import errno
import glob
import os
import stat
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import BinaryIO

from llmwatch.errors import SourceError, UsageError
from llmwatch.sources.discover import text_of
from llmwatch.sources.envelope import UnwrappedSource
from llmwatch.sources.files import FileSource
from llmwatch.sources.follower import why
from llmwatch.sources.source import OffersFiles, Source, SourceState
from llmwatch.sources.stdin import StreamSource
from llmwatch.sources.watch import FileWatch, FolderWatch, GlobWatch, Watch, missing
from llmwatch.store.slice import Slice, WholeFile

_STDIN = ("-", "/dev/stdin", "/dev/fd/0", "/proc/self/fd/0")


def open_paths(paths: Sequence[str], *, follow: bool, stdin: BinaryIO | None = None) -> Source:
    """One source for files, folders, globs, named pipes and standard input (`-`), without envelopes.

    Raises UsageError for an empty path, and SourceError when none of the paths can be read; when some can,
    the others are among `states()` with the status `error`. Followed files may appear later.
    """
    if not paths:
        raise UsageError("No path is given; name a file, a folder, a glob, or `-` for standard input.")
    watches: list[Watch] = []
    streams: dict[str, StreamSource] = {}
    troubles: list[SourceState] = []
    for path in dict.fromkeys(paths):
        if not path:
            raise UsageError("A path is empty; name a file, a folder, a glob, or `-` for standard input.")
        try:
            if path in _STDIN:
                streams.setdefault("-", _stdin(stdin, follow=follow))
            elif (watch := _watch(path, follow=follow)) is not None:
                watches.append(watch)
            else:
                streams[path] = StreamSource.of_pipe(path, follow=follow)
        except SourceError as error:
            troubles.append(SourceState(text_of(path), "error", str(error)))
        except OSError as error:
            troubles.append(SourceState(text_of(path), "error", why(text_of(path), error)))
    return UnwrappedSource(_together(watches, list(streams.values()), troubles, follow=follow))


def _together(
    watches: list[Watch], streams: list[StreamSource], troubles: list[SourceState], *, follow: bool
) -> Source:
    parts: list[Source] = list(streams)
    sentences = [trouble.detail for trouble in troubles]
    readable = bool(streams) or (follow and bool(watches))
    if watches:
        files = FileSource(watches, follow=follow)
        parts.insert(0, files)
        problems = [] if follow else files.problems()
        readable = readable or not problems
        sentences += problems
    if not readable:
        raise SourceError("\n".join(sentences))
    return parts[0] if len(parts) == 1 and not troubles else MergedSource(parts, tuple(troubles))


def _stdin(stream: BinaryIO | None, *, follow: bool) -> StreamSource:
    if stream is None and sys.stdin is None:
        raise SourceError("Standard input is closed; name a file instead of `-`.")
    return StreamSource("-", stream if stream is not None else sys.stdin.buffer, follow=follow)


def _watch(path: str, *, follow: bool) -> Watch | None:
    """What to watch for a path; None for what is read as a stream. Raises SourceError and OSError."""
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        if error.errno not in (errno.ENOENT, errno.ENOTDIR):
            if follow:
                return FileWatch(path, follow=True)
            raise
        if glob.has_magic(path) and not os.path.lexists(path):
            return GlobWatch(path, follow=follow)
        if not follow or not os.path.isdir(os.path.dirname(path) or "."):
            raise SourceError(missing(path)) from None
        return FileWatch(path, follow=True)
    if stat.S_ISDIR(mode):
        return FolderWatch(path, follow=follow)
    if stat.S_ISREG(mode):
        return FileWatch(path, follow=follow)
    if stat.S_ISFIFO(mode) or stat.S_ISCHR(mode):
        return None
    raise SourceError(f"{text_of(path)} is a device or socket, not a log; name a file, a folder or a pipe.")


class MergedSource:
    """Several sources read in turn as one, and what could not be opened."""

    def __init__(self, parts: Sequence[Source], troubles: tuple[SourceState, ...] = ()) -> None:
        self._parts = tuple(parts)
        self._troubles = troubles

    def offer(self, take: Callable[[WholeFile], bool]) -> None:
        """The whole files of each part that has any."""
        for part in self._parts:
            if isinstance(part, OffersFiles):
                part.offer(take)

    def read(self) -> Iterator[Slice]:
        """What each part has, one part after the other."""
        for part in self._parts:
            yield from part.read()

    def finish(self) -> Iterator[Slice]:
        """What is left in each part."""
        for part in self._parts:
            yield from part.finish()

    @property
    def ended(self) -> bool:
        """Whether all parts have ended."""
        return all(part.ended for part in self._parts)

    def states(self) -> tuple[SourceState, ...]:
        """The parts' states, then the paths that could not be opened."""
        return (*(state for part in self._parts for state in part.states()), *self._troubles)

    def close(self) -> None:
        """Close all parts."""
        for part in self._parts:
            part.close()


def merged(parts: Sequence[Source]) -> Source:
    """Several sources as one; closing it closes them."""
    return parts[0] if len(parts) == 1 else MergedSource(parts)
