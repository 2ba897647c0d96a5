"""Frames of `application/vnd.amazon.eventstream`, as StartLiveTail sends them.

A frame is: total length, length of the headers and CRC32 of both (4 bytes each, big-endian); the headers; the
payload; CRC32 of all before it.
"""

from __future__ import annotations

import struct
from binascii import crc32

STRING = 7
"""The header type of a string."""


def frame(headers: dict[str, str], payload: bytes) -> bytes:
    """One frame."""
    packed = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 16 + len(packed) + len(payload), len(packed))
    body = prelude + struct.pack(">I", crc32(prelude)) + packed + payload
    return body + struct.pack(">I", crc32(body))


def _header(name: str, value: str) -> bytes:
    return (
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", STRING, len(value)) + value.encode()
    )


def event(kind: str, payload: bytes) -> bytes:
    """An event, such as `sessionUpdate`; the first of a stream is `initial-response`."""
    return frame(
        {":message-type": "event", ":event-type": kind, ":content-type": "application/json"}, payload
    )


def exception(kind: str, payload: bytes) -> bytes:
    """An exception that ends a stream."""
    return frame(
        {":message-type": "exception", ":exception-type": kind, ":content-type": "application/json"}, payload
    )
