"""Play a recording in the monitor on its own clock; not on a terminal: its lines, as they come."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime
from pathlib import Path

from llmwatch.cli.arguments import add_filter_argument, add_store_arguments, narrowed, open_store

NAME = "replay"
HELP = "a recording, on its own clock"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `replay` takes."""
    parser.add_argument("path", metavar="FILE", type=Path, help="a file of JSON lines")
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="so many times as fast; default 1"
    )
    add_filter_argument(parser)
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Play to the end, or until the user leaves."""
    from llmwatch.query.scope import Scope
    from llmwatch.sources.replay import ReplaySource

    scope = narrowed(Scope(), arguments)
    source = ReplaySource(arguments.path, clock=lambda: datetime.now(UTC), speed=arguments.speed)
    screen = sys.stdout.isatty() and sys.stdin.isatty()
    try:
        with open_store(arguments, keep_raw=screen or scope.needs_text) as store:
            if screen:
                from llmwatch.cli.screen import run_monitor

                return run_monitor(source, store, scope, title=str(arguments.path), clock=source.now)
            from llmwatch.cli.tail import follow_lines, write_plain

            return follow_lines(source, store, scope, write_plain, follow=True, clock=source.now)
    finally:
        source.close()
