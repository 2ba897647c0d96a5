"""What an audit log costs to write: many entries with one sync for 256 of them, and one at a time, each on the disk."""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.figure import Figure, Settings
from llmwatch.audit.notes import NoteSigner
from llmwatch.audit.writing.disk import sync
from llmwatch.audit.writing.writer import AuditWriter, entry

_BATCH = 256
_BATCHES = 80
_SINGLE = 400
_SIGNER = NoteSigner("example.com/audit", bytes(range(32)))


def run(settings: Settings) -> Iterator[Figure]:
    entries = [
        entry(
            user_id=f"user-{number % 40:03d}",
            model="anthropic/claude-3.5-sonnet",
            prompt=f"prompt {number}",
            response=f"answer {number}",
            prompt_tokens=number % 4000,
            completion_tokens=number % 900,
            latency_ms=812.3559951782227,
            metadata={"session_id": f"s-{number:012x}", "feature": "chat"},
        )
        for number in range(_BATCH * _BATCHES)
    ]
    with tempfile.TemporaryDirectory(dir=settings.cache) as folder:
        rates = [_batched(Path(folder) / str(each), entries) for each in range(max(settings.rounds, 3))]
        yield Figure(
            "audit entries written, synced and signed every 256",
            statistics.median(rates),
            40_000,
            "/s",
            at_least=True,
            detail=f"{min(rates):,.0f} to {max(rates):,.0f}",
        )
        whole, alone = _single(Path(folder) / "single", entries[:_SINGLE])
        yield Figure(
            "one audit entry on the disk, in units of the fdatasync it waits for",
            whole / alone,
            1.3,
            "×",
            detail=f"{whole * 1e6:.0f} µs, of which an fdatasync of the same bytes {alone * 1e6:.0f} µs (medians)",
        )


def _batched(folder: Path, entries: list[dict[str, object]]) -> float:
    """Entries a second."""
    with AuditWriter(folder, b"secret", _SIGNER) as writer:
        began = time.perf_counter()
        for start in range(0, len(entries), _BATCH):
            writer.append_many(entries[start : start + _BATCH])
        return len(entries) / (time.perf_counter() - began)


def _single(folder: Path, entries: list[dict[str, object]]) -> tuple[float, float]:
    """Median seconds of an entry, and of the sync of a line as long; in turns, so that the disk is the same."""
    with AuditWriter(folder, b"secret", _SIGNER) as writer:
        first = writer.append_many(entries[:1])[0]
        line = (folder / first.file).read_bytes()
        descriptor = os.open(folder / "beside", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        whole, alone = [], []
        for one in entries[1:]:
            began = time.perf_counter()
            writer.append(one)
            whole.append(time.perf_counter() - began)
            os.write(descriptor, line)
            began = time.perf_counter()
            sync(descriptor)
            alone.append(time.perf_counter() - began)
        os.close(descriptor)
    return statistics.median(whole), statistics.median(alone)
