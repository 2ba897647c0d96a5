"""What a Logs Insights query reads: its price before, its progress, its price after."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from llmwatch import units
from llmwatch.cli.arguments import check_sources
from llmwatch.cli.progress import show_line
from llmwatch.errors import UsageError

if TYPE_CHECKING:
    from llmwatch.sources.cloudwatch.api import Group
    from llmwatch.sources.cloudwatch.insights import QueryProgress

MAX_SCAN = "100GB"
"""What CloudWatch may read without being allowed to, about 50 cents."""

_SIZE = re.compile(r"(\d{1,15}(?:\.\d{1,6})?)\s*([kMGTP]?)B?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Estimate:
    """Bytes that groups hold, and about how many of them a query reads at most."""

    held: int
    read: int

    @property
    def sentence(self) -> str:
        """It and its price."""
        from llmwatch.sources.cloudwatch.insights import scan_price

        begin = f"this reads at most about {units.size(self.read)}, {about(scan_price(self.read))}"
        if self.read == self.held:
            return f"{begin}: all that the groups hold"
        return f"{begin}, if all days of the groups are alike; they hold {units.size(self.held)}"


def check_paid(arguments: argparse.Namespace) -> None:
    """Refuse what `--engine insights` cannot do, with what to do instead."""
    if arguments.paths:
        raise UsageError("--engine insights asks CloudWatch, which has no files: leave PATH or --engine out")
    if not arguments.group:
        raise UsageError("--engine insights asks about log groups: name one with --group")
    if arguments.since is None:
        raise UsageError(
            "--engine insights is paid by what it reads, so it must know how much: give --since, as in --since 30d"
        )
    for flag in ("filter", "filter_pattern"):
        if getattr(arguments, flag, None):
            raise UsageError(f"--{flag.replace('_', '-')} does not go with --engine insights: leave one out")
    check_sources(arguments)


def estimate(
    groups: Sequence[Group], since: datetime | None, until: datetime | None, now: datetime
) -> Estimate | None:
    """What reading a time may take. None where nobody knows how much a group holds.

    How its bytes lie in time is not known either: they are taken as even over the days that it keeps.
    """
    held, read = 0, 0.0
    for group in groups:
        if group.stored_bytes is None:
            return None
        held += group.stored_bytes
        read += group.stored_bytes * _share(group, since, until, now)
    return Estimate(held, round(read))


def _share(group: Group, since: datetime | None, until: datetime | None, now: datetime) -> float:
    """Which part of what a group keeps is of that time; all of it, where its beginning is not known."""
    end = now.timestamp()
    kept = None if group.retention_days is None else end - group.retention_days * 86_400
    begins = [moment for moment in (kept, group.created and group.created / 1000) if moment is not None]
    if since is None or not begins or max(begins) >= end:
        return 1.0
    begin = max(begins)
    last = min((until or now).timestamp(), end)
    return min(max(last - max(since.timestamp(), begin), 0) / (end - begin), 1.0)


def read_size(text: str, flag: str) -> int:
    """Bytes, as `100GB` means them: in steps of a thousand. Raises UsageError."""
    match = _SIZE.fullmatch(text.strip())
    if match is None:
        raise UsageError(f"{flag} {text!r} is no size: write 500MB, 100GB or 2TB")
    return int(float(match[1]) * 1000 ** " KMGTP".index(match[2].upper() or " "))


def about(usd: float | None) -> str:
    """A price, which depends a little on the region; empty if it is not known."""
    if usd is None:
        return ""
    return f"about {units.money(usd)}" if usd >= 0.01 else "less than $0.01"


def spent(bytes_scanned: int | None) -> str:
    """What a query has read and cost; empty if the service does not say, or had no part in it."""
    from llmwatch.sources.cloudwatch.insights import scan_price

    if bytes_scanned is None:
        return ""
    return f"CloudWatch read {units.size(bytes_scanned)}, {about(scan_price(bytes_scanned))}"


@contextmanager
def query_progress(
    found: Callable[[QueryProgress], str] = lambda _: "",
) -> Iterator[Callable[[QueryProgress], None] | None]:
    """A function for each news of the query; the line it writes is gone at the end. None without a terminal.

    `found` is for the end of the line, what there is of the answer, say.
    """
    if not sys.stderr.isatty():
        yield None
        return

    def show(progress: QueryProgress) -> None:
        statistics = progress.statistics
        parts = [f"CloudWatch: {progress.status.lower()}, {progress.seconds:.0f} s"]
        if statistics.records_scanned is not None and statistics.bytes_scanned:
            parts.append(f"{statistics.records_scanned:,} lines, {units.size(statistics.bytes_scanned)}")
            parts.append(about(statistics.price_usd))
        if progress.trouble:
            parts.append("waiting to ask again")
        show_line(sys.stderr, ", ".join([*parts, *filter(None, [found(progress)])]))

    try:
        yield show
    finally:
        show_line(sys.stderr, "")
