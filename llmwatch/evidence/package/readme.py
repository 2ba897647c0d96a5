"""What a package says of itself to whoever opens it: how it is checked, and what that proves."""

from __future__ import annotations

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
_REDACTED = """
Users and requests have pseudonyms, and free text is left out: manifest.json says what became of what.
"""
_CHECK = """
To check it, in this folder:

    sha256sum --check --quiet SHA256SUMS        every file is as it was listed (macOS: shasum -a 256 --check)
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
_BY_HAND = """
Without llmwatch the signature is checked with OpenSSL 3, where KEY is a line NAME+HASH+KEY:

    sed '/^$/,$d' SHA256SUMS.note > /tmp/text
    tail -n 1 SHA256SUMS.note | cut -d ' ' -f 3 | base64 -d | tail -c 64 > /tmp/signature
    printf '\\060\\052\\060\\005\\006\\003\\053\\145\\160\\003\\041\\000' > /tmp/key
    cut -d + -f 3- KEY | base64 -d | tail -c 32 >> /tmp/key
    openssl pkeyutl -verify -pubin -keyform DER -inkey /tmp/key -rawin -in /tmp/text -sigfile /tmp/signature

and the hash in SHA256SUMS.note has to be that of `sha256sum SHA256SUMS`.
"""
_CHAIN = """
llmwatch verify also checks the audit log in log/: its chain, and what is signed of it. If that was signed with another
key than the package, give both: --public-key KEY --public-key KEY_OF_THE_LOG.
"""
_NOT = """
A signature says that the package is as it was made. It does not say that every call was logged, or truthfully.
"""


def readme(signer: str | None, *, log: bool, redacted: bool) -> str:
    """The text. `signer`: the name of who signs, if anybody does."""
    about = _SIGNED.format(name=signer) if signer else _UNSIGNED
    parts = (
        _HOLDS,
        _LOG if log else "",
        _SUMS,
        _NOTE if signer else "",
        _REDACTED if redacted else "",
        _CHECK,
        about,
        _CHAIN if log and signer else "",
        _BY_HAND if signer else "",
        _NOT,
    )
    return "".join(parts)
