"""Check an audit log: what was edited, deleted, inserted or moved, line by line, and what nobody vouches for.

Exit 0 if all is well (also with warnings, but for --strict), 1 if the log was tampered with, 3 if nothing can be said.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.cli.groups import add_group_arguments, check_groups
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.audit.findings import Verification
    from llmwatch.audit.folder import Log
    from llmwatch.audit.keys import KeyRing
    from llmwatch.audit.notes import NoteVerifier

NAME = "verify"
HELP = "the audit chain: what was changed, and what nobody vouches for"

_OF_PACKAGES = ("manifest.json", "SHA256SUMS", "records.jsonl")
"""Two of them make a folder an evidence package, also where one was taken away."""

_FINDING = 1
_WORSE = ("ok", "warn", "unverifiable", "tampered")
_EVERY_SECONDS, _SHOWN_AFTER_SECONDS = 0.2, 1.0
_NO_KEY = "no --key-file and no --public-key: only the chain is checked, which anyone can compute again after a change"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `verify` takes."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="files and folders of an audit log, archived days (.gz) too, or an evidence package; - is standard input",
    )
    parser.add_argument(
        "--since",
        metavar="WHEN",
        help="only days since then: 7d, today, 2026-02-27; of a log group, events since then",
    )
    parser.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="HMAC secrets, one a line: secret or kid=secret; repeatable",
    )
    parser.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="what checks signed checkpoints, digests and packages: a note verifier key, or PEM (Ed25519); "
        "repeatable for a package, whose log may be signed by another",
    )
    parser.add_argument(
        "--remember",
        action="store_true",
        help="keep the newest checkpoint that was seen: a log that goes back behind it, or forks, is found next time",
    )
    parser.add_argument(
        "--quick",
        action="store_true",
        help="take whole days on the word of their signed digests, though --key-file could check each line",
    )
    parser.add_argument("--strict", action="store_true", help="exit 1 for warnings too")
    parser.add_argument("--json", action="store_true", help="all that was found, as JSON")
    add_group_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Verify, print; the exit code says what was found."""
    from llmwatch.audit.keys import read_key_files
    from llmwatch.cli.main import say
    from llmwatch.cli.verify_input import gathered
    from llmwatch.cli.verify_output import print_json, print_package, print_text

    check_groups(arguments)
    if not (arguments.paths or arguments.group):
        raise UsageError(
            "nothing to verify is named: give a PATH of an audit log (a file, a folder, -), or --group"
        )
    if arguments.remember and not arguments.public_key:
        raise UsageError("--remember goes with --public-key: what is remembered is a signed checkpoint")
    since = _since(arguments.since)
    ring = read_key_files(arguments.key_file)
    for remark in ring.remarks:
        say(remark)
    publics = [key for path in arguments.public_key if (key := read_public(path))]
    package = _package(arguments.paths)
    if package is not None:
        from llmwatch.evidence.check import check_package

        if len(arguments.paths) > 1 or arguments.group:
            raise UsageError(f"{package} is an evidence package: verify it alone")
        verification = check_package(package, publics, ring)
        with _reader_may_leave():
            (print_json if arguments.json else print_package)(verification)
        return _code(verification, strict=arguments.strict)
    if len(publics) > 1:
        raise UsageError("a log has one public key: name one, or the package that has two")
    public = publics[0] if publics else None
    with gathered(arguments, since) as found:
        if not ring.secrets and public is None:
            say(_NO_KEY)
        day = since.date() if since else None
        verification = _verify_all(arguments, found.logs, ring, public, day)
        with _reader_may_leave():
            (print_json if arguments.json else print_text)(verification, found.logs)
    code = _code(verification, strict=arguments.strict)
    return SourceError.exit_code if found.failed and code != _FINDING else code


def _since(text: str | None) -> datetime | None:
    from llmwatch.query.moments import read_moment

    return None if text is None else read_moment(text, datetime.now(UTC))


def read_public(path: Path | None) -> NoteVerifier | None:
    """What --public-key names. Raises UsageError."""
    from llmwatch.audit.keys import read_public_key
    from llmwatch.audit.notes import NoteVerifier

    if path is None:
        return None
    name, key = read_public_key(path)
    return NoteVerifier(key, name)


def _package(paths: list[str]) -> Path | None:
    """The first of the paths that is an evidence package."""
    for path in filter(None, paths):
        if sum(os.path.lexists(os.path.join(path, name)) for name in _OF_PACKAGES) > 1:
            return Path(path)
    return None


def _verify_all(
    arguments: argparse.Namespace,
    logs: tuple[Log, ...],
    ring: KeyRing,
    public: NoteVerifier | None,
    since: date | None,
) -> Verification:
    from llmwatch.audit.signed.memory import Memory
    from llmwatch.audit.verify import verify

    with _progress() as progress:
        try:
            return verify(
                logs,
                ring=ring,
                public=public,
                memory=Memory() if arguments.remember else None,
                since=since,
                quick=arguments.quick,
                progress=progress,
            )
        except OSError as error:
            place = error.filename or "the log"
            raise SourceError(f"{place} cannot be read ({error.strerror}): check its permissions") from error


def _code(verification: Verification, *, strict: bool) -> int:
    codes = {"ok": 0, "warn": int(strict), "tampered": _FINDING, "unverifiable": SourceError.exit_code}
    return codes[verification.verdict]


@contextmanager
def _reader_may_leave() -> Iterator[None]:
    """Whoever reads no more than the first line still gets the exit code of what was found."""
    try:
        yield
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


@contextmanager
def _progress() -> Iterator[Callable[[str, int, int], None] | None]:
    """A function for (file, bytes done, bytes in all), whose line is gone at the end. None without a terminal."""
    from llmwatch import units
    from llmwatch.cli.progress import show_line

    if not sys.stderr.isatty():
        yield None
        return
    shown = time.monotonic() + _SHOWN_AFTER_SECONDS - _EVERY_SECONDS
    begun = False

    def show(name: str, done: int, total: int) -> None:
        nonlocal shown, begun
        now = time.monotonic()
        if now - shown < _EVERY_SECONDS:
            return
        shown, begun = now, True
        show_line(sys.stderr, f"verifying: {units.size(done)} of {units.size(total)}, {name}")

    try:
        yield show
    finally:
        if begun:
            show_line(sys.stderr, "")
