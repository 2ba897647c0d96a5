"""The files of an audit log: days of entries in a folder, archived days below it, and what lies beside them.

audit_2026-02-27.jsonl          the entries that were written that day, UTC
archive/audit_2026-02-27.jsonl.gz   the same, archived
audit_2026-02-27.digest         our writer's signed digest of a day that is over
audit_2026-02-27.gone           the signed tombstone of a day that retention deleted
audit_checkpoints.txt           its signed checkpoints
audit_keys.txt                  its public keys: for convenience, a verifier trusts none of them
audit_torn_*.bin                half lines that a crash left behind, kept aside
audit.lock, audit.state         the writer's own
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from llmwatch.errors import SourceError

ARCHIVE, KEYS = "archive", "audit_keys.txt"
_DAY_FILE = re.compile(r"audit_(\d{4}-\d{2}-\d{2})\.jsonl(\.gz)?")
_LOG_FILE = re.compile(r".*\.jsonl(\.gz)?", re.DOTALL)


@dataclass(frozen=True, slots=True)
class LogFile:
    """One file of entries."""

    path: Path
    name: str
    """What it is called in its folder while it is not archived: `audit_2026-02-27.jsonl`."""

    day: date | None
    """Of the name; None if that holds no date."""

    @property
    def archived(self) -> bool:
        """Whether it is compressed."""
        return self.path.name.endswith(".gz")


@dataclass(frozen=True, slots=True)
class Log:
    """Files that one chain may run through, oldest first. A day may be there twice: plain, and archived."""

    folder: Path
    files: tuple[LogFile, ...]
    whole: bool
    """Whether these are all the folder has, so that a day that is not among them is missing."""


def day_of(name: str) -> date | None:
    """The day of a file of entries, archived or not; None if it is named otherwise or there is no such day."""
    match = _DAY_FILE.fullmatch(name)
    try:
        return date.fromisoformat(match[1]) if match else None
    except ValueError:
        return None


def digest_path(folder: Path, name: str) -> Path:
    """Where the digest of a file of entries is."""
    return folder / f"{name.removesuffix('.jsonl')}.digest"


def tombstone_path(folder: Path, name: str) -> Path:
    """Where the tombstone of a file of entries is."""
    return folder / f"{name.removesuffix('.jsonl')}.gone"


def log_file(path: Path) -> LogFile:
    """A file under the name it has unarchived."""
    return LogFile(path, path.name.removesuffix(".gz"), day_of(path.name))


def find_logs(paths: Iterable[Path]) -> tuple[Log, ...]:
    """A log for each folder named, and for the files named in one.

    Of a folder, `audit_*.jsonl` and its archive; where there are none, all its `*.jsonl`.

    Raises:
        SourceError: a path is not there, or a folder holds no log.

    """
    logs: list[Log] = []
    loose: dict[Path, list[LogFile]] = {}
    for path in paths:
        if path.is_dir():
            logs.append(_folder(path))
        elif path.exists():
            folder = path.parent.parent if path.parent.name == ARCHIVE else path.parent
            loose.setdefault(folder, []).append(log_file(path))
        else:
            raise SourceError(f"{path} is not there: name a file or a folder of an audit log")
    logs += [Log(folder, _ordered(files), whole=False) for folder, files in loose.items()]
    return tuple(logs)


def _folder(folder: Path) -> Log:
    try:
        named = [*_entries(folder), *_entries(folder / ARCHIVE)]
    except OSError as error:
        raise SourceError(f"{folder} cannot be read ({error.strerror}): check its permissions") from error
    files = [file for file in named if file.name.startswith("audit_")] or named
    if not files and not any(folder.glob("audit_*")):
        raise SourceError(f"{folder} holds no audit log: its files are named audit_YYYY-MM-DD.jsonl")
    return Log(folder, _ordered(files), whole=True)


def _entries(folder: Path) -> Iterator[LogFile]:
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        if _LOG_FILE.fullmatch(path.name) and path.is_file():
            yield log_file(path)


def _ordered(files: Iterable[LogFile]) -> tuple[LogFile, ...]:
    """By day, then name; of one day, the plain file before the archived one. A file named twice is one."""
    unique = {file.path.resolve(): file for file in files}
    return tuple(
        sorted(unique.values(), key=lambda file: (file.day or date.max, file.name, file.archived, file.path))
    )
