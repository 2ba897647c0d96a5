"""Archive and delete the days of an audit log by their age; what is deleted leaves its digest and a signed tombstone.

Exit 1 if a day was left alone because it is not what it should be, 3 if something failed and may work later.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmwatch.errors import SourceError, UsageError

NAME = "retention"
HELP = "archive and delete days of an audit log by age"

_LENGTH = re.compile(r"\d+(\.\d+)?[hdw]")
_FINDING = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `retention` takes."""
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of an audit log")
    parser.add_argument(
        "--archive-after", metavar="AGE", help="pack days that are so old into archive/: 30d, 12h, 4w"
    )
    parser.add_argument(
        "--delete-after", metavar="AGE", help="delete days that are so old, archived ones too"
    )
    parser.add_argument(
        "--sign-key",
        metavar="FILE",
        type=Path,
        help="the log's Ed25519 private key, PEM: it signs that days with a digest were deleted by policy",
    )
    parser.add_argument("--origin", metavar="NAME", help="what the log is called, if no digest in it says so")
    parser.add_argument("--dry-run", action="store_true", help="print what would be done, and do nothing")
    parser.add_argument("--json", action="store_true", help="every day, and what became of it, as JSON")


def run(arguments: argparse.Namespace) -> int:
    """Plan, do, print."""
    from llmwatch.audit.keeping.retention import Policy, carry_out, foreseen, plan, remarks, signer_of
    from llmwatch.audit.keys import exposed, read_signing_key
    from llmwatch.cli.main import say

    now = datetime.now(UTC)
    policy = Policy(
        _length("--archive-after", arguments.archive_after), _length("--delete-after", arguments.delete_after)
    )
    if policy == Policy():
        raise UsageError("retention needs a policy: --archive-after 30d, --delete-after 90d, or both")
    if not arguments.folder.is_dir():
        raise SourceError(f"{arguments.folder} is no folder: name the one that the audit log is in")
    signer = None
    if arguments.sign_key:
        if remark := exposed(arguments.sign_key):
            say(remark)
        signer = signer_of(arguments.folder, read_signing_key(arguments.sign_key), arguments.origin)
    steps = plan(arguments.folder, policy, now)
    for remark in remarks(steps, signer):
        say(remark)
    if arguments.dry_run:
        planned = [(step, *foreseen(step, signer)) for step in steps]
        _print([(step.name, action, step.size, reason) for step, action, reason in planned], arguments)
        return 0
    done: list[tuple[str, str, int, str]] = []
    try:
        for one in carry_out(arguments.folder, steps, signer, now):
            done.append((one.name, one.outcome, one.size, one.reason))
            if one.outcome in ("refused", "failed"):
                say(one.reason)
    finally:
        _print(done, arguments)
    outcomes = {outcome for _, outcome, _, _ in done}
    return SourceError.exit_code if "failed" in outcomes else _FINDING if "refused" in outcomes else 0


def _length(flag: str, text: str | None) -> timedelta | None:
    from llmwatch.query.moments import read_moment

    if text is None:
        return None
    now = datetime.now(UTC)
    try:
        if _LENGTH.fullmatch(text.strip().lower()):
            return now - read_moment(text, now)
    except UsageError:  # longer ago than there are dates
        pass
    raise UsageError(f"{flag} {text!r} is no age: write 30d, 12h or 4w")


def _print(rows: Sequence[tuple[str, str, int, str]], arguments: argparse.Namespace) -> None:
    """All as JSON, or a table of what is not merely young."""
    from llmwatch import units
    from llmwatch.audit.keeping.retention import UNREMARKABLE
    from llmwatch.cli.output import aligned, json_text

    if arguments.json:
        named = [dict(zip(("file", "outcome", "bytes", "reason"), row, strict=True)) for row in rows]
        print(json_text({"dry_run": arguments.dry_run, "files": named}))
        return
    shown = [row for row in rows if row[3] not in UNREMARKABLE]
    cells = [[name, outcome, units.size(size), reason] for name, outcome, size, reason in shown]
    for line in aligned(("FILE", "", "SIZE", "WHY"), cells, left=4, right=(2,)) if cells else ():
        print(line)
    if rest := len(rows) - len(shown):
        print(
            f"{units.count(rest)} {'day' if rest == 1 else 'days'} kept: the newest, and what is not old enough"
        )
