"""Digests of whole days, and tombstones of days that retention deleted: signed notes, one a file.

The text begins with its type, so that no note can be taken for one of another type; then `key value` lines.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from llmwatch.audit.notes import Note, NoteSigner

_DIGEST = "llmwatch/digest/v1"
_GONE = "llmwatch/gone/v1"
_HEX = re.compile(r"[0-9a-f]{64}")
_NUMBER = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Digest:
    """A sealed file: all that is needed to know its bytes again, and to go on without them."""

    origin: str
    file: str
    """Its name while it is a plain file, as in `audit_2026-02-27.jsonl`."""

    first: int
    """The sequence number of its first line."""

    lines: int
    size: int
    """Bytes, uncompressed."""

    sha256: str
    """Of these bytes; hex."""

    first_chain: str
    last_chain: str
    start: tuple[bytes, ...]
    """Peaks of the tree before its first line."""

    end: tuple[bytes, ...]
    """Peaks after its last."""

    kids: tuple[str, ...]
    """The HMAC keys that signed its lines."""

    previous: str | None
    """SHA-256 of the digest note before this one, all of its bytes; hex. None for the first."""

    sealed: str
    """When it was sealed, ISO 8601 in UTC."""


@dataclass(frozen=True, slots=True)
class Tombstone:
    """A file that was deleted by policy, whose digest stays."""

    origin: str
    file: str
    digest: str | None
    """SHA-256 of its digest note, all of its bytes; hex. None: it had none, and nobody vouches for what was in it."""

    reason: str
    time: str
    """When, ISO 8601 in UTC."""

    sha256: str | None = None
    """Without a digest: of the bytes that were deleted, so that a copy of them is known again; hex."""

    last_chain: str = ""
    """Without a digest: the chain hash that the next file may go on from."""


def sign_digest(signer: NoteSigner, digest: Digest) -> bytes:
    """The signed note of a digest."""
    values = {
        "origin": digest.origin,
        "file": digest.file,
        "first": digest.first,
        "lines": digest.lines,
        "bytes": digest.size,
        "sha256": digest.sha256,
        "first_chain": digest.first_chain,
        "last_chain": digest.last_chain,
        "start": " ".join(peak.hex() for peak in digest.start),
        "end": " ".join(peak.hex() for peak in digest.end),
        "kids": " ".join(digest.kids),
        "prev_digest": digest.previous or "",
        "sealed": digest.sealed,
    }
    return signer.sign(_text(_DIGEST, values))


def sign_tombstone(signer: NoteSigner, tombstone: Tombstone) -> bytes:
    """The signed note of a deletion."""
    values = {
        "origin": tombstone.origin,
        "file": tombstone.file,
        "digest": tombstone.digest or "",
        "reason": tombstone.reason,
        "time": tombstone.time,
        "sha256": tombstone.sha256 or "",
        "last_chain": tombstone.last_chain,
    }
    return signer.sign(_text(_GONE, values))


def read_digest(note: Note) -> Digest | None:
    """What a note says, signed or not; None if it is no digest."""
    values = _values(_DIGEST, note)
    try:
        first, lines = _number(values["first"]), _number(values["lines"])
        start, end = _peaks(values["start"]), _peaks(values["end"])
        if len(start) != first.bit_count() or len(end) != (first + lines).bit_count():
            return None
        return Digest(
            values["origin"],
            values["file"],
            first,
            lines,
            _number(values["bytes"]),
            _hex(values["sha256"]),
            values["first_chain"],
            values["last_chain"],
            start,
            end,
            tuple(values["kids"].split()),
            _hex(values["prev_digest"]) if values["prev_digest"] else None,
            values["sealed"],
        )
    except (KeyError, ValueError):
        return None


def read_tombstone(note: Note) -> Tombstone | None:
    """What a note says, signed or not; None if it is no tombstone."""
    values = _values(_GONE, note)
    try:
        return Tombstone(
            values["origin"],
            values["file"],
            _hex(values["digest"]) if values["digest"] else None,
            values["reason"],
            values["time"],
            _hex(values["sha256"]) if values["sha256"] else None,
            values["last_chain"],
        )
    except (KeyError, ValueError):
        return None


def _text(kind: str, values: Mapping[str, object]) -> str:
    """Raises ValueError for a value with a newline: it would be another key."""
    lines = [f"{key} {value}" for key, value in values.items()]
    if any("\n" in line for line in lines):
        raise ValueError("a value in a note has no newlines")
    return "\n".join([kind, *lines]) + "\n"


def _values(kind: str, note: Note) -> dict[str, str]:
    """Empty if the note is of another type, or says a thing twice."""
    lines = note.text.removesuffix("\n").split("\n")
    pairs = [line.partition(" ")[::2] for line in lines[1:]]
    values = dict(pairs)
    return values if lines[0] == kind and len(values) == len(pairs) else {}


def _number(text: str) -> int:
    if not _NUMBER.fullmatch(text):
        raise ValueError(text)
    return int(text)


def _hex(text: str) -> str:
    if not _HEX.fullmatch(text):
        raise ValueError(text)
    return text


def _peaks(text: str) -> tuple[bytes, ...]:
    return tuple(bytes.fromhex(_hex(peak)) for peak in text.split())
