"""Watch logs: on a terminal the live monitor, elsewhere lines of text or JSON as they arrive."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime
from fnmatch import fnmatch
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.clean import clean
from llmwatch.cli.arguments import (
    add_source_arguments,
    add_store_arguments,
    check_sources,
    open_source,
    open_store,
    read_scope,
)
from llmwatch.cli.groups import add_follow_arguments
from llmwatch.cli.output import instant, json_text
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.query.auditing import AuditWatch
    from llmwatch.query.scope import Scope
    from llmwatch.query.snapshot import EventRow
    from llmwatch.sources.cloudwatch.poller import Patience
    from llmwatch.sources.source import Source, SourceState
    from llmwatch.store.slice import Slice
    from llmwatch.store.store import Store

NAME = "tail"
HELP = "the live monitor; with --plain or --json, or not on a terminal, lines"

_POLL_SECONDS = 0.1
_LONGEST_TEXT = 160
_REJECTED = ("malformed", "unrecognised")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `tail` takes."""
    add_source_arguments(parser)
    add_follow_arguments(parser)
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--plain", action="store_true", help="cleaned text, a line an event")
    form.add_argument("--json", action="store_true", help="JSON, a line an event")
    parser.add_argument("--no-follow", action="store_true", help="end at the end instead of waiting for more")
    parser.add_argument("--record", metavar="FILE", type=Path, help="keep the raw lines in this file too")
    audit = parser.add_argument_group("audit logs", "the monitor checks their chains (docs/evidence.md)")
    audit.add_argument(
        "--key-file",
        metavar="FILE",
        type=Path,
        action="append",
        default=[],
        help="HMAC secrets, one a line: secret or kid=secret; repeatable",
    )
    audit.add_argument(
        "--public-key",
        metavar="FILE",
        type=Path,
        help="what checks signed checkpoints: a note verifier key, or PEM (Ed25519)",
    )
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what comes, until it ends or the user does."""
    check_sources(arguments)
    scope = read_scope(arguments, datetime.now(UTC))
    _refuse_own_recording(arguments.record, arguments.paths)
    _refuse_second_recording(arguments.record, arguments.group)
    follow = not arguments.no_follow
    screen = sys.stdout.isatty() and sys.stdin.isatty() and not (arguments.plain or arguments.json)
    if not screen and (arguments.key_file or arguments.public_key):
        raise UsageError(
            "--key-file and --public-key are for the monitor, which needs a terminal: to check an audit log once, use "
            "llmwatch verify"
        )
    audit = _audit(arguments)
    patience: Patience = "none" if not follow else "always" if screen else "when running"
    with (
        open_source(arguments, scope, follow=follow, calls=screen, patience=patience) as source,
        open_store(arguments, keep_raw=screen or scope.needs_text, source=source) as store,
        _recorder(arguments.record) as record,
    ):
        if screen:
            from llmwatch.cli.screen import run_monitor

            title = " ".join([*arguments.paths, *arguments.group])
            return run_monitor(source, store, scope, title=title, record=record, audit=audit)
        write = write_plain
        if arguments.json:
            write = _write_json if scope.filters else _write_understood
        return follow_lines(source, store, scope, write, follow=follow, record=record)


def _audit(arguments: argparse.Namespace) -> AuditWatch:
    """What checks audit logs on the way, with the keys that were given. Raises UsageError."""
    from llmwatch.query.auditing import AuditWatch

    if not (arguments.key_file or arguments.public_key):
        return AuditWatch()
    from llmwatch.audit.keys import read_key_files
    from llmwatch.cli.main import say
    from llmwatch.cli.verify import read_public

    ring = read_key_files(arguments.key_file)
    for remark in ring.remarks:
        say(remark)
    return AuditWatch(ring, read_public(arguments.public_key))


def follow_lines(
    source: Source,
    store: Store,
    scope: Scope,
    write: Callable[[EventRow], None],
    *,
    follow: bool,
    record: Callable[[Slice], None] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> int:
    """Write each event as it arrives; returns the exit code."""
    from llmwatch.cli.main import say
    from llmwatch.sources.pump import gathered

    narrator, writer = _Narrator(), _Writer(store, scope, write, record, clock, hold=not follow)
    while True:
        ended = source.ended or not follow
        for moment in gathered(source.read()):
            writer.take(moment)
        if ended or source.ended:
            for moment in gathered(source.finish()):
                writer.take(moment)
            writer.finish()
        narrator.tell(source.states())
        if ended or source.ended:
            break
        sys.stdout.flush()
        time.sleep(_POLL_SECONDS)
    if writer.rejected:
        say(f"{writer.rejected:,} lines were malformed or not recognised")
    return SourceError.exit_code if narrator.failed else 0


class _Narrator:
    """Says on stderr what a person has to know of the sources, once, and when it is over."""

    def __init__(self) -> None:
        self.failed = False
        """Whether a source could not be read when it was last looked at, or a part of one never."""
        self._told: dict[str, tuple[str, bool]] = {}
        """By source, what was said last, and whether it was that it cannot be read."""

    def tell(self, states: tuple[SourceState, ...]) -> None:
        """Say what is news."""
        from llmwatch.cli.main import say

        self.failed = any(state.status == "error" for state in states)
        names = {state.name for state in states}
        for name in [name for name, (_, stopped) in self._told.items() if stopped and name not in names]:
            del self._told[name]
            say(f"{name} is there now.")
        for state in states:
            stopped = state.status in ("error", "waiting")
            told = state.sentence if stopped or state.feed else ""
            known, had_stopped = self._told.get(state.name, ("", False))
            if told and told not in (known, *(sentence for sentence, _ in self._told.values())):
                say(told)
            elif had_stopped and not stopped:
                say(f"{state.name} is read again.")
            self._told[state.name] = (told, stopped and bool(told))


class _Writer:
    """Takes slices into the store and writes their events; those of one moment are put in order of time first.

    What a filter asks of calls is answered with what is known when a line arrives or, to `hold` back, at the end.
    """

    def __init__(
        self,
        store: Store,
        scope: Scope,
        write: Callable[[EventRow], None],
        record: Callable[[Slice], None] | None,
        clock: Callable[[], datetime],
        *,
        hold: bool,
    ) -> None:
        self._store = store
        self._scope = scope
        self._write = write
        self._record = record
        self._clock = clock
        self._needs_calls = any(chip.filter.needs_calls for chip in scope.filters)
        self._hold = hold and self._needs_calls
        self._first = self._taken = store.end_seq
        self._slices = 0
        self._unwritten: list[tuple[int, int, bool]] = []
        """Moments: their first line, the line after their last, and whether they are to be put in order."""

    @property
    def rejected(self) -> int:
        """Lines that were not understood, in scope or not."""
        rows = self._store.query("SELECT count(*) FROM rejected_lines WHERE seq >= ?", [self._first]).rows
        return int(str(rows[0][0]))

    def take(self, moment: Sequence[Slice]) -> None:
        """The slices of a moment, or a part of them."""
        if self._record:
            for piece in moment:
                self._record(piece)
        self._store.ingest(*moment)
        self._slices += len(moment)
        if not moment[-1].more:
            self._unwritten.append((self._taken, self._store.end_seq, self._slices > 1))
            self._taken, self._slices = self._store.end_seq, 0
            if not self._hold:
                self.finish()

    def finish(self) -> None:
        """Write what is not written yet."""
        from llmwatch.query.events import in_time, iterate_events

        if self._needs_calls:
            self._store.refresh()
        now = self._clock()
        for start, end, mixed in self._unwritten:
            events: Iterable[EventRow] = iterate_events(self._store, start, end, self._scope, now)
            for event in in_time(events) if mixed else events:
                self._write(event)
        self._unwritten.clear()


def _write_understood(event: EventRow) -> None:
    """As JSON; lines that were not understood are told of at the end, unless a filter asks for some."""
    if event.kind not in _REJECTED:
        _write_json(event)


def _write_json(event: EventRow) -> None:
    print(json_text(asdict(event) | {"time": instant(event.time)}))


def write_plain(event: EventRow) -> None:
    """Print an event as text."""
    print(plain_line(event))


def plain_line(event: EventRow) -> str:
    """An event as one line of harmless text."""
    moment = event.time.strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z" if event.time else "-" * 24
    if event.kind in _REJECTED:
        place = f"{event.source}:{event.line}"
        return f"{moment}  {event.kind:<7}  {clean(place).text}  {clean(event.message, _LONGEST_TEXT).text}"
    facts = {
        "user": event.user,
        "model": event.model,
        "status": event.status,
        "latency": None if event.latency_ms is None else units.latency(event.latency_ms),
        "input": event.input_tokens,
        "cache_read": event.cache_read_tokens or None,
        "cache_write": event.cache_write_tokens or None,
        "output": event.output_tokens,
        "error": event.error,
        "request": event.request_id,
    }
    known = "  ".join(
        f"{name}={clean(value, _LONGEST_TEXT).text}" for name, value in facts.items() if value is not None
    )
    level, message = clean(event.level or "-", 7).text, clean(event.message, _LONGEST_TEXT).text
    return f"{moment}  {level:<7}  {message}  {known}".rstrip()


def _refuse_own_recording(record: Path | None, paths: list[str]) -> None:
    """A recording that is read as a log is recorded again, without end."""
    for path in paths if record else ():
        read, written = os.path.realpath(path), os.path.realpath(str(record))
        if read in (written, os.path.dirname(written)) or fnmatch(written, read):
            raise UsageError(f"--record {record} is in what is read ({path}): record to another folder")


def _refuse_second_recording(record: Path | None, groups: list[str]) -> None:
    """Two recordings of a group may hold the same events, and a reader would count them twice."""
    if record and groups and record.exists() and record.stat().st_size:
        raise UsageError(f"--record {record} holds a recording already: record to another file")


@contextmanager
def _recorder(path: Path | None) -> Iterator[Callable[[Slice], None] | None]:
    """A function that appends a slice's lines to `path`, readable by the owner alone."""
    if path is None:
        yield None
        return
    recording = _Recording(path)
    try:
        yield recording.write
    finally:
        recording.close()


class _Recording:
    """A file that slices are appended to."""

    def __init__(self, path: Path) -> None:
        try:
            self._descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
        except OSError as error:
            raise SourceError(f"cannot record to {path} ({error.strerror}): choose another file") from error
        self._path = path
        self._begun: Slice | None = None
        """A slice that was not written to its end."""
        self._lines = b""
        self._written = 0
        """Of its lines, the bytes that are in the file."""

    def write(self, piece: Slice) -> None:
        """Append the lines of a slice. One that failed can be given again: only its rest is written then."""
        if piece is not self._begun:
            self._go_on()
            self._begun = piece
            self._lines, self._written = piece.data if piece.record is None else piece.record, 0
        self._go_on()
        self._begun, self._lines, self._written = None, b"", 0

    def _go_on(self) -> None:
        rest = memoryview(self._lines)[self._written :]
        try:
            while rest:
                count = os.write(self._descriptor, rest)
                self._written += count
                rest = rest[count:]
        except OSError as error:
            raise SourceError(f"cannot record to {self._path} ({error.strerror}): free room there") from error

    def close(self) -> None:
        """Leave whole lines behind: those of a slice that failed are written now, or its torn line is taken out."""
        try:
            self._go_on()
        except SourceError:
            whole = self._lines.rfind(b"\n", 0, self._written) + 1
            self._take_out(self._written - whole)
        finally:
            os.close(self._descriptor)

    def _take_out(self, count: int) -> None:
        """Remove the last bytes that were written, unless others have appended to the file, or it is a pipe."""
        with suppress(OSError):
            end = os.lseek(self._descriptor, 0, os.SEEK_CUR)
            if end == os.fstat(self._descriptor).st_size:
                os.ftruncate(self._descriptor, end - count)
