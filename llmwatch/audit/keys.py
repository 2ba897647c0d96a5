"""Key files: HMAC secrets, and Ed25519 keys to sign checkpoints and to check them."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from llmwatch.audit.entry import Secret
from llmwatch.errors import UsageError

_OTHERS = stat.S_IRWXG | stat.S_IRWXO
_LONGEST_KEY_FILE = 1 << 20
_VERIFIER_KEY = re.compile(rb"^\S+\+[0-9a-f]{8}\+[A-Za-z0-9+/]{44}\s*$", re.MULTILINE)


@dataclass(frozen=True)
class KeyRing:
    """The secrets that may have signed a line, in the order in which they were given."""

    secrets: tuple[Secret, ...] = ()
    remarks: tuple[str, ...] = ()
    """Sentences about the files they came from."""

    def named(self, kid: str) -> Secret | None:
        """The key that a line names."""
        return next((secret for secret in self.secrets if kid in (secret.kid, secret.named)), None)


def read_key_files(paths: Iterable[Path]) -> KeyRing:
    """One secret a line, `secret` or `kid=secret`; blank lines and `#` comments are none.

    A secret is used exactly as it is written, without the newline: spaces are part of it. A line with `=` in it may
    be either, so both are tried; base64 that merely ends with `=` is a secret alone.

    Raises:
        UsageError: a file is missing, unreadable, too long, not UTF-8, or holds no secret.

    """
    secrets: list[Secret] = []
    remarks: list[str] = []
    for path in paths:
        data = read_key_bytes(path, "--key-file names a file with one HMAC secret a line")
        if b"-----BEGIN" in data or _VERIFIER_KEY.search(data):
            raise UsageError(
                f"{path} holds an Ed25519 key, not an HMAC secret: a public one goes to --public-key"
            )
        found = [secret for line in _lines(path, data) for secret in _secrets(line)]
        if not found:
            raise UsageError(f"{path} holds no secret: write one a line, secret or kid=secret")
        if remark := exposed(path):
            remarks.append(remark)
        secrets += found
    return KeyRing(tuple(secrets), tuple(remarks))


def read_key_bytes(path: Path, remedy: str) -> bytes:
    """A key file's bytes. Raises UsageError."""
    try:
        with path.open("rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode) and path.is_dir():
                raise IsADirectoryError(21, "it is a folder")
            data = file.read(_LONGEST_KEY_FILE + 1)
    except OSError as error:
        raise UsageError(f"{path} cannot be read ({error.strerror}): {remedy}") from error
    if len(data) > _LONGEST_KEY_FILE:
        raise UsageError(f"{path} is too long for a key file: {remedy}")
    return data


def exposed(path: Path) -> str | None:
    """A sentence if others than the owner may read or change the file."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    if not stat.S_ISREG(mode) or not mode & _OTHERS:
        return None
    return f"{path} can be read by others (mode {stat.S_IMODE(mode):04o}): chmod 600 {path}"


def _lines(path: Path, data: bytes) -> Iterable[str]:
    try:
        text = data.decode()
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8: save the key file as UTF-8") from error
    if "\0" in text:
        raise UsageError(f"{path} holds NUL characters: it is no key file")
    for line in text.removeprefix("\ufeff").split("\n"):
        secret = line.removesuffix("\r")
        if secret.strip() and not secret.lstrip().startswith("#"):
            yield secret


def _secrets(line: str) -> Iterable[Secret]:
    kid, _, secret = line.partition("=")
    if kid.strip() and secret.strip("= "):
        yield Secret(secret.encode(), kid.strip())
    yield Secret(line.encode())


def read_public_key(path: Path) -> tuple[str | None, bytes]:
    """(origin, 32 bytes) of an Ed25519 public key: a note verifier key, which names its origin, or PEM.

    Raises:
        UsageError: it is neither, or of another kind; a private key is refused, for it is not to be handed around.

    """
    from llmwatch.audit.notes import read_verifier_key

    remedy = "--public-key names a note verifier key (name+hash+key) or PEM, Ed25519"
    data = read_key_bytes(path, remedy).strip()
    if b"-----BEGIN" in data:
        return None, _pem(path, data, remedy)
    lines = [line for line in data.splitlines() if line.strip() and not line.lstrip().startswith(b"#")]
    if len(lines) == 1:
        return read_verifier_key(lines[0].decode(errors="replace").strip(), str(path))
    raise UsageError(f"{path} is no public key: {remedy}")


def _pem(path: Path, data: bytes, remedy: str) -> bytes:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if b"PRIVATE" in data:
        raise UsageError(f"{path} is a private key: verify with the public key that belongs to it")
    try:
        key = load_pem_public_key(data)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no public key: {remedy}") from error
    if not isinstance(key, Ed25519PublicKey):
        raise UsageError(f"{path} holds another kind of key than Ed25519: {remedy}")
    return key.public_bytes_raw()


def read_signing_key(path: Path) -> bytes:
    """The 32 bytes of an Ed25519 private key in PEM. Raises UsageError."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    remedy = "a signing key is an Ed25519 private key in PEM; llmwatch keys makes one"
    try:
        key = load_pem_private_key(read_key_bytes(path, remedy), None)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise UsageError(f"{path} is no signing key: {remedy}") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise UsageError(f"{path} holds another kind of key than Ed25519: {remedy}")
    return key.private_bytes_raw()
