"""Days archived and deleted by age: nothing lost at any moment, and nothing that looks like an attack."""

from __future__ import annotations

import fcntl
import gzip
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from llmwatch.audit.archive import opened
from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.digests import read_tombstone
from llmwatch.audit.folder import digest_path, find_logs, log_file, tombstone_path
from llmwatch.audit.keeping import retention
from llmwatch.audit.keeping.retention import Done, Policy, carry_out, foreseen, plan, remarks, signer_of
from llmwatch.audit.notes import Note, NoteSigner, split_notes
from llmwatch.audit.signed.attestation import attest
from llmwatch.audit.writing import AuditWriter
from llmwatch.errors import SourceError, UsageError
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER, SealedLog

NOW = datetime(2026, 6, 15, 12, tzinfo=UTC)
POLICY = Policy(timedelta(days=30), timedelta(days=90))
_STRANGER = NoteSigner(SIGNER.name, bytes(range(1, 33)))


def _name(days_ago: int) -> str:
    return f"audit_{_day(days_ago)}.jsonl"


def _day(days_ago: int) -> str:
    return str((NOW - timedelta(days=days_ago)).date())


@pytest.fixture
def log(tmp_path: Path) -> SealedLog:
    """Days that are to be deleted, archived, kept; the newest is today."""
    made = SealedLog(tmp_path / "log")
    for age in (120, 100, 60, 40, 10):
        made.day(_day(age), 6)
    made.day(_day(0), 5, seal=False)
    return made


@pytest.fixture
def plain(tmp_path: Path) -> Path:
    """The same days as the recipe writes them."""
    chain = None
    for age in (120, 100, 60, 40, 10, 0):
        chain = recipe.write(tmp_path / _name(age), recipe.entries(4, age), previous=chain)
    return tmp_path


def _run(
    folder: Path, policy: Policy = POLICY, signer: NoteSigner | None = SIGNER, now: datetime = NOW
) -> dict[str, Done]:
    return {done.name: done for done in carry_out(folder, plan(folder, policy, now), signer, now)}


def _outcomes(folder: Path, policy: Policy = POLICY, signer: NoteSigner | None = SIGNER) -> dict[str, str]:
    return {name: done.outcome for name, done in _run(folder, policy, signer).items()}


def _found(folder: Path) -> list[tuple[str, str, str]]:
    (log,) = find_logs([folder])
    return [(one.severity, one.name, one.file) for one in attest(log, SIGNER.verifier).findings]


def _names(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*.jsonl*")}


def test_days_are_archived_and_deleted_by_their_age(log: SealedLog) -> None:
    before = {path.name: path.read_bytes() for path in log.folder.glob("*.jsonl")}
    assert _outcomes(log.folder) == {
        _name(120): "deleted",
        _name(100): "deleted",
        _name(60): "archived",
        _name(40): "archived",
        _name(10): "kept",
        _name(0): "kept",
    }
    archived = {f"archive/{_name(age)}.gz" for age in (60, 40)}
    assert _names(log.folder) == {_name(10), _name(0), *archived}
    for age in (60, 40):
        with opened(log_file(log.folder / "archive" / f"{_name(age)}.gz")) as content:
            assert bytes(content.data) == before[_name(age)]


def test_what_policy_deleted_does_not_look_like_what_an_attacker_did(log: SealedLog) -> None:
    _run(log.folder)
    assert _found(log.folder) == [("info", "file_expired", _name(120)), ("info", "file_expired", _name(100))]
    (log.folder / "archive" / f"{_name(60)}.gz").unlink()
    assert ("error", "file_missing", _name(60)) in _found(log.folder)


def test_archived_days_age_out_too(log: SealedLog) -> None:
    _run(log.folder)
    later = {done.name: done.outcome for done in _run(log.folder, now=NOW + timedelta(days=60)).values()}
    assert later[_name(60)] == later[_name(40)] == "deleted"
    assert later[_name(10)] == "archived"
    assert {name for _, name, _ in _found(log.folder)} == {"file_expired"}


def test_a_second_run_finds_nothing_to_do(log: SealedLog) -> None:
    _run(log.folder)
    before = sorted(path.read_bytes() for path in log.folder.rglob("*") if path.is_file())
    assert set(_outcomes(log.folder).values()) == {"kept"}
    assert sorted(path.read_bytes() for path in log.folder.rglob("*") if path.is_file()) == before


@pytest.mark.parametrize(("hours", "action"), [(31, "keep"), (30, "archive"), (12, "archive")])
def test_a_day_is_as_old_as_its_last_moment(plain: Path, hours: int, action: str) -> None:
    moment = datetime.fromisoformat(_day(10)).replace(tzinfo=UTC) + timedelta(days=1, hours=30)
    steps = {step.name: step.action for step in plan(plain, Policy(timedelta(hours=hours)), moment)}
    assert steps[_name(10)] == action


def test_the_newest_day_stays_however_old_and_days_to_come_do_too(plain: Path) -> None:
    recipe.write(plain / _name(-3), recipe.entries(2))
    steps = {step.name: step.action for step in plan(plain, Policy(None, timedelta(0)), NOW)}
    assert {name for name, action in steps.items() if action == "keep"} == {_name(0), _name(-3)}
    much_later = NOW + timedelta(days=5000)
    steps = {step.name: step.action for step in plan(plain, Policy(None, timedelta(0)), much_later)}
    assert {name for name, action in steps.items() if action == "keep"} == {_name(-3)}


def test_names_that_are_no_days_are_left_alone_and_listed(plain: Path) -> None:
    strange = [
        "audit_old.jsonl",
        "audit_2026-13-45.jsonl",
        "audit_2026-11-15.jsonl.bak",
        "audit_2026-13-45.digest",
        "notes.jsonl",
        "notes.txt",
        "archive/audit_x.jsonl.gz",
        "archive/notes.txt",
    ]
    (plain / "archive").mkdir()
    for name in strange:
        (plain / name).write_bytes(b"x")
    outcomes = _outcomes(plain, signer=None)
    assert {name: outcomes[name] for name in strange} == dict.fromkeys(strange, "kept")
    assert all((plain / name).read_bytes() == b"x" for name in strange)


def test_what_a_log_has_beside_its_days_is_not_listed(tmp_path: Path) -> None:
    with AuditWriter(tmp_path, SECRET, SIGNER, clock=lambda: NOW - timedelta(days=50)) as writer:
        writer.append_many(recipe.entries(3))
    with (tmp_path / _name(50)).open("ab") as file:
        file.write(b'{"id": "half an ent')
    with AuditWriter(tmp_path, SECRET, SIGNER, clock=lambda: NOW) as writer:
        writer.append_many(recipe.entries(3, 1))
    for name in (f"audit_{_day(60)}.gone", f"archive/{_name(40)}.tmp.gz"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    assert any(tmp_path.glob("audit_torn_*.bin"))
    assert [step.name for step in plan(tmp_path, POLICY, NOW)] == [_name(50), _name(0)]


def test_a_remark_about_many_days_counts_those_that_it_does_not_name(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log")
    for age in (130, 129, 128, 127, 126, 0):
        log.day(_day(age), 2, seal=age > 0)
    steps = plan(log.folder, POLICY, NOW)
    (remark,) = remarks(steps, None)
    assert remark.startswith(f"{_name(130)}, {_name(129)}, {_name(128)} and 2 more: not deleted")
    expected = {name: done.outcome for name, done in _run(log.folder, signer=None).items()}
    assert {step.name: foreseen(step, None)[0] for step in steps if step.action == "delete"} == {
        name: outcome for name, outcome in expected.items() if outcome == "refused"
    }
    assert all(foreseen(step, SIGNER)[0] == step.action for step in steps)


def test_plain_days_go_as_the_recipe_lets_them_go_and_it_is_said(plain: Path) -> None:
    steps = plan(plain, POLICY, NOW)
    (remark,) = remarks(steps, None)
    assert "2 days leave no trace" in remark
    assert _outcomes(plain, signer=None)[_name(120)] == "deleted"
    assert not list(plain.glob("*.gone"))


def test_a_tombstone_of_a_plain_day_says_that_nobody_vouches_for_it(plain: Path) -> None:
    data = (plain / _name(100)).read_bytes()
    signer = signer_of(plain, SIGNER.private, "example.com/plain")
    assert list(remarks(plan(plain, POLICY, NOW), signer)) == []
    _run(plain, signer=signer)
    (note,) = split_notes(tombstone_path(plain, _name(100)).read_bytes())
    assert isinstance(note, Note)
    stone = read_tombstone(note)
    assert signer.verifier.signed(note)
    assert stone is not None
    assert (stone.origin, stone.digest, stone.last_chain) == (
        "example.com/plain",
        None,
        recipe.chain_of(data.splitlines()[-1]),
    )
    assert "unattested" in stone.reason
    (found,) = find_logs([plain])
    assert [one.name for one in attest(found, signer.verifier).findings] == ["file_expired"] * 2


def test_nothing_that_is_signed_is_deleted_without_a_signature(log: SealedLog) -> None:
    steps = plan(log.folder, POLICY, NOW)
    (remark,) = remarks(steps, None)
    assert "--sign-key" in remark
    outcomes = _outcomes(log.folder, signer=None)
    assert (outcomes[_name(120)], outcomes[_name(60)]) == ("refused", "archived")
    assert _found(log.folder) == []


def test_another_key_deletes_nothing(log: SealedLog) -> None:
    assert _outcomes(log.folder, signer=_STRANGER)[_name(120)] == "refused"
    with pytest.raises(UsageError, match="signed nothing"):
        signer_of(log.folder, _STRANGER.private, None)


def test_tombstones_are_signed_under_the_logs_own_name(log: SealedLog, plain: Path) -> None:
    assert signer_of(log.folder, SIGNER.private, None).name == SIGNER.name
    with pytest.raises(UsageError, match="another log"):
        signer_of(log.folder, SIGNER.private, "example.com/other")
    with pytest.raises(UsageError, match="--origin"):
        signer_of(plain, SIGNER.private, None)


@pytest.mark.parametrize("age", [120, 60])
def test_a_day_that_is_not_as_its_digest_says_is_evidence(log: SealedLog, age: int) -> None:
    path = log.folder / _name(age)
    path.write_bytes(path.read_bytes().replace(b"chat_completion", b"chat_Completion"))
    before = path.read_bytes()
    done = _run(log.folder)[_name(age)]
    assert done.outcome == "refused"
    assert "not as its digest says" in done.reason
    assert path.read_bytes() == before
    assert not tombstone_path(log.folder, _name(age)).exists()


def test_an_archive_that_is_not_the_plain_file_is_not_taken_for_it(log: SealedLog) -> None:
    archived = log.folder / "archive" / f"{_name(60)}.gz"
    archived.parent.mkdir()
    for data in (b"", gzip.compress(b"other\n"), gzip.compress((log.folder / _name(60)).read_bytes()) + b"x"):
        archived.write_bytes(data)
        assert _outcomes(log.folder)[_name(60)] == "refused"
        assert (log.folder / _name(60)).exists()
        assert archived.read_bytes() == data


def test_a_day_after_which_no_digest_says_how_the_log_goes_on_stays(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log")
    log.plain_day(_day(200), 4)
    log.day(_day(150), 4, seal=False)
    log.day(_day(0), 4, seal=False)
    assert set(_outcomes(log.folder).values()) <= {"kept", "archived"}
    assert _outcomes(log.folder, Policy(None, timedelta(days=90)))[_name(200)] == "kept"


def test_adopted_plain_days_before_a_digest_can_go(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log")
    log.plain_day(_day(200), 4)
    log.day(_day(100), 4)
    log.day(_day(0), 4, seal=False)
    assert _outcomes(log.folder)[_name(200)] == "deleted"
    assert {severity for severity, _, _ in _found(log.folder)} == {"info"}
    tombstone_path(log.folder, _name(200)).unlink()
    assert ("error", "file_missing", _name(100)) in _found(log.folder)


def test_a_link_is_not_followed(plain: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    others = tmp_path_factory.mktemp("other")
    for age in (130, 70):
        (others / str(age)).write_bytes(b"secret\n")
        (plain / _name(age)).symlink_to(others / str(age))
    outcomes = _outcomes(plain, signer=None)
    assert outcomes[_name(130)] == outcomes[_name(70)] == "refused"
    assert [path.read_bytes() for path in others.iterdir()] == [b"secret\n"] * 2


def test_the_archive_is_as_private_as_the_file(plain: Path) -> None:
    (plain / _name(60)).chmod(0o640)
    _run(plain, signer=None)
    assert (plain / "archive" / f"{_name(60)}.gz").stat().st_mode & 0o777 == 0o640


def test_a_file_that_changes_meanwhile_is_left_alone(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmwatch.audit.keeping.packing import pack

    def slow(*given: object) -> object:
        made = pack(*given)  # type: ignore[arg-type]
        with (plain / _name(60)).open("ab") as late:
            late.write(b"late\n")
        return made

    monkeypatch.setattr(retention, "pack", slow)
    done = _run(plain, Policy(timedelta(days=50)), None)
    assert done[_name(60)].outcome == "refused"
    assert (plain / _name(60)).read_bytes().endswith(b"late\n")


def test_the_writers_lock_is_respected(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "_LOCK_SECONDS", 0.1)
    lock = plain / "audit.lock"
    lock.touch()
    with lock.open() as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        done = _run(plain, signer=None)
        assert done[_name(120)].outcome == done[_name(60)].outcome == "failed"
        assert "audit.lock" in done[_name(60)].reason
        assert _name(120) in _names(plain)
    assert _outcomes(plain, signer=None)[_name(120)] == "deleted"


def test_two_retentions_do_not_meet(plain: Path) -> None:
    first = carry_out(plain, plan(plain, POLICY, NOW), None, NOW)
    next(first)
    with pytest.raises(SourceError, match="another retention"):
        _run(plain, signer=None)
    list(first)


def _kill(monkeypatch: pytest.MonkeyPatch, at: int) -> None:
    """Fail every way to the disk from the `at`-th call on, as a process does that is killed there."""
    count = 0

    def watched(function: Callable[..., object]) -> Callable[..., object]:
        def call(*given: object, **named: object) -> object:
            nonlocal count
            count += 1
            if count > at:
                raise _KilledError
            return function(*given, **named)

        return call

    for name in ("open", "fsync", "fdatasync", "rename", "replace", "unlink", "mkdir", "fchmod", "utime"):
        monkeypatch.setattr(os, name, watched(getattr(os, name)))


class _KilledError(BaseException):
    """The process is gone; whatever it would do after this fails too."""


def test_a_kill_at_any_step_loses_nothing_and_the_next_run_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected: dict[str, bytes] = {}
    for at in range(1, 200):
        log = SealedLog(tmp_path / f"log-{at}")
        for age in (120, 60, 0):
            log.day(_day(age), 3, seal=age > 0)
        expected = {path.name: path.read_bytes() for path in log.folder.glob("*.jsonl")}
        steps = plan(log.folder, POLICY, NOW)
        with monkeypatch.context() as patched:
            _kill(patched, at)
            try:
                ended = len(list(carry_out(log.folder, steps, SIGNER, NOW))) == 3
            except _KilledError:
                ended = False
        assert {severity for severity, _, _ in _found(log.folder)} <= {"info"}, at
        assert _kept(log.folder, expected), at
        _run(log.folder)
        assert _names(log.folder) == {_name(0), f"archive/{_name(60)}.gz"}, at
        assert _kept(log.folder, expected), at
        assert _found(log.folder) == [("info", "file_expired", _name(120))], at
        if ended:
            break
    assert 10 < at < 199


def _kept(folder: Path, expected: dict[str, bytes]) -> bool:
    """Every day is there as it was, unless its tombstone is."""
    there: dict[str, bytes] = {}
    for file in find_logs([folder])[0].files:
        with opened(file) as content:
            there[file.name] = bytes(content.data)
    return all(
        there.get(name, data) == data and (name in there or tombstone_path(folder, name).exists())
        for name, data in expected.items()
    )


def test_a_full_disk_is_said_and_loses_nothing(plain: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device", "here")

    monkeypatch.setattr("llmwatch.audit.keeping.packing.sync", full)
    done = _run(plain, signer=None)
    assert done[_name(60)].outcome == "failed"
    assert "No space left" in done[_name(60)].reason
    assert done[_name(120)].outcome == "deleted"
    assert _name(60) in _names(plain)


def test_digests_and_checkpoints_stay(log: SealedLog) -> None:
    before = {
        path.name: path.read_bytes() for path in [*log.folder.glob("*.digest"), log.folder / CHECKPOINTS]
    }
    _run(log.folder)
    assert {name: (log.folder / name).read_bytes() for name in before} == before
    assert digest_path(log.folder, _name(120)).exists()
