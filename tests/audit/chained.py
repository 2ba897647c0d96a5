"""Small logs of every format, made by hand, changed in every way, and checked."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any

from llmwatch.audit.chain.checker import ChainChecker
from llmwatch.audit.entry import Secret
from llmwatch.audit.findings import (
    Coverage,
    FileCoverage,
    Finding,
    Verdict,
    count_classes,
    verdict_of,
)
from llmwatch.audit.folder import LogFile, day_of
from llmwatch.audit.keys import KeyRing
from tests.audit import recipe

SECRET = Secret(recipe.SECRET.encode())
RING = KeyRing((SECRET,))
NO_KEYS = KeyRing()
FORMATS = ("fresh", "carry", "v2")

Files = dict[str, list[bytes]]
"""Name → lines, each with its newline."""


def day_name(number: int) -> str:
    """Of the file of a day, from 0."""
    return f"audit_2026-03-{number + 1:02d}.jsonl"


def day_entries(day: str, count: int, seed: int) -> list[recipe.Entry]:
    """Entries of that day."""
    began = datetime.combine(day_of(day) or date(2026, 3, 1), time(9), UTC)
    return list(recipe.entries(count, seed, began))


def log(kind: str, *counts: int, secret: str = recipe.SECRET) -> Files:
    """An honest log: so many lines each day."""
    files: Files = {}
    previous: str | None = None
    link: dict[str, Any] | None = None
    number = 0
    for index, count in enumerate(counts):
        name = day_name(index)
        entries = day_entries(name, count, index)
        if kind == "v2":
            kid = Secret(secret.encode()).kid
            numbered = recipe.v2(entries, number, kid, {"prev": link})
            files[name] = recipe.lines(numbered, secret)
            number += count
            link = {"file": name, "seq": number - 1, "chain": recipe.chain_of(files[name][-1])}
        else:
            files[name] = recipe.lines(entries, secret, previous if kind == "carry" else None)
            previous = recipe.chain_of(files[name][-1])
    return files


@dataclass(frozen=True)
class Checked:
    """What came out."""

    verdict: Verdict
    findings: tuple[Finding, ...]
    files: Mapping[str, FileCoverage]
    lines: int
    hmac_ok: int

    @property
    def counts(self) -> dict[str, int]:
        """By class."""
        return count_classes(self.findings)

    @property
    def first_bad(self) -> tuple[str, int | None, str] | None:
        """(file, line, class) of the first error."""
        return next(
            ((one.file, one.line, one.name) for one in self.findings if one.severity == "error"), None
        )

    @property
    def places(self) -> dict[str, list[int]]:
        """Class → lines."""
        places: dict[str, list[int]] = {}
        for one in self.findings:
            if one.line is not None:
                places.setdefault(one.name, []).extend(range(one.line, (one.line_to or one.line) + 1))
        return places


def check(
    files: Mapping[str, Sequence[bytes]],
    folder: Path | None = None,
    ring: KeyRing = RING,
    *,
    whole: bool = True,
) -> Checked:
    """Check the files in the order of their names. With a folder, they can be read again later."""
    checker = ChainChecker(ring, whole=whole)
    for name in sorted(files):
        data = b"".join(files[name])
        path = (folder or Path("nowhere")) / name
        if folder is not None:
            path.write_bytes(data)
        checker.check(LogFile(path, name, day_of(name)), data)
    checker.finish()
    coverage = Coverage(checker.lines, checker.hmac_ok, files=checker.files)
    covered = {file.name: file for file in checker.files}
    verdict = verdict_of(checker.findings, coverage)
    return Checked(verdict, checker.findings, covered, checker.lines, checker.hmac_ok)


def edited(line: bytes, key: str = "user_id", value: object = "mallory") -> bytes:
    """The line with another value, and the hashes it had."""
    return json.dumps({**json.loads(line), key: value}).encode() + b"\n"


def rechained(line: bytes, previous: str | None, key: str = "user_id", value: object = "mallory") -> bytes:
    """The same with a chain hash that fits, as one can make who has no key."""
    entry = json.loads(line)
    signature = entry.pop("signature")
    del entry["chain_hash"]
    chain = recipe.sign({**entry, key: value}, "", previous)["chain_hash"]
    return json.dumps({**entry, key: value, "chain_hash": chain, "signature": signature}).encode() + b"\n"
