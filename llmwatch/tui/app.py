"""The monitor: puts feed, screens and keys together, and nothing else."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from typing import ClassVar

from textual import on
from textual.app import App, SystemCommand
from textual.command import DiscoveryHit, Hit, Hits, Provider
from textual.message import Message
from textual.screen import Screen
from textual.types import CSSPathType
from textual.worker import Worker, WorkerState

from llmwatch.clean import clean
from llmwatch.query.detail import EventDetail, ModelDetail, UserDetail
from llmwatch.query.snapshot import Snapshot
from llmwatch.tui.actions import bindings
from llmwatch.tui.feed import Feed
from llmwatch.tui.filters import ConfiguredFilters, Filters
from llmwatch.tui.history import History
from llmwatch.tui.panes.query import QueryPane
from llmwatch.tui.panes.search import SearchPane
from llmwatch.tui.pauses import spare_pauses
from llmwatch.tui.registry import EVERY_ACTION
from llmwatch.tui.scoping import Scoping
from llmwatch.tui.screens.detail import DetailScreen
from llmwatch.tui.screens.help import HelpScreen
from llmwatch.tui.screens.monitor import MonitorScreen
from llmwatch.tui.theme import LLMWATCH
from llmwatch.tui.widgets.chips import Rescoped
from llmwatch.tui.widgets.header import Header
from llmwatch.tui.wishes import Drilled, Narrowed, Wanted

_INTERRUPTED = 130


class Arrived(Message):
    """A snapshot came. A newer one takes the place of one that still waits."""

    def __init__(self, snapshot: Snapshot) -> None:
        super().__init__()
        self.snapshot = snapshot

    def can_replace(self, message: Message) -> bool:
        """One waiting snapshot is enough."""
        return isinstance(message, Arrived)


class Commands(Provider):
    """The actions, by name, in the command palette."""

    async def discover(self) -> Hits:
        """All of them, before a word is typed."""
        for name, run in self._commands():
            yield DiscoveryHit(name, run)

    async def search(self, query: str) -> Hits:
        """Those that match what is typed."""
        matcher = self.matcher(query)
        for name, run in self._commands():
            score = matcher.match(name)
            if score > 0:
                yield Hit(score, matcher.highlight(name), run)

    def _commands(self) -> Iterable[tuple[str, Callable[[], object]]]:
        for action in EVERY_ACTION:
            if action.in_palette:
                space = "app" if action.owner == "app" else "screen"
                yield (
                    f"{action.description}  ({action.label})",
                    _runner(self.app, f"{space}.{action.action}", self.screen),
                )


def _runner(app: App[object], action: str, screen: Screen[object]) -> Callable[[], object]:
    return lambda: app.call_later(app.run_action, action, screen)


class MonitorApp(App[None], inherit_bindings=False):
    """`llmwatch tail` and `llmwatch demo` on a terminal."""

    TITLE = "llmwatch"
    CSS_PATH: ClassVar[CSSPathType] = ["llmwatch.tcss", "query.tcss"]
    BINDINGS = bindings("app")
    COMMANDS = App.COMMANDS | {Commands}
    ALLOW_SELECT = False

    def __init__(
        self,
        feed: Feed,
        clock: Callable[[], float] = time.monotonic,
        filters: Filters | None = None,
        history: History | None = None,
        searches: History | None = None,
    ) -> None:
        """`history` is of queries, `searches` of searches; without one they are forgotten when the monitor ends."""
        super().__init__()
        self.feed = feed
        self.animation_level = "none"
        self.register_theme(LLMWATCH)
        self.theme = LLMWATCH.name
        self.dialog: DetailScreen | None = None
        filters = filters or ConfiguredFilters()
        search = SearchPane(5, feed.search, filters, clock, searches or History())
        query = QueryPane(6, feed.ask, history=history, clock=clock)
        self.monitor = MonitorScreen(
            Header(feed.title, clock), clean(feed.title, 60), search, query, feed.context
        )
        self.scoping = Scoping(self, self.monitor, feed, filters)

    def get_default_screen(self) -> Screen[None]:
        """The monitor itself."""
        return self.monitor

    def on_mount(self) -> None:
        """The feed begins when there is a screen for what it brings."""
        self.monitor.chips.show(self.feed.scope)
        self.feed.start(self.deliver)

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self.feed.stop()

    def deliver(self, snapshot: Snapshot) -> None:
        """Called from the feed's thread; posting is all that is safe there."""
        self.post_message(Arrived(snapshot))

    @on(Arrived)
    def _show(self, message: Arrived) -> None:
        first = self.monitor.snapshot is None
        self.monitor.show(message.snapshot)
        if first and not self.is_headless:
            self.call_after_refresh(spare_pauses)

    @on(Wanted)
    def _ask(self, message: Wanted) -> None:
        self.feed.request(message.request)

    @on(Rescoped)
    def _rescope(self, message: Rescoped) -> None:
        self.scoping.change(message.scope)

    @on(Narrowed)
    def _narrow(self, message: Narrowed) -> None:
        self.scoping.narrow(message)

    @on(Drilled)
    def _drill(self, message: Drilled) -> None:
        kind, key = message.kind, message.key
        self.dialog = DetailScreen(kind, message.name)
        self.push_screen(self.dialog)
        self.run_worker(
            lambda: self.feed.detail(kind, key),
            thread=True,
            exclusive=True,
            exit_on_error=False,
            group="detail",
        )

    @on(Worker.StateChanged)
    def _detailed(self, message: Worker.StateChanged) -> None:
        if self.dialog is None or not self.dialog.is_running:
            return
        if message.state is WorkerState.SUCCESS:
            found: object = message.worker.result
            if isinstance(found, (UserDetail, ModelDetail, EventDetail)):
                self.dialog.show(found)
        elif message.state is WorkerState.ERROR:
            self.dialog.fail(clean(message.worker.error, 400))

    def action_interrupt(self) -> None:
        """Leave as an interrupted program does."""
        self.exit(return_code=_INTERRUPTED)

    def action_filter(self) -> None:
        """Narrow everything."""
        self.scoping.ask()

    def action_filters(self) -> None:
        """What everything is narrowed by."""
        self.scoping.manage()

    def action_help(self) -> None:
        """Keys and columns."""
        if not isinstance(self.screen, HelpScreen):
            self.push_screen(HelpScreen())

    def get_system_commands(self, screen: Screen[object]) -> Iterable[SystemCommand]:
        """Of Textual's own commands, those that make sense here."""
        kept = {"Theme", "Screenshot"}
        return [command for command in super().get_system_commands(screen) if command.title in kept]
