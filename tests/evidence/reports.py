"""Reports on logs that a test writes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any

from llmwatch.audit.findings import Coverage, FileCoverage, Finding, Verification, count_classes
from llmwatch.evidence.report import Report, make_report, write_report
from llmwatch.query.scope import EVERYTHING, Scope
from llmwatch.sources.source import SourceState
from tests.cli.traffic import START, call, line
from tests.store.helpers import feed, opened

NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)
UNATTESTED = "After line 57 nothing is signed."


def report_of(
    lines: Iterable[bytes],
    scope: Scope = EVERYTHING,
    *,
    now: datetime = NOW,
    chain: Verification | None = None,
    sources: Sequence[SourceState] | None = (),
) -> Report:
    """The report on one stream of lines."""
    with opened() as store:
        feed(store, {"log": list(lines)})
        return make_report(store, scope, now=now, chain=chain, sources=sources)


def as_document(report: Report) -> dict[str, Any]:
    """Its JSON, read."""
    document: dict[str, Any] = json.loads(write_report(report, "json"))
    return document


def calls(*many: dict[str, Any]) -> list[bytes]:
    """The lines of calls, each with an id of its own."""
    lines = []
    for number, one in enumerate(many):
        lines += call(one.pop("user", "a@example.com"), f"r-{number}", **one).splitlines(keepends=True)
    return lines


def failed(
    request_id: str, error: str, *, user: str = "a@example.com", model: str = "m-1", started: datetime = START
) -> list[bytes]:
    """The lines of a call that the model refused."""
    lines = call(user, request_id, model=model, started=started).splitlines(keepends=True)
    refusal = line(started, "ConverseStream failed", request_id, error="no", type=error)
    return [
        *lines[:4],
        refusal.replace(b'"INFO"', b'"ERROR"'),
        lines[5].replace(b'"status": 200', b'"status": 502'),
    ]


def entry(number: int, **changes: object) -> bytes:
    """One entry of an OpenRouter client's audit log."""
    fields = {
        "id": f"00000000-0000-4000-8000-{number:012}",
        "timestamp": f"2026-02-27T09:{number // 60 % 60:02}:{number % 60:02}.000000Z",
        "event_type": "chat_completion",
        "user_id": "alice@example.com",
        "model": "openai/gpt-4o-mini",
        "prompt_hash": "e3" * 32,
        "response_hash": "e3" * 32,
        "prompt_tokens": 100,
        "completion_tokens": 10,
        "latency_ms": 100.0,
        "status": "success",
        "error_type": None,
        "metadata": None,
    }
    return json.dumps({**fields, **changes}).encode() + b"\n"


def verification(verdict: str = "tampered", file: str = "audit_2026-02-27.jsonl") -> Verification:
    """What a verification of a log may say."""
    found = (
        Finding("edited", file, 17, detail="the hash is another"),
        Finding("restart", file, 30),
        Finding("deleted", file, 41, count=3, at_least=True),
    )
    findings = {"tampered": found, "warn": found[1:2]}.get(verdict, ())
    return Verification(
        verdict=verdict,  # type: ignore[arg-type]
        coverage=Coverage(
            lines=60,
            hmac_ok=59,
            attested=57,
            unattested_tail=3,
            files=(FileCoverage(file, "fresh", 60, 59, 57, first_bad=17 if findings == found else None),),
            sentences=(UNATTESTED,),
        ),
        findings=findings,
        first_bad=findings[0] if verdict == "tampered" else None,
        counts=count_classes(findings),
    )
