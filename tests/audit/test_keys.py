"""Key files: what is a secret, what is a name, and what is refused."""

from __future__ import annotations

import base64
import hmac
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import read_key_files, read_public_key, read_signing_key
from llmwatch.audit.notes import verifier_key
from llmwatch.errors import UsageError


def key_file(folder: Path, data: bytes, mode: int = 0o600) -> Path:
    path = folder / "secret.txt"
    path.write_bytes(data)
    path.chmod(mode)
    return path


def can_sign(path: Path, secret: bytes) -> bool:
    expected = hmac.new(secret, b"line", "sha256").hexdigest()
    return expected in {one.sign(b"line") for one in read_key_files([path]).secrets}


@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 200])
def test_a_secret_signs_as_hmac_does(length: int) -> None:
    secret = os.urandom(length)
    for data in (b"", b"x", os.urandom(1000)):
        assert Secret(secret).sign(data) == hmac.new(secret, data, "sha256").hexdigest()


@pytest.mark.parametrize(
    ("line", "secret"),
    [
        (b"plain\n", b"plain"),
        (b"no newline", b"no newline"),
        (b"  spaces are kept  \n", b"  spaces are kept  "),
        (b"kid-1=secret\n", b"secret"),
        (b"kid=a=b\n", b"a=b"),
        (b"pass=word\n", b"pass=word"),
        (b"c2VjcmV0IQ==\n", b"c2VjcmV0IQ=="),
        (b"=starts with it\n", b"=starts with it"),
        (b"# a comment\n\n  # another\nafter\n", b"after"),
        ("Schlüssel\n".encode(), "Schlüssel".encode()),
        (b"\xef\xbb\xbfmarked\n", b"marked"),
        (b"windows\r\n", b"windows"),
    ],
)
def test_a_secret_is_its_line(tmp_path: Path, line: bytes, secret: bytes) -> None:
    assert can_sign(key_file(tmp_path, line), secret)


@pytest.mark.parametrize("line", [b"c2VjcmV0IQ==\n", b"c2VjcmV0IQ=\n", b"kid= = \n"])
def test_padding_is_never_a_secret_of_its_own(tmp_path: Path, line: bytes) -> None:
    path = key_file(tmp_path, line)
    assert not any(can_sign(path, guess) for guess in (b"", b"=", b" = ", b"= "))


def test_keys_are_found_by_their_name_and_by_what_a_line_calls_them(tmp_path: Path) -> None:
    ring = read_key_files([key_file(tmp_path, b"old=one\nnew=two\n")])
    assert ring.named("new") is ring.named(Secret(b"two").kid)
    assert ring.named("nobody") is None


@pytest.mark.parametrize(
    "data", [b"", b"\n\n", b"# only a comment\n", b"\xff\xfe\n", b"a\0b\n", b"x" * (1 << 21)]
)
def test_what_is_no_key_file_is_refused(tmp_path: Path, data: bytes) -> None:
    path = key_file(tmp_path, data)
    with pytest.raises(UsageError, match=r"secret\.txt"):
        read_key_files([path])


def test_a_key_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = verifier_key("example.com/audit", key.public_key().public_bytes_raw())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    for data in (f"# ours\n{public}\n".encode(), pem):
        with pytest.raises(UsageError, match="not an HMAC secret"):
            read_key_files([key_file(tmp_path, data, 0o644)])


def test_a_missing_key_file_and_a_folder_are_refused(tmp_path: Path) -> None:
    for path in (tmp_path / "nothing.txt", tmp_path):
        with pytest.raises(UsageError, match="--key-file"):
            read_key_files([path])


@pytest.mark.parametrize(("mode", "remarks"), [(0o600, 0), (0o400, 0), (0o640, 1), (0o604, 1), (0o666, 1)])
def test_a_key_that_others_can_read_is_remarked_on(tmp_path: Path, mode: int, remarks: int) -> None:
    assert len(read_key_files([key_file(tmp_path, b"secret\n", mode)]).remarks) == remarks


def test_public_keys_are_read_in_both_forms(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    public = key.public_key().public_bytes_raw()
    note, pem = tmp_path / "audit.pub", tmp_path / "audit.pem"
    note.write_text(f"# of the audit log\n{verifier_key('example.com/audit', public)}\n")
    pem.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    assert read_public_key(note) == ("example.com/audit", public)
    assert read_public_key(pem) == (None, public)


def test_other_files_are_no_public_keys(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    rsa_key = rsa.generate_private_key(65537, 2048).public_key()
    name, number, encoded = verifier_key("a", key.public_key().public_bytes_raw()).split("+", 2)
    wrong = [
        private,
        rsa_key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo),
        b"",
        b"\xff\xfe",
        b"-----BEGIN PUBLIC KEY-----\nnot base64\n-----END PUBLIC KEY-----\n",
        f"other+{number}+{encoded}".encode(),
        f"{name}+{number}+{base64.b64encode(bytes(33)).decode()}".encode(),
        b"a+b",
    ]
    for data in wrong:
        path = tmp_path / "wrong.pub"
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"wrong\.pub"):
            read_public_key(path)


def test_a_signing_key_is_read_from_pem_and_nothing_else(tmp_path: Path) -> None:
    key = ed25519.Ed25519PrivateKey.generate()
    path = tmp_path / "audit.key"
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    assert read_signing_key(path) == key.private_bytes_raw()
    for data in (b"", b"\0", key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)):
        path.write_bytes(data)
        with pytest.raises(UsageError, match=r"audit\.key"):
            read_signing_key(path)
