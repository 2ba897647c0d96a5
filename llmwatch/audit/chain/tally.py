"""Findings as they are made: ranges where they are alike and adjacent; the list has an end, the counts have none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmwatch.audit.findings import LINE_CLASSES, Finding, Severity

MOST = 1000
"""Findings of one class that are listed one by one."""


class Tally:
    """What was found in the files of a log."""

    def __init__(self) -> None:
        self._lists: dict[tuple[str, Severity], list[Finding]] = {}
        self._rest: dict[tuple[str, Severity, str], Finding] = {}

    def add(self, finding: Finding) -> None:
        """One more; of a class with many, what is not listed is summed up by file."""
        found = self._lists.setdefault((finding.name, finding.severity), [])
        if found and (together := _together(found[-1], finding)):
            found[-1] = together
        elif len(found) < MOST:
            found.append(finding)
        else:
            self._sum_up(finding)

    def _sum_up(self, finding: Finding) -> None:
        key = (finding.name, finding.severity, finding.file)
        rest = self._rest.get(key)
        lines = [
            line for one in (rest, finding) if one for line in (one.line, one.line_to or one.line) if line
        ]
        count = finding.count + (rest.count if rest else 0)
        self._rest[key] = Finding(
            finding.name,
            finding.file,
            min(lines, default=None),
            max(lines, default=None),
            count,
            finding.at_least or bool(rest and rest.at_least),
            detail=f"{count:,} more, not all of the lines between: only the first {MOST:,} are listed one by one",
            given=finding.given,
        )

    def findings(self, files: Sequence[str]) -> tuple[Finding, ...]:
        """In the order of the files, and of the lines in them; what is about a whole file comes last."""
        order = {name: place for place, name in enumerate(files)}
        found = [one for each in self._lists.values() for one in each] + list(self._rest.values())
        return tuple(
            sorted(found, key=lambda one: (order.get(one.file, len(order)), one.line or 1 << 62, one.name))
        )


_RANGES = frozenset((*LINE_CLASSES, "restart"))
"""Classes that are said of a range of lines at once. A program that runs anew for every line restarts at each."""


def _together(last: Finding, one: Finding) -> Finding | None:
    """Both as one of a range of lines; None if they are not alike, or not adjacent."""
    if last.line is None or one.line is None or last.file != one.file:
        return None
    if one.line != (last.line_to or last.line) + 1 or (last.field, last.given) != (one.field, one.given):
        return None
    if last.name not in _RANGES:
        return None
    alike = last.detail == one.detail
    return replace(
        last,
        line_to=one.line_to or one.line,
        count=last.count + one.count,
        detail=last.detail if alike else _and_after(last.detail),
    )


_AND_AFTER = "; the same of the lines after it"


def _and_after(detail: str) -> str:
    return detail if detail.endswith(_AND_AFTER) else detail + _AND_AFTER
