"""The file of signed checkpoints, as its writers add to it."""

from __future__ import annotations

import os
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS, Checkpoint, read_checkpoint, sign_checkpoint
from llmwatch.audit.merkle import Tree
from llmwatch.audit.notes import Note, NoteSigner, split_notes
from llmwatch.audit.writing.disk import append, open_to_append, sync_folder
from llmwatch.audit.writing.refusal import AuditError

_WINDOW = 1 << 14
"""Bytes at the end in which the newest one is looked for; more only if there is none."""


class CheckpointFile:
    """What is signed; under the lock only. A half one that a crash left is cut off: it says nothing."""

    def __init__(self, folder: Path, signer: NoteSigner) -> None:
        self.path = folder / CHECKPOINTS
        self._signer = signer
        self._verifier = signer.verifier
        self._descriptor = -1
        self._size = 0
        self._notes: dict[tuple[int, bytes], Note] = {}
        self._others = False
        self.newest: Checkpoint | None = None
        """The largest that our key signed."""

    def catch_up(self) -> str | None:
        """Read what others added; a sentence if something is not as writers leave it.

        Raises:
            OSError: it cannot be read or mended.
            AuditError: all of it was signed by another key.

        """
        if self._descriptor >= 0 and not self._is_there():
            self.close()
        if self._descriptor < 0:
            self._open()
        size = os.fstat(self._descriptor).st_size
        if size == self._size:
            return None
        problem = "checkpoints were cut off its end" if size < self._size else None
        if size < self._size or self.newest is None:
            return self._look_back(size) or problem
        return self._read(self._size, size)

    def signed(self, tree: Tree) -> bool:
        """Whether one of the newest checkpoints is of this tree. That of no lines needs none."""
        note = self._notes.get((tree.size, tree.root()))
        return tree.size == 0 or (note is not None and self._verifier.signed(note))

    def add(self, tree: Tree) -> None:
        """Sign the tree. Raises OSError: it is not signed then."""
        root = tree.root()
        note = sign_checkpoint(self._signer, tree.size, root)
        append(self._descriptor, note, self._size)
        self._size += len(note)
        self.newest = Checkpoint(self._signer.name, tree.size, root)

    def close(self) -> None:
        """Give the descriptor back; the newest one stays known."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _is_there(self) -> bool:
        try:
            return os.path.samestat(os.fstat(self._descriptor), os.stat(self.path))
        except FileNotFoundError:
            return False

    def _open(self) -> None:
        new = not self.path.exists()
        self._descriptor = open_to_append(self.path)
        if new:
            sync_folder(self.path.parent)

    def _look_back(self, size: int) -> str | None:
        """Find the newest one, in ever larger parts of the end of the file."""
        window = _WINDOW
        while True:
            start = max(size - window, 0)
            problem = self._read(start, size, partly=start > 0)
            if self.newest is not None or start == 0:
                break
            window *= 8
        if self.newest is None and self._others:
            raise AuditError(
                f"{self.path} was signed by another key, or for another log, than {self._signer.name}: "
                "sign with that key, or log to a new folder"
            )
        return problem

    def _read(self, start: int, size: int, *, partly: bool = False) -> str | None:
        """`partly`: the first one may lack its beginning."""
        found = list(split_notes(os.pread(self._descriptor, size - start, start)))
        if found and isinstance(last := found[-1], range):
            found.pop()
            size = start + last.start
            os.ftruncate(self._descriptor, size)
        self._size = size
        return self._judge([note for note in found[partly:] if isinstance(note, Note)])

    def _judge(self, notes: list[Note]) -> str | None:
        read = [
            (one, note)
            for note in notes
            if self._verifier.claims(note)
            and (one := read_checkpoint(note))
            and one.origin == self._signer.name
        ]
        self._others = bool(notes) and not read
        self._notes = {(one.size, one.root): note for one, note in read}
        wrong = len(notes) - len(read)
        for one, note in sorted(read, key=lambda pair: pair[0].size, reverse=True):
            if self.newest is not None and one.size <= self.newest.size:
                break
            if self._verifier.signed(note):
                self.newest = one
                break
            wrong += 1
        return f"{wrong} of its newest checkpoints were not signed by this log's key" if wrong else None
