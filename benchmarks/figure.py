"""What a benchmark is, and what it finds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Settings:
    """What the person asked for."""

    cache: Path
    """Where input files are kept: they are made once."""
    rounds: int
    """How often each whole process is run; figures are medians."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One row of the table."""

    name: str
    measured: float
    bound: float | None
    """None: nobody has set one; the figure is for information."""
    unit: str
    at_least: bool = False
    """The bound is the least that will do, not the most."""
    detail: str = ""
    """How it came about, and how much it varied."""

    @property
    def ratio(self) -> float | None:
        """The part of the bound that is used; above 1 it is missed, whichever way it points."""
        if self.bound is None:
            return None
        part, whole = (self.bound, self.measured) if self.at_least else (self.measured, self.bound)
        return part / whole if whole else float("inf") if part > 0 else 0.0

    @property
    def reached(self) -> bool | None:
        """Whether the bound holds."""
        return None if self.ratio is None else self.ratio <= 1


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Something that can be measured; `run` yields its figures as they are known."""

    name: str
    title: str
    run: Callable[[Settings], Iterator[Figure]]
    large: bool = False
    """It takes minutes and gigabytes: only on request."""
