"""The search: what is typed, how much of the log it is, and the newest of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import ClassVar, Self

from textual import events, on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Container
from textual.message import Message
from textual.widgets import Input

from llmwatch import units
from llmwatch.clean import Clean, clean, literal
from llmwatch.errors import SourceError
from llmwatch.query.filters.marks import Finder, marks
from llmwatch.query.found import Found
from llmwatch.query.snapshot import Snapshot
from llmwatch.tui.actions import bindings
from llmwatch.tui.filters import Filters
from llmwatch.tui.health import part
from llmwatch.tui.history import History
from llmwatch.tui.looking import Look, Looking, Pause, Saw, Search, Seen
from llmwatch.tui.panes.hits import Hit, call_columns, event_columns, hits, marking
from llmwatch.tui.screens.columns import ColumnsScreen
from llmwatch.tui.widgets.column import Column
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, Piece, Pieces, content
from llmwatch.tui.widgets.typed import Typed, Words

EXAMPLES = "text, /regex/, user:alice, cost>0.5, -status:ok …"
AGAIN_SECONDS = 3.0
"""So long after a search its answer is brought up to date, when lines came and it took less than `CHEAP_SECONDS`."""
CHEAP_SECONDS = 1.0

_QUIET, _WARNING = "$foreground 55%", "$text-warning"


class SearchInput(Typed):
    """Where it is typed. Up and down bring back what was looked for before."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("up", "past(1)", show=False),
        Binding("down", "past(-1)", show=False),
    ]

    def __init__(self, history: History) -> None:
        super().__init__(id="search-input", placeholder=EXAMPLES)
        self._history = history
        self._back = 0
        """Searches before now of what is shown; 0 is what is being typed."""

    def remember(self) -> None:
        """What is typed was looked for in earnest. Raises SourceError when that cannot be written down."""
        self._back = 0
        if text := self.value.strip():
            self._history.add(text)

    def action_past(self, step: int) -> None:
        """One search back, or forth again."""
        entries = self._history.entries
        self._back = max(0, min(self._back + step, len(entries)))
        self.value = entries[-self._back] if self._back else ""
        self.cursor_position = len(self.value)


class HitTable(LineTable[Hit]):
    """The hits, newest first. Tells when a person goes to another."""

    def __init__(self, chosen: Callable[[], None]) -> None:
        super().__init__(event_columns(), lambda hit: hit.seq, id="hits")
        self._tell = chosen

    @property
    def chosen(self) -> bool:
        """Whether a person went to one."""
        return self._chosen

    def begin(self) -> None:
        """What comes has nothing to do with what was there."""
        self._chosen = False
        self.scroll_to(y=0, animate=False, force=True)

    def select(self, index: int) -> None:
        """Put the cursor on this row."""
        super().select(index)
        if self.rows:
            self._tell()

    def enter(self) -> None:
        """The first of them is what is looked at, unless another was chosen."""
        if self.rows and not self._chosen:
            self.select(self.cursor)


class SearchPane(Container):
    """An input, a line of counts, and the hits. What is typed is never waited for."""

    BINDINGS = bindings("search")
    badge: Piece = (NOTHING, "")

    @dataclass
    class Chosen(Message):
        """A person looks at this hit."""

        seq: int

    def __init__(
        self, number: int, search: Search, filters: Filters, clock: Callable[[], float], history: History
    ) -> None:
        super().__init__(id="search", classes="pane")
        self._number = number
        self._clock = clock
        self.typed, self.words = SearchInput(history), Words("search-words")
        self.table = HitTable(self._choose)
        self.looking = Looking(self, search, filters.read)
        self.hidden: frozenset[str] = frozenset()
        """The columns a person does not want."""
        self._look = Look("")
        self._seen: Seen | None = None
        """What is on screen."""
        self.finder: Finder | None = None
        """Of the texts that were looked for."""
        self._entering = False
        """A person wants to go to the first hit, which is not there yet."""
        self._running = False
        self._stopped = False
        self._pause = Pause(self.begin)
        self._lines = self._lines_then = 0
        """Lines read by now, and when the search began."""
        self._now: datetime | None = None
        self._as_of: datetime | None = None
        """When the search began."""
        self._ended = 0.0

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.typed
        yield self.words
        yield self.table

    def focus(self, scroll_visible: bool = True) -> Self:
        """The hits take it, if a person has chosen among them; else the input."""
        if not self.typed.has_focus and not self.table.has_focus:
            (self.table if self.table.chosen else self.typed).focus(scroll_visible)
        return self

    def type(self) -> None:
        """To the input, where what is there is replaced by what is typed, and stays when a key moves the cursor."""
        self.typed.focus()
        self.typed.select_all()
        if self._seen is None:
            self.begin()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._pause.drop()
        self.looking.cancel()

    # Looking

    def begin(self, *, quiet: bool = False) -> None:
        """Look for what is typed now."""
        self._pause.drop()
        self._look = replace(self._look, text=self.typed.value.strip())
        self._running, self._stopped = True, False
        self._lines_then, self._as_of = self._lines, self._now
        self.looking.begin(self._look, quiet=quiet)

    def cancel(self) -> bool:
        """End a search; whether there was one."""
        running = self._running or self._pause.waiting
        self._pause.drop()
        self.looking.cancel()
        self._running, self._stopped, self._entering = False, running, False
        self._say()
        return running

    @on(Input.Changed)
    def _typing(self, message: Input.Changed) -> None:
        message.stop()
        self._pause.drop()
        if message.value.strip() != self._look.text or self._seen is None:
            self._pause.begin()

    @on(Input.Submitted)
    def _typed(self, message: Input.Submitted) -> None:
        message.stop()
        self._remember()
        if self._pause.waiting:
            self.begin()
        if not self._running and self._seen is not None and self._seen.fault is not None:
            return
        self._entering = True
        self.table.focus()
        if not self._running:
            self._enter()

    def _enter(self) -> None:
        """To the first hit of what was typed, not of what was there before."""
        self._entering = False
        self.table.enter()

    def _remember(self) -> None:
        try:
            self.typed.remember()
        except SourceError as error:
            self.notify(clean(error, 400).text, severity="warning", markup=False)

    def show(self, snapshot: Snapshot, *, held: bool = False) -> None:
        """Time has passed, and lines may have come: bring the hits up to date where that is cheap."""
        self._lines, self._now = snapshot.counters.lines, snapshot.now
        if not self.display or self._running or self._pause.waiting or held or self._stopped:
            return
        seen = self._seen
        if seen is None or seen.found is None or not self._is_old:
            return
        if seen.seconds > CHEAP_SECONDS:
            self._say()
        elif self._clock() - self._ended >= AGAIN_SECONDS:
            self.begin(quiet=True)

    @property
    def _is_old(self) -> bool:
        return self._lines != self._lines_then

    @on(Saw)
    def _saw(self, message: Saw) -> None:
        """No more is done here for a thousand hits than for ten: the table draws what is in view."""
        if not message.current:
            return
        seen, before = message.seen, self._seen
        self._running = not seen.done
        if seen.done:
            self._ended = self._clock()
        if seen.found is None:
            self._complain(seen, before)
            return
        self._seen = seen
        if before is None or before.found is None or before.look != seen.look:
            self.table.begin()
            self._place_columns()
        self.table.empty = literal("nothing matches" if seen.done else "nothing so far")
        self.table.set_rows(hits(seen.found), self._now)
        if self._entering and (self.table.rows or seen.done):
            self._enter()
        self._say()

    def _complain(self, seen: Seen, before: Seen | None) -> None:
        """Say what is wrong, under what was typed; the hits of before stay."""
        if seen.fault is not None:
            self.words.complain(seen.fault, self.typed)
        self._seen = replace(before, fault=seen.fault) if before else seen
        if self._entering and self.table.has_focus:
            self.typed.focus()
        self._entering = False
        self._title()

    def _place_columns(self) -> None:
        if self._seen is not None:
            self.finder = marks(self._seen.filter)
            columns = self._wanted_columns(self.hidden, self._look.fields)
            self.table.set_columns(marking(columns, self.finder))

    def _wanted_columns(self, hidden: frozenset[str], fields: tuple[str, ...]) -> list[Column[Hit]]:
        """The columns there are for what is listed but these, those of fields before the message."""
        columns = call_columns() if self._look.calls else event_columns(fields)
        return [column for column in columns if column.key not in hidden]

    def _room(self, hidden: frozenset[str], fields: tuple[str, ...]) -> frozenset[str]:
        """Which of them the screen has room for."""
        return self.table.room(self._wanted_columns(hidden, fields))

    # What it says

    def _say(self) -> None:
        if self._seen is not None and self._seen.found is not None and self._seen.fault is None:
            self.words.say([self._count(self._seen, self._seen.found)])
        self._title()

    def _count(self, seen: Seen, found: Found) -> Pieces:
        """`564 of 12,904 events · hides 12,340`."""
        noun = "calls" if seen.look.calls else "events"
        everything = seen.filter is None
        pieces: Pieces = [(literal(units.count(found.matched)), "bold $text-accent")]
        pieces.append(
            (literal(f" {noun}" if everything else f" of {units.count(found.total)} {noun}"), _QUIET)
        )
        done = f"{part(found.examined / found.total)}" if found.total else "0 %"
        said: list[tuple[str, str]] = []
        if self._running and not found.done:
            said.append((f"looking … {done}", _WARNING))
        elif not found.done:
            said.append((f"stopped at {done}", _WARNING))
        elif not everything:
            said.append((f"hides {units.count(found.total - found.matched)}", _QUIET))
        if found.done and self._is_old and seen.seconds > CHEAP_SECONDS and self._as_of is not None:
            said.append((f"as of {self._as_of:%H:%M:%S}Z", _WARNING))
        if found.unsearched:
            said.append((f"{units.count(found.unsearched)} lines without text", _WARNING))
        listed = len(found.calls or found.events)
        if found.done and listed < found.matched:
            said.append((f"newest {units.count(listed)} listed", _QUIET))
        for words, style in said:
            pieces += [(literal(" · "), _QUIET), (literal(words), style)]
        return pieces

    @property
    def title(self) -> Clean:
        """What is listed: `Search · calls`."""
        return literal("Search · calls" if self._look.calls else "Search · events")

    def _title(self) -> None:
        self.border_title = content((literal(f"{self._number} "), "bold"), (self.title, "bold"))

    # What a person does

    @property
    def selected(self) -> Hit | None:
        """The hit under the cursor."""
        return self.table.selected

    @property
    def text(self) -> str:
        """What is typed."""
        return self.typed.value.strip()

    def choose_columns(self, hidden: frozenset[str], fields: tuple[str, ...]) -> None:
        """Show all columns but these, and these fields."""
        self.hidden = hidden
        if fields != self._look.fields and not self._look.calls:
            self._look = replace(self._look, fields=fields)
            self.begin()
        else:
            self._place_columns()

    def action_kind(self) -> None:
        """Calls instead of events, or events again."""
        self._look = replace(self._look, calls=not self._look.calls)
        self.begin()

    def action_columns(self) -> None:
        """Choose them."""
        columns = call_columns() if self._look.calls else event_columns()
        fields = None if self._look.calls else self._look.fields
        self.app.push_screen(ColumnsScreen(columns, self.hidden, fields, self._room, self.choose_columns))

    def hit(self, step: int) -> bool:
        """To the next hit; after the last comes the first."""
        rows = self.table.rows
        if rows:
            self.table.select((self.table.cursor + step) % len(rows) if self.table.chosen else 0)
        return bool(rows)

    def _choose(self) -> None:
        hit = self.selected
        if hit is not None:
            self.post_message(self.Chosen(hit.seq))

    def on_resize(self, event: events.Resize) -> None:
        """A sentence wraps anew."""
        del event
        if self._seen is not None and self._seen.fault is not None:
            self.words.complain(self._seen.fault, self.typed)
