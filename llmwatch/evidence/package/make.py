"""Making a package: beside its place, and put there when it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.folder import KEYS, Log, LogFile, digest_path, tombstone_path
from llmwatch.audit.notes import NoteSigner
from llmwatch.errors import SourceError, UsageError
from llmwatch.evidence.package.manifest import MANIFEST, Asked, manifest
from llmwatch.evidence.package.readme import README, readme
from llmwatch.evidence.package.records import CSV, JSON_LINES, PARQUET, write_records
from llmwatch.evidence.package.redaction import Redaction
from llmwatch.evidence.package.seal import write_seal
from llmwatch.evidence.package.sources import SourceRecord, named_apart
from llmwatch.evidence.report import ENDINGS, Report, redacted, write_report
from llmwatch.evidence.report.json_form import chain_json
from llmwatch.query.export import json_text
from llmwatch.query.scope import Scope
from llmwatch.store.store import Store

LOG = "log"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wish:
    """What a package is to hold."""

    report: Report
    """Of the same scope, at the same moment."""

    scope: Scope
    asked: Asked
    sources: Sequence[SourceRecord]
    gaps: Sequence[str]
    logs: Sequence[Log]
    """Audit logs among the sources, whose days in the window are put in as they are."""

    redaction: Redaction | None = None
    signer: NoteSigner | None = None


def make_package(store: Store, wish: Wish, target: Path) -> int:
    """Make it; how many records it has. The folder is new, or empty.

    Raises:
        UsageError: there is something in the folder already.
        SourceError: it cannot be written, or a file of the log cannot be read.

    """
    try:
        if target.exists() and (not target.is_dir() or any(target.iterdir())):
            raise UsageError(f"{target} is there already and not empty: name a new folder")
        target.parent.mkdir(parents=True, exist_ok=True)
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
        try:
            count = _fill(store, wish, partial)
            _settle(partial)
            os.replace(partial, target)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        raise SourceError(
            f"{target} cannot be made ({error.strerror or error}): free room there or name another place"
        ) from error
    return count


def _fill(store: Store, wish: Wish, folder: Path) -> int:
    report, redaction = wish.report, wish.redaction
    hide = redaction.hide if redaction else None
    count = write_records(store, wish.scope, folder, now=report.made, hide=hide)
    whole_log = redaction is None and not wish.scope.filters
    names = _copy_logs(wish.logs, wish.scope, folder / LOG) if whole_log else []
    sources, asked, gaps = list(wish.sources), wish.asked, list(wish.gaps)
    if redaction:
        report = redacted(report, redaction.pseudonym)
        apart = named_apart(sources)
        report = _sources_apart(report, apart)
        sources = [replace(one, source=apart[one.source]) for one in sources]
        gaps = [f"{len(gaps)} sentences about sources, left out"] if gaps else []
    for form, ending in ENDINGS.items():
        _write(folder / f"report{ending}", write_report(report, form))
    files = dict.fromkeys((JSON_LINES, CSV, PARQUET), count)
    chain = None if report.chain is None else chain_json(report.chain)
    document = manifest(report, asked, sources, gaps, files, names, redaction, chain)
    _write(folder / MANIFEST, json_text(document) + "\n")
    _write(folder / README, readme(wish.signer, bool(names)))
    write_seal(folder, wish.signer, report.made)
    return count


def _copy_logs(logs: Sequence[Log], scope: Scope, folder: Path) -> list[str]:
    """Byte for byte: the days of the window, and all that is signed about any day. Names from the package's top."""
    copied: list[str] = []
    for number, log in enumerate(logs, 1):
        place = folder if len(logs) == 1 else folder / str(number)
        for file in log.files:
            if _in_window(file, scope):
                copied.append(_copy(file.path, place / file.path.relative_to(log.folder), folder))
        for path in _signed_files(log):
            copied.append(_copy(path, place / path.name, folder))
    return sorted(copied)


def _in_window(file: LogFile, scope: Scope) -> bool:
    """Whether calls of the window may be in it: an entry is in the file of the day on which it was written."""
    if file.day is None:
        return True
    return not (
        (scope.since and file.day < scope.since.date())
        or (scope.until and file.day > (scope.until + _DAY).date())
    )


def _signed_files(log: Log) -> list[Path]:
    named = [log.folder / CHECKPOINTS, log.folder / KEYS]
    digests, stones = digest_path(log.folder, "audit_*.jsonl"), tombstone_path(log.folder, "audit_*.jsonl")
    return [path for path in named if path.is_file()] + [
        path for one in (digests, stones) for path in sorted(log.folder.glob(one.name)) if path.is_file()
    ]


def _copy(path: Path, target: Path, folder: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return target.relative_to(folder.parent).as_posix()


def _sources_apart(report: Report, apart: Mapping[str, str]) -> Report:
    """The report with numbers in place of the names of its sources: a path may name a person."""
    newest = tuple(replace(one, source=apart.get(one.source, "")) for one in report.security.newest)
    return replace(
        report,
        sources=tuple(replace(one, source=apart.get(one.source, "")) for one in report.sources),
        security=replace(report.security, newest=newest),
        blind_spots=replace(report.blind_spots, unread=tuple("a source" for _ in report.blind_spots.unread)),
    )


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _settle(folder: Path) -> None:
    """On disk, all of it, before it is given its name."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in (*names, "."):
            descriptor = os.open(os.path.join(place, name), os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
