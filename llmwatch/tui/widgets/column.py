"""Columns as data: one list drives a table's titles, widths, order, sorting and help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Generic, Literal, NamedTuple, TypeVar

from llmwatch.clean import Clean

Tone = Literal["plain", "muted", "faint", "strong", "money", "hot", "error", "warning", "success"]

GAP = 2
"""Blank cells between two columns."""


class Cell(NamedTuple):
    """What one place of a table shows. The tone names a style; the theme has its colour."""

    text: Clean
    tone: Tone = "plain"
    marks: tuple[tuple[int, int], ...] = ()
    """From which character to which it is highlighted, in order; only words at the left of a column can be."""


RARE, EASE = 9, 8
"""Columns of this rank come only when names have so many cells more than they need."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Column(Generic[T]):
    """One column of rows of `T`."""

    key: str
    title: str
    doc: str
    """A sentence for the help."""
    cell: Callable[[T, datetime], Cell]
    """What a row shows here, given what time it is."""
    width: int
    """Cells it needs; fewer and it is left out."""
    right: bool = True
    """Figures stand at the right, words at the left."""
    rank: int = 0
    """When there is no room, the highest rank goes first."""
    room: int = 0
    """Cells it may take beyond `width` when there is room."""
    sortable: bool = True
    ending: bool = False
    """When it has to be cut, its end is kept."""


def place(columns: Sequence[Column[T]], cells: int) -> list[tuple[Column[T], int]]:
    """Which columns fit into so many cells, in their order, and how wide each is."""
    kept = list(columns)
    while len(kept) > 1:
        last = max(kept, key=lambda column: column.rank)
        if _needed(kept) + (EASE if last.rank >= RARE else 0) <= cells:
            break
        kept.remove(last)
    spare = max(0, cells - _needed(kept))
    widths = [min(column.width, cells) for column in kept]
    growing = sorted(
        (index for index, column in enumerate(kept) if column.room), key=lambda index: kept[index].room
    )
    for position, index in enumerate(growing):
        share = -(-spare // (len(growing) - position))
        taken = min(kept[index].room, share)
        widths[index] += taken
        spare -= taken
    return list(zip(kept, widths, strict=True))


def _needed(columns: Sequence[Column[T]]) -> int:
    return sum(column.width for column in columns) + GAP * (len(columns) - 1)
