"""Messages as lines, and lines as JSON objects, as lenient as the store is."""

from __future__ import annotations

import json

import orjson

import llmwatch.store.lenient  # noqa: F401 (for the error handler it registers)

LONGEST_OBJECT = 16 << 20
"""Bytes of JSON that are parsed as one object. Services wrap at most a few MB; parsed, a hostile text of this size
takes 20 times its bytes."""

_ESCAPED = "llmwatch.escaped"


def line_of(message: str) -> bytes:
    """A message as a whole line; as several where it is nothing but JSON objects, each on a line of its own.

    Newlines inside an object or other text become spaces: of a text that has anything but objects in it no part may
    pass for a line, since users choose parts of texts.
    """
    try:
        data = message.encode()
    except UnicodeEncodeError:
        data = message.encode("utf-8", _ESCAPED)
    return data + b"\n" if b"\n" not in data else _without_newlines(data)


def _without_newlines(data: bytes) -> bytes:
    data = data.strip(b"\r\n")
    if b"\n" not in data:
        return data + b"\n"
    lines = [line.strip() for line in data.split(b"\n")]
    lines = [line for line in lines if line]
    if None not in map(object_of, lines):
        return b"\n".join(lines) + b"\n"
    return data.replace(b"\r\n", b" ").replace(b"\n", b" ") + b"\n"


def object_of(text: bytes) -> dict[str, object] | None:
    """The JSON object that a text is; None if it is none by any reading, or too long to be looked at."""
    try:
        value = orjson.loads(text) if len(text) <= LONGEST_OBJECT else None
    except orjson.JSONDecodeError:
        value = _leniently(text)
    return value if type(value) is dict else None


def _leniently(text: bytes) -> object:
    try:
        return json.loads(text.decode("utf-8", "surrogateescape"), strict=False)
    except (ValueError, RecursionError):
        return None
