"""What a verification of the audit logs found, in words; and always what it does not vouch for."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from llmwatch import units
from llmwatch.audit.findings import LINE_CLASSES, OTHER_CLASSES, Coverage, FileCoverage, Finding, Verification
from llmwatch.audit.promises import NO_PUBLIC_KEY
from llmwatch.audit.wording import PHRASES, phrase, place, state
from llmwatch.clean import literal
from llmwatch.evidence.report.document import (
    UNKNOWN,
    Cell,
    Grid,
    Mood,
    Section,
    Tile,
    facts,
    grid,
    many,
    own,
    quoted,
    sentences,
)
from llmwatch.evidence.report.facts import Report

_FINDINGS, _FILES = 20, 40
_SEVERITIES = ("error", "warn", "info")
_SIGNATURES_CHECKED = "HMAC right on"
"""What a verification that had a secret says of its extent: only then is a count of 0 known to be 0."""

_MEANINGS: Mapping[str, str] = {
    "ok": "what was checked is as it was written",
    "warn": "no change was found, and something calls for an explanation",
    "tampered": "the log is not as it was written",
    "unverifiable": "no key that was given vouches for any line",
}
_MOODS: Mapping[str, Mood] = {"ok": "good", "warn": "doubtful", "tampered": "bad", "unverifiable": "doubtful"}


def chain_tile(report: Report) -> Tile:
    """The verdict in a word."""
    chain = report.chain
    if chain is None:
        remark = "audit entries, no verification" if report.audit_entries else "no audit log"
        return Tile(literal("Log integrity"), literal("unchecked"), literal(remark), "doubtful")
    vouched = units.count(max(chain.coverage.hmac_ok, chain.coverage.attested))
    remark = f"{vouched} of {units.count(chain.coverage.lines)} lines vouched for"
    return Tile(literal("Log integrity"), literal(chain.verdict), literal(remark), _MOODS[chain.verdict])


def chain_line(report: Report) -> tuple[Cell, ...]:
    """The verdict and the first break, for those who read no further."""
    chain = report.chain
    if chain is None:
        why = (
            "audit entries were read: llmwatch verify checks them"
            if report.audit_entries
            else "no audit log among the sources"
        )
        return (own(f"Log integrity: no chain was checked ({why})"),)
    verdict = f"Log integrity: {chain.verdict.upper()}: {_MEANINGS[chain.verdict]}"
    first = chain.first_bad
    if first is None:
        return (own(verdict),)
    return own(f"{verdict}; first break:"), quoted(place(first)), own(phrase(first))


def chain_section(report: Report) -> Section:
    """The verdict, what was found and how much of the log it is about."""
    title = literal("Integrity of the log")
    told = sentences(map(_sentence, report.unattested))
    chain = report.chain
    if chain is None:
        return Section("integrity", title, told)
    grids = [_verdict(chain, chain.coverage)]
    if chain.findings:
        grids += [_counts(chain), _findings(chain)]
    if chain.coverage.files:
        grids.append(_files(chain))
    return Section("integrity", title, told, tuple(grids))


def _sentence(text: str) -> str:
    """A remark as it stands in running text."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _verdict(chain: Verification, coverage: Coverage) -> Grid:
    first = chain.first_bad
    broken = "none was found" if first is None else f"{place(first)} {phrase(first)}"
    return facts(
        [
            ("verdict", own(f"{chain.verdict}: {_MEANINGS[chain.verdict]}")),
            ("first break", own(broken) if first is None else quoted(broken)),
            ("lines", own(units.count(coverage.lines))),
            ("lines with a signature that is right", _right(coverage.hmac_ok, coverage)),
            ("lines under a signed checkpoint or digest", _attested(coverage.attested, coverage)),
            ("lines after the last of those", _attested(coverage.unattested_tail, coverage)),
        ]
    )


def _right(count: int, coverage: Coverage) -> Cell:
    """Of lines whose signature is right: unknown where no secret was given."""
    known = coverage.hmac_ok or any(_SIGNATURES_CHECKED in one for one in coverage.sentences)
    return own(units.count(count) if known else UNKNOWN)


def _attested(count: int, coverage: Coverage) -> Cell:
    """Of lines by what is signed over them: unknown where no public key was given."""
    known = coverage.attested or not any(NO_PUBLIC_KEY in one for one in coverage.sentences)
    return own(units.count(count) if known else UNKNOWN)


def _counts(chain: Verification) -> Grid:
    return grid(
        ("Class", "Meaning", "Count"),
        [
            (own(name), own(_meaning(name)), own(units.count(count)))
            for name, count in chain.counts.items()
            if name in LINE_CLASSES or name in OTHER_CLASSES
        ],
        2,
        caption="What was found",
    )


def _meaning(name: str) -> str:
    subject = "a line" if name in LINE_CLASSES else "a place or file"
    return f"{subject} {PHRASES.get(name, name)}"


def _findings(chain: Verification) -> Grid:
    found = sorted(chain.findings, key=lambda one: _SEVERITIES.index(one.severity))
    more = len(found) - _FINDINGS
    return grid(
        ("Severity", "Where", "Class", "Lines", "Detail"),
        [
            (
                own(one.severity),
                quoted(place(one)),
                quoted(one.name),
                own(_number(one)),
                quoted(one.detail) if one.detail else own(""),
            )
            for one in found[:_FINDINGS]
        ],
        5,
        foot=[(own(f"{units.count(more)} more"), *[own("")] * 4)] if more > 0 else (),
        caption="Where, the worst first",
    )


def _number(one: Finding) -> str:
    return f"{'at least ' if one.at_least else ''}{units.count(one.count)}"


def _files(chain: Verification) -> Grid:
    coverage = chain.coverage
    broken = {one.file for one in chain.findings if one.severity == "error"}
    rest = coverage.files[_FILES:]
    more = (own(many(len(rest), "more file")), own(""), own(""), *_figures(rest, coverage))
    return grid(
        ("File", "Convention", "State", "Lines", "Signature right", "Attested"),
        [
            (
                quoted(one.name),
                quoted(one.convention),
                own(state(one, broken)),
                *_figures((one,), coverage),
            )
            for one in coverage.files[:_FILES]
        ],
        3,
        foot=[more] if rest else (),
        caption="Files",
    )


def _figures(files: Collection[FileCoverage], coverage: Coverage) -> tuple[Cell, ...]:
    """Of these files together."""
    return (
        own(units.count(sum(one.lines for one in files))),
        _right(sum(one.hmac_ok for one in files), coverage),
        _attested(sum(one.attested for one in files), coverage),
    )
