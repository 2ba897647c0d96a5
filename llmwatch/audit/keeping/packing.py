"""One day of a log packed into the archive, so that at no moment it is nowhere, and read back before it counts."""

from __future__ import annotations

import json
import os
import re
import zlib
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.archive import PIECE, Reading
from llmwatch.audit.entry import CHAIN
from llmwatch.audit.folder import ARCHIVE, LogFile, log_file
from llmwatch.audit.signed.walk import physical_lines
from llmwatch.audit.writing.disk import sync, sync_folder
from llmwatch.errors import LlmwatchError

_HASH = re.compile(r"[0-9a-f]{64}")
FRESH = ".tmp.gz"
"""Ends the name of an archive that is being written; a crash may leave one, and the next run writes it anew."""
_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC


class Refused(LlmwatchError):  # noqa: N818 (a decision, not a fault)
    """A file is left as it is; the sentence says why."""

    exit_code = 1


@dataclass(frozen=True, slots=True)
class State:
    """A file as it was when it was read: it is deleted only while it is still that."""

    inode: int
    size: int
    modified: int
    """Nanoseconds."""

    @staticmethod
    def of(path: Path) -> State:
        """Now; a link is no file. Raises OSError and Refused."""
        if path.is_symlink():
            raise Refused(f"{path} is a link: what it leads to is left alone")
        found = path.stat()
        return State(found.st_ino, found.st_size, found.st_mtime_ns)


def pack(file: LogFile, digest: str | None) -> tuple[Path, int]:
    """Put a file into the archive, beside itself; the archive and its size. The plain file stays.

    `digest`: the SHA-256 that its bytes should have, in hex, if that is known. An archive that is there already is
    only read.

    Raises:
        OSError: it cannot be written.
        Refused: the file is not what its digest says, or not what is in the archive.
        SourceError: it cannot be read.

    """
    folder = file.path.parent / ARCHIVE
    archive = folder / f"{file.path.name}.gz"
    altered = f"{file.path} is not as its digest says: verify the log; it is not archived"
    if archive.exists():
        plain = read_hash(file)
        _expect(plain, digest or plain, altered)
        _expect(
            read_hash(log_file(archive)), plain, f"{archive} is there, and is not {file.path}: find out why"
        )
    else:
        _make_folder(folder)
        fresh = folder / f"{file.path.name}{FRESH}"
        plain = _compress(file, fresh)
        _expect(plain, digest or plain, altered)
        _expect(
            read_hash(log_file(fresh)), plain, f"{fresh} does not read back as it was written: check the disk"
        )
        os.rename(fresh, archive)
        sync_folder(folder)
    return archive, archive.stat().st_size


def read_hash(file: LogFile) -> str | None:
    """SHA-256 of its bytes, unpacked; None of an archive that is not whole. Raises SourceError."""
    hasher = sha256()
    with Reading(file) as reading:
        for piece in reading:
            hasher.update(piece)
        return None if reading.findings else hasher.hexdigest()


def last_chain(file: LogFile) -> str:
    """The chain hash that its last line says it has; empty if it says none. Raises SourceError."""
    last = b""
    with Reading(file) as reading:
        for lines, _ in physical_lines(reading):
            last = lines[-1]
    try:
        chain = json.loads(last)[CHAIN]
    except (ValueError, TypeError, KeyError, RecursionError):
        return ""
    return chain if isinstance(chain, str) and _HASH.fullmatch(chain) else ""


def remove(path: Path, state: State) -> None:
    """Delete a file if it still is what was read. Raises OSError and Refused."""
    if State.of(path) != state:
        raise Refused(f"{path} changed while it was read: it is left alone until the next run")
    path.unlink()
    sync_folder(path.parent)


def _expect(found: str | None, wanted: str | None, sentence: str) -> None:
    if found is None or found != wanted:
        raise Refused(sentence)


def _compress(file: LogFile, fresh: Path) -> str:
    """Write the archive under a name nobody reads; returns the SHA-256 of what went in."""
    hasher, packer = sha256(), zlib.compressobj(wbits=31)
    with Reading(file) as reading, open(os.open(fresh, _FLAGS, 0o600), "wb", buffering=PIECE) as out:
        like = os.fstat(reading.descriptor())
        for piece in reading:
            hasher.update(piece)
            out.write(packer.compress(piece))
        out.write(packer.flush())
        out.flush()
        os.fchmod(out.fileno(), like.st_mode & 0o777)
        if os.geteuid() == 0:
            os.fchown(out.fileno(), like.st_uid, like.st_gid)
        os.utime(out.fileno(), ns=(like.st_atime_ns, like.st_mtime_ns))
        sync(out.fileno())
    return hasher.hexdigest()


def _make_folder(folder: Path) -> None:
    if not folder.is_dir():
        folder.mkdir(mode=folder.parent.stat().st_mode & 0o777)
        sync_folder(folder.parent)
