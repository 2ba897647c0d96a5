"""Files that are queried where they lie: which of them can be, and their lines where one no longer can."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator

from llmwatch.errors import SourceError
from llmwatch.store.slice import SLICE_BYTES, Slice, WholeFile

LONGEST_LINE = 4 << 20
"""Bytes. The reader's buffers hold several of them; a file with a longer line is copied."""

_SETTLED_SECONDS = 5.0
"""A file that was written to so lately is copied: it may grow while it is queried."""

_PATTERN_LETTERS = frozenset("*?[]{}")
"""What DuckDB takes for a pattern in the name of a file."""

_FIRST_LINES, _SPREAD_LINES = 100, 1000
"""Lines of a file that are looked at: one that holds others has to be unwrapped."""


def stays(file: WholeFile) -> bool:
    """Whether a file can be read by its name, and nobody writes to it just now."""
    try:
        file.path.encode()
        written = os.stat(file.path).st_mtime
    except (OSError, UnicodeError):
        return False
    plain = os.path.isabs(file.path) and not _PATTERN_LETTERS & set(file.path)
    return plain and time.time() - written > _SETTLED_SECONDS and file.unchanged()


def holds_wrapped(file: WholeFile) -> bool:
    """Whether one of the first lines of a file, or of others all over it, holds lines. True too where it is gone."""
    try:
        with open(file.path, "rb") as stream:
            for _ in range(_FIRST_LINES):
                if file.is_wrapped(stream.readline(LONGEST_LINE).rstrip(b"\n")):
                    return True
            for place in range(0, file.size, max(file.size // _SPREAD_LINES, 1)):
                stream.seek(place)
                stream.readline(LONGEST_LINE)
                if file.is_wrapped(stream.readline(LONGEST_LINE).rstrip(b"\n")):
                    return True
    except OSError:
        return True
    return False


def slices_of(file: WholeFile) -> Iterator[Slice]:
    """The lines that a file had when it was looked at. Raises SourceError where it is no longer there."""
    try:
        with open(file.path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if (status.st_dev, status.st_ino) != file.identity or status.st_size < file.size:
                raise SourceError(
                    f"{file.source} was exchanged for another file while it was queried: query it again"
                )
            left, first = file.size, 1
            while left:
                data = stream.read(min(SLICE_BYTES, left))
                data += stream.readline(left - len(data))
                if not data:
                    raise SourceError(f"{file.source} was cut off while it was queried: query it again")
                left -= len(data)
                whole = data if data.endswith(b"\n") else data + b"\n"
                yield Slice(file.source, file.stream, first, whole)
                first += whole.count(b"\n")
    except OSError as error:
        raise SourceError(
            f"{file.source} cannot be read any longer ({error.strerror}): query it again"
        ) from error
