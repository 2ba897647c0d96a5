"""One entry of the audit log as the recipe writes it, and the two hashes over it.

`chain_hash` = SHA-256 of the chain hash before it (hex text, or nothing) and the canonical entry; `signature` =
HMAC-SHA-256 of the entry with its chain hash, canonical too. Canonical is Python's `json.dumps(entry, sort_keys=True)`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from hashlib import sha256

CHAIN, SIGNATURE, METADATA = "chain_hash", "signature", "metadata"
LINK = "_lw"
"""The key inside `metadata` under which our own writer numbers a line. Callers may not use it."""

_BLOCK = 64
_INNER, _OUTER = bytes(byte ^ 0x36 for byte in range(256)), bytes(byte ^ 0x5C for byte in range(256))
_KID_LABEL = b"llmwatch kid v1"


def canonical(entry: Mapping[str, object]) -> bytes:
    """The bytes that are hashed. Raises TypeError or ValueError for what JSON cannot hold."""
    return json.dumps(entry, sort_keys=True).encode()


def chain_hash(previous: str, canonical_entry: bytes) -> str:
    """The hash that binds an entry to the one before it; `previous` is empty at the start of a chain."""
    return sha256(previous.encode() + canonical_entry).hexdigest()


def signed_bytes(chain: str, canonical_entry: bytes) -> bytes:
    """What the signature is over, where no key of the entry sorts before `chain_hash`, as none of the recipe's does."""
    head = b'{"chain_hash": "%b"' % chain.encode()
    return head + (b"}" if canonical_entry == b"{}" else b", " + canonical_entry[1:])


class Secret:
    """An HMAC key. The states after its two blocks are kept: signing is twice as fast than from the key each time."""

    __slots__ = ("_inner", "_outer", "kid", "named")

    def __init__(self, secret: bytes, named: str | None = None) -> None:
        """`named`: what the key file calls it."""
        key = secret if len(secret) <= _BLOCK else sha256(secret).digest()
        key = key.ljust(_BLOCK, b"\0")
        self._inner, self._outer = sha256(key.translate(_INNER)), sha256(key.translate(_OUTER))
        self.kid = self.sign(_KID_LABEL)[:8]
        """Eight hex digits that name the key and do not tell it."""
        self.named = named

    def sign(self, data: bytes) -> str:
        """HMAC-SHA-256, hex."""
        inner, outer = self._inner.copy(), self._outer.copy()
        inner.update(data)
        outer.update(inner.digest())
        return outer.hexdigest()

    def __repr__(self) -> str:
        return f"Secret({self.kid})"
