"""Checking a package with nothing but a public key: every file, the signature, the counts, and the log inside."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.findings import Coverage, Finding, Verdict, Verification, count_classes
from llmwatch.audit.folder import Log, LogFile, find_logs
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import Note, NoteVerifier, split_notes
from llmwatch.audit.verify import verify
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
_AT_EXPORT = "when it was made, the chain of its log was found to be {verdict}"


def check_package(folder: Path, public: NoteVerifier | None, ring: KeyRing | None = None) -> Verification:
    """Check a package. Whatever lies in the folder is an answer, and no error."""
    check = _Check(folder, public)
    sums = check.seal()
    check.files(sums)
    document = check.manifest()
    inside = check.log(ring or KeyRing())
    check.chain_at_export(document, inside)
    return check.result(inside)


@dataclass
class _Check:
    folder: Path
    public: NoteVerifier | None
    findings: list[Finding] = field(default_factory=list)
    sentences: list[str] = field(default_factory=list)
    signed: bool = False
    read: int = 0
    """Files that are as they were listed."""

    def find(
        self, name: str, file: str, detail: str, *, expected: str | None = None, actual: str | None = None
    ) -> None:
        """Something is not as it should be."""
        self.findings.append(Finding(name, file, detail=detail, expected=expected, actual=actual))

    def seal(self) -> Mapping[str, str]:
        """The list of hashes, and who signed it."""
        try:
            data = read_bytes(self.folder / SUMS)
        except OSError as error:
            self.find(
                "digest_missing", SUMS, f"there is no list of hashes that can be read ({error.strerror})"
            )
            self.findings[-1] = replace(self.findings[-1], given="error")
            return {}
        sums = read_sums(data)
        if sums is None:
            self.find(
                "digest_mismatch",
                SUMS,
                "it is no list of hashes as sha256sum writes it, or names a file outside",
            )
        self._signature(sha256(data).hexdigest())
        return sums or {}

    def _signature(self, digest: str) -> None:
        try:
            found = read_note(read_bytes(self.folder / NOTE))
        except FileNotFoundError:
            if self.public:
                self.find(
                    "digest_bad_signature",
                    NOTE,
                    "there is no signature: it was never signed, or it was taken away",
                )
            self.sentences.append(_NOT_SIGNED)
            return
        except OSError:
            found = None
        if found is None:
            self.find("digest_bad_signature", NOTE, "it is no signed note of a package")
            return
        note, said = found
        if said.sha256 != digest:
            self.find(
                "digest_mismatch",
                SUMS,
                "it is not the list that was signed",
                expected=said.sha256,
                actual=digest,
            )
        if self.public is None:
            self.sentences.append(_NO_KEY)
        elif self.public.signed(note):
            self.signed = said.sha256 == digest
            self.sentences.append(
                f"the list of hashes was signed by {said.origin}, who says at {said.created}"
            )
        else:
            self.find(
                "digest_bad_signature",
                NOTE,
                f"{said.origin} is named as who signed, and the public key did not",
            )

    def files(self, sums: Mapping[str, str]) -> None:
        """Each file is as it was listed; none is missing, none was added."""
        present = set(files_of(self.folder))
        for name in sorted(present | set(sums)):
            if name not in sums:
                self.find(
                    "digest_mismatch",
                    name,
                    "it is in the package and not in its list of hashes: it was added",
                )
            elif name not in present:
                self.find("file_missing", name, "it is in the list of hashes and not in the package")
            else:
                self._file(name, sums[name])

    def _file(self, name: str, expected: str) -> None:
        try:
            actual = hash_of(self.folder / name)
        except OSError as error:
            self.find("digest_mismatch", name, f"it cannot be read as a file ({error.strerror or error})")
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
        if not self.findings and isinstance(said, dict):
            for name, actual in self._counts().items():
                if said.get(name) != actual:
                    counts = {"expected": str(said.get(name)), "actual": str(actual)}
                    self.find(
                        "digest_mismatch", name, "it has not as many records as the manifest says", **counts
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

    def log(self, ring: KeyRing) -> Verification | None:
        """The audit log inside, by itself: days that are not in the window are not missing."""
        try:
            logs = tuple(_partial(log) for log in _logs(self.folder / LOG))
            return verify(logs, ring=ring, public=self._public_of(logs)) if logs else None
        except (LlmwatchError, OSError) as error:
            self.find("digest_mismatch", LOG, f"the log in the package cannot be read: {error}")
            return None

    def _public_of(self, logs: Iterable[Log]) -> NoteVerifier | None:
        """The public key, if it is that of the log too: a package may be signed by another than its log."""
        for log in logs:
            notes = (
                split_notes((log.folder / CHECKPOINTS).read_bytes())
                if (log.folder / CHECKPOINTS).is_file()
                else ()
            )
            if self.public and any(isinstance(note, Note) and self.public.claims(note) for note in notes):
                return self.public
        return None

    def chain_at_export(self, document: Mapping[str, object], inside: Verification | None) -> None:
        """What the maker of the package found."""
        chain = document.get("chain")
        if isinstance(chain, dict):
            self.sentences.append(_AT_EXPORT.format(verdict=chain.get("verdict")))
        if inside is None:
            self.sentences.append(_NO_LOG)

    def result(self, inside: Verification | None) -> Verification:
        """Package and log together; errors of the package come first, for they explain those of the log."""
        coverage = inside.coverage if inside else Coverage()
        extent = f"{self.read:,} files of the package are as they were listed"
        findings = (*self.findings, *(inside.findings if inside else ()))
        said = (extent, *self.sentences, *coverage.sentences, _AS_MADE)
        first = next(
            (one for one in self.findings if one.severity == "error"), inside.first_bad if inside else None
        )
        return Verification(
            self._verdict(findings),
            replace(coverage, sentences=tuple(dict.fromkeys(said))),
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


def _logs(folder: Path) -> Iterator[Log]:
    if not folder.is_dir() or folder.is_symlink():
        return
    below = sorted(path for path in folder.iterdir() if path.is_dir() and path.name.isdecimal())
    for place in below or [folder]:
        yield from find_logs([place])


def _partial(log: Log) -> Log:
    """Names say that a file is in the log of the package."""
    return Log(log.folder, tuple(LogFile(file.path, file.name, file.day) for file in log.files), whole=False)
