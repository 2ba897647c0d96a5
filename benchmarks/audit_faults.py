"""Every system call of a writer of audit logs fails, or is its last: what was acknowledged is there afterwards."""

from __future__ import annotations

import shutil
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, Settings
from tests.audit.faulty import calls, faults, inject

_SCENARIOS = ("new", "crashed")


def run(settings: Settings) -> Iterator[Figure]:
    if not shutil.which("strace"):
        raise RuntimeError("strace is not installed")
    done, failed = 0, []
    with tempfile.TemporaryDirectory(dir=settings.cache) as folder:
        log = Path(folder) / "log"
        for scenario in _SCENARIOS:
            for fault in faults(calls(log, scenario)):
                done += 1
                try:
                    inject(log, scenario, fault)
                except AssertionError as error:
                    failed.append(f"{scenario} {fault}")
                    print(failed[-1], error, file=sys.stderr)
    detail = "; ".join(failed[:5]) or f"{done:,} faults: killed, EIO, no room once, no room from then on"
    yield Figure(
        "audit log: faults that cost an acknowledged entry, or leave a log that is not right",
        len(failed),
        0,
        "",
        detail=detail,
    )
