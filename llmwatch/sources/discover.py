"""Names of log files: which belong together, and in which order their lines were written."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections.abc import Container, Iterator
from dataclasses import dataclass

from llmwatch.audit.folder import ARCHIVE, day_of

LOG_ENDINGS = (".jsonl", ".json", ".log")
"""What a folder's files end in to be taken for logs, rotation suffixes aside."""

LOG_NAMES = "*.jsonl, *.json, *.log and their rotations"

_ROTATED = re.compile(
    r"(?P<base>.+?)"
    r"(?P<dated>[-._](?P<date>(?:\d{4}-\d\d-\d\d|\d{8,14})(?:[-_T][\d:-]+)?))?"
    r"(?:\.(?P<number>\d{1,5}))?"
    r"(?P<packed>\.(?:gz|zst))?",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class LogName:
    """A file's name, taken apart: `router.jsonl-20260227.2.gz`."""

    base: str
    """The file that was rotated: `router.jsonl`."""

    stream: str
    """The name without number and compression: `router.jsonl-20260227`."""

    order: tuple[str, str, int, str]
    """Sorts rotations of one base oldest first, the base itself last."""

    rotated: bool
    """Whether a date or a number says that the file was moved aside."""

    packed: bool
    """Whether the name ends in `.gz` or `.zst`. What the file holds decides how it is read."""

    @classmethod
    def of(cls, path: str) -> LogName:
        """The parts of a path's last component; any name has them."""
        name = os.path.basename(path)
        match = _ROTATED.fullmatch(name)
        if match is None:
            return cls(name, name, (name, "~", 0, ""), rotated=False, packed=False)
        base, dated, date, number = match["base"], match["dated"], match["date"], match["number"]
        digits = "".join(filter(str.isdigit, date)) if date else "~"
        return cls(
            base=base,
            stream=base + (dated or ""),
            order=(base, digits, -int(number or 0), name),
            rotated=bool(date or number),
            packed=bool(match["packed"]),
        )

    @property
    def is_log(self) -> bool:
        """Whether a folder's listing takes the file in."""
        return self.base.lower().endswith(LOG_ENDINGS) and not self.base.startswith(".")


@dataclass(frozen=True, slots=True)
class Found:
    """A regular file that a listing came upon."""

    path: str
    status: os.stat_result
    log: LogName
    named: bool = False
    """Whether the person named this very file, rather than a folder or pattern that holds it."""

    @property
    def identity(self) -> tuple[int, int]:
        """Device and inode: what stays when a file is renamed."""
        return identity_of(self.status)

    @property
    def order(self) -> tuple[str, tuple[str, str, int, str]]:
        """Folder by folder, stream by stream, oldest rotation first."""
        return os.path.dirname(self.path), self.log.order


def identity_of(status: os.stat_result) -> tuple[int, int]:
    """Device and inode: equal for hard links, symlinks followed and a file renamed."""
    return status.st_dev, status.st_ino


def text_of(path: str) -> str:
    r"""A path as valid Unicode: bytes of a file name that are not UTF-8 become `\xNN`."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def files_in(folder: str) -> list[Found]:
    """All regular files directly in a folder, symlinks followed, oldest rotation first.

    Raises OSError when the folder cannot be listed. Files that vanish meanwhile are left out.
    """
    found = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            one = _find(os.path.join(folder, entry.name))
            if one is not None:
                found.append(one)
    return sorted(found, key=lambda one: one.order)


def logs_in(folder: str) -> list[Found]:
    """The logs directly in a folder with their rotations, oldest first. Raises OSError.

    Days of an audit log that were put into its archive are its logs too, unless they lie in the folder as well.
    """
    found = []
    with os.scandir(folder or ".") as entries:
        for entry in entries:
            if LogName.of(entry.name).is_log:
                one = _find(os.path.join(folder, entry.name))
                if one is not None:
                    found.append(one)
    found += _archived(os.path.join(folder, ARCHIVE), {os.path.basename(one.path) for one in found})
    return sorted(found, key=lambda one: one.order)


def _archived(archive: str, present: Container[str]) -> Iterator[Found]:
    try:
        names = os.listdir(archive)
    except OSError:
        return
    for name in names:
        plain = name.removesuffix(".gz")
        if day_of(name) and plain not in present and name not in present:
            one = _find(os.path.join(archive, name))
            if one is not None:
                yield one


def rotations_of(path: str) -> list[Found]:
    """The rotations that lie beside a file, or beside what it links to; oldest first, without the file."""
    found: dict[tuple[int, int], Found] = {}
    for place in dict.fromkeys((path, os.path.realpath(path) if os.path.islink(path) else path)):
        folder, name = os.path.split(place)
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        base = LogName.of(name).base
        for sibling in names:
            log = LogName.of(sibling)
            if log.base == base and (log.rotated or log.packed) and sibling != name:
                one = _find(os.path.join(folder, sibling))
                if one is not None:
                    found.setdefault(one.identity, one)
    return sorted(found.values(), key=lambda one: one.log.order)


def matches_of(pattern: str) -> list[Found]:
    """The files that a glob matches with their rotations, and the logs of matched folders; oldest first."""
    found: dict[str, Found] = {}
    for path in glob.glob(pattern, recursive=True):
        if os.path.isdir(path):
            try:
                brought = logs_in(path)
            except OSError:
                continue
        else:
            one = _find(path)
            if one is None:
                continue
            brought = [one] if one.log.rotated or one.log.packed else [one, *rotations_of(path)]
        for one in brought:
            found.setdefault(one.path, one)
    return sorted(found.values(), key=lambda one: one.order)


def _find(path: str) -> Found | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return Found(path, status, LogName.of(path)) if stat.S_ISREG(status.st_mode) else None
