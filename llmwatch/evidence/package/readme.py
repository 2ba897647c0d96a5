"""What a package says of itself to whoever opens it: how it is checked, and what that proves."""

from __future__ import annotations

from llmwatch.audit.notes import NoteSigner

README = "README.txt"

_HOLDS = """\
Evidence of calls to language models, made by llmwatch.

manifest.json     what was asked, the window of time in UTC, what was read, and what is missing
records.*         the calls, one a line: JSON lines, CSV and Parquet, all the same
report.*          the report on these calls
"""
_LOG = """\
log/              the audit log of these days as it was found, with its checkpoints, digests and tombstones
"""
_SUMS = """\
SHA256SUMS        the hash of every other file
"""
_NOTE = """\
SHA256SUMS.note   a signature over that list
"""
_CHECK = """
To check it:

    sha256sum --check --quiet SHA256SUMS        every file is as it was listed
"""
_SIGNED = """\
    llmwatch verify . --public-key KEY          the same, that nothing was added, and that {name} signed the list

KEY is the public key of {name}. Get it from them on another way than this package: a key that came
with it proves nothing.
"""
_UNSIGNED = """\
    llmwatch verify .                           the same, and that nothing was added

Nobody signed this package: whoever can change it can make a new SHA256SUMS.
"""
_CHAIN = """
llmwatch verify also checks the audit log in log/: its chain, and its checkpoints if KEY is the key of the log too.
"""
_NOT = """
A signature says that the package is as it was made. It does not say that every call was logged, or truthfully.
"""


def readme(signer: NoteSigner | None, log: bool) -> str:
    """The text."""
    about = _SIGNED.format(name=signer.name) if signer else _UNSIGNED
    return "".join(
        (
            *(_HOLDS, _LOG if log else "", _SUMS, _NOTE if signer else ""),
            *(_CHECK, about, _CHAIN if log else "", _NOT),
        )
    )
