"""What a search found, as lines for people or rows for programs."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import astuple, fields
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING

from llmwatch.clean import clean
from llmwatch.cli.output import LiveRows, counters_json, print_rows
from llmwatch.cli.tail import plain_line
from llmwatch.errors import meant
from llmwatch.query.found import CallHit, SearchRequest
from llmwatch.query.snapshot import EventRow

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter
    from llmwatch.query.searched import Searched, Shown
    from llmwatch.store.store import Store

EVENT_COLUMNS = tuple(column.name for column in fields(EventRow))
_CALL_COLUMNS = tuple(column.name for column in fields(CallHit))

_LONGEST_LINE = 64 << 10
"""Characters of a raw line on a terminal."""

_LONGEST_SOURCE = 200
_LOOKED_AT = 1_000
"""Lines whose keys are offered for one that none has."""

_MATCH, _NEIGHBOUR, _BETWEEN = "> ", "  ", "--"
"""Before an event that matches and before one near it, and between two that do not follow each other."""

_HIGHLIGHT, _PLAIN = "\x1b[1;31m", "\x1b[0m"


def print_calls(searched: Searched, arguments: argparse.Namespace) -> int:
    """Print the calls that match, oldest first. Returns how many there are."""
    from llmwatch.query.search import MOST_HITS, search
    from llmwatch.query.shown import call_values

    limit = 0 if arguments.count else arguments.limit or MOST_HITS
    request = SearchRequest(searched.wanted, calls=True, limit=limit)
    (found,) = search(searched.store, searched.scope, request, now=searched.now, cancelled=lambda: False)
    searched.matched, searched.examined = found.matched, found.examined
    if arguments.count:
        print(found.matched)
        return found.matched
    calls = found.calls[::-1]
    rows: Sequence[Sequence[object]]
    if arguments.fields:
        rows = call_values(searched.store, [call.seq for call in calls], arguments.fields, searched.now)
    else:
        rows = [astuple(call) for call in calls]
    columns = arguments.fields or _CALL_COLUMNS
    print_rows(columns, rows, arguments.format, lambda: _counters(searched))
    _tell_of_older(found.matched - len(rows))
    return found.matched


def print_events(searched: Searched, arguments: argparse.Namespace, before: int, after: int) -> int:
    """Print the events that match, oldest first. Returns how many there are."""
    if arguments.count:
        count = sum(map(len, searched.seqs()))
        print(count)
        return count
    limit = arguments.limit
    printer = Printer(searched.store, searched.wanted, arguments, in_context=bool(before or after))
    shown = searched.shown(limit=limit, before=before, after=after, by_time=bool(arguments.group))
    printer.print(shown, lambda: _counters(searched))
    _tell_of_older(searched.matched - limit if limit else 0)
    if arguments.format == "table":
        _tell_of_rejected(searched)
    return searched.matched


def _counters(searched: Searched) -> Mapping[str, object]:
    """What was read and what matches. Of lines that were passed over is not known what they are."""
    from llmwatch.query.tables import count_all

    counters: dict[str, object] = {**counters_json(count_all(searched.store, searched.scope, searched.now))}
    if searched.passed_over:
        counters |= dict.fromkeys(("events", "calls", "other_requests", "malformed", "unrecognised"))
        counters["lines"] = searched.store.lines + searched.passed_over
    return counters | {"matched": searched.matched, "examined": searched.examined + searched.passed_over}


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
        self._names: tuple[str, ...] | None = arguments.fields
        self._columns = arguments.fields or EVENT_COLUMNS
        self._live = LiveRows(self._columns, self._form)
        self._found: set[str] = set()
        """Columns in which was a value."""
        self._looked_at: list[int] = []
        self._several_named = len(arguments.paths) + len(arguments.group) > 1
        self._sources: set[str] = set()
        """Those that are known of so far: a folder, a pattern or a part of a name may be one or several."""
        self._mark = _marker(wanted)

    def print(self, shown: Iterable[Shown], counters: Callable[[], Mapping[str, object]]) -> None:
        """Write events, and what comes with them where the format has room for it."""
        from llmwatch.query.searched import AT_ONCE

        batches = _batches(shown, AT_ONCE)
        if self._form == "table" and not self._names:
            self._sources = {str(source) for (source,) in self._store.query(_SOURCES).rows}
            for batch in batches:
                for line in self._lines(batch):
                    print(line)
            return
        columns = (*self._columns, "match") if self._in_context else self._columns
        rows = (row for batch in batches for row in self._rows(batch))
        print_rows(columns, rows, self._form, counters)
        self.tell_of_missing()

    def write(self, event: EventRow) -> None:
        """Write one event, now."""
        from llmwatch.query.searched import Shown

        shown = [Shown(event)]
        if self._form == "table" and not self._names:
            self._sources.add(event.source)
            (line,) = self._lines(shown)
            print(line)
            return
        (row,) = self._rows(shown)
        self._live.write(row)

    def tell_of_missing(self) -> None:
        """Say which keys no line has, and which may be meant."""
        from llmwatch.cli.main import say
        from llmwatch.query.shown import COLUMNS, keys_of

        missing = [name for name in self._names or () if name not in COLUMNS and name not in self._found]
        if missing and self.written:
            names = [*COLUMNS, *keys_of(self._store, self._looked_at)]
            for name in missing:
                remedy = meant(name, names, repr) or "--help lists the columns"
                say(f"no line that was found has anything under {name!r}: {remedy.rstrip()}")

    def _lines(self, batch: Sequence[Shown]) -> Iterator[str]:
        if self._raw:
            yield from self._raw_lines(batch)
            return
        for number, one in enumerate(batch):
            line = self._mark(plain_line(one.event))
            if self._several_named or len(self._sources) > 1:
                line = f"{clean(one.event.source, _LONGEST_SOURCE).text}: {line}"
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
        self.written += len(batch)

    def _rows(self, batch: Sequence[Shown]) -> Iterator[Sequence[object]]:
        from llmwatch.query.shown import asks_calls, line_values

        rows: Sequence[Sequence[object]]
        if self._names is None:
            rows = [astuple(one.event) for one in batch]
        else:
            if asks_calls(self._names):
                self._store.refresh()
            seqs = [one.event.seq for one in batch]
            rows = line_values(self._store, seqs, self._names, datetime.now(UTC))
            self._looked_at = (self._looked_at + seqs)[:_LOOKED_AT]
        for one, row in zip(batch, rows, strict=True):
            self._found.update(
                name for name, value in zip(self._columns, row, strict=True) if value is not None
            )
            self.written += 1
            yield (*row, one.matches) if self._in_context else row


_SOURCES = "SELECT DISTINCT source FROM slices"


def _batches(shown: Iterable[Shown], size: int) -> Iterator[Sequence[Shown]]:
    rest = iter(shown)
    while batch := list(islice(rest, size)):
        yield batch


def _marker(wanted: Filter) -> Callable[[str], str]:
    """What puts the texts that a filter looks for in colour, on a terminal that wants any."""
    if not sys.stdout.isatty() or os.environ.get("NO_COLOR"):
        return lambda line: line
    from llmwatch.query.filters.marks import marks

    find = marks(wanted)
    if find is None:
        return lambda line: line

    def mark(line: str) -> str:
        parts, before = [], 0
        for start, end in find(line):
            parts += [line[before:start], _HIGHLIGHT, line[start:end], _PLAIN]
            before = end
        return "".join((*parts, line[before:]))

    return mark


def _tell_of_older(count: int) -> None:
    from llmwatch.cli.main import say

    if count > 0:
        say(f"{count:,} that are older match too: a larger --limit shows them")


def _tell_of_rejected(searched: Searched) -> None:
    from llmwatch.cli.main import say

    counters = _counters(searched)
    found = [f"{counters[name]:,} {name}" for name in ("malformed", "unrecognised") if counters[name]]
    if found:
        say(
            f"of the lines that were read, {' and '.join(found)} (kind:malformed and kind:unrecognised find them)"
        )
