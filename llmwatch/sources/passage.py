"""What is remembered of a file that was read, to know it again under another name."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Literal

from llmwatch.sources.compressed import Unpacked
from llmwatch.sources.content import packing_of

FINGERPRINT_BYTES = 4096
"""How many first bytes of a file tell it from others."""

MARK_BYTES = 256
"""How many last-read bytes tell whether a file still is what was read."""

OPEN_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK
"""Not to block where a pipe has taken the file's name."""

Likeness = Literal["whole", "part", "no"]


@dataclass(frozen=True, slots=True)
class Passage:
    """What was read of a file: enough to know it again under another name, copied or compressed."""

    origin: int
    """Where the text begins: behind zero bytes that a truncation left."""
    head: bytes
    mark: bytes
    """The last bytes read; they end at `taken`."""
    taken: int

    def begins(self, path: str) -> Likeness:
        """Whether a file begins with all that was read (`whole`) or is a beginning of it. Raises OSError."""
        descriptor = os.open(path, OPEN_FLAGS)
        try:
            return self.begins_in(descriptor)
        finally:
            os.close(descriptor)

    def begins_in(self, descriptor: int) -> Likeness:
        """The same of an open file."""
        packing = packing_of(os.pread(descriptor, 4, 0))
        if packing == "plain":
            head = os.pread(descriptor, len(self.head), self.origin)
            mark = os.pread(descriptor, len(self.mark), self.taken - len(self.mark))
        else:
            unpacked = Unpacked(descriptor, packing)
            head = unpacked.read(len(self.head))
            if not head and unpacked.complaint:  # too little is written to tell
                return "part"
            mark = b""
            if head and self.head.startswith(head):
                unpacked = Unpacked(descriptor, packing)
                unpacked.skip(self.taken - len(self.mark))
                mark = unpacked.read(len(self.mark))
        if not head or not self.head.startswith(head) or not self.mark.startswith(mark):
            return "no"
        return "whole" if (head, mark) == (self.head, self.mark) else "part"
