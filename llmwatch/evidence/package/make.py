"""Making a package: beside its place, and put there when it is whole."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, time, timedelta
from pathlib import Path

from llmwatch.audit.checkpoints import CHECKPOINTS
from llmwatch.audit.folder import KEYS, Log, LogFile
from llmwatch.audit.notes import NoteSigner
from llmwatch.errors import SourceError, UsageError
from llmwatch.evidence.package.manifest import MANIFEST, Asked, Contents, manifest
from llmwatch.evidence.package.readme import README, readme
from llmwatch.evidence.package.records import CSV, JSON_LINES, PARQUET, write_records
from llmwatch.evidence.package.redacted_report import without_names
from llmwatch.evidence.package.redaction import Redaction
from llmwatch.evidence.package.seal import write_seal
from llmwatch.evidence.package.sources import SourceRecord, named_apart
from llmwatch.evidence.report import ENDINGS, Report, write_report
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

    @property
    def log_left_out(self) -> str | None:
        """Why the audit log is not in the package; None if it is."""
        if not self.logs:
            return "no file or folder among the sources is an audit log"
        if self.redaction:
            return "its lines name users"
        return "it holds calls that the filter leaves out" if self.scope.filters else None


def make_package(store: Store, wish: Wish, target: Path) -> int:
    """Make it; how many records it has. The folder is new, or empty.

    Raises:
        UsageError: there is something in the folder already.
        SourceError: it cannot be written, or a file of the log cannot be read.

    """
    check_target(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        target = target.resolve()
        partial = Path(tempfile.mkdtemp(prefix=f".{target.name[:100]}.", dir=target.parent))
        try:
            count = _fill(store, wish, partial)
            _settle(partial)
            os.replace(partial, target)
            _sync(target.parent)
        except BaseException:
            shutil.rmtree(partial, ignore_errors=True)
            raise
    except OSError as error:
        place = f"{error.filename}: " if error.filename else ""
        raise SourceError(
            f"{target} cannot be made ({place}{error.strerror or error}): free room there or name another place"
        ) from error
    return count


def check_target(target: Path) -> None:
    """Refuse a folder that has something in it. Raises UsageError and SourceError."""
    try:
        taken = target.exists() and (not target.is_dir() or any(target.iterdir()))
    except OSError as error:
        raise SourceError(f"{target} cannot be read ({error.strerror}): name another place") from error
    if taken:
        raise UsageError(f"{target} is there already and not empty: name a new folder")


def _fill(store: Store, wish: Wish, folder: Path) -> int:
    report, redaction = wish.report, wish.redaction
    hide = redaction.hide if redaction else None
    count = write_records(store, wish.scope, folder, now=report.made, hide=hide)
    left_out = wish.log_left_out
    names = [] if left_out else _copy_logs(wish, folder / LOG)
    sources, asked, gaps = list(wish.sources), wish.asked, list(wish.gaps)
    if redaction:
        apart = named_apart(sources)
        report = without_names(report, redaction, apart, wish.logs)
        sources = [replace(one, source=apart[one.source]) for one in sources]
        gaps = [f"{len(gaps)} sentences about sources, left out"] if gaps else []
    for form, ending in ENDINGS.items():
        _write(folder / f"report{ending}", write_report(report, form))
    files = dict.fromkeys((JSON_LINES, CSV, PARQUET), count)
    chain = None if report.chain is None else chain_json(report.chain)
    signer = wish.signer.name if wish.signer else None
    contents = Contents(files, names, left_out, signer)
    document = manifest(report, asked, sources, gaps, contents, redaction, chain)
    _write(folder / MANIFEST, json_text(document, indent=1) + "\n")
    _write(folder / README, readme(signer, log=bool(names), redacted=redaction is not None))
    write_seal(folder, wish.signer, report.made)
    return count


def _copy_logs(wish: Wish, folder: Path) -> list[str]:
    """Byte for byte: the days of the window, and all that is signed about any day. Names from the package's top.

    What is signed comes first: while the log grows, lines may be there that nothing signs yet, and never the reverse.
    """
    spans = {Path(one.source).resolve(): (one.first_time, one.last_time) for one in wish.sources}
    copied: list[str] = []
    for number, log in enumerate(wish.logs, 1):
        place = folder if len(wish.logs) == 1 else folder / str(number)
        for path in _beside(log):
            copied.append(_copy(path, place / path.name, folder))
        for file in log.files:
            if _in_window(file, wish.scope, *spans.get(file.path.resolve(), (None, None))):
                copied.append(_copy(file.path, place / file.path.relative_to(log.folder), folder))
    return sorted(copied)


def _in_window(file: LogFile, scope: Scope, first: datetime | None, last: datetime | None) -> bool:
    """Whether calls of the window may be in it: by its entries' own times, or by the day on which it was written."""
    if file.day is None or _meet(first, last, scope):
        return True
    begin = datetime.combine(file.day, time(), UTC)
    return _meet(begin - _DAY, begin + _DAY - timedelta.resolution, scope)


def _meet(first: datetime | None, last: datetime | None, scope: Scope) -> bool:
    if first is None or last is None:
        return False
    return (scope.until is None or first < scope.until) and (scope.since is None or last >= scope.since)


def _beside(log: Log) -> list[Path]:
    """Checkpoints, public keys, digests and tombstones of all days, and the half lines that a crash left behind."""
    patterns = (CHECKPOINTS, KEYS, "audit_*.digest", "audit_*.gone", "audit_torn_*.bin")
    return [path for one in patterns for path in sorted(log.folder.glob(one)) if path.is_file()]


def _copy(path: Path, target: Path, folder: Path) -> str:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(path, target)
    return target.relative_to(folder.parent).as_posix()


def _write(path: Path, text: str) -> None:
    path.write_bytes(text.encode("utf-8", "backslashreplace"))


def _settle(folder: Path) -> None:
    """On disk, all of it, before it is given its name; for its owner's eyes alone."""
    for place, _, names in os.walk(folder, topdown=False):
        for name in names:
            path = Path(place, name)
            path.chmod(0o600)
            _sync(path)
        _sync(Path(place))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
