"""What a verification vouches for and what it does not, in sentences: they are always said, also when all is well."""

from __future__ import annotations

from collections.abc import Iterable

from llmwatch.audit.findings import Coverage
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.notes import NoteVerifier

_NOT_CHECKED = "no HMAC secret was given: signatures of single lines were not checked"
_NO_PUBLIC = "no public key was given: who has the HMAC secret could have written all of this"
_PLAIN = (
    "lines of the recipe's format do not tell whether the end of a file was cut off, a whole day was deleted, "
    "or all was written anew by who has the secret"
)
_NEVER = "nothing here tells whether every call was logged, truthfully, and at the right time"


def sentences(
    coverage: Coverage, ring: KeyRing, public: NoteVerifier | None, remarks: Iterable[str]
) -> tuple[str, ...]:
    """The extent first, then what is missing for more, then what no key can tell."""
    conventions = {file.convention for file in coverage.files}
    said = [_extent(coverage, ring, public)]
    if not ring.secrets and coverage.attested < coverage.lines:
        said.append(_NOT_CHECKED)
    if public is None:
        said.append(_NO_PUBLIC)
    said += remarks
    if conventions - {"v2"}:
        said.append(_PLAIN)
    return (*dict.fromkeys(said), _NEVER)


def _extent(coverage: Coverage, ring: KeyRing, public: NoteVerifier | None) -> str:
    lines, tail = coverage.lines, coverage.unattested_tail
    parts = [f"{lines:,} line{'' if lines == 1 else 's'}"]
    if ring.secrets:
        sealed = sum(file.lines for file in coverage.files if file.sealed and not file.hmac_ok)
        parts.append(f"HMAC right on {coverage.hmac_ok:,} of {lines - sealed:,}")
        if sealed:
            parts.append(f"{sealed:,} in sealed days, whose digests are signed, not looked at one by one")
    if public is None:
        parts.append("none attested by a signed checkpoint")
    elif coverage.attested == lines:
        parts.append("all attested by signed checkpoints or digests")
    else:
        parts.append(f"{coverage.attested:,} attested by signed checkpoints or digests")
        parts.append(
            f"the {tail:,} after the last of these are not attested"
            if tail > 1
            else "the last line is not attested"
            if tail
            else f"{lines - coverage.attested:,} are not attested"
        )
    return "; ".join(parts)
