"""Checkpoints (C2SP tlog-checkpoint): signed notes of how long the log is, and of the root over all its lines."""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass

from llmwatch.audit.notes import Note, NoteSigner

CHECKPOINTS = "audit_checkpoints.txt"
"""The file in a log's folder that holds them one after another."""

_SIZE = re.compile(r"0|[1-9][0-9]{0,17}")


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """`size` lines, and the root of the tree over them."""

    origin: str
    size: int
    root: bytes


def checkpoint_text(checkpoint: Checkpoint) -> str:
    """The text that is signed."""
    return f"{checkpoint.origin}\n{checkpoint.size}\n{base64.b64encode(checkpoint.root).decode()}\n"


def sign_checkpoint(signer: NoteSigner, size: int, root: bytes) -> bytes:
    """A signed checkpoint of the signer's log."""
    return signer.sign(checkpoint_text(Checkpoint(signer.name, size, root)))


def read_checkpoint(note: Note) -> Checkpoint | None:
    """What a note says, signed or not; None if it is no checkpoint. Extension lines are passed over."""
    lines = note.text.split("\n")
    if len(lines) < 4 or not lines[0] or not _SIZE.fullmatch(lines[1]):
        return None
    try:
        root = base64.b64decode(lines[2], validate=True)
    except (ValueError, binascii.Error):
        return None
    return Checkpoint(lines[0], int(lines[1]), root) if len(root) == 32 else None
