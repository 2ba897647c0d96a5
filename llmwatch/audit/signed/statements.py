"""The signed notes of a log's folder: which of its checkpoints, digests and tombstones a public key vouches for."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS, Checkpoint, read_checkpoint
from llmwatch.audit.digests import Digest, Tombstone, read_digest, read_tombstone
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import day_of
from llmwatch.audit.notes import Note, NoteVerifier, split_notes
from llmwatch.errors import SourceError

DIGEST_ENDING, TOMBSTONE_ENDING = ".digest", ".gone"

_LONGEST_NOTE = 1 << 20


@dataclass(slots=True)
class _Claimed:
    """A checkpoint that says it is the key's, and where its note is; whether it is, None until that is checked."""

    checkpoint: Checkpoint
    start: int
    end: int
    signed: bool | None = None


class Checkpoints:
    """The checkpoints of a log that a key may have signed, in the order of the file.

    A signature takes as long to check as the hash of a hundred lines, so it is checked when it is asked for.
    """

    def __init__(self, data: bytes, verifier: NoteVerifier) -> None:
        self._data, self._verifier = data, verifier
        self._claimed: list[_Claimed] = []
        self.findings: list[Finding] = []
        """What can be said without checking signatures."""
        self.others = 0
        """Checkpoints that say they are signed by other keys."""
        self.strangers: dict[str, None] = {}
        """Those keys, as `signers` names them, in the order of the file."""
        for found in split_notes(data):
            if isinstance(found, range):
                self._broken(found, len(data))
            elif verifier.claims(found):
                self._claim(found)
            else:
                self.others += 1
                self.strangers.update(dict.fromkeys(signers(found)))
        self._sorted = sorted(self._claimed, key=_size)

    def __len__(self) -> int:
        return len(self._claimed)

    @property
    def origin(self) -> str | None:
        """The log of the newest checkpoint that is signed."""
        return next((each.checkpoint.origin for each in reversed(self._claimed) if self._signed(each)), None)

    def of(self, origin: str) -> int:
        """Keep those of one log; returns how many are of others."""
        kept = [each for each in self._claimed if each.checkpoint.origin == origin]
        left_out = len(self._claimed) - len(kept)
        self._claimed, self._sorted = kept, sorted(kept, key=_size)
        return left_out

    def check(self, most: int) -> None:
        """Check the signatures of so many, the newest first."""
        for each in self._claimed[-most:]:
            self._signed(each)

    @property
    def unchecked(self) -> int:
        """How many signatures were not needed."""
        return sum(each.signed is None for each in self._claimed)

    def between(self, first: int, last: int | None) -> list[Checkpoint]:
        """Those of `first` lines or more, to `last` lines, whose signature is good; the smallest first."""
        begin = bisect_left(self._sorted, first, key=_size)
        end = None if last is None else bisect_right(self._sorted, last, key=_size)
        found = {each.checkpoint for each in self._sorted[begin:end] if self._signed(each)}
        return sorted(found, key=lambda each: (each.size, each.root))

    def newest(self) -> tuple[Checkpoint, bytes] | None:
        """The largest whose signature is good, and its note."""
        found = next((each for each in reversed(self._sorted) if self._signed(each)), None)
        return (found.checkpoint, self._data[found.start : found.end]) if found else None

    def judged(self) -> Iterator[Finding]:
        """What is wrong with the signatures that were checked, and with the order."""
        largest: Checkpoint | None = None
        for each in self._claimed:
            now = each.checkpoint
            if each.signed is False:
                yield _bad(
                    f"the checkpoint of {now.size:,} lines (byte {each.start:,}) is not signed by the key"
                )
            elif largest is None or now.size > largest.size:
                largest = now
            elif now.size < largest.size:
                yield Finding(
                    "checkpoint_not_monotonic",
                    CHECKPOINTS,
                    expected=str(largest.size),
                    actual=str(now.size),
                    detail=f"a checkpoint of {now.size:,} lines stands after one of {largest.size:,}",
                )
            elif now.root != largest.root:
                yield Finding(
                    "fork",
                    CHECKPOINTS,
                    expected=largest.root.hex(),
                    actual=now.root.hex(),
                    detail=f"two checkpoints of {now.size:,} lines are signed, and they are of two histories",
                )

    def _signed(self, each: _Claimed) -> bool:
        if each.signed is None:
            note = next(split_notes(self._data[each.start : each.end]))
            each.signed = isinstance(note, Note) and self._verifier.signed(note)
        return each.signed

    def _claim(self, note: Note) -> None:
        whole = _without_fragment(note, self._verifier)
        checkpoint = read_checkpoint(whole)
        if checkpoint is None:
            self.findings.append(_bad(f"the note at byte {note.start:,} is no checkpoint"))
            return
        if whole.start > note.start:
            self.findings.append(_torn(note.start, whole.start))
        self._claimed.append(_Claimed(checkpoint, whole.start, whole.end))

    def _broken(self, place: range, size: int) -> None:
        if place.stop == size:
            self.findings.append(_torn(place.start, place.stop))
        else:
            self.findings.append(_bad(f"bytes {place.start:,} to {place.stop:,} are no signed note"))


def _size(each: _Claimed) -> int:
    return each.checkpoint.size


@dataclass(frozen=True, slots=True)
class Seal:
    """A digest that the key vouches for: it signed it, or a digest after it, which names it by its hash."""

    digest: Digest
    sha256: str
    """Of its note, hex."""


@dataclass(frozen=True, slots=True)
class Statements:
    """All that a key says about a log. Files go by the name they have unarchived."""

    checkpoints: Checkpoints
    origin: str | None
    """The name of the log; None if nothing is signed."""

    seals: Mapping[str, Seal]
    tombstones: Mapping[str, Tombstone]
    strangers: frozenset[str]
    """Files whose digest another key signed."""

    others: tuple[str, ...]
    """The other keys that checkpoints and digests say they are signed by."""

    findings: tuple[Finding, ...]
    sentences: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that should hold one note; None if it holds anything else."""

    note: Note | None
    sha256: str
    """Of all its bytes."""


def read_statements(folder: Path, verifier: NoteVerifier) -> Statements:
    """The notes of a folder, checked. Raises SourceError for a file that cannot be read."""
    checkpoints = Checkpoints(_bytes(folder / CHECKPOINTS), verifier)
    digests = _one_a_file(folder, DIGEST_ENDING)
    origin = verifier.name or checkpoints.origin or _origin(digests, verifier)
    foreign = checkpoints.of(origin) if origin else 0
    seals, strangers, findings = _seals(digests, verifier, origin)
    stones = _one_a_file(folder, TOMBSTONE_ENDING)
    tombstones = dict(_tombstones(stones, verifier, origin))
    remarks = {
        "checkpoints are signed by other keys than the public key": checkpoints.others,
        f"checkpoints are of other logs than {origin}": foreign,
        "tombstones are not signed by the public key": len(stones) - len(tombstones),
    }
    sentences = tuple(f"{count:,} {what}: they were passed over" for what, count in remarks.items() if count)
    notes = [note for name in sorted(strangers) if (note := digests[name].note)]
    others = dict.fromkeys((*checkpoints.strangers, *(name for note in notes for name in signers(note))))
    return Statements(checkpoints, origin, seals, tombstones, strangers, tuple(others), findings, sentences)


def signers(note: Note) -> Iterator[str]:
    """The keys that a note says signed it: name and id, as a note verifier key begins."""
    return (f"{signature.name}+{signature.id.hex()}" for signature in note.signatures)


def count_statements(folder: Path) -> tuple[int, int]:
    """How many checkpoints and digests there are, whoever signed them."""
    notes = split_notes(_bytes(folder / CHECKPOINTS))
    return sum(isinstance(note, Note) for note in notes), len(_one_a_file(folder, DIGEST_ENDING))


def _seals(
    found: Mapping[str, _Found], verifier: NoteVerifier, origin: str | None
) -> tuple[dict[str, Seal], frozenset[str], tuple[Finding, ...]]:
    """Digests the key vouches for, by the file they are of; files whose digest others signed; what is wrong."""
    by_hash = {one.sha256: name for name, one in found.items()}
    good: dict[str, Seal] = {}
    findings: list[Finding] = []
    strangers: set[str] = set()
    for name in sorted(found, reverse=True):  # a digest comes after those that it names
        note = found[name].note
        digest = read_digest(note) if note else None
        if name in good:
            continue
        if note is None or digest is None:
            findings.append(_bad_digest(name, "is no signed digest"))
        elif not verifier.claims(note):
            strangers.add(name)
        elif not verifier.signed(note):
            findings.append(_bad_digest(name, "is not signed by the key"))
        elif digest.origin != origin:
            findings.append(_bad_digest(name, f"is of another log, {digest.origin}"))
        else:
            good.update(_vouched(name, found, by_hash))
    misplaced = {name: seal for name, seal in good.items() if seal.digest.file != name}
    findings += [_misplaced(name, seal.digest) for name, seal in misplaced.items()]
    placed = {name: seal for name, seal in good.items() if name not in misplaced}
    seals = {**{seal.digest.file: seal for seal in misplaced.values()}, **placed}
    return seals, frozenset(strangers - good.keys()), tuple(findings)


def _vouched(
    name: str | None, found: Mapping[str, _Found], by_hash: Mapping[str, str]
) -> Iterator[tuple[str, Seal]]:
    """A signed digest, and those that are reached from it by their hashes, whichever key signed them."""
    while name is not None:
        note = found[name].note
        digest = read_digest(note) if note else None
        if digest is None:
            return
        yield name, Seal(digest, found[name].sha256)
        name = by_hash.get(digest.previous or "")


def _tombstones(
    found: Mapping[str, _Found], verifier: NoteVerifier, origin: str | None
) -> Iterator[tuple[str, Tombstone]]:
    for name, one in found.items():
        stone = read_tombstone(one.note) if one.note else None
        if one.note is None or stone is None or not verifier.signed(one.note):
            continue
        if stone.file == name and origin in (None, stone.origin):
            yield name, stone


def _origin(digests: Mapping[str, _Found], verifier: NoteVerifier) -> str | None:
    """The log of the newest digest that is signed, where no checkpoint is."""
    for name in sorted(digests, reverse=True):
        note = digests[name].note
        digest = read_digest(note) if note else None
        if note and digest and verifier.signed(note):
            return digest.origin
    return None


def _without_fragment(note: Note, verifier: NoteVerifier) -> Note:
    """A crash may leave the beginning of a checkpoint, behind which the next one is written."""
    checkpoint = read_checkpoint(note)
    names = [signature.name for signature in note.signatures]
    if (checkpoint and checkpoint.origin in names and note.text.count("\n") == 3) or verifier.signed(note):
        return note
    for name in names:
        place = note.text.rfind(f"{name}\n")
        if place > 0:
            start = note.start + len(note.text[:place].encode())
            rest = replace(note, text=note.text[place:], start=start)
            if verifier.signed(rest):
                return rest
    return note


def _one_a_file(folder: Path, ending: str) -> dict[str, _Found]:
    """The notes beside the days of a log, by the name of the file of entries that they are of."""
    found: dict[str, _Found] = {}
    for path in sorted(folder.glob(f"audit_*{ending}")):
        name = f"{path.name.removesuffix(ending)}.jsonl"
        if day_of(name):
            data = _bytes(path, _LONGEST_NOTE)
            notes = list(split_notes(data)) if len(data) <= _LONGEST_NOTE else []
            note = notes[0] if len(notes) == 1 else None
            found[name] = _Found(note if isinstance(note, Note) else None, sha256(data).hexdigest())
    return found


def _bytes(path: Path, most: int | None = None) -> bytes:
    """All of a file, or one byte more than `most`; empty if it is not there."""
    try:
        with path.open("rb") as file:
            return file.read(-1 if most is None else most + 1)
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise SourceError(f"{path} cannot be read ({error.strerror}): check its permissions") from error


def _bad(what: str) -> Finding:
    return Finding("checkpoint_bad_signature", CHECKPOINTS, detail=what)


def _bad_digest(name: str, what: str) -> Finding:
    return Finding("digest_bad_signature", name, detail=f"its digest {what}")


def _misplaced(name: str, digest: Digest) -> Finding:
    place = name.replace(".jsonl", DIGEST_ENDING)
    return Finding(
        "file_renamed", place, expected=digest.file, actual=name, detail=f"it is the digest of {digest.file}"
    )


def _torn(start: int, stop: int) -> Finding:
    return Finding(
        "checkpoint_torn", CHECKPOINTS, detail=f"bytes {start:,} to {stop:,} are half a checkpoint"
    )
