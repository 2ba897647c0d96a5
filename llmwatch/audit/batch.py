"""Lines on their way into the log: numbered, linked, and in the file's bytes only when all of them are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.record import Fields, Prepared, encode, note
from llmwatch.audit.refusal import AuditError
from llmwatch.audit.standing import Standing

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

    def __init__(self, before: Standing, file: str, boot: str | None) -> None:
        """`file`: the one to write; `boot`: a name for this process, if these are its first lines."""
        self.standing = before.copy()
        """Where the log stands once the lines are in it; `settle` makes it so."""

        self.lines: list[bytes] = []
        self.receipts: list[Receipt] = []
        self._extra: Fields = {}
        if file != before.file:
            self.standing.turn(file)
        if self.standing.offset == 0:
            last = {"file": before.file, "seq": before.tree.size - 1, "chain": before.chain}
            self._extra["prev"] = last if before.tree.size else None
        if boot:
            self._extra["boot"] = boot
        if before.adoption:
            self._extra["adopt"] = before.adoption
        self._link = self.standing.link
        self._last = self.standing.chain
        self._kids: list[str] = []

    def add(self, entries: Sequence[Prepared], secret: Secret) -> None:
        """Prepared entries. Raises EntryError."""
        number, link, file = self.standing.tree.size + len(self.lines), self._link, self.standing.file
        for fields in entries:
            line, link = encode(
                fields, link, {"v": 1, "seq": number, "kid": secret.kid, **self._extra}, secret
            )
            self.lines.append(line)
            self.receipts.append(Receipt(number, file, link))
            number += 1
            self._extra = {}
        if entries:
            self._link = self._last = link
            self._kids.append(secret.kid)
            self.standing.kid = secret.kid

    def rotate(self, ring: KeyRing, at: datetime) -> None:
        """If the log goes on under another key than the ring's first, say so under that one. Raises AuditError."""
        new, kid = ring.secrets[0], self.standing.kid
        if kid in ("", new.kid):
            return
        old = ring.named(kid)
        if old is None:
            raise AuditError(
                f"the log goes on under the key {kid}, and the one that was given is {new.kid}: give {kid}, as the "
                "secret or as one of the older ones"
            )
        self._extra["rot"] = {"new_kid": new.kid, "proof": new.sign(ROTATION_LABEL + self._last.encode())}
        self.add([note("audit.key_rotated", at, {})], old)
        self.standing.kid = new.kid

    def data(self) -> bytes:
        """What is to be written."""
        return b"".join(self.lines)

    def settle(self) -> Standing:
        """The standing with the lines in it."""
        standing = self.standing
        data = self.data()
        standing.tree.extend([line[:-1] for line in self.lines])
        standing.offset += len(data)
        standing.chain, standing.adoption = self._last, None
        if standing.whole:
            standing.whole.add(data, self.receipts[0].chain, self._kids[0])
            for kid in self._kids:
                standing.whole.add(b"", "", kid)
        return standing
