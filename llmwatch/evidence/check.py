"""Checking a package with nothing but a public key: every file, the signature, the counts, and the log inside."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from hashlib import sha256
from pathlib import Path, PurePath

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.findings import (
    LINE_CLASSES,
    OTHER_CLASSES,
    Coverage,
    Finding,
    Severity,
    Verdict,
    Verification,
    count_classes,
)
from llmwatch.audit.folder import Log, day_of, find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import Note, NoteVerifier, split_notes
from llmwatch.audit.promises import NO_PUBLIC_KEY
from llmwatch.audit.signed.attestation import ASKS_FOR_KEY
from llmwatch.audit.verify import first_bad, verify
from llmwatch.errors import LlmwatchError
from llmwatch.evidence.package.make import LOG
from llmwatch.evidence.package.manifest import FORMAT, MANIFEST
from llmwatch.evidence.package.records import count_records
from llmwatch.evidence.package.seal import NOTE, SUMS, files_of, hash_of, read_bytes, read_note, read_sums

_AS_MADE = "a package that is as it was made does not show that every call was logged, or truthfully"
_NO_KEY = "no public key was given: whoever changed a file could have changed SHA256SUMS too"
_NOT_SIGNED = "nobody signed the package: whoever changed a file could have changed SHA256SUMS too"
_NO_LOG = (
    "the package holds no audit log: its records are as they were exported, and nothing shows what was logged"
)
_SIGNED = "{origin} signed the package, and says that this was at {created}"
_AT_EXPORT = "whoever made the package checked the log first, and found that {verdict}"
_TOLD = "found when the package was made; the log is not in it"
_FOUND_BEFORE = "the package is as it was made: what was found is in the log that was put into it"
_OTHER_KEY = "what is signed of the log was not checked: the public key is another than that of the log"
_NOT_CHECKED = "the log in the package was not checked: there are links or other things in place of files"
_BEFORE = "it goes on from a day before the window, which is not in the package"
_AFTER = "the log goes on after the window, with lines that are not in the package"
_PERHAPS_AFTER = (
    "lines that were signed follow, which are not in the package: they are after its window, or were cut off before it "
    "was made"
)
_VERDICTS = {
    "ok": "nothing in it was changed",
    "warn": "nothing in it was changed, and something calls for an explanation",
    "tampered": "it was tampered with",
    "unverifiable": "no key that they gave vouches for it",
}


def check_package(folder: Path, publics: Sequence[NoteVerifier], ring: KeyRing | None = None) -> Verification:
    """Check a package. Whatever lies in the folder is an answer, and no error.

    `publics`: keys that may have signed the package, and the log in it.
    """
    check = _Check(folder, publics)
    sums = check.sums()
    check.files(sums or {})
    document = check.manifest()
    check.signature(document)
    inside = check.log(ring or KeyRing(), document)
    check.chain_at_export(document, inside)
    return check.result(inside)


@dataclass
class _Check:
    folder: Path
    publics: Sequence[NoteVerifier]
    findings: list[Finding] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    signed: bool = False
    digest: str | None = None
    """Of the list of hashes."""
    read: int = 0
    """Files that are as they were listed."""
    regular: bool = True
    """Whether all that is there are files that can be read, so that the log may be looked into."""

    def find(
        self,
        name: str,
        file: str,
        detail: str,
        *,
        expected: str | None = None,
        actual: str | None = None,
        given: Severity = "error",
    ) -> None:
        """Something is not as it should be."""
        self.findings.append(
            Finding(name, file, detail=detail, expected=expected, actual=actual, given=given)
        )

    def sums(self) -> Mapping[str, str] | None:
        """The list of hashes."""
        try:
            data = read_bytes(self.folder / SUMS)
        except OSError as error:
            detail = f"there is no list of hashes that can be read ({error.strerror})"
            self.find("file_missing", SUMS, detail)
            return None
        self.digest = sha256(data).hexdigest()
        sums = read_sums(data)
        if sums is None:
            detail = "it is no list of hashes as sha256sum writes it, or names a file outside"
            self.find("digest_mismatch", SUMS, detail)
        return sums

    def signature(self, document: Mapping[str, object]) -> None:
        """Who signed the list of hashes."""
        try:
            found = read_note(read_bytes(self.folder / NOTE))
        except FileNotFoundError:
            if document.get("signed_by") is not None:
                signer = document["signed_by"]
                detail = f"the manifest says that {signer} signed the package: the signature was taken away"
                self.find("file_missing", NOTE, detail)
                return
            if self.publics:
                self.find("file_missing", NOTE, "nobody signed the package", given="warn")
            self.sentences.append(_NOT_SIGNED)
            return
        except OSError:
            found = None
        if found is None:
            self.find("digest_bad_signature", NOTE, "it is no signed note of a package")
            return
        note, said = found
        whole = said.sha256 == self.digest
        if not whole:
            detail = "it is not the list that was signed"
            self.find("digest_mismatch", SUMS, detail, expected=said.sha256, actual=self.digest)
        if not self.publics:
            self.sentences.append(_NO_KEY)
        elif any(public.signed(note) for public in self.publics):
            self.signed = whole
            self.sentences.append(_SIGNED.format(origin=said.origin, created=said.created))
        else:
            detail = (
                f"the package says that {said.origin} signed it, and the public key that was given did not: "
                f"is it their key? Ask them, and not whoever handed the package over"
            )
            self.find("digest_bad_signature", NOTE, detail)

    def files(self, sums: Mapping[str, str]) -> None:
        """Each file is as it was listed; none is missing, none was added."""
        try:
            present = set(files_of(self.folder))
        except OSError as error:
            self.find("file_missing", ".", f"the folder cannot be read ({error.strerror})")
            return
        for name in sorted(present | set(sums)):
            if name not in sums:
                self.regular &= _is_file(self.folder / name)
                self.find("digest_mismatch", name, "it is not in the list of hashes: it was added")
            elif name not in present:
                self.find("file_missing", name, "it is in the list of hashes and not in the package")
            else:
                self._file(name, sums[name])

    def _file(self, name: str, expected: str) -> None:
        try:
            actual = hash_of(self.folder / name)
        except (OSError, ValueError) as error:
            self.regular = False
            why = getattr(error, "strerror", None) or error
            self.find("digest_mismatch", name, f"it cannot be read as a file ({why})")
            return
        if actual != expected:
            self.find("digest_mismatch", name, "it is not as it was listed", expected=expected, actual=actual)
        else:
            self.read += 1

    def manifest(self) -> Mapping[str, object]:
        """What the package says it holds, compared with what it holds."""
        try:
            document = json.loads(read_bytes(self.folder / MANIFEST))
        except (OSError, ValueError, RecursionError):
            document = None
        if not isinstance(document, dict) or document.get("format") != FORMAT:
            self.find("digest_mismatch", MANIFEST, f"it is no manifest of the format {FORMAT}")
            return {}
        said = document.get("records")
        if not isinstance(said, dict):
            self.find("digest_mismatch", MANIFEST, "it does not say how many records there are")
        elif not self.findings:
            for name, actual in self._counts().items():
                if said.get(name) != actual:
                    self.find(
                        "digest_mismatch",
                        name,
                        "it has not as many records as the manifest says",
                        expected=str(said.get(name)),
                        actual=str(actual),
                    )
        return document

    def _counts(self) -> Mapping[str, int]:
        """Nothing of a package that is not whole: hostile files are not opened for their records."""
        import duckdb

        try:
            return count_records(self.folder)
        except (OSError, ValueError, duckdb.Error):
            self.find("digest_mismatch", MANIFEST, "its records cannot be read")
            return {}

    def log(self, ring: KeyRing, document: Mapping[str, object]) -> Verification | None:
        """The audit log inside, by itself: days that are not in the window are not missing."""
        if not self.regular:
            self.sentences.append(_NOT_CHECKED)
            return None
        try:
            logs = tuple(_partial(log) for log in _logs(self.folder / LOG))
            if not logs:
                return None
            public, other = self._public_of(logs)
            inside = _in_window(verify(logs, ring=ring, public=public), document)
        except (LlmwatchError, OSError) as error:
            self.find("digest_mismatch", LOG, f"the log in the package cannot be read: {error}")
            return None
        return _said(inside, _OTHER_KEY) if other else inside

    def _public_of(self, logs: Iterable[Log]) -> tuple[NoteVerifier | None, bool]:
        """The key that signed the log, and whether another did: a package may be signed by another than its log."""
        notes = [note for log in logs for note in _notes_of(log)]
        for public in self.publics:
            if any(public.claims(note) for note in notes):
                return public, False
        return None, bool(notes and self.publics)

    def chain_at_export(self, document: Mapping[str, object], inside: Verification | None) -> None:
        """What the maker of the package found. Without the log, that is all there is to know of it."""
        chain = document.get("chain")
        verdict = chain.get("verdict") if isinstance(chain, dict) else None
        if verdict in _VERDICTS:
            self.sentences.append(_AT_EXPORT.format(verdict=_VERDICTS[verdict]))
        if inside is not None:
            return
        self.sentences.append(_NO_LOG)
        first = chain.get("first_bad") if isinstance(chain, dict) else None
        if verdict == "tampered" and isinstance(first, dict):
            name, file, line = first.get("class"), first.get("file"), first.get("line")
            known = name if name in LINE_CLASSES or name in OTHER_CLASSES else "malformed"
            place = f"{file}, line {line}" if isinstance(line, int) else str(file)
            self.find(str(known), LOG, f"{place}: {_TOLD}")

    def result(self, inside: Verification | None) -> Verification:
        """Package and log together; errors of the package come first, for they explain those of the log."""
        coverage = inside.coverage if inside else Coverage()
        findings = (*self.findings, *(inside.findings if inside else ()))
        unsigned = ", in a list that nobody signed" if _NOT_SIGNED in self.sentences else ""
        said = [f"{self.read:,} files of the package are as they were listed{unsigned}", *self.sentences]
        if self.signed and not self.findings and any(one.severity == "error" for one in findings):
            said.append(_FOUND_BEFORE)
        first = next(
            (one for one in self.findings if one.severity == "error"), inside.first_bad if inside else None
        )
        return Verification(
            self._verdict(findings),
            replace(coverage, sentences=tuple(dict.fromkeys((*said, *coverage.sentences, _AS_MADE)))),
            findings,
            first,
            count_classes(findings),
        )

    def _verdict(self, findings: tuple[Finding, ...]) -> Verdict:
        """A signed package is vouched for by who signed it, also where the log inside has other keys."""
        severities = {one.severity for one in findings if one.name != "wrong_key"}
        if "error" in severities:
            return "tampered"
        if not self.signed:
            return "unverifiable"
        return "warn" if "warn" in severities else "ok"


def _is_file(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _logs(folder: Path) -> Iterator[Log]:
    if not folder.is_dir() or folder.is_symlink():
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal())
    for place in below or [folder]:
        yield from find_logs([place])


def _partial(log: Log) -> Log:
    """A part of a log: days that are not there may be outside the window."""
    return Log(log.folder, log.files, whole=False)


def _in_window(found: Verification, document: Mapping[str, object]) -> Verification:
    """Where the window cuts a log there is more of it before and after, which is no damage.

    Whoever made the package had more of the log: they list the days that they read, and what they found missing.
    """
    made = _AtExport.read(document)
    window = document.get("window")
    since, until = (
        (window.get(name) for name in ("since", "until")) if isinstance(window, dict) else (None, None)
    )
    files = {file.name: file for file in found.coverage.files}
    days = sorted(filter(None, map(_day, files)))

    def eased(one: Finding) -> Finding:
        day = _day(one.file)
        if one.name in made.classes or day is None:
            return one
        if since and day <= min(days, default=day):
            unlinked = one.name == "head_unlinked" and one.severity == "warn"
            if unlinked or (one.name == "file_missing" and any(other < day for other in made.days)):
                return replace(one, given="info", detail=_BEFORE)
        if one.name == "tail_missing":
            whole = one.file not in files or files[one.file].sealed
            later = [lines for other, lines in made.days.items() if days and other > days[-1]]
            if made.signatures or (later and (whole or one.count <= sum(later))):
                return replace(one, given="info", detail=_AFTER)
            if until and (whole or later):
                return replace(one, given="warn", detail=_PERHAPS_AFTER)
        return one

    findings = tuple(map(eased, found.findings))
    return replace(found, findings=findings, first_bad=first_bad(findings))


@dataclass(frozen=True, slots=True)
class _AtExport:
    """What the manifest says of the log that the package was made from."""

    days: Mapping[date, int]
    """Those that were read, and their lines."""

    signatures: bool
    """Whether what is signed of the log was checked."""

    classes: Collection[str]
    """Of what was found."""

    @staticmethod
    def read(document: Mapping[str, object]) -> _AtExport:
        """Whatever stands there."""
        sources, chain = document.get("sources"), document.get("chain")
        days: dict[date, int] = {}
        for one in sources if isinstance(sources, list) else ():
            name, lines = (one.get("source"), one.get("lines")) if isinstance(one, dict) else (None, None)
            if isinstance(name, str) and isinstance(lines, int) and (day := _day(name)):
                days[day] = days.get(day, 0) + lines
        chain = chain if isinstance(chain, dict) else {}
        coverage, counts = chain.get("coverage"), chain.get("counts")
        signatures = isinstance(coverage, dict) and bool(coverage.get("attested"))
        return _AtExport(days, signatures, tuple(counts) if isinstance(counts, dict) else ())


def _day(name: str) -> date | None:
    return day_of(PurePath(name).name)


def _notes_of(log: Log) -> Iterator[Note]:
    path = log.folder / CHECKPOINTS
    if path.is_file():
        yield from (note for note in split_notes(path.read_bytes()) if isinstance(note, Note))


def _said(found: Verification, sentence: str) -> Verification:
    """With a sentence about the key of the log in place of those that ask for one."""
    kept = (one for one in found.coverage.sentences if NO_PUBLIC_KEY not in one and ASKS_FOR_KEY not in one)
    return replace(found, coverage=replace(found.coverage, sentences=(*kept, sentence)))
