"""The past that was asked for, read in windows of time: each is a chain that ends, and can be read on its own."""

from __future__ import annotations

from llmwatch.sources.cloudwatch.chain import Chain
from llmwatch.sources.cloudwatch.seen import Seen

_FIRST_WINDOW = 60_000
_PAGES, _EVENTS = 8, 16_000
"""What a window should have at most: half of its last page is wasted on average, and its ids are in memory."""
_MOST_AT_ONCE = 4


class Fill:
    """Gives out windows of `since` ≤ time ≤ `until` until all are read. Times in ms.

    `newest_first`: from the end backwards, else from the start. `until` None is open: writers' clocks may be two
    hours ahead.
    """

    def __init__(
        self, since: int, until: int | None, now: int, *, newest_first: bool, at_once: int = 1
    ) -> None:
        self.since = since
        self._until = until
        self._last = max(since, now if until is None else until)
        self._newest_first = newest_first
        self._at_once = max(1, min(at_once, _MOST_AT_ONCE))
        self._width = _FIRST_WINDOW
        self._known = False
        """Whether there is anything where was read last. Empty years are gone through one by one, ever faster."""
        self._edge: int | None = None
        self._open: list[Chain] = []
        self._read = 0
        self._all_out = self._last < since or (until is not None and until < since)

    @property
    def done(self) -> bool:
        """Whether all windows have been read."""
        return self._all_out and not self._open

    @property
    def part(self) -> float:
        """Which part of the time is read, 0 to 1."""
        length = self._last - self.since + 1
        return 1.0 if self.done or length <= 0 else min(1.0, self._read / length)

    def unread_after(self, time: int) -> bool:
        """Whether any of what is later than that is not read yet."""
        if not self._all_out and (not self._newest_first or self._edge is None or self._edge > time):
            return True
        return any(chain.end is None or chain.end >= time for chain in self._open)

    def next_window(self, now: float) -> Chain | None:
        """A new window's chain; None while enough are read, or when all are out."""
        if self._all_out or len(self._open) >= (self._at_once if self._known else 1):
            return None
        start, end = self._backwards() if self._newest_first else self._forwards()
        chain = Chain("fill", start, end, now, seen=Seen())
        self._open.append(chain)
        return chain

    def _backwards(self) -> tuple[int, int | None]:
        first = self._edge is None
        edge = self._last + 1 if self._edge is None else self._edge
        start = max(self.since, edge - self._width)
        self._edge = start
        self._all_out = start <= self.since
        return start, self._until if first else edge - 1

    def _forwards(self) -> tuple[int, int | None]:
        start = self.since if self._edge is None else self._edge
        end = min(self._last, start + self._width - 1)
        self._edge = end + 1
        self._all_out = end >= self._last
        return start, self._until if self._all_out else end

    def completed(self, chain: Chain) -> None:
        """A window is read: the next ones are as wide as its pages say."""
        self._open.remove(chain)
        end = self._last if chain.end is None else chain.end
        width = end - chain.start + 1
        self._read += width
        self._known = chain.events > 0
        room = min(_PAGES / max(1, chain.pages), _EVENTS / max(1, chain.events))
        self._width = max(1, int(width * min(16.0, max(0.25, room))))
