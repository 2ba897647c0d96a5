"""The report of a period: calls, users, models, cost and errors, security events, blind spots and the audit chain.

Exit 0, or 1 if the audit log among the sources was tampered with; the report is printed all the same.
"""

from __future__ import annotations

import argparse
import glob
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.cli.arguments import add_source_arguments, add_store_arguments, load_all
from llmwatch.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from llmwatch.audit.findings import Verification

NAME = "report"
HELP = "the report of a period, as text, JSON, Markdown or HTML"

_FORMS = ("text", "json", "markdown", "html")
_FINDING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `report` takes."""
    add_source_arguments(parser)
    parser.add_argument(
        "--format", choices=_FORMS, help="default: what the ending of -o's FILE means, else text"
    )
    parser.add_argument(
        "--json", action="store_const", dest="format", const="json", help="the same as --format json"
    )
    parser.add_argument(
        "-o", "--output", metavar="FILE", type=Path, help="write it there, in place of what is there"
    )
    add_key_arguments(parser)
    add_store_arguments(parser)


def add_key_arguments(parser: argparse.ArgumentParser) -> None:
    """The keys of the audit logs among the sources."""
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="HMAC secrets of the audit logs among the sources, one a line: secret or kid=secret; repeatable",
    )
    parser.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        help="what checks their signed checkpoints and digests: a note verifier key, or PEM (Ed25519)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Read, verify what can be verified, write; the exit code says what was found."""
    from llmwatch.cli.main import say
    from llmwatch.evidence.report import make_report, write_report

    form = _form(arguments)
    chain, unchecked = None, 0
    try:
        chain = chain_verdict(arguments, arguments.paths)
    except SourceError as error:
        say(str(error))
        unchecked = error.exit_code
    with load_all(arguments, whole_files=True) as loaded:
        report = make_report(
            loaded.store,
            loaded.scope,
            now=datetime.now(UTC),
            chain=chain,
            sources=loaded.states,
        )
        _write(write_report(report, form), arguments.output)
        tampered = chain is not None and chain.verdict == "tampered"
        return _FINDING if tampered else unchecked or loaded.exit_code


def chain_verdict(arguments: argparse.Namespace, paths: Sequence[str]) -> Verification | None:
    """What a verification of the audit logs among the sources finds; None if there are none.

    It is of whole files, whatever the period. Raises UsageError for keys that are none, and SourceError.
    """
    from llmwatch.audit.folder import find_logs
    from llmwatch.audit.keys import read_key_files, read_public_key
    from llmwatch.audit.notes import NoteVerifier
    from llmwatch.audit.verify import verify
    from llmwatch.cli.main import say

    ring = read_key_files(arguments.key_file)
    name, key = read_public_key(arguments.public_key) if arguments.public_key else (None, None)
    for remark in ring.remarks:
        say(remark)
    found = [path for word in paths for path in audit_paths(word)]
    if not found:
        if ring.secrets or key:
            say("no file among the sources is named audit_*.jsonl: the keys have nothing to check")
        return None
    try:
        return verify(find_logs(found), ring=ring, public=None if key is None else NoteVerifier(key, name))
    except OSError as error:
        place = error.filename or "the log"
        raise SourceError(f"{place} cannot be read ({error.strerror}): check its permissions") from error


def audit_paths(word: str) -> list[Path]:
    """The files and folders of audit logs that a PATH names: other logs have no chain and are not to be accused."""
    names = sorted(glob.glob(word)) if glob.has_magic(word) and not os.path.lexists(word) else [word]
    return [path for path in map(Path, names) if _is_audit_log(path)]


def _is_audit_log(path: Path) -> bool:
    from llmwatch.audit.folder import ARCHIVE

    if path.is_dir():
        return any(_is_audit_log(file) for part in (path, path / ARCHIVE) for file in part.glob("audit_*.*"))
    return path.is_file() and path.name.startswith("audit_") and path.name.endswith((".jsonl", ".jsonl.gz"))


def _form(arguments: argparse.Namespace) -> str:
    from llmwatch.evidence.report import ENDINGS

    if arguments.format is None and arguments.output is not None:
        ending = arguments.output.suffix.lower()
        return next((form for form, known in ENDINGS.items() if known == ending), "text")
    return arguments.format or "text"


def _write(text: str, path: Path | None) -> None:
    from llmwatch.private_file import write_private

    if path is None:
        sys.stdout.write(text)
        return
    try:
        write_private(path, text.encode("utf-8", "backslashreplace"))
    except OSError as error:
        raise SourceError(f"{path} cannot be written: {error.strerror or error}") from error
