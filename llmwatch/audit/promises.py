"""What a verification vouches for and what it does not, in sentences: they are always said, also when all is well."""

from __future__ import annotations

from collections.abc import Iterable

from llmwatch.audit.findings import Coverage
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteVerifier

_NOT_CHECKED = "no HMAC secret was given: signatures of single lines were not checked"
NO_PUBLIC_KEY = "no public key was given: anyone who has the HMAC secret could have written all of this"
_PLAIN = (
    "files whose convention is not v2 do not tell whether their end was cut off, a whole day was deleted, "
    "or all was written anew by someone who has the secret"
)
_NEVER = "nothing here tells whether every call was logged, truthfully, and at the right time"


def sentences(
    coverage: Coverage, ring: KeyRing, public: NoteVerifier | None, remarks: Iterable[str], unread: int = 0
) -> tuple[str, ...]:
    """The extent first, then what is missing for more, then what no key can tell.

    `unread`: lines of days that were taken on the word of their digests, though there are secrets.
    """
    conventions = {file.convention for file in coverage.files}
    said = [_extent(coverage, ring, public, unread)]
    if not ring.secrets and coverage.attested < coverage.lines:
        said.append(_NOT_CHECKED)
    if public is None:
        said.append(NO_PUBLIC_KEY)
    said += remarks
    if conventions - {"v2"}:
        said.append(_PLAIN)
    return (*dict.fromkeys(said), _NEVER)


def _extent(coverage: Coverage, ring: KeyRing, public: NoteVerifier | None, unread: int) -> str:
    lines = coverage.lines
    parts = [f"{lines:,} line{'' if lines == 1 else 's'}"]
    if ring.secrets:
        parts.append(f"HMAC right on {coverage.hmac_ok:,} of {lines - unread:,}")
        if unread:
            parts.append(f"{unread:,} in sealed days, whose digests are signed, not looked at one by one")
    if public is None:
        parts.append("none attested by a signed checkpoint")
    elif coverage.attested == lines:
        parts.append("all attested by signed checkpoints or digests")
    elif not coverage.attested:
        parts.append("none attested by a signed checkpoint or digest")
    else:
        parts += [f"{coverage.attested:,} attested by signed checkpoints or digests", _unattested(coverage)]
    return "; ".join(parts)


def _unattested(coverage: Coverage) -> str:
    """How many, and whether they are simply the newest, or elsewhere."""
    count, tail = coverage.lines - coverage.attested, coverage.unattested_tail
    if count == tail:
        return "the last line is not attested" if tail == 1 else f"the last {tail:,} are not attested"
    ending = f", the last {tail:,} among them" if tail > 1 else ", the last line among them" if tail else ""
    return f"{count:,} {'is' if count == 1 else 'are'} not attested{ending}"
