"""The scope: what part of the log every table, figure and command speaks of."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from llmwatch.query.columns import GROUPINGS

LONGEST_CALL = timedelta(minutes=15)
"""A thinking model streams as long (router-logs, rule 4). So much before and after a scope is read to have its calls
whole, and to know which had begun before; later a call without an end is unfinished."""


@dataclass(frozen=True, slots=True)
class Scope:
    """A time window and what the calls have in common; it is all there is, if nothing is said.

    The window is half open: `since` ≤ the time a call started < `until`; times are UTC and aware. `equal` are
    columns of `GROUPINGS` and their values, where None is not known.
    """

    since: datetime | None = None
    until: datetime | None = None
    equal: tuple[tuple[str, str | None], ...] = ()

    def sql(self) -> tuple[str, list[object]]:
        """The condition on `calls`, and its parameters: every query of a scope is built on it."""
        window, moments = self.window("time")
        equal = [f"{GROUPINGS[name]} IS NOT DISTINCT FROM ?" for name, _ in self.equal]
        return " AND ".join([window, *equal]), [*moments, *(value for _, value in self.equal)]

    def window(self, time: str) -> tuple[str, list[object]]:
        """The condition that the column `time` is in the window, and its parameters."""
        bounds = [(f"{time} >= ?", self.since), (f"{time} < ?", self.until)]
        wanted = [(condition, naive(moment)) for condition, moment in bounds if moment is not None]
        return " AND ".join(condition for condition, _ in wanted) or "true", [moment for _, moment in wanted]

    def includes(self, moment: datetime | None) -> bool:
        """Whether an event of that time is in the window. One without a time is, unless there is a bound."""
        if moment is None:
            return self.since is None and self.until is None
        return (self.since is None or moment >= self.since) and (self.until is None or moment < self.until)


EVERYTHING = Scope()


def naive(moment: datetime) -> datetime:
    """As the store keeps times: UTC, and without saying so."""
    return moment.astimezone(UTC).replace(tzinfo=None)


def aware(value: object) -> datetime | None:
    """A time out of the store."""
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else None
