"""What a crash leaves at the end of a file: half a line, or blocks of zeros. It is moved aside, and nothing is lost.

The bytes are saved first, then cut off, and an entry in the log says so. A crash in between is taken up where it
happened: saved again under the same name, or, if nothing was written where a saved piece was cut off, recorded now.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable, Iterator
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.writing.disk import put, sync

EVENT = "audit.recovery"

_SAVED = re.compile(r"audit_torn_(\d{4}-\d{2}-\d{2})_(\d{1,18})_[0-9a-f]{12}\.bin")


def move_aside(path: Path, offset: int, torn: bytes) -> None:
    """Save what is in a file of entries from `offset` on, and cut it off. Raises OSError."""
    day = path.name.removeprefix("audit_").removesuffix(".jsonl")
    put(path.with_name(f"audit_torn_{day}_{offset}_{sha256(torn).hexdigest()[:12]}.bin"), torn)
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    try:
        os.ftruncate(descriptor, offset)
        sync(descriptor)
    finally:
        os.close(descriptor)


def unrecorded(folder: Path, names: Iterable[str], file: str, size: int) -> Iterator[dict[str, object]]:
    """What was cut off the end of a file that has been `size` bytes long since. Raises OSError."""
    for name in sorted(names):
        match = _SAVED.fullmatch(name)
        if match and f"audit_{match[1]}.jsonl" == file and int(match[2]) == size:
            torn = (folder / name).read_bytes()
            yield {
                "file": file,
                "offset": size,
                "bytes": len(torn),
                "sha256": sha256(torn).hexdigest(),
                "saved": name,
            }
