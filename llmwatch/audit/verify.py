"""A whole verification: signatures over the log first, its chain line by line where they do not suffice, one answer.

A day whose digest is signed needs no second look, unless there are secrets that can check its lines too. All other
lines are read. What nobody vouches for is said in a sentence, always.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from itertools import groupby

from llmwatch.audit.archive import opened
from llmwatch.audit.chain.checker import ChainChecker
from llmwatch.audit.findings import (
    OTHER_CLASSES,
    Coverage,
    FileCoverage,
    Finding,
    Verdict,
    Verification,
    count_classes,
    verdict_of,
)
from llmwatch.audit.folder import Log, LogFile, day_of, find_logs, tombstone_path
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.line import read_line
from llmwatch.audit.lines.parallel import parallel_segments
from llmwatch.audit.notes import NoteVerifier
from llmwatch.audit.promises import sentences
from llmwatch.audit.signed.attestation import Attested, FileAttested, attest
from llmwatch.audit.signed.days import Day, compare_copies
from llmwatch.audit.signed.memory import Comparison, Memory, compare
from llmwatch.audit.strangers import strangers
from llmwatch.errors import SourceError

Progress = Callable[[str, int, int], None]
"""Is told the name of a file, the bytes that are done of all files, and how many those are."""

_WORST_FIRST: tuple[Verdict, ...] = ("tampered", "unverifiable", "warn", "ok")
_NOT_ATTESTED = FileAttested(0)
_OF_THE_LOG = frozenset(
    name for name in OTHER_CLASSES if name.startswith(("digest", "checkpoint", "archive", "rollback", "fork"))
)
"""What is found of many lines at once."""

_UNCHECKED_STONE = (
    "there is a tombstone, which says that policy deleted it: only the public key can tell if that is true"
)


def verify(
    logs: Sequence[Log],
    *,
    ring: KeyRing,
    public: NoteVerifier | None = None,
    memory: Memory | None = None,
    since: date | None = None,
    quick: bool = False,
    progress: Progress | None = None,
) -> Verification:
    """Check logs with the keys there are; the verdict is that of the worst.

    Args:
        logs: what to check; each is a chain of its own.
        ring: HMAC secrets, or none: then the chain alone is checked, which proves little.
        public: the key that checks what is signed.
        memory: the checkpoints seen before; the newest is remembered if it follows from them.
        since: lines of days before are not looked at one by one.
        quick: do not look at each line of days whose digest is signed, though there are secrets that could check them.
        progress: see `Progress`.

    Raises:
        SourceError: a file, or the memory, cannot be read.

    """
    steps = _Steps(logs, progress, passes=2 if public else 1)
    parts = [_checked(log, ring, public, steps, memory, since, quick=quick) for log in logs]
    names = Counter(file.name for part in parts for file in part.files)
    if len(parts) > 1:
        parts = [_placed(part, log, names) for part, log in zip(parts, logs, strict=True)]
    coverages = [_coverage(part, ring, public) for part in parts]
    findings = tuple(one for part in parts for one in part.findings)
    verdicts = [verdict_of(part.findings, coverage) for part, coverage in zip(parts, coverages, strict=True)]
    return Verification(
        next((verdict for verdict in _WORST_FIRST if verdict in verdicts), "unverifiable"),
        _sum(coverages),
        findings,
        first_bad(findings),
        count_classes(findings),
    )


def _checked(
    log: Log,
    ring: KeyRing,
    public: NoteVerifier | None,
    steps: _Steps,
    memory: Memory | None,
    since: date | None,
    *,
    quick: bool,
) -> _Part:
    """Once more, if a file is not where it was: retention moves days into the archive while others read."""
    try:
        return _Check(log, ring, public, steps).run(memory, since, quick=quick)
    except SourceError:
        if not log.whole or all(file.path.exists() for file in log.files):
            raise
        (again,) = find_logs([log.folder])
        return _Check(again, ring, public, steps).run(memory, since, quick=quick)


def _coverage(part: _Part, ring: KeyRing, public: NoteVerifier | None) -> Coverage:
    coverage = Coverage(
        lines=sum(file.lines for file in part.files),
        hmac_ok=sum(file.hmac_ok for file in part.files),
        attested=sum(file.attested for file in part.files),
        unattested_tail=_tail(part.files),
        files=part.files,
    )
    said = sentences(coverage, ring, public, part.remarks, part.unread if ring.secrets else 0)
    return replace(coverage, sentences=tuple(f"{part.place}{sentence}" for sentence in said))


def _sum(coverages: Sequence[Coverage]) -> Coverage:
    return Coverage(
        lines=sum(one.lines for one in coverages),
        hmac_ok=sum(one.hmac_ok for one in coverages),
        attested=sum(one.attested for one in coverages),
        unattested_tail=sum(one.unattested_tail for one in coverages),
        files=tuple(file for one in coverages for file in one.files),
        sentences=tuple(dict.fromkeys(sentence for one in coverages for sentence in one.sentences)),
    )


@dataclass(frozen=True, slots=True)
class _Part:
    """What is known of one log."""

    findings: tuple[Finding, ...]
    files: tuple[FileCoverage, ...]
    remarks: tuple[str, ...]
    unread: int = 0
    """Lines of days that were taken on the word of their digests."""

    place: str = ""
    """Before each sentence, where there are several logs."""


class _Check:
    """One log, checked once."""

    def __init__(self, log: Log, ring: KeyRing, public: NoteVerifier | None, steps: _Steps) -> None:
        self._log, self._ring, self._public, self._steps = log, ring, public, steps
        self._found: list[Finding] = []
        """By signatures over the log, and of what files cannot be read whole."""
        self._unread = 0
        self._left_out = 0
        """Days before the time that was asked for."""

    def run(self, memory: Memory | None, since: date | None, *, quick: bool) -> _Part:
        """Signatures over the log first: they tell which lines are to be read."""
        remembered = memory.recall(self._public) if memory and self._public else ()
        sizes = {one.size for one in remembered}
        attested = attest(self._log, self._public, sizes=sizes, progress=self._steps.add)
        self._found += (*attested.findings, *strangers(self._log))
        comparison = Comparison()
        if memory and self._public:
            comparison = compare(remembered, attested)
            self._found += comparison.findings
        if self._public is None:
            self._found += _compared_copies(self._log)
        files = self._chained(attested, since, quick=quick)
        if memory and self._public and comparison.consistent and not _has_errors(self._found):
            memory.keep(self._public, attested)
        remarks = (*self._remark(since), *attested.sentences, *comparison.sentences)
        return _Part(tuple(self._found), files, remarks, self._unread)

    def _remark(self, since: date | None) -> Iterator[str]:
        if self._left_out:
            days = "1 day" if self._left_out == 1 else f"{self._left_out:,} days"
            yield f"{days} before {since} left out, as --since says: their lines were not looked at one by one"

    def _chained(self, attested: Attested, since: date | None, *, quick: bool) -> tuple[FileCoverage, ...]:
        checker = ChainChecker(self._ring, whole=self._log.whole)
        sealed: dict[str, FileCoverage] = {}
        gone = _gone(self._log, attested)
        reached = True
        """Whether something that is signed is about the lines before: else only the chain tells if some are gone."""
        for file in _passed(self._log, attested, gone):
            known = attested.files.get(file.path, _NOT_ATTESTED)
            digest, stone = attested.digests.get(file.name), attested.tombstones.get(file.name)
            taken = known.sealed and reached and (quick or not self._ring.secrets)
            reached = digest is not None or file.path in attested.files
            if digest and (file.name in gone or taken):
                checker.skip(file, digest.first_chain, digest.last_chain, digest.first, digest.lines)
                if known.sealed:
                    sealed[file.name] = FileCoverage(file.name, "v2", digest.lines)
                    self._unread += digest.lines
            elif file.name in gone:
                checker.skip(file, None, stone.last_chain if stone else "", None, 1)
            elif since and file.day and file.day < since:
                checker.skip(file, *_last_line(file))
                self._left_out += 1
            else:
                with opened(file) as content:
                    self._found += [one for one in content.findings if one not in self._found]
                    lines = parallel_segments(content.data, self._ring, progress=self._steps.of(file))
                    checker.check(file, content.data, lines=lines)
        checker.finish()
        self._found = _together(self._log, self._found, checker.findings, self._public)
        by_name = {file.name: one for file in self._log.files if (one := attested.files.get(file.path))}
        covered = sealed | {file.name: file for file in checker.files}
        return tuple(
            _covered(file, by_name.get(file.name, _NOT_ATTESTED)) for _, file in sorted(covered.items())
        )


def _gone(log: Log, attested: Attested) -> set[str]:
    """Days that policy deleted, and missing ones of which a digest is left: the chain goes on behind them."""
    here = {file.name for file in log.files}
    expired = {one.file for one in attested.findings if one.name == "file_expired"}
    missing = {one.file for one in attested.findings if one.name == "file_missing"}
    return expired | (missing & attested.digests.keys() - here)


def _passed(log: Log, attested: Attested, gone: Collection[str]) -> list[LogFile]:
    """The files in the order of the chain, copies left out, and with the days that are gone."""
    files = {file.name: file for file in reversed(log.files) if file.path not in attested.spare}
    lost = [LogFile(log.folder / name, name, day_of(name)) for name in gone if name not in files]
    return sorted((*files.values(), *lost), key=lambda file: (file.day or date.max, file.name))


def _last_line(file: LogFile) -> tuple[None, str, int | None, int]:
    """What a chain that goes on from a file has to know of it, as `ChainChecker.skip` takes it."""
    with opened(file) as content:
        data = content.data
        end = len(data)
        while end and data[end - 1] in b"\r\n":
            end -= 1
        line = read_line(data[data.rfind(b"\n", 0, end) + 1 : end], KeyRing())
    record = line.recovered or line
    return None, record.chain or "", record.link.sequence if record.link else None, 1


def _compared_copies(log: Log) -> Iterator[Finding]:
    """Days that are there plain and archived: one is checked, if they are the same."""
    for name, copies in groupby(log.files, key=lambda file: file.name):
        yield from compare_copies(Day(name, list(copies), given=True, seal=None, stone=None))


def _together(
    log: Log, of_log: Sequence[Finding], of_chain: Sequence[Finding], public: NoteVerifier | None
) -> list[Finding]:
    """All findings in the order of the files; what both know is told once, as the signatures tell it."""
    told = {(one.name, one.file) for one in of_log}
    rest = [_doubted(log, one, public) for one in of_chain if one.line or (one.name, one.file) not in told]
    order = {file.name: place for place, file in enumerate(log.files)}
    return sorted(
        (*rest, *of_log),
        key=lambda one: (order.get(one.file, len(order)), one.name in _OF_THE_LOG, one.line or 0),
    )


def _doubted(log: Log, finding: Finding, public: NoteVerifier | None) -> Finding:
    """A missing file that has a tombstone which nobody can check without the public key is no proof of anything."""
    if finding.name != "file_missing" or public or not tombstone_path(log.folder, finding.file).exists():
        return finding
    return replace(finding, given="warn", detail=_UNCHECKED_STONE)


def _has_errors(findings: Iterable[Finding]) -> bool:
    return any(one.severity == "error" for one in findings)


def first_bad(findings: Sequence[Finding]) -> Finding | None:
    """The first error; one of a line before one of the whole log, which only says between which lines it is."""
    errors = [one for one in findings if one.severity == "error"]
    return next((one for one in errors if one.name not in _OF_THE_LOG), next(iter(errors), None))


def _covered(file: FileCoverage, known: FileAttested) -> FileCoverage:
    return replace(file, attested=min(known.attested, file.lines), sealed=known.sealed)


def _tail(files: Sequence[FileCoverage]) -> int:
    """Lines after the last that is attested."""
    tail = 0
    for file in reversed(files):
        tail += file.lines - file.attested
        if file.attested:
            break
    return tail


def _placed(part: _Part, log: Log, names: Mapping[str, int]) -> _Part:
    """With the folder before names of files, where that tells more: several logs have files of one name."""

    def named(name: str) -> str:
        return str(log.folder / name) if log.whole or names.get(name, 0) > 1 else name

    return replace(
        part,
        findings=tuple(replace(one, file=named(one.file)) for one in part.findings),
        files=tuple(replace(file, name=named(file.name)) for file in part.files),
        place=f"{log.folder if log.whole else ', '.join(file.name for file in part.files)}: ",
    )


class _Steps:
    """How far it is. Each byte is passed once for the signatures over the log, and once for its chain."""

    def __init__(self, logs: Iterable[Log], progress: Progress | None, passes: int) -> None:
        self._progress = progress
        self._done = 0
        sizes = [file.path.stat().st_size for log in logs for file in log.files if file.path.exists()]
        self._all = sum(sizes) * passes

    def add(self, name: str, count: int) -> None:
        """So many bytes more."""
        self._done += count
        if self._progress:
            self._progress(name, min(self._done, self._all), self._all)

    def of(self, file: LogFile) -> Callable[[int], None]:
        """The same for one file."""
        return lambda count: self.add(file.name, count)
