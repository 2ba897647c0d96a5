"""The stream: every event as it comes, and every line that was not understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from llmwatch import units
from llmwatch.clean import Clean, join, literal
from llmwatch.query.events import in_time
from llmwatch.query.filters.marks import Finder
from llmwatch.query.snapshot import EventRow, Snapshot
from llmwatch.tui.panes.columns import EVENT_COLUMNS, is_bad, is_error
from llmwatch.tui.panes.hits import marking
from llmwatch.tui.widgets.line_table import NO_ROW, LineTable
from llmwatch.tui.widgets.text import Piece

KEPT = 5_000
"""Events the stream can be scrolled back through."""


Sought = Literal["error", "bad"]
_SOUGHT: dict[Sought, tuple[Callable[[EventRow], bool], str]] = {
    "error": (is_error, "error"),
    "bad": (is_bad, "line that was not understood"),
}


@dataclass(frozen=True, slots=True)
class Context:
    """A line, and those before and after it, whatever the filters."""

    seq: int
    rows: tuple[EventRow, ...]

    @property
    def place(self) -> int:
        """Where the line is among them."""
        return next((place for place, row in enumerate(self.rows) if row.seq == self.seq), 0)

    @property
    def words(self) -> Clean:
        """What it is the context of."""
        return literal(f"context of line {units.count(self.rows[self.place].line)}")


class EventPane(LineTable[EventRow]):
    """The newest events, always without a gap, in the order in which they were read, or of time.

    Or, for as long as a person looks at it, the context of one.
    """

    def __init__(self, number: int) -> None:
        super().__init__(EVENT_COLUMNS, lambda event: event.seq, id="events", follow=True)
        self.add_class("pane")
        self._number = number
        self._buffer: tuple[EventRow, ...] = ()
        self._last_seq = -1
        self._scope_version = 0
        self.context: Context | None = None
        self._finder: Finder | None = None
        self._total = 0
        self._left_at = 0

    @property
    def last_seq(self) -> int:
        """The newest line that was looked at; -1 before the first."""
        return self._last_seq

    def take(self, snapshot: Snapshot, limit: int) -> int:
        """Keep the events of a snapshot that are new; returns how many were known already.

        A snapshot with as many events as it may have has others before it that were never sent: where none of its
        events is known, or older ones may come later, what was kept is let go, so that the stream has no hole.
        So it is when the scope is another, or the snapshot has all there is to show.
        """
        if snapshot.scope_version != self._scope_version:
            self._scope_version = snapshot.scope_version
            self._buffer, self._last_seq = (), -1
        if snapshot.whole:
            self._buffer = self._buffer if self._buffer == snapshot.events else snapshot.events
            self._last_seq = snapshot.last_seq
            return 0
        last = self._last_seq
        if snapshot.events:
            self._last_seq = max(last, snapshot.last_seq, *(event.seq for event in snapshot.events))
        new = tuple(event for event in snapshot.events if event.seq > last)
        known = len(snapshot.events) - len(new)
        full = len(snapshot.events) >= limit
        if new and snapshot.by_time:
            merged = in_time({event.seq: event for event in (*self._buffer, *snapshot.events)}.values())
            oldest = merged.index(snapshot.events[0]) if full else 0
            self._buffer = merged[oldest:][-KEPT:]
        elif new:
            self._buffer = ((() if full and not known else self._buffer) + new)[-KEPT:]
        return known

    def show(self, total: int, now: datetime) -> None:
        """Show what is kept, of so many that there are."""
        if self.following:
            self._left_at = total
        self._total = total
        if self._buffer is not self.rows and self.context is None:
            self.set_rows(self._buffer, now)
        self.say()

    def show_context(self, seq: int, rows: tuple[EventRow, ...], find: Finder | None = None) -> None:
        """Show these lines around that one, and nothing new, until the stream is followed again.

        What `find` finds in their words is highlighted.
        """
        self._highlight(find)
        self.context = Context(seq, rows)
        self.stream = False
        self._set_following(False)
        self.found = seq
        self.set_rows(rows)
        self._centre()
        self.say()

    def _highlight(self, find: Finder | None) -> None:
        if find is not self._finder:
            self._finder = find
            self.set_columns(marking(EVENT_COLUMNS, find))

    def leave_context(self) -> None:
        """Back to the stream, and to its newest event."""
        if self.context is not None:
            self.context, self.found, self.stream = None, NO_ROW, True
            self._highlight(None)
            self.set_rows(self._buffer)
            self.follow()
            self.say()

    def _centre(self) -> None:
        """The line that was found in the middle, with what led to it above."""
        if self.context is not None:
            place = self.context.place
            self._scroll(place - self.view_height // 2)
            self.select(place)

    def on_resize(self) -> None:
        """The line that was found stays in view, as the newest does."""
        super().on_resize()
        if self.context is not None and self.selected is not None and self.selected.seq == self.context.seq:
            self._centre()

    def action_last(self) -> None:
        """To the newest event."""
        if self.context is not None:
            self.leave_context()
        else:
            super().action_last()

    @property
    def title(self) -> Clean:
        """What is listed, and how much of it: `Events · last 5,000 of 48,211`."""
        shown = len(self.rows)
        if self.context is not None:
            return literal("Events")
        of = (
            f"last {units.count(shown)} of {units.count(self._total)}"
            if shown < self._total
            else units.count(shown)
        )
        return literal(f"Events · {of}")

    @property
    def badge(self) -> Piece:
        """Whether the stream follows; else how many came since it was left."""
        if self.following:
            return literal("following"), "$foreground 55%"
        came = literal(f"+{units.count(max(0, self._total - self._left_at))} new · G follows")
        if self.context is not None:
            came = join([self.context.words, literal(" · G follows")])
        return came, "bold $text-warning"

    def say(self) -> None:
        """Put title and badge into the border."""
        self.entitle(join([literal(f"{self._number} "), self.title]), *self.badge)

    def mark_left(self) -> None:
        """The view left the newest event, or came back: count from here."""
        self._left_at = self._total
        self.say()

    def find(self, what: Sought, step: int) -> bool:
        """Put the cursor on the next event of a kind; after the last comes the first."""
        size, wanted = len(self.rows), _SOUGHT[what][0]
        places = ((self.cursor + step * away) % size for away in range(1, size + 1))
        found = next((index for index in places if wanted(self.rows[index])), None)
        if found is not None:
            self.select(found)
        return found is not None

    def unfound(self, what: Sought) -> str:
        """That there is none, and among which."""
        among = "the last" if self.context is None else "these"
        return f"No {_SOUGHT[what][1]} in {among} {units.count(len(self.rows))} events."
