"""A verification, printed: exact as JSON; for people the verdict first, and at the end what nobody vouches for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.audit.wording import WELL, phrase, place, state
from llmwatch.clean import clean
from llmwatch.cli.output import aligned, json_text

if TYPE_CHECKING:
    from llmwatch.audit.findings import FileCoverage, Finding, Verification
    from llmwatch.audit.folder import Log

_MOST_LISTED = 50
"""Findings that are listed for people."""
_MOST_FILES = 40
"""Files that are listed for people: the verdict is to be on the screen still."""
_LONGEST_WORDS, _LONGEST_VALUE = 400, 160
_INDENT = "    "


def print_json(verification: Verification, logs: Sequence[Log] = ()) -> None:
    """All of it, for programs."""
    del logs
    print(json_text(document(verification)))


def document(verification: Verification) -> dict[str, object]:
    """The answer as JSON has it."""
    coverage, first = verification.coverage, verification.first_bad
    return {
        "verdict": verification.verdict,
        "first_bad": None if first is None else {"file": first.file, "line": first.line, "class": first.name},
        "counts": dict(verification.counts),
        "findings": [_finding(one) for one in verification.findings],
        "coverage": {
            "lines": coverage.lines,
            "hmac_ok": coverage.hmac_ok,
            "attested": coverage.attested,
            "unattested_tail": coverage.unattested_tail,
            "files": {file.name: _file(file) for file in coverage.files},
            "sentences": list(coverage.sentences),
        },
    }


def _finding(finding: Finding) -> dict[str, object]:
    return {
        "class": finding.name,
        "severity": finding.severity,
        "file": finding.file,
        "line": finding.line,
        "line_to": finding.line if finding.line_to is None else finding.line_to,
        "n": finding.count,
        "field": finding.field,
        "expected": finding.expected,
        "actual": finding.actual,
        "detail": _detail(finding),
    }


def _detail(finding: Finding) -> str:
    """`n` alone would be taken for all there is."""
    least = f"at least {finding.count}"
    return (
        finding.detail
        if not finding.at_least or least in finding.detail
        else f"{least}. {finding.detail}".strip()
    )


def _file(file: FileCoverage) -> dict[str, object]:
    return {
        "convention": file.convention,
        "lines": file.lines,
        "hmac_ok": file.hmac_ok,
        "attested": file.attested,
        "sealed": file.sealed,
        "first_bad": file.first_bad,
    }


def print_package(verification: Verification) -> None:
    """All that was found of an evidence package, for people."""
    print_text(verification, extent=verification.coverage.sentences[0])


def print_text(verification: Verification, logs: Sequence[Log] = (), extent: str | None = None) -> None:
    """All of it, for people. `logs`: where its files lie. `extent`: what was checked, if not just lines."""
    print(_cleaned(verdict_sentence(verification, extent)))
    for part in (_listed(verification, logs), _files(verification), verification.coverage.sentences):
        lines = list(part)
        if lines:
            print()
        for line in lines:
            print(_cleaned(line).rstrip())


def _cleaned(line: str) -> str:
    return clean(line, 4 * _LONGEST_WORDS).text


def verdict_sentence(verification: Verification, extent: str | None = None) -> str:
    """The verdict, with the place that matters most."""
    lines, files = verification.coverage.lines, len(verification.coverage.files)
    vouched = "it" if extent else "any line"
    extent = extent or f"{_many(lines, 'line')} in {_many(files, 'file')}"
    found, first = len(verification.findings), verification.first_bad
    worst = first or next((one for one in verification.findings if one.severity == "warn"), None)
    about = "" if worst is None else f"{place(worst)} {phrase(worst)}"
    more = f" ({_many(found, 'finding')})" if found > 1 else ""
    match verification.verdict:
        case "tampered":
            return f"TAMPERED: {about}{more}"
        case "warn":
            return f"WARNING: nothing was found to be changed, but {about}{more}; {extent}"
        case "unverifiable":
            why = f"{about}{more}" if worst else f"no key that was given vouches for {vouched}"
            return f"UNVERIFIABLE: {why}; {extent}"
    return f"OK: nothing was found to be changed; {extent}"


def _many(count: int, noun: str) -> str:
    return f"{units.count(count)} {noun}{'' if count == 1 else 's'}"


def _listed(verification: Verification, logs: Sequence[Log]) -> Iterator[str]:
    """The findings by severity, the worst first; of the first break, what stands around it too."""
    first = verification.first_bad
    ranks = {"error": 0, "warn": 1, "info": 2}
    ranges = sorted(verification.findings, key=lambda one: ranks[one.severity])
    for number, one in enumerate(ranges[:_MOST_LISTED]):
        count = f" ({'at least ' if one.at_least else ''}{units.count(one.count)})"
        yield f"{one.severity}: {place(one)} {one.name}{count if one.count > 1 or one.at_least else ''}"
        yield from _words(one)
        if number == 0 and first is not None and first.file == one.file and first.line == one.line:
            yield from _neighbours(first, logs)
    if len(ranges) > _MOST_LISTED:
        yield f"… {units.count(len(ranges) - _MOST_LISTED)} more: --json lists all"


def _words(finding: Finding) -> Iterator[str]:
    if finding.detail:
        yield f"{_INDENT}{clean(finding.detail, _LONGEST_WORDS).text}"
    name = f"{finding.field} " if finding.field else ""
    for word, value in (("expected", finding.expected), ("found", finding.actual)):
        if value is not None:
            yield f"{_INDENT}{name}{word:<8} {clean(value, _LONGEST_VALUE).text}"


def _neighbours(finding: Finding, logs: Sequence[Log]) -> Iterator[str]:
    from llmwatch.audit.excerpt import excerpts

    named = {
        name: file for log in logs for file in log.files for name in (file.name, str(log.folder / file.name))
    }
    file = named.get(finding.file)
    if file is None or finding.line is None:
        return
    for one in excerpts(file, finding.line):
        shown = "  ".join(clean(word, 80).text for word in (one.time, one.event, one.id) if word)
        yield f"  {'>' if one.line == finding.line else ' '} line {one.line}  {shown or 'no entry'}"


def _files(verification: Verification) -> Iterator[str]:
    files = verification.coverage.files
    if not files:
        return
    broken = {one.file for one in verification.findings if one.severity == "error"}
    states = {file.name: state(file, broken) for file in files}
    shown = _shown(files, states)
    figures = {
        "LINES": [file.lines for file in shown],
        "HMAC OK": [file.hmac_ok for file in shown],
        "ATTESTED": [file.attested for file in shown],
    }
    checked = {name: column for name, column in figures.items() if name == "LINES" or any(column)}
    rows = [
        [file.name, file.convention, states[file.name], *map(units.count, numbers)]
        for file, *numbers in zip(shown, *checked.values(), strict=True)
    ]
    yield from aligned(["FILE", "CONVENTION", "STATE", *checked], rows, left=3)
    if len(shown) < len(files):
        yield f"… {_many(len(files) - len(shown), 'file')} more: --json lists all"


def _shown(files: Sequence[FileCoverage], states: Mapping[str, str]) -> list[FileCoverage]:
    """In their order: those that are not simply ok, and as many of the newest as there is room for."""
    troubled = [file.name for file in files if states[file.name] not in WELL][:_MOST_FILES]
    well = [file.name for file in reversed(files) if states[file.name] in WELL]
    names = {*troubled, *well[: _MOST_FILES - len(troubled)]}
    return [file for file in files if file.name in names]
