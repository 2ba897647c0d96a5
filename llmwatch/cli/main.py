"""The commands, and the edge where every error becomes a sentence and an exit code."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from collections.abc import Sequence
from typing import NoReturn

from llmwatch import __version__
from llmwatch.clean import clean
from llmwatch.cli import demo, doctor, replay, sql, tail, top
from llmwatch.errors import LlmwatchError

_COMMANDS = (tail, top, sql, demo, replay, doctor)
_INTERRUPTED = 130
_LONGEST_MESSAGE = 2000


def run(words: Sequence[str]) -> int:
    """Run one command; returns its exit code."""
    signal.signal(signal.SIGTERM, _terminated)
    if hasattr(signal, "SIGHUP"):
        signal.signal(signal.SIGHUP, _terminated)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]
    try:
        arguments = _parser().parse_args(words)
        code: int = arguments.run(arguments)
        sys.stdout.flush()
    except LlmwatchError as error:
        say(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        return _INTERRUPTED
    except BrokenPipeError:
        # Python flushes stdout once more at exit, which would complain again.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    return code


def say(sentence: str) -> None:
    """Narrate: on stderr, cleaned, since it may name files and quote what was typed."""
    print(f"llmwatch: {clean(sentence, _LONGEST_MESSAGE).text}", file=sys.stderr)


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
        command = commands.add_parser(module.NAME, help=module.HELP, description=module.__doc__)
        module.add_arguments(command)
        command.set_defaults(run=module.run)
    return parser


def _terminated(number: int, _frame: object) -> NoReturn:
    raise SystemExit(128 + number)
