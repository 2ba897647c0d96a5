"""Why an entry was not recorded."""

from __future__ import annotations

import errno
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from llmwatch.errors import LlmwatchError


class AuditError(LlmwatchError):
    """The log cannot be written now, or may not be: what was to be recorded is not."""


class EntryError(AuditError):
    """An entry that can never be recorded: the program that made it is to be mended, not the disk."""

    exit_code = 2


_REMEDIES: Mapping[int, str] = {
    errno.ENOSPC: "free room on its disk",
    errno.EDQUOT: "free room, or raise the quota",
    errno.EFBIG: "raise the limit on the size of files (ulimit -f)",
    errno.EROFS: "the file system is mounted read-only: mount it for writing, or log elsewhere",
    errno.EACCES: "give the user of this process leave to write there",
    errno.EPERM: "give the user of this process leave to write there",
    errno.ENOTDIR: "it is to be a folder",
    errno.EEXIST: "it is to be a folder",
    errno.EIO: "look after its disk",
}


def explanation(folder: Path, error: OSError) -> AuditError:
    """What an error of the system means for the log, and what can be done."""
    remedy = _REMEDIES.get(error.errno or 0, "mend that, or log elsewhere")
    place = f" at {error.filename}" if error.filename not in (None, str(folder)) else ""
    return AuditError(
        f"the audit log {folder} cannot be written ({error.strerror or error}{place}): {remedy}"
    )


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Give errors of the system their explanation. Raises AuditError."""
    try:
        yield
    except OSError as error:
        raise explanation(folder, error) from error
