"""Checkpoints, digests and tombstones: what is written is read again, and nothing else is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from llmwatch.audit.checkpoints import Checkpoint, read_checkpoint, sign_checkpoint
from llmwatch.audit.digests import Digest, Tombstone, read_digest, read_tombstone, sign_digest, sign_tombstone
from llmwatch.audit.notes import Note, split_notes
from tests.audit.sealed import SIGNER

_PEAK = bytes(range(32))
_DIGEST = Digest(
    SIGNER.name,
    "audit_2026-02-27.jsonl",
    3,
    4,
    2_880,
    "ab" * 32,
    "01" * 32,
    "02" * 32,
    (_PEAK, _PEAK),
    (_PEAK, _PEAK, _PEAK),
    ("1a2b3c4d", "5e6f7a8b"),
    "cd" * 32,
    "2026-02-28T00:00:01Z",
)
_STONE = Tombstone(
    SIGNER.name, "audit_2026-02-27.jsonl", "ab" * 32, "retention after 90d", "2026-06-01T00:00:00Z"
)


def _note(data: bytes) -> Note:
    (note,) = split_notes(data)
    assert isinstance(note, Note)
    assert SIGNER.verifier.signed(note)
    return note


@pytest.mark.parametrize(
    "digest", [_DIGEST, replace(_DIGEST, first=0, lines=0, start=(), end=(), kids=(), previous=None)]
)
def test_a_digest_says_again_what_it_was_made_of(digest: Digest) -> None:
    assert read_digest(_note(sign_digest(SIGNER, digest))) == digest


@pytest.mark.parametrize(
    "stone", [_STONE, replace(_STONE, digest=None, sha256="cd" * 32, last_chain="ef" * 32)]
)
def test_a_tombstone_says_again_what_it_was_made_of(stone: Tombstone) -> None:
    assert read_tombstone(_note(sign_tombstone(SIGNER, stone))) == stone


def test_a_checkpoint_says_again_what_it_was_made_of() -> None:
    assert read_checkpoint(_note(sign_checkpoint(SIGNER, 7, _PEAK))) == Checkpoint(SIGNER.name, 7, _PEAK)


def test_no_note_is_taken_for_one_of_another_kind() -> None:
    digest, stone, checkpoint = (
        _note(data)
        for data in (
            sign_digest(SIGNER, _DIGEST),
            sign_tombstone(SIGNER, _STONE),
            sign_checkpoint(SIGNER, 7, _PEAK),
        )
    )
    assert read_checkpoint(digest) is read_checkpoint(stone) is None
    assert read_digest(checkpoint) is read_digest(stone) is None
    assert read_tombstone(checkpoint) is read_tombstone(digest) is None


def test_no_value_can_add_another() -> None:
    with pytest.raises(ValueError, match="newline"):
        sign_tombstone(SIGNER, replace(_STONE, reason="x\ndigest y"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("first 3", "first 2"),  # other peaks than that many leaves have
        lambda text: text.replace("first 3", "first 03"),
        lambda text: text.replace("first 3", "first -3"),
        lambda text: text.replace("lines 4", "lines " + "9" * 30),
        lambda text: text.replace("lines 4\n", ""),
        lambda text: text + "lines 4\n",
        lambda text: text.replace("sha256 ab", "sha256 AB"),
        lambda text: text.replace("sha256 ab", "sha256 b"),
        lambda text: text.replace("v1", "v2"),
    ],
)
def test_a_digest_that_makes_no_sense_is_none(change: Callable[[str], str]) -> None:
    text = _note(sign_digest(SIGNER, _DIGEST)).text
    assert change(text) != text
    assert read_digest(_note(SIGNER.sign(change(text)))) is None


@pytest.mark.parametrize(
    "text",
    [
        "o\n7\n",
        "\n7\nAAAA\n",
        "o\n07\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
        "o\n7\nAAECAwQF\n",
        "o\n7\n!\n",
        "o\n" + "9" * 5000 + "\nAAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=\n",
    ],
)
def test_a_checkpoint_that_makes_no_sense_is_none(text: str) -> None:
    assert read_checkpoint(_note(SIGNER.sign(text))) is None
