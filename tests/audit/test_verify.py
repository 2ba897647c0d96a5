"""A whole verification, put together."""

from __future__ import annotations

import gzip
from datetime import UTC, datetime
from pathlib import Path

import pytest

from llmwatch.audit.entry import Secret
from llmwatch.audit.findings import Coverage, Finding, verdict_of
from llmwatch.audit.folder import find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteSigner
from llmwatch.audit.verify import verify
from llmwatch.audit.writing import AuditWriter, entry
from llmwatch.errors import SourceError
from tests.audit import recipe

RING = KeyRing((Secret(recipe.SECRET.encode()),))

NOON = datetime(2026, 2, 27, 12, tzinfo=UTC)


def two_days(folder: Path) -> None:
    entries = list(recipe.entries(10))
    tip = recipe.write(folder / "audit_2026-02-27.jsonl", entries[:5])
    recipe.write(folder / "audit_2026-02-28.jsonl", entries[5:], previous=tip)


def test_a_day_that_is_archived_meanwhile_is_found_where_it_is_now(tmp_path: Path) -> None:
    two_days(tmp_path)
    logs = find_logs([tmp_path])
    day = tmp_path / "audit_2026-02-27.jsonl"
    (tmp_path / "archive").mkdir()
    (tmp_path / "archive" / f"{day.name}.gz").write_bytes(gzip.compress(day.read_bytes()))
    day.unlink()
    found = verify(logs, ring=RING)
    assert (found.verdict, found.coverage.lines) == ("ok", 10)


def test_a_file_that_was_named_and_is_gone_is_an_error(tmp_path: Path) -> None:
    two_days(tmp_path)
    day = tmp_path / "audit_2026-02-27.jsonl"
    logs = find_logs([day])
    day.unlink()
    with pytest.raises(SourceError, match="audit_2026-02-27"):
        verify(logs, ring=RING)


def test_the_verdict_on_several_logs_is_that_of_the_worst(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        two_days(tmp_path / name)
    logs = find_logs([tmp_path / "a", tmp_path / "b"])
    assert verify(logs, ring=RING).verdict == "ok"
    changed = tmp_path / "b" / "audit_2026-02-28.jsonl"
    changed.write_bytes(changed.read_bytes().replace(b"user-", b"user+", 1))
    found = verify(logs, ring=RING)
    assert found.verdict == "tampered"
    assert found.first_bad is not None
    assert found.first_bad.file == str(changed)
    assert len({file.name for file in found.coverage.files}) == 4


@pytest.mark.parametrize(
    ("names", "hmac_ok", "attested", "verdict"),
    [
        ((), 0, 0, "unverifiable"),
        ((), 1, 0, "ok"),
        ((), 0, 1, "ok"),
        (("restart",), 3, 0, "warn"),
        (("restart",), 0, 0, "unverifiable"),
        (("alt_canonical",), 3, 0, "ok"),
        (("wrong_key",), 0, 2, "unverifiable"),
        (("wrong_key",), 0, 3, "warn"),
        (("edited", "wrong_key"), 0, 0, "tampered"),
    ],
)
def test_nothing_is_ok_that_no_key_vouches_for(
    names: tuple[str, ...], hmac_ok: int, attested: int, verdict: str
) -> None:
    findings = [Finding(name, "audit.jsonl", 1) for name in names]
    assert verdict_of(findings, Coverage(3, hmac_ok, attested)) == verdict


def test_the_newest_day_cannot_take_the_name_of_another(tmp_path: Path) -> None:
    signer = NoteSigner("example.com/audit", bytes(32))
    with AuditWriter(tmp_path, recipe.SECRET, signer, clock=lambda: NOON) as log:
        log.append_many([entry(user_id="u", model="m") for _ in range(3)])
    assert verify(find_logs([tmp_path]), ring=RING, public=signer.verifier).verdict == "ok"
    (tmp_path / "audit_2026-02-27.jsonl").rename(tmp_path / "audit_2026-03-05.jsonl")
    for ring in (RING, KeyRing()):
        found = verify(find_logs([tmp_path]), ring=ring, public=signer.verifier)
        assert found.verdict == "tampered"
        assert found.counts["file_renamed"] == 1
