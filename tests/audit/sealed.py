"""A v2 log made by hand, as its writer would have left it: lines, checkpoints, digests, tombstones."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS, sign_checkpoint
from llmwatch.audit.digests import Digest, Tombstone, sign_digest, sign_tombstone
from llmwatch.audit.entry import Secret
from llmwatch.audit.folder import ARCHIVE, digest_path, tombstone_path
from llmwatch.audit.merkle import Tree
from llmwatch.audit.notes import NoteSigner
from tests.audit import recipe

ORIGIN = "example.com/audit"
SIGNER = NoteSigner(ORIGIN, bytes(range(32)))
SECRET = Secret(recipe.SECRET.encode())


@dataclass
class SealedLog:
    """The log in `folder`, with a checkpoint after every so many lines, and one at the end of each day."""

    folder: Path
    signer: NoteSigner = SIGNER
    every: int = 4
    tree: Tree = field(default_factory=Tree)
    previous: dict[str, object] | None = None
    """The link to the last line of the file before."""

    digest: str | None = None
    """SHA-256 of the newest digest note."""

    def day(self, day: str, count: int, *, seal: bool = True, checkpoints: bool = True) -> Path:
        """A day of v2 lines."""
        began = datetime.combine(date.fromisoformat(day), time(9), UTC)
        entries = recipe.v2(
            recipe.entries(count, self.tree.size, began),
            self.tree.size,
            SECRET.kid,
            {"prev": self.previous},
        )
        return self._write(day, recipe.lines(entries), seal=seal, checkpoints=checkpoints)

    def plain_day(self, day: str, count: int, previous: str | None = None) -> Path:
        """A day of plain lines, written before there were any others: leaves of the tree, and no more."""
        began = datetime.combine(date.fromisoformat(day), time(9), UTC)
        lines = recipe.lines(recipe.entries(count, self.tree.size, began), previous=previous)
        return self._write(day, lines, seal=False, checkpoints=False)

    def checkpoint(self) -> None:
        """Sign what there is."""
        with (self.folder / CHECKPOINTS).open("ab") as file:
            file.write(sign_checkpoint(self.signer, self.tree.size, self.tree.root()))

    def archive(self, path: Path) -> Path:
        """As retention archives."""
        archived = self.folder / ARCHIVE / f"{path.name}.gz"
        archived.parent.mkdir(exist_ok=True)
        archived.write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()
        return archived

    def bury(self, name: str, signer: NoteSigner | None = None) -> Path:
        """The tombstone of a file; whoever calls deletes the file."""
        digest = sha256(digest_path(self.folder, name).read_bytes()).hexdigest()
        stone = Tombstone((signer or self.signer).name, name, digest, "retention", "2026-06-01T00:00:00Z")
        path = tombstone_path(self.folder, name)
        path.write_bytes(sign_tombstone(signer or self.signer, stone))
        return path

    def _write(self, day: str, lines: Sequence[bytes], *, seal: bool, checkpoints: bool) -> Path:
        self.folder.mkdir(exist_ok=True)
        path = self.folder / f"audit_{day}.jsonl"
        path.write_bytes(b"".join(lines))
        start = self.tree.copy()
        for number, line in enumerate(lines, 1):
            self.tree.extend([line[:-1]])
            if checkpoints and (number % self.every == 0 or number == len(lines)):
                self.checkpoint()
        if lines:
            last = recipe.chain_of(lines[-1])
            self.previous = {"file": path.name, "seq": self.tree.size - 1, "chain": last}
        if seal:
            self._seal(path, lines, start)
        return path

    def _seal(self, path: Path, lines: Sequence[bytes], start: Tree) -> None:
        data = b"".join(lines)
        first, last = (recipe.chain_of(line) for line in (lines[0], lines[-1])) if lines else ("", "")
        digest = Digest(
            self.signer.name,
            path.name,
            start.size,
            len(lines),
            len(data),
            sha256(data).hexdigest(),
            first,
            last,
            start.peaks,
            self.tree.peaks,
            (SECRET.kid,),
            self.digest,
            "2026-06-01T00:00:00Z",
        )
        note = sign_digest(self.signer, digest)
        digest_path(self.folder, path.name).write_bytes(note)
        self.digest = sha256(note).hexdigest()
