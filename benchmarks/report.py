"""The table, and the machine it is true for."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterable, Sequence
from importlib.metadata import version

from benchmarks.figure import Figure

_HEADINGS = ("NAME", "MEASURED", "BOUND", "REACHED", "RATIO", "HOW")


def machine() -> str:
    """The facts that figures depend on, in a line."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    facts = [
        f"{cores} cores",
        platform.platform(terse=True),
        platform.machine(),
        f"Python {platform.python_version()}",
        *(f"{package} {version(package)}" for package in ("duckdb", "textual")),
    ]
    if hasattr(os, "getloadavg"):
        facts.append(f"load {os.getloadavg()[0]:.1f} at the end")
    return ", ".join(facts)


def table(figures: Sequence[Figure]) -> Iterable[str]:
    """The lines of the table, columns aligned."""
    rows = [_HEADINGS, *(_cells(figure) for figure in figures)]
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()


def _cells(figure: Figure) -> tuple[str, ...]:
    measured = _amount(figure.measured, figure.unit)
    if figure.bound is None:
        return figure.name, measured, "", "", "", figure.detail
    return (
        figure.name,
        measured,
        ("≥ " if figure.at_least else "≤ ") + _amount(figure.bound, figure.unit),
        "yes" if figure.reached else "NO",
        f"{figure.ratio:.2f}",
        figure.detail,
    )


def _amount(value: float, unit: str) -> str:
    return f"{value:,.0f} {unit}" if value >= 100 else f"{value:.3g} {unit}"
