"""A report for those who may not know who the users are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from llmwatch.audit.findings import Finding, Verification
from llmwatch.evidence.report.facts import Report
from llmwatch.query.snapshot import TableRow

_FILTER = "(redacted)"


def redacted(report: Report, pseudonym: Callable[[str], str]) -> Report:
    """The report with a pseudonym for each user, and without texts that may name one.

    The filter is such a text, and so is what a finding tells in words. Names of files stay.
    """

    def hidden(user: str | None) -> str | None:
        return None if user is None else pseudonym(user)

    users = tuple(TableRow(tuple(map(hidden, row.key)), row.usage) for row in report.users.rows)
    newest = tuple(replace(event, user=hidden(event.user)) for event in report.security.newest)
    return replace(
        report,
        period=replace(report.period, filter=report.period.filter and _FILTER),
        users=replace(report.users, rows=users),
        security=replace(report.security, newest=newest),
        chain=report.chain and _without_words(report.chain),
    )


def _without_words(chain: Verification) -> Verification:
    def silent(finding: Finding) -> Finding:
        return replace(finding, expected=None, actual=None, detail="")

    return replace(
        chain,
        findings=tuple(map(silent, chain.findings)),
        first_bad=chain.first_bad and silent(chain.first_bad),
    )
