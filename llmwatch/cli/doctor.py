"""Say what works here: the terminal, the store, the age of the price table, AWS credentials and permissions."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from llmwatch import __version__
from llmwatch.clean import clean
from llmwatch.cli.groups import add_group_arguments, check_groups, connect, connection, named_groups
from llmwatch.errors import LlmwatchError, SourceError

NAME = "doctor"
HELP = "what works here"

_STALE_AFTER_DAYS = 90


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`doctor` asks the network about groups only."""
    add_group_arguments(parser)


def run(arguments: argparse.Namespace) -> int:
    """Look, and print a line for each thing looked at."""
    from llmwatch.cli.main import say

    check_groups(arguments)
    for name, state in (*_findings(), *_aws(arguments)):
        print(f"{name:<12}{state}")
    for denied in (failed := list(_permissions(arguments))):
        say(denied)
    return SourceError.exit_code if failed else 0


def _findings() -> Iterator[tuple[str, str]]:
    from llmwatch.pricing.resolver import table_info
    from llmwatch.store.store import Store

    version = ".".join(str(part) for part in sys.version_info[:3])
    yield "llmwatch", f"{__version__} on Python {version}"
    size = shutil.get_terminal_size()
    terminal = os.environ.get("TERM", "none") if sys.stdout.isatty() else "none here: tail prints lines"
    small = " (the monitor wants 80x24)" if size.columns < 80 or size.lines < 24 else ""
    yield "terminal", f"{terminal}, {size.columns}x{size.lines}{small}"
    prices = table_info()
    age = (datetime.now(UTC).date() - prices.date).days
    stale = "; old: upgrade llmwatch, or give your own with --prices" if age > _STALE_AFTER_DAYS else ""
    yield (
        "prices",
        f"Bedrock table {prices.version} of {prices.date}, {prices.models} models, {age} days old{stale}",
    )
    store = Store()
    yield "store", "ok: DuckDB opens, and spills to a temporary folder"
    store.close()


def _aws(arguments: argparse.Namespace) -> Iterator[tuple[str, str]]:
    from llmwatch.sources.cloudwatch.access import credentials_summary

    yield "aws", clean(credentials_summary(connection(arguments))).text


def _permissions(arguments: argparse.Namespace) -> Iterator[str]:
    """Try each group that is named; prints what is allowed, and yields a sentence for what is not."""
    from llmwatch.sources.cloudwatch.access import check_access

    if not arguments.group:
        return
    api = connect(arguments)
    try:
        groups = named_groups(arguments, api)
    except LlmwatchError as failure:
        yield str(failure)
        return
    for group in groups:
        print(f"{'group':<12}{clean(group.name).text}")
        for action, verdict in check_access(api, group):
            print(f"{'':<12}{action:<24}{'allowed' if verdict == 'allowed' else 'failed'}")
            if verdict != "allowed":
                yield verdict
