"""The scope: what part of the log every table, figure and command speaks of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Condition, Filter

LONGEST_CALL = timedelta(minutes=15)
"""A thinking model streams as long (router-logs, rule 4). So much before and after a scope is read to have its calls
whole, and to know which had begun before; later a call without an end is unfinished."""


@dataclass(frozen=True, slots=True)
class Chip:
    """One filter of a scope, as a person handles it."""

    filter: Filter
    enabled: bool = True
    inverted: bool = False

    @property
    def text(self) -> str:
        """It in the filter language."""
        return f"-({self.filter.text})" if self.inverted else self.filter.text

    def reversed(self, condition: Condition) -> str:
        """The SQL of its condition, the other way round if it is inverted."""
        return f"NOT ({condition.sql})" if self.inverted else f"({condition.sql})"


@dataclass(frozen=True, slots=True)
class Scope:
    """A time window and a stack of filters; it is all there is, if nothing is said.

    The window is half open: `since` ≤ the time a call started < `until`; times are UTC and aware.
    """

    since: datetime | None = None
    until: datetime | None = None
    chips: tuple[Chip, ...] = ()

    @property
    def filters(self) -> tuple[Chip, ...]:
        """The chips that count."""
        return tuple(chip for chip in self.chips if chip.enabled)

    @property
    def text(self) -> str | None:
        """All filters that count as one, in the filter language; None if there is none."""
        texts = [chip.text for chip in self.filters]
        return None if not texts else texts[0] if len(texts) == 1 else " ".join(f"({text})" for text in texts)

    @property
    def needs_text(self) -> bool:
        """Whether a filter looks into raw lines, which a store keeps only if it is told to."""
        return any(chip.filter.needs_text for chip in self.filters)

    def narrowed(self, *filters: Filter) -> Scope:
        """It with more filters."""
        return replace(self, chips=(*self.chips, *map(Chip, filters)))

    def sql(self) -> tuple[str, list[object]]:
        """The condition on `calls` (no alias), and its parameters: every query of a scope is built on it."""
        return self._with("time", ((chip, chip.filter.on_calls()) for chip in self.filters))

    def events_sql(self) -> tuple[str, list[object]]:
        """The condition on `lines l`, and its parameters: a line is in scope where it, and its call, match."""
        return self._with("l.time", ((chip, chip.filter.on_lines()) for chip in self.filters))

    def _with(self, time: str, conditions: Iterable[tuple[Chip, Condition]]) -> tuple[str, list[object]]:
        window, parameters = self.window(time)
        wanted = [window]
        for chip, condition in conditions:
            wanted.append(chip.reversed(condition))
            parameters += condition.parameters
        return " AND ".join(wanted), parameters

    def window(self, time: str) -> tuple[str, list[object]]:
        """The condition that the column `time` is in the window, and its parameters."""
        bounds = [(f"{time} >= ?", self.since), (f"{time} < ?", self.until)]
        wanted = [(condition, naive(moment)) for condition, moment in bounds if moment is not None]
        return " AND ".join(condition for condition, _ in wanted) or "true", [moment for _, moment in wanted]


EVERYTHING = Scope()


def naive(moment: datetime) -> datetime:
    """As the store keeps times: UTC, and without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(value: object) -> datetime | None:
    """A time out of the store."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
