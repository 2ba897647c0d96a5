"""The newest checkpoint that a verifier has seen of each log: against logs that go back, and logs with two histories.

Whoever can replace a whole folder, checkpoints and all, by an older copy of it deceives everyone who has not seen the
newer one. So the checkpoints are kept where the verifier is, signed notes as they are, one file a log and key.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.checkpoints import Checkpoint, read_checkpoint
from llmwatch.audit.findings import Finding
from llmwatch.audit.notes import Note, NoteVerifier, split_notes
from llmwatch.audit.signed.attestation import Attested
from llmwatch.audit.signed.windows import lines
from llmwatch.errors import SourceError
from llmwatch.private_file import write_private

_ENDING = ".checkpoint"
_LONGEST = 1 << 16
FIRST_TIME = (
    "no checkpoint of this log was seen before: nobody can tell yet whether it was put back to an older state"
)


@dataclass(frozen=True, slots=True)
class Comparison:
    """A log and what was seen of it before."""

    findings: tuple[Finding, ...] = ()
    sentences: tuple[str, ...] = ()
    consistent: bool = True
    """The log is the one that was seen, grown or the same; or none was seen."""


class Memory:
    """The folder of checkpoints seen: that of the user's state, or another."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or state_folder()

    def recall(self, verifier: NoteVerifier) -> tuple[Checkpoint, ...]:
        """The newest of each log that the key has signed.

        Raises:
            SourceError: what is kept cannot be read, or is damaged.

        """
        found = []
        try:
            name = sha256(verifier.name.encode()).hexdigest()[:16] if verifier.name else "*"
            for path in sorted(self._folder.glob(f"{_key(verifier)}-{name}{_ENDING}")):
                with path.open("rb") as file:
                    checkpoint = _kept(file.read(_LONGEST), verifier)
                if checkpoint is None:
                    raise SourceError(
                        f"{path}, the newest checkpoint seen, is damaged: restore it, or delete it to begin anew"
                    )
                found.append(checkpoint)
        except OSError as error:
            raise SourceError(
                f"{error.filename or self._folder} cannot be read ({error.strerror}): check its permissions"
            ) from error
        return tuple(found)

    def keep(self, verifier: NoteVerifier, attested: Attested) -> None:
        """Remember the newest checkpoint of a log in which nothing was found, and which is consistent.

        Raises:
            SourceError: it cannot be written.

        """
        newest = attested.newest
        before = {one.origin: one for one in self.recall(verifier)}
        if newest is None or (newest.origin in before and before[newest.origin].size >= newest.size):
            return
        try:
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_private(self._path(verifier, newest.origin), attested.newest_note)
        except OSError as error:
            raise SourceError(
                f"the checkpoint cannot be remembered in {self._folder} ({error.strerror}): "
                "name another folder in LLMWATCH_STATE"
            ) from error

    def _path(self, verifier: NoteVerifier, origin: str) -> Path:
        return self._folder / f"{_key(verifier)}-{sha256(origin.encode()).hexdigest()[:16]}{_ENDING}"


def state_folder() -> Path:
    """Where checkpoints seen are kept."""
    if named := os.environ.get("LLMWATCH_STATE"):
        return Path(named).expanduser()
    import platformdirs

    return Path(platformdirs.user_state_path("llmwatch"))


def compare(remembered: Sequence[Checkpoint], attested: Attested) -> Comparison:
    """Whether a log goes on from what was seen; it was attested with the `sizes` of what is remembered."""
    if attested.origin is None:
        return _unsigned(remembered)
    seen = next((one for one in remembered if one.origin == attested.origin), None)
    if seen is None:
        return Comparison(sentences=(FIRST_TIME,))
    findings = tuple(_differences(seen, attested))
    if findings:
        return Comparison(findings, consistent=False)
    if seen.root in (attested.roots.get(seen.size), *attested.signed.get(seen.size, ())):
        return Comparison()
    sentence = (
        f"the checkpoint of {lines(seen.size)} that was seen before cannot be compared: "
        "these lines are not there, or not all files were named"
    )
    return Comparison(sentences=(sentence,), consistent=False)


def _differences(seen: Checkpoint, attested: Attested) -> Iterator[Finding]:
    newest = attested.newest.size if attested.newest else 0
    sizes = [size for size in (newest, attested.size) if size is not None]
    if min(sizes) < seen.size:
        yield _rollback(seen, min(sizes))
    roots = {*attested.signed.get(seen.size, ())}
    if root := attested.roots.get(seen.size):
        roots.add(root)
    if others := roots - {seen.root}:
        yield Finding(
            "fork",
            seen.origin,
            expected=seen.root.hex(),
            actual=min(others).hex(),
            detail=f"another history was seen: a checkpoint of {lines(seen.size)} was signed with another root",
        )


def _unsigned(remembered: Sequence[Checkpoint]) -> Comparison:
    """A log in which nothing is signed, while something was before; unless the key has several logs."""
    if not remembered:
        return Comparison(sentences=(FIRST_TIME,))
    if len(remembered) == 1:
        return Comparison((_rollback(remembered[0], 0),), consistent=False)
    names = ", ".join(one.origin for one in remembered)
    sentence = (
        f"nothing is signed here, and the key was seen on several logs ({names}): name one in --public-key"
    )
    return Comparison(sentences=(sentence,), consistent=False)


def _rollback(seen: Checkpoint, size: int) -> Finding:
    detail = f"it was seen with {lines(seen.size)}, and is signed for {lines(size)} now"
    return Finding("rollback", seen.origin, expected=str(seen.size), actual=str(size), detail=detail)


def _key(verifier: NoteVerifier) -> str:
    return sha256(verifier.public).hexdigest()[:16]


def _kept(data: bytes, verifier: NoteVerifier) -> Checkpoint | None:
    notes = list(split_notes(data))
    note = notes[0] if len(notes) == 1 else None
    return read_checkpoint(note) if isinstance(note, Note) and verifier.signed(note) else None
