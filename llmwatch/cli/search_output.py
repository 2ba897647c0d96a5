"""What a search found, as lines for people or rows for programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, fields
from datetime import datetime
from itertools import islice
from typing import TYPE_CHECKING, NamedTuple

from llmwatch.clean import clean
from llmwatch.cli.output import counters_json
from llmwatch.cli.rows import print_rows
from llmwatch.cli.tail import plain_line
from llmwatch.query.export import json_text
from llmwatch.query.found import CallHit, SearchRequest
from llmwatch.query.snapshot import EventRow

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter
    from llmwatch.query.matching import Matching
    from llmwatch.query.scope import Scope
    from llmwatch.store.store import Store

EVENT_COLUMNS = tuple(column.name for column in fields(EventRow))
_CALL_COLUMNS = tuple(column.name for column in fields(CallHit))

_AT_ONCE = 5_000
"""Events that are in memory, where they need not all be."""

_LONGEST_LINE = 64 << 10
"""Characters of a raw line on a terminal."""

_MATCH, _NEIGHBOUR, _BETWEEN = "> ", "  ", "--"
"""Before an event that matches and before one near it, and between two that do not follow each other."""

_HIGHLIGHT, _PLAIN = "\x1b[1;31m", "\x1b[0m"


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
        from llmwatch.query.matching import Matching

        return Matching(self.store, self.scope, self.wanted, self.now)

    def seqs(self) -> Iterator[list[int]]:
        """The events that match, in order of reading, in parts."""
        from llmwatch.query.matching import IN_ORDER, Steps

        matching = self.matching()
        for start, end in Steps(self.store.end_seq).forwards():
            part = matching.look(start, end, IN_ORDER)
            self.matched += part.matched
            self.examined += part.examined
            yield [int(str(seq)) for seq in part.chosen]

    def counters(self) -> Mapping[str, object]:
        """What was read and what matches. Of lines that were passed over is not known what they are."""
        from llmwatch.query.tables import count_all

        counters: dict[str, object] = {**counters_json(count_all(self.store, self.scope, self.now))}
        if self.passed_over:
            counters |= dict.fromkeys(("events", "calls", "other_requests", "malformed", "unrecognised"))
            counters["lines"] = self.store.lines + self.passed_over
        return counters | {"matched": self.matched, "examined": self.examined + self.passed_over}


def print_calls(searched: Searched, arguments: argparse.Namespace) -> int:
    """Print the calls that match, oldest first. Returns how many there are."""
    from llmwatch.query.search import MOST_HITS, search

    limit = 0 if arguments.count else arguments.limit or MOST_HITS
    request = SearchRequest(searched.wanted, calls=True, limit=limit)
    (found,) = search(searched.store, searched.scope, request, now=searched.now, cancelled=lambda: False)
    searched.matched, searched.examined = found.matched, found.examined
    if arguments.count:
        print(found.matched)
        return found.matched
    rows = [astuple(call) for call in reversed(found.calls)]
    print_rows(_CALL_COLUMNS, rows, arguments.format, searched.counters, null="-")
    _tell_of_older(found.matched - len(rows))
    return found.matched


def print_events(searched: Searched, arguments: argparse.Namespace, before: int, after: int) -> int:
    """Print the events that match, oldest first. Returns how many there are."""
    if arguments.count:
        count = sum(map(len, searched.seqs()))
        print(count)
        return count
    limit, in_context = arguments.limit, bool(before or after)
    printer = Printer(searched.store, searched.wanted, arguments, in_context=in_context)
    parts: Iterable[Sequence[int]] = searched.seqs()
    if limit:
        parts = [_newest(searched, parts, limit, by_time=bool(arguments.group))]
    shown = (
        _in_context(searched.store, parts, before, after) if in_context else _in_order(searched.store, parts)
    )
    if arguments.group and not in_context:
        shown = _in_time(shown)
    printer.print(shown, searched.counters)
    _tell_of_older(searched.matched - limit if limit else 0)
    if arguments.format == "table":
        _tell_of_rejected(searched)
    return searched.matched


class Shown(NamedTuple):
    """An event on its way out."""

    event: EventRow
    matches: bool = True
    begins: bool = False
    """Whether the one before it is not the one it follows in its stream."""


class Printer:
    """Writes events as the arguments want them."""

    def __init__(
        self, store: Store, wanted: Filter, arguments: argparse.Namespace, *, in_context: bool = False
    ) -> None:
        self.written = 0
        self._store = store
        self._form = arguments.format
        self._raw = arguments.raw
        self._in_context = in_context
        self._columns = arguments.fields
        self._keys = tuple(name for name in arguments.fields or () if name not in EVENT_COLUMNS)
        self._mark = _marker(wanted)

    def print(self, shown: Iterable[Shown], counters: Callable[[], Mapping[str, object]]) -> None:
        """Write events, and what comes with them where the format has room for it."""
        if self._form == "table" and not self._columns:
            for batch in _batches(shown):
                for line in self._lines(batch):
                    print(line)
            return
        columns = self._columns or EVENT_COLUMNS
        if self._in_context:
            columns = (*columns, "match")
        rows = (row for batch in _batches(shown) for row in self._rows(batch))
        print_rows(columns, rows, self._form, counters, null="-")

    def write(self, event: EventRow) -> None:
        """Write one event, now."""
        self.written += 1
        shown = [Shown(event)]
        if self._form == "table" and not self._columns:
            (line,) = self._lines(shown)
            print(line)
            return
        columns = self._columns or EVENT_COLUMNS
        (row,) = self._rows(shown)
        if self._form == "table":
            print("  ".join(clean("-" if value is None else value).text for value in row))
        else:
            print(json_text(dict(zip(columns, row, strict=True))))

    def _lines(self, batch: Sequence[Shown]) -> Iterator[str]:
        if self._raw:
            yield from self._raw_lines(batch)
            return
        for number, one in enumerate(batch):
            line = self._mark(plain_line(one.event))
            if self._in_context:
                if one.begins and (number or self.written):
                    yield _BETWEEN
                line = (_MATCH if one.matches else _NEIGHBOUR) + line
            yield line
        self.written += len(batch)

    def _raw_lines(self, batch: Sequence[Shown]) -> Iterator[str]:
        """Exact but on a terminal, which would obey what is in them."""
        from llmwatch.query.matching import lines_of

        for line in lines_of(self._store, [one.event.seq for one in batch]):
            text = "" if line is None else line
            yield self._mark(clean(text, _LONGEST_LINE).text) if sys.stdout.isatty() else text

    def _rows(self, batch: Sequence[Shown]) -> Iterator[Sequence[object]]:
        from llmwatch.query.matching import values_of

        values = values_of(self._store, [one.event.seq for one in batch], self._keys)
        for number, one in enumerate(batch):
            row: Sequence[object] = astuple(one.event)
            if self._columns:
                known = asdict(one.event) | (
                    dict(zip(self._keys, values[number], strict=True)) if values else {}
                )
                row = [known[name] for name in self._columns]
            yield (*row, one.matches) if self._in_context else row


def _in_order(store: Store, parts: Iterable[Sequence[int]]) -> Iterator[Shown]:
    from llmwatch.query.matching import rows_of

    for part in parts:
        for start in range(0, len(part), _AT_ONCE):
            yield from map(Shown, rows_of(store, part[start : start + _AT_ONCE]))


def _in_time(shown: Iterable[Shown]) -> Iterator[Shown]:
    """Log groups are read a window at a time, and the newest first."""
    from llmwatch.query.events import in_time

    return map(Shown, in_time(one.event for one in shown))


def _in_context(store: Store, parts: Iterable[Sequence[int]], before: int, after: int) -> Iterator[Shown]:
    from llmwatch.query.matching import rows_of
    from llmwatch.query.neighbours import around

    matching = [seq for part in parts for seq in part]
    hits = set(matching)
    groups = around(store, matching, before, after)
    ordered = [(seq, number == 0) for group in groups for number, seq in enumerate(group)]
    last: EventRow | None = None
    for start in range(0, len(ordered), _AT_ONCE):
        batch = ordered[start : start + _AT_ONCE]
        for event, (seq, begins) in zip(rows_of(store, [seq for seq, _ in batch]), batch, strict=True):
            follows = last is not None and (event.source, event.line) == (last.source, last.line + 1)
            yield Shown(event, seq in hits, begins or not follows)
            last = event


def _newest(searched: Searched, parts: Iterable[Sequence[int]], limit: int, *, by_time: bool) -> list[int]:
    """The newest of what matches, in order of reading."""
    if not by_time:
        return list(deque((seq for part in parts for seq in part), limit))
    rows = [(one.event.time, one.event.seq) for one in _in_order(searched.store, parts)]
    newest = sorted((time.timestamp() if time else float("-inf"), seq) for time, seq in rows)[-limit:]
    return sorted(seq for _, seq in newest)


def _batches(shown: Iterable[Shown]) -> Iterator[Sequence[Shown]]:
    rest = iter(shown)
    while batch := list(islice(rest, _AT_ONCE)):
        yield batch


def _marker(wanted: Filter) -> Callable[[str], str]:
    """What puts the texts that a filter looks for in colour, on a terminal that wants any."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR") or not wanted.needs_text:
        return lambda line: line
    import re2

    from llmwatch.query.filters.tree import Text, leaves

    patterns = [leaf.pattern for leaf in leaves(wanted.tree) if isinstance(leaf, Text)]
    options = re2.Options()
    options.log_errors = False
    try:
        found = re2.compile("|".join(f"({pattern})" for pattern in patterns), options)
    except re2.error:  # together they may be too large
        return lambda line: line
    return lambda line: str(
        found.sub(lambda match: f"{_HIGHLIGHT}{match.group()}{_PLAIN}" if match.group() else "", line)
    )


def _tell_of_older(count: int) -> None:
    from llmwatch.cli.main import say

    if count > 0:
        say(f"{count:,} that are older match too: a larger --limit shows them")


def _tell_of_rejected(searched: Searched) -> None:
    from llmwatch.cli.main import say

    counters = searched.counters()
    found = [f"{counters[name]:,} {name}" for name in ("malformed", "unrecognised") if counters[name]]
    if found:
        say(
            f"of the lines that were read, {' and '.join(found)} (kind:malformed and kind:unrecognised find them)"
        )
