"""Audit logs that are watched: which lines are entries, whether their chains hold, what `verify` says of them."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Container, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.errors import LlmwatchError
from llmwatch.sources.source import SourceState
from llmwatch.store.slice import Slice

if TYPE_CHECKING:
    from llmwatch.audit.excerpt import Excerpt
    from llmwatch.audit.findings import FileCoverage, Verification
    from llmwatch.audit.keys import KeyRing
    from llmwatch.audit.live import Chain, Chains
    from llmwatch.audit.notes import NoteVerifier
    from llmwatch.query.audited import Audited, AuditFile, AuditFinding, AuditState

_MARK = b'"chain_hash": "'
"""What every entry holds, and no text in a JSON string: its quotes would have a backslash each."""
_HEAD_BYTES = 1 << 16
_STDIN = "-"
_NAMED = "audit_"

_ODD_SECONDS, _SHOWN_SECONDS = 1.0, 10.0
"""Between two verifications of a log: where a line is odd, and where the pane is open and lines have come."""
_SHARE = 0.05
"""A verification that took long is followed by a rest, unless a line is odd, so that it takes no more of a core."""
_LAST_WAIT_SECONDS = 2.0
_MOST_FINDINGS = 200

_NO_KEYS = (
    "no key was given (--key-file, --public-key): that the chain holds is all that is checked, and anyone can compute "
    "it again after a change"
)
_UNANCHORED = (
    "lines are checked as they arrive; no signed checkpoint was looked at, so that lines which were cut off at the end "
    "before they were read are not missed"
)
_STREAMED = "log groups and pipes have no checkpoints: lines that were cut off at the end are not missed"

_PUT_BACK = "this break was seen, and is not there any more: somebody put the file back as it was"

_SEEN_ONCE = ("tail_missing", "file_twice_differs")
"""Only who saw the file as it was can find these."""

SeqOf = Callable[[str, int], int | None]
"""(source, line) → its number in the store."""


class _StoppedError(Exception):
    """Nobody wants the verification any more."""


@dataclass(frozen=True, slots=True)
class _Checked:
    """What a verification of a log said, and what had been read of it when it began."""

    verification: Verification | None
    fault: str
    sources: dict[str, str]
    """Name in the log → source."""

    then: dict[str, Chain]
    """Source → what was known of it when the verification began."""

    around: tuple[Excerpt, ...]
    """The entries around the first line that is bad."""

    def warns(self, source: str) -> bool:
        """Whether there is something to look at in a file."""
        findings = self.verification.findings if self.verification else ()
        return any(one.severity == "warn" and self.sources.get(one.file) == source for one in findings)


@dataclass(slots=True)
class _Watched:
    """A log on this machine: a folder, or one file that is named as it likes."""

    path: Path
    odd: int = 0
    """Odd lines that were there when it was last verified. So for `lines`."""

    lines: int = 0
    ended: float = float("-inf")
    took: float = 0.0
    checked: _Checked | None = None


class AuditWatch:
    """Sees every slice before it is stored. One thread calls it; verifications run in one of its own."""

    def __init__(
        self,
        ring: KeyRing | None = None,
        public: NoteVerifier | None = None,
        *,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._ring = ring
        self._public = public
        self._clock = clock
        self._pure: dict[str, bool] = {}
        """Source → whether all its lines are to be entries."""
        self._others: set[str] = set()
        """Files that hold none."""
        self._chains: Chains | None = None
        self._logs: dict[str, _Watched] = {}
        """By the source's path; files of a folder share one."""
        self._stopped = threading.Event()
        self._thread: threading.Thread | None = None
        self._broken: AuditFinding | None = None
        """The first break there was."""
        self._exact = False
        """Whether that is what a verification says, and not only what was seen as the line came."""
        self._seqs: dict[tuple[str, int], int] = {}
        self.changed = False
        """Whether there is news that no snapshot has."""

    # Lines

    def see(self, piece: Slice) -> None:
        """Check the entries of a slice. Costs next to nothing where there are none."""
        source = piece.source
        if source in self._others:
            return
        if source not in self._pure and not self._is_log(piece):
            return
        chains = self._chains
        if chains is None:
            from llmwatch.audit.keys import KeyRing
            from llmwatch.audit.live import Chains

            chains = self._chains = Chains(self._ring or KeyRing(), self._clock)
        if self._pure[source]:
            chains.take(source, piece.first_line, piece.data)
        else:
            for first, entries in _entries(piece):
                chains.take(source, first, entries, patient=source != _STDIN)
        self.changed = True

    def _is_log(self, piece: Slice) -> bool:
        """Whether there are entries in a source of which none was seen yet.

        A file is a log from its beginning or not at all; a stream may have entries among all that a process prints.
        """
        source = piece.source
        if os.path.isfile(source):
            named = os.path.basename(source).startswith(_NAMED)
            if not named and piece.data.find(_MARK, 0, _HEAD_BYTES) < 0:
                self._others.add(source)
                return False
            self._pure[source] = True
            self._logs[source] = self._log_of(Path(os.path.realpath(source)))
        elif piece.data.find(_MARK) >= 0:
            self._pure[source] = False
        return source in self._pure

    def _log_of(self, path: Path) -> _Watched:
        from llmwatch.audit.folder import ARCHIVE, day_of

        where = path
        if day_of(path.name) is not None:
            where = path.parent.parent if path.parent.name == ARCHIVE else path.parent
        return next((log for log in self._logs.values() if log.path == where), _Watched(where))

    def rest(self, states: Iterable[SourceState]) -> None:
        """All that there is now was read: what a file lost is known."""
        if self._chains is not None:
            filling = any(state.feed is not None and state.feed.filling is not None for state in states)
            self.changed = self._chains.rest(filling=filling) or self.changed

    # Verifications

    def tend(self, *, shown: bool) -> None:
        """Begin a verification if one is due. `shown`: somebody looks, and wants to know what is vouched for."""
        if self._chains is None or (self._thread is not None and self._thread.is_alive()):
            return
        chains = {chain.source: chain for chain in self._chains.all()}
        for log in {id(log): log for log in self._logs.values()}.values():
            own = [chains[source] for source, its in self._logs.items() if its is log and source in chains]
            odd, lines = sum(chain.odd for chain in own), sum(chain.lines for chain in own)
            since = self._clock() - log.ended
            urgent = odd > log.odd and since >= max(_ODD_SECONDS, log.took)
            if urgent or (shown and lines > log.lines and since >= max(_SHOWN_SECONDS, log.took / _SHARE)):
                log.odd, log.lines = odd, lines
                self._begin(log, own)
                return

    def _begin(self, log: _Watched, own: list[Chain]) -> None:
        then = {chain.source: chain for chain in own}
        self._thread = threading.Thread(target=self._run, args=(log, then), name="audit-verify", daemon=True)
        self._thread.start()

    def _run(self, log: _Watched, then: dict[str, Chain]) -> None:
        """In a thread of its own."""
        began, verification, fault = self._clock(), None, ""
        sources: dict[str, str] = {}
        around: tuple[Excerpt, ...] = ()
        try:
            from llmwatch.audit.excerpt import excerpts
            from llmwatch.audit.folder import find_logs
            from llmwatch.audit.keys import KeyRing
            from llmwatch.audit.verify import verify

            logs = find_logs([log.path])
            real = {os.path.realpath(source): source for source in then}
            files = {file.name: file for one in logs for file in one.files}
            for file in files.values():
                path = os.path.realpath(file.path)
                sources[file.name] = real.get(path, str(file.path))
            ring = self._ring or KeyRing()
            verification = verify(logs, ring=ring, public=self._public, progress=self._go_on)
            bad = verification.first_bad
            if bad is not None and bad.line is not None and bad.file in files:
                around = excerpts(files[bad.file], bad.line)
        except _StoppedError:
            return
        except LlmwatchError as error:
            fault = str(error)
        except Exception as error:  # noqa: BLE001 (shown on screen; the next verification tries again)
            fault = f"a bug in llmwatch: {type(error).__name__}: {error}"
        log.ended = self._clock()
        log.took = log.ended - began
        log.checked = _Checked(verification, fault, sources, then, around)
        self.changed = True

    def _go_on(self, _name: str, _done: int, _total: int) -> None:
        if self._stopped.is_set():
            raise _StoppedError

    def stop(self) -> None:
        """End what runs."""
        self._stopped.set()
        if self._thread is not None:
            self._thread.join(_LAST_WAIT_SECONDS)

    # What is shown

    def audited(self, seq_of: SeqOf, *, shown: bool = True) -> Audited | None:
        """How all logs fare; None where no entry was read. `shown`: somebody looks, and may want to see a line."""
        from llmwatch.query.audited import Audited

        if self._chains is None:
            return None
        self.changed = False
        chains = self._chains.all()
        verified, live = list(self._verified()), list(self._broken_since(chains))
        self._remember(verified, live)
        first = self._broken
        rest = sorted((*verified, *live), key=lambda one: _RANKS[one.finding.severity])
        found = rest if first is None else [first, *(one for one in rest if not _same(one, first))]
        if shown:
            read = {chain.source for chain in chains}
            found = [self._located(one, seq_of, read) for one in found[:_MOST_FINDINGS]]
        files = list(self._files(chains))
        files.reverse()
        return Audited(
            files=tuple(sorted(files, key=lambda file: _URGENCY.index(file.state))),
            findings=tuple(found[:_MOST_FINDINGS]),
            broken=None if first is None else replace(first.finding, file=first.source),
            sentences=(*self._put_back(rest), *self._sentences(chains)),
            checking=self._thread is not None and self._thread.is_alive(),
        )

    def _remember(self, verified: Iterable[AuditFinding], live: Iterable[AuditFinding]) -> None:
        """The first break stays. What a verification says of its file takes the place of what was seen at first."""
        errors = [one for one in verified if one.finding.severity == "error"]
        broken = self._broken
        if broken is None:
            self._broken = next(iter((*errors, *live)), None)
            self._exact = bool(errors)
        elif not self._exact and (told := next((one for one in errors if one.source == broken.source), None)):
            self._broken = replace(told, around=told.around or broken.around)
            self._exact = True

    def _verified(self) -> Iterator[AuditFinding]:
        """What verifications found."""
        from llmwatch.query.audited import AuditFinding

        for checked in self._checked():
            verification = checked.verification
            for finding in verification.findings if verification else ():
                around = checked.around if verification and finding is verification.first_bad else ()
                yield AuditFinding(finding, checked.sources.get(finding.file, finding.file), around=around)

    def _broken_since(self, chains: Iterable[Chain]) -> Iterator[AuditFinding]:
        """Where chains broke, as far as no verification has seen it."""
        from llmwatch.query.audited import AuditFinding

        for chain in chains:
            known, then = self._known(chain.source), self._then(chain.source)
            superseded = then.broken if then and known and known.verification else 0
            for number, one in enumerate(chain.breaks):
                if number >= superseded or one.finding.name in _SEEN_ONCE:
                    yield AuditFinding(one.finding, chain.source, around=one.around)

    def _checked(self) -> list[_Checked]:
        logs = {id(log): log for log in self._logs.values()}
        return [log.checked for log in logs.values() if log.checked is not None]

    def _known(self, source: str) -> _Checked | None:
        log = self._logs.get(source)
        return None if log is None else log.checked

    def _then(self, source: str) -> Chain | None:
        known = self._known(source)
        return None if known is None else known.then.get(source)

    def _located(self, one: AuditFinding, seq_of: SeqOf, read: Container[str]) -> AuditFinding:
        line = one.finding.line
        if line is None or one.source not in read:
            return one
        key = (one.source, line)
        if key not in self._seqs and (seq := seq_of(*key)) is not None:
            self._seqs[key] = seq
        return replace(one, seq=self._seqs.get(key))

    def _files(self, chains: Iterable[Chain]) -> Iterator[AuditFile]:
        from llmwatch.query.audited import AuditFile

        for chain in chains:
            checked = self._known(chain.source)
            covered = None
            if checked is not None and checked.verification is not None:
                names = {source: name for name, source in checked.sources.items()}
                files = {file.name: file for file in checked.verification.coverage.files}
                covered = files.get(names.get(chain.source, ""))
            yield AuditFile(
                source=chain.source,
                convention=covered.convention if covered else chain.convention,
                state=self._state(chain, covered, checked),
                lines=chain.lines,
                hmac_ok=chain.hmac_ok,
                attested=covered.attested if covered and self._public else None,
                first_bad=_first_bad(chain, covered),
            )

    def _state(self, chain: Chain, covered: FileCoverage | None, checked: _Checked | None) -> AuditState:
        if _first_bad(chain, covered) is not None or (
            self._broken is not None and self._broken.source == chain.source
        ):
            return "broken"
        then = self._then(chain.source) if covered else None
        if chain.odd > (then.odd if then else 0) or (checked and checked.warns(chain.source)):
            return "warning"
        if chain.hmac_ok or (covered is not None and covered.attested):
            return "ok"
        return "wrong key" if self._ring is not None and self._ring.secrets else "links only"

    def _put_back(self, found: Iterable[AuditFinding]) -> Iterator[str]:
        """That the first break is no more: what is verified now would seem to contradict it."""
        from llmwatch.audit.wording import place

        broken = self._broken
        if broken is None:
            return
        if not any(one.source == broken.source and one.finding.severity == "error" for one in found):
            yield f"{place(replace(broken.finding, file=os.path.basename(broken.source)))}: {_PUT_BACK}"

    def _sentences(self, chains: Iterable[Chain]) -> Iterator[str]:
        chains = tuple(chains)
        checks = self._checked()
        if not checks and not (self._ring and self._ring.secrets) and self._public is None:
            yield _NO_KEYS
        for checked in checks:
            yield from [checked.fault] if checked.fault else []
            yield from checked.verification.coverage.sentences if checked.verification else ()
        since = sum(
            chain.lines - (then.lines if (then := self._then(chain.source)) else 0)
            for chain in chains
            if chain.source in self._logs
        )
        if checks and since:
            yield f"{since:,} lines have come since, and were checked as they arrived"
        elif since:
            yield _UNANCHORED
        if any(chain.source not in self._logs for chain in chains):
            yield _STREAMED


_RANKS = {"error": 0, "warn": 1, "info": 2}
_URGENCY: tuple[AuditState, ...] = ("broken", "warning", "wrong key", "links only", "ok")


def _same(one: AuditFinding, other: AuditFinding) -> bool:
    return (one.source, one.finding) == (other.source, other.finding)


def _first_bad(chain: Chain, covered: FileCoverage | None) -> int | None:
    """Of what was found as lines arrived, and of what a verification found."""
    lines = [one.finding.line for one in chain.breaks]
    known = [line for line in [*lines, covered.first_bad if covered else None] if line is not None]
    return min(known, default=None)


def _entries(piece: Slice) -> Iterator[tuple[int, bytes]]:
    """The entries among other lines: number of the first, and lines that follow each other."""
    first = piece.first_line
    block: list[bytes] = []
    for number, line in enumerate(piece.data.split(b"\n")[:-1], piece.first_line):
        if _MARK in line:
            first = first if block else number
            block.append(line + b"\n")
        elif block:
            yield first, b"".join(block)
            block = []
    if block:
        yield first, b"".join(block)
