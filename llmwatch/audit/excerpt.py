"""What stands at a line and around it: who reads a finding wants to know which entries it is about."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from llmwatch.audit.archive import opened
from llmwatch.audit.folder import LogFile
from llmwatch.errors import SourceError

_LONGEST_PARSED = 1 << 20
"""Bytes; parsed, a hostile line takes many times as much."""


@dataclass(frozen=True, slots=True)
class Excerpt:
    """One line, as far as it can be read; raw text."""

    line: int
    id: str | None = None
    time: str | None = None
    event: str | None = None


def excerpt_of(line: bytes, number: int) -> Excerpt:
    """Which entry it is; a line that is none has nothing but its number."""
    try:
        entry = json.loads(line) if len(line) <= _LONGEST_PARSED else None
    except (ValueError, RecursionError):
        entry = None
    if not isinstance(entry, dict):
        return Excerpt(number)
    return Excerpt(number, *(_text(entry.get(key)) for key in ("id", "timestamp", "event_type")))


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None


def excerpts(file: LogFile, line: int) -> tuple[Excerpt, ...]:
    """A line, the one before it and the one after, as far as they are there and can be read."""
    try:
        return tuple(_around(file, line))
    except SourceError:
        return ()


def _around(file: LogFile, line: int) -> Iterator[Excerpt]:
    with opened(file) as content:
        start, number, size = 0, 1, len(content.data)
        while start < size and number <= line + 1:
            newline = content.data.find(b"\n", start)
            end = size if newline < 0 else newline
            if number >= line - 1:
                yield excerpt_of(content.data[start:end], number)
            start, number = end + 1, number + 1
