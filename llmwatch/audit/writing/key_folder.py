"""The keys of a log that is written: made once, and never overwritten."""

from __future__ import annotations

import os
import secrets
from contextlib import ExitStack
from pathlib import Path

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import read_key_files, read_public_key, read_signing_key
from llmwatch.audit.notes import NoteSigner, verifier_key
from llmwatch.errors import UsageError

SECRET, SIGNING, PUBLIC = "audit.secret", "audit.key", "audit.pub"
"""The HMAC secret, the private key of checkpoints and digests, and the public one under the log's name."""


def make_keys(folder: Path, name: str) -> str:
    """Put new keys for the log of that name into a folder, the private ones for its owner alone; the public key.

    Raises:
        UsageError: one of the files is there already, the folder cannot be written, or nothing can have the name.

    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    key = Ed25519PrivateKey.generate()
    signer = NoteSigner(name, key.private_bytes_raw())
    secret = secrets.token_hex(32)
    public = verifier_key(name, signer.public)
    files = {
        SECRET: f"# {name}: signs the entries, key {Secret(secret.encode()).kid}\n{secret}\n",
        SIGNING: key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(),
        PUBLIC: f"{public}\n",
    }
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        for file in files:
            if os.path.lexists(folder / file):
                raise UsageError(f"{folder / file} is there already: keep it, or name another folder")
        with ExitStack() as undone:
            for file, text in files.items():
                _write_new(folder / file, text.encode(), 0o644 if file == PUBLIC else 0o600, undone)
            undone.pop_all()
    except OSError as error:
        raise UsageError(
            f"{folder} takes no keys ({error.strerror}): name a folder that you can write"
        ) from error
    return public


def _write_new(path: Path, data: bytes, mode: int, undone: ExitStack) -> None:
    """`undone`: what becomes of the file if something fails later."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, mode)
    undone.callback(path.unlink)
    with open(descriptor, "wb") as file:
        os.fchmod(descriptor, mode)
        file.write(data)
        file.flush()
        os.fsync(descriptor)


def load_keys(folder: Path) -> tuple[Secret, NoteSigner]:
    """What a writer needs of such a folder. Raises UsageError."""
    ring = read_key_files([folder / SECRET])
    name, public = read_public_key(folder / PUBLIC)
    signer = NoteSigner(name or "", read_signing_key(folder / SIGNING))
    if signer.public != public:
        raise UsageError(
            f"{folder / PUBLIC} does not belong to {folder / SIGNING}: keep keys that were made together"
        )
    return ring.secrets[0], signer
