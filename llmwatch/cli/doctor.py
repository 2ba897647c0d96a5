"""Say what works here: the terminal, the store, the age of the price table."""

from __future__ import annotations

import argparse
import os
import shutil
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from llmwatch import __version__

NAME = "doctor"
HELP = "what works here"

_STALE_AFTER_DAYS = 90


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """`doctor` takes nothing."""


def run(arguments: argparse.Namespace) -> int:
    """Look, and print a line for each thing looked at."""
    del arguments
    for name, state in _findings():
        print(f"{name:<12}{state}")
    return 0


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
