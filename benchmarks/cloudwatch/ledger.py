"""Who knows the truth: which events can be seen, which were given, and how long each took."""

from __future__ import annotations

from array import array
from collections.abc import Iterable

from llmwatch.sources.cloudwatch.api import LogEvent
from tests.cloudwatch.model import StoredEvent, StoredGroup
from tests.cloudwatch.virtual import VirtualApi


class Ledger:
    """Keeps an account of the events of one group."""

    def __init__(self, api: VirtualApi) -> None:
        self.shown = 0
        """Events that have become visible."""
        self.twice = 0
        """Events that were given and had been given before."""
        self.delays = array("d")
        """Seconds between visible and given, of each event."""
        self._service = api.service
        self._missing: dict[str, int] = {}
        api.model.listeners.append(self._show)

    def _show(self, _: StoredGroup, event: StoredEvent) -> None:
        self.shown += 1
        self._missing[event.id] = event.visible_at

    def give(self, events: Iterable[LogEvent]) -> None:
        """Events were given now."""
        now = self._service.now_ms()
        for event in events:
            visible_at = self._missing.pop(event["eventId"], None)
            if visible_at is None:
                self.twice += 1
            else:
                self.delays.append((now - visible_at) / 1000)

    @property
    def lost(self) -> int:
        """Events that can be seen and were not given; at the end they never will be."""
        return len(self._missing)
