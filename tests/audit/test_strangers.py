"""Files beside a log that hold entries of their own."""

from __future__ import annotations

import gzip
from pathlib import Path

from llmwatch.audit.entry import Secret
from llmwatch.audit.folder import find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.verify import verify
from tests.audit import recipe

RING = KeyRing((Secret(recipe.SECRET.encode()),))


def test_entries_that_are_in_no_file_of_the_log_are_warned_of(tmp_path: Path) -> None:
    recipe.write(tmp_path / "audit_2026-02-27.jsonl", recipe.entries(3))
    (tmp_path / "router.jsonl").write_text('{"message": "Request started", "logger": "bedrock-router"}\n')
    assert verify(find_logs([tmp_path]), ring=RING).verdict == "ok"
    recipe.write(tmp_path / "x.log", recipe.entries(5, seed=1))
    (tmp_path / "y.jsonl.1.gz").write_bytes(gzip.compress((tmp_path / "x.log").read_bytes()))
    found = verify(find_logs([tmp_path]), ring=RING)
    assert (found.verdict, found.counts, found.coverage.lines) == ("warn", {"file_foreign": 2}, 3)
    assert [one.file for one in found.findings] == ["x.log", "y.jsonl.1.gz"]
