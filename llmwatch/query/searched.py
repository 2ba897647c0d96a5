"""Everything that a search has found, in the order in which it is printed."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import NamedTuple

from llmwatch.query.events import in_time
from llmwatch.query.filters.filter import Filter
from llmwatch.query.matching import IN_ORDER, Matching, Steps, rows_of
from llmwatch.query.neighbours import around
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import EventRow
from llmwatch.store.store import Store

AT_ONCE = 5_000
"""Events that are in memory, where they need not all be."""


class Shown(NamedTuple):
    """An event on its way out."""

    event: EventRow
    matches: bool = True
    begins: bool = False
    """Whether the one before it is not the one it follows in its stream."""


@dataclass(slots=True)
class Searched:
    """A store with all that may match, and what of it does."""

    store: Store
    scope: Scope
    wanted: Filter
    now: datetime
    passed_over: int
    """Lines that are not in the store, because they cannot match."""
    matched: int = 0
    examined: int = 0
    """Of the scope, and in the store."""

    def matching(self) -> Matching:
        """The condition."""
        return Matching(self.store, self.scope, self.wanted, self.now)

    def seqs(self) -> Iterator[Sequence[int]]:
        """The events that match, in order of reading, in parts."""
        matching = self.matching()
        for start, end in Steps(self.store.end_seq).forwards():
            part = matching.look(start, end, IN_ORDER)
            self.matched += part.matched
            self.examined += part.examined
            yield [int(str(seq)) for seq in part.chosen]

    def shown(self, *, limit: int, before: int, after: int, by_time: bool) -> Iterator[Shown]:
        """The newest `limit` events that match, or all if it is 0, oldest first, with so many around each.

        Newest are those read last, or, `by_time`, those whose time is the latest.
        """
        parts: Iterable[Sequence[int]] = self.seqs()
        if limit:
            parts = [self._newest(parts, limit, by_time=by_time)]
        if before or after:
            return self._in_context(parts, before, after)
        shown = self._in_order(parts)
        # Log groups are read a window at a time, and the newest first.
        return map(Shown, in_time(one.event for one in shown)) if by_time else shown

    def _in_order(self, parts: Iterable[Sequence[int]]) -> Iterator[Shown]:
        for part in parts:
            for start in range(0, len(part), AT_ONCE):
                yield from map(Shown, rows_of(self.store, part[start : start + AT_ONCE]))

    def _in_context(self, parts: Iterable[Sequence[int]], before: int, after: int) -> Iterator[Shown]:
        matching = [seq for part in parts for seq in part]
        hits = set(matching)
        groups = around(self.store, matching, before, after)
        ordered = [(seq, number == 0) for group in groups for number, seq in enumerate(group)]
        last: EventRow | None = None
        for start in range(0, len(ordered), AT_ONCE):
            batch = ordered[start : start + AT_ONCE]
            rows = rows_of(self.store, [seq for seq, _ in batch])
            for event, (seq, begins) in zip(rows, batch, strict=True):
                follows = last is not None and (event.source, event.line) == (last.source, last.line + 1)
                yield Shown(event, seq in hits, begins or not follows)
                last = event

    def _newest(self, parts: Iterable[Sequence[int]], limit: int, *, by_time: bool) -> list[int]:
        """The newest of what matches, in order of reading."""
        if not by_time:
            return list(deque((seq for part in parts for seq in part), limit))
        rows = [(one.event.time, one.event.seq) for one in self._in_order(parts)]
        newest = sorted((time.timestamp() if time else float("-inf"), seq) for time, seq in rows)[-limit:]
        return sorted(seq for _, seq in newest)
