"""The Merkle tree of RFC 6962 over the lines of a log, grown a leaf at a time."""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256


def leaf_hash(line: bytes) -> bytes:
    """Of a physical line, without its newline."""
    return sha256(b"\0" + line).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Of two subtrees."""
    return sha256(b"\1" + left + right).digest()


class Tree:
    """Size and peaks: the roots of the perfect subtrees that the leaves fill, largest first."""

    __slots__ = ("_peaks", "size")

    def __init__(self, size: int = 0, peaks: Iterable[bytes] = ()) -> None:
        """Go on from an earlier state. Raises ValueError if there are not as many peaks as the size has."""
        self.size = size
        self._peaks = list(peaks)
        if len(self._peaks) != size.bit_count() or any(len(peak) != 32 for peak in self._peaks):
            raise ValueError(f"a tree of {size} leaves has {size.bit_count()} peaks of 32 bytes")

    @property
    def peaks(self) -> tuple[bytes, ...]:
        """All that is needed to go on."""
        return tuple(self._peaks)

    def append(self, leaf: bytes) -> None:
        """Add the hash of a line."""
        size, peaks = self.size, self._peaks
        while size & 1:
            leaf = sha256(b"\1" + peaks.pop() + leaf).digest()
            size >>= 1
        peaks.append(leaf)
        self.size += 1

    def extend(self, lines: Iterable[bytes]) -> None:
        """Add lines, each without its newline."""
        append = self.append
        for line in lines:
            append(sha256(b"\0" + line).digest())

    def root(self) -> bytes:
        """The root hash; of no leaves, the hash of nothing."""
        if not self._peaks:
            return sha256(b"").digest()
        root = self._peaks[-1]
        for peak in reversed(self._peaks[:-1]):
            root = node_hash(peak, root)
        return root

    def copy(self) -> Tree:
        """One that grows apart from this."""
        return Tree(self.size, self._peaks)
