"""The report as JSON: exact, raw and all of it; rows are as `llmwatch top --json` has them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict

from llmwatch.audit.findings import Verification
from llmwatch.evidence.report.facts import BlindSpots, Report, Security
from llmwatch.query.columns import MEASURES
from llmwatch.query.export import instant, json_text
from llmwatch.query.snapshot import Table, Usage


def as_json(report: Report) -> str:
    """All of it, on one line."""
    return json_text(_document(report)) + "\n"


def _document(report: Report) -> dict[str, object]:
    period, outcomes, latency = report.period, report.outcomes, report.latency
    return {
        "made": instant(report.made),
        "tool": {"name": "llmwatch", "version": report.version},
        "scope": {"since": instant(period.since), "until": instant(period.until), "filter": period.filter},
        "period": {
            "first": instant(period.first),
            "last": instant(period.last),
            "log_first": instant(period.log_first),
            "log_last": instant(period.log_last),
        },
        "totals": _usage(report.totals),
        "outcomes": asdict(outcomes),
        "success_rate": outcomes.success_rate,
        "success_rate_of": outcomes.judged,
        "latency": asdict(latency),
        "by_user": _rows(report.users),
        "by_model": _rows(report.models),
        "by_day": _rows(report.days),
        "timeline": {
            "step_seconds": int(report.timeline.step.total_seconds()),
            "points": [
                {**asdict(point), "start": instant(point.start), "requests": point.requests}
                for point in report.timeline.points
            ],
        },
        "errors": [
            {
                "error": one.error,
                "requests": one.requests,
                "last_seen": instant(one.last_seen),
                "models": [asdict(share) for share in one.models],
            }
            for one in report.errors
        ],
        "security": _security(report.security),
        "blind_spots": _blind_spots(report.blind_spots),
        "counters": {
            name: getattr(report.counters, name) for name in ("lines", "events", "calls", "other_requests")
        },
        "sources": [asdict(one) for one in report.sources],
        "audit_entries": report.audit_entries,
        "chain": None if report.chain is None else chain_json(report.chain),
        "unattested": list(report.unattested),
    }


def _rows(table: Table) -> list[dict[str, object]]:
    return [dict(zip(table.by, row.key, strict=True)) | _usage(row.usage) for row in table.rows]


def _usage(usage: Usage) -> dict[str, object]:
    return {name: getattr(usage, name) for name in MEASURES}


def _security(found: Security) -> dict[str, object]:
    return {
        "total": found.total,
        "by_event": [asdict(one) for one in found.by_event],
        "newest": [asdict(one) for one in found.newest],
    }


def _blind_spots(spots: BlindSpots) -> Mapping[str, object]:
    return asdict(spots)


def chain_json(chain: Verification) -> dict[str, object]:
    """As `llmwatch verify --json` has it."""
    coverage, first = chain.coverage, chain.first_bad
    return {
        "verdict": chain.verdict,
        "first_bad": None if first is None else {"file": first.file, "line": first.line, "class": first.name},
        "counts": dict(chain.counts),
        "findings": [
            {
                "class": one.name,
                "severity": one.severity,
                "file": one.file,
                "line": one.line,
                "line_to": one.line if one.line_to is None else one.line_to,
                "n": one.count,
                "at_least": one.at_least,
                "detail": one.detail,
            }
            for one in chain.findings
        ],
        "coverage": {
            "lines": coverage.lines,
            "hmac_ok": coverage.hmac_ok,
            "attested": coverage.attested,
            "unattested_tail": coverage.unattested_tail,
            "files": {
                file.name: {"convention": file.convention, "lines": file.lines} for file in coverage.files
            },
        },
    }
