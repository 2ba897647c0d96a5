"""The chain of a log, file by file: every line classed, what is missing found, and how each file is linked."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import AbstractContextManager
from dataclasses import replace
from mmap import mmap

from llmwatch.audit.archive import Content, opened
from llmwatch.audit.chain.assembly import Assembly
from llmwatch.audit.chain.pieces import UNKNOWN, Head, Piece, Relation
from llmwatch.audit.chain.settling import Settlement
from llmwatch.audit.chain.tally import Tally
from llmwatch.audit.findings import LINE_CLASSES, Convention, FileCoverage, Finding
from llmwatch.audit.folder import LogFile
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.line import Link, read_line
from llmwatch.audit.lines.parallel import parallel_segments
from llmwatch.audit.lines.segments import Odd, Run, Segment

_BATCH = 20_000
"""Segments that are kept until they are judged. An honest log has one or a few in a file."""

_ALTERED = ("reencoded", "duplicate_keys")
_PLAIN = "it has neither chain hash nor signature: there is nothing to verify"

Progress = Callable[[int], object]
"""Is told, now and then, how many bytes were read since the last time."""


class ChainChecker:
    """Takes the files of a log in order; findings, and what is known of each file, are there after `finish`.

    A line is authentic if a key of the ring signed it. Without keys, or in a file of which no line is authentic, a line
    that links to the one before is taken for what was written.
    """

    def __init__(self, ring: KeyRing, *, whole: bool) -> None:
        """`whole`: there are no other files, so one that is named and not given is missing."""
        self._ring = ring
        self._files: list[LogFile] = []
        self._tally = _Tally()
        self._assembly = Assembly(self._reopened)
        self._settlement = Settlement(self._files, whole, self._tally)
        self._coverage: list[FileCoverage] = []
        self._chained = False
        """A line had a chain hash or a signature."""
        self._file = _File()

    @property
    def findings(self) -> tuple[Finding, ...]:
        """In the order of the files and their lines."""
        tally = self._tally if self._chained else self._tally.plain
        return tally.findings([file.name for file in self._files])

    @property
    def files(self) -> tuple[FileCoverage, ...]:
        """Those that were checked, in order."""
        bad: dict[str, int] = {}
        for one in self.findings:
            if one.severity == "error" and one.line is not None:
                bad.setdefault(one.file, one.line)
        return tuple(replace(file, first_bad=bad.get(file.name)) for file in self._coverage)

    @property
    def lines(self) -> int:
        """Physical lines, blank ones too, in the files that were checked."""
        return sum(file.lines for file in self._coverage)

    @property
    def hmac_ok(self) -> int:
        """Lines whose signature is right."""
        return sum(file.hmac_ok for file in self._coverage)

    def check(
        self,
        file: LogFile,
        data: bytes | mmap,
        progress: Progress | None = None,
        lines: Iterable[Segment] | None = None,
    ) -> FileCoverage:
        """The next file. What is returned is what can be said before the files after it are known.

        `lines`: those of its bytes, if something else reads them, with the same keys; then `progress` is not called.
        """
        self._files.append(file)
        self._file = state = _File()
        assembly = self._assembly
        assembly.begin(len(self._files) - 1, data)
        batch: list[Segment] = []
        for segment in lines or parallel_segments(data, self._ring, progress=progress):
            state.count(segment)
            batch.append(segment)
            if len(batch) >= _BATCH:
                self._take(batch)
                batch = []
        self._take(batch)
        assembly.end()
        if not state.lines:
            self._tally.add(Finding("empty", file.name, detail="the file has no lines"))
        self._chained |= state.chained
        coverage = FileCoverage(file.name, self._convention(), state.lines, state.hmac_ok)
        self._coverage.append(coverage)
        return coverage

    def skip(
        self,
        file: LogFile,
        first_chain: str | None,
        last_chain: str,
        first_sequence: int | None,
        lines: int,
    ) -> None:
        """The next file is not read here: others vouch for it, or it is not asked about.

        `first_chain` and `last_chain` are those of its first and last line, `first_sequence` the number of its first
        line if these are v2 lines. Of a file that is only known by its last line, `first_chain` is None, `lines` 1, and
        the number that of the last line; if not even that is known, `last_chain` is empty.
        """
        self._files.append(file)
        self._chained = True
        index = len(self._files) - 1
        if lines:
            piece = Piece(index, 1, lines, 0, 0, last_chain or UNKNOWN, Head(before=""), first_sequence)
            self._assembly.given(piece, first_chain)

    def finish(self) -> None:
        """There are no more files."""
        self._settle()
        self._settlement.finish()

    def _take(self, batch: list[Segment]) -> None:
        by_links = not self._file.hmac_ok
        for segment in batch:
            if isinstance(segment, Run):
                self._take_run(segment, by_links)
            else:
                self._take_odd(segment, by_links)
        if len(self._assembly.pieces) + len(self._assembly.damage) > _BATCH:
            self._settle()

    def _settle(self) -> None:
        self._settlement.settle(self._assembly.pieces, self._assembly.damage)
        self._assembly.forget()

    def _take_run(self, run: Run, by_links: bool) -> None:
        if run.signed is not False:
            self._assembly.take_run(run, None)
        elif by_links and not self._has_key(run.link):
            self._assembly.take_run(run, "wrong_key")
        else:
            self._assembly.damaged_run(run)

    def _take_odd(self, odd: Odd, by_links: bool) -> None:
        if by_links:
            odd = self._recovered(odd)
        line = odd.line.recovered or odd.line
        if line.kid is not None:
            self._assembly.take_odd(odd, _flaw(odd))
        elif by_links and not self._has_key(line.link) and self._assembly.is_linked(odd):
            flaw = _flaw(odd)
            unknown = self._ring.secrets and flaw in (None, "alt_canonical")
            self._assembly.take_odd(odd, "wrong_key" if unknown else flaw)
        else:
            self._assembly.damaged_odd(odd, by_links)

    def _recovered(self, odd: Odd) -> Odd:
        """With the entry behind a fragment, also if no key that was given signed it."""
        if odd.blank or odd.line.canonical is not None or odd.line.recovered or not self._ring.secrets:
            return odd
        line = read_line(self._assembly.bytes_of(odd), KeyRing())
        record = line.recovered
        return replace(odd, line=line, follows=record.follows(odd.before)) if record else odd

    def _has_key(self, link: Link | None) -> bool:
        """Whether a line names a key that was given: then nothing but the line explains a wrong signature."""
        return link is not None and self._ring.named(link.kid) is not None

    def _convention(self) -> Convention:
        index = len(self._files) - 1
        if self._file.v2:
            return "v2"
        if not self._file.begun:
            return "fresh"
        return _CONVENTIONS.get(self._assembly.origins.get(index, "lost"), "unlinked")

    def _reopened(self, index: int) -> AbstractContextManager[Content]:
        return opened(self._files[index])


_CONVENTIONS: dict[Relation, Convention] = {
    "root": "fresh",
    "next": "carry",
    "end": "carry",
    "fork": "carry",
}


class _File:
    """What is counted in one file."""

    def __init__(self) -> None:
        self.lines = self.hmac_ok = 0
        self.begun = self.v2 = self.chained = False
        """`begun`: a line that is not blank was seen."""

    def count(self, segment: Segment) -> None:
        first = not self.begun
        if isinstance(segment, Run):
            self.begun = True
            self.lines += segment.lines
            self.hmac_ok += sum(segment.kids.values())
            self.chained = True
            self.v2 |= first and segment.link is not None
            return
        line = segment.line.recovered or segment.line
        self.begun |= not segment.blank
        self.lines += 1
        self.hmac_ok += line.kid is not None
        self.chained |= bool(line.chain or line.signature)
        self.v2 |= first and line.link is not None


class _Tally(Tally):
    """Of what was found, and of the same as it is said where nothing in the log turns out to be chained."""

    def __init__(self) -> None:
        super().__init__()
        self.plain = Tally()

    def add(self, finding: Finding) -> None:
        """One more."""
        super().add(finding)
        self.plain.add(_softened(finding))


def _flaw(odd: Odd) -> str | None:
    """The class of a line that is trusted."""
    if odd.line.recovered:
        return "torn_fragment"
    if odd.line.flaw in _ALTERED or odd.newline:
        return odd.line.flaw
    return "missing_newline"


def _softened(finding: Finding) -> Finding:
    """Where nothing in a log is chained, nothing was changed: it is another kind of file."""
    if finding.severity == "error" and finding.name in LINE_CLASSES:
        file, line, line_to = finding.file, finding.line, finding.line_to
        return Finding("malformed", file, line, line_to, finding.count, detail=_PLAIN, given="warn")
    return finding
