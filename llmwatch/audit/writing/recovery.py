"""What a crash leaves at the end of a file: half a line, or blocks of zeros. It is moved aside, and nothing is lost.

The bytes are saved first, then cut off, and an entry in the log says so. A crash in between is taken up where it
happened: saved again under the same name, or, if nothing was written where a saved piece was cut off, recorded now.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.writing.disk import put, sync, sync_folder

EVENT = "audit.recovery"

_SAVED = re.compile(r"audit_torn_(\d{4}-\d{2}-\d{2})_(\d{1,18})_[0-9a-f]{12}\.bin")


def move_aside(path: Path, offset: int, torn: bytes) -> None:
    """Save what is in a file of entries from `offset` on, and cut it off; of a file, nothing is left if that is all.

    Raises OSError.
    """
    day = path.name.removeprefix("audit_").removesuffix(".jsonl")
    put(path.with_name(f"audit_torn_{day}_{offset}_{sha256(torn).hexdigest()[:12]}.bin"), torn)
    if offset == 0:
        os.unlink(path)
        sync_folder(path.parent)
        return
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, offset)
        sync(descriptor)
    finally:
        os.close(descriptor)


def unrecorded(folder: Path, names: Iterable[str], last: str, size: int) -> Iterator[Mapping[str, object]]:
    """What was cut off where no line has been written since, oldest first; the `last` one ends at `size` of its file.

    Raises OSError.
    """
    for name in sorted(names):
        match = _SAVED.fullmatch(name)
        if match is None:
            continue
        file, offset = f"audit_{match[1]}.jsonl", int(match[2])
        if (file, offset) == (last, size) or (file > last and offset == 0):
            torn = (folder / name).read_bytes()
            yield {
                "file": file,
                "offset": offset,
                "bytes": len(torn),
                "sha256": sha256(torn).hexdigest(),
                "saved": name,
            }
