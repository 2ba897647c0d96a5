"""The days of a log: the files they are in, and what is signed about each."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain
from pathlib import Path

from llmwatch.audit.archive import Reading
from llmwatch.audit.digests import Tombstone
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import Log, LogFile, find_logs
from llmwatch.audit.signed.sealed_days import SealCheck, check_seal
from llmwatch.audit.signed.statements import Seal, Statements


@dataclass(slots=True)
class Day:
    """All there is of one day, or was."""

    name: str
    """Of its file while that is not archived."""

    files: list[LogFile]
    """What is to be checked; two files where it is there plain and archived."""

    given: bool
    """Whether it is to be checked; where only some files of a folder are, others lie between them."""

    seal: Seal | None
    stone: Tombstone | None
    """Signed by the key."""

    checks: dict[Path, SealCheck] = field(default_factory=dict)
    """Of each file of a sealed day."""

    @property
    def whole(self) -> LogFile | None:
        """A file that is as its digest says."""
        return next((file for file in self.files if self.checks[file.path].match == "whole"), None)


def days_of(log: Log, said: Statements) -> list[Day]:
    """In the order of the log. Raises SourceError."""
    files: dict[str, list[LogFile]] = {}
    for file in log.files:
        if file.day:
            files.setdefault(file.name, []).append(file)
    names = {*files, *said.seals, *(said.tombstones if log.whole else ())}
    if not log.whole:
        names.update(file.name for other in find_logs([log.folder]) for file in other.files if file.day)
    return [
        Day(
            name,
            files.get(name, []),
            log.whole or name in files,
            said.seals.get(name),
            said.tombstones.get(name),
        )
        for name in sorted(names)
    ]


def find_renamed(days: Sequence[Day], files: Iterable[LogFile]) -> Iterator[Finding]:
    """Take files that hold a sealed day under another name for what they are. Raises SourceError."""
    lost = [(day, day.seal.digest) for day in days if day.given and day.seal and not day.files]
    sealed = {day.name for day in days if day.seal}
    for file in files if lost else ():
        for day, digest in () if file.name in sealed else lost:
            check = check_seal(file, digest.size, digest.sha256)
            if check.match == "differs":
                continue
            for other in days:
                other.files = [one for one in other.files if one != file]
            day.files, day.checks[file.path] = [file], check
            lost.remove((day, digest))
            detail = f"it is {day.name}"
            yield Finding("file_renamed", file.name, expected=day.name, actual=file.name, detail=detail)
            break


def compare_copies(day: Day) -> Iterator[Finding]:
    """Whether a day that is there twice is the same twice. Raises SourceError."""
    if len(day.files) < 2:
        return
    if day.seal:
        hashes = {(day.checks[file.path].match, day.checks[file.path].sha256) for file in day.files}
        same = len(hashes) == 1 and day.checks[day.files[0].path].match == "whole"
        findings: list[Finding] = []
    else:
        readings = [_hash(file) for file in day.files]
        same = len({digest for digest, _ in readings}) == 1
        findings = list(chain.from_iterable(found for _, found in readings))
    yield from findings
    if not same:
        names = " and ".join(str(file.path.relative_to(file.path.parent.parent)) for file in day.files)
        yield Finding("file_twice_differs", day.name, detail=f"{names} are not the same")


def _hash(file: LogFile) -> tuple[str, list[Finding]]:
    with Reading(file) as reading:
        hasher = sha256()
        for piece in reading:
            hasher.update(piece)
        return hasher.hexdigest(), reading.findings
