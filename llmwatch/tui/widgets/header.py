"""The line that says whether to trust the screen: live or not, how late, how much was not understood."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

from textual.content import Content

from llmwatch import units
from llmwatch.clean import Clean, clean, literal
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import SourceState, SourceStatus
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import cut, spread, width

STALE_SECONDS = 15.0
"""A feed that is well sends something every few seconds; after this long the header says it does not."""

_BADGES: dict[SourceStatus, tuple[str, str]] = {
    "reading": ("◐ READING", "bold $text-warning"),
    "live": ("● LIVE", "bold $text-success"),
    "error": ("✖ ERROR", "bold $text-error"),
    "waiting": ("○ WAITING", "bold $text-warning"),
    "ended": ("■ ENDED", "bold $foreground 55%"),
}
"""In the order in which one source's status speaks for all of them. Trouble has a line of its own besides."""

_APART = "   "

Pieces = list[tuple[Clean, str]]


def overall(sources: tuple[SourceState, ...]) -> SourceStatus:
    """The one status that most needs to be known."""
    present = {source.status for source in sources}
    return next((status for status in _BADGES if status in present), "waiting")


def progress(sources: tuple[SourceState, ...]) -> Clean:
    """How far reading has come: `43 % of 2.80 GB`."""
    read = sum(source.bytes_read for source in sources)
    total = sum(source.bytes_total for source in sources)
    if not total:
        return literal(units.size(read))
    return literal(f"{min(99, read * 100 // total)} % of {units.size(total)}")


class Header(Line):
    """The first line of the screen. Its clock is the only thing in the app that moves by itself."""

    def __init__(self, title: str, clock: Callable[[], float]) -> None:
        super().__init__(id="header")
        self._title = clean(title, 80)
        self._clock = clock
        self._snapshot: Snapshot | None = None
        self._arrived = clock()
        self.held: int | None = None
        """Events that came since the picture was paused; None when it is not."""

    def on_mount(self) -> None:
        """Once a second the clock and the lag move on."""
        self.set_interval(1.0, self.refresh)

    def show(self, snapshot: Snapshot) -> None:
        """Speak of this snapshot from now on."""
        self._snapshot = snapshot
        self._arrived = self._clock()
        self.refresh()

    def draw(self, cells: int) -> Content:
        """Status and title at the left, clock at the right, counters in between."""
        silent = self._clock() - self._arrived
        left = [*self._status(silent), (literal("  "), ""), (self._title, "bold $foreground")]
        if self._snapshot is None:
            return spread(left, [], cells)
        now = self._snapshot.now + timedelta(seconds=silent)
        time = literal(f"{now:%H:%M:%S}Z")
        room = cells - width(time) - sum(width(piece) for piece, _ in left)
        for words, style in self._counters(self._snapshot, silent):
            room -= width(words) + len(_APART)
            if room > 0:
                left += [(literal(_APART), ""), (words, style)]
        return spread(left, [(time, "$foreground 55%")], cells)

    def _status(self, silent: float) -> Pieces:
        pieces: Pieces = []
        if self.held is not None:
            pieces = [
                (literal(f" PAUSED +{units.count(self.held)} "), "bold $background on $warning"),
                (literal(" "), ""),
            ]
        if silent > STALE_SECONDS:
            return [*pieces, (literal(f"▲ NO NEWS FOR {units.age(silent)}"), "bold $text-error")]
        if self._snapshot is None:
            return [*pieces, (literal("◐ STARTING"), "bold $text-warning")]
        status = overall(self._snapshot.sources)
        badge, style = _BADGES[status]
        pieces.append((literal(badge), style))
        if status == "reading":
            pieces += [(literal(" "), ""), (progress(self._snapshot.sources), "$text-warning")]
        return pieces

    @staticmethod
    def _counters(snapshot: Snapshot, silent: float) -> Pieces:
        counters = snapshot.counters
        lag = None if snapshot.lag_seconds is None else snapshot.lag_seconds + silent
        bad = counters.malformed + counters.unrecognised
        totals = next(
            (table.totals for table in (snapshot.users, snapshot.models) if table is not None), None
        )
        worries = [
            ("late", counters.late),
            ("sampled", counters.sampled),
            ("unmetered", totals.unmetered if totals else 0),
            ("unpriced", totals.unpriced if totals else 0),
        ]
        return [
            *(
                []
                if overall(snapshot.sources) == "ended"
                else [(literal(f"lag {units.age(lag)}"), "$foreground 55%")]
            ),
            (literal(f"bad {units.count(bad)}"), "bold $text-warning" if bad else "$foreground 55%"),
            *(
                (literal(f"{word} {units.count(number)}"), "$text-warning")
                for word, number in worries
                if number
            ),
            (literal(f"{units.tokens(counters.lines)} lines"), "$foreground 55%"),
            (literal(f"{units.tokens(counters.calls)} calls"), "$foreground 55%"),
        ]


class Notice(Line):
    """What is wrong with a source, in a line of its own that is there only then."""

    def __init__(self) -> None:
        super().__init__(id="notice")
        self._troubles: tuple[SourceState, ...] = ()
        self.display = False

    def show(self, snapshot: Snapshot) -> None:
        """Speak of this snapshot from now on."""
        troubles = tuple(source for source in snapshot.sources if source.detail or source.status == "error")
        if troubles != self._troubles:
            self._troubles = troubles
            self.display = bool(troubles)
            self.refresh()

    def draw(self, cells: int) -> Content:
        """The first trouble in words, and how many more there are."""
        first, *others = self._troubles
        words = clean(f"{first.name}: {first.detail or 'cannot be read'}", 400)
        more = [(literal(f" +{len(others)} more"), "bold $text-warning")] if others else []
        text = literal(cut(words, max(0, cells - 12)))
        return spread([(literal("▲ "), "bold $text-error"), (text, "$text-error")], more, cells)
