"""Sources: how each file or log group is read, and what to do about one that is not."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Self

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.sources.source import Feed, SourceState
from llmwatch.tui.health import (
    LATE_LAG_SECONDS,
    NAME_LIMIT,
    SIGNS,
    by_trouble,
    complaint,
    is_sought,
    part,
    rank,
    severity,
    standstill,
)
from llmwatch.tui.panes.columns import figure_cell, short_count
from llmwatch.tui.widgets.column import Cell, Column, Tone
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, Piece, Pieces, content, flow, wrap

SENTENCE_LIMIT = 1000


def state_cell(source: SourceState) -> Cell:
    """A sign, a word and a colour, any of which is enough."""
    feed, running = source.feed, source.status in {"live", "reading"}
    word, done, (sign, tone) = str(source.status), "", SIGNS[source.status]
    if feed is not None and running and feed.filling is not None:
        word, done, (sign, tone) = "filling", f" {part(feed.filling)}", SIGNS["reading"]
    elif feed is not None and running and feed.live:
        word = "live tail"
    elif source.status == "reading" and source.bytes_total:
        done = f" {part(source.bytes_read / source.bytes_total)}"
    if running and complaint(source):
        sign, tone = "▲", "warning"
    return Cell(literal(f"{sign} {word}{done}"), tone)


def _of(figure: Callable[[Feed], Cell]) -> Callable[[SourceState, datetime], Cell]:
    """A figure that only log groups have."""
    return lambda source, _now: figure_cell(units.UNKNOWN) if source.feed is None else figure(source.feed)


def _worry(value: int) -> Cell:
    return figure_cell(short_count(value), "warning" if value else "faint")


def _lag(feed: Feed) -> Cell:
    behind = (feed.lag_seconds or 0.0) >= LATE_LAG_SECONDS
    return figure_cell(units.age(feed.lag_seconds), "warning" if behind else "plain")


def _latest(feed: Feed) -> Cell:
    text = units.latency(feed.late_seconds * 1000) if feed.late else ""
    return Cell(literal(text), "warning")


def _read(source: SourceState) -> Cell:
    unknown = source.feed is None if source.group else source.status == "waiting" and not source.bytes_read
    if unknown:
        return figure_cell(units.UNKNOWN)
    text = short_count(source.feed.events) if source.feed else units.size(source.bytes_read)
    return figure_cell(text, "muted")


_NAME: Column[SourceState] = Column(
    "name",
    "source",
    "The file or log group. The beginning is left out where there is no room, for ends tell them apart",
    lambda source, _now: Cell(clean(source.name, NAME_LIMIT), "strong" if rank(source) <= 2 else "plain"),
    width=22,
    right=False,
    room=42,
    ending=True,
)
_STATE: Column[SourceState] = Column(
    "state",
    "state",
    "filling: the past that was asked for is still being read; waiting: not found yet; error: not "
    "readable now",
    lambda source, _now: state_cell(source),
    width=14,
    right=False,
    room=2,
)
FEED_COLUMNS: tuple[Column[SourceState], ...] = (
    _NAME,
    _STATE,
    Column("lag", "lag", "How far behind the service's clock the reading is", _of(_lag), width=4, rank=1),
    Column(
        "rate",
        "events/s",
        "Events a second, of the last minute",
        _of(lambda feed: figure_cell(units.rate(feed.events_per_second))),
        width=8,
        rank=2,
    ),
    Column(
        "late",
        "late",
        "Events that became visible so long after their time that a plain tail would have missed them",
        _of(lambda feed: _worry(feed.late)),
        width=6,
        rank=3,
    ),
    Column("latest", "max late", "How late the latest of them was", _of(_latest), width=8, rank=5),
    Column(
        "throttled",
        "throttled",
        "Requests the service refused because there were too many",
        _of(lambda feed: _worry(feed.throttled)),
        width=9,
        rank=4,
    ),
    Column(
        "sampled",
        "sampled",
        "Updates of Live Tail in which the service left events out; they come later, by reading",
        _of(lambda feed: _worry(feed.sampled)),
        width=7,
        rank=6,
    ),
    Column(
        "requests",
        "req/min",
        "Requests to the service, a minute",
        _of(lambda feed: figure_cell(units.rate(feed.requests_per_minute), "muted")),
        width=7,
        rank=7,
    ),
    Column(
        "read",
        "read",
        "What was read: events of a log group, bytes of a file",
        lambda source, _now: _read(source),
        width=7,
        rank=8,
    ),
)
_FILE_COLUMNS: tuple[Column[SourceState], ...] = (
    _NAME,
    _STATE,
    FEED_COLUMNS[-1],
    Column(
        "size",
        "of",
        "The size of the file",
        lambda source, _now: figure_cell(units.size(source.bytes_total or None), "muted"),
        width=7,
        rank=1,
    ),
)


class SourceTable(LineTable[SourceState]):
    """One row a source. Tells when another is under the cursor."""

    def __init__(self, chosen: Callable[[], None]) -> None:
        super().__init__(FEED_COLUMNS, lambda source: source.name, id="source-table")
        self.empty = literal("nothing is being read")
        self._tell = chosen

    def select(self, index: int) -> None:
        """Put the cursor on this row."""
        super().select(index)
        self._tell()

    def on_resize(self) -> None:
        """The words about a row may need more lines than those before: the row stays in view."""
        if self._chosen:
            super().select(self.cursor)


class SourceDetail(Line):
    """All of one source in words: its whole name, what is wrong and the remedy, every figure."""

    def __init__(self) -> None:
        super().__init__(id="source-detail")
        self._source: SourceState | None = None

    def show(self, source: SourceState | None) -> None:
        """Speak of this one."""
        if source != self._source:
            self._source = source
            self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are words for."""
        del container, viewport
        return len(self._lines(width))

    def draw(self, cells: int) -> Content:
        """Name, sentences, figures."""
        return Content("\n").join(self._lines(cells))

    def _lines(self, cells: int) -> list[Content]:
        source = self._source
        if source is None or not cells:
            return []
        stalled = standstill(source)
        said: list[tuple[str, str]] = [
            ("looking for it …" if is_sought(source) else "", "$foreground 55%"),
            (complaint(source), f"$text-{severity(source)}"),
            (stalled if stalled != complaint(source) else "", "$text-warning"),
        ]
        paragraphs: list[Piece] = [(clean(source.name, NAME_LIMIT), "bold $foreground")]
        paragraphs += [(clean(words, SENTENCE_LIMIT), style) for words, style in said if words]
        wrapped = [content((line, style)) for words, style in paragraphs for line in wrap(words, cells)]
        return [*wrapped, *(content(*line) for line in flow(_facts(source), cells))]


def _fact(name: str, value: str, tone: Tone | None = None) -> Pieces:
    style = f"$text-{tone}" if tone else "$foreground"
    return [(literal(f"{name} "), "$foreground 55%"), (literal(value), style)]


def _facts(source: SourceState) -> list[Pieces]:
    """Every figure, also of the columns there is no room for."""
    feed = source.feed
    if source.group and feed is None:
        return []
    if feed is None:
        of = f" of {units.size(source.bytes_total)}" if source.bytes_total else ""
        return [_fact("read", f"{units.size(source.bytes_read)}{of}")]
    behind = (feed.lag_seconds or 0.0) >= LATE_LAG_SECONDS
    latest = units.latency(feed.late_seconds * 1000)
    facts = [
        _fact("past", f"{part(feed.filling)} read") if feed.filling is not None else [],
        _fact("lag", units.age(feed.lag_seconds), "warning" if behind else None),
        _fact("events/s", units.rate(feed.events_per_second)),
        _fact("late", f"{units.count(feed.late)} (max {latest})", "warning") if feed.late else [],
        _fact("throttled", units.count(feed.throttled), "warning") if feed.throttled else [],
        _fact("sampled", units.count(feed.sampled), "warning") if feed.sampled else [],
        _fact("requests/min", units.rate(feed.requests_per_minute)),
        _fact("Live Tail", "on") if feed.live else [],
        _fact("read", f"{units.count(feed.events)} events"),
    ]
    return [fact for fact in facts if fact]


class SourcePane(Container):
    """The table, and below it the selected row in full."""

    def __init__(self, number: int) -> None:
        super().__init__(id="sources", classes="pane")
        self._number = number
        self.table = SourceTable(self._describe)
        self.detail = SourceDetail()
        self._labels: tuple[Clean, Piece] | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.table
        yield self.detail

    def focus(self, scroll_visible: bool = True) -> Self:
        """The table takes it."""
        self.table.focus(scroll_visible)
        return self

    @property
    def selected(self) -> SourceState | None:
        """The row under the cursor."""
        return self.table.selected

    @property
    def title(self) -> Clean:
        """What is listed: `Sources · 7`."""
        return literal(f"Sources · {units.count(len(self.table.rows))}")

    @property
    def badge(self) -> Piece:
        """How many need somebody, or time."""
        troubled = [source for source in self.table.rows if complaint(source)]
        if not troubled:
            return NOTHING, ""
        worst = min(troubled, key=rank)
        return literal(f"{units.count(len(troubled))} in trouble"), f"bold $text-{severity(worst)}"

    def show(self, sources: Sequence[SourceState], now: datetime) -> None:
        """Show these, those in trouble first."""
        has_groups = any(source.group for source in sources)
        self.table.set_columns(FEED_COLUMNS if has_groups else _FILE_COLUMNS)
        self.table.set_rows(by_trouble(sources), now)
        self._describe()
        labels = (join([literal(f"{self._number} "), self.title]), self.badge)
        if labels != self._labels:
            self._labels = labels
            self.border_title = content((labels[0], "bold"))
            self.border_subtitle = content(labels[1])

    def _describe(self) -> None:
        self.detail.show(self.selected)
