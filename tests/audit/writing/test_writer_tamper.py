"""What a writer does about a folder that someone changed: it goes on, says so, and signs none of the change."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from llmwatch.audit.writing.writer import AuditWriter
from llmwatch.errors import LlmwatchError
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER
from tests.audit.soundness import (
    assert_sound,
    checkpoints_of,
    digests_of,
    entries_of,
    ids_of,
    lines_of,
    root_of,
    verified,
)

DAY = "audit_2026-02-27.jsonl"


class Writing:
    """A folder, a time, and what the writer told."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = datetime(2026, 2, 27, 12, tzinfo=UTC)
        self.told: list[str] = []

    def open(self, **options: Any) -> AuditWriter:
        def tell(error: LlmwatchError) -> None:
            self.told.append(str(error))

        return AuditWriter(
            self.folder,
            SECRET,
            SIGNER,
            clock=lambda: self.now,
            on_error=tell,
            **{"checkpoint_seconds": 3600.0, **options},
        )

    @property
    def path(self) -> Path:
        return self.folder / DAY

    def change(self, line: int, change: Callable[[bytes], bytes]) -> None:
        lines = self.path.read_bytes().splitlines(keepends=True)
        lines[line] = change(lines[line])
        self.path.write_bytes(b"".join(lines))

    def assert_found(self, name: str | None, line: int) -> None:
        """The verifier finds what was done, whatever the writer signed since."""
        found = verified(self.folder)
        assert found.verdict == "tampered"
        assert found.first_bad is not None
        assert (found.first_bad.file, found.first_bad.line) == (DAY, line), found.findings
        assert name in (None, found.first_bad.name)

    def alarms(self) -> list[dict[str, Any]]:
        return [one["metadata"] for one in entries_of(self.folder) if one["event_type"] == "audit.alarm"]


@pytest.fixture
def log(tmp_path: Path) -> Writing:
    return Writing(tmp_path)


def crash(writer: AuditWriter) -> None:
    """Leave it as a kill would: no checkpoint, nothing closed in order."""
    writer._stop()
    writer._ledger.release()


def write(writer: AuditWriter, count: int, seed: int) -> list[str]:
    entries = list(recipe.entries(count, seed))
    for one in entries:
        writer.append(one)
    return [one["id"] for one in entries]


def edited(line: bytes) -> bytes:
    return line.replace(b'"user_id": "user-', b'"user_id": "User-', 1)


def signed_over(log: Writing) -> list[bool]:
    """For each checkpoint whether the lines that stand in the folder are what it signs."""
    lines = lines_of(log.folder)
    return [
        each.size <= len(lines) and each.root == root_of(lines[: each.size])
        for each in checkpoints_of(log.folder)
    ]


def test_a_line_changed_before_a_restart_that_no_checkpoint_had_yet(log: Writing) -> None:
    writer = log.open()
    write(writer, 5, 0)
    crash(writer)
    assert [each.size for each in checkpoints_of(log.folder)] == [1]
    log.change(2, edited)
    with log.open() as writer:
        write(writer, 3, 1)
    (alarm,) = log.alarms()
    assert (alarm["file"], alarm["offset"]) == (DAY, sum(len(line) + 1 for line in lines_of(log.folder)[:2]))
    assert len(log.told) == 1
    assert "run llmwatch verify" in log.told[0]
    assert signed_over(log) == [True] + [False] * (len(checkpoints_of(log.folder)) - 1)
    assert checkpoints_of(log.folder)[-1].size == len(lines_of(log.folder)) == 9
    log.assert_found("edited", 3)


def test_the_line_before_restored_is_not_what_was_signed_either(log: Writing) -> None:
    """Nobody knows what the line was: only the process did, and it is gone."""
    writer = log.open()
    write(writer, 5, 0)
    crash(writer)
    original = lines_of(log.folder)[2]
    log.change(2, edited)
    log.open().close()
    log.change(2, lambda _: original + b"\n")
    assert signed_over(log)[-1] is False
    assert verified(log.folder).verdict == "tampered"


@pytest.mark.parametrize("what", ["deleted", "twice", "foreign", "plain"])
def test_lines_that_are_gone_or_not_ours_before_a_restart(log: Writing, what: str) -> None:
    writer = log.open()
    ids = write(writer, 5, 0)
    crash(writer)
    plain = recipe.lines(recipe.entries(1, 9), previous=recipe.chain_of(lines_of(log.folder)[2]))[0]
    replace: dict[str, Callable[[bytes], bytes]] = {
        "deleted": lambda _: b"",
        "twice": lambda line: line + line,
        "foreign": lambda line: line + b'{"id": "x", "event_type": "x"}\n',
        "plain": lambda line: line + plain,
    }
    log.change(2, replace[what])
    with log.open() as writer:
        receipt = writer.append(next(recipe.entries(1, 1)))
    assert receipt is not None
    assert receipt.sequence == 6  # five lines, and the alarm
    assert len(log.alarms()) == 1
    assert signed_over(log)[-1] is False
    log.assert_found(*{"deleted": ("deleted", 3), "twice": ("duplicate", 4)}.get(what, (None, 4)))
    if what != "deleted":
        assert set(ids) <= set(ids_of(log.folder))
    log.told.clear()
    log.open().close()
    assert log.told == []  # what was told once is behind a checkpoint


@pytest.mark.parametrize("running", [False, True])
def test_a_line_under_a_checkpoint_that_was_changed_is_not_signed_again(log: Writing, running: bool) -> None:
    """The writer need not notice before the day is over, and what it signs until then is what was written."""
    writer = log.open(checkpoint_lines=4)
    write(writer, 9, 0)
    originals = lines_of(log.folder)
    if not running:
        writer.close()
    with log.path.open("r+b") as file:  # in place, as the writer's own descriptor sees it
        place = log.path.read_bytes().index(b'"user_id": "user-')
        file.seek(place)
        file.write(b'"user_id": "User-')
    if not running:
        writer = log.open(checkpoint_lines=4)
    write(writer, 6, 1)
    newest = checkpoints_of(log.folder)[-1]
    assert newest.size > 9
    assert not any(signed_over(log))
    assert newest.root == root_of([*originals, *lines_of(log.folder)[9 : newest.size]])
    log.now = datetime(2026, 2, 28, 1, tzinfo=UTC)
    write(writer, 1, 2)
    writer.close()
    log.assert_found("edited", 1)
    data = log.path.read_bytes()
    if running:  # it knows what it wrote
        ((digest, _),) = digests_of(log.folder)
        restored = data.replace(b'"User-', b'"user-', 1)
        assert digest.sha256 == sha256(restored).hexdigest()
        assert log.alarms() == []
    else:
        assert list(digests_of(log.folder)) == []
        assert [alarm["detail"] for alarm in log.alarms()] == ["it cannot be sealed"]


def test_a_day_after_an_unsealed_one_is_sealed_from_the_signed_tree(log: Writing) -> None:
    writer = log.open()
    write(writer, 4, 0)
    writer.close()
    originals = lines_of(log.folder)
    log.change(1, edited)
    for day in (28, 29):
        log.now = datetime(2026, 2, 28, 1, tzinfo=UTC) if day == 28 else datetime(2026, 3, 1, 1, tzinfo=UTC)
        with log.open() as writer:
            write(writer, 2, day)
    ((digest, _),) = digests_of(log.folder)
    assert (digest.file, digest.first) == ("audit_2026-02-28.jsonl", 4)
    assert checkpoints_of(log.folder)[1].root == root_of(originals)


def test_a_writer_knows_what_it_wrote_though_it_has_no_checkpoint(log: Writing) -> None:
    """A running writer's own lines were cut off the file: they keep their numbers, and their place in the tree."""
    writer = log.open()
    write(writer, 6, 0)
    originals = lines_of(log.folder)
    keep = b"".join(line + b"\n" for line in originals[:3])
    with log.path.open("r+b") as file:
        file.truncate(len(keep) + 10)
    write(writer, 2, 1)
    writer.close()
    lines = lines_of(log.folder)
    assert lines[:3] == originals[:3]
    events = [json.loads(line)["event_type"] for line in lines[3:]]
    assert events == ["audit.recovery", "audit.alarm", "chat_completion", "chat_completion"]
    assert checkpoints_of(log.folder)[-1].root == root_of([*originals, *lines[3:]])
    log.assert_found("deleted", 4)


@pytest.mark.parametrize("what", ["deleted", "replaced"])
def test_the_file_of_a_running_writer_is_taken_away(log: Writing, what: str) -> None:
    writer = log.open()
    write(writer, 3, 0)
    originals = lines_of(log.folder)
    if what == "deleted":
        log.path.unlink()
    else:
        other = log.folder / "other"
        other.write_bytes(b"".join(edited(line) + b"\n" for line in originals))
        other.rename(log.path)
    write(writer, 2, 1)
    writer.close()
    lines = lines_of(log.folder)
    assert len(log.alarms()) == 1
    assert len(lines) == 3 if what == "deleted" else 6
    assert checkpoints_of(log.folder)[-1].root == root_of([*originals, *lines[-3:]])
    assert verified(log.folder).verdict == "tampered"


def test_lines_under_the_newest_checkpoint_are_gone_and_the_state_too(log: Writing) -> None:
    """Then nobody knows the tree that was signed, and nothing can be signed that would fit it."""
    with log.open() as writer:
        write(writer, 6, 0)
    signed = checkpoints_of(log.folder)
    (log.folder / "audit.state").unlink()
    log.path.write_bytes(b"".join(line + b"\n" for line in lines_of(log.folder)[:3]))
    with log.open() as writer:
        receipt = writer.append(next(recipe.entries(1, 1)))
    assert receipt is not None
    assert receipt.sequence == 7
    assert checkpoints_of(log.folder) == signed
    assert len(log.alarms()) == 1
    log.assert_found("deleted", 4)
    with log.open() as writer:
        for day in (28, 29):
            log.now += timedelta(days=1)
            write(writer, 2, day)
    assert checkpoints_of(log.folder) == signed
    assert list(digests_of(log.folder)) == []


@pytest.mark.parametrize("change", ["state", "line"])
def test_without_a_state_all_of_the_day_is_read_against_the_root(log: Writing, change: str) -> None:
    with log.open() as writer:
        write(writer, 6, 0)
    (log.folder / "audit.state").write_bytes(b"" if change == "line" else b'{"size": 6}')
    if change == "line":
        log.change(1, edited)
    with log.open() as writer:
        write(writer, 2, 1)
    sizes = [each.size for each in checkpoints_of(log.folder)]
    assert sizes[-1] == (6 if change == "line" else 8)
    assert len(log.alarms()) == (change == "line")


@pytest.mark.parametrize("name", ["size", "peaks", "offset", "chain", "file", "first", "start", "kid"])
def test_a_state_that_was_changed_is_not_used(log: Writing, name: str) -> None:
    with log.open() as writer:
        write(writer, 6, 0)
    path = log.folder / "audit.state"
    values, signature = path.read_text().splitlines()
    path.write_text(json.dumps({**json.loads(values), name: None}) + f"\n{signature}\n")
    with log.open() as writer:
        write(writer, 2, 1)
    log.now = datetime(2026, 2, 28, 1, tzinfo=UTC)
    log.open().close()
    assert_sound(log.folder)
    assert len(list(digests_of(log.folder))) == 1


def test_an_old_state_put_back_is_as_good_as_none(log: Writing) -> None:
    path = log.folder / "audit.state"
    with log.open() as writer:
        write(writer, 6, 0)
        old = path.read_bytes()
        write(writer, 6, 1)
    path.write_bytes(old)
    with log.open() as writer:
        write(writer, 2, 2)
    assert_sound(log.folder)
    assert log.told == []


def test_half_a_checkpoint_is_cut_off_and_a_forged_one_told(log: Writing) -> None:
    path = log.folder / "audit_checkpoints.txt"
    with log.open() as writer:
        write(writer, 3, 0)
    whole = path.read_bytes()
    path.write_bytes(whole + whole[:50])
    with log.open() as writer:
        write(writer, 1, 1)
    assert [each.size for each in checkpoints_of(log.folder)] == [1, 3, 4]
    path.write_bytes(path.read_bytes().replace(b"\n4\n", b"\n9\n"))
    with log.open() as writer:
        write(writer, 1, 2)
    assert [alarm["file"] for alarm in log.alarms()] == ["audit_checkpoints.txt"]


def test_checkpoints_that_were_taken_away_from_a_running_writer(log: Writing) -> None:
    path = log.folder / "audit_checkpoints.txt"
    writer = log.open(checkpoint_lines=2)
    write(writer, 4, 0)
    path.unlink()
    write(writer, 4, 1)
    writer.close()
    assert [alarm["file"] for alarm in log.alarms()] == [path.name]
    assert all(signed_over(log))
    assert checkpoints_of(log.folder)[-1].size == 9


def test_checkpoints_that_were_rolled_back_under_a_running_writer(log: Writing) -> None:
    path = log.folder / "audit_checkpoints.txt"
    writer = log.open(checkpoint_lines=2)
    write(writer, 2, 0)
    old = path.read_bytes()
    write(writer, 4, 1)
    path.write_bytes(old)
    write(writer, 4, 2)
    writer.close()
    assert [alarm["file"] for alarm in log.alarms()] == ["audit_checkpoints.txt"]
    assert all(signed_over(log))
