"""The report of a package that names nobody: whatever a log could have put a name into is replaced or left out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import PurePath

from llmwatch.audit.findings import Coverage, Finding, Verification
from llmwatch.audit.folder import Log
from llmwatch.evidence.package.redaction import Redaction
from llmwatch.evidence.report import Report, redacted
from llmwatch.evidence.report.facts import BlindSpots, ErrorType, Security
from llmwatch.query.snapshot import Table, TableRow

_LOG_NAME = re.compile(r"audit_(\d{4}-\d{2}-\d{2}\.(jsonl|digest|gone)|checkpoints\.txt|keys\.txt)", re.ASCII)
_UNREAD = "a source, whose name is left out"
_LEFT_OUT = "what was said of single files or folders is left out, for their names may name people"


def without_names(
    report: Report, redaction: Redaction, apart: Mapping[str, str], logs: Sequence[Log]
) -> Report:
    """The report with pseudonyms, and with numbers in place of sources. `apart`: source → what stands for it."""
    report = redacted(report, redaction.pseudonym)
    return replace(
        report,
        users=_shuffled(report.users),
        models=replace(report.models, rows=tuple(_model_row(row, redaction) for row in report.models.rows)),
        errors=tuple(_error(one, redaction) for one in report.errors),
        security=_security(report.security, redaction, apart),
        blind_spots=_blind_spots(report.blind_spots, redaction),
        sources=tuple(replace(one, source=apart.get(one.source, "")) for one in report.sources),
        chain=report.chain and _chain(report.chain, logs),
    )


def _shuffled(users: Table) -> Table:
    """Users with equal figures in the order of their pseudonyms: that of their names would tell of them."""
    rows = sorted(users.rows, key=lambda row: tuple(name or "" for name in row.key))
    rows.sort(
        key=lambda row: (row.usage.cost_usd is not None, row.usage.cost_usd or 0, row.usage.requests),
        reverse=True,
    )
    return replace(users, rows=tuple(rows))


def _model_row(row: TableRow, redaction: Redaction) -> TableRow:
    return TableRow(tuple(redaction.name(name) for name in row.key), row.usage)


def _error(one: ErrorType, redaction: Redaction) -> ErrorType:
    shares = tuple(replace(share, model=redaction.name(share.model)) for share in one.models)
    return replace(one, error=redaction.name(one.error), models=shares)


def _security(found: Security, redaction: Redaction, apart: Mapping[str, str]) -> Security:
    return replace(
        found,
        by_event=tuple(replace(one, event=redaction.event(one.event)) for one in found.by_event),
        newest=tuple(
            replace(one, event=redaction.event(one.event), source=apart.get(one.source, ""))
            for one in found.newest
        ),
    )


def _blind_spots(spots: BlindSpots, redaction: Redaction) -> BlindSpots:
    models = tuple(replace(one, model=redaction.name(one.model)) for one in spots.unpriced_models)
    return replace(spots, unpriced_models=models, unread=tuple(_UNREAD for _ in spots.unread))


def _chain(chain: Verification, logs: Sequence[Log]) -> Verification:
    names = _Names()

    def bare(finding: Finding) -> Finding:
        return replace(finding, file=names.of(finding.file), field=None)

    coverage = chain.coverage
    files = tuple(replace(file, name=names.of(file.name)) for file in coverage.files)
    return replace(
        chain,
        coverage=replace(coverage, files=files, sentences=_sentences(coverage, logs)),
        findings=tuple(map(bare, chain.findings)),
        first_bad=chain.first_bad and bare(chain.first_bad),
    )


class _Names:
    """Files of logs: by their day where they are named after one, else by a number."""

    def __init__(self) -> None:
        self._folders: dict[str, str] = {}
        self._files: dict[str, str] = {}

    def of(self, name: str) -> str:
        """What stands for it, the same each time."""
        path = PurePath(name)
        known = path.name if _LOG_NAME.fullmatch(path.name) else None
        shown = known or self._files.setdefault(path.name, f"file-{len(self._files) + 1}")
        if path.name == name:
            return shown
        return f"{self._folders.setdefault(str(path.parent), f'log-{len(self._folders) + 1}')}/{shown}"


def _sentences(coverage: Coverage, logs: Sequence[Log]) -> tuple[str, ...]:
    """Those that name no file; where there are several logs, a sentence begins with the name of one."""
    places = [f"{log.folder}: " for log in logs]
    bare = [_without(sentence, places) for sentence in coverage.sentences]
    words = {word for log in logs for word in _words(log)} | {file.name for file in coverage.files}
    kept = [sentence for sentence in bare if not any(word in sentence for word in words)]
    return (*dict.fromkeys(kept), *((_LEFT_OUT,) if len(kept) < len(bare) else ()))


def _without(sentence: str, places: Iterable[str]) -> str:
    for place in places:
        sentence = sentence.removeprefix(place)
    return sentence


def _words(log: Log) -> set[str]:
    files = {text for file in log.files for text in (file.name, file.path.name, str(file.path))}
    return {text for text in files if not _LOG_NAME.fullmatch(text)} | {f"{log.folder}/", f"{log.folder}: "}
