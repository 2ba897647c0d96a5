"""What a person named on the command line: a file, a folder or a pattern, and the files it stands for now."""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Container
from typing import Protocol

from llmwatch.errors import meant
from llmwatch.sources.discover import (
    LOG_NAMES,
    Found,
    LogName,
    files_in,
    identity_of,
    logs_in,
    matches_of,
    rotations_of,
    text_of,
)
from llmwatch.sources.follower import why
from llmwatch.sources.source import SourceState, SourceStatus

Identity = tuple[int, int]


class Watch(Protocol):
    """One path that the person named."""

    path: str
    lists: bool
    """Whether new files show only in a listing, so that one is due every second."""
    seen: Identity | int | None
    """What the last `find` met at the path: a file or an error's number; None when only a listing tells."""
    trouble: SourceState | None
    """Why the last `find` came back without what was asked for."""

    def find(self, known: Container[Identity]) -> list[Found]:
        """The files that the path stands for now, oldest rotation first. `known` are those met before."""
        ...


class FileWatch:
    """One file by its name. Followed, it brings the rotations that came between two looks."""

    lists = False

    def __init__(self, path: str, *, follow: bool) -> None:
        self.path = path
        self.trouble: SourceState | None = None
        self._name = text_of(path)
        self._follow = follow
        self.seen: Identity | int | None = None
        self._was_there = False
        old = rotations_of(path) if follow else []
        self._met = {one.identity: one.status.st_mtime_ns for one in old}
        self._newest_old = max(self._met.values(), default=-1)

    def find(self, known: Container[Identity]) -> list[Found]:
        """The file, behind those of its rotations that were written after it was first looked for."""
        found = self._newer_rotations(known) if self._follow else []
        self.trouble = None
        self.seen, status = glance(self.path)
        if status is None:
            self.trouble = self._absent(self.seen if isinstance(self.seen, int) else errno.EIO)
            return found
        if stat.S_ISREG(status.st_mode):
            self._was_there = True
            found.append(Found(self.path, status, LogName.of(self.path), named=True))
        else:
            kind = "a folder" if stat.S_ISDIR(status.st_mode) else "no regular file"
            self._trouble("error", f"{self._name} is {kind} now; it is read again when a file is there.")
        return found

    def _newer_rotations(self, known: Container[Identity]) -> list[Found]:
        """Those known, and those not met before whose last write, which compression keeps, is newer."""
        rotations = rotations_of(self.path)
        old = [one for one in rotations if one.identity in known]
        self._met.update((one.identity, one.status.st_mtime_ns) for one in old)
        return [one for one in rotations if one in old or self._is_newer(one)]

    def _is_newer(self, one: Found) -> bool:
        written = one.status.st_mtime_ns
        if self._met.get(one.identity) == written:
            return False
        return written > self._newest_old or (written == self._newest_old and not one.log.packed)

    def _absent(self, number: int) -> SourceState:
        if number not in (errno.ENOENT, errno.ENOTDIR):
            return SourceState(self._name, "error", why(self._name, OSError(number, os.strerror(number))))
        if not self._follow:
            return SourceState(self._name, "error", missing(self.path))
        if self._was_there:
            detail = f"{self._name} was deleted or moved away; it is read again as soon as it is back."
            return SourceState(self._name, "waiting", detail)
        if not os.path.isdir(os.path.dirname(self.path) or "."):
            return SourceState(self._name, "error", missing(self.path))
        return SourceState(
            self._name, "waiting", f"{self._name} is not there yet; it is read as soon as it appears."
        )

    def _trouble(self, status: SourceStatus, detail: str) -> None:
        self.trouble = SourceState(self._name, status, detail)


class FolderWatch:
    """The logs directly in a folder."""

    lists = True
    seen: Identity | int | None = None

    def __init__(self, path: str, *, follow: bool) -> None:
        self.path = path
        self.trouble: SourceState | None = None
        self._name = text_of(path)
        self._follow = follow

    def find(self, known: Container[Identity]) -> list[Found]:  # noqa: ARG002 - the protocol's
        """All logs with their rotations."""
        self.trouble = None
        try:
            found = logs_in(self.path)
        except OSError as error:
            gone = self._follow and error.errno in (errno.ENOENT, errno.ENOTDIR)
            detail = f"{self._name} is gone; it is read again as soon as it is back."
            self.trouble = SourceState(
                self._name, "waiting" if gone else "error", detail if gone else why(self._name, error)
            )
            return []
        if not found:
            self.trouble = SourceState(self._name, "waiting" if self._follow else "error", self._no_logs())
        return found

    def _no_logs(self) -> str:
        if self._follow:
            return f"{self._name} holds no logs yet ({LOG_NAMES}); they are read as soon as they appear."
        others = [text_of(os.path.basename(one.path)) for one in files_in(self.path)]
        holds = f"{self._name} holds no logs ({LOG_NAMES})"
        if others:
            return f"{holds}; name a file in it, such as {os.path.join(self._name, others[0])}."
        return (
            f"{holds}; name another folder, or `{os.path.join(self._name, '**', '*.jsonl')}` for those below."
        )


class GlobWatch:
    """The files that match a pattern, with their rotations, and the logs of folders that match."""

    lists = True
    seen: Identity | int | None = None

    def __init__(self, path: str, *, follow: bool) -> None:
        self.path = path
        self.trouble: SourceState | None = None
        self._name = text_of(path)
        self._follow = follow

    def find(self, known: Container[Identity]) -> list[Found]:  # noqa: ARG002 - the protocol's
        """All that matches now."""
        found = matches_of(self.path)
        self.trouble = None
        if not found and self._follow:
            detail = f"{self._name} matches no file yet; what matches is read as soon as it appears."
            self.trouble = SourceState(self._name, "waiting", detail)
        elif not found:
            detail = f"{self._name} matches no file; check the pattern and the folder."
            self.trouble = SourceState(self._name, "error", detail)
        return found


def glance(path: str) -> tuple[Identity | int, os.stat_result | None]:
    """What is at a path: a regular file, or the number of the error that says why none is."""
    try:
        status = os.stat(path)
    except OSError as error:
        return error.errno or errno.EIO, None
    if not stat.S_ISREG(status.st_mode):  # its inode says nothing: a file may be given the same one after it
        return errno.EISDIR, status
    return identity_of(status), status


def missing(path: str) -> str:
    """That a path is not there, with the nearest name that is, as a sentence."""
    name = text_of(path)
    folder, last = os.path.split(path.rstrip("/"))
    try:
        names = os.listdir(folder or ".")
    except OSError:
        return f"{name} does not exist, or its folder {text_of(folder)} cannot be listed; check the path."
    remedy = meant(last, names, lambda near: text_of(os.path.join(folder, near))) or "check the path."
    return f"{name} does not exist; {remedy.rstrip()}"
