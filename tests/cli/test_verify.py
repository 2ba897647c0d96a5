"""`llmwatch verify`: what it says, what it exits with, and that no bytes make it stumble."""

from __future__ import annotations

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from unittest.mock import patch

import pytest

from llmwatch.audit.findings import Coverage, FileCoverage, Finding, Verification
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteVerifier, verifier_key
from llmwatch.audit.promises import sentences
from llmwatch.cli.verify_output import document, print_text
from llmwatch.sources.source import SourceState, SourceStatus
from llmwatch.store.slice import Slice
from tests.audit import recipe
from tests.audit.sealed import ORIGIN, SIGNER, SealedLog
from tests.cli.running import assert_refused, environment, here

DAY = "audit_2026-02-27.jsonl"
BEFORE = "audit_2026-02-26.jsonl"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "hmac.key"
    path.write_text(f"# the gateway's\n{recipe.SECRET}\n")
    path.chmod(0o600)
    return path


@pytest.fixture
def public(tmp_path: Path) -> Path:
    path = tmp_path / "log.pub"
    path.write_text(verifier_key(ORIGIN, SIGNER.public) + "\n")
    return path


@pytest.fixture
def log(tmp_path: Path) -> Path:
    folder = tmp_path / "audit"
    folder.mkdir()
    recipe.write(folder / BEFORE, recipe.entries(8))
    recipe.write(folder / DAY, recipe.entries(20, seed=1))
    return folder


@pytest.fixture
def sealed(tmp_path: Path) -> Path:
    folder = tmp_path / "sealed"
    folder.mkdir()
    written = SealedLog(folder)
    written.day("2026-02-26", 8)
    written.day("2026-02-27", 10, seal=False)
    return folder


@pytest.fixture
def sealed_days(tmp_path: Path) -> Path:
    folder = tmp_path / "days"
    folder.mkdir()
    written = SealedLog(folder)
    for day in ("2026-02-25", "2026-02-26", "2026-02-27"):
        written.day(day, 6)
    written.day("2026-02-28", 4, seal=False)
    return folder


def change(path: Path, line: int, old: bytes = b'"user_id": "user', new: bytes = b'"user_id": "USER') -> None:
    lines = path.read_bytes().splitlines(keepends=True)
    changed = lines[line - 1].replace(old, new)
    assert changed != lines[line - 1]
    path.write_bytes(b"".join([*lines[: line - 1], changed, *lines[line:]]))


# What comes out


def test_an_honest_log_is_ok_and_says_what_nobody_vouches_for(log: Path, key: Path) -> None:
    ran = here("verify", log, "--key-file", key)
    assert ran.code == 0
    assert ran.err == b""
    first, *rest = ran.text.splitlines()
    assert first == "OK: nothing was found to be changed; 28 lines in 2 files"
    assert any(DAY in line and "fresh" in line for line in rest)
    assert rest[-1]
    report = here("verify", log, "--key-file", key, "--json").document
    assert report["verdict"] == "ok"
    assert report["first_bad"] is None
    assert (report["counts"], report["findings"]) == ({}, [])
    assert {
        name: report["coverage"][name] for name in ("lines", "hmac_ok", "attested", "unattested_tail")
    } == {
        "lines": 28,
        "hmac_ok": 28,
        "attested": 0,
        "unattested_tail": 28,
    }
    assert report["coverage"]["files"][DAY]["convention"] == "fresh"
    assert report["coverage"]["sentences"]


def test_an_edit_is_located(log: Path, key: Path) -> None:
    change(log / DAY, 17)
    ran = here("verify", log, "--key-file", key, "--json")
    assert ran.code == 1
    assert ran.document["verdict"] == "tampered"
    assert ran.document["first_bad"] == {"file": DAY, "line": 17, "class": "edited"}
    assert ran.document["counts"] == {"edited": 1}
    (finding,) = ran.document["findings"]
    keys = "class severity file line line_to n field expected actual detail"
    assert set(finding) == set(keys.split())
    assert (finding["line"], finding["line_to"], finding["n"]) == (17, 17, 1)
    assert ran.out == here("verify", log, "--key-file", key, "--json").out
    text = here("verify", log, "--key-file", key).text
    assert text.splitlines()[0].startswith(f"TAMPERED: {DAY} line 17 was edited")
    ids = [json.loads(line)["id"] for line in (log / DAY).read_text().splitlines()]
    for words in (f"line 16  {recipe.BEGAN:%Y-%m-%dT}", ids[15], "> line 17", ids[16], ids[17]):
        assert words in text
    assert recipe.chain_of((log / DAY).read_bytes().splitlines()[16]) in text


def test_a_public_key_alone_vouches_for_what_was_signed(sealed: Path, public: Path) -> None:
    ran = here("verify", sealed, "--public-key", public, "--json")
    assert (ran.code, ran.document["verdict"]) == (0, "ok")
    assert (ran.document["coverage"]["hmac_ok"], ran.document["coverage"]["attested"]) == (0, 18)
    change(sealed / BEFORE, 3)
    assert here("verify", sealed, "--public-key", public).code == 1


def test_warnings_are_findings_where_they_are_strictly_taken(log: Path, key: Path) -> None:
    recipe.write(log / DAY, recipe.entries(4, seed=2))
    words = ("verify", log, "--key-file", key)
    assert here(*words).code == 0
    assert here(*words).text.startswith("WARNING: ")
    assert here(*words, "--strict").code == 1
    assert here(*words, "--json").document["counts"] == {"restart": 1}


def test_without_a_key_only_the_chain_is_checked(log: Path) -> None:
    ran = here("verify", log)
    assert ran.code == 3
    assert ran.text.startswith("UNVERIFIABLE: ")
    assert "anyone can compute again" in ran.narration
    change(log / DAY, 17)
    assert here("verify", log).code == 1


def test_another_key_is_not_tampering(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("another secret")
    other.chmod(0o600)
    ran = here("verify", log, "--key-file", other)
    assert ran.code == 3
    assert "wrong_key" in ran.text


# What goes in


def test_standard_input_pipes_and_archives_are_read_as_files_are(
    log: Path, key: Path, tmp_path: Path
) -> None:
    data = (log / DAY).read_bytes()
    archive = tmp_path / "archived" / f"{DAY}.gz"
    archive.parent.mkdir()
    archive.write_bytes(gzip.compress(data))
    words = ("--key-file", key, "--json")
    whole = here("verify", log / DAY, *words).document
    assert here("verify", archive, *words).document == whole
    for piped in (data, archive.read_bytes()):
        with patch("llmwatch.cli.verify_input._stdin", partial(io.BytesIO, piped)):
            ran = here("verify", "-", *words)
        assert (ran.code, ran.document["coverage"]["files"]["-"]["lines"]) == (0, 20)
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    writer = threading.Thread(target=pipe.write_bytes, args=(data,))
    writer.start()
    ran = here("verify", pipe, *words)
    writer.join()
    assert ran.document["coverage"]["lines"] == 20


class Group:
    """A source of slices, as a log group is."""

    def __init__(self, *pieces: Slice, status: SourceStatus = "ended", detail: str = "") -> None:
        self._pieces = pieces
        self._state = SourceState("audit-group", status, detail)

    def read(self) -> Iterator[Slice]:
        yield from self._pieces

    def finish(self) -> Iterator[Slice]:
        yield from ()

    @property
    def ended(self) -> bool:
        return True

    def states(self) -> tuple[SourceState, ...]:
        return (self._state,)

    def close(self) -> None:
        pass


def test_streams_of_a_log_group_are_verified_one_by_one(key: Path) -> None:
    one, other = recipe.lines(recipe.entries(6)), recipe.lines(recipe.entries(4, seed=1))
    pieces = (
        Slice("g/web", "g/web", 1, b"".join([b"listening on 8080\n", *one[:3]])),
        Slice("g/db", "g/db", 1, b"no entry\n"),
        Slice("g/cron", "g/cron", 1, b"".join(other)),
        Slice("g/web", "g/web", 5, b"".join([b"\n", *one[3:5], b'{"level": "INFO"}\n', one[5]])),
    )
    words = ("verify", "--group", "g", "--key-file", key, "--json")
    with patch("llmwatch.cli.groups.open_groups", lambda *_, **__: Group(*pieces)):
        ran = here(*words)
    assert (ran.code, ran.document["verdict"]) == (0, "ok")
    assert {name: file["lines"] for name, file in ran.document["coverage"]["files"].items()} == {
        "g/web": 6,
        "g/cron": 4,
    }
    assert "4 lines of the log groups are no entries" in ran.narration
    failing = Group(*pieces, status="error", detail="The credentials have expired.")
    with patch("llmwatch.cli.groups.open_groups", lambda *_, **__: failing):
        ran = here(*words)
    assert ran.code == 3
    assert "credentials have expired" in ran.narration


def test_logs_of_two_folders_are_told_apart(log: Path, tmp_path: Path, key: Path) -> None:
    second = tmp_path / "second"
    second.mkdir()
    recipe.write(second / DAY, recipe.entries(5, seed=4))
    change(second / DAY, 2)
    report = here("verify", log, second, "--key-file", key, "--json").document
    assert len(report["coverage"]["files"]) == 3
    assert report["coverage"]["lines"] == 33
    assert report["first_bad"]["file"] == str(second / DAY)


def test_a_folder_with_a_manifest_is_checked_as_a_package(tmp_path: Path, public: Path) -> None:
    (tmp_path / "pack").mkdir()
    for name in ("manifest.json", "records.jsonl"):
        (tmp_path / "pack" / name).write_text("{}")
    ran = here("verify", tmp_path / "pack", "--public-key", public)
    assert (ran.code, "SHA256SUMS" in ran.text) == (1, True)
    assert_refused(here("verify", tmp_path / "pack", tmp_path), 2, "alone")


# What is refused

BAD_KEYS = {
    "missing": None,
    "empty": b"",
    "a comment": b"# nothing\n",
    "no text": b"\xff\xfe\x00",
    "NUL": b"se\0cret\n",
}


@pytest.mark.parametrize("kind", BAD_KEYS)
@pytest.mark.parametrize("option", ["--key-file", "--public-key"])
def test_a_key_file_that_is_none_is_a_usage_error(log: Path, tmp_path: Path, kind: str, option: str) -> None:
    path = tmp_path / "bad.key"
    if (data := BAD_KEYS[kind]) is not None:
        path.write_bytes(data)
        path.chmod(0o600)
    assert_refused(here("verify", log, option, path), 2, "bad.key")


def test_a_key_file_that_others_can_read_is_told_of(log: Path, key: Path) -> None:
    key.chmod(0o644)
    ran = here("verify", log, "--key-file", key)
    assert ran.code == 0
    assert f"chmod 600 {key}" in ran.narration


def test_what_cannot_be_read_or_asked_is_refused(log: Path, key: Path, tmp_path: Path) -> None:
    assert_refused(here("verify", "--key-file", key), 2, "PATH")
    assert_refused(here("verify", log, "--since", "soon"), 2, "soon")
    assert_refused(here("verify", log, "--remember", "--key-file", key), 2, "--public-key")
    assert_refused(here("verify", log, "--stream", "x", "--key-file", key), 2, "--group")
    assert_refused(here("verify", tmp_path / "nowhere", "--key-file", key), 3, "nowhere")
    assert_refused(here("verify", "/dev/null", "--key-file", key), 3, "device")
    (tmp_path / "none").mkdir()
    assert_refused(here("verify", tmp_path / "none", "--key-file", key), 3, "no audit log")
    for magic in (b"\x28\xb5\x2f\xfd", b"\x1f\x8b\x08\x00"):
        packed = tmp_path / "audit_2026-01-01.jsonl"
        packed.write_bytes(magic + b"rest")
        assert_refused(here("verify", packed, "--key-file", key), 3, "compressed")


BAD_INPUT = {
    "empty": b"",
    "not a log": b"Dear diary,\nnothing happened.\n",
    "NULs": bytes(5000),
    "not UTF-8": b"\xff\xfe\xfd\n" * 3,
    "nested": b"[" * 100_000 + b"\n" + b'{"a":' * 100_000 + b"\n",
    "a long number": b'{"a": %b, "chain_hash": "x", "signature": "y"}\n' % (b"9" * 5000),
    "null": b'{"id": "1", "chain_hash": null, "signature": null}\n',
    "numbers": b'{"id": 1, "chain_hash": 1, "signature": []}\n[]\n1\nnull\n""\n',
    "no newline": b'{"id": "1", "chain_hash": "' + b"0" * 64,
    "blank lines": b"\n\n  \n",
    "carriage returns": b"{}\r\n{}\r",
    "escape codes": b'\x1b[2J\x1b]52;c;aGk=\x07{"id": "\x1b[31m"}\n',
}


@pytest.mark.parametrize("kind", BAD_INPUT)
def test_bad_input_is_never_ok_and_never_a_traceback(kind: str, tmp_path: Path, key: Path) -> None:
    path = tmp_path / "audit_2026-02-27.jsonl"
    path.write_bytes(BAD_INPUT[kind])
    for options in ((), ("--json",)):
        ran = here("verify", path, "--key-file", key, *options)
        assert ran.code in (1, 3), ran
        assert "bug" not in ran.narration
        assert "Traceback" not in ran.narration
    text = here("verify", path, "--key-file", key).text
    assert not text.startswith(("OK", "WARNING"))
    assert text.replace("\n", "").isprintable()


def test_a_damaged_archive_is_found(log: Path, tmp_path: Path, key: Path) -> None:
    packed = gzip.compress((log / DAY).read_bytes())
    archive = tmp_path / f"{DAY}.gz"
    for damaged, name in ((packed[:-20], "archive_truncated"), (packed + packed, "archive_trailing_data")):
        archive.write_bytes(damaged)
        ran = here("verify", archive, "--key-file", key, "--json")
        assert ran.code == 1
        assert name in ran.document["counts"]


def test_an_interrupt_ends_it_at_once(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    probe = (
        "import sys; from llmwatch.cli import main, verify; "
        "main._COMMANDS = (verify,); sys.exit(main.run(sys.argv[1:]))"
    )
    words = [sys.executable, "-c", probe, "verify", str(pipe)]
    with (
        subprocess.Popen(words, env=environment(), stderr=subprocess.PIPE) as program,
        pipe.open("wb") as writer,
    ):
        writer.write(b"{")
        writer.flush()
        time.sleep(0.3)  # until it waits for more: between a look at signals and a read, Python is deaf
        program.send_signal(signal.SIGINT)
        _, err = program.communicate(timeout=20)
    assert program.returncode == 130
    assert b"Traceback" not in err


# Words


def test_hostile_names_and_values_are_shown_cleaned_and_told_exactly(
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = "audit\x1b[2J\u202e.jsonl"
    finding = Finding("edited", name, 3, field="x\x1b", expected="\x07", actual="\n", detail="a\nb")
    coverage = Coverage(
        3, 2, 0, 3, (FileCoverage(name, "fresh", 3, 2, first_bad=3),), ("nothing is attested",)
    )
    verification = Verification("tampered", coverage, (finding,), finding, {"edited": 1})
    print_text(verification)
    printed = capsys.readouterr().out
    assert printed.replace("\n", "").isprintable()
    assert document(verification)["first_bad"] == {"file": name, "line": 3, "class": "edited"}


def test_a_thousand_findings_are_not_all_listed_for_people(capsys: pytest.CaptureFixture[str]) -> None:
    findings = tuple(Finding("edited", DAY, 2 * line, at_least=True) for line in range(1, 1001))
    verification = Verification("tampered", Coverage(2000), findings, findings[0], {"edited": 1000})
    print_text(verification)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) < 150
    assert "950 more: --json lists all" in "\n".join(lines)


def test_keys_for_the_monitor_need_a_terminal(log: Path, key: Path) -> None:
    assert_refused(here("tail", log, "--no-follow", "--key-file", key), 2, "llmwatch verify")


# For a tired reader


def test_a_reader_who_leaves_after_the_first_line_gets_the_exit_code_all_the_same(
    log: Path, key: Path
) -> None:
    change(log / DAY, 17)
    for form in ((), ("--json",)):
        reading, writing = os.pipe()
        os.close(reading)
        with os.fdopen(writing, "wb") as gone:
            ran = subprocess.run(
                [sys.executable, "-m", "llmwatch", "verify", log, "--key-file", key, *form],
                stdout=gone,
                stderr=subprocess.PIPE,
                check=False,
                env=environment(),
            )
        assert (ran.returncode, ran.stderr) == (1, b"")


def test_a_missing_file_is_said_before_any_advice_about_keys(tmp_path: Path) -> None:
    ran = here("verify", tmp_path / "nowhere.jsonl")
    assert ran.code == 3
    assert "no --key-file" not in ran.narration
    assert "is not there" in ran.narration


def test_several_lines_take_a_plural(log: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("another\n")
    other.chmod(0o600)
    first = here("verify", log, "--key-file", other).text.splitlines()[0]
    assert f"{BEFORE} lines 1 to 8 were signed with a key that was not given" in first
    stray = tmp_path / "passwd"
    stray.write_text("root:x:0:0\nbin:x:1:1\n")
    assert "passwd lines 1 to 2 are not entries" in here("verify", stray).text


def test_a_file_that_lost_its_end_is_not_ok(sealed: Path, public: Path) -> None:
    path = sealed / DAY
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:-3]))
    rows = [line.split() for line in here("verify", sealed, "--public-key", public).text.splitlines()]
    assert [row[2:4] for row in rows if row[:1] == [DAY]] == [["not", "ok"]]


def test_a_column_in_which_nothing_was_checked_is_not_there(sealed: Path, public: Path, key: Path) -> None:
    shown = here("verify", sealed, "--public-key", public).text
    assert ("HMAC OK" in shown, "ATTESTED" in shown) == (False, True)
    shown = here("verify", sealed, "--key-file", key).text
    assert ("HMAC OK" in shown, "ATTESTED" in shown) == (True, False)


def test_a_missing_day_is_the_first_break_whatever_key_is_given(
    sealed_days: Path, public: Path, key: Path
) -> None:
    (sealed_days / BEFORE).unlink()
    for keys in (("--public-key", public), ("--public-key", public, "--key-file", key)):
        ran = here("verify", sealed_days, *keys, "--json")
        found = json.loads(ran.out)
        assert [one["class"] for one in found["findings"]] == ["file_missing"]
        assert found["first_bad"]["file"] == BEFORE


def test_of_many_files_those_that_are_not_ok_are_listed_and_the_newest(
    capsys: pytest.CaptureFixture[str],
) -> None:
    files = tuple(
        FileCoverage(f"audit_{number:03}.jsonl", "v2", 5, 5, first_bad=2 if number in (0, 7) else None)
        for number in range(60)
    )
    print_text(Verification("ok", Coverage(300, 300, files=files)))
    shown = capsys.readouterr().out
    listed = [line.split()[0] for line in shown.splitlines() if line.startswith("audit_")]
    assert listed == [f"audit_{number:03}.jsonl" for number in (0, 7, *range(22, 60))]
    assert "… 20 files more" in shown


@pytest.mark.parametrize(
    ("attested", "tail", "words"),
    [
        (0, 10, "none attested by a signed checkpoint or digest"),
        (10, 0, "all attested by signed checkpoints or digests"),
        (9, 1, "the last line is not attested"),
        (8, 2, "the last 2 are not attested"),
        (9, 0, "1 is not attested"),
        (6, 0, "4 are not attested"),
        (6, 1, "4 are not attested, the last line among them"),
        (6, 2, "4 are not attested, the last 2 among them"),
    ],
)
def test_every_line_that_is_not_attested_is_counted(attested: int, tail: int, words: str) -> None:
    coverage = Coverage(10, 0, attested, tail)
    said = sentences(coverage, KeyRing(), NoteVerifier(SIGNER.public, ORIGIN), ())
    assert said[0].endswith(words)


def test_a_wrong_secret_is_not_said_to_have_left_days_out(sealed: Path, public: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.key"
    other.write_text("another\n")
    other.chmod(0o600)
    shown = here("verify", sealed, "--public-key", public, "--key-file", other).text
    assert "HMAC right on 0 of 18" in shown
    assert "not looked at" not in shown
    shown = here("verify", sealed, "--public-key", public, "--key-file", other, "--quick").text
    assert "HMAC right on 0 of 10; 8 in sealed days, whose digests are signed, not looked at" in shown


def test_days_that_since_leaves_out_are_counted(log: Path, key: Path) -> None:
    assert (
        "1 day before 2026-02-27 left out"
        in here("verify", log, "--key-file", key, "--since", "2026-02-27").text
    )
    assert "left out" not in here("verify", log, "--key-file", key, "--since", "2026-02-26").text
