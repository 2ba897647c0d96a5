"""The arguments that several commands share, and what is made of them."""

from __future__ import annotations

import argparse
import os
import re
import stat
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.cli.groups import add_group_arguments, check_groups, open_groups
from llmwatch.errors import SourceError, UsageError

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter
    from llmwatch.query.scope import Scope
    from llmwatch.sources.cloudwatch.poller import Patience
    from llmwatch.sources.source import Source, SourceState
    from llmwatch.store.store import Store

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", re.IGNORECASE)
_NOTHING_NAMED = (
    "nothing to read is named: give a PATH of logs (a file, a folder, -), --group NAME, or, where tables are asked, "
    "--db FILE with what was read before"
)
_PIPED = "; what is piped in is read where - is the PATH"
_LEAST_MEMORY, _MOST_MEMORY = 256 << 20, 1 << 50


def add_source_arguments(parser: argparse.ArgumentParser, *, filters: bool = True) -> None:
    """Where lines come from, and which part of them counts: by time and, if there are `filters`, by more."""
    parser.add_argument(
        "paths",
        metavar="PATH",
        nargs="*",
        default=[],
        help="files, folders or globs of JSON lines (.gz, .zst and rotations too); - is standard input",
    )
    parser.add_argument(
        "--since", metavar="WHEN", help="leave out what began before: 15m, 2h, 7d, today, 2026-02-27T16:47Z"
    )
    parser.add_argument("--until", metavar="WHEN", help="leave out what began then or later")
    if filters:
        add_filter_argument(parser)
    add_group_arguments(parser)


def add_filter_argument(parser: argparse.ArgumentParser) -> None:
    """What of it counts, by more than time."""
    parser.add_argument(
        "--filter",
        metavar="FILTER",
        help="only what matches: user:alice model:kimi* status:error cost>0.5 (docs/filters.md)",
    )


def add_store_arguments(parser: argparse.ArgumentParser) -> None:
    """How lines are kept and priced."""
    parser.add_argument(
        "--prices", metavar="FILE", type=Path, help="your own prices, a TOML file (docs/pricing.md)"
    )
    parser.add_argument("--db", metavar="FILE", type=Path, help="keep what was read in this DuckDB file")
    parser.add_argument(
        "--memory",
        metavar="SIZE",
        default="1GiB",
        help="the most memory to use (default 1GiB); the rest goes to disk",
    )


def read_scope(arguments: argparse.Namespace, now: datetime) -> Scope:
    """The scope that --since, --until and --filter mean."""
    from llmwatch.query.moments import read_moment
    from llmwatch.query.scope import Scope

    since = None if arguments.since is None else read_moment(arguments.since, now)
    until = None if arguments.until is None else read_moment(arguments.until, now)
    if since and until and since >= until:
        raise UsageError(f"--since {arguments.since} is not before --until {arguments.until}: exchange them")
    return narrowed(Scope(since, until), arguments)


def narrowed(scope: Scope, arguments: argparse.Namespace) -> Scope:
    """The scope with what --filter wants, where a command takes it. Raises UsageError."""
    text = getattr(arguments, "filter", None)
    return scope if text is None else scope.narrowed(filter_of(text))


def filter_of(text: str) -> Filter:
    """A filter as it is typed; it may name saved ones. Raises UsageError."""
    from llmwatch.config import load_config
    from llmwatch.query.filters.language import read_filter

    return read_filter(text, load_config().filters if "@" in text else {})


@contextmanager
def open_store(
    arguments: argparse.Namespace,
    *,
    keep_raw: bool = False,
    whole_files: bool = False,
    source: Source | None = None,
) -> Iterator[Store]:
    """A store as the arguments want it and for what the source holds now, closed at the end."""
    from llmwatch.pricing.resolver import PriceResolver, load_overrides
    from llmwatch.sources.pump import expected_bytes
    from llmwatch.store.store import Store, StoreSettings

    memory = memory_bytes(arguments.memory)
    expected = 0 if source is None else None if getattr(arguments, "group", None) else expected_bytes(source)
    overrides = load_overrides(arguments.prices) if arguments.prices else None
    store = Store(
        StoreSettings(
            memory_bytes=memory,
            on_disk=expected is None or expected > memory // 2,
            database=arguments.db,
            keep_raw=keep_raw,
            whole_files=whole_files,
            resolver=PriceResolver(overrides),
        )
    )
    try:
        yield store
    finally:
        store.close()


@contextmanager
def open_source(
    arguments: argparse.Namespace,
    scope: Scope,
    *,
    follow: bool,
    calls: bool = True,
    patience: Patience = "none",
) -> Iterator[Source]:
    """The source that the paths and groups name, closed at the end.

    `calls` and `patience` are of log groups: whether whole calls are wanted or lines in order, and whether one that
    cannot be read is given up.
    """
    from llmwatch.sources.open import merged, open_paths

    if not (arguments.paths or arguments.group):
        raise UsageError(_nothing_named())
    with ExitStack() as stack:
        parts: list[Source] = []
        if arguments.paths:
            parts.append(open_paths(arguments.paths, follow=follow))
            stack.callback(parts[-1].close)
        if arguments.group:
            parts.append(open_groups(arguments, scope, follow=follow, calls=calls, patience=patience))
            stack.callback(parts[-1].close)
        yield merged(parts)


def check_sources(arguments: argparse.Namespace) -> None:
    """Refuse what names no source, and what cannot go together. Raises UsageError."""
    check_groups(arguments)
    if not (arguments.paths or arguments.group or arguments.db or getattr(arguments, "describe", False)):
        raise UsageError(_nothing_named())
    if arguments.group and arguments.db:
        raise UsageError(
            "--db keeps what files say; a log group would be counted again at the next run. Record it "
            "(llmwatch tail --group NAME --record FILE), then read FILE with --db"
        )


def _nothing_named() -> str:
    try:
        mode = os.fstat(sys.stdin.fileno()).st_mode
        piped = stat.S_ISFIFO(mode) or stat.S_ISREG(mode)
    except (AttributeError, OSError):  # there is no standard input, or it is no file
        piped = False
    return f"{_NOTHING_NAMED}{_PIPED if piped else ''}"


@dataclass(frozen=True, slots=True)
class Loaded:
    """A store with all that the arguments name."""

    store: Store
    scope: Scope
    states: tuple[SourceState, ...]
    """How the reading of each source ended."""

    @property
    def failed(self) -> bool:
        """Whether something could not be read; it was said."""
        return any(state.status == "error" for state in self.states)

    @property
    def exit_code(self) -> int:
        """3 if a part of the input is missing from the answer."""
        return SourceError.exit_code if self.failed else 0


@contextmanager
def load_all(
    arguments: argparse.Namespace,
    *,
    whole_files: bool = False,
    watched: Callable[[Source], Source] = lambda source: source,
) -> Iterator[Loaded]:
    """Read everything the arguments name, to its end. `watched` may put something between the source and the store."""
    from llmwatch.cli.main import say
    from llmwatch.cli.progress import progress_line
    from llmwatch.sources.pump import load

    check_sources(arguments)
    scope = read_scope(arguments, datetime.now(UTC))
    with ExitStack() as stack:
        named = arguments.paths or arguments.group
        source = stack.enter_context(open_source(arguments, scope, follow=False)) if named else None
        store = stack.enter_context(
            open_store(
                arguments,
                keep_raw=scope.needs_text,
                whole_files=whole_files and not scope.needs_text,
                source=source,
            )
        )
        if source is not None:
            with progress_line(source):
                load(watched(source), store)
        store.refresh()
        states = source.states() if source is not None else ()
        for sentence in dict.fromkeys(state.sentence for state in states if state.detail):
            say(sentence)
        if arguments.group and not store.lines:
            say("there was no event to read: is it the right group, --since, --stream and --filter-pattern?")
        if remark := _nothing_in_scope(store, scope):
            say(remark)
        yield Loaded(store, scope, states)


def _nothing_in_scope(store: Store, scope: Scope) -> str:
    """A sentence where no call that was read is in scope, and why; else empty."""
    from llmwatch.query.rates import span
    from llmwatch.query.scope import EVERYTHING, Scope
    from llmwatch.query.tables import count_all

    if scope == EVERYTHING:
        return ""
    oldest, newest = span(store)
    if oldest is None or newest is None or count_all(store, scope).calls:
        return ""
    window = Scope(scope.since, scope.until)
    if window == EVERYTHING or count_all(store, window).calls:
        return f"no call matches {scope.text}"
    return (
        "no call that was read began in the time asked for: by their own times they are of "
        f"{oldest:%Y-%m-%dT%H:%MZ} to {newest:%Y-%m-%dT%H:%MZ}"
    )


def memory_bytes(text: str) -> int:
    """What --memory means, in bytes. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"--memory {text!r} is no size: write 1GiB, 512M or 2G")
    size = float(match[1]) * 1024 ** " KMGT".index(match[2].upper() or " ")
    if size < _LEAST_MEMORY:
        raise UsageError(f"--memory {text} is too little: the store needs at least 256M")
    if size > _MOST_MEMORY:
        raise UsageError(f"--memory {text} is more than any machine has: write 1GiB, 512M or 2G")
    return int(size)
