"""The evidence package of a period: the calls, their report, the audit log, hashes of all of it and a signature.

Whoever is handed it checks it with: llmwatch verify FOLDER --public-key FILE
"""

from __future__ import annotations

import argparse
import secrets
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.cli.arguments import add_source_arguments, add_store_arguments, load_all
from llmwatch.cli.report import add_key_arguments, audit_paths, chain_verdict
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.audit.folder import Log
    from llmwatch.audit.notes import NoteSigner
    from llmwatch.evidence.package.make import Wish
    from llmwatch.evidence.package.manifest import Asked
    from llmwatch.evidence.package.redaction import Redaction
    from llmwatch.sources.source import Source

NAME = "export"
HELP = "the evidence package of a period, to be handed over"

_FINDING = 1
_LEAST_KEY = 16


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `export` takes."""
    add_source_arguments(parser)
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", type=Path, required=True, help="a new folder, or an empty one"
    )
    parser.add_argument(
        "--redact",
        action="store_true",
        help="name nobody: users become pseudonyms, free text and the audit log are left out",
    )
    parser.add_argument(
        "--redact-key",
        metavar="FILE",
        type=Path,
        help="the secret of the pseudonyms, to have the same again; without it one is made and thrown away",
    )
    parser.add_argument(
        "--sign-key", metavar="FILE", type=Path, help="an Ed25519 private key, PEM, that signs the package"
    )
    parser.add_argument(
        "--origin",
        metavar="NAME",
        help="who signs; the name in the .pub file beside the key, if there is one",
    )
    add_key_arguments(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, verify, write the package; the exit code says what was found."""
    from llmwatch.cli.main import say
    from llmwatch.evidence.package.make import Wish, check_target, make_package
    from llmwatch.evidence.package.sources import Witness, gaps, list_sources
    from llmwatch.evidence.report import make_report

    signer, redaction, asked = _signer(arguments), _redaction(arguments), _asked(arguments)
    check_target(arguments.output)
    chain, unchecked = None, 0
    try:
        chain = chain_verdict(arguments, arguments.paths)
    except SourceError as error:
        say(str(error))
        unchecked = error.exit_code
    witnesses: list[Witness] = []

    def watched(source: Source) -> Source:
        witnesses.append(Witness(source))
        return witnesses[0]

    with load_all(arguments, whole_files=True, watched=watched) as loaded:
        report = make_report(
            loaded.store, loaded.scope, now=datetime.now(UTC), chain=chain, sources=loaded.states
        )
        wish = Wish(
            report=report,
            scope=loaded.scope,
            asked=asked,
            sources=list_sources(loaded.store, loaded.scope, witnesses[0] if witnesses else None),
            gaps=gaps(loaded.states),
            logs=_logs(arguments),
            redaction=redaction,
            signer=signer,
        )
        count = make_package(loaded.store, wish, arguments.output)
        say(f"{arguments.output}: {count:,} calls{_remarks(wish)}")
        tampered = chain is not None and chain.verdict == "tampered"
        return _FINDING if tampered else unchecked or loaded.exit_code


def _remarks(wish: Wish) -> str:
    told = [f"; signed by {wish.signer.name}" if wish.signer else "; nobody signed it: --sign-key does"]
    if wish.redaction and not wish.redaction.kept:
        told.append("; the key of its pseudonyms was thrown away")
    if wish.logs and wish.log_left_out:
        told.append(f"; without the audit log: {wish.log_left_out}")
    return "".join(told)


def _logs(arguments: argparse.Namespace) -> tuple[Log, ...]:
    from llmwatch.audit.folder import find_logs

    return find_logs([path for word in arguments.paths for path in audit_paths(word)])


def _signer(arguments: argparse.Namespace) -> NoteSigner | None:
    """Who signs, by --sign-key. Raises UsageError."""
    from llmwatch.audit.keys import exposed, read_public_key, read_signing_key
    from llmwatch.audit.notes import NoteSigner
    from llmwatch.cli.main import say

    path: Path | None = arguments.sign_key
    if path is None:
        if arguments.origin:
            raise UsageError("--origin names who signs, and nobody does: add --sign-key FILE")
        return None
    if remark := exposed(path):
        say(remark)
    private = read_signing_key(path)
    beside = path.with_suffix(".pub")
    name = arguments.origin
    if name is None and beside.is_file():
        named, public = read_public_key(beside)
        name = named if public == NoteSigner("key", private).public else None
    if name is None:
        raise UsageError(
            f"nothing says whose key {path} is: name who signs in --origin, as in example.com/audit"
        )
    return NoteSigner(name, private)


def _redaction(arguments: argparse.Namespace) -> Redaction | None:
    """Raises UsageError."""
    from llmwatch.audit.keys import exposed, read_key_bytes
    from llmwatch.cli.main import say
    from llmwatch.evidence.package.redaction import Redaction

    path: Path | None = arguments.redact_key
    if not arguments.redact:
        if path:
            raise UsageError("--redact-key is the key of pseudonyms, and nobody gets one: add --redact")
        return None
    if path is None:
        return Redaction(secrets.token_bytes(32), kept=False)
    if remark := exposed(path):
        say(remark)
    key = read_key_bytes(path, "--redact-key names a file with a secret").strip()
    if len(key) < _LEAST_KEY:
        raise UsageError(
            f"{path} holds no secret: users could be guessed; write {_LEAST_KEY} characters or more"
        )
    return Redaction(key, kept=True)


def _asked(arguments: argparse.Namespace) -> Asked:
    from llmwatch.evidence.package.manifest import Asked

    prices: Path | None = arguments.prices
    digest = None if prices is None or not prices.is_file() else sha256(prices.read_bytes()).hexdigest()
    return Asked(arguments.since, arguments.until, digest)
