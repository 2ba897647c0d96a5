"""How a person changes the scope: a prompt, a list, a key on a row. The feed then speaks of it, and the screen."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from textual.app import App

from llmwatch.clean import clean
from llmwatch.errors import LlmwatchError
from llmwatch.query.scope import Chip, Scope
from llmwatch.tui.faults import fault
from llmwatch.tui.feed import Feed
from llmwatch.tui.filters import Filters
from llmwatch.tui.screens.filter_prompt import FilterPrompt
from llmwatch.tui.screens.filters import FiltersScreen
from llmwatch.tui.screens.monitor import MonitorScreen
from llmwatch.tui.wishes import Narrowed

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter


class Scoping:
    """The one place from which the scope is changed."""

    def __init__(self, app: App[None], monitor: MonitorScreen, feed: Feed, filters: Filters) -> None:
        self._app = app
        self._monitor = monitor
        self._feed = feed
        self._filters = filters

    def change(self, scope: Scope) -> None:
        """Speak of another scope."""
        self._feed.rescope(scope)
        self._monitor.rescope(scope)

    def ask(self) -> None:
        """Ask for a filter, and narrow everything by it."""
        prompt = FilterPrompt("Filter", self._filters, self._feed.search)
        self._app.push_screen(prompt, self._add)

    def _add(self, text: str | None) -> None:
        if text:
            self.narrow(Narrowed(text))

    def manage(self) -> None:
        """Show the list of filters."""
        self._app.push_screen(FiltersScreen(self._feed.scope, self._filters, self._feed.search))

    def _exact(self, wanted: Narrowed) -> Filter:
        return self._filters.exact(wanted.field, wanted.value)

    def narrow(self, wanted: Narrowed) -> None:
        """Narrow everything; a filter that is there already is turned on, and not there twice."""
        try:
            kept = self._filters.read(wanted.text) if wanted.text else self._exact(wanted)
        except LlmwatchError as error:
            self._app.notify(clean(fault(error).sentence, 400).text, severity="error", markup=False)
            return
        scope = self._feed.scope
        others = tuple(chip for chip in scope.chips if chip.filter != kept)
        self.change(replace(scope, chips=(*others, Chip(kept, inverted=wanted.negated))))
