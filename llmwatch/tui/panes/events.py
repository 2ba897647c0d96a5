"""The stream: every event as it comes, and every line that was not understood."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from llmwatch import units
from llmwatch.clean import Clean, join, literal
from llmwatch.query.events import in_time
from llmwatch.query.snapshot import EventRow, Snapshot
from llmwatch.tui.panes.columns import EVENT_COLUMNS
from llmwatch.tui.widgets.line_table import LineTable

KEPT = 5_000
"""Events the stream can be scrolled back through."""


class EventPane(LineTable[EventRow]):
    """The newest events, always without a gap, in the order in which they were read, or of time."""

    def __init__(self, number: int) -> None:
        super().__init__(EVENT_COLUMNS, lambda event: event.seq, id="events", follow=True)
        self.add_class("pane")
        self._number = number
        self._buffer: tuple[EventRow, ...] = ()
        self._last_seq = -1
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
        """
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
        if self._buffer is not self.rows:
            self.set_rows(self._buffer, now)
        self.say()

    @property
    def title(self) -> Clean:
        """What is listed, and how much of it: `Events · last 5,000 of 48,211`."""
        shown = len(self.rows)
        of = (
            f"last {units.count(shown)} of {units.count(self._total)}"
            if shown < self._total
            else units.count(shown)
        )
        return literal(f"Events · {of}")

    @property
    def badge(self) -> Clean:
        """Whether the stream follows; else how many came since it was left."""
        if self.following:
            return literal("following")
        return literal(f"+{units.count(max(0, self._total - self._left_at))} new · G follows")

    def say(self) -> None:
        """Put title and badge into the border."""
        style = "$foreground 55%" if self.following else "bold $text-warning"
        self.entitle(join([literal(f"{self._number} "), self.title]), self.badge, style)

    def mark_left(self) -> None:
        """The view left the newest event, or came back: count from here."""
        self._left_at = self._total
        self.say()

    def find(self, wanted: Callable[[EventRow], bool], step: int) -> bool:
        """Put the cursor on the next event that is wanted; after the last comes the first."""
        size = len(self.rows)
        places = ((self.cursor + step * away) % size for away in range(1, size + 1))
        found = next((index for index in places if wanted(self.rows[index])), None)
        if found is not None:
            self.select(found)
        return found is not None
