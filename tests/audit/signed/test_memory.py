"""What a verifier remembers: logs that went back, logs with two histories, and memories that are damaged."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.folder import find_logs
from llmwatch.audit.notes import NoteSigner, NoteVerifier
from llmwatch.audit.signed.attestation import attest
from llmwatch.audit.signed.memory import FIRST_TIME, Comparison, Memory, compare, state_folder
from llmwatch.errors import SourceError
from tests.audit.sealed import SIGNER, SealedLog

_KEY = SIGNER.verifier


@pytest.fixture
def memory(tmp_path: Path) -> Memory:
    return Memory(tmp_path / "state")


def _log(folder: Path, *counts: int, origin: str = SIGNER.name) -> SealedLog:
    """Days of so many lines, the last one open."""
    log = SealedLog(folder, NoteSigner(origin, SIGNER.private))
    for number, count in enumerate(counts, 1):
        log.day(f"2026-03-{number:02}", count, seal=number < len(counts))
    return log


def _look(memory: Memory, log: SealedLog, key: NoteVerifier = _KEY) -> Comparison:
    """As a verification does that remembers."""
    (found,) = find_logs([log.folder])
    remembered = memory.recall(key)
    attested = attest(found, key, sizes=[one.size for one in remembered])
    comparison = compare(remembered, attested)
    if comparison.consistent and all(finding.severity != "error" for finding in attested.findings):
        memory.keep(key, attested)
    return comparison


def _names(comparison: Comparison) -> list[str]:
    return [finding.name for finding in comparison.findings]


def test_the_first_time_is_said_and_the_second_is_quiet(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5, 3)
    assert _look(memory, log) == Comparison(sentences=(FIRST_TIME,))
    assert _look(memory, log) == Comparison()
    log.day("2026-03-04", 4, seal=False)
    assert _look(memory, log) == Comparison()
    assert [one.size for one in memory.recall(_KEY)] == [12]


@pytest.mark.parametrize("grown", [(5, 3), (5, 9), (5, 9, 4), (6, 6, 6)])
def test_a_log_that_grew_is_the_one_that_was_seen(
    tmp_path: Path, memory: Memory, grown: tuple[int, ...]
) -> None:
    for length in range(1, len(grown) + 1):
        shutil.rmtree(tmp_path / "log", ignore_errors=True)
        _look(memory, _log(tmp_path / "log", *grown[:length]))
    log = _log(tmp_path / "log", *grown, 7)
    assert _look(memory, log) == Comparison()


def test_a_log_put_back_to_an_older_state_is_found(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5, 3)
    shutil.copytree(log.folder, tmp_path / "copy")
    log.day("2026-03-03", 4, seal=False)
    _look(memory, log)
    shutil.rmtree(log.folder)
    shutil.copytree(tmp_path / "copy", log.folder)
    (found,) = find_logs([log.folder])
    assert attest(found, _KEY).findings == ()
    for _ in range(2):  # and what is remembered is not lost by it
        comparison = _look(memory, log)
        assert _names(comparison) == ["rollback"]
        assert not comparison.consistent
    assert (comparison.findings[0].expected, comparison.findings[0].actual) == ("12", "8")


def test_checkpoints_that_went_back_alone_are_found(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5, 8)
    _look(memory, log)
    path = log.folder / CHECKPOINTS
    path.write_bytes(path.read_bytes()[: path.read_bytes().index(b"example.com/audit\n13\n")])
    assert _names(_look(memory, log)) == ["rollback"]


def test_a_log_of_which_nothing_signed_is_left_is_found(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5)
    _look(memory, log)
    for path in log.folder.iterdir():
        path.unlink()
    (log.folder / "audit_2026-03-01.jsonl").write_bytes(b"{}\n")
    for key in (_KEY, NoteVerifier(SIGNER.public)):
        assert _names(_look(memory, log, key)) == ["rollback"]


@pytest.mark.parametrize("lines", [(5, 3), (5, 9), (2, 12)])
def test_another_history_is_a_fork_or_a_rollback(
    tmp_path: Path, memory: Memory, lines: tuple[int, ...]
) -> None:
    _look(memory, _log(tmp_path / "log", 5, 3))
    other = SealedLog(tmp_path / "other")
    for number, count in enumerate(lines, 1):
        other.day(f"2026-04-{number:02}", count, seal=number < len(lines))
    (found,) = find_logs([other.folder])
    assert attest(found, _KEY).findings == ()
    assert _names(_look(memory, other)) == ["fork"]
    assert _names(_look(memory, other)) == ["fork"]


def test_logs_of_one_key_are_kept_apart(tmp_path: Path, memory: Memory) -> None:
    key = NoteVerifier(SIGNER.public)
    logs = [_log(tmp_path / name, 4 + number, origin=name) for number, name in enumerate("abc")]
    assert all(_look(memory, log, key).sentences == (FIRST_TIME,) for log in logs)
    assert all(_look(memory, log, key) == Comparison() for log in logs)
    assert {one.origin: one.size for one in memory.recall(key)} == {"a": 4, "b": 5, "c": 6}
    assert [one.origin for one in memory.recall(NoteVerifier(SIGNER.public, "b"))] == ["b"]


def test_a_checkpoint_inside_a_day_that_policy_deleted_is_known_from_the_others(
    tmp_path: Path, memory: Memory
) -> None:
    log = _log(tmp_path / "log", 5, 3)
    _look(memory, log)
    shutil.rmtree(log.folder)
    log = _log(tmp_path / "log", 5, 7, 2)
    log.bury("audit_2026-03-02.jsonl")
    (log.folder / "audit_2026-03-02.jsonl").unlink()
    path = log.folder / CHECKPOINTS
    whole = path.read_bytes()
    path.write_bytes(whole.replace(_note(whole, 9), memory_note := _seen(tmp_path)))
    assert memory_note in path.read_bytes()
    assert _look(memory, log).consistent


def test_what_cannot_be_compared_is_said_and_not_forgotten(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5, 3)
    _look(memory, log)
    shutil.rmtree(log.folder)
    log = _log(tmp_path / "log", 5, 7, 2)
    log.bury("audit_2026-03-02.jsonl")
    (log.folder / "audit_2026-03-02.jsonl").unlink()
    comparison = _look(memory, log)
    assert (comparison.findings, comparison.consistent) == ((), False)
    assert "cannot be compared" in comparison.sentences[0]
    assert [one.size for one in memory.recall(_KEY)] == [8]


def _seen(folder: Path) -> bytes:
    (path,) = (folder / "state").iterdir()
    return path.read_bytes()


def _note(data: bytes, size: int) -> bytes:
    """The signed checkpoint of so many lines."""
    at = data.index(b"example.com/audit\n%d\n" % size)
    end = data.find(b"example.com/audit\n", data.index(b"\xe2", at) + 25)
    return data[at:] if end < 0 else data[at:end]


def test_a_damaged_memory_is_not_passed_over(tmp_path: Path, memory: Memory) -> None:
    log = _log(tmp_path / "log", 5)
    _look(memory, log)
    (path,) = (tmp_path / "state").iterdir()
    assert path.stat().st_mode & 0o777 == 0o600
    whole = path.read_bytes()
    for data in (b"", whole[:-5], whole + whole, whole.replace(b"\n5\n", b"\n4\n"), b"\0" * 70_000):
        path.write_bytes(data)
        with pytest.raises(SourceError, match=r"damaged.*delete it"):
            memory.recall(_KEY)
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError, match="cannot be read"):
        memory.recall(_KEY)


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_bytes(b"")
    with pytest.raises(SourceError, match="LLMWATCH_STATE"):
        _look(Memory(tmp_path / "state" / "deeper"), _log(tmp_path / "log", 5))


def test_the_folder_can_be_chosen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LLMWATCH_STATE", str(tmp_path / "chosen"))
    assert state_folder() == tmp_path / "chosen"
    _look(Memory(), _log(tmp_path / "log", 5))
    assert len(list((tmp_path / "chosen").iterdir())) == 1
