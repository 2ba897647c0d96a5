"""Packages that tests make, as people make them: with the command."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Iterable, Mapping
from hashlib import sha256
from pathlib import Path
from typing import Any

import duckdb
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from llmwatch.audit.notes import NoteSigner, NoteVerifier, verifier_key
from tests.audit import recipe
from tests.audit.sealed import SIGNER, SealedLog
from tests.cli.running import Ran, here

OTHER = NoteSigner("example.com/other", bytes(range(32, 64)))
DAYS = {"2026-02-26": 4, "2026-02-27": 6, "2026-02-28": 3}


def write_keys(folder: Path, signer: NoteSigner = SIGNER) -> tuple[Path, Path]:
    """The files of a signer's private and public key."""
    folder.mkdir(exist_ok=True)
    private, public = folder / "audit.key", folder / "audit.pub"
    pem = Ed25519PrivateKey.from_private_bytes(signer.private).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    with open(os.open(private, os.O_WRONLY | os.O_CREAT, 0o600), "wb") as file:
        file.write(pem)
    public.write_text(verifier_key(signer.name, signer.public) + "\n")
    return private, public


def sealed_log(folder: Path) -> Path:
    """A v2 log of three days, the last of them not over."""
    log = SealedLog(folder)
    for number, (day, count) in enumerate(DAYS.items(), 1):
        log.day(day, count, seal=number < len(DAYS))
    return folder


def entries_of(folder: Path) -> list[dict[str, Any]]:
    """The entries of a log, in the order of its days."""
    return [
        json.loads(line) for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()
    ]


def make(target: Path, *words: object, code: int = 0) -> Ran:
    """Make a package."""
    ran = here("export", *words, "-o", target)
    assert ran.code == code, ran.narration
    return ran


def records(package: Path) -> list[dict[str, Any]]:
    """Its records."""
    return [json.loads(line) for line in (package / "records.jsonl").read_bytes().splitlines()]


def table(package: Path) -> list[dict[str, str]]:
    """Its CSV."""
    with (package / "records.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def parquet(package: Path) -> list[dict[str, Any]]:
    """Its Parquet file."""
    with duckdb.connect() as connection:
        found = connection.execute(f"FROM '{package}/records.parquet'")
        names = [str(column[0]) for column in found.description or ()]
        return [dict(zip(names, row, strict=True)) for row in found.fetchall()]


def manifest(package: Path) -> dict[str, Any]:
    """What it says of itself."""
    document: dict[str, Any] = json.loads((package / "manifest.json").read_bytes())
    return document


def names(package: Path) -> set[str]:
    """Its files."""
    return {path.relative_to(package).as_posix() for path in package.rglob("*") if path.is_file()}


def list_again(package: Path) -> None:
    """The hashes, computed anew by whoever changed a file."""
    found = sorted(names(package) - {"SHA256SUMS", "SHA256SUMS.note"})
    lines = (f"{sha256((package / name).read_bytes()).hexdigest()}  {name}\n" for name in found)
    (package / "SHA256SUMS").write_text("".join(lines))


def write_log(path: Path, *entries: Mapping[str, Any]) -> Path:
    """Plain entries, not chained."""
    path.write_bytes(b"".join(json.dumps(entry).encode() + b"\n" for entry in entries))
    return path


def changed(number: int, **changes: object) -> dict[str, Any]:
    """An honest entry, changed."""
    return {**next(iter(recipe.entries(1, number))), "status": "success", "error_type": None, **changes}


def verifiers(*signers: NoteSigner) -> tuple[NoteVerifier, ...]:
    """What checks what they sign."""
    return tuple(signer.verifier for signer in signers)


def texts(values: Iterable[object]) -> list[str]:
    """As CSV has them."""
    return ["" if value is None else str(value) for value in values]
