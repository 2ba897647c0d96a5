"""Signed notes: the specification's own example, files of many, and what hostile people put into them."""

from __future__ import annotations

import base64
import time
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.audit.notes import (
    Note,
    NoteSigner,
    NoteVerifier,
    read_verifier_key,
    split_notes,
    verifier_key,
)
from llmwatch.errors import UsageError

# Of c2sp.org/signed-note.
_EXAMPLE = """If you think cryptography is the answer to your problem,
then you don't know what your problem is.

\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=
""".encode()
_EXAMPLE_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"

_SIGNER = NoteSigner("example.com/audit", bytes(range(32)))
_WITNESS = NoteSigner("witness.example", bytes(range(1, 33)))


def _notes(data: bytes) -> list[Note]:
    found = list(split_notes(data))
    assert all(isinstance(note, Note) for note in found)
    return [note for note in found if isinstance(note, Note)]


def _signed(data: bytes) -> bool:
    return any(isinstance(note, Note) and _SIGNER.verifier.signed(note) for note in split_notes(data))


def test_the_example_of_the_specification() -> None:
    name, public = read_verifier_key(_EXAMPLE_KEY, "here")
    (note,) = _notes(_EXAMPLE)
    assert name == "PeterNeumann"
    assert NoteVerifier(public, name).signed(note)
    assert NoteVerifier(public).signed(note)
    assert verifier_key(name, public) == _EXAMPLE_KEY
    assert not NoteVerifier(public, "Other").claims(note)
    assert not NoteVerifier(public, name).signed(replace(note, text=note.text + "x\n"))


def test_what_is_signed_can_be_checked() -> None:
    (note,) = _notes(_SIGNER.sign("a\n\nb\n"))
    assert note.text == "a\n\nb\n"
    assert _SIGNER.verifier.signed(note)
    assert not _WITNESS.verifier.claims(note)


def test_others_may_sign_too() -> None:
    mine, theirs = _SIGNER.sign("a\n"), _WITNESS.sign("a\n")
    (note,) = _notes(mine + theirs.removeprefix(b"a\n\n"))
    assert [signature.name for signature in note.signatures] == [_SIGNER.name, _WITNESS.name]
    assert _SIGNER.verifier.signed(note)
    assert _WITNESS.verifier.signed(note)


@given(
    st.lists(
        st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]) | st.just("\n")), max_size=6
    )
)
def test_notes_one_after_another_are_found_again(texts: list[str]) -> None:
    written = [_SIGNER.sign(text + "\n") for text in texts]
    data = b"".join(written)
    notes = _notes(data)
    assert [note.text for note in notes] == [text + "\n" for text in texts]
    assert [data[note.start : note.end] for note in notes] == written
    assert all(_SIGNER.verifier.signed(note) for note in notes)


def test_half_a_note_at_the_end_is_not_one() -> None:
    whole, half = _SIGNER.sign("a\nb\nc\n"), _SIGNER.sign("d\ne\nf\n")
    for cut in range(1, len(half)):
        first, *rest = split_notes(whole + half[:cut])
        assert isinstance(first, Note)
        assert rest == [range(len(whole), len(whole) + cut)]


def test_every_bit_counts() -> None:
    data = _SIGNER.sign("example.com/audit\n7\nroot\n")
    for bit in range(8 * len(data)):
        changed = bytearray(data)
        changed[bit // 8] ^= 1 << bit % 8
        assert not _signed(bytes(changed)), bit


@pytest.mark.parametrize(
    "data",
    [
        b"\n\n\xe2\x80\x94 a b\n",
        b"text\n\n\xe2\x80\x94 name AAAA\n",
        b"text\n\n\xe2\x80\x94 name AAAAA\n",
        b"text\n\n\xe2\x80\x94 na+me AAAAAAAA\n",
        b"text\n\n\xe2\x80\x94 name\xff AAAAAAAA\n",
        b"te\0xt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"te\rxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"te\xffxt\n\n\xe2\x80\x94 name AAAAAAAA\n",
        b"text\n\n" + b"\xe2\x80\x94 name AAAAAAAA\n" * 101,
        b"text\n\n\xe2\x80\x94 name AAAAAAAA",
        b"text\n\xe2\x80\x94 name AAAAAAAA\n",
    ],
)
def test_what_the_specification_forbids_is_no_note(data: bytes) -> None:
    assert list(split_notes(data)) == [range(len(data))]


def test_a_hostile_file_takes_no_longer_than_an_honest_one() -> None:
    began = time.monotonic()
    for data in (b"\n" * 2_000_000, b"\n\n\xe2\x80\x94 " * 300_000, _SIGNER.sign("a\n") * 5_000):
        assert sum(1 for _ in split_notes(data)) >= 1
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("name", ["", "two words", "a+b", "a\nb", "\u2003", "x" * 201])
def test_a_log_has_a_name_that_notes_can_have(name: str) -> None:
    with pytest.raises(UsageError):
        NoteSigner(name, bytes(32))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "a",
        "a+b",
        "a+b+c",
        _EXAMPLE_KEY.replace("c74f", "c74e"),
        _EXAMPLE_KEY[:-4],
        "Other" + _EXAMPLE_KEY,
        f"x+00000000+{base64.b64encode(bytes(33)).decode()}",
    ],
)
def test_what_is_no_verifier_key_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="here"):
        read_verifier_key(text, "here")
