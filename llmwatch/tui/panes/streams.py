"""Events, search and query, which share a place; and how a hit leads from the search into the events."""

from __future__ import annotations

from dataclasses import dataclass

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.message import Message

from llmwatch.clean import clean
from llmwatch.tui.panes.events import EventPane
from llmwatch.tui.panes.query import QueryPane
from llmwatch.tui.panes.search import SearchPane
from llmwatch.tui.surroundings import ReadContext, ReadLines, Surroundings


class Streams(Container):
    """Whatever hit a person looks at, the events show its context, if they are on screen or are to be."""

    @dataclass
    class Looked(Message):
        """The events show another context, and are to be on screen when a person enters it."""

        entered: bool

    def __init__(self, events: EventPane, search: SearchPane, query: QueryPane, read: ReadLines) -> None:
        super().__init__(id="streams")
        self.events, self.search, self.query_pane = events, search, query
        self._surroundings = Surroundings(self, read)
        self._entering = False

    def compose(self) -> ComposeResult:
        """Side by side, as far as they are shown."""
        yield self.events
        yield self.search
        yield self.query_pane

    def step(self, step: int, *, entering: bool) -> bool:
        """To the next hit, and with it into its context; whether there is one."""
        self._entering = entering
        return self.search.hit(step)

    def enter(self) -> None:
        """Into the context of the hit that is selected."""
        hit = self.search.selected
        if hit is not None:
            self.look_at(hit.seq)

    def look_at(self, seq: int) -> None:
        """Into the context of a line."""
        self._entering = True
        self._surroundings.want(seq)

    def leave(self) -> bool:
        """Back to the newest events; whether they showed a context."""
        looked = self.events.context is not None
        self._entering = False
        self._surroundings.forget()
        self.events.leave_context()
        return looked

    @on(SearchPane.Chosen)
    def _look_around(self, message: SearchPane.Chosen) -> None:
        message.stop()
        if self.events.display or self._entering:
            self._surroundings.want(message.seq)

    @on(ReadContext)
    def _around(self, message: ReadContext) -> None:
        if not self._surroundings.took(message):
            return
        entered, self._entering = self._entering, False
        if message.rows:
            self.events.show_context(message.seq, message.rows, self.search.finder)
            self.post_message(self.Looked(entered))
        else:
            why = message.error or "That line is not there any more."
            self.notify(clean(why, 400).text, markup=False)
