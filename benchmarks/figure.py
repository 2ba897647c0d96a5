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
    bound: float
    unit: str
    at_least: bool = False
    """The bound is the least that will do, not the most."""
    detail: str = ""
    """How it came about, and how much it varied."""

    @property
    def ratio(self) -> float:
        """The part of the bound that is used; above 1 it is missed, whichever way it points."""
        if self.at_least:
            return self.bound / self.measured if self.measured else float("inf")
        return self.measured / self.bound

    @property
    def reached(self) -> bool:
        """Whether the bound holds."""
        return self.ratio <= 1


@dataclass(frozen=True, slots=True)
class Benchmark:
    """Something that can be measured; `run` yields its figures as they are known."""

    name: str
    title: str
    run: Callable[[Settings], Iterator[Figure]]
    large: bool = False
    """It takes minutes and gigabytes: only on request."""
