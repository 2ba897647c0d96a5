"""`verify` of a package: ok for one that is as it was signed, and for nothing else."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path

import pytest

from llmwatch.audit.findings import Verification
from llmwatch.audit.notes import NoteSigner
from llmwatch.audit.writing import AuditWriter
from llmwatch.cli.verify_output import document, print_package
from llmwatch.evidence.check import check_package
from llmwatch.evidence.package.seal import read_sums
from llmwatch.query.export import json_text
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER, SealedLog
from tests.cli.running import SAMPLE
from tests.evidence import packages
from tests.evidence.packages import OTHER, list_again, make, verifiers

NAMESAKE = NoteSigner(SIGNER.name, bytes(32))


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A signed package of a part of a v2 log."""
    top = tmp_path_factory.mktemp("made")
    private, _ = packages.write_keys(top / "keys")
    log = packages.sealed_log(top / "v2")
    make(top / "pack", log, "--since", "2026-02-27", "--sign-key", private)
    return top / "pack"


@pytest.fixture(scope="module")
def unsigned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One of other calls."""
    target = tmp_path_factory.mktemp("unsigned") / "pack"
    make(target, SAMPLE)
    return target


@pytest.fixture
def pack(made: Path, tmp_path: Path) -> Path:
    """The same, to be changed."""
    return Path(shutil.copytree(made, tmp_path / "pack"))


def check(package: Path, *signers: NoteSigner) -> Verification:
    """What is found; it can be shown, whatever it is."""
    found = check_package(package, verifiers(*(signers or (SIGNER,))))
    json.loads(json_text(document(found)))
    print_package(found)
    return found


def test_what_was_not_changed_is_ok(made: Path) -> None:
    found = check(made)
    assert (found.verdict, found.findings, found.first_bad) == ("ok", (), None)
    days = {"audit_2026-02-27.jsonl": 6, "audit_2026-02-28.jsonl": 3}
    assert {file.name: file.attested for file in found.coverage.files} == days
    assert any(f"{SIGNER.name} signed the package" in sentence for sentence in found.coverage.sentences)


def test_every_file_flipped_by_a_bit_is_found_and_named(pack: Path) -> None:
    for name in sorted(packages.names(pack)):
        path = pack / name
        data = path.read_bytes()
        place = len(data) * 2 // 3
        path.write_bytes(data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :])
        found = check(pack)
        assert found.verdict == "tampered", name
        assert name.removesuffix(".note") in {one.file.removesuffix(".note") for one in found.findings}, name
        path.write_bytes(data)
    assert check(pack).verdict == "ok"


def test_the_bits_of_the_note_count(pack: Path) -> None:
    note = pack / "SHA256SUMS.note"
    data = note.read_bytes()
    for name in packages.names(pack) - {"SHA256SUMS", "SHA256SUMS.note", "manifest.json"}:
        (pack / name).unlink()  # what is left is enough, and quick
    whole = {(one.name, one.file) for one in check(pack).findings}
    for place in range(0, 8 * len(data), 7):
        changed = bytearray(data)
        changed[place // 8] ^= 1 << place % 8
        note.write_bytes(changed)
        found = check_package(pack, verifiers(SIGNER))
        assert {(one.name, one.file) for one in found.findings} > whole, place


def test_every_file_that_is_removed_or_added_is_found(pack: Path) -> None:
    for name in sorted(packages.names(pack)):
        path = pack / name
        path.rename(pack.parent / "aside")
        found = check(pack)
        assert (found.verdict, found.first_bad is not None) == ("tampered", True), name
        (pack.parent / "aside").rename(path)
    for name in (
        "extra.txt",
        "log/audit_2026-03-01.jsonl",
        "log/archive/audit_2026-02-20.jsonl.gz",
        ".hidden",
    ):
        (pack / name).parent.mkdir(exist_ok=True)
        (pack / name).write_bytes(b"")
        found = check(pack)
        assert (found.verdict, name in {one.file for one in found.findings}) == ("tampered", True)
        (pack / name).unlink()
    (pack / "log" / "archive").rmdir()
    (pack / "log" / "1").mkdir()
    assert check(pack).verdict == "tampered"


def test_hashes_computed_anew_are_found_by_the_signature(pack: Path) -> None:
    path = pack / "records.csv"
    path.write_bytes(path.read_bytes().replace(b"openrouter", b"openruoter"))
    list_again(pack)
    found = check(pack)
    assert (found.verdict, dict(found.counts)) == ("tampered", {"digest_mismatch": 1})
    assert found.findings[0].file == "SHA256SUMS"
    assert found.findings[0].actual == sha256((pack / "SHA256SUMS").read_bytes()).hexdigest()


def test_a_manifest_of_another_package_is_found(pack: Path, unsigned: Path) -> None:
    shutil.copy(unsigned / "manifest.json", pack / "manifest.json")
    assert check(pack).verdict == "tampered"
    list_again(pack)
    assert check(pack).verdict == "tampered"
    (pack / "SHA256SUMS.note").unlink()
    counts = {one.file for one in check(pack).findings}
    assert {"records.jsonl", "records.csv", "records.parquet"} <= counts


def test_a_signature_that_was_taken_away_or_made_by_another_is_found(pack: Path) -> None:
    for signer in (OTHER, NAMESAKE):
        assert check(pack, signer).verdict == "tampered"
    note = pack / "SHA256SUMS.note"
    text = note.read_text().partition("\n\n")[0] + "\n"
    for signer in (OTHER, NAMESAKE):
        note.write_bytes(signer.sign(text))
        assert check(pack).verdict == "tampered"
    note.write_bytes(SIGNER.sign(text.replace("package", "digest")))
    assert check(pack).verdict == "tampered"
    note.unlink()
    assert check(pack).verdict == "tampered"
    assert check_package(pack, ()).verdict == "tampered"


def test_without_a_key_or_a_signature_nothing_vouches_for_it(made: Path, unsigned: Path) -> None:
    found = check_package(made, ())
    assert (found.verdict, found.findings) == ("unverifiable", ())
    assert any("no public key was given" in sentence for sentence in found.coverage.sentences)
    for signers in ((), (SIGNER,)):
        found = check_package(unsigned, verifiers(*signers))
        assert found.verdict == "unverifiable"
        assert any("nobody signed the package" in sentence for sentence in found.coverage.sentences)


def test_people_read_that_nobody_signed_or_whom_to_ask(
    made: Path, unsigned: Path, pack: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def first_lines(package: Path, *signers: NoteSigner) -> str:
        capsys.readouterr()
        print_package(check_package(package, verifiers(*signers)))
        return " ".join(capsys.readouterr().out.split()[:70])

    for signers in ((), (SIGNER,)):
        headline = first_lines(unsigned, *signers)
        assert headline.startswith("UNVERIFIABLE: ")
        assert "nobody signed" in headline
    assert f"says that {SIGNER.name} signed it, and the public key that was given did not" in first_lines(
        made, OTHER
    )
    (pack / "SHA256SUMS.note").unlink()
    taken = first_lines(pack, SIGNER)
    assert f"says that {SIGNER.name} signed the package: the signature was taken away" in taken
    assert "nobody signed" not in taken


def written(folder: Path, *, plain: bool = False, seals: bool = True) -> Path:
    """A log of three days as the writer leaves it, the newest not over; `plain`: it went on from two plain days."""
    folder.mkdir()
    previous, now = None, [datetime(2026, 2, 24, 9, tzinfo=UTC)]
    for day in (24, 25) if plain else ():
        began = now[0].replace(day=day)
        path = folder / f"audit_2026-02-{day}.jsonl"
        previous = recipe.write(path, recipe.entries(5, day, began), previous=previous)
    for day in (26, 27, 28):
        now[0] = now[0].replace(day=day)
        with AuditWriter(folder, SECRET, SIGNER, clock=lambda: now[0], checkpoint_seconds=3600) as writer:
            writer.append_many(recipe.entries(6, day, now[0]))
        if day == 28 and not seals:
            (folder / "audit_2026-02-27.digest").unlink()
    return folder


@pytest.mark.parametrize(
    ("words", "last"),
    [
        (("--until", "2026-02-28T12:00Z"), 28),
        (("--until", "2026-02-28"), 28),
        (("--until", "2026-02-27"), 27),
        (("--until", "2026-02-26"), 26),
        (("--since", "2026-02-27T12:00Z", "--until", "2026-02-28"), 28),
        (("--since", "2026-02-26", "--until", "2026-02-26T22:00Z"), 27),
    ],
)
@pytest.mark.parametrize("kind", ["sealed", "unsealed", "adopted"])
def test_a_window_may_end_on_any_day(tmp_path: Path, kind: str, words: tuple[str, ...], last: int) -> None:
    log = written(tmp_path / "v2", plain=kind == "adopted", seals=kind != "unsealed")
    private, public = packages.write_keys(tmp_path / "keys")
    for number, keys in enumerate(((), ("--public-key", public))):
        target = tmp_path / f"pack{number}"
        make(target, log, "--sign-key", private, *keys, *words)
        days = sorted(path.name for path in (target / "log").glob("*.jsonl"))
        assert days[-1] == f"audit_2026-02-{last}.jsonl"
        found = check(target)
        whole = kind != "unsealed" or last < 28
        assert found.verdict == ("ok" if whole else "warn"), found.findings
        assert found.first_bad is None
        assert {one.severity for one in found.findings if one.name != "digest_missing"} <= {"info"}
        assert found.coverage.attested == found.coverage.lines > 0


def test_a_window_excuses_no_line_that_is_missing_in_it(tmp_path: Path) -> None:
    private, public = packages.write_keys(tmp_path / "keys")
    keys = ("--sign-key", private, "--public-key", public)
    log = written(tmp_path / "v2")
    newest = log / "audit_2026-02-28.jsonl"
    newest.write_bytes(b"".join(newest.read_bytes().splitlines(keepends=True)[:-2]))
    make(tmp_path / "known", log, *keys, "--until", "2026-03-05", code=1)
    make(tmp_path / "unknown", log, *keys[:2], "--until", "2026-03-05")
    for name in ("known", "unknown"):
        found = check(tmp_path / name)
        assert (found.verdict, dict(found.counts)) == ("tampered", {"tail_missing": 1})
    newest.unlink()
    make(tmp_path / "gone", log, *keys, "--until", "2026-03-05", code=1)
    assert check(tmp_path / "gone").verdict == "tampered"
    make(tmp_path / "doubtful", log, *keys[:2], "--until", "2026-03-05")
    assert check(tmp_path / "doubtful").verdict == "warn"


def test_a_log_of_another_key_is_told_apart(made: Path, tmp_path: Path) -> None:
    private, _ = packages.write_keys(tmp_path / "keys", OTHER)
    make(tmp_path / "pack", made.parent / "v2", "--sign-key", private)
    one = check(tmp_path / "pack", OTHER)
    assert (one.verdict, one.coverage.attested) == ("ok", 0)
    said = " ".join(one.coverage.sentences)
    assert "another than that of the log" in said
    assert "no public key" not in said
    assert "--public-key" not in said
    both = check(tmp_path / "pack", OTHER, SIGNER)
    assert (both.verdict, both.coverage.attested) == ("ok", 13)


def test_archived_and_deleted_days_are_no_damage(tmp_path: Path) -> None:
    log = SealedLog(tmp_path / "v2")
    paths = [log.day(f"2026-02-{day}", 3, seal=day < 28) for day in range(24, 29)]
    log.bury(paths[0].name)
    log.bury(paths[2].name)
    paths[0].unlink()
    paths[2].unlink()
    log.archive(paths[1])
    private, _ = packages.write_keys(tmp_path / "keys")
    make(tmp_path / "whole", log.folder, "--sign-key", private)
    make(tmp_path / "part", log.folder, "--sign-key", private, "--until", "2026-02-25T12:00Z")
    for name, attested in {"whole": 9, "part": 3}.items():
        found = check(tmp_path / name)
        assert found.verdict == "ok", found.findings
        assert (found.first_bad, found.coverage.attested) == (None, attested)
    assert "log/archive/audit_2026-02-25.jsonl.gz" in packages.names(tmp_path / "part")


def test_a_part_of_a_plain_log_whose_chain_goes_on_across_days_is_ok(tmp_path: Path) -> None:
    (tmp_path / "log").mkdir()
    previous = None
    for day in (26, 27, 28):
        began = recipe.BEGAN.replace(day=day)
        path = tmp_path / "log" / f"audit_2026-02-{day}.jsonl"
        previous = recipe.write(path, recipe.entries(4, day, began), previous=previous)
    private, _ = packages.write_keys(tmp_path / "keys")
    make(tmp_path / "pack", tmp_path / "log", "--since", "2026-02-27T12:00Z", "--sign-key", private)
    found = check(tmp_path / "pack")
    assert (found.verdict, found.first_bad) == ("ok", None)
    assert [one.severity for one in found.findings] == ["info"]
    assert [file.name for file in found.coverage.files] == [
        "audit_2026-02-27.jsonl",
        "audit_2026-02-28.jsonl",
    ]


@pytest.mark.parametrize("words", [(), ("--redact",)])
def test_a_log_that_had_been_changed_before_is_told(tmp_path: Path, words: tuple[str, ...]) -> None:
    (tmp_path / "log").mkdir()
    path = tmp_path / "log" / "audit_2026-02-27.jsonl"
    recipe.write(path, recipe.entries(4))
    head, last = path.read_bytes().rsplit(b'"prompt_tokens": ', 1)
    path.write_bytes(head + b'"prompt_tokens": 1' + last)
    private, _ = packages.write_keys(tmp_path / "keys")
    make(tmp_path / "pack", path.parent, "--sign-key", private, *words, code=1)
    found = check(tmp_path / "pack")
    assert found.verdict == "tampered"
    assert "found that it was tampered with" in " ".join(found.coverage.sentences)
    if not words:
        assert "as it was made: what was found is in the log" in " ".join(found.coverage.sentences)


def _sums(text: bytes) -> Callable[[Path], object]:
    return lambda pack: (pack / "SHA256SUMS").write_bytes(text)


def _manifest(text: bytes) -> Callable[[Path], object]:
    return lambda pack: (pack / "manifest.json").write_bytes(text)


def _in_place(name: str, make_it: Callable[[Path], object]) -> Callable[[Path], object]:
    def change(pack: Path) -> None:
        (pack / name).unlink(missing_ok=True)
        make_it(pack / name)

    return change


def _linked_folder(pack: Path) -> None:
    (pack / "log").rename(pack.parent / "log")
    (pack / "log").symlink_to(pack.parent / "log")


def _emptied(pack: Path) -> None:
    shutil.rmtree(pack)
    pack.mkdir()


_HASH = b"0" * 64
HOSTILE: dict[str, Callable[[Path], object]] = {
    **{
        f"FIFO {name}": _in_place(name, os.mkfifo)
        for name in ("SHA256SUMS", "SHA256SUMS.note", "records.csv")
    },
    "FIFO manifest": _in_place("manifest.json", os.mkfifo),
    "FIFO day": _in_place("log/audit_2026-02-27.jsonl", os.mkfifo),
    "FIFO added": _in_place("log/audit_checkpoints.old", os.mkfifo),
    "link to a device": _in_place("records.jsonl", lambda path: path.symlink_to("/dev/zero")),
    "link to the same": _in_place("README.txt", lambda path: path.symlink_to(path)),
    "link added": _in_place("more", lambda path: path.symlink_to("/")),
    "folder for a file": _in_place("report.txt", Path.mkdir),
    "folder for the list": _in_place("SHA256SUMS", Path.mkdir),
    "log elsewhere": _linked_folder,
    "empty list": _sums(b""),
    "list of one above": _sums(_HASH + b"  ../../etc/passwd\n"),
    "list of one from the root": _sums(_HASH + b"  /etc/passwd\n"),
    "NUL in a name": _sums(_HASH + b"  a\0b\n"),
    "controls in a name": _sums(_HASH + b"  \x1b[2J\x9b\xff\n"),
    "a name twice": _sums(2 * (_HASH + b"  README.txt\n")),
    "no hash": _sums(b"0  README.txt\n"),
    "a name that is too long": _sums(_HASH + b"  " + b"x" * 100_000 + b"\n"),
    "deep manifest": _manifest(b"[" * 100_000),
    "deep manifest, closed": _manifest(b'{"a":' * 100_000 + b"1" + b"}" * 100_000),
    "5,000 digits": _manifest(b'{"format": "llmwatch/evidence/v1", "records": ' + b"9" * 5_000 + b"}"),
    "odd manifest": _manifest(
        b'{"format": "llmwatch/evidence/v1", "records": [1], "chain": 7, "signed_by": {}}'
    ),
    "manifest of NUL": _manifest(b"\0" * 100),
    "note of NUL": lambda pack: (pack / "SHA256SUMS.note").write_bytes(b"\0" * 100),
    "nothing at all": _emptied,
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_a_hostile_package_is_an_answer_and_never_ok(pack: Path, kind: str) -> None:
    HOSTILE[kind](pack)
    for signers in ((), (SIGNER,)):
        assert check_package(pack, verifiers(*signers)).verdict in ("tampered", "unverifiable")
    assert check(pack).verdict == "tampered"


HOSTILE_RECORDS = {
    "records.jsonl": b"\xff",
    "records.csv": b'"' + b"x" * 200_000,
    "records.parquet": b"PAR1PAR1",
}


@pytest.mark.parametrize("name", HOSTILE_RECORDS)
def test_records_that_are_none_are_found_though_their_hash_is_right(pack: Path, name: str) -> None:
    (pack / name).write_bytes(HOSTILE_RECORDS[name])
    list_again(pack)
    (pack / "SHA256SUMS.note").unlink()
    path = pack / "manifest.json"
    path.write_bytes(path.read_bytes().replace(json.dumps(SIGNER.name).encode(), b"null"))
    list_again(pack)
    assert check(pack).verdict == "tampered"


def test_names_that_break_lines_are_listed_as_sha256sum_lists_them(tmp_path: Path) -> None:
    odd = ("audit_a\nb.jsonl", "audit_back\\slash.jsonl", "audit_\r.jsonl")
    (tmp_path / "log").mkdir()
    for number, name in enumerate(odd):
        recipe.write(tmp_path / "log" / name, recipe.entries(2, number))
    private, _ = packages.write_keys(tmp_path / "keys")
    make(tmp_path / "pack", tmp_path / "log", "--sign-key", private)
    assert check(tmp_path / "pack").verdict in ("ok", "warn")
    sums = read_sums((tmp_path / "pack" / "SHA256SUMS").read_bytes()) or {}
    assert {f"log/{name}" for name in odd} < set(sums)
    assert b"\\" + sums[f"log/{odd[0]}"].encode() in (tmp_path / "pack" / "SHA256SUMS").read_bytes()


def test_the_key_alone_is_not_the_name(made: Path) -> None:
    anyone = replace(SIGNER.verifier, name=None)
    assert check_package(made, (anyone,)).verdict == "ok"
