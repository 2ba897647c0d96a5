"""Whether a folder is as a writer promises: the recipe's verifier, numbers counted, roots recomputed."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

from llmwatch.audit.checkpoints import CHECKPOINTS, Checkpoint, read_checkpoint
from llmwatch.audit.digests import Digest, read_digest
from llmwatch.audit.entry import Secret
from llmwatch.audit.findings import Verification
from llmwatch.audit.folder import find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import Note, NoteSigner, split_notes
from llmwatch.audit.verify import verify
from tests.audit import recipe
from tests.audit.sealed import SECRET, SIGNER


def lines_of(folder: Path) -> list[bytes]:
    """All lines of the log, without their newlines."""
    return [line for path in sorted(folder.glob("*.jsonl")) for line in path.read_bytes().splitlines()]


def entries_of(folder: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in lines_of(folder)]


def ids_of(folder: Path) -> list[str]:
    return [entry["id"] for entry in entries_of(folder)]


def root_of(lines: Sequence[bytes]) -> bytes:
    """The root over lines, straight from the definition in RFC 6962."""
    if not lines:
        return sha256(b"").digest()
    if len(lines) == 1:
        return sha256(b"\0" + lines[0]).digest()
    half = 1 << (len(lines) - 1).bit_length() - 1
    return sha256(b"\1" + root_of(lines[:half]) + root_of(lines[half:])).digest()


def checkpoints_of(folder: Path, signer: NoteSigner = SIGNER) -> list[Checkpoint]:
    """All of them; each is signed, and nothing else is in the file."""
    path = folder / CHECKPOINTS
    return [_checkpoint(note, signer) for note in split_notes(path.read_bytes() if path.exists() else b"")]


def _checkpoint(note: Note | range, signer: NoteSigner) -> Checkpoint:
    assert isinstance(note, Note)
    assert signer.verifier.signed(note)
    checkpoint = read_checkpoint(note)
    assert checkpoint is not None
    assert checkpoint.origin == signer.name
    return checkpoint


def digests_of(folder: Path, signer: NoteSigner = SIGNER) -> Iterator[tuple[Digest, bytes]]:
    """All of them with their notes, oldest first."""
    for path in sorted(folder.glob("*.digest")):
        (note,) = split_notes(path.read_bytes())
        assert isinstance(note, Note)
        assert signer.verifier.signed(note)
        digest = read_digest(note)
        assert digest is not None
        yield digest, path.read_bytes()


def verified(folder: Path, *others: Secret) -> Verification:
    """What the verifier says, with all keys, and every line looked at."""
    return verify(find_logs([folder]), ring=KeyRing((SECRET, *others)), public=SIGNER.verifier)


def assert_sound(folder: Path, *, plain: int = 0) -> None:
    """Nothing is wrong with the folder, and there are so many plain lines before the first of our own."""
    lines = lines_of(folder)
    links: list[Any] = [(json.loads(line)["metadata"] or {}).get("_lw") for line in lines]
    assert [link is None for link in links] == [True] * plain + [False] * (len(lines) - plain)
    assert [link["seq"] for link in links[plain:]] == list(range(plain, len(lines)))
    _assert_linked(folder)
    sizes = [checkpoint.size for checkpoint in checkpoints_of(folder)]
    assert sizes == sorted(set(sizes))
    for checkpoint in checkpoints_of(folder):
        assert checkpoint.root == root_of(lines[: checkpoint.size])
        assert checkpoint.size <= len(lines)
    _assert_sealed(folder, lines)
    assert verified(folder).verdict == "ok", verified(folder).findings


def _assert_linked(folder: Path) -> None:
    before: dict[str, Any] | None = None
    for path in sorted(folder.glob("*.jsonl")):
        assert recipe.verify(path), path.name
        entries = [json.loads(line) for line in path.read_bytes().splitlines()]
        link = (entries[0]["metadata"] or {}).get("_lw")
        if link:
            assert link["prev"] == before, path.name
        last = entries[-1]
        seq = ((last["metadata"] or {}).get("_lw") or {}).get("seq")
        before = {"file": path.name, "seq": seq, "chain": last["chain_hash"]}


def _assert_sealed(folder: Path, lines: Sequence[bytes]) -> None:
    previous = None
    signed = {checkpoint.size for checkpoint in checkpoints_of(folder)}
    for digest, note in digests_of(folder):
        assert digest.first + digest.lines in signed
        data = (folder / digest.file).read_bytes()
        own = data.splitlines()
        assert (digest.size, digest.lines, digest.sha256) == (len(data), len(own), sha256(data).hexdigest())
        assert lines[digest.first : digest.first + digest.lines] == own
        assert digest.first_chain == recipe.chain_of(own[0])
        assert digest.last_chain == recipe.chain_of(own[-1])
        assert digest.previous == previous
        previous = sha256(note).hexdigest()
