"""A log gone through day by day, from one state of its tree that is signed to the next."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from itertools import chain
from pathlib import Path

from llmwatch.audit.archive import Reading
from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.digests import Digest, Tombstone
from llmwatch.audit.findings import Finding, Severity
from llmwatch.audit.folder import LogFile
from llmwatch.audit.merkle import Tree
from llmwatch.audit.signed.days import Day, compare_copies
from llmwatch.audit.signed.sealed_days import Progress, SealCheck
from llmwatch.audit.signed.statements import Seal, Statements
from llmwatch.audit.signed.walk import first_sequence, last_sequence, walk
from llmwatch.audit.signed.windows import Anchor, Judgement, judge, lines


class Passage:
    """What is found on the way. Days are passed in order, and `finish` is called at the end.

    Raises:
        SourceError: a file cannot be read.

    """

    def __init__(
        self, days: Sequence[Day], said: Statements, sizes: Collection[int], progress: Progress | None
    ) -> None:
        self.findings: list[Finding] = []
        self.lines: dict[Path, int] = {}
        """Of the files whose lines were counted."""
        self.attested: dict[Path, int] = {}
        """The first so many lines of a file are as they were signed."""
        self.sealed: set[Path] = set()
        self.spare: set[Path] = set()
        self.roots: dict[int, bytes] = {}
        self.unreached: list[str] = []
        """Files before whose lines the tree is not known."""
        self.size: int | None = None
        """Lines of the log; None until the end, or if they cannot be counted."""

        self._checkpoints, self._sizes, self._progress = said.checkpoints, sizes, progress
        self._told = {finding.file for finding in said.findings}
        """Files of which it was said that their digest is gone or wrong."""
        self._strangers = said.strangers
        self._newest = next((day.name for day in reversed(days) if day.files or day.seal), CHECKPOINTS)
        self._complete = all(day.given for day in days)
        self._position: Tree | None = Tree()
        """Before the first line of `_open`; None where it cannot be known."""
        self._open: list[Day] = []
        """The days since, which have no digest."""
        self._seal: Seal | None = None
        """The last that was passed."""

    def add(self, day: Day) -> None:
        """Pass the next day."""
        differ = list(compare_copies(day)) if day.given else []
        self.findings += differ
        if day.seal:
            self._settle(day.seal)
            if day.given:
                self._pass_sealed(day, day.seal.digest)
            self._seal, self._position = day.seal, Tree(_end(day.seal.digest), day.seal.digest.end)
        elif day.files:
            self._open.append(day)
            if not differ:
                self.spare.update(file.path for file in day.files[1:])
        elif day.stone or not day.given:
            self._settle(None)
            self._position = None
            if day.stone and day.given:
                self.findings.append(_unsealed_gone(day.name, day.stone))
                self._told.add(day.name)

    def finish(self) -> None:
        """Compare what is after the last sealed day with the checkpoints."""
        self._settle(None, tail=True)
        self.size = self._position.size if self._position else None

    def _settle(self, seal: Seal | None, *, tail: bool = False) -> None:
        """Go through the open days; they end where `seal` begins or, at the tail, where the newest checkpoint says."""
        days, self._open = self._open, []
        if self._position is None:
            self.unreached += [day.name for day in days]
            numbered = [day for day in days if first_sequence(day.files[0]) is not None]
            self._judge_digests(numbered, seal, reached=False)
            if tail and numbered and self._complete:
                self.findings += self._unreached_tail(numbered[-1])
            return
        start, last = self._position, seal.digest.first if seal else None
        anchors = self._anchors(start.size, last) + ([_beginning(seal.digest)] if seal else [])
        judgement = self._walk(start, [day.files[0] for day in days], anchors, last)
        ours = {span.file.name for span in judgement.walk.spans if span.numbered}
        self._judge_digests([day for day in days if day.name in ours], seal)
        name = days[-1].name if days else seal.digest.file if seal else self._newest
        self.findings += judgement.walk.findings
        self.findings += judgement.fork_findings(name)
        self.findings += judgement.root_mismatch()
        if seal and not days:
            self.findings += _gap(start.size, seal.digest)
        elif seal or tail:
            self.findings += judgement.tail(name)
        self._position = judgement.walk.tree

    def _walk(
        self, start: Tree, files: Sequence[LogFile], anchors: Sequence[Anchor], last: int | None
    ) -> Judgement:
        """Compare the lines of files with what is signed about sizes up to `last`."""
        sizes = [size for size in self._sizes if start.size <= size and (last is None or size <= last)]
        wanted: dict[int, set[bytes]] = {size: set() for size in sizes}
        for anchor in anchors:
            wanted.setdefault(anchor.size, set()).add(anchor.root)
        judgement = judge(walk(start, files, wanted, self._progress), start.size, anchors)
        self.roots.update(
            (size, judgement.walk.roots[size]) for size in sizes if size in judgement.walk.roots
        )
        for span in judgement.walk.spans:
            self.lines[span.file.path] = span.lines
            self.attested[span.file.path] = min(max(judgement.good - span.first, 0), span.lines)
        return judgement

    def _anchors(self, first: int, last: int | None) -> list[Anchor]:
        return [
            Anchor(each.size, each.root, f"the checkpoint of {lines(each.size)}")
            for each in self._checkpoints.between(first, last)
        ]

    def _unreached_tail(self, day: Day) -> Iterator[Finding]:
        """Whether the log ends before the newest checkpoint, by the numbers of lines that no root can be made of."""
        newest, last = self._checkpoints.newest(), last_sequence(day.files[0])
        if newest and last is not None and newest[0].size > last + 1:
            gone = newest[0].size - last - 1
            detail = f"{lines(gone)} that were signed are gone from its end"
            yield Finding("tail_missing", day.name, count=gone, detail=detail)

    def _judge_digests(self, numbered: Sequence[Day], seal: Seal | None, *, reached: bool = True) -> None:
        """Which open days of our writer should have a digest: all but the newest.

        `reached`: their lines are compared with checkpoints, so nothing depends on the digest.
        """
        over = [day.name for day in numbered if day.name not in (self._newest, *self._told)]
        before = self._seal.sha256 if self._seal else None
        if seal and self._complete and seal.digest.previous != before and not self._told_before(seal):
            name = over.pop() if over else seal.digest.file
            detail = f"a digest that the one of {seal.digest.file} was made after is not there"
            self.findings.append(Finding("digest_missing", name, detail=detail, given="error"))
        alone = self._complete and not reached
        given: Severity | None = "error" if alone else None
        needed = ": nothing else tells what its lines were, for older lines are gone" if alone else ""
        self.findings += [
            Finding("digest_missing", name, detail=f"{name} is over, and has no digest{needed}", given=given)
            for name in over
            if name not in self._strangers
        ]

    def _told_before(self, seal: Seal) -> bool:
        after = self._seal.digest.file if self._seal else ""
        return any(after < name < seal.digest.file for name in self._told)

    def _pass_sealed(self, day: Day, digest: Digest) -> None:
        self.findings += chain.from_iterable(check.findings for check in day.checks.values())
        start, end = Tree(digest.first, digest.start), Tree(_end(digest), digest.end)
        self.roots.update((tree.size, tree.root()) for tree in (start, end) if tree.size in self._sizes)
        whole = [file for file in day.files if day.checks[file.path].match == "whole"]
        if whole and any(start.size < size < end.size for size in self._sizes):
            self._walk(start, whole[:1], (), end.size)
        for file in whole:
            self.lines[file.path] = self.attested[file.path] = digest.lines
            self.sealed.add(file.path)
        self.spare.update(file.path for file in whole[1:])
        if whole:
            return
        if not day.files:
            self.findings.append(_gone(day, digest))
        elif day.checks[day.files[0].path].match == "appended":
            self._pass_longer(day.files[0], digest)
        else:
            self._pass_changed(day.files[0], digest, day.checks[day.files[0].path])

    def _pass_longer(self, file: LogFile, digest: Digest) -> None:
        with Reading(file) as reading:
            ends = b"\n"
            count, last = 0, ends
            for piece in reading:
                count, last = count + piece.count(ends), piece[-1:]
        count += last != ends
        self.lines[file.path], self.attested[file.path] = count, digest.lines
        detail = (
            f"it was sealed with {lines(digest.lines)}, and {lines(count - digest.lines)} came after that"
        )
        self.findings.append(
            Finding("appended_after_seal", file.name, digest.lines + 1, count, detail=detail)
        )

    def _pass_changed(self, file: LogFile, digest: Digest, check: SealCheck) -> None:
        """Find where a sealed day is not what it was."""
        start, end = Tree(digest.first, digest.start), _end(digest)
        anchors = [*self._anchors(start.size, end), _ending(digest)]
        judgement = self._walk(start, [file], anchors, end)
        self.findings += judgement.fork_findings(file.name)
        self.findings += judgement.tail(file.name)
        if judgement.bad or not judgement.missing:
            self.findings.append(_mismatch(judgement, digest, check.sha256))


def _end(digest: Digest) -> int:
    return digest.first + digest.lines


def _beginning(digest: Digest) -> Anchor:
    root = Tree(digest.first, digest.start).root()
    return Anchor(digest.first, root, f"the beginning that the digest of {digest.file} says")


def _ending(digest: Digest) -> Anchor:
    return Anchor(_end(digest), Tree(_end(digest), digest.end).root(), f"the digest of {digest.file}")


def _mismatch(judgement: Judgement, digest: Digest, actual: str | None) -> Finding:
    name, (_, line, line_to) = digest.file, judgement.window or (None, None, None)
    detail = _as_sealed(judgement, digest)
    return Finding(
        "digest_mismatch", name, line, line_to, expected=digest.sha256, actual=actual, detail=detail
    )


def _as_sealed(judgement: Judgement, digest: Digest) -> str:
    """How much of a changed day is known to be as it was."""
    if judgement.bad is None:
        return "its lines are as they were sealed, but not how they end"
    good = judgement.good - digest.first
    if not good:
        return "the change is somewhere in these lines" if judgement.window else "none of its lines are left"
    return (
        "its first line is as it was sealed"
        if good == 1
        else f"its first {lines(good)} are as they were sealed"
    )


def _gap(size: int, digest: Digest) -> Iterator[Finding]:
    """Days that lie before a sealed one, of which there is nothing."""
    if digest.first > size:
        gone = digest.first - size
        detail = f"{lines(gone)} before its first are in no file"
        yield Finding("file_missing", digest.file, count=gone, detail=detail)
    elif digest.first < size:
        detail = "its digest is of lines that the digest before is of too: they are of two histories"
        yield Finding("fork", digest.file, detail=detail)


def _gone(day: Day, digest: Digest) -> Finding:
    stone = day.stone
    if stone and day.seal and stone.digest == day.seal.sha256:
        detail = f"{lines(digest.lines)}, deleted by policy ({stone.reason}, {stone.time})"
        return Finding("file_expired", day.name, count=digest.lines, detail=detail)
    why = "its tombstone is of another digest" if stone else "no tombstone that is signed says by what policy"
    return Finding("file_missing", day.name, count=digest.lines, detail=f"{lines(digest.lines)} gone: {why}")


def _unsealed_gone(name: str, stone: Tombstone) -> Finding:
    if stone.digest:
        detail = "its tombstone is there, and the digest that it names is not"
        return Finding("digest_missing", name, detail=detail, given="error")
    detail = f"it had no digest, and was deleted by policy ({stone.reason}, {stone.time})"
    return Finding("file_expired", name, detail=detail)
