"""What a verification found: classes, findings, the verdict, and what was vouched for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

Severity = Literal["error", "warn", "info"]
Verdict = Literal["ok", "warn", "tampered", "unverifiable"]
Convention = Literal["fresh", "carry", "unlinked", "v2"]

LINE_CLASSES: Mapping[str, Severity] = {
    "edited": "error",
    "bad_signature": "error",
    "inserted": "error",
    "duplicate": "error",
    "reordered": "error",
    "malformed": "error",
    "reencoded": "error",
    "duplicate_keys": "error",
    "downgraded": "error",
    "wrong_key": "warn",
    "torn_fragment": "warn",
    "torn_tail": "warn",
    "missing_newline": "warn",
    "alt_canonical": "info",
}
"""What a line can be other than fine → severity, where the finding does not say otherwise. `wrong_key`: the chain
holds, and no key that was given made any signature of the file; the verdict is then `unverifiable`, unless all lines
are attested."""

OTHER_CLASSES: Mapping[str, Severity] = {
    "deleted": "error",
    "head_unlinked": "error",
    "tail_missing": "error",
    "restart": "warn",
    "interleaved_writers": "warn",
    "empty": "warn",
    "file_missing": "error",
    "file_expired": "info",
    "file_foreign": "warn",
    "file_renamed": "error",
    "file_twice_differs": "error",
    "appended_after_seal": "error",
    "digest_mismatch": "error",
    "digest_missing": "warn",
    "digest_bad_signature": "error",
    "archive_truncated": "error",
    "archive_trailing_data": "error",
    "checkpoint_bad_signature": "error",
    "checkpoint_torn": "warn",
    "checkpoint_not_monotonic": "error",
    "checkpoint_missing": "error",
    "checkpoint_root_mismatch": "error",
    "rollback": "error",
    "fork": "error",
}
"""What is found between lines and about files → severity, where the finding does not say otherwise."""

COUNTS_LINES = frozenset((*LINE_CLASSES, "deleted", "restart"))
"""Classes whose count is of lines; of the others it is of findings. Restarts at adjacent lines are one finding."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing found. `line` counts physical lines of the file from 1, blank ones too; None for a whole file."""

    name: str
    """Its class, of `LINE_CLASSES` or `OTHER_CLASSES`."""

    file: str
    line: int | None = None
    line_to: int | None = None
    """The last of several lines; None stands for `line`."""

    count: int = 1
    """Lines, for a class that counts lines; of `deleted` and `tail_missing` those that are gone."""

    at_least: bool = False
    """`count` is the least it can be."""

    field: str | None = None
    """What of the line is wrong, where that is known: `chain_hash`, `signature`, `_lw.seq`."""

    expected: str | None = None
    actual: str | None = None
    detail: str = ""
    """A sentence; raw text."""

    given: Severity | None = None
    """A severity other than that of the class."""

    @property
    def severity(self) -> Severity:
        """How bad it is."""
        return self.given or LINE_CLASSES.get(self.name) or OTHER_CLASSES[self.name]


@dataclass(frozen=True, slots=True)
class FileCoverage:
    """What is known of one file. `sealed`: all its bytes are those of a signed digest."""

    name: str
    convention: Convention
    lines: int
    hmac_ok: int = 0
    attested: int = 0
    sealed: bool = False
    first_bad: int | None = None


@dataclass(frozen=True, slots=True)
class Coverage:
    """What was vouched for. Lines are physical lines, blank ones too."""

    lines: int = 0
    hmac_ok: int = 0
    """Lines whose signature was checked, and is right."""

    attested: int = 0
    """Lines under a signed checkpoint, or in a day whose digest is signed, and found as they were signed."""

    unattested_tail: int = 0
    """Lines after the last of those."""

    files: tuple[FileCoverage, ...] = ()
    sentences: tuple[str, ...] = ()
    """What is not vouched for; there is always at least one."""


@dataclass(frozen=True, slots=True)
class Verification:
    """All that a verification says."""

    verdict: Verdict
    coverage: Coverage
    findings: tuple[Finding, ...] = ()
    first_bad: Finding | None = None
    counts: Mapping[str, int] = field(default_factory=dict)


def count_classes(findings: Iterable[Finding]) -> dict[str, int]:
    """Class → how many, worst classes first as they are listed above."""
    counts: dict[str, int] = {}
    for one in findings:
        counts[one.name] = counts.get(one.name, 0) + (one.count if one.name in COUNTS_LINES else 1)
    order = [*LINE_CLASSES, *OTHER_CLASSES]
    return dict(sorted(counts.items(), key=lambda item: order.index(item[0])))


def verdict_of(findings: Iterable[Finding], coverage: Coverage) -> Verdict:
    """Nothing is ok of which no line was vouched for, by a key that was given."""
    found = tuple(findings)
    severities = {one.severity for one in found}
    if "error" in severities:
        return "tampered"
    if coverage.hmac_ok == coverage.attested == 0:
        return "unverifiable"
    if any(one.name == "wrong_key" for one in found) and coverage.attested < coverage.lines:
        return "unverifiable"
    return "warn" if "warn" in severities else "ok"
