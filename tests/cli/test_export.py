"""`export`: what it takes, refuses and exits with; and `verify` of what it made."""

from __future__ import annotations

import resource
from hashlib import sha256
from pathlib import Path

import pytest

from llmwatch.audit.notes import verifier_key
from tests.cli.running import SAMPLE, assert_refused, here, outside
from tests.evidence import packages
from tests.evidence.packages import OTHER, make, manifest, records


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    return packages.write_keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.sealed_log(tmp_path_factory.mktemp("log") / "v2")


def test_it_is_made_and_verified_with_the_public_key(
    log: Path, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    private, public = keys
    ran = make(tmp_path / "pack", log, "--sign-key", private, "--public-key", public)
    assert ran.out == b""
    assert "13 calls; signed by example.com/audit" in ran.narration
    assert manifest(tmp_path / "pack")["chain"]["verdict"] == "ok"
    good = here("verify", tmp_path / "pack", "--public-key", public)
    assert (good.code, good.text.partition(";")[0]) == (0, "OK: nothing was found to be changed")
    nobody = here("verify", tmp_path / "pack", "--json")
    assert (nobody.code, nobody.document["verdict"]) == (3, "unverifiable")
    for name in ("records.csv", "manifest.json"):
        (tmp_path / "pack" / name).unlink()
        assert here("verify", tmp_path / "pack", "--public-key", public).code == 1


def test_a_package_may_have_another_key_than_its_log(
    log: Path, tmp_path: Path, keys: tuple[Path, Path]
) -> None:
    private, public = packages.write_keys(tmp_path / "other", OTHER)
    make(tmp_path / "pack", log, "--sign-key", private)
    both = here("verify", tmp_path / "pack", "--public-key", public, "--public-key", keys[1], "--json")
    assert (both.code, both.document["coverage"]["attested"]) == (0, 13)
    assert_refused(here("verify", log, "--public-key", public, "--public-key", keys[1]), 2, "one public key")


def test_an_empty_folder_is_taken_and_another_is_refused(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    assert "nobody signed it" in make(tmp_path / "pack", SAMPLE).narration
    assert "Nobody signed this package" in (tmp_path / "pack" / "README.txt").read_text()
    assert here("verify", tmp_path / "pack").code == 3
    before = packages.names(tmp_path / "pack")
    assert_refused(here("export", SAMPLE, "-o", tmp_path / "pack"), 2, "not empty")
    assert packages.names(tmp_path / "pack") == before
    (tmp_path / "file").touch()
    assert_refused(here("export", SAMPLE, "-o", tmp_path / "file"), 2, "file")
    assert {path.name for path in tmp_path.iterdir()} == {"pack", "file"}


def test_a_folder_that_is_taken_is_refused_before_anything_is_read(tmp_path: Path) -> None:
    (tmp_path / "pack").mkdir()
    (tmp_path / "pack" / "note").touch()
    assert_refused(here("export", tmp_path / "nothing.jsonl", "-o", tmp_path / "pack"), 2, "not empty")


@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("--origin", "example.com/a"), "--sign-key"),
        (("--sign-key", "no.key"), "no.key"),
        (("--redact-key", "secret"), "--redact"),
        (("--redact", "--redact-key", "no.secret"), "no.secret"),
        (("--since", "2026-03-01", "--until", "2026-02-01"), "--since"),
    ],
)
def test_what_cannot_be_meant_is_refused(tmp_path: Path, words: tuple[str, ...], part: str) -> None:
    assert_refused(here("export", SAMPLE, "-o", tmp_path / "pack", *words), 2, part)
    assert not list(tmp_path.iterdir())


def test_a_key_needs_a_name(tmp_path: Path, keys: tuple[Path, Path]) -> None:
    alone = tmp_path / "alone.key"
    alone.write_bytes(keys[0].read_bytes())
    alone.chmod(0o600)
    assert_refused(here("export", SAMPLE, "-o", tmp_path / "pack", "--sign-key", alone), 2, "--origin")
    ran = make(tmp_path / "pack", SAMPLE, "--sign-key", alone, "--origin", "example.com/me")
    assert "signed by example.com/me" in ran.narration
    alone.with_suffix(".pub").write_text(verifier_key(OTHER.name, OTHER.public))
    assert_refused(here("export", SAMPLE, "-o", tmp_path / "two", "--sign-key", alone), 2, "--origin")


def test_a_short_secret_is_refused(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("short\n")
    secret.chmod(0o600)
    ran = here("export", SAMPLE, "-o", tmp_path / "pack", "--redact", "--redact-key", secret)
    assert_refused(ran, 2, "guessed")


def test_a_filter_and_a_window_say_what_is_in_it(tmp_path: Path) -> None:
    words = ("--filter", "model:minimax*", "--since", "2026-02-27T16:47:00.200Z")
    make(tmp_path / "pack", SAMPLE, *words)
    found = manifest(tmp_path / "pack")
    assert found["query"] == {"since": words[3], "until": None, "filter": words[1]}
    models = {record["model"] for record in records(tmp_path / "pack")}
    assert models
    assert all("minimax" in str(model) for model in models)
    assert min(record["time"] for record in records(tmp_path / "pack")) >= words[3]
    top = here("top", SAMPLE, *words, "--json").document
    assert found["counts"]["calls"] == top["counters"]["calls"] == len(records(tmp_path / "pack"))


def test_standard_input_is_a_source_with_a_hash(tmp_path: Path) -> None:
    data = SAMPLE.read_bytes()
    ran = outside("export", "-", "-o", tmp_path / "pack", stdin=data)
    assert ran.code == 0, ran.narration
    (one,) = manifest(tmp_path / "pack")["sources"]
    assert (one["source"], one["sha256"], one["size"]) == ("-", sha256(data).hexdigest(), len(data))


def test_a_full_disk_is_a_sentence_and_leaves_nothing(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (50_000, before[1]))
    try:
        ran = here("export", SAMPLE, "-o", tmp_path / "pack")
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert_refused(ran, 3, "pack")
    assert not list(tmp_path.iterdir())
