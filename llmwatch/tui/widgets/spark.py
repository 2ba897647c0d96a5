"""A series as a row of blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

from llmwatch.clean import Clean, literal

BLOCKS = "▁▂▃▄▅▆▇█"


def spark(points: Sequence[float | None], cells: int) -> Clean:
    """All points in so many cells, from zero up to the largest of them. What is not known is a gap."""
    shown = points if len(points) <= cells else [_mean(part) for part in _parts(points, cells)]
    top = max((point for point in shown if point is not None and math.isfinite(point)), default=0.0)
    return literal("".join(_block(point, top) for point in shown).rjust(max(0, cells)))


def _parts(points: Sequence[float | None], parts: int) -> list[Sequence[float | None]]:
    return [points[part * len(points) // parts : (part + 1) * len(points) // parts] for part in range(parts)]


def _mean(points: Sequence[float | None]) -> float | None:
    known = [point for point in points if point is not None and math.isfinite(point)]
    return sum(known) / len(known) if known else None


def _block(point: float | None, top: float) -> str:
    if point is None or not math.isfinite(point):
        return " "
    if point <= 0 or top <= 0:
        return BLOCKS[0]
    return BLOCKS[min(len(BLOCKS) - 1, max(1, math.ceil(point / top * (len(BLOCKS) - 1))))]
