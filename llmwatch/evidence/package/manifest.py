"""`manifest.json`: what a package holds, of what, made how; and what is missing from it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version

from llmwatch import __version__
from llmwatch.evidence.package.redaction import POLICY, Redaction
from llmwatch.evidence.package.sources import SourceRecord
from llmwatch.evidence.report import Report
from llmwatch.query.export import instant

FORMAT = "llmwatch/evidence/v1"
MANIFEST = "manifest.json"
_WINDOW = "a call is in the window if it began in it: since <= time < until, UTC, by the gateway's clock; null is open"


@dataclass(frozen=True, slots=True)
class Asked:
    """The window as it was typed, and the prices that were given besides."""

    since: str | None
    until: str | None
    prices_sha256: str | None


@dataclass(frozen=True, slots=True)
class Contents:
    """What is in a package besides the report."""

    records: Mapping[str, int]
    """File → how many it has."""

    log: Sequence[str]
    """Files of the audit log."""

    log_left_out: str | None
    """Why there are none."""

    signer: str | None


def manifest(
    report: Report,
    asked: Asked,
    sources: Sequence[SourceRecord],
    gaps: Sequence[str],
    contents: Contents,
    redaction: Redaction | None,
    chain: Mapping[str, object] | None,
) -> dict[str, object]:
    """The manifest as JSON has it."""
    period, spots, counters = report.period, report.blind_spots, report.counters
    return {
        "format": FORMAT,
        "tool": {"name": "llmwatch", "version": __version__},
        "created": instant(report.made),
        "query": {"since": asked.since, "until": asked.until, "filter": period.filter},
        "window": {"since": instant(period.since), "until": instant(period.until), "rule": _WINDOW},
        "found": {"first_call": instant(period.first), "last_heard_of": instant(period.last)},
        "sources": [_source(one) for one in sources],
        "gaps": list(gaps),
        "counts": {
            "calls": report.totals.requests,
            "other_requests": counters.other_requests,
            "lines": counters.lines,
            "events": counters.events,
            "calls_without_a_time": spots.without_time,
            "open_at_the_end": report.outcomes.open,
            "unfinished": report.outcomes.unfinished,
        },
        "unparsed": {"malformed": spots.malformed, "unrecognised": spots.unrecognised},
        "unpriced": {
            "calls": spots.unpriced,
            "models": [asdict(one) for one in spots.unpriced_models],
        },
        "unmetered": {"calls": spots.unmetered},
        "price_table": _prices(asked),
        "records": dict(contents.records),
        "signed_by": contents.signer,
        "log": list(contents.log),
        "log_left_out": contents.log_left_out,
        "redaction": _redaction(redaction),
        "chain": chain,
    }


def _source(one: SourceRecord) -> dict[str, object]:
    return asdict(one) | {"first_time": instant(one.first_time), "last_time": instant(one.last_time)}


def _prices(asked: Asked) -> dict[str, object]:
    from llmwatch.pricing.bedrock import table_info

    bundled = table_info()
    return {
        "bedrock": {"version": bundled.version, "date": bundled.date.isoformat()},
        "genai_prices": version("genai-prices"),
        "overrides_sha256": asked.prices_sha256,
    }


def _redaction(redaction: Redaction | None) -> dict[str, object] | None:
    if redaction is None:
        return None
    kept = "kept by whoever made the package" if redaction.kept else "thrown away: nobody can link pseudonyms"
    return {"key_id": redaction.kid if redaction.kept else None, "key": kept, "policy": dict(POLICY)}
