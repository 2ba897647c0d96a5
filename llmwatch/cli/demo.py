"""Show the monitor on synthetic traffic of a router: 40 people, and one account whose Kimi spend takes off."""

from __future__ import annotations

import argparse
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

from llmwatch.cli.arguments import add_store_arguments, open_store
from llmwatch.errors import UsageError

NAME = "demo"
HELP = "synthetic traffic in the monitor; not on a terminal: prints a table and ends"

_STORY = timedelta(minutes=5)
"""How much of the story the table tells when there is no terminal."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """What `demo` takes."""
    parser.add_argument(
        "--speed", type=float, default=1.0, metavar="N", help="so much story a second; default 1"
    )
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the router's log to a file instead")
    parser.add_argument(
        "--minutes", type=float, default=10.0, metavar="N", help="with --write: minutes of story; default 10"
    )
    add_store_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Show the story, or write it."""
    from llmwatch.cli.main import say
    from llmwatch.sources.demo import open_demo, write_demo

    if arguments.write:
        try:
            start = datetime.now(UTC) - timedelta(minutes=arguments.minutes)
        except (ValueError, OverflowError):
            raise UsageError(f"--minutes {arguments.minutes} is no length of time: write 10") from None
        lines = write_demo(arguments.write, start=start, minutes=arguments.minutes)
        say(f"{lines:,} lines are in {arguments.write}")
        return 0
    if not (sys.stdout.isatty() and sys.stdin.isatty()):
        return _print_story(arguments)
    from llmwatch.cli.screen import run_monitor
    from llmwatch.query.scope import Scope

    source = open_demo(lambda: datetime.now(UTC), speed=arguments.speed)
    with open_store(arguments, keep_raw=True) as store:
        return run_monitor(source, store, Scope(), title="demo", clock=source.now)


def _print_story(arguments: argparse.Namespace) -> int:
    from llmwatch.cli.top import print_table
    from llmwatch.query.scope import Scope
    from llmwatch.query.tables import count_all, group_calls
    from llmwatch.sources.demo import SEED, DemoTraffic
    from llmwatch.store.slice import Slice

    now = datetime.now(UTC)
    with open_store(arguments) as store:
        lines = DemoTraffic(SEED, now - _STORY).until(now)
        store.ingest(Slice("demo", "demo", 1, b"".join(lines)))
        store.refresh()
        print_table(
            group_calls(store, Scope(), ["user", "model"], limit=15, now=now), count_all(store, Scope(), now)
        )
    return 0
