"""Findings in words: where, what, and how a file fares."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from llmwatch import units
from llmwatch.audit.findings import FileCoverage, Finding

PHRASES: Mapping[str, str] = {
    "edited": "was edited",
    "bad_signature": "has a signature that no key made",
    "inserted": "was inserted",
    "duplicate": "is there twice",
    "reordered": "was moved",
    "malformed": "is not an entry",
    "reencoded": "is spelled otherwise than it was written",
    "duplicate_keys": "says a thing twice",
    "downgraded": "is of the weaker kind that the log had given up",
    "wrong_key": "was signed with a key that was not given",
    "torn_fragment": "is half an entry",
    "torn_tail": "ends in half an entry",
    "missing_newline": "ends without a newline",
    "alt_canonical": "has its keys in another order",
    "deleted": "follows lines that were deleted",
    "head_unlinked": "does not link to what was before it",
    "tail_missing": "has lost its end",
    "restart": "begins a new chain",
    "interleaved_writers": "has two writers",
    "empty": "is empty",
    "file_missing": "is missing",
    "file_expired": "was deleted by policy",
    "file_foreign": "holds entries that nobody verified",
    "file_renamed": "has another name than it was written under",
    "file_twice_differs": "is there twice, and the two differ",
    "appended_after_seal": "was appended to after it was sealed",
    "digest_mismatch": "is not as its digest says",
    "digest_missing": "has no digest",
    "digest_bad_signature": "has a digest that the key did not sign",
    "archive_truncated": "is an archive that was cut off",
    "archive_trailing_data": "is an archive with something after its end",
    "checkpoint_bad_signature": "has a checkpoint that the key did not sign",
    "checkpoint_torn": "has half a checkpoint",
    "checkpoint_not_monotonic": "has checkpoints that go back",
    "checkpoint_missing": "has no checkpoint that the public key signed",
    "checkpoint_root_mismatch": "is not what a checkpoint signed",
    "rollback": "is older than what was seen before",
    "fork": "is another history than what was seen before",
}
"""Class → what is so of a line or file, to stand after its place."""

_OF_SEVERAL = {"is": "are", "was": "were", "has": "have", "says": "say", "follows": "follow", "ends": "end"}
"""The verbs that phrases of lines begin with."""


def phrase(finding: Finding) -> str:
    """What is so of its line, lines or file, to stand after the place."""
    words = PHRASES[finding.name]
    if finding.line_to in (None, finding.line):
        return words
    verb, rest = words.split(" ", 1)
    return f"{_OF_SEVERAL.get(verb, verb)} {rest.replace('an entry', 'entries')}"


def place(finding: Finding) -> str:
    """Where it is, in words."""
    if finding.line is None:
        return finding.file
    if finding.line_to in (None, finding.line):
        return f"{finding.file} line {finding.line}"
    return f"{finding.file} lines {finding.line} to {finding.line_to}"


WELL = ("ok", "sealed, ok")
"""States of files of which there is nothing to say."""


def state(file: FileCoverage, broken: Collection[str] = ()) -> str:
    """How a file fares, in a few words. `broken`: names of files with an error that is at no line of them."""
    if file.first_bad is not None:
        return f"broken at {units.count(file.first_bad)}"
    if file.name in broken:
        return "not ok"
    if file.sealed:
        return "sealed, ok"
    return "ok" if file.hmac_ok or file.attested else "not vouched for"
