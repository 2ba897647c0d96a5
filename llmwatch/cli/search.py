"""Print the events that match a filter, oldest first, or the calls; exit 1 if there are none, as grep does."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch.cli.arguments import (
    add_source_arguments,
    add_store_arguments,
    check_sources,
    filter_of,
    open_source,
    open_store,
    read_scope,
)
from llmwatch.cli.groups import add_follow_arguments
from llmwatch.cli.output import add_format_arguments
from llmwatch.errors import SourceError, UsageError, meant

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter
    from llmwatch.query.scope import Scope
    from llmwatch.query.searched import Searched
    from llmwatch.sources.sieve import Sieve
    from llmwatch.sources.source import Source

NAME = "search"
HELP = "the events, or calls, that match a filter"

_NOTHING_FOUND = 1


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `search` takes."""
    parser.add_argument(
        "wanted",
        metavar="FILTER",
        help='the first word: user:alice status:error latency>5s -user:bot "a text" /a regex/ (docs/filters.md)',
    )
    add_source_arguments(parser)
    parser.add_argument("--calls", action="store_true", help="calls instead of events")
    around = parser.add_argument_group("context", "lines of the same stream, whether they match or not")
    around.add_argument(
        "-A", "--after-context", type=int, metavar="N", help="N events after each that matches"
    )
    around.add_argument("-B", "--before-context", type=int, metavar="N", help="N events before")
    around.add_argument("-C", "--context", type=int, metavar="N", default=0, help="N events before and after")
    form = parser.add_mutually_exclusive_group()
    form.add_argument("--count", action="store_true", help="the number of matches alone")
    form.add_argument("--raw", action="store_true", help="the lines themselves, cleaned only on a terminal")
    form.add_argument(
        "--fields",
        type=_names,
        metavar="NAMES",
        help="columns, with commas: those of a filter (time,user,model,status,cost,message), of the event or else of "
        "its call, and line, its number; other names are keys of the line's JSON (usage.prompt_tokens)",
    )
    parser.add_argument(
        "--limit", type=int, metavar="N", default=0, help="the newest N; default 0, which is all"
    )
    parser.add_argument(
        "--follow",
        action="store_true",
        help="go on with what comes, and print each event as it arrives: of its call is known what was read till then",
    )
    add_follow_arguments(parser)
    add_format_arguments(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read, search, print; the exit code says whether there was anything."""
    from llmwatch.cli.search_output import print_calls, print_events

    _check(arguments)
    _refuse_exchanged(arguments.wanted, arguments.paths)
    wanted = filter_of(arguments.wanted)
    check_sources(arguments)
    scope = read_scope(arguments, datetime.now(UTC))
    if arguments.follow:
        found, failed = _follow(arguments, scope, wanted)
    else:
        with _loaded(arguments, scope, wanted) as (searched, failed):
            if arguments.calls:
                found = print_calls(searched, arguments)
            else:
                found = print_events(searched, arguments, *context_of(arguments))
            _tell_of_nothing(searched, "calls" if arguments.calls else "lines")
    if failed:
        return SourceError.exit_code
    return 0 if found else _NOTHING_FOUND


def _tell_of_nothing(searched: Searched, what: str) -> None:
    """To a person, for whom nothing looks like a mistake; a program has the exit code."""
    from llmwatch.cli.main import say

    if not searched.matched and sys.stderr.isatty():
        say(f"nothing matches: {searched.examined + searched.passed_over:,} {what} were looked at")


def _names(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name.strip() for name in text.split(",") if name.strip()))


def _refuse_exchanged(wanted: str, paths: Sequence[str]) -> None:
    """Raises UsageError: a file is where the filter should be, and what is no file where files should be."""
    if os.path.exists(wanted) and not (paths and os.path.exists(paths[0])):
        raise UsageError(
            f"{wanted} is a file, and the filter stands before it, as in: llmwatch search level:error {wanted}"
        )


def context_of(arguments: argparse.Namespace) -> tuple[int, int]:
    """How many events before and after."""
    given = (arguments.before_context, arguments.after_context)
    before, after = (arguments.context if one is None else one for one in given)
    return before, after


def _check(arguments: argparse.Namespace) -> None:
    """Refuse what cannot go together. Raises UsageError."""
    before, after = context_of(arguments)
    if min(before, after) < 0:
        raise UsageError("there is no context of less than nothing: -A, -B and -C take 0 or more")
    if arguments.limit < 0:
        raise UsageError(f"--limit {arguments.limit} is less than none: 0 means all")
    _check_fields(arguments.fields, calls=arguments.calls)
    given = {
        "--follow": arguments.follow,
        "--calls": arguments.calls,
        "--count": arguments.count,
        "--raw": arguments.raw,
        "--fields": arguments.fields,
        "--limit": arguments.limit,
        "-A, -B and -C": before or after,
        f"--format {arguments.format}": arguments.format != "table",
        "--db": arguments.db,
        "--wait": arguments.wait,
        "--live": arguments.live,
    }
    apart = {
        "--follow": (
            "--calls",
            "--count",
            "--limit",
            "-A, -B and -C",
            "--db",
            "--format csv",
            "--format parquet",
        ),
        "--calls": ("--raw", "-A, -B and -C"),
        "--count": ("-A, -B and -C", f"--format {arguments.format}", "--limit"),
        "--raw": (f"--format {arguments.format}",),
    }
    for one, others in apart.items():
        for other in others:
            if given[one] and given.get(other):
                raise UsageError(f"{one} and {other} do not go together: leave one of them out")
    for one in ("--wait", "--live"):
        if given[one] and not arguments.follow:
            raise UsageError(f"{one} is for following: add --follow")


def _check_fields(names: tuple[str, ...] | None, *, calls: bool) -> None:
    """Raises UsageError."""
    from llmwatch.query.shown import COLUMNS

    if names == ():
        raise UsageError("--fields names no column: write it as in --fields time,message,usage.prompt_tokens")
    known = [name for name, field in COLUMNS.items() if field.call is not None]
    for name in (names or ()) if calls else ():
        if name not in known:
            raise UsageError(
                f"--fields {name!r} is no column of calls: {meant(name, known, repr)}they are {', '.join(known)}"
            )


@contextmanager
def _loaded(arguments: argparse.Namespace, scope: Scope, wanted: Filter) -> Iterator[tuple[Searched, bool]]:
    """Read everything the arguments name, but for lines that cannot match.

    With it comes whether a part could not be read, which was said.
    """
    from llmwatch.cli.main import say
    from llmwatch.cli.progress import progress_line
    from llmwatch.query.searched import Searched
    from llmwatch.query.shown import asks_calls
    from llmwatch.sources.pump import load

    filters = [wanted, *(chip.filter for chip in scope.filters)]
    needs_calls = (
        arguments.calls or any(one.needs_calls for one in filters) or asks_calls(arguments.fields or ())
    )
    with ExitStack() as stack:
        named = arguments.paths or arguments.group
        source = (
            stack.enter_context(open_source(arguments, scope, follow=False, calls=needs_calls))
            if named
            else None
        )
        store = stack.enter_context(
            open_store(arguments, keep_raw=_keeps_raw(arguments, scope, wanted), source=source)
        )
        sieve = None if source is None or needs_calls or arguments.db else _sieve(source, wanted, arguments)
        if source is not None:
            with progress_line(sieve or source):
                load(sieve or source, store)
        else:
            store.refresh()
        told = [state for state in (() if source is None else (sieve or source).states()) if state.detail]
        for state in told:
            say(state.sentence)
        searched = Searched(
            store, scope, wanted, datetime.now(UTC), 0 if sieve is None else sieve.lines_passed_over
        )
        if unsearched := searched.matching().count_without_text(store.end_seq):
            say(
                f"of {unsearched:,} lines that --db kept, the text was not kept and is not searched: "
                "to search it, read their files without --db"
            )
        yield searched, any(state.status == "error" for state in told)


def _follow(arguments: argparse.Namespace, scope: Scope, wanted: Filter) -> tuple[int, bool]:
    """Print what matches as it comes. How much that was, and whether a part could not be read."""
    from llmwatch.cli.search_output import Printer
    from llmwatch.cli.tail import follow_lines

    with (
        open_source(arguments, scope, follow=True, calls=False, patience="when running") as source,
        open_store(arguments, keep_raw=_keeps_raw(arguments, scope, wanted), source=source) as store,
    ):
        printer = Printer(store, wanted, arguments)
        try:
            code = follow_lines(source, store, scope.narrowed(wanted), printer.write, follow=True)
        except KeyboardInterrupt:
            printer.tell_of_missing()
            raise
        printer.tell_of_missing()
        return printer.written, code == SourceError.exit_code


def _keeps_raw(arguments: argparse.Namespace, scope: Scope, wanted: Filter) -> bool:
    """Whether the text of lines is needed: to search it, to print it, or for what it holds under some key."""
    from llmwatch.query.shown import COLUMNS

    keys = any(name not in COLUMNS for name in arguments.fields or ())
    return scope.needs_text or wanted.needs_text or arguments.raw or keys


def _sieve(source: Source, wanted: Filter, arguments: argparse.Namespace) -> Sieve | None:
    from llmwatch.sources.sieve import Sieve

    before, after = context_of(arguments)
    patterns = wanted.raw_patterns()
    return Sieve(source, patterns, before=before, after=after) if patterns else None
