"""A process that appends to a log: `python -m benchmarks.writer PLAN TARGET RATE SECONDS`.

PLAN is `live` for lines made on the spot, with the time of the clock, or a file whose lines are copied.
"""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from benchmarks.traffic import LINES_A_REQUEST, by_time, requests

_EVERY_SECONDS = 0.02


def main(plan: str, target: str, rate: float, seconds: float) -> None:
    lines = _live(rate) if plan == "live" else _copied(Path(plan))
    out = os.open(target, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    began = time.monotonic()
    written = 0
    while (passed := time.monotonic() - began) < seconds:
        due = int(passed * rate) - written
        text = b"".join(islice(lines, due))
        if text:
            os.write(out, text)
        written += due
        time.sleep(_EVERY_SECONDS)
    os.close(out)


def _live(rate: float) -> Iterator[bytes]:
    """Lines of requests that begin as often as `rate` lines a second need; the first end a second or so later."""
    gap_ms = 1000 * LINES_A_REQUEST / rate
    now = datetime.now(UTC).replace(tzinfo=None)
    return (text for _, text in by_time(requests(10**9, time.time_ns(), now, gap_ms)))


def _copied(plan: Path) -> Iterator[bytes]:
    with plan.open("rb", buffering=1 << 20) as file:
        yield from file


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], float(sys.argv[3]), float(sys.argv[4]))
