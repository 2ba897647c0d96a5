"""What the signatures of one public key vouch for: sealed days by their digests, all other lines by checkpoints.

No secret is needed. A sealed day is compared with its digest as a whole. Of other days, the lines are leaves of the
Merkle tree, which is grown from the peaks in the digest before them and compared with every checkpoint on the way; so
it goes on across days of which retention left nothing but their digests.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS, Checkpoint
from llmwatch.audit.digests import Digest, Tombstone
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import Log, LogFile, find_logs
from llmwatch.audit.notes import NoteVerifier, verifier_key
from llmwatch.audit.signed.days import days_of, find_renamed
from llmwatch.audit.signed.passage import Passage
from llmwatch.audit.signed.sealed_days import Progress, seal_checks
from llmwatch.audit.signed.statements import Statements, count_statements, read_statements
from llmwatch.audit.signed.walk import is_numbered

_MOST_SIGNATURES = 20_000
"""Checked although a digest vouches for the lines: a second or two, while days are hashed."""
_FEW = 3
ASKS_FOR_KEY = "name the log's public key in --public-key"


@dataclass(frozen=True, slots=True)
class FileAttested:
    """Of one file: the first so many of its lines are as they were signed."""

    attested: int
    lines: int | None = None
    """Physical lines; None if they were not counted."""

    sealed: bool = False
    """All its bytes are those of a signed digest."""


@dataclass(frozen=True, slots=True)
class Attested:
    """What a public key says about a log."""

    findings: tuple[Finding, ...] = ()
    files: Mapping[Path, FileAttested] = field(default_factory=dict)
    """By the paths of the log's files; of a file that is not here, nothing is attested."""

    spare: frozenset[Path] = frozenset()
    """Files that hold the same bytes as another of the log: a day that is there plain and archived."""

    origin: str | None = None
    """The name of the log, as it is signed; None if nothing is."""

    newest: Checkpoint | None = None
    """The largest checkpoint that is signed."""

    newest_note: bytes = b""
    """Its signed note."""

    size: int | None = None
    """Lines in the whole log, those of deleted days too; None if they were not counted."""

    roots: Mapping[int, bytes] = field(default_factory=dict)
    """Lines → the root over so many, computed from the files, of the sizes that were asked for."""

    signed: Mapping[int, frozenset[bytes]] = field(default_factory=dict)
    """Lines → the roots that checkpoints of the folder say, of the same sizes."""

    digests: Mapping[str, Digest] = field(default_factory=dict)
    """Those the key vouches for, by file; of deleted files too."""

    tombstones: Mapping[str, Tombstone] = field(default_factory=dict)
    """Those the key signed, by file. One without a digest tells the chain hash that the next file may go on from."""

    sentences: tuple[str, ...] = ()
    """What was not checked, and why."""


def attest(
    log: Log, verifier: NoteVerifier | None, *, sizes: Collection[int] = (), progress: Progress | None = None
) -> Attested:
    """Compare a log with all that is signed in its folder. `sizes`: where roots are wanted besides.

    Without a public key nothing is attested, whatever lies there.

    Raises:
        SourceError: a file cannot be read.

    """
    if verifier is None:
        return Attested(sentences=tuple(_unchecked(log.folder)))
    if not (log.whole or any(file.day for file in log.files)):
        sentence = "lines that come from no folder of an audit log cannot be compared with its checkpoints"
        return Attested(sentences=(sentence,))
    said = read_statements(log.folder, verifier)
    if log.whole:  # a file that was begun since the caller looked may hold lines that are signed by now
        log = next(iter(find_logs([log.folder])), log)
    days = days_of(log, said)
    if not (said.seals or said.checkpoints or said.tombstones or sizes):
        absent = _checkpoint_missing(log.files, verifier, said.others)
        return Attested((*said.checkpoints.findings, *said.findings, *absent), sentences=said.sentences)
    sealed = [(day, day.seal.digest, file) for day in days if day.seal for file in day.files]
    with seal_checks([(file, digest.size, digest.sha256) for _, digest, file in sealed], progress) as checked:
        said.checkpoints.check(_MOST_SIGNATURES)
        for (day, _, file), check in zip(sealed, checked(), strict=True):
            day.checks[file.path] = check
    renamed = list(find_renamed(days, log.files))
    passage = Passage(days, said, frozenset(sizes), progress)
    for day in days:
        passage.add(day)
    passage.finish()
    missing: tuple[Finding, ...] = ()
    if said.checkpoints.newest() is None:
        others = () if said.seals else said.others
        missing = _checkpoint_missing(log.files, verifier, others, certain=bool(said.seals))
    return _result(log, said, passage, (*missing, *renamed), sizes)


def _result(
    log: Log, said: Statements, passage: Passage, found: Sequence[Finding], sizes: Collection[int]
) -> Attested:
    newest, note = said.checkpoints.newest() or (None, b"")
    signed = {size: frozenset(one.root for one in said.checkpoints.between(size, size)) for size in sizes}
    findings = (*said.checkpoints.findings, *said.checkpoints.judged(), *said.findings)
    files = {
        path: FileAttested(count, passage.lines[path], path in passage.sealed)
        for path, count in passage.attested.items()
    }
    return Attested(
        (*findings, *found, *passage.findings),
        files,
        frozenset(passage.spare),
        said.origin,
        newest,
        note,
        passage.size,
        passage.roots,
        signed,
        {name: seal.digest for name, seal in said.seals.items()},
        said.tombstones,
        (*said.sentences, *_remarks(log, said, passage)),
    )


def _remarks(log: Log, said: Statements, passage: Passage) -> Iterator[str]:
    if count := said.checkpoints.unchecked:
        yield f"{count:,} checkpoints inside sealed days were not checked: the digests of those days vouch for more"
    if names := passage.unreached:
        yield f"{_list(names)}: no signature reaches to these lines; name the whole folder if there is more"
    if names := sorted(said.strangers):
        yield f"{_list(names)}: other keys than the public key signed the digests"
    if names := [
        file.path.name for file in log.files if file.day is None and file.path not in passage.attested
    ]:
        yield f"{_list(names)}: no day in the name, so no checkpoint is of these lines"


def _list(names: Sequence[str]) -> str:
    few = ", ".join(names[:_FEW])
    return few if len(names) <= _FEW else f"{few} and {len(names) - _FEW:,} more"


def _checkpoint_missing(
    files: Sequence[LogFile], verifier: NoteVerifier, others: Sequence[str], *, certain: bool = False
) -> tuple[Finding, ...]:
    """Our writer's lines without a checkpoint; `certain`: there are such lines. `others`: keys that signed instead."""
    if not certain and not any(is_numbered(file) for file in reversed(files)):
        return ()
    detail = "the log has lines that are signed in checkpoints, and no checkpoint is signed by the public key"
    if others:
        given = "the one that was given"
        if verifier.name:
            given = "+".join(verifier_key(verifier.name, verifier.public).split("+")[:2])
        detail += (
            f": the signatures here are of {_list(others)}, not of {given}: is this the log's public key?"
        )
    return (Finding("checkpoint_missing", CHECKPOINTS, detail=detail),)


def _unchecked(folder: Path) -> Iterator[str]:
    checkpoints, digests = count_statements(folder)
    if checkpoints or digests:
        yield (
            f"{checkpoints:,} checkpoints and {digests:,} digests are there and were not checked: "
            f"{ASKS_FOR_KEY}"
        )
