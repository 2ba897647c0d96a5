"""What a Logs Insights query answers, on either engine."""

from __future__ import annotations

from dataclasses import dataclass

Value = str | int | float | None
"""Numbers are numbers where a column's expression makes some; a field of a line is text. None is absent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Rows in order, and what was read for them."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    scanned: int | None = None
    """Lines that were read; None is unknown."""
    matched: int | None = None
    """Of those, the ones that all filters before the first `stats` let through; None is unknown."""
    bytes_scanned: int | None = None
    truncated: bool = False
    """Whether there are more rows than a limit, given or not, lets through."""
    binned: str | None = None
    """The column that `bin(…)` makes, where rows are grouped by one: they can be drawn over time."""
    bin_seconds: float | None = None
    """How long a bin of it is; None where there is none, and where it is of months."""
    bin_months: int | None = None
    """Months of a bin that is of those, of quarters or of years."""
    remarks: tuple[str, ...] = ()
