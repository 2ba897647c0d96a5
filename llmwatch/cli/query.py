"""Run a Logs Insights query over files, or on CloudWatch. It may be saved, built in or in a file (docs/insights.md)."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.clean import clean
from llmwatch.cli.arguments import (
    add_source_arguments,
    check_sources,
    memory_bytes,
    open_source,
    read_scope,
)
from llmwatch.cli.output import add_format_arguments, check_columns, print_rows
from llmwatch.cli.scan import MAX_SCAN, spent
from llmwatch.cli.waiting import awaited
from llmwatch.errors import SourceError, UsageError, meant

if TYPE_CHECKING:
    from llmwatch.config import Config
    from llmwatch.query.insights.answer import Answer
    from llmwatch.sources.source import Source
    from llmwatch.store.line_store import LineStore
    from llmwatch.store.slice import Slice

NAME = "query"
HELP = "a Logs Insights query over files, or on CloudWatch"

_EXAMPLE = "llmwatch query 'stats count(*) by level' router.jsonl"
_LONGEST_FILE = 64 << 10
"""Bytes; Logs Insights takes 10,000 characters."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `query` takes."""
    parser.add_argument(
        "text",
        metavar="TEXT",
        nargs="?",
        help="the query; @NAME is a saved or built-in one, - reads it from standard input",
    )
    parser.add_argument("--saved", metavar="NAME", help="a saved or built-in query, in place of TEXT")
    parser.add_argument("--file", metavar="FILE", help="the file that holds the query, in place of TEXT")
    parser.add_argument(
        "--list",
        nargs="?",
        const="",
        metavar="NAME",
        help="list the saved and built-in queries, or print the text of one, and end",
    )
    parser.add_argument(
        "--engine",
        choices=("local", "insights"),
        default="local",
        help="insights: CloudWatch runs the query over the groups itself, at a price for each GB it reads",
    )
    parser.add_argument("--limit", type=int, default=0, metavar="N", help="rows to print at most; 0 is all")
    parser.add_argument(
        "--max-scan",
        metavar="SIZE",
        help=f"what CloudWatch may read unasked, by the estimate; default {MAX_SCAN}",
    )
    parser.add_argument("--yes", action="store_true", help="let CloudWatch read more than that")
    parser.add_argument(
        "--partial", action="store_true", help="on stderr, the first rows while CloudWatch is not done"
    )
    parser.add_argument(
        "--memory", metavar="SIZE", default="1GiB", help="the most memory to use (default 1GiB)"
    )
    # What a log group knows of an event, its time first, comes with what a recording keeps.
    parser.set_defaults(db=None, record=True)
    add_source_arguments(parser, filters=False)
    add_format_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Read the query, ask, print."""
    if arguments.list:
        print(_shown(_saved(arguments.list.removeprefix("@"))))
        return 0
    if arguments.list is not None:
        return _list(arguments.format)
    text = _text(arguments)
    if arguments.limit < 0:
        raise UsageError(f"--limit {arguments.limit} is less than none: 0 means all rows")
    if arguments.engine == "insights":
        from llmwatch.cli.query_insights import run_insights

        answer, code = run_insights(arguments, text), 0
    else:
        answer, code = _run_local(arguments, text)
    _print(answer, arguments.format, arguments.limit)
    return code


def _run_local(arguments: argparse.Namespace, text: str) -> tuple[Answer, int]:
    """The answer over lines that are read here, and the exit code: 3 if a part of them could not be read."""
    from llmwatch.cli.main import say
    from llmwatch.cli.progress import progress_line
    from llmwatch.query.insights.compile import compile_query
    from llmwatch.query.insights.engine import answer
    from llmwatch.query.insights.functions import Surroundings
    from llmwatch.query.insights.parse import read_query
    from llmwatch.query.insights.relation import Parameters
    from llmwatch.store.line_store import LineStore

    for name, given in (
        ("yes", arguments.yes),
        ("partial", arguments.partial),
        ("max-scan", arguments.max_scan),
    ):
        if given:
            raise UsageError(
                f"--{name} goes with --engine insights, which is paid: leave it out, or ask there"
            )
    query = read_query(text)
    check_sources(arguments)
    memory, now = memory_bytes(arguments.memory), datetime.now(UTC)
    scope = read_scope(arguments, now)
    compile_query(query, "", Parameters(), Surroundings(text, now, scope.since, scope.until))
    with (
        open_source(arguments, scope, follow=False, calls=False) as source,
        closing(LineStore(memory)) as lines,
    ):
        with progress_line(source):
            _load(source, lines)
        told = [state for state in source.states() if state.detail]
        for state in told:
            say(state.sentence)

        def asked() -> Iterator[Answer]:
            yield answer(lines, query, since=scope.since, until=scope.until, now=now)

        with closing(awaited(asked(), lines.interrupt)) as answers:
            found = next(answers)
    failed = any(state.status == "error" for state in told)
    return found, SourceError.exit_code if failed else 0


def _load(source: Source, lines: LineStore) -> None:
    """All lines of a source, read while those before them are kept; whole files stay where they are."""
    from llmwatch.sources.pump import gathered, read_ahead
    from llmwatch.sources.source import OffersFiles

    if isinstance(source, OffersFiles):
        source.offer(lines.take_file)

    def pieces() -> Iterator[Slice]:
        yield from source.read()
        yield from source.finish()

    for moment in read_ahead(gathered(pieces()), source.close):
        lines.add(*moment)


def _print(answer: Answer, form: str, limit: int) -> None:
    """The rows on stdout; on stderr what is to know of them."""
    from llmwatch.cli.main import say

    check_columns(answer.columns, form)
    rows = answer.rows[:limit] if limit else answer.rows
    counters = {"lines": answer.scanned, "matched": answer.matched, "bytes_scanned": answer.bytes_scanned}
    print_rows(answer.columns, rows, form, lambda: counters)
    for remark in answer.remarks:
        say(remark)
    told = [_rows_said(answer, len(rows))]
    if answer.scanned is not None:
        matched = "" if answer.matched is None else f"{answer.matched:,} of "
        told.append(f"{matched}{answer.scanned:,} lines")
    say("; ".join(filter(None, (*told, spent(answer.bytes_scanned)))))


def _rows_said(answer: Answer, printed: int) -> str:
    from llmwatch.sources.cloudwatch.insights import MOST_ROWS, USUAL_ROWS

    found = len(answer.rows)
    rows = f"{found:,} row{'' if found == 1 else 's'}"
    shown = rows if printed == found else f"{printed:,} of {rows}"
    if not answer.truncated:
        return shown
    more = f" (write `| limit {MOST_ROWS}` for more)" if found == USUAL_ROWS else ""
    return f"{shown}, and there are more than the query's limit lets through{more}"


def _list(form: str) -> int:
    """Print the queries that have a name: a person's own, then those that come with llmwatch."""
    from llmwatch.query.runbook import RUNBOOK

    config = _config()
    rows: list[tuple[str, ...]] = [
        (name, "saved", text.strip().partition("\n")[0], text) for name, text in config.queries.items()
    ]
    rows += [
        (name, "built in", query.title, query.text)
        for name, query in RUNBOOK.items()
        if name not in config.queries
    ]
    columns: tuple[str, ...] = ("name", "from", "what", "text")
    if form == "table":
        columns, rows = columns[:-1], [row[:-1] for row in rows]
    print_rows(columns, rows, form, dict)
    return 0


def _shown(text: str) -> str:
    """A query on its lines: exact in a pipe, and harmless on a terminal."""
    if not sys.stdout.isatty():
        return text
    return "\n".join(clean(line, _LONGEST_FILE).text for line in text.split("\n"))


def _config() -> Config:
    from llmwatch.cli.main import say
    from llmwatch.config import load_config

    config = load_config()
    for remark in config.remarks:
        say(remark)
    return config


def _text(arguments: argparse.Namespace) -> str:
    """The query; where it is not the first word, that is a PATH. Raises UsageError."""
    elsewhere = [flag for flag in ("saved", "file") if getattr(arguments, flag) is not None]
    if len(elsewhere) > 1:
        raise UsageError("--saved and --file each name a query: leave one of them out")
    text: str | None = arguments.text
    if elsewhere and text is not None:
        arguments.paths = [text, *arguments.paths]
    if arguments.saved is not None:
        return _saved(arguments.saved)
    if arguments.file is not None or text == "-":
        return _from_file(arguments.file or "-", arguments.paths)
    if text is None:
        raise UsageError(f"query takes a query, as in: {_EXAMPLE} (--list shows saved and built-in ones)")
    if text.startswith("@"):
        return _saved(text[1:])
    if os.path.exists(text):
        raise UsageError(f"{text} is a file, and the query stands before it, as in: {_EXAMPLE}")
    return text


def _saved(name: str) -> str:
    """A query by its name; a person's own comes before one of the same name that is built in."""
    from llmwatch.query.runbook import RUNBOOK

    known = {key: query.text for key, query in RUNBOOK.items()} | dict(_config().queries)
    if name not in known:
        raise UsageError(
            f"no query is called {name!r}: {meant(name, known, repr)}`llmwatch query --list` lists them"
        )
    return known[name]


def _from_file(name: str, paths: list[str]) -> str:
    if name == "-" and "-" in paths:
        raise UsageError(
            "standard input cannot be both the query and the log: give the query with --file FILE"
        )
    try:
        if name == "-":
            content = sys.stdin.buffer.read(_LONGEST_FILE) if sys.stdin else b""
        else:
            with Path(name).open("rb") as file:
                content = file.read(_LONGEST_FILE)
        return content.decode("utf-8-sig").rstrip()
    except OSError as error:
        raise UsageError(
            f"the query in {name} cannot be read ({error.strerror}): look at the path"
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"the query in {name} is not UTF-8 at byte {error.start}: save it so") from error
