"""The screen: header, figures, panes; which of them show, and what the feed is asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import ClassVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message
from textual.screen import Screen

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.detail import DetailKey, DetailKind
from llmwatch.query.snapshot import EventRow, Snapshot, SnapshotRequest
from llmwatch.sources.source import SourceState
from llmwatch.tui.actions import bindings
from llmwatch.tui.health import complaint, is_sought, overall, progress
from llmwatch.tui.panes.columns import UNKNOWN_NAME, UsageLine, is_bad, is_error
from llmwatch.tui.panes.events import EventPane
from llmwatch.tui.panes.sources import NAME_LIMIT, SourcePane
from llmwatch.tui.panes.usage import UsagePane
from llmwatch.tui.widgets.bars import KeyBar, TabBar
from llmwatch.tui.widgets.header import Header
from llmwatch.tui.widgets.kpi import KpiStrip
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.notice import Notice
from llmwatch.tui.widgets.text import NOTHING, Piece

PANES = ("users", "models", "events")
WIDE, HIGH, TALL = 120, 26, 36
"""Columns and lines from which panes stand side by side; lines from which the figures have room."""
ROOMY = 44
"""Lines from which the sources stand there too."""

REPEATED = 500
"""Known events in one snapshot from which the feed is told to send only newer ones."""

_FIND: dict[str, tuple[Callable[[EventRow], bool], str]] = {
    "error": (is_error, "error"),
    "bad": (is_bad, "line that was not understood"),
}


class MonitorScreen(Screen[None], inherit_bindings=False):
    """Everything a person watches."""

    BINDINGS = bindings("monitor")
    ALLOW_SELECT = False
    AUTO_FOCUS: ClassVar[str | None] = "#users"

    class Wanted(Message):
        """The screen now shows something else: the feed is asked for it."""

        def __init__(self, request: SnapshotRequest) -> None:
            super().__init__()
            self.request = request

    class Drilled(Message):
        """A row was opened."""

        def __init__(self, kind: DetailKind, key: DetailKey, name: Clean) -> None:
            super().__init__()
            self.kind: DetailKind = kind
            self.key = key
            self.name = name

    def __init__(self, header: Header, title: Clean) -> None:
        super().__init__()
        self.header = header
        self._title = title
        self.notice, self.kpis, self.tabs, self.keys = Notice(), KpiStrip(), TabBar(), KeyBar()
        self.users, self.models, self.events = UsagePane("user", 1), UsagePane("model", 2), EventPane(3)
        self.sources = SourcePane(4)
        self.sources.display = False
        self.panes: dict[str, UsagePane | EventPane | SourcePane] = {
            "users": self.users,
            "models": self.models,
            "events": self.events,
            "sources": self.sources,
        }
        self.snapshot: Snapshot | None = None
        self._paused_at: int | None = None
        self._zoomed = False
        self._owed = False
        """The person changed what is shown: the next snapshot is drawn even when the picture is held."""
        self._finding: tuple[str, int] | None = None
        """A search that waits for the events of a pane that was hidden."""
        self._active = "users"
        self._opened_from: str | None = None
        """The pane that had the focus when the sources were opened; None when they are closed."""
        self._after_seq = -1
        self._request: SnapshotRequest | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom; the stylesheet says where."""
        yield self.header
        yield self.notice
        yield self.kpis
        yield self.tabs
        with Container(id="panes"):
            with Container(id="groups"):
                yield self.users
                yield self.models
            yield self.sources
            yield self.events
        yield self.keys

    # What is on screen

    @property
    def single(self) -> bool:
        """Whether one pane has the screen to itself."""
        needed = HIGH if self._opened_from is None else ROOMY
        return self._zoomed or self.size.width < WIDE or self.size.height < needed

    @property
    def names(self) -> tuple[str, ...]:
        """The panes there are now."""
        return PANES if self._opened_from is None else (*PANES, "sources")

    @property
    def pane(self) -> UsagePane | EventPane | SourcePane:
        """The pane with the focus, or the only one."""
        return self.panes[self._active]

    def on_resize(self) -> None:
        """What fits decides what is shown."""
        self._arrange()

    def _arrange(self) -> None:
        single = self.single
        self.set_class(single, "-single")
        self.set_class(self.size.height >= TALL, "-tall")
        for name, pane in self.panes.items():
            pane.display = name in self.names and (not single or name == self._active)
        self.query_one("#groups").display = self.users.display or self.models.display
        self.kpis.display = not (self._zoomed and self.size.height < HIGH)
        self.tabs.display = single
        self.keys.show(self._active)
        self.pane.focus(scroll_visible=False)
        self._draw_tabs()
        self._ask()

    def _ask(self) -> None:
        shown = {name for name in PANES if not self.single or name == self._active}
        users, models = self.users.sort or ("cost_usd", True), self.models.sort or ("cost_usd", True)
        request = SnapshotRequest(
            panes=frozenset({*shown, *(["kpis"] if self.kpis.display else [])}),  # type: ignore[arg-type]
            users_sort=users[0],
            users_descending=users[1],
            models_sort=models[0],
            models_descending=models[1],
            after_seq=self._after_seq,
        )
        if request != self._request:
            before = self._request and replace(self._request, after_seq=self._after_seq)
            self._owed = self._owed or before != request
            self._request = request
            self.post_message(self.Wanted(request))

    def show(self, snapshot: Snapshot) -> None:
        """Take in a snapshot, and show it unless the picture is held."""
        self.snapshot = snapshot
        limit = self._request.event_limit if self._request else 0
        known = self.events.take(snapshot, limit)
        if self._paused_at is not None and self._owed:
            self._paused_at = snapshot.events_total
        self.header.held = None if self._paused_at is None else snapshot.events_total - self._paused_at
        self.header.show(snapshot)
        self.notice.show(snapshot)
        if self._paused_at is None or self._owed:
            self._draw(snapshot)
        if self._finding is not None and self.events.rows:
            self.call_after_refresh(self._find, *self._finding)
        if known >= REPEATED:
            self._after_seq = self.events.last_seq
            self._ask()

    def _draw(self, snapshot: Snapshot) -> None:
        self._owed = False
        self.users.empty = self.models.empty = self.events.empty = self._empty(snapshot)
        self.kpis.show(snapshot.kpis)
        if self.users.display:
            self.users.show(snapshot.users, snapshot.now)
        if self.models.display:
            self.models.show(snapshot.models, snapshot.now)
        if self.events.display:
            self.events.show(snapshot.events_total, snapshot.now)
        if self.sources.display:
            self.sources.show(snapshot.sources, snapshot.now)
        self._draw_tabs()

    def _draw_tabs(self) -> None:
        if self.single:
            self.tabs.show(self.names, self._active, self.pane.title, self._badge())

    def _badge(self) -> Piece:
        if self._active == "events":
            return self.events.badge, "$foreground 55%" if self.events.following else "bold $text-warning"
        return self.sources.badge if self._active == "sources" else (NOTHING, "")

    def _empty(self, snapshot: Snapshot) -> Clean:
        """Why there is nothing, and what would bring something."""
        status = overall(snapshot.sources)
        if status == "reading":
            return join([literal("reading "), self._title, literal(" … "), progress(snapshot.sources)])
        if status in {"waiting", "error"} and any(complaint(source) for source in snapshot.sources):
            return join(
                [literal("nothing read yet from "), self._title, literal(": press o for its sources")]
            )
        if status == "waiting":
            return self._awaited(snapshot.sources)
        if snapshot.counters.lines and not snapshot.counters.events:
            return literal("lines were read and none was understood: press 3 and b to see them")
        ending = ": it has ended" if status == "ended" else ": send a request through the gateway"
        return join([literal("no calls yet in "), self._title, literal(ending)])

    def _awaited(self, sources: tuple[SourceState, ...]) -> Clean:
        sought = [clean(source.name, NAME_LIMIT) for source in sources if is_sought(source)]
        if len(sought) > 1:
            return literal(f"looking for the log groups of {units.count(len(sought))} names …")
        if sought:
            return join([literal("looking for log group "), sought[0], literal(" …")])
        return join([literal("waiting for "), self._title, literal(" to appear")])

    # Keys

    def action_pane(self, name: str) -> None:
        """To a pane by name."""
        if name == "sources" and self._opened_from is None:
            self._opened_from = self._active
            if self.snapshot is not None:
                self.sources.show(self.snapshot.sources, self.snapshot.now)
        self._active = name
        self._arrange()
        if self.snapshot is not None and self._paused_at is None:
            self._draw(self.snapshot)

    def action_sources(self) -> None:
        """Open the sources, or close them and go back to where that was."""
        back = self._opened_from
        if back is None or not self.sources.display:
            self.action_pane("sources")
            return
        self._opened_from = None
        self.action_pane(back if self._active == "sources" else self._active)

    def action_step_pane(self, step: int) -> None:
        """To the pane after or before."""
        names = self.names
        self.action_pane(names[(names.index(self._active) + step) % len(names)])

    def on_descendant_focus(self) -> None:
        """A click on a pane makes it the one the keys speak to."""
        self._active = next(
            (name for name, pane in self.panes.items() if self.focused in (pane, *pane.children)),
            self._active,
        )
        self.keys.show(self._active)

    def action_zoom(self) -> None:
        """One pane alone, or all again."""
        self._zoomed = not self._zoomed
        self.action_pane(self._active)

    def action_sort(self, step: int) -> None:
        """By the next column."""
        if isinstance(self.pane, UsagePane):
            self.pane.step_sort(step)
            self._ask()

    def action_reverse(self) -> None:
        """The other way round."""
        if isinstance(self.pane, UsagePane):
            self.pane.reverse()
            self._ask()

    def action_pause(self) -> None:
        """Hold the picture, or let it go on from what has come meanwhile."""
        total = self.snapshot.events_total if self.snapshot else 0
        self._paused_at = total if self._paused_at is None else None
        self.header.held = None if self._paused_at is None else 0
        self.header.refresh()
        if self._paused_at is None and self.snapshot is not None:
            self._draw(self.snapshot)

    def action_follow(self) -> None:
        """Stay with the newest event."""
        self.action_pane("events")
        self.events.follow()

    def action_find(self, what: str, step: int) -> None:
        """To the next event of a kind, in the events pane."""
        hidden = not self.events.display
        self.action_pane("events")
        if hidden:
            self._finding = (what, step)
        else:
            self._find(what, step)

    def _find(self, what: str, step: int) -> None:
        wanted, noun = _FIND[what]
        self._finding = None
        if not self.events.find(wanted, step):
            self.notify(f"No {noun} in the last {units.count(len(self.events.rows))} events.", markup=False)

    def action_copy(self) -> None:
        """The selected row's name, cleaned: a clipboard is pasted into shells."""
        row = self.pane.selected
        if row is not None:
            name = _name(row)
            self.app.copy_to_clipboard(name.text)
            self.notify(join([literal("Copied "), name]).text, markup=False)

    # Messages of the panes

    @on(LineTable.SortRequested)
    def _sort(self, message: LineTable.SortRequested) -> None:
        if isinstance(message.table, UsagePane):
            message.table.sort_by(message.column)
            self._ask()

    @on(LineTable.FollowChanged)
    def _follow(self) -> None:
        self.events.mark_left()
        self._draw_tabs()

    @on(LineTable.Opened)
    def _open(self, message: LineTable.Opened) -> None:
        row = message.row
        if isinstance(row, EventRow):
            self.post_message(self.Drilled("event", row.seq, _name(row)))
        elif isinstance(row, UsageLine):
            kind: DetailKind = "user" if message.table is self.users else "model"
            self.post_message(self.Drilled(kind, row.key, _name(row)))


def _name(row: UsageLine | EventRow | SourceState) -> Clean:
    """What a row is called."""
    if isinstance(row, SourceState):
        return clean(row.name, NAME_LIMIT)
    if isinstance(row, UsageLine):
        return UNKNOWN_NAME if row.key is None else clean(row.key, 1024)
    return clean(row.request_id or row.message or f"line {row.line}", 1024)
