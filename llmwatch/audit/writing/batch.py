"""Lines on their way into the log: numbered, linked, and in the file's bytes only when all of them are."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.writing.record import Fields, Prepared, encode, note
from llmwatch.audit.writing.refusal import AuditError
from llmwatch.audit.writing.standing import Standing

ROTATION_LABEL = b"llmwatch rot"
"""In what the new key signs at a rotation: this, and the chain hash of the line before."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """That an entry is in the log, and on the disk."""

    sequence: int
    """The number of its line in the whole log, from 0."""

    file: str
    chain: str
    """Its chain hash: who keeps it can tell later that the line is still there, with all that was before it."""


class Batch:
    """Lines that go behind a standing, with one write."""

    def __init__(self, standing: Standing, file: str, boot: str | None) -> None:
        """`file`: the one to write; `boot`: a name for this process, if these are its first lines."""
        self.standing, self.file = standing, file
        self.offset = standing.offset if file == standing.file else 0
        self.lines: list[bytes] = []
        self.receipts: list[Receipt] = []
        self.data = b""
        """What is to be written, once all is added."""

        self._last, self._kid = standing.chain, standing.kid
        self._link = standing.chain if self.offset else ""
        self._kids: list[str] = []
        extra: Fields = {}
        if self.offset == 0 or standing.adoption:
            extra["file"] = file
        if self.offset == 0:
            last = {"file": standing.file, "seq": standing.tree.size - 1, "chain": standing.chain}
            extra["prev"] = last if standing.tree.size else None
        if boot:
            extra["boot"] = boot
        if standing.adoption:
            extra["adopt"] = standing.adoption
        self._extra: Fields | None = extra or None
        """What the link of the next line says beside its number and its key."""

    def add(self, entries: Sequence[Prepared], secret: Secret) -> None:
        """Entries that are signed with this key."""
        if not entries:
            return
        number, link, file = self.standing.tree.size + len(self.lines), self._link, self.file
        for fields in entries:
            line, link = encode(fields, link, number, secret, self._extra)
            self.lines.append(line)
            self.receipts.append(Receipt(number, file, link))
            number += 1
            self._extra = None
        self._link = self._last = link
        self._kid = secret.kid
        self._kids.append(secret.kid)
        self.data = b"".join(self.lines)

    def add_notes(self, notes: Sequence[Prepared], ring: KeyRing) -> None:
        """Entries about the log itself: they go before a rotation, so they are signed with the key that it ends."""
        self.add(notes, ring.named(self._kid) or ring.secrets[0])

    def rotate(self, ring: KeyRing, now: Callable[[], datetime]) -> None:
        """If the log goes on under another key than the ring's first, say so under that one. Raises AuditError."""
        new, kid = ring.secrets[0], self._kid
        if kid in ("", new.kid):
            return
        old = ring.named(kid)
        if old is None:
            raise AuditError(
                f"the log goes on under the key {kid}, and the one that was given is {new.kid}: give {kid}, as the "
                "secret or as one of the older ones"
            )
        proof = new.sign(ROTATION_LABEL + self._last.encode())
        self._extra = {**(self._extra or {}), "rot": {"new_kid": new.kid, "proof": proof}}
        self.add([note("audit.key_rotated", now(), {})], old)
        self._kid = new.kid

    def settle(self, inode: int) -> None:
        """The lines are in the file: make the standing say so."""
        standing = self.standing
        if self.file != standing.file:
            standing.turn(self.file)
        standing.tree.extend([line[:-1] for line in self.lines])
        standing.offset, standing.inode = self.offset + len(self.data), inode
        standing.chain, standing.kid, standing.adoption = self._last, self._kid, None
        if standing.whole:
            standing.whole.add(self.data, self.receipts[0].chain, self._kids)
