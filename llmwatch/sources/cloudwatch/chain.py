"""One reading of a range of a group's time: pages after pages, until there is no next token."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from llmwatch.sources.cloudwatch.api import EventPage, LogEvent
from llmwatch.sources.cloudwatch.seen import Seen

MOST_REPEATS = 50
"""A token that repeats itself is legal; one that does so as often with empty pages leads nowhere."""


@dataclass(slots=True, eq=False)
class Chain:
    """Where one reading has come to. Times of events are in ms, `due` in seconds of the poller's clock."""

    purpose: Literal["follow", "sweep", "fill"]
    start: int
    end: int | None
    due: float
    began: int = 0
    """The service's time when the first page was asked for, or a little before."""
    begun_at: float = 0.0
    """The same by the poller's clock."""
    token: str | None = None
    pages: int = 0
    events: int = 0
    """How many the pages had, also those read before."""
    restarts: int = 0
    in_flight: bool = False
    seen: Seen | None = None
    """What this chain gave itself, where its range is too old for the group's memory."""
    held: list[LogEvent] = field(default_factory=list)
    """New events that wait for those of an earlier range."""
    _repeats: int = field(default=0)

    def begin(self, service_time: int, now: float) -> None:
        """The next page is asked for."""
        self.in_flight = True
        if self.pages == 0 and self.token is None:
            self.began, self.begun_at = service_time, now

    def advance(self, page: EventPage) -> bool:
        """Go past a page. True if it was the last."""
        self.pages += 1
        self.events += len(page.events)
        if page.token is None:
            return True
        stuck = page.token == self.token and not page.events
        self._repeats = self._repeats + 1 if stuck else 0
        self.token = page.token
        if self._repeats >= MOST_REPEATS:
            self.restart()
        return False

    def restart(self) -> None:
        """Read the range again from its start: what was given is known by its ids."""
        self.token = None
        self._repeats = 0
        self.restarts += 1
