"""Which events match: the condition of a search, asked of one part of the lines at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import TYPE_CHECKING

from llmwatch.query.events import select_events
from llmwatch.query.filters.compiled import within
from llmwatch.query.filters.filter import Condition
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import EventRow
from llmwatch.store.cancel import Cancel
from llmwatch.store.raw import RAW_LINES
from llmwatch.store.store import Store

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter

IS_EVENT = "(l.kind IS NOT NULL OR l.rowid IN (SELECT seq FROM rejected_lines))"
"""Of `lines l`: no blank line."""

_ROW_GROUP = 122_880
"""Lines that DuckDB stores together: a part that ends between two groups reads no group for nothing."""

_PART_SECONDS = 0.1
"""How long the search of a part is to take."""

_MOST_GROUPS = 256
_GROWTH = 4

NEWEST_READ = "max(seq, {limit})"
NEWEST_BY_TIME = "max({{moment: moment, seq: seq}}, {limit})"
IN_ORDER = "list(seq ORDER BY seq)"
NOTHING = "max(NULL)"
"""What is wanted of the lines that match."""

MOMENT = "coalesce(epoch_us({time}), -9223372036854775808)"
"""A time that has an order also where it is not known: before all others."""

_THESE = "WHERE seq >= ? AND seq <= ? AND seq IN (SELECT unnest(?::BIGINT[]))"
"""With bounds, DuckDB reads no more than it must."""

_PART = """
SELECT count(*), count(*) FILTER (in_scope), count(*) FILTER (in_scope AND hit), {wanted} FILTER (in_scope AND hit)
FROM (SELECT l.rowid AS seq, {moment} AS moment, ({scope}) AS in_scope, ({hit}) AS hit
    FROM lines l WHERE l.rowid >= ? AND l.rowid < ? AND {window} AND {is_event})
"""


@dataclass(frozen=True, slots=True)
class Part:
    """What was found in a part of the lines."""

    in_window: int
    """Events of the scope's time window."""
    examined: int
    """Of those, the ones in scope."""
    matched: int
    chosen: Sequence[object]
    """What was wanted of those that match."""


@dataclass(frozen=True, slots=True)
class Matching:
    """The events in scope that a filter lets through; all of them without one."""

    store: Store
    scope: Scope
    filter: Filter | None
    now: datetime
    cancel: Cancel = field(default_factory=Cancel)

    @property
    def window(self) -> Scope:
        """The scope without its filters."""
        return Scope(self.scope.since, self.scope.until)

    @property
    def needs_text(self) -> bool:
        """Whether raw lines are looked into."""
        return self.scope.needs_text or (self.filter is not None and self.filter.needs_text)

    def count_in_window(self, end_seq: int) -> int:
        """Events of the time window among the lines before that one."""
        window, moments = self.window.events_sql()
        return self._integer(
            f"SELECT count(*) FROM lines l WHERE l.rowid < ? AND {window} AND {IS_EVENT}", [end_seq, *moments]
        )

    def count_without_text(self, end_seq: int) -> int:
        """Events of the time window that would be looked into, if their lines were there."""
        if not self.needs_text:
            return 0
        kept_from = self._integer(f"SELECT coalesce(min(seq), ?) FROM {RAW_LINES}", [end_seq])
        return self.count_in_window(min(kept_from, end_seq)) if kept_from else 0

    def look(self, first_seq: int, end_seq: int, wanted: str) -> Part:
        """What matches from `first_seq` up to but not including `end_seq`."""
        window, moments = self.window.events_sql()
        chips, chip_parameters = replace(self.scope, since=None, until=None).events_sql()
        hit = Condition("true") if self.filter is None else self.filter.on_lines()
        sql = _PART.format(
            wanted=wanted,
            moment=MOMENT.format(time="l.time"),
            scope=within(chips, first_seq, end_seq),
            hit=within(hit.sql, first_seq, end_seq),
            window=window,
            is_event=IS_EVENT,
        )
        parameters = [*chip_parameters, *hit.parameters, first_seq, end_seq, *moments]
        row = self.store.query(sql, parameters, now=self.now, cancel=self.cancel).rows[0]
        in_window, examined, matched = (int(str(count)) for count in row[:3])
        chosen = row[3]
        return Part(in_window, examined, matched, chosen if isinstance(chosen, list) else ())

    def _integer(self, sql: str, parameters: Sequence[object]) -> int:
        rows = self.store.query(sql, parameters, now=self.now, cancel=self.cancel).rows
        return int(str(rows[0][0]))


class Steps:
    """Parts of a range of lines: the first is small, later ones such as are searched in `_PART_SECONDS`.

    Some conditions cost as much again for every part, however small, since they look at all calls. Parts grow then
    until that is half of what they take.
    """

    def __init__(self, end_seq: int, clock: Callable[[], float] = time.perf_counter) -> None:
        self._end_seq = end_seq
        self._clock = clock
        self._groups = 1
        self._each: float | None = None
        """Seconds for a group more, as far as two parts of different sizes have shown it."""
        self._before: tuple[float, float] | None = None
        """The groups of the part before, and the seconds it took."""

    def backwards(self) -> Iterator[tuple[int, int]]:
        """The last part first."""
        end = self._end_seq
        while end > 0:
            start = max(0, _aligned(end - 1) - (self._groups - 1) * _ROW_GROUP)
            yield from self._timed(start, end)
            end = start

    def forwards(self) -> Iterator[tuple[int, int]]:
        """The first part first."""
        start = 0
        while start < self._end_seq:
            end = min(self._end_seq, start + self._groups * _ROW_GROUP)
            yield from self._timed(start, end)
            start = end

    def _timed(self, start: int, end: int) -> Iterator[tuple[int, int]]:
        began = self._clock()
        yield start, end
        self._learn((end - start) / _ROW_GROUP, max(self._clock() - began, 1e-6))

    def _learn(self, groups: float, took: float) -> None:
        """Choose the size of the next part."""
        before, self._before = self._before, (groups, took)
        if before is None:
            self._groups *= _GROWTH if took < _PART_SECONDS else 2
            return
        if abs(groups - before[0]) >= 1:
            self._each = (took - before[1]) / (groups - before[0])
        each = took / groups
        if self._each is not None:
            each = min(max(self._each, each / 20), each)
        again = took - each * groups
        self._groups = max(
            1, min(int(max(_PART_SECONDS, again) / each), self._groups * _GROWTH, _MOST_GROUPS)
        )


def _aligned(seq: int) -> int:
    return seq - seq % _ROW_GROUP


def rows_of(store: Store, seqs: Sequence[int]) -> tuple[EventRow, ...]:
    """These events, in this order."""
    if not seqs:
        return ()
    found = select_events(
        store,
        "l.rowid >= ? AND l.rowid <= ? AND l.rowid IN (SELECT unnest(?::BIGINT[]))",
        _these(seqs),
        limit=len(seqs),
    )
    rows = {row.seq: row for row in found}
    return tuple(rows[seq] for seq in seqs)


def lines_of(store: Store, seqs: Sequence[int]) -> tuple[str | None, ...]:
    """The text of these lines; None where it is not kept."""
    if not seqs or not store.settings.keep_raw:
        return (None,) * len(seqs)
    rows = store.query(f"SELECT seq, line FROM {RAW_LINES} {_THESE}", _these(seqs)).rows
    known = {seq: str(line) for seq, line in rows}
    return tuple(known.get(seq) for seq in seqs)


def values_of(store: Store, seqs: Sequence[int], keys: Sequence[str]) -> tuple[tuple[str | None, ...], ...]:
    """What the JSON of these lines has under keys; None where it has no such key, or there is no such JSON.

    A key is one of the line as it is (`http.status`), or else a path (`usage.prompt_tokens`, `choices.0.text`).
    """
    if not keys:
        return ()
    pointers = [pointer for key in keys for pointer in ([key], key.split("."))]
    known: dict[object, Sequence[str | None]] = {}
    if seqs and store.settings.keep_raw:
        rows = store.query(
            f"SELECT seq, try(json_extract_string(coalesce(document, line), ?)) FROM {RAW_LINES} {_THESE}",
            [[_pointer(parts) for parts in pointers], *_these(seqs)],
        ).rows
        known = {seq: values for seq, values in rows if isinstance(values, list)}
    nothing: Sequence[str | None] = [None] * len(pointers)
    found = [known.get(seq, nothing) for seq in seqs]
    return tuple(
        tuple(
            plain if plain is not None else nested
            for plain, nested in zip(values[::2], values[1::2], strict=True)
        )
        for values in found
    )


def _these(seqs: Sequence[int]) -> list[object]:
    return [min(seqs), max(seqs), list(seqs)]


def _pointer(parts: Sequence[str]) -> str:
    """A JSON pointer (RFC 6901)."""
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in parts)
