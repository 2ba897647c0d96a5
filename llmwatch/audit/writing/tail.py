"""What stands in a folder when a writer opens it, and what others have added since it last looked.

Of nothing that is read, the writer says more than it knows. Up to the newest signed checkpoint the root tells whether
the lines are those that were signed; after it each line has to be signed with the log's secret, to follow the line
before and to have the next number. What does not is left where it is, takes no part in what is signed from then on,
and is told in an `audit.alarm` entry. The tree goes on from where it is certain; the line that was there has a place
in it that no other line can fill.
"""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from llmwatch.audit.checkpoints import Checkpoint
from llmwatch.audit.entry import LINK, METADATA
from llmwatch.audit.folder import ARCHIVE, day_of
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.line import Line, read_line
from llmwatch.audit.merkle import leaf_hash
from llmwatch.audit.writing.adopt import Adoption, unpacked
from llmwatch.audit.writing.disk import append, open_to_append
from llmwatch.audit.writing.recovery import move_aside
from llmwatch.audit.writing.refusal import AuditError
from llmwatch.audit.writing.standing import Standing

_BLOCK = 1 << 16
_MOST_MISSING = 1 << 20
"""Lines that may be missing at one place; a number further on is none of this log's."""


@dataclass(frozen=True)
class Listing:
    """The names in a log's folder, and in its archive."""

    names: tuple[str, ...]
    archived: tuple[str, ...]

    @property
    def days(self) -> list[str]:
        """Plain files of entries, oldest first."""
        return sorted(name for name in self.names if name.endswith(".jsonl") and day_of(name))

    @property
    def closed(self) -> str:
        """The file of the newest day that is over: it has a digest or a tombstone, or is archived. Or empty."""
        names = [
            name.rpartition(".")[0] + ".jsonl" for name in self.names if name.endswith((".digest", ".gone"))
        ]
        names += [name[: -len(".gz")] for name in (*self.names, *self.archived) if name.endswith(".gz")]
        return max((name for name in names if day_of(name)), default="")

    def archives(self, folder: Path) -> list[Path]:
        """Archived files of entries."""
        paths = [
            *(folder / name for name in self.names),
            *(folder / ARCHIVE / name for name in self.archived),
        ]
        return [path for path in paths if path.name.endswith(".gz") and day_of(path.name)]


def list_folder(folder: Path) -> Listing:
    """Look. Raises OSError."""
    archived: list[str] = []
    with suppress(FileNotFoundError):
        archived = os.listdir(folder / ARCHIVE)
    return Listing(tuple(os.listdir(folder)), tuple(archived))


@dataclass
class Alarm:
    """What is not as it was written; of several things the first."""

    file: str = ""
    offset: int = 0
    detail: str = ""
    count: int = 0

    def add(self, file: str, offset: int, detail: str) -> None:
        """One more."""
        if not self.count:
            self.file, self.offset, self.detail = file, offset, detail
        self.count += 1


@dataclass
class Tail:
    """The lines after where the log is known to have stood, as they are gone through."""

    folder: Path
    standing: Standing
    signed: Checkpoint | None
    """The newest."""

    ring: KeyRing
    alarm: Alarm = field(default_factory=Alarm)
    adoption: Adoption | None = None
    """Before the first line of our own, in a log of which nothing is signed yet."""

    def read(self, listing: Listing) -> None:
        """Go on to the end, and mend it.

        Raises:
            OSError: a file cannot be read or mended.
            AuditError: lines were signed with a key that was not given.

        """
        standing = self.standing
        if standing.offset and standing.file not in listing.days and standing.file > listing.closed:
            self._tell("it is gone")
            standing.offset, standing.inode = 0, None
        for name, path in sorted(self._files(listing).items()):
            if path.name == name:
                self._read_file(name, last=name == listing.days[-1])
            else:
                self.standing.turn(name)
                for line in unpacked(path):
                    self._take(line)
        if self._under_root():
            self._tell("lines under the newest checkpoint are gone")
            self.standing.lose(self._signed_size)
        self.standing.adoption = self.adoption.summary() if self.adoption else None

    def _files(self, listing: Listing) -> dict[str, Path]:
        """Those that may have lines after the end of the log, as far as that is known; of all days, if nothing is."""
        here = self.standing.file
        plain = {name: self.folder / name for name in listing.days}
        if not here:
            return {path.name.removesuffix(".gz"): path for path in listing.archives(self.folder)} | plain
        return {name: path for name, path in plain.items() if name > here or name == here > listing.closed}

    def _read_file(self, name: str, *, last: bool) -> None:
        before, standing = self.standing.copy(), self.standing
        if name != standing.file:
            standing.turn(name)
        with (self.folder / name).open("rb") as file:
            status = os.fstat(file.fileno())
            if standing.inode not in (None, status.st_ino):
                self._tell("another file was put in its place")
            if status.st_size < standing.offset:
                self._tell(f"it was cut off from {standing.offset:,} to {status.st_size:,} bytes")
                standing.offset = _line_start(file, status.st_size)
            standing.inode = status.st_ino
            file.seek(standing.offset)
            for line in file:
                if last and self._is_torn(line):
                    self._mend(line, file)
                    break
                self._take(line)
        if not standing.offset and before.file != name:
            self.standing = before  # there is no line in it

    def _is_torn(self, line: bytes) -> bool:
        """No writer of ours leaves a NUL; a file system does, where it promised bytes that never came."""
        nul = b"\0" in line and not self.adoption and not self._under_root()
        return nul or not line.endswith(b"\n")

    def _mend(self, line: bytes, file: BinaryIO) -> None:
        path, offset = self.folder / self.standing.file, self.standing.offset
        if line.endswith(b"\n") or not self._is_whole(line):
            move_aside(path, offset, line + file.read())
            return
        descriptor = open_to_append(path)
        try:
            append(descriptor, b"\n", offset + len(line))
        finally:
            os.close(descriptor)
        self._take(line + b"\n")

    def _is_whole(self, line: bytes) -> bool:
        """Whether what lacks only its newline is the very next line; among plain lines, any entry."""
        standing = self.standing
        if self._under_root():
            return True
        found = read_line(line, self.ring)
        if self.adoption and not _is_ours(found):
            return (found.recovered or found).canonical is not None
        return (
            self._problem(found) is None
            and found.link is not None
            and found.link.sequence == standing.tree.size
        )

    def _under_root(self) -> bool:
        """Whether the newest checkpoint will tell if the next line is as it was signed."""
        return self.standing.tree.size < self._signed_size

    @property
    def _signed_size(self) -> int:
        return self.signed.size if self.signed else 0

    def _take(self, line: bytes) -> None:
        if self._under_root():
            self._take_signed(line)
        else:
            found = read_line(line.removesuffix(b"\n"), self.ring)
            if self.adoption and found.link and found.kid:
                self._tell(self.adoption.end(self.standing, found.link))
                self.adoption = None
            if self.adoption:
                self._check_key(found)
                self.adoption.take(self.standing, line, found)
            else:
                self._take_next(line, found)
        self.standing.offset += len(line)

    def _take_signed(self, line: bytes) -> None:
        standing = self.standing
        standing.tree.append(leaf_hash(line.removesuffix(b"\n")))
        standing.whole = None
        if self._under_root():
            return
        if standing.known and self.signed and standing.tree.root() != self.signed.root:
            self._tell(f"the first {self.signed.size:,} lines of the log are not those that were signed")
            standing.lose(self.signed.size)
        found = read_line(line.removesuffix(b"\n"), self.ring)
        standing.chain = found.chain or standing.chain
        standing.kid = _next_kid(line, found) or standing.kid

    def _take_next(self, line: bytes, found: Line) -> None:
        standing = self.standing
        problem = self._problem(found) if line.endswith(b"\n") else "half a line is in the middle of the log"
        if problem or found.link is None or found.chain is None:
            self._check_key(found)
            self._tell(problem)
            return
        if missing := found.link.sequence - standing.tree.size:
            self._tell(f"{missing:,} lines before it are gone")
            standing.skip(missing)
        elif not found.follows(standing.link):
            self._tell("it does not follow the line before")
        if standing.whole:
            standing.whole.add(line, found.chain, [found.link.kid])
        standing.tree.append(leaf_hash(line[:-1]))
        standing.chain = found.chain
        standing.kid = _next_kid(line, found) or found.link.kid

    def _problem(self, found: Line) -> str | None:
        """What keeps a line out of the tree."""
        next_number = self.standing.tree.size
        if not _is_ours(found) or found.link is None or found.flaw:
            return "a line is not as this log's writers leave it"
        if not next_number <= found.link.sequence <= next_number + _MOST_MISSING:
            return f"a line has number {found.link.sequence:,} where {next_number:,} is next"
        return None

    def _check_key(self, found: Line) -> None:
        """Whose key is not at hand may well be ours: it is not for this process to go on there."""
        link = found.link
        if link is None or found.kid or self.ring.named(link.kid) or not found.follows(self.standing.link):
            return
        raise AuditError(
            f"{self.folder / self.standing.file} goes on under the key {link.kid}, which was not given: "
            "give it, as one of the older ones if another has taken its place"
        )

    def _tell(self, problem: str | None) -> None:
        if problem:
            self.standing.whole = None
            self.alarm.add(self.standing.file, self.standing.offset, problem)


def _line_start(file: BinaryIO, size: int) -> int:
    """Of what follows the last newline in so many bytes."""
    while size > 0:
        start = max(size - _BLOCK, 0)
        file.seek(start)
        place = file.read(size - start).rfind(b"\n")
        if place >= 0:
            return start + place + 1
        size = start
    return 0


def _is_ours(found: Line) -> bool:
    return found.kid is not None and found.link is not None


def _next_kid(line: bytes, found: Line) -> str | None:
    """The key after a line."""
    if found.link is None:
        return None
    with suppress(ValueError, KeyError, TypeError):
        if b'"rot"' in line:
            return str(json.loads(line)[METADATA][LINK]["rot"]["new_kid"])
    return found.link.kid
