"""Files in the folder of a log that hold entries and are none of its files: others may count what nobody verified."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import ARCHIVE, Log

_OF_AN_ENTRY = (b'"prompt_hash"', b'"chain_hash"')
_OWN = (".digest", ".gone", ".bin", ".txt", ".lock", ".state")
"""How the names of the files end that lie beside a log's days."""

_LOOKED_AT = 1 << 16


def strangers(log: Log) -> Iterator[Finding]:
    """A warning for each. Of a folder, not of files that were named one by one. What cannot be read is passed over."""
    if not log.whole:
        return
    known = {file.path for file in log.files}
    for folder in (log.folder, log.folder / ARCHIVE):
        if not folder.is_dir():
            continue
        for path in sorted(folder.iterdir()):
            if path not in known and not path.name.endswith(_OWN) and _has_entries(path):
                name = path.relative_to(log.folder).as_posix()
                detail = "it holds entries and is no file of the log: none of its lines was verified"
                yield Finding("file_foreign", name, detail=detail)


def _has_entries(path: Path) -> bool:
    try:
        if not path.is_file():
            return False
        with path.open("rb") as file:
            head = file.read(_LOOKED_AT)
    except OSError:
        return False
    if head.startswith(b"\x1f\x8b"):
        try:
            head = zlib.decompressobj(31).decompress(head, _LOOKED_AT)
        except zlib.error:
            return False
    return any(mark in head for mark in _OF_AN_ENTRY)
