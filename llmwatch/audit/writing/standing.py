"""Where a log stands: all that its next line depends on; and the file that tells the next process."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.digests import Digest
from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.merkle import Tree

STATE = "audit.state"

_LONGEST_STATE = 1 << 16
_LABEL = b"llmwatch state v1\n"
_UNKNOWN = bytes(32)
"""Stands for a line that nobody knows any more: no line has this hash, so no root over it fits any file."""


class Whole:
    """What a digest says of a file's bytes; known while this process has seen all of them, from the first."""

    __slots__ = ("digest", "first_chain", "kids")

    def __init__(self) -> None:
        self.digest = sha256()
        self.first_chain = ""
        self.kids: list[str] = []

    def add(self, data: bytes, chain: str, kids: Iterable[str]) -> None:
        """Some lines, the chain hash of their first, and their keys."""
        self.digest.update(data)
        self.first_chain = self.first_chain or chain
        self.kids += [kid for kid in kids if kid not in self.kids]

    def copy(self) -> Whole:
        """One that grows apart from this."""
        copy = Whole()
        copy.digest, copy.first_chain, copy.kids = self.digest.copy(), self.first_chain, list(self.kids)
        return copy


@dataclass(slots=True)
class Standing:
    """The end of a log."""

    tree: Tree = field(default_factory=Tree)
    """Over all lines that this log's writers signed; its size is the number of the next."""

    file: str = ""
    """That of the last line; empty before the first."""

    offset: int = 0
    """Bytes of the file that are accounted for."""

    chain: str = ""
    """The chain hash of the last line."""

    kid: str = ""
    """The key that the next line is to be signed with, unless it is rotated; empty: any."""

    start: Tree = field(default_factory=Tree)
    """The tree before the file's first line."""

    whole: Whole | None = None
    known: bool = True
    """Whether the tree is that of the lines that were written. If not, nothing can be signed any more."""

    inode: int | None = None
    """Of the file, if this process has had it open."""

    adoption: dict[str, object] | None = None
    """What the next line is to say of the plain lines before it."""

    def copy(self) -> Standing:
        """One that grows apart from this."""
        return Standing(
            self.tree.copy(),
            self.file,
            self.offset,
            self.chain,
            self.kid,
            self.start,
            self.whole.copy() if self.whole else None,
            self.known,
            self.inode,
            self.adoption,
        )

    @property
    def link(self) -> str:
        """What the next line of the file follows; each file begins a chain, as the recipe's verifier has it."""
        return self.chain if self.offset else ""

    def turn(self, file: str) -> None:
        """Go on in a file that is empty, as far as is known."""
        self.file, self.offset, self.inode = file, 0, None
        self.start, self.whole = self.tree.copy(), Whole()

    def skip(self, lines: int) -> None:
        """Go on after lines that are not there."""
        for _ in range(lines):
            self.tree.append(_UNKNOWN)
        self.whole = None

    def lose(self, size: int) -> None:
        """Go on after `size` lines that are not those that were signed, and nobody knows what was."""
        self.tree = Tree(size, [_UNKNOWN] * size.bit_count())
        self.known, self.whole = False, None


def sealed_at(digest: Digest) -> Standing:
    """Where the log stands at the end of a sealed file."""
    return Standing(
        Tree(digest.first + digest.lines, digest.end),
        digest.file,
        digest.size,
        digest.last_chain,
        digest.kids[-1] if digest.kids else "",
        Tree(digest.first, digest.start),
    )


class StateFile:
    """Where the log stood at its newest checkpoint, so that the next process need not read all of it again.

    It is signed with the log's secret, and its tree has to be that of a checkpoint: else it is not used. So it is not
    synced either, and one that is lost costs time, and nothing else while the log is as it was written.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / STATE

    def write(self, standing: Standing, ring: KeyRing) -> None:
        """Replace it. Raises OSError."""
        values = {
            "size": standing.tree.size,
            "peaks": [peak.hex() for peak in standing.tree.peaks],
            "file": standing.file,
            "offset": standing.offset,
            "chain": standing.chain,
            "kid": standing.kid,
            "first": standing.start.size,
            "start": [peak.hex() for peak in standing.start.peaks],
        }
        text = json.dumps(values)
        descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.pwrite(descriptor, f"{text}\n{_signature(text, ring.secrets[0])}\n".encode(), 0)
        finally:
            os.close(descriptor)

    def read(self, ring: KeyRing) -> Standing | None:
        """What it says; None if there is none, or no key of the ring signed it."""
        with suppress(OSError, ValueError), self._path.open() as file:
            text, signature = file.read(_LONGEST_STATE).split("\n")[:2]
            if any(_signature(text, secret) == signature for secret in ring.secrets):
                values = json.loads(text)
                return Standing(
                    _tree(values["size"], values["peaks"]),
                    values["file"],
                    values["offset"],
                    values["chain"],
                    values["kid"],
                    _tree(values["first"], values["start"]),
                )
        return None


def _signature(text: str, secret: Secret) -> str:
    return secret.sign(_LABEL + text.encode())


def _tree(size: int, peaks: list[str]) -> Tree:
    return Tree(size, [bytes.fromhex(peak) for peak in peaks])
