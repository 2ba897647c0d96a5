"""Watch logs: on a terminal the live monitor, elsewhere lines of text or JSON as they arrive."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
    open_source,
    open_store,
    read_scope,
)
from llmwatch.cli.output import instant, json_text
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.query.scope import Scope
    from llmwatch.query.snapshot import EventRow
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
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--plain", action="store_true", help="cleaned text, a line an event")
    form.add_argument("--json", action="store_true", help="JSON, a line an event")
    parser.add_argument("--no-follow", action="store_true", help="end at the end instead of waiting for more")
    parser.add_argument("--record", metavar="FILE", type=Path, help="keep the raw lines in this file too")
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show what comes, until it ends or the user does."""
    scope = read_scope(arguments, datetime.now(UTC))
    _refuse_own_recording(arguments.record, arguments.paths)
    screen = sys.stdout.isatty() and sys.stdin.isatty() and not (arguments.plain or arguments.json)
    with (
        open_source(arguments, follow=not arguments.no_follow) as source,
        open_store(arguments, keep_raw=screen, source=source) as store,
        _recorder(arguments.record) as record,
    ):
        if screen:
            from llmwatch.cli.screen import run_monitor

            return run_monitor(source, store, scope, title=" ".join(arguments.paths), record=record)
        write = _write_json if arguments.json else write_plain
        return follow_lines(source, store, scope, write, follow=not arguments.no_follow, record=record)


def follow_lines(
    source: Source,
    store: Store,
    scope: Scope,
    write: Callable[[EventRow], None],
    *,
    follow: bool,
    record: Callable[[Slice], None] | None = None,
) -> int:
    """Write each event as it arrives; returns the exit code."""
    from llmwatch.cli.main import say

    said: set[str] = set()
    rejected = 0
    while True:
        ended = source.ended or not follow
        for piece in source.read():
            rejected += _take(piece, store, scope, write, record)
        if ended or source.ended:
            for piece in source.finish():
                rejected += _take(piece, store, scope, write, record)
        for sentence in _troubles(source.states()):
            if sentence not in said:
                said.add(sentence)
                say(sentence)
        if ended or source.ended:
            break
        sys.stdout.flush()
        time.sleep(_POLL_SECONDS)
    if rejected:
        say(f"{rejected:,} lines were malformed or not recognised")
    return SourceError.exit_code if said else 0


def _take(
    piece: Slice,
    store: Store,
    scope: Scope,
    write: Callable[[EventRow], None],
    record: Callable[[Slice], None] | None,
) -> int:
    """Ingest one slice and write its events; returns how many lines of it were not understood."""
    from llmwatch.query.events import iterate_events

    if record:
        record(piece)
    first_seq = store.end_seq
    store.ingest(piece)
    rejected = 0
    for event in iterate_events(store, first_seq, store.end_seq):
        rejected += event.kind in _REJECTED
        if scope.includes(event.time):
            write(event)
    return rejected


def _troubles(states: tuple[SourceState, ...]) -> Iterator[str]:
    return (state.detail for state in states if state.status == "error" and state.detail)


def _write_json(event: EventRow) -> None:
    if event.kind in _REJECTED:
        return
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


@contextmanager
def _recorder(path: Path | None) -> Iterator[Callable[[Slice], None] | None]:
    """A function that appends a slice's lines to `path`, readable by the owner alone."""
    if path is None:
        yield None
        return
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    except OSError as error:
        raise SourceError(f"cannot record to {path} ({error.strerror}): choose another file") from error

    def write(piece: Slice) -> None:
        rest = memoryview(piece.data)
        try:
            while rest:
                rest = rest[os.write(descriptor, rest) :]
        except OSError as error:
            raise SourceError(f"cannot record to {path} ({error.strerror}): free room there") from error

    try:
        yield write
    finally:
        os.close(descriptor)
