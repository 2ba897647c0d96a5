"""`llmwatch keys`: what it makes is what the writer and the verifier read, and it overwrites nothing."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path

import pytest

from llmwatch.audit.keys import read_key_files, read_public_key, read_signing_key
from llmwatch.audit.writing.key_folder import load_keys, make_keys
from llmwatch.audit.writing.writer import AuditWriter
from llmwatch.cli import keys
from llmwatch.errors import UsageError
from tests.audit import recipe
from tests.audit.soundness import checkpoints_of


def _run(*words: str) -> int:
    parser = argparse.ArgumentParser()
    keys.add_arguments(parser)
    return keys.run(parser.parse_args(words))


def test_it_makes_what_a_writer_and_a_verifier_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = tmp_path / "new" / "keys"
    assert _run(str(folder), "--name", "example.com/audit") == 0
    printed = capsys.readouterr()
    assert (folder / "audit.pub").read_text() == printed.out
    assert all(name in printed.err for name in ("audit.secret", "audit.key", "audit.pub"))
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()}
    assert modes == {"audit.secret": 0o600, "audit.key": 0o600, "audit.pub": 0o644}
    ring = read_key_files([folder / "audit.secret"])
    assert len(ring.secrets) == 1
    assert ring.remarks == ()
    secret, signer = load_keys(folder)
    assert secret.kid == ring.secrets[0].kid
    assert secret.kid in (folder / "audit.secret").read_text()
    assert (signer.name, signer.public) == read_public_key(folder / "audit.pub")
    assert signer.private == read_signing_key(folder / "audit.key")
    with AuditWriter(tmp_path / "log", secret, signer) as writer:
        writer.append(next(recipe.entries(1)))
    assert checkpoints_of(tmp_path / "log", signer)[-1].size == 1


def test_every_log_has_keys_of_its_own(tmp_path: Path) -> None:
    assert make_keys(tmp_path / "a", "example.com/audit") != make_keys(tmp_path / "b", "example.com/audit")
    assert load_keys(tmp_path / "a")[0].kid != load_keys(tmp_path / "b")[0].kid


@pytest.mark.parametrize("name", ["audit.secret", "audit.key", "audit.pub"])
def test_it_overwrites_nothing_and_makes_nothing_beside_it(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_text("mine")
    with pytest.raises(UsageError, match="there already"):
        make_keys(tmp_path, "example.com/audit")
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text() == "mine"


@pytest.mark.parametrize("name", ["", "two words", "a+b", "x\ny"])
def test_a_name_that_notes_cannot_have(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="cannot name a log"):
        make_keys(tmp_path, name)
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_none(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UsageError, match="takes no keys"):
        make_keys(tmp_path / "file", "example.com/audit")


def test_keys_that_were_not_made_together(tmp_path: Path) -> None:
    make_keys(tmp_path / "a", "example.com/audit")
    make_keys(tmp_path / "b", "example.com/audit")
    (tmp_path / "a" / "audit.pub").write_text((tmp_path / "b" / "audit.pub").read_text())
    with pytest.raises(UsageError, match="does not belong"):
        load_keys(tmp_path / "a")
