"""What a public key alone finds: sealed days, open days, what is missing, and whose fault it is not."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from llmwatch.audit.checkpoints import CHECKPOINTS, sign_checkpoint
from llmwatch.audit.digests import Tombstone, sign_tombstone
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import digest_path, find_logs, tombstone_path
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.merkle import Tree
from llmwatch.audit.notes import NoteSigner, NoteVerifier
from llmwatch.audit.signed.attestation import Attested, attest
from llmwatch.audit.verify import verify
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER, SealedLog

PLAIN, FIRST, SECOND, THIRD, OPEN = (
    f"audit_{day}.jsonl" for day in ("2026-02-20", "2026-02-26", "2026-02-27", "2026-02-28", "2026-03-01")
)
"""5 plain lines that were adopted; then 10, 7 and 9 in sealed days, and 11 in the open one: 42."""

_STRANGER = NoteSigner("example.com/audit", bytes(range(1, 33)))


@pytest.fixture
def log(tmp_path: Path) -> SealedLog:
    made = SealedLog(tmp_path / "log")
    made.plain_day("2026-02-20", 5)
    for day, count in (("2026-02-26", 10), ("2026-02-27", 7), ("2026-02-28", 9)):
        made.day(day, count)
    made.day("2026-03-01", 11, seal=False)
    return made


def _attest(log: SealedLog, *names: str, key: NoteVerifier | None = SIGNER.verifier) -> Attested:
    (found,) = find_logs([log.folder / name for name in names] or [log.folder])
    return attest(found, key)


def _classes(attested: Attested) -> list[tuple[str, str]]:
    return [(finding.name, finding.file) for finding in attested.findings]


def _only(attested: Attested) -> Finding:
    (finding,) = attested.findings
    return finding


def _counts(attested: Attested) -> dict[str, int]:
    return {path.name: file.attested for path, file in attested.files.items()}


def _edit(log: SealedLog, name: str, change: Callable[[list[bytes]], object]) -> None:
    path = log.folder / name
    lines = path.read_bytes().splitlines(keepends=True)
    change(lines)
    path.write_bytes(b"".join(lines))


def _swap_model(lines: list[bytes], place: int) -> None:
    lines[place] = lines[place].replace(b'"chat_completion"', b'"chat_Completion"')


def _renumber(lines: list[bytes], place: int, number: int) -> None:
    lines[place] = lines[place].replace(b'"seq": %d,' % number, b'"seq": 987654321,')


ALL = {PLAIN: 5, FIRST: 10, SECOND: 7, THIRD: 9, OPEN: 11}


def test_an_honest_log_is_attested_to_its_last_line(log: SealedLog) -> None:
    attested = _attest(log)
    assert not attested.findings
    assert not attested.sentences
    assert _counts(attested) == ALL
    assert {path.name for path, file in attested.files.items() if file.sealed} == {FIRST, SECOND, THIRD}
    assert attested.size == 42
    assert attested.newest is not None
    assert (attested.origin, attested.newest.size) == (SIGNER.name, 42)


def test_lines_after_the_last_checkpoint_are_counted_and_not_attested(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log")
    log.day("2026-02-26", 3)
    log.day("2026-02-27", 4, seal=False, checkpoints=False)
    attested = _attest(log)
    assert attested.findings == ()
    assert _counts(attested) == {"audit_2026-02-26.jsonl": 3, "audit_2026-02-27.jsonl": 0}
    assert attested.size == 7


def _peaks(log: SealedLog, size: int) -> tuple[bytes, ...]:
    tree = Tree()
    lines = b"".join(path.read_bytes() for path in sorted(log.folder.glob("*.jsonl"))).splitlines()
    tree.extend(lines[:size])
    return tree.peaks


@pytest.mark.parametrize(
    ("name", "change", "found"),
    [
        (SECOND, lambda lines: _swap_model(lines, 5), ("digest_mismatch", 5, 7)),
        (SECOND, lambda lines: lines.pop(2), ("digest_mismatch", 1, 4)),
        (SECOND, lambda lines: lines.insert(2, lines[1]), ("digest_mismatch", 1, 4)),
        (SECOND, lambda lines: lines.reverse(), ("digest_mismatch", 1, 4)),
        (SECOND, lambda lines: lines.pop(), ("tail_missing", None, None)),
        (SECOND, lambda lines: lines.append(lines[0]), ("appended_after_seal", 8, 8)),
        (SECOND, lambda lines: lines.append(b"{}"), ("appended_after_seal", 8, 8)),
        (SECOND, lambda lines: lines.append(lines.pop()[:-1]), ("digest_mismatch", None, None)),
        (SECOND, lambda lines: lines.clear(), ("tail_missing", None, None)),
        (OPEN, lambda lines: _swap_model(lines, 5), ("checkpoint_root_mismatch", 5, 8)),
        (OPEN, lambda lines: _swap_model(lines, 10), ("checkpoint_root_mismatch", 9, 11)),
        (OPEN, lambda lines: lines.pop(5), ("checkpoint_root_mismatch", 5, 8)),
        (OPEN, lambda lines: lines.insert(5, b"\n"), ("checkpoint_root_mismatch", 5, 8)),
        (OPEN, lambda lines: lines.pop(), ("tail_missing", None, None)),
        (OPEN, lambda lines: lines.append(lines.pop()[:-30]), ("tail_missing", None, None)),
        (OPEN, lambda lines: _renumber(lines, 0, 31), ("checkpoint_root_mismatch", 1, 4)),
        (OPEN, lambda lines: _renumber(lines, 10, 41), ("checkpoint_root_mismatch", 9, 11)),
        (PLAIN, lambda lines: _swap_model(lines, 1), ("checkpoint_root_mismatch", 1, 5)),
        (PLAIN, lambda lines: lines.pop(), ("tail_missing", None, None)),
    ],
)
def test_what_was_done_to_lines_is_found_where_it_was_done(
    log: SealedLog,
    name: str,
    change: Callable[[list[bytes]], object],
    found: tuple[str, int | None, int | None],
) -> None:
    _edit(log, name, change)
    attested = _attest(log)
    finding = _only(attested)
    assert (finding.name, finding.line, finding.line_to, finding.file) == (*found, name)
    assert finding.severity == "error"
    assert {other: count for other, count in _counts(attested).items() if other != name} == {
        other: count for other, count in ALL.items() if other != name
    }


@pytest.mark.parametrize(("name", "kept"), [(SECOND, 0), (SECOND, 3), (OPEN, 1), (OPEN, 0), (PLAIN, 4)])
def test_a_cut_says_how_many_lines_are_gone(log: SealedLog, name: str, kept: int) -> None:
    _edit(log, name, lambda lines: lines.__delitem__(slice(kept, None)))
    finding = _only(_attest(log))
    assert (finding.name, finding.count, finding.at_least) == ("tail_missing", ALL[name] - kept, False)


def test_a_cut_and_a_deletion_before_it_are_counted_apart(log: SealedLog) -> None:
    _edit(log, OPEN, lambda lines: (lines.pop(), lines.pop(), lines.pop(1)))
    found = {finding.name: finding for finding in _attest(log).findings}
    assert found.keys() == {"tail_missing", "checkpoint_root_mismatch"}
    assert found["tail_missing"].count == 2


def test_a_missing_last_newline_is_not_a_missing_line(log: SealedLog) -> None:
    _edit(log, OPEN, lambda lines: lines.append(lines.pop()[:-1]))
    attested = _attest(log)
    assert attested.findings == ()
    assert _counts(attested) == ALL


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (0, "the change is somewhere in these lines"),
        (4, "its first 4 lines are as they were sealed"),
    ],
)
def test_a_changed_day_says_how_much_of_it_is_as_it_was(log: SealedLog, line: int, words: str) -> None:
    _edit(log, FIRST, lambda lines: _swap_model(lines, line))
    assert _only(_attest(log)).detail == words


def test_a_line_moved_over_midnight_is_found(log: SealedLog) -> None:
    """The root does not change, for it knows no files: the digests do."""
    moved: list[bytes] = []
    _edit(log, THIRD, lambda lines: moved.append(lines.pop(0)))
    _edit(log, SECOND, lambda lines: lines.append(moved[0]))
    assert ("appended_after_seal", SECOND) in _classes(_attest(log))
    assert ("digest_mismatch", THIRD) in _classes(_attest(log))


def test_every_change_of_a_byte_is_found_and_none_is_made_up(log: SealedLog) -> None:
    chance = random.Random(7)
    names = [PLAIN, FIRST, SECOND, OPEN]
    for _ in range(150):
        path = log.folder / chance.choice(names)
        before = path.read_bytes()
        changed = bytearray(before)
        for _ in range(chance.randrange(1, 4)):
            place = chance.randrange(len(changed) - 1)
            match chance.randrange(3):
                case 0:
                    changed[place] ^= 1 << chance.randrange(8)
                case 1:
                    del changed[place : place + chance.randrange(1, 900)]
                case 2:
                    changed[place:place] = changed[place - 40 : place] or b"\n"
        path.write_bytes(changed)
        attested = _attest(log)
        harmless = bytes(changed) == before or (path.name == OPEN and bytes(changed) == before[:-1])
        assert bool(attested.findings) is not harmless, (path.name, bytes(changed))
        path.write_bytes(before)
    assert _attest(log).findings == ()


def test_a_file_that_is_gone_is_missing_and_one_that_policy_deleted_is_not(log: SealedLog) -> None:
    (log.folder / SECOND).unlink()
    missing = _only(_attest(log))
    assert (missing.name, missing.severity, missing.file, missing.count) == (
        "file_missing",
        "error",
        SECOND,
        7,
    )
    log.bury(SECOND)
    attested = _attest(log)
    assert attested.digests[SECOND].lines == 7
    assert attested.tombstones[SECOND].reason == "retention"
    expired = _only(attested)
    assert (expired.name, expired.severity, expired.file) == ("file_expired", "info", SECOND)
    assert _counts(attested) == {name: count for name, count in ALL.items() if name != SECOND}


@pytest.mark.parametrize("forged", ["stranger", "other_file", "changed"])
def test_a_tombstone_that_the_key_did_not_sign_for_this_day_is_none(log: SealedLog, forged: str) -> None:
    (log.folder / SECOND).unlink()
    path = log.bury(SECOND, _STRANGER if forged == "stranger" else None)
    if forged == "other_file":
        path.write_bytes(log.bury(FIRST).read_bytes())
        tombstone_path(log.folder, FIRST).unlink()
    if forged == "changed":
        path.write_bytes(path.read_bytes().replace(b"retention", b"Retention"))
    attested = _attest(log)
    assert _classes(attested) == [("file_missing", SECOND)]
    assert (
        any("tombstones are not signed" in sentence for sentence in attested.sentences)
        is (forged != "other_file")
        or forged == "other_file"
    )


def test_a_tombstone_without_its_digest_is_not_enough(log: SealedLog) -> None:
    (log.folder / SECOND).unlink()
    log.bury(SECOND)
    digest_path(log.folder, SECOND).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.severity, finding.file) == ("digest_missing", "error", SECOND)


@pytest.fixture
def unreached(log: SealedLog) -> SealedLog:
    """The log, without the plain day that was adopted: policy deleted it, and it had no digest."""
    stone = Tombstone(SIGNER.name, PLAIN, None, "retention", "2026-06-01T00:00:00Z")
    tombstone_path(log.folder, PLAIN).write_bytes(sign_tombstone(SIGNER, stone))
    (log.folder / PLAIN).unlink()
    return log


def test_lines_that_only_digests_reach_need_them(unreached: SealedLog) -> None:
    assert _only(_attest(unreached)).name == "file_expired"
    for path in unreached.folder.glob("*.digest"):
        path.unlink()
    found = {(one.name, one.file, one.severity) for one in _attest(unreached).findings}
    assert found == {
        ("file_expired", PLAIN, "info"),
        *(("digest_missing", name, "error") for name in (FIRST, SECOND, THIRD)),
    }


@pytest.mark.parametrize("kept", [0, 1, 6, 10])
def test_the_end_of_lines_that_no_root_is_made_of_is_known_by_their_numbers(
    unreached: SealedLog, kept: int
) -> None:
    for name in (FIRST, SECOND, THIRD):
        digest_path(unreached.folder, name).unlink()
        if name != FIRST:
            (unreached.folder / name).unlink()
    if kept:
        _edit(unreached, OPEN, lambda lines: lines.__delitem__(slice(kept, None)))
    else:
        (unreached.folder / OPEN).unlink()
    (tail,) = (one for one in _attest(unreached).findings if one.name == "tail_missing")
    newest = OPEN if kept else FIRST
    assert (tail.file, tail.count) == (newest, 11 - kept if kept else 7 + 9 + 11)


def test_a_last_line_without_its_newline_is_none_that_is_gone(unreached: SealedLog) -> None:
    for name in (FIRST, SECOND, THIRD):
        digest_path(unreached.folder, name).unlink()
    _edit(unreached, OPEN, lambda lines: lines.append(lines.pop()[:-1]))
    assert "tail_missing" not in {one.name for one in _attest(unreached).findings}


@pytest.mark.parametrize("ring", [KeyRing(), KeyRing((SECRET,))])
def test_a_plain_day_that_is_gone_behind_a_deleted_one_is_missed(tmp_path: Path, ring: KeyRing) -> None:
    """The day after it says what it was written after, though its digest would be enough for the rest."""
    log = SealedLog(tmp_path / "log")
    last = recipe.chain_of(log.plain_day("2026-02-20", 5).read_bytes().splitlines()[-1])
    between = log.plain_day("2026-02-21", 3, last)
    log.day("2026-02-26", 6)
    log.day("2026-02-27", 6, seal=False)
    stone = Tombstone(SIGNER.name, PLAIN, None, "retention", "2026-06-01T00:00:00Z", last_chain=last)
    tombstone_path(log.folder, PLAIN).write_bytes(sign_tombstone(SIGNER, stone))
    (log.folder / PLAIN).unlink()
    logs = find_logs([log.folder])
    assert verify(logs, ring=ring, public=SIGNER.verifier, quick=True).verdict == "ok"
    between.unlink()
    found = verify(find_logs([log.folder]), ring=ring, public=SIGNER.verifier, quick=True)
    assert found.verdict == "tampered", found.findings


def test_the_newest_days_cannot_be_dropped(log: SealedLog) -> None:
    """A chain of digests alone does not show it: whoever looks starts from the newest that is left."""
    for name in (THIRD, OPEN):
        (log.folder / name).unlink()
    digest_path(log.folder, THIRD).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.count) == ("tail_missing", 20)
    for path in log.folder.glob("*.jsonl"):
        path.unlink()
    assert "tail_missing" in {finding.name for finding in _attest(log).findings}


def test_days_that_vanish_with_their_digest_leave_a_gap(log: SealedLog) -> None:
    (log.folder / THIRD).unlink()
    digest_path(log.folder, THIRD).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.file, finding.count) == ("file_missing", OPEN, 9)


def test_the_first_days_leave_a_gap_too(log: SealedLog) -> None:
    (log.folder / PLAIN).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.file, finding.count) == ("file_missing", FIRST, 5)


def test_a_day_under_another_name_is_known_by_its_bytes(log: SealedLog) -> None:
    (log.folder / SECOND).rename(log.folder / "audit_2026-02-21.jsonl")
    attested = _attest(log)
    finding = _only(attested)
    assert (finding.name, finding.file, finding.expected) == (
        "file_renamed",
        "audit_2026-02-21.jsonl",
        SECOND,
    )
    assert _counts(attested) == {
        **{name: ALL[name] for name in ALL if name != SECOND},
        "audit_2026-02-21.jsonl": 7,
    }


def test_a_digest_under_another_name_is_known_by_what_it_says(log: SealedLog) -> None:
    digest_path(log.folder, SECOND).rename(digest_path(log.folder, "audit_2026-02-21.jsonl"))
    assert [name for name, _ in _classes(_attest(log))] == ["file_renamed"]


def test_a_missing_digest_in_the_middle_is_an_error_and_the_lines_are_still_checked(log: SealedLog) -> None:
    digest_path(log.folder, SECOND).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.severity, finding.file) == ("digest_missing", "error", SECOND)
    assert _counts(_attest(log)) == ALL
    _edit(log, SECOND, lambda lines: _swap_model(lines, 5))
    assert ("checkpoint_root_mismatch", SECOND) in _classes(_attest(log))


def test_a_day_that_is_over_should_have_a_digest(log: SealedLog) -> None:
    digest_path(log.folder, THIRD).unlink()
    finding = _only(_attest(log))
    assert (finding.name, finding.severity, finding.file) == ("digest_missing", "warn", THIRD)


def test_a_day_that_its_writer_could_not_seal_is_no_break_in_the_digests(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log")
    for day, seal in (("2026-02-26", True), ("2026-02-27", False), ("2026-02-28", True)):
        log.day(day, 5, seal=seal)
    finding = _only(_attest(log))
    assert (finding.name, finding.severity, finding.file) == ("digest_missing", "warn", SECOND)


def test_a_digest_cannot_be_passed_off_as_a_strangers(log: SealedLog) -> None:
    path = digest_path(log.folder, SECOND)
    path.write_bytes(path.read_bytes().replace(b"audit Kbh7", b"audit Kbg7"))
    finding = _only(_attest(log))
    assert (finding.name, finding.severity, finding.file) == ("digest_missing", "error", SECOND)


@pytest.mark.parametrize("place", ["text", "signature"])
def test_a_changed_digest_is_found_and_its_lines_are_checked_otherwise(log: SealedLog, place: str) -> None:
    path = digest_path(log.folder, SECOND)
    data = path.read_bytes()
    path.write_bytes(
        data.replace(b"lines 7", b"lines 6") if place == "text" else data[:-10] + b"AAAAAAA==\n"[-10:]
    )
    attested = _attest(log)
    assert _classes(attested) == [("digest_bad_signature", SECOND)]
    assert _counts(attested) == ALL


def test_a_digest_of_another_log_of_the_same_key_is_found(log: SealedLog, tmp_path: Path) -> None:
    other = SealedLog(tmp_path / "other", NoteSigner("example.com/other", SIGNER.private))
    other.day("2026-02-27", 7)
    for path in (digest_path(other.folder, SECOND), other.folder / SECOND):
        (log.folder / path.name).write_bytes(path.read_bytes())
    for key in (SIGNER.verifier, NoteVerifier(SIGNER.public)):
        classes = {name for name, _ in _classes(_attest(log, key=key))}
        assert "digest_bad_signature" in classes or key.name
        assert classes & {"checkpoint_root_mismatch", "file_missing"}


def test_digests_of_an_older_key_are_good_where_a_newer_one_names_them(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "log", _STRANGER)
    log.day("2026-02-26", 5)
    log.signer = SIGNER
    log.day("2026-02-27", 5)
    log.day("2026-02-28", 2, seal=False)
    attested = _attest(log)
    assert attested.findings == ()
    assert [file.sealed for file in attested.files.values()] == [True, True, False]
    assert any("2 checkpoints are signed by other keys" in sentence for sentence in attested.sentences)


def test_a_digest_that_a_stranger_signed_vouches_for_nothing(log: SealedLog) -> None:
    other = SealedLog(log.folder, _STRANGER)
    checkpoints = (log.folder / CHECKPOINTS).read_bytes()
    other.day("2026-02-28", 9)  # an attacker's day, sealed with the attacker's key
    (log.folder / CHECKPOINTS).write_bytes(checkpoints)
    attested = _attest(log)
    assert {finding.name for finding in attested.findings if finding.severity == "error"}
    assert _counts(attested)[THIRD] == 0


def test_archived_days_are_as_good(log: SealedLog) -> None:
    for name in (PLAIN, SECOND):
        log.archive(log.folder / name)
    attested = _attest(log)
    assert attested.findings == ()
    assert sum(_counts(attested).values()) == 42


def test_an_archive_that_lost_its_end_says_so(log: SealedLog) -> None:
    path = log.archive(log.folder / SECOND)
    path.write_bytes(path.read_bytes()[:-60])
    assert ("archive_truncated", SECOND) in _classes(_attest(log))
    assert all(file == SECOND for _, file in _classes(_attest(log)))


def test_an_archive_that_goes_on_says_so(log: SealedLog) -> None:
    path = log.archive(log.folder / SECOND)
    path.write_bytes(path.read_bytes() * 2)
    assert _classes(_attest(log)) == [("archive_trailing_data", SECOND)]


@pytest.mark.parametrize("name", [PLAIN, SECOND])
def test_two_copies_of_a_day_are_one_unless_they_differ(log: SealedLog, name: str) -> None:
    data = (log.folder / name).read_bytes()
    archived = log.archive(log.folder / name)
    (log.folder / name).write_bytes(data)
    attested = _attest(log)
    assert attested.findings == ()
    assert attested.spare == {archived}
    (log.folder / name).write_bytes(data.replace(b"chat_completion", b"chat_Completion"))
    assert ("file_twice_differs", name) in _classes(_attest(log))


def test_checkpoints_are_needed_where_the_log_has_numbered_lines(log: SealedLog) -> None:
    (log.folder / CHECKPOINTS).unlink()
    assert _only(_attest(log)).name == "checkpoint_missing"
    for path in log.folder.glob("*.digest"):
        path.unlink()
    assert _only(_attest(log)).name == "checkpoint_missing"
    for name in (FIRST, SECOND, THIRD, OPEN):
        (log.folder / name).unlink()
    assert _attest(log) == Attested()


def test_checkpoints_of_strangers_are_passed_over(log: SealedLog) -> None:
    path = log.folder / CHECKPOINTS
    path.write_bytes(sign_checkpoint(_STRANGER, 3, bytes(32)) + path.read_bytes())
    attested = _attest(log)
    assert attested.findings == ()
    assert "1 checkpoints are signed by other keys" in attested.sentences[0]
    theirs = _attest(log, key=_STRANGER.verifier)
    assert _only(theirs).name == "checkpoint_root_mismatch"
    assert "other keys than the public key signed the digests" in theirs.sentences[-1]


@pytest.mark.parametrize("name", ["example.com/audit", "other.example/audit", None])
def test_a_key_that_signed_nothing_is_told_whose_signatures_are_there(
    log: SealedLog, name: str | None
) -> None:
    finding = _only(_attest(log, key=NoteVerifier(_STRANGER.public, name)))
    assert (finding.name, finding.severity) == ("checkpoint_missing", "error")
    assert f"of {SIGNER.name}+" in finding.detail
    assert f", not of {name or 'the one that was given'}" in finding.detail
    assert finding.detail.endswith("is this the log's public key?")
    (log.folder / CHECKPOINTS).unlink()
    assert finding.detail == _only(_attest(log, key=NoteVerifier(_STRANGER.public, name))).detail
    for path in log.folder.glob("*.digest"):
        path.unlink()
    assert "is this the log's" not in _only(_attest(log, key=_STRANGER.verifier)).detail


@pytest.mark.parametrize("glued", [False, True])
@pytest.mark.parametrize("length", [1, 3, 17, 18, 20, 40, 66])
def test_half_a_checkpoint_of_a_crash_is_a_warning_and_no_more(
    log: SealedLog, length: int, glued: bool
) -> None:
    path = log.folder / CHECKPOINTS
    whole = path.read_bytes()
    half = sign_checkpoint(SIGNER, 50, bytes(32))[:length]
    path.write_bytes(whole + half)
    assert [(one.name, one.severity) for one in _attest(log).findings] == [("checkpoint_torn", "warn")]
    path.write_bytes(half + (b"" if glued else b"\n") + whole)
    found = _attest(log)
    assert {(one.name, one.severity) for one in found.findings} == {("checkpoint_torn", "warn")}
    assert found.newest is not None
    assert found.newest.size == 42


def test_a_changed_checkpoint_is_found(log: SealedLog) -> None:
    path = log.folder / CHECKPOINTS
    path.write_bytes(path.read_bytes().replace(b"\n39\n", b"\n38\n"))
    finding = _only(_attest(log))
    assert (finding.name, finding.file) == ("checkpoint_bad_signature", CHECKPOINTS)
    path.write_bytes(b"x\n\n\xe2\x80\x94 example.com/audit AAAA=\n" + path.read_bytes())
    assert [name for name, _ in _classes(_attest(log))] == ["checkpoint_bad_signature"] * 2


def test_checkpoints_stand_in_order(log: SealedLog) -> None:
    path = log.folder / CHECKPOINTS
    notes = path.read_bytes()
    path.write_bytes(notes + notes[: notes.index(b"=\n", 120) + 2])
    assert _only(_attest(log)).name == "checkpoint_not_monotonic"


def test_a_repeated_checkpoint_is_none_of_anyones_business(log: SealedLog) -> None:
    log.checkpoint()
    assert _attest(log).findings == ()


@pytest.mark.parametrize("size", [40, 42, 31])
def test_a_signed_checkpoint_of_another_history_is_a_fork(log: SealedLog, size: int) -> None:
    path = log.folder / CHECKPOINTS
    if size == 42:
        path.write_bytes(path.read_bytes() + sign_checkpoint(SIGNER, 42, bytes(32)))
    else:
        at = path.read_bytes().index(b"example.com/audit\n35\n" if size == 31 else b"example.com/audit\n42\n")
        data = path.read_bytes()
        path.write_bytes(data[:at] + sign_checkpoint(SIGNER, size, bytes(32)) + data[at:])
    assert {finding.name for finding in _attest(log).findings} == {"fork"}


def test_without_a_key_nothing_is_attested_and_it_is_said(log: SealedLog) -> None:
    attested = _attest(log, key=None)
    assert (attested.findings, attested.files) == ((), {})
    assert "3 digests are there and were not checked" in attested.sentences[0]


def test_a_key_without_a_name_is_enough(log: SealedLog) -> None:
    attested = _attest(log, key=NoteVerifier(SIGNER.public))
    assert (attested.findings, attested.origin, _counts(attested)) == ((), SIGNER.name, ALL)


@pytest.mark.parametrize("names", [(OPEN,), (SECOND,), (PLAIN,), (PLAIN, FIRST), (THIRD, OPEN)])
def test_some_files_alone_are_checked_as_far_as_can_be(log: SealedLog, names: tuple[str, ...]) -> None:
    attested = _attest(log, *names)
    assert attested.findings == ()
    assert _counts(attested) == {name: ALL[name] for name in names}
    _edit(log, names[0], lambda lines: _swap_model(lines, 3))
    assert [file for _, file in _classes(_attest(log, *names))] == [names[0]]


def test_files_that_no_signature_reaches_are_named(log: SealedLog) -> None:
    digest_path(log.folder, THIRD).unlink()
    attested = _attest(log, OPEN)
    assert attested.files == {}
    assert OPEN in attested.sentences[0]
    _edit(log, OPEN, lambda lines: lines.pop())
    assert _attest(log, OPEN).findings == ()


def test_of_some_files_the_tail_is_known_if_the_newest_is_among_them(log: SealedLog) -> None:
    _edit(log, OPEN, lambda lines: lines.pop())
    assert _only(_attest(log, OPEN)).name == "tail_missing"
    assert _attest(log, SECOND).findings == ()


def test_roots_are_computed_wherever_they_are_asked_for(log: SealedLog) -> None:
    (found,) = find_logs([log.folder])
    sizes = [0, 3, 5, 9, 15, 20, 31, 40, 42, 43]
    attested = attest(found, SIGNER.verifier, sizes=sizes)
    expected = {size: Tree(size, _peaks(log, size)).root() for size in sizes if size <= 42}
    assert attested.roots == expected
    assert _counts(attested) == ALL
    assert attested.signed[9] == {expected[9]}


def test_progress_counts_all_bytes_once(log: SealedLog) -> None:
    passed: dict[str, int] = {}

    def progress(name: str, count: int) -> None:
        passed[name] = passed.get(name, 0) + count

    (found,) = find_logs([log.folder])
    attest(found, SIGNER.verifier, progress=progress)
    assert passed == {path.name: path.stat().st_size for path in log.folder.glob("*.jsonl")}
