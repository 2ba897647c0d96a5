"""The screen: header, figures, panes; which of them show, and what the feed is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar, TypeAlias

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import Screen

from llmwatch.clean import Clean, join, literal
from llmwatch.query.detail import DetailKind
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import Snapshot, SnapshotRequest
from llmwatch.tui.actions import bindings
from llmwatch.tui.health import why_empty
from llmwatch.tui.panes.events import EventPane, Sought
from llmwatch.tui.panes.hits import row_name
from llmwatch.tui.panes.query import QueryPane
from llmwatch.tui.panes.search import SearchPane
from llmwatch.tui.panes.sources import SourcePane
from llmwatch.tui.panes.streams import Streams
from llmwatch.tui.panes.usage import UsagePane
from llmwatch.tui.surroundings import ReadLines
from llmwatch.tui.widgets.bars import KeyBar, TabBar
from llmwatch.tui.widgets.chips import ChipBar, Rescoped, chip_text
from llmwatch.tui.widgets.header import Header
from llmwatch.tui.widgets.kpi import KpiStrip
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.notice import Notice
from llmwatch.tui.wishes import Located, Narrowed, Wanted, drilled, narrowed

if TYPE_CHECKING:
    from llmwatch.tui.panes.audit import AuditPane

PANES = ("users", "models", "events")
"""Those that are always there, and that snapshots have parts for."""
STREAMS = ("events", "search", "query")
"""Those below; a query, whose rows may be wide, is there alone."""
NUMBERS = {"users": 1, "models": 2, "events": 3, "sources": 4, "search": 5, "query": 6, "audit": 7}
WIDE, HIGH, TALL = 120, 26, 36
"""Columns and lines from which panes stand side by side; lines from which the figures have room."""
ROOMY = 44
"""Lines from which the sources or audit logs stand there too."""

REPEATED = 500
"""Known events in one snapshot from which the feed is told to send only newer ones."""

Pane: TypeAlias = "UsagePane | EventPane | SourcePane | SearchPane | QueryPane | AuditPane"


class MonitorScreen(Screen[None], inherit_bindings=False):
    """Everything a person watches."""

    BINDINGS = bindings("monitor")
    ALLOW_SELECT = False
    AUTO_FOCUS: ClassVar[str | None] = "#users"

    def __init__(
        self, header: Header, title: Clean, search: SearchPane, query: QueryPane, read: ReadLines
    ) -> None:
        super().__init__()
        self.header = header
        self._title = title
        self.chips, self.notice, self.kpis = ChipBar(), Notice(), KpiStrip()
        self.tabs, self.keys = TabBar(), KeyBar()
        self.users, self.models, self.events = UsagePane("user", 1), UsagePane("model", 2), EventPane(3)
        self.sources, self.search, self.query_pane = SourcePane(4), search, query
        self.sources.display = self.search.display = self.query_pane.display = False
        self.panes: dict[str, Pane] = {
            "users": self.users,
            "models": self.models,
            "events": self.events,
            "sources": self.sources,
            "search": self.search,
            "query": self.query_pane,
        }
        self.audit: AuditPane | None = None
        """Made when it is first wanted: few watch audit logs, and everybody waits for the first picture."""
        self.streams = Streams(self.events, search, query, read)
        self.snapshot: Snapshot | None = None
        self._paused_at: int | None = None
        self._zoomed = False
        self._owed = False
        """The person changed what is shown: the next snapshot is drawn even when the picture is held."""
        self._finding: tuple[Sought, int] | None = None
        """A search that waits for the events of a pane that was hidden."""
        self._active, self._stream = "users", "events"
        self._located = False
        """The events show a line that the audit pane led to."""
        self._opened: dict[str, str] = {}
        """The panes that were opened, and which had the focus then."""
        self._after_seq = -1
        self._request: SnapshotRequest | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom; the stylesheet says where."""
        yield self.header
        yield self.chips
        yield self.notice
        yield self.kpis
        yield self.tabs
        with Container(id="panes"):
            with Container(id="groups"):
                yield self.users
                yield self.models
            yield self.sources
            yield self.streams
        yield self.keys

    # What is on screen

    @property
    def single(self) -> bool:
        """Whether one pane has the screen to itself."""
        needed = ROOMY if {"sources", "audit"} & self._opened.keys() else HIGH
        return self._zoomed or self.size.width < WIDE or self.size.height < needed

    @property
    def names(self) -> Mapping[str, int]:
        """The panes there are now, by number."""
        return {name: number for name, number in NUMBERS.items() if name in PANES or name in self._opened}

    @property
    def pane(self) -> Pane:
        """The pane with the focus, or the only one."""
        return self.panes[self._active]

    def on_resize(self) -> None:
        """What fits decides what is shown."""
        self._arrange()

    def _arrange(self) -> None:
        single = self.single
        if self._active in STREAMS:
            self._stream = self._active
        self.set_class(single, "-single")
        self.set_class(self.size.height >= TALL, "-tall")
        for name, pane in self.panes.items():
            beside = name not in STREAMS or (name == "query") == (self._stream == "query")
            pane.display = name in self.names and ((beside and not single) or name == self._active)
        self.query_one("#groups").display = self.users.display or self.models.display
        asking = self.search.display or self.query_pane.display
        self.streams.display = self.events.display or asking
        self.set_class(asking and not single, "-asking")
        self.kpis.display = not (self._zoomed and self.size.height < HIGH)
        self.tabs.display = single
        self.pane.focus(scroll_visible=False)
        self._draw_tabs()
        self._ask()

    def _ask(self) -> None:
        shown = {name for name in (*PANES, "audit") if name in self.panes and self.panes[name].display}
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
            self.post_message(Wanted(request))

    def show(self, snapshot: Snapshot) -> None:
        """Take in a snapshot, and show it unless the picture is held."""
        if self.snapshot is not None and snapshot.scope_version != self.snapshot.scope_version:
            self._owed = True
        self.snapshot = snapshot
        limit = self._request.event_limit if self._request else 0
        known = self.events.take(snapshot, limit)
        if self._paused_at is not None and self._owed:
            self._paused_at = snapshot.events_total
        self.header.held = None if self._paused_at is None else snapshot.events_total - self._paused_at
        self.header.show(snapshot)
        self.chips.show(self.chips.scope, snapshot.now)
        self.notice.show(snapshot)
        self.search.show(snapshot, held=self._paused_at is not None)
        if self._paused_at is None or self._owed:
            self._draw(snapshot)
        if self._finding is not None and self.events.rows:
            self.call_after_refresh(self._find, *self._finding)
        if known >= REPEATED:
            self._after_seq = self.events.last_seq
            self._ask()

    def _draw(self, snapshot: Snapshot) -> None:
        self._owed = False
        empty = why_empty(snapshot, self._title, filtered=bool(self.chips.scope.filters))
        self.users.empty = self.models.empty = self.events.empty = empty
        self.kpis.show(snapshot.kpis)
        if self.users.display:
            self.users.show(snapshot.users, snapshot.now)
        if self.models.display:
            self.models.show(snapshot.models, snapshot.now)
        if self.events.display:
            self.events.show(snapshot.events_total, snapshot.now)
        if self.sources.display:
            self.sources.show(snapshot.sources, snapshot.now)
        if self.audit is not None and self.audit.display:
            self.audit.show(snapshot.audit, snapshot.now)
        self._draw_tabs()

    def _draw_tabs(self) -> None:
        if self.single:
            self.tabs.show(self.names, self._active, self.pane.title, self.pane.badge)

    def rescope(self, scope: Scope) -> None:
        """Speak of another scope: of the one before nothing is kept."""
        self.chips.show(scope)
        self._after_seq = -1
        self._ask()
        if "search" in self._opened:
            self.search.begin()

    # Keys

    def action_pane(self, name: str) -> None:
        """To a pane by name."""
        if name not in self.names:
            self._opened[name] = self._active
            if name == "audit" and self.audit is None:
                self._make_audit()
            if self.snapshot is not None and name == "sources":
                self.sources.show(self.snapshot.sources, self.snapshot.now)
        self._active = name
        self._arrange()
        if self.snapshot is not None and self._paused_at is None:
            self._draw(self.snapshot)

    def action_sources(self) -> None:
        """Open the sources, or close them and go back to where that was."""
        if self.sources.display:
            self._close("sources")
        else:
            self.action_pane("sources")

    def action_audit(self) -> None:
        """Open the audit logs, or close them and go back to where that was."""
        if self.audit is not None and self.audit.display:
            self._close("audit")
        else:
            self.action_pane("audit")

    def _make_audit(self) -> None:
        from llmwatch.tui.panes.audit import AuditPane

        self.audit = self.panes["audit"] = AuditPane(NUMBERS["audit"])
        self.query_one("#panes").mount(self.audit, before=self.streams)

    def _close(self, name: str) -> None:
        """Away with a pane, and to where it was opened from."""
        back = self._opened.pop(name)
        wanted = back if self._active == name else self._active
        self.action_pane(wanted if wanted in self.names else PANES[0])

    def action_step_pane(self, step: int) -> None:
        """To the pane after or before."""
        names = list(self.names)
        self.action_pane(names[(names.index(self._active) + step) % len(names)])

    def on_descendant_focus(self) -> None:
        """A click on a pane makes it the one the keys speak to."""
        around = self.focused.ancestors_with_self if self.focused is not None else []
        self._active = next((name for name, pane in self.panes.items() if pane in around), self._active)
        self.keys.show(self.query_pane.keys if self._active == "query" else self._active)
        self.chips.put_aside(self._active == "query")

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

    def action_search(self) -> None:
        """Type what to look for."""
        self.action_pane("search")
        self.search.type()

    def action_query(self) -> None:
        """Write a query."""
        self.action_pane("query")
        self.query_pane.action_edit()

    def action_hit(self, step: int) -> None:
        """To the next hit, and into its context, wherever the person is."""
        entering = not self.events.display and self._active != "search"
        if not self.streams.step(step, entering=entering):
            self.notify("No hits: press / and type what to look for.", markup=False)

    def action_back(self) -> None:
        """One thing at a time: end a search that runs, leave the context, close the search. Filters stay."""
        searching = "search" in self._opened
        if searching and self.search.cancel():
            return
        looked = self.streams.leave()
        located, self._located = self._located and "audit" in self._opened, False
        if self._active in {"search", "query", "audit"}:
            self._close(self._active)
        elif looked and self.single and located:
            self.action_pane("audit")
        elif looked and self.single and searching:
            self.action_pane("search")
        self._draw_tabs()

    def action_narrow(self, negated: bool) -> None:
        """Everything is to be of the selected row, or of all but it."""
        wish = narrowed(self.pane.selected, self._dimension, negated=negated)
        if self.pane is self.search and self.search.text:
            wish = Narrowed(self.search.text, negated=negated)
        if wish is not None:
            self.post_message(wish)
        else:
            words = "Nothing to narrow to: choose a user, a model, or an event of a request."
            self.notify(words, markup=False)

    def action_widen(self) -> None:
        """Away with the filter that came last."""
        scope = self.chips.scope
        if not scope.chips:
            self.notify("No filter is there to take away.", markup=False)
            return
        self.post_message(Rescoped(replace(scope, chips=scope.chips[:-1])))
        words = join([literal("Took away the filter "), chip_text(scope.chips[-1])])
        self.notify(words.text, markup=False)

    @property
    def _dimension(self) -> DetailKind:
        return "user" if self.pane is self.users else "model"

    def action_detail(self) -> None:
        """Open the selected row."""
        self._drill(self.pane.selected)

    def action_find(self, what: Sought, step: int) -> None:
        """To the next event of a kind, in the events pane."""
        hidden = not self.events.display
        self.action_pane("events")
        if hidden:
            self._finding = (what, step)
        else:
            self._find(what, step)

    def _find(self, what: Sought, step: int) -> None:
        self._finding = None
        if not self.events.find(what, step):
            self.notify(self.events.unfound(what), markup=False)

    def action_copy(self) -> None:
        """The selected row's name, cleaned: a clipboard is pasted into shells."""
        if isinstance(self.pane, QueryPane):
            self.pane.action_copy()
            return
        name = None if self.pane.selected is None else row_name(self.pane.selected)
        if self.pane is self.audit:
            name = self.audit.copied
        if name is not None:
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
        """Where a hit and its context cannot stand side by side, enter goes from one to the other."""
        if self.single and message.table is self.search.table:
            self.streams.enter()
        elif (
            self.single
            and message.table is self.events
            and self.events.context is not None
            and "search" in self._opened
        ):
            self.action_pane("search")
        else:
            self._drill(message.row)

    @on(Located)
    def _locate(self, message: Located) -> None:
        self._located = True
        self.streams.look_at(message.seq)

    def _drill(self, row: object) -> None:
        if wish := drilled(row, self._dimension):
            self.post_message(wish)

    @on(Streams.Looked)
    def _looked(self, message: Streams.Looked) -> None:
        if message.entered:
            self.action_pane("events")
        self._draw_tabs()
