"""What vouches for a package: the hash of every file in it, and a signed note over the list of them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path

from llmwatch.audit.notes import Note, NoteSigner, split_notes
from llmwatch.query.export import instant

SUMS, NOTE = "SHA256SUMS", "SHA256SUMS.note"
_TYPE = "llmwatch/package/v1"
_SUM = re.compile(r"(\\?)([0-9a-f]{64}) [ *]([^\n]+)")
_ESCAPES = {"\\\\": "\\", "\\n": "\n", "\\r": "\r"}
"""As sha256sum writes names that would break a line; the line begins with a backslash then."""
_LONGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class PackageSeal:
    """What the signed note says."""

    origin: str
    sha256: str
    """Of the list of hashes; hex."""

    created: str


def files_of(folder: Path) -> Iterator[str]:
    """All files below a folder but the list and its note, by their names from there, in order. Raises OSError.

    A link is a file, wherever it leads; a folder without anything in it is one too, whose name ends with a slash.
    """
    for place, folders, names in sorted(os.walk(folder, followlinks=False)):
        links = [name for name in folders if Path(place, name).is_symlink()]
        empty = [] if names or folders or Path(place) == folder else [""]
        for name in sorted((*names, *links, *empty)):
            path = (Path(place).relative_to(folder) / name).as_posix() + ("" if name else "/")
            if path not in (SUMS, NOTE):
                yield path


def hash_of(path: Path) -> str:
    """Of a regular file's bytes. Raises OSError for what is none: a link, a pipe, a folder."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise OSError(22, "it is no regular file", str(path))
        return file_digest(file, "sha256").hexdigest()


def write_seal(folder: Path, signer: NoteSigner | None, created: datetime) -> None:
    """List the hashes of all files, and sign the list. Raises OSError."""
    sums = os.fsencode("".join(_sum_line(hash_of(folder / name), name) for name in files_of(folder)))
    (folder / SUMS).write_bytes(sums)
    if signer:
        digest = sha256(sums).hexdigest()
        text = f"{_TYPE}\norigin {signer.name}\nsha256 {digest}\ncreated {instant(created)}\n"
        (folder / NOTE).write_bytes(signer.sign(text))


def _sum_line(digest: str, name: str) -> str:
    escaped = name
    for escape, char in _ESCAPES.items():
        escaped = escaped.replace(char, escape)
    return f"{'' if escaped == name else chr(92)}{digest}  {escaped}\n"


def read_sums(data: bytes) -> Mapping[str, str] | None:
    """Name → hash, hex; None if it is no such list, or names a thing twice or outside the package."""
    sums: dict[str, str] = {}
    for line in os.fsdecode(data).removesuffix("\n").split("\n"):
        match = _SUM.fullmatch(line)
        name = _unescaped(match[3]) if match and match[1] else match[3] if match else ""
        if match is None or name in sums or not _is_inside(name):
            return None
        sums[name] = match[2]
    return sums


def _unescaped(name: str) -> str:
    return re.sub(r"\\[\\nr]", lambda match: _ESCAPES[match[0]], name)


def _is_inside(name: str) -> bool:
    """Whether it is the one name of a file in the package: no `a/../b`, no `./a`, nothing from the root."""
    return "\0" not in name and not {"", ".", ".."} & set(name.split("/"))


def read_bytes(path: Path) -> bytes:
    """A file of the seal, or the manifest. Raises OSError for one that is longer than any is, or no file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode) or os.fstat(descriptor).st_size > _LONGEST:
            raise OSError(22, "it is not what it should be", str(path))
        return file.read(_LONGEST)


def read_note(data: bytes) -> tuple[Note, PackageSeal] | None:
    """The note of a package and what it says, signed or not; None if it is none."""
    notes = list(split_notes(data))
    if len(notes) != 1 or not isinstance(notes[0], Note):
        return None
    lines = notes[0].text.removesuffix("\n").split("\n")
    values = dict(line.partition(" ")[::2] for line in lines[1:])
    if lines[0] != _TYPE or len(lines) != 4 or set(values) != {"origin", "sha256", "created"}:
        return None
    return notes[0], PackageSeal(values["origin"], values["sha256"], values["created"])
