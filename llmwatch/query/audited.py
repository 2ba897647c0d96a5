"""What the monitor shows of audit logs: plain values, part of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmwatch.audit.excerpt import Excerpt
from llmwatch.audit.findings import Convention, Finding

AuditState = Literal["ok", "links only", "wrong key", "warning", "broken"]
"""`links only`: no key was given, so that only the chain is known to hold; `wrong key`: none that was made any
signature; `warning`: nothing is broken, and a finding says what to look at."""


@dataclass(frozen=True, slots=True)
class AuditFile:
    """One file or stream of entries."""

    source: str
    """A path, or `group/stream`; raw text."""

    convention: Convention
    state: AuditState
    lines: int
    hmac_ok: int
    attested: int | None
    """Lines that a signed checkpoint or digest vouches for; None where that was not looked at."""

    first_bad: int | None


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that was found, and the way to it."""

    finding: Finding
    source: str
    seq: int | None = None
    """The line's number in the store; None if the monitor has not read it."""

    around: tuple[Excerpt, ...] = ()
    """The entries at the line and around it, of the first break."""


@dataclass(frozen=True, slots=True)
class Audited:
    """All of it. There is none where no entry of an audit log was read."""

    files: tuple[AuditFile, ...]
    findings: tuple[AuditFinding, ...]
    """The worst first, and the first break before all others."""

    broken: Finding | None
    """The first break there was since the start: it stays, also if somebody mends the file."""

    sentences: tuple[str, ...]
    """What is not vouched for; there is always at least one."""

    checking: bool = False
    """Whether a whole log is being verified now."""
