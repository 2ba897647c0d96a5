"""Queries or searches of before, kept from one time to the next."""

from __future__ import annotations

import json
from pathlib import Path

from llmwatch.errors import SourceError
from llmwatch.private_file import write_private

KEPT = 100
_LARGEST = 4_000_000
"""Bytes of the file that are read; it never grows to as many by itself."""


class History:
    """The last ones, oldest first, none of them twice in a row. Without a path they are only remembered."""

    def __init__(self, path: Path | None = None) -> None:
        self.path = path
        self.entries: list[str] = self._read()

    def add(self, text: str) -> None:
        """The newest is this. Raises SourceError when that cannot be written down; it is remembered then."""
        if self.path is not None:
            self.entries = self._read() or self.entries
        if not self.entries or self.entries[-1] != text:
            self.entries = [*self.entries, text][-KEPT:]
        if self.path is not None:
            self._write(self.path)

    def _read(self) -> list[str]:
        """What the file holds; one that is missing or is no history is empty."""
        if self.path is None:
            return []
        try:
            with self.path.open("rb") as file:
                lines = file.read(_LARGEST).decode("utf-8", "replace").split("\n")
        except OSError:
            return []
        return [text for line in lines if (text := _text(line))][-KEPT:]

    def _write(self, path: Path) -> None:
        """Anew, in one step: another monitor may read or write it meanwhile."""
        lines = "".join(json.dumps(text) + "\n" for text in self.entries)
        try:
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(path, lines.encode())
        except OSError as error:
            raise SourceError(f"the history, {path}, cannot be written: {error.strerror or error}") from error


def _text(line: str) -> str:
    try:
        found = json.loads(line)
    except ValueError:
        return ""
    return found if isinstance(found, str) else ""
