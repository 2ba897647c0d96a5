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
_SUM = re.compile(r"([0-9a-f]{64}) [ *](.+)", re.DOTALL)
_LONGEST = 64 << 20


@dataclass(frozen=True, slots=True)
class PackageSeal:
    """What the signed note says."""

    origin: str
    sha256: str
    """Of the list of hashes; hex."""

    created: str


def files_of(folder: Path) -> Iterator[str]:
    """All files below a folder but the list and its note, by their names from there, in order. Raises OSError."""
    for place, _, names in sorted(os.walk(folder, followlinks=False)):
        for name in sorted(names):
            path = (Path(place) / name).relative_to(folder).as_posix()
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
    sums = "".join(f"{hash_of(folder / name)}  {name}\n" for name in files_of(folder)).encode()
    (folder / SUMS).write_bytes(sums)
    if signer:
        digest = sha256(sums).hexdigest()
        text = f"{_TYPE}\norigin {signer.name}\nsha256 {digest}\ncreated {instant(created)}\n"
        (folder / NOTE).write_bytes(signer.sign(text))


def read_sums(data: bytes) -> Mapping[str, str] | None:
    """Name → hash, hex; None if it is no such list, or names a thing twice or outside the package."""
    sums: dict[str, str] = {}
    try:
        lines = data.decode().removesuffix("\n").split("\n")
    except UnicodeDecodeError:
        return None
    for line in lines:
        match = _SUM.fullmatch(line)
        if match is None or match[2] in sums or not _is_inside(match[2]):
            return None
        sums[match[2]] = match[1]
    return sums


def _is_inside(name: str) -> bool:
    return not name.startswith("/") and ".." not in name.split("/") and "\0" not in name


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
