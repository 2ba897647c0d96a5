"""Which events were given already, in bounded memory."""

from __future__ import annotations

from collections.abc import Iterable

from llmwatch.sources.cloudwatch.api import LogEvent


class Seen:
    """Ids of events, each with its time, so that those nobody can read again are forgotten.

    Ids are kept as 64-bit hashes, some 100 bytes an event: of a million events two share one with a
    probability of 3 in 10^8.
    """

    def __init__(self) -> None:
        self._times: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._times)

    def __contains__(self, key: int) -> bool:
        return key in self._times

    def unknown(self, events: Iterable[LogEvent]) -> list[tuple[int, LogEvent]]:
        """Those not known, with their keys; most of what is read again is known, and this is the quick way past."""
        times = self._times
        return [
            (key, event)
            for event in events
            if (key := hash(event.get("eventId") or _look(event))) not in times
        ]

    def add(self, key: int, time: int) -> None:
        """Remember an event."""
        self._times[key] = time

    def forget(self, before: int) -> None:
        """Drop all whose time is before that."""
        self._times = {key: time for key, time in self._times.items() if time >= before}


class Balance:
    """Matches events that Live Tail and the exact reading both bring; Live Tail gives no ids.

    Two identical lines of one millisecond are two events, so what is kept for each look of an event is how many
    times one side has brought it more often than the other.
    """

    def __init__(self) -> None:
        self._ahead: dict[int, tuple[int, int]] = {}

    def __len__(self) -> int:
        return len(self._ahead)

    def brought_live(self, event: LogEvent) -> bool:
        """Note one that Live Tail brings. Whether it is news."""
        return self._note(event, 1)

    def brought_exactly(self, event: LogEvent, *, remember: bool = True) -> bool:
        """Note one that the exact reading brings for the first time. Whether it is news.

        `remember`: whether Live Tail may still bring it.
        """
        return self._note(event, -1, remember=remember)

    def _note(self, event: LogEvent, side: int, *, remember: bool = True) -> bool:
        key = hash(_look(event))
        ahead, time = self._ahead.get(key, (0, newest_time(event)))
        news = ahead * side >= 0
        ahead += side
        if ahead == 0:
            self._ahead.pop(key, None)
        elif remember or not news:
            self._ahead[key] = (ahead, time)
        return news

    def forget(self, before: int) -> None:
        """Drop all whose time is before that."""
        self._ahead = {key: entry for key, entry in self._ahead.items() if entry[1] >= before}


def newest_time(event: LogEvent) -> int:
    """When it was written or taken in, whichever is later: Live Tail brings what was taken in just now."""
    return max(event.get("timestamp", 0), event.get("ingestionTime", 0))


def _look(event: LogEvent) -> tuple[object, ...]:
    """All that is known of an event but its id, which Live Tail does not give."""
    return (
        event.get("logStreamName"),
        event.get("timestamp"),
        event.get("ingestionTime"),
        event.get("message"),
    )
