"""The line that says whether to trust the screen: live or not, how late, how much was not understood."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from posixpath import basename
from typing import TYPE_CHECKING

from textual.content import Content

from llmwatch import units
from llmwatch.clean import Clean, clean, literal
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import SourceState, SourceStatus
from llmwatch.tui.health import (
    LATE_LAG_SECONDS,
    SIGNS,
    Feeds,
    overall,
    part,
    progress,
    together,
)
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import Piece, Pieces, cut_start, spread, width

if TYPE_CHECKING:
    from llmwatch.audit.findings import Finding

STALE_SECONDS = 15.0
"""A feed that is well sends something every few seconds; after this long the header says it does not."""

_STYLES: dict[SourceStatus, str] = {
    "reading": "bold $text-warning",
    "live": "bold $text-success",
    "error": "bold $text-error",
    "waiting": "bold $text-warning",
    "ended": "bold $foreground 55%",
}
_QUIET, _WARNING, _ERROR = "$foreground 55%", "$text-warning", "$text-error"
_APART = "   "
_BROKEN_PLACE = 32
"""Cells for the place of a break: a day's file, and its line."""

_DEGREES = ((80, 0, 3), (32, 0, 3), (20, 1, 3), (12, 1, 2), (8, 1, 2))
"""Ever less room: cells of the title, which form of the figures, blanks between them."""


@dataclass(frozen=True, slots=True)
class Figure:
    """One of the header's, at full length and in short, which say the same number."""

    words: Clean
    short: Clean
    style: str

    def form(self, number: int) -> Piece:
        """Full (0) or short (1)."""
        return (self.short if number else self.words, self.style)


def _figure(words: str, style: str = _QUIET, short: str = "") -> Figure:
    return Figure(literal(words), literal(short or words), style)


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
        """Status and title at the left, clock at the right, figures in between."""
        silent = self._clock() - self._arrived
        status = [*self._status(silent), (literal("  "), "")]
        snapshot = self._snapshot
        if snapshot is None:
            return spread([*status, (self._title, "bold $foreground")], [], cells)
        now = snapshot.now + timedelta(seconds=silent)
        time = literal(f"{now:%H:%M:%S}Z")
        room = cells - width(time) - 1 - _width(status)
        shown = self._fitted(_needed(snapshot, silent), _totals(snapshot), room)
        return spread([*status, *shown], [(time, _QUIET)], cells)

    def _fitted(self, needed: list[Figure], others: list[Figure], room: int) -> Pieces:
        """Title and figures in the most generous degree in which all that are needed fit.

        When none is small enough, some stay out whole, and are counted: first those that are no trouble, then
        the last ones.
        """
        pieces: Pieces = []
        for degree in _DEGREES:
            pieces = self._arranged(needed, degree)
            if _width(pieces) <= room:
                return _filled(pieces, others, room)
        needed = sorted(needed, key=lambda figure: figure.style == _QUIET)
        for kept in range(len(needed) - 1, -1, -1):
            more = literal(f"  +{len(needed) - kept}")
            pieces = [*self._arranged(needed[:kept], _DEGREES[-1]), (more, "bold $text-warning")]
            if _width(pieces) <= room:
                break
        return pieces

    def _arranged(self, figures: list[Figure], degree: tuple[int, int, int]) -> Pieces:
        title, form, apart = degree
        pieces: Pieces = [(literal(cut_start(self._title, title)), "bold $foreground")]
        for figure in figures:
            pieces += [(literal(" " * apart), ""), figure.form(form)]
        return pieces

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
        if self._snapshot.audit is not None and self._snapshot.audit.broken is not None:
            pieces += [
                (_broken(self._snapshot.audit.broken), "bold $background on $error"),
                (literal(" "), ""),
            ]
        sources = self._snapshot.sources
        feeds = together(sources)
        return [*pieces, *(_badge(sources) if feeds is None else _feed_badge(feeds, overall(sources)))]


def _broken(finding: Finding) -> Clean:
    """Where a chain is broken: what an audit log says is not what was written."""
    place = basename(finding.file) + ("" if finding.line is None else f":{finding.line}")
    return literal(f" CHAIN BROKEN {cut_start(clean(place, 256), _BROKEN_PLACE)} ")


def _width(pieces: Pieces) -> int:
    return sum(width(piece) for piece, _ in pieces)


def _filled(pieces: Pieces, figures: list[Figure], room: int) -> Pieces:
    """These, and as many of the figures as there is room for."""
    pieces, room = list(pieces), room - _width(pieces)
    for figure in figures:
        room -= width(figure.words) + len(_APART)
        if room >= 0:
            pieces += [(literal(_APART), ""), figure.form(0)]
    return pieces


def _badge(sources: tuple[SourceState, ...]) -> Pieces:
    status = overall(sources)
    pieces: Pieces = [(literal(f"{SIGNS[status][0]} {status.upper()}"), _STYLES[status])]
    if status == "reading":
        pieces += [(literal(" "), ""), (progress(sources), _WARNING)]
    return pieces


def _feed_badge(feeds: Feeds, status: SourceStatus) -> Pieces:
    """The state of log groups, and how many of them are in it when some are not.

    A group that has more to read at this moment is as live as one that has not: a word that changed with
    every page would say nothing.
    """
    if status == "reading":
        status = "live"
    style, few = _STYLES[status], feeds.working < feeds.sources
    if feeds.filling is not None and status == "live":
        pieces: Pieces = [
            (literal("◐ FILLING"), _STYLES["reading"]),
            (literal(f" {part(feeds.filling)}"), _WARNING),
        ]
    else:
        pieces = [(literal(f"{SIGNS[status][0]} {status.upper()}"), style)]
    if few and feeds.working:
        words = literal(f" {feeds.working}/{feeds.sources}")
        pieces.append((words, _ERROR if feeds.failing else _WARNING))
    return pieces


def _needed(snapshot: Snapshot, silent: float) -> list[Figure]:
    """Those that say whether to trust the screen, in the order of what an on-call needs.

    What log groups suffer without a loss comes last: it is in the Sources pane too.
    """
    feeds, status, worries = together(snapshot.sources), overall(snapshot.sources), _worries(snapshot)
    if feeds is not None:
        return [*_pace(feeds, status), *worries, *_hardships(feeds)]
    lag = None if snapshot.lag_seconds is None else snapshot.lag_seconds + silent
    return [
        *([] if status == "ended" else [_figure(f"lag {units.age(lag)}")]),
        *([] if _bad(snapshot) else [_figure("bad 0")]),
        *worries,
    ]


def _pace(feeds: Feeds, status: SourceStatus) -> list[Figure]:
    """The two that always change are padded: what stands after them stays where it is.

    The lag is that of the snapshot: unlike an age, it does not grow between two of them.
    """
    lag = feeds.lag_seconds
    behind = lag is not None and lag >= LATE_LAG_SECONDS
    rate = units.rate(feeds.events_per_second)
    figures = [_figure(f"stalled {units.age(feeds.stalled_seconds)}", _WARNING)] if feeds.stalled else []
    if status != "ended":
        age = units.age(lag)
        if lag is not None or not feeds.stalled:
            figures.append(_figure(f"lag {age:<3}", _WARNING if behind else _QUIET, f"lag {age}"))
        figures.append(_figure(f"{rate:>4} events/s", _QUIET, f"{rate}/s"))
    return figures


def _hardships(feeds: Feeds) -> list[Figure]:
    """What is zero is not there, so that what is there is seen."""
    latest = units.latency(feeds.late_seconds * 1000)
    figures = []
    if feeds.late:
        late = units.count(feeds.late)
        figures.append(_figure(f"late {late} (max {latest})", _WARNING, f"late {late}"))
    for word, number in (("throttled", feeds.throttled), ("sampled", feeds.sampled)):
        if number:
            figures.append(_figure(f"{word} {units.count(number)}", _WARNING))
    return figures


def _bad(snapshot: Snapshot) -> int:
    return snapshot.counters.malformed + snapshot.counters.unrecognised


def _worries(snapshot: Snapshot) -> list[Figure]:
    """What the figures below are short of."""
    bad, counters = _bad(snapshot), snapshot.counters
    worries = (("unmetered", counters.unmetered), ("unpriced", counters.unpriced))
    return [
        *([_figure(f"bad {units.count(bad)}", "bold $text-warning")] if bad else []),
        *(_figure(f"{word} {units.count(number)}", _WARNING) for word, number in worries if number),
    ]


def _totals(snapshot: Snapshot) -> list[Figure]:
    counters = snapshot.counters
    return [
        _figure(f"{units.tokens(counters.lines)} lines"),
        _figure(f"{units.tokens(counters.calls)} calls"),
        *([_figure("chain ok")] if _holds(snapshot) else []),
    ]


def _holds(snapshot: Snapshot) -> bool:
    """Whether there are audit logs, and every chain holds under a key that was given."""
    audited = snapshot.audit
    return audited is not None and {file.state for file in audited.files} == {"ok"}
