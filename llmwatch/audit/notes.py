"""Signed notes (C2SP signed-note): a text, and under it signatures anyone with the public key can check.

A note is text that ends with a newline, a blank line, and signature lines `— NAME BASE64(id ‖ signature)`. The id is
the first four bytes of SHA-256(NAME ‖ 0x0A ‖ 0x01 ‖ public key), 0x01 standing for Ed25519.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

from llmwatch.errors import UsageError

_ED25519 = b"\x01"
_SIGNATURES = re.compile(rb"\n\n((?:\xe2\x80\x94 [^\n]++\n)+)")
"""A blank line, and the lines under it that look like signatures."""
_SIGNATURE_LINE = re.compile(r"\u2014 ([^\s+]+) ([A-Za-z0-9+/]+={0,2})")
_MOST_SIGNATURES = 100
"""Of one note, so that a hostile one takes no hours to check."""
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f]")
_NAME = re.compile(r"[^\s+\x00-\x1f\x7f]{1,200}")


def _key_id(name: str, public: bytes) -> bytes:
    return sha256(name.encode() + b"\n" + _ED25519 + public).digest()[:4]


@dataclass(frozen=True, slots=True)
class Signature:
    """One signature line; `id` and `value` are 4 and 64 bytes where it is Ed25519."""

    name: str
    id: bytes
    value: bytes


@dataclass(frozen=True, slots=True)
class Note:
    """A note as it was found. `start` and `end`: its bytes in the file."""

    text: str
    """With its last newline; what is signed."""

    signatures: tuple[Signature, ...]
    start: int = 0
    end: int = 0


@dataclass(frozen=True)
class NoteVerifier:
    """A public key. Without a name it checks notes of any name: a PEM file names none."""

    public: bytes
    name: str | None = None

    @cached_property
    def _key(self):  # type: ignore[no-untyped-def]  # noqa: ANN202 (the type is cryptography's, imported late)
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

        return Ed25519PublicKey.from_public_bytes(self.public)

    def signed(self, note: Note) -> bool:
        """Whether this key signed the note. Signatures of others, as of witnesses, are passed over."""
        return any(self._made(note, signature) for signature in note.signatures)

    def claims(self, note: Note) -> bool:
        """Whether the note says that this key signed it."""
        return any(self._named(signature) for signature in note.signatures)

    def _named(self, signature: Signature) -> bool:
        return self.name in (None, signature.name) and signature.id == _key_id(signature.name, self.public)

    def _made(self, note: Note, signature: Signature) -> bool:
        from cryptography.exceptions import InvalidSignature

        if not self._named(signature):
            return False
        try:
            self._key.verify(signature.value, note.text.encode())
        except InvalidSignature:
            return False
        return True


@dataclass(frozen=True)
class NoteSigner:
    """A private key under a name: that of the log, its origin. Raises UsageError for a name that notes cannot have."""

    name: str
    private: bytes

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise UsageError(f"{self.name!r} cannot name a log: no spaces and no +, as in example.com/audit")

    @cached_property
    def _key(self):  # type: ignore[no-untyped-def]  # noqa: ANN202
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return Ed25519PrivateKey.from_private_bytes(self.private)

    @cached_property
    def public(self) -> bytes:
        """The public key, 32 bytes."""
        public: bytes = self._key.public_key().public_bytes_raw()
        return public

    @cached_property
    def _id(self) -> bytes:
        return _key_id(self.name, self.public)

    def sign(self, text: str) -> bytes:
        """The note, as bytes. `text` ends with a newline."""
        value = base64.b64encode(self._id + self._key.sign(text.encode())).decode()
        return f"{text}\n\u2014 {self.name} {value}\n".encode()

    @property
    def verifier(self) -> NoteVerifier:
        """What checks its notes."""
        return NoteVerifier(self.public, self.name)


def verifier_key(name: str, public: bytes) -> str:
    """The public key as one line of text: name+hash+key."""
    return f"{name}+{_key_id(name, public).hex()}+{base64.b64encode(_ED25519 + public).decode()}"


def read_verifier_key(text: str, place: str) -> tuple[str, bytes]:
    """(name, public key) of a verifier key. Raises UsageError."""
    problem = UsageError(f"{place} holds no note verifier key: it is name+hash+key, for Ed25519")
    try:
        name, key_id, encoded = text.split("+", 2)
        data = base64.b64decode(encoded, validate=True)
    except (ValueError, binascii.Error):
        raise problem from None
    if len(data) != 33 or data[:1] != _ED25519 or _key_id(name, data[1:]).hex() != key_id.lower():
        raise problem
    return name, data[1:]


def split_notes(data: bytes) -> Iterator[Note | range]:
    """The notes of a file that holds one after another, and the bytes (a range) that are no whole note.

    A new note begins after a signature line that no other follows. What never ends in a signature, as after a crash in
    the middle of writing, is a range; so is what the specification forbids: a text that is not UTF-8 or holds control
    characters, a signature that cannot be read, and too many of them.
    """
    start = 0
    for block in _SIGNATURES.finditer(data):
        yield _note(data, start, block)
        start = block.end()
    if start < len(data):
        yield range(start, len(data))


def _note(data: bytes, start: int, block: re.Match[bytes]) -> Note | range:
    place = range(start, block.end())
    if block[1].count(b"\n") > _MOST_SIGNATURES:
        return place
    try:
        text = data[start : block.start() + 1].decode()
        signatures = [_signature(line) for line in block[1].decode().removesuffix("\n").split("\n")]
    except UnicodeDecodeError:
        return place
    readable = tuple(signature for signature in signatures if signature)
    if len(readable) < len(signatures) or _CONTROL.search(text):
        return place
    return Note(text, readable, place.start, place.stop)


def _signature(line: str) -> Signature | None:
    match = _SIGNATURE_LINE.fullmatch(line)
    try:
        value = base64.b64decode(match[2], validate=True) if match else b""
    except (ValueError, binascii.Error):
        return None
    if match is None or len(value) <= 4 or base64.b64encode(value).decode() != match[2]:
        return None  # of the several spellings of the same bytes, one is right
    return Signature(match[1], value[:4], value[4:])
