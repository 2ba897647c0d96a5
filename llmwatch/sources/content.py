"""What a file's first bytes say about it."""

from __future__ import annotations

from typing import Literal

Packing = Literal["plain", "gzip", "zstd"]

HEAD_BYTES = 8192
"""How much of a file's beginning is judged."""

_SKIPPABLE_FRAMES = tuple(bytes((low, 0x2A, 0x4D, 0x18)) for low in range(0x50, 0x60))
"""What zstd files by pzstd begin with (RFC 8878, 3.1.2)."""

_ZSTD = (b"\x28\xb5\x2f\xfd", *_SKIPPABLE_FRAMES)

_NOT_LOGS = {
    b"\xff\xfe\0\0": "is UTF-32 text; convert it with `iconv -f UTF-32 -t UTF-8`.",
    b"\0\0\xfe\xff": "is UTF-32 text; convert it with `iconv -f UTF-32 -t UTF-8`.",
    b"\xff\xfe": "is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`.",
    b"\xfe\xff": "is UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`.",
    b"\xfd7zXZ\0": "is compressed with xz; unpack it with `unxz` first.",
    b"BZh": "is compressed with bzip2; unpack it with `bunzip2` first.",
    b"PK\x03\x04": "is a zip archive; unpack it with `unzip` first.",
    b"PAR1": "is a Parquet file, not a log; name a log file.",
    b"SQLite format 3\0": "is a database, not a log; name a log file.",
}

_BINARY = "is a binary file, not a log; name a log file."


def packing_of(head: bytes) -> Packing:
    """How a file is compressed, by its first 4 bytes: names lie more often than contents."""
    if head.startswith(b"\x1f\x8b"):
        return "gzip"
    return "zstd" if head.startswith(_ZSTD) else "plain"


def refusal(head: bytes) -> str | None:
    """Why these first bytes (unpacked) are no log, as the end of a sentence that begins with the name."""
    for magic, sentence in _NOT_LOGS.items():
        if head.startswith(magic):
            return sentence
    if head[257:262] == b"ustar":
        return "is a tar archive; unpack it with `tar -xf` first."
    head = head[:HEAD_BYTES].lstrip(b"\0")
    if not head:
        return _BINARY
    if b"\0" not in head:
        return None
    most = len(head) * 0.4 / 2
    if (head[::2].count(0) > most) != (head[1::2].count(0) > most):
        return "looks like UTF-16 text; convert it with `iconv -f UTF-16 -t UTF-8`."
    lines = head.split(b"\n")
    return _BINARY if 2 * sum(b"\0" in line for line in lines) >= len(lines) else None
