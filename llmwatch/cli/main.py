"""The commands, and the edge where every error becomes a sentence and an exit code."""

from __future__ import annotations

import argparse
import os
import re
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from llmwatch import __version__
from llmwatch.clean import clean
from llmwatch.cli import (
    demo,
    doctor,
    export,
    keys,
    query,
    replay,
    report,
    retention,
    search,
    sql,
    tail,
    top,
    verify,
)
from llmwatch.errors import LlmwatchError, SourceError

_COMMANDS = (tail, top, search, query, sql, report, verify, export, retention, keys, demo, replay, doctor)
_INTERRUPTED = 130
_BUG = 70
"""`EX_SOFTWARE` of sysexits.h: beside the contract, which knows no bugs."""
_INTERRUPTED_QUERY = "Query interrupted"
"""DuckDB raises a RuntimeError that says this, in place of what a signal's handler raised while a query ran."""
_OWN_OPTION = re.compile(r"-|--.*|-h|-[ABC]\d*", re.DOTALL)
"""What begins with a minus and is no filter, unlike `-user:bot`, `-timeout`, `-1` and `-Bot`."""
_TAKE_MINUS = ("--filter", "--filter-pattern")
_WHO = "llmwatch: "
_LONGEST_MESSAGE = 2000


def run(words: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    terminated: list[int] = []

    def terminate(number: int, _frame: object) -> NoReturn:
        terminated.append(number)
        raise SystemExit(128 + number)

    for name in ("SIGTERM", "SIGHUP"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), terminate)
    _ready_streams()
    try:
        arguments = _parse(words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 (every one of them gets its sentence)
        if isinstance(error, RuntimeError) and str(error) == _INTERRUPTED_QUERY:
            return 128 + terminated[-1] if terminated else _INTERRUPTED
        return _explain(error)
    return code


def _explain(error: BaseException) -> int:
    """Say what went wrong, if anything; returns the exit code."""
    match error:
        case KeyboardInterrupt():
            return _INTERRUPTED
        case LlmwatchError():
            say(str(error))
            return error.exit_code
        case BrokenPipeError():
            _drop_output()
            return 0
        case OSError():
            _drop_output()
            place = error.filename or "the output"
            say(f"{place} failed ({error.strerror}): free room there or choose another place")
            return SourceError.exit_code
    if os.environ.get("LLMWATCH_TRACEBACK"):
        raise error
    say(f"a bug in llmwatch: {type(error).__name__}: {error} (LLMWATCH_TRACEBACK=1 shows where)")
    return _BUG


def say(message: str) -> None:
    """Narrate: on stderr, cleaned, since it may name files and quote what was typed.

    Lines after the first are indented, so that a caret points right and no file name can begin a sentence.
    """
    for number, line in enumerate(message.split("\n")):
        begin = " " * len(_WHO) if number else _WHO
        print((begin + clean(line, _LONGEST_MESSAGE).text).rstrip(), file=sys.stderr)


def _ready_streams() -> None:
    """Any text can be written; to a stream that the caller closed, in vain."""
    sys.stdout = sys.stdout or open(os.devnull, "w")  # noqa: SIM115 (open for as long as the program runs)
    sys.stderr = sys.stderr or open(os.devnull, "w")  # noqa: SIM115
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]


def _drop_output() -> None:
    """Python flushes stdout once more at exit, which would complain again."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _parse(words: Sequence[str]) -> argparse.Namespace:
    """Argparse takes all positionals at the first place it finds some; paths may stand behind options too."""
    parser = _parser()
    arguments, rest = parser.parse_known_args(_protected(words))
    if not rest:
        return arguments
    if not hasattr(arguments, "paths") or any(word.startswith("-") and word != "-" for word in rest):
        parser.error(f"unrecognized arguments: {' '.join(rest)}")
    arguments.paths = [*arguments.paths, *rest]
    return arguments


def _protected(words: Sequence[str]) -> list[str]:
    """A filter may begin with a minus, which argparse would take for options: that of `search`, and of --filter."""
    protected = list(words)
    for place in range(len(words) - 1, 0, -1):
        word, before = protected[place], protected[place - 1]
        if not word.startswith("-") or _OWN_OPTION.fullmatch(word):
            continue
        if place == 1 and before == search.NAME:
            protected[place] = f" {word}"
        elif before in _TAKE_MINUS:
            protected[place - 1 : place + 1] = [f"{before}={word}"]
    return protected


class _Parser(argparse.ArgumentParser):
    """argparse, whose complaints are cleaned: they quote the command line."""

    def error(self, message: str) -> NoReturn:
        say(f"{message} (see {self.prog} --help)")
        self.exit(2)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="llmwatch",
        description="Who is spending what on which model, right now: a monitor for the logs of LLM gateways.",
        epilog="Start with: llmwatch demo, or llmwatch tail router.jsonl",
    )
    parser.add_argument("--version", action="version", version=f"llmwatch {__version__}")
    commands = parser.add_subparsers(required=True, metavar="COMMAND", title="commands")
    for module in _COMMANDS:
        # --filter, where there is none, would be an abbreviation of --filter-pattern.
        command = commands.add_parser(
            module.NAME, help=module.HELP, description=module.__doc__, allow_abbrev=False
        )
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser
