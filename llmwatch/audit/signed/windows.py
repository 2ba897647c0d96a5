"""Where lines stop being what was signed: between the last root that is right and the first that is wrong."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from llmwatch.audit.findings import Finding
from llmwatch.audit.signed.walk import Walk


@dataclass(frozen=True, slots=True)
class Anchor:
    """A signed statement that the tree over the first `size` lines has this root."""

    size: int
    root: bytes
    source: str
    """What says so, as in `the checkpoint of 57 lines`."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """A walk, compared with anchors."""

    walk: Walk
    good: int
    """So many lines of the log are as they were signed."""

    bad: Anchor | None
    """The first that is not met; the lines changed somewhere between `good` and its size."""

    forks: tuple[Anchor, ...]
    """Not met, though a later one is: they are of another history."""

    missing: int
    """Lines after the last that the signed log still had."""

    at_least: bool

    @property
    def window(self) -> tuple[str, int, int] | None:
        """(file, first line, last line) of the lines one of which must have changed, as far as they are in one file.

        None where none of them are left.
        """
        if self.bad is None:
            return None
        for span in self.walk.spans:
            if span.first <= self.good < span.end:
                return span.file.name, self.good - span.first + 1, min(self.bad.size, span.end) - span.first
        return None

    def root_mismatch(self) -> Iterator[Finding]:
        """That a checkpoint is not met: lines are gone before a file, or something changed in the window."""
        if self.bad is None:
            return
        for span in self.walk.spans:
            if span.first == self.good and span.gap:
                detail = f"{lines(span.gap)} before its first are in no file"
                yield Finding("file_missing", span.file.name, count=span.gap, detail=detail)
                return
        name, line, line_to = self.window or (self._last_name(), None, None)
        root = self.walk.roots.get(self.bad.size)
        yield Finding(
            "checkpoint_root_mismatch",
            name,
            line,
            line_to,
            expected=self.bad.root.hex(),
            actual=root.hex() if root else None,
            detail=f"the log is as signed for {lines(self.good)}, and {self.bad.source} is not met",
        )

    def fork_findings(self, name: str) -> Iterator[Finding]:
        """That something is signed that the log, which is right otherwise, never was."""
        for anchor in self.forks:
            root = self.walk.roots[anchor.size]
            yield Finding(
                "fork",
                name,
                expected=anchor.root.hex(),
                actual=root.hex(),
                detail=f"{anchor.source} is signed, and is of another history than this log",
            )

    def tail(self, name: str) -> Iterator[Finding]:
        """That lines are missing at the end of file `name`."""
        if self.missing:
            yield Finding(
                "tail_missing",
                name,
                count=self.missing,
                at_least=self.at_least,
                detail=f"{lines(self.missing)} that were signed are gone from its end",
            )

    def _last_name(self) -> str:
        return self.walk.spans[-1].file.name


def judge(walk: Walk, start: int, anchors: Sequence[Anchor]) -> Judgement:
    """Compare a walk that began after `start` lines, which are known to be right, with all that is signed about it."""
    ordered = sorted(anchors, key=lambda anchor: anchor.size)
    reached = [anchor for anchor in ordered if anchor.size in walk.roots]
    good = max(_met(walk, reached), default=start)
    wrong = [anchor for anchor in reached if walk.roots[anchor.size] != anchor.root]
    lost = [anchor for anchor in ordered if anchor.size > walk.tree.size]
    numbered = _numbered_end(walk)
    due = [anchor for anchor in wrong if anchor.size > good] + [
        anchor for anchor in lost if anchor.size <= numbered
    ]
    end = max(walk.tree.size, numbered)
    return Judgement(
        walk,
        good,
        due[0] if due else None,
        tuple(anchor for anchor in wrong if anchor.size <= good),
        max(lost[-1].size - end, 0) if lost else 0,
        at_least=0 <= numbered < walk.tree.size,
    )


def lines(count: int) -> str:
    """So many lines, in words."""
    return "1 line" if count == 1 else f"{count:,} lines"


def _met(walk: Walk, reached: Iterable[Anchor]) -> Iterator[int]:
    return (anchor.size for anchor in reached if walk.roots[anchor.size] == anchor.root)


def _numbered_end(walk: Walk) -> int:
    """Lines in the log by the number of the last, which stays what it is if lines before it go; -1: it has none."""
    last = next((span for span in reversed(walk.spans) if span.lines), None)
    return -1 if last is None or last.last_sequence is None else last.last_sequence + 1
