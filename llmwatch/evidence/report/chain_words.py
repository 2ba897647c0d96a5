"""What a verification of the audit logs found, in words; and always what it does not vouch for."""

from __future__ import annotations

from collections.abc import Mapping

from llmwatch import units
from llmwatch.audit.findings import LINE_CLASSES, OTHER_CLASSES, Coverage, FileCoverage, Finding, Verification
from llmwatch.audit.wording import PHRASES, place, state
from llmwatch.clean import literal
from llmwatch.evidence.report.document import (
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
        grids.append(_files(chain.coverage.files))
    return Section("integrity", title, told, tuple(grids))


def _sentence(text: str) -> str:
    """A remark as it stands in running text."""
    return f"{text[:1].upper()}{text[1:].removesuffix('.')}."


def _verdict(chain: Verification, coverage: Coverage) -> Grid:
    first = chain.first_bad
    broken = "none was found" if first is None else f"{place(first)} {PHRASES.get(first.name, first.name)}"
    return facts(
        [
            ("verdict", own(f"{chain.verdict}: {_MEANINGS[chain.verdict]}")),
            ("first break", own(broken) if first is None else quoted(broken)),
            ("lines", own(units.count(coverage.lines))),
            ("lines with a signature that is right", own(units.count(coverage.hmac_ok))),
            ("lines under a signed checkpoint or digest", own(units.count(coverage.attested))),
            ("lines after the last of those", own(units.count(coverage.unattested_tail))),
        ]
    )


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


def _files(files: tuple[FileCoverage, ...]) -> Grid:
    rest = files[_FILES:]
    sums = (
        own(units.count(sum(getattr(one, name) for one in rest))) for name in ("lines", "hmac_ok", "attested")
    )
    more = (own(many(len(rest), "more file")), own(""), own(""), *sums)
    return grid(
        ("File", "Convention", "State", "Lines", "Signature right", "Attested"),
        [
            (
                quoted(one.name),
                quoted(one.convention),
                own(state(one)),
                *(own(units.count(count)) for count in (one.lines, one.hmac_ok, one.attested)),
            )
            for one in files[:_FILES]
        ],
        3,
        foot=[more] if rest else (),
        caption="Files",
    )
