"""The monitor on a fake feed, with a clock that stands still."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import pytest
from rich.cells import cell_len
from textual._context import active_app
from textual.app import App
from textual.pilot import Pilot
from textual.screen import Screen
from textual.widgets import Input
from textual.worker import WorkerError

from llmwatch.tui.app import MonitorApp
from llmwatch.tui.history import History
from llmwatch.tui.looking import PAUSE_SECONDS
from tests.tui.feed import FakeFeed, FakeFilters

WIDE, SMALL, LARGE = (140, 40), (80, 24), (200, 60)
_MOST_FRAMES = 50


async def rest(*_seconds: float) -> None:
    """Until all is done and drawn that waits neither for time nor for a thread.

    Takes the place of Textual's own wait, which sleeps 20 ms at a time until the process is mostly idle: that is most
    of the time of these tests, and on a busy machine nobody knows what has happened when it is over.
    """
    app = active_app.get()
    ready = vars(asyncio.get_running_loop())["_ready"]
    for _ in range(_MOST_FRAMES):
        await asyncio.sleep(0)
        while ready:
            await asyncio.sleep(0)
        screens = [screen for screen in app._screen_stack if screen._update_timer._active.is_set()]
        due: list[Callable[[], None]] = [screen._on_timer_update for screen in screens]
        if app._resize_timer is not None:
            due.append(app._check_resize)
        if not due:
            return
        for begin in due:
            begin()
    raise AssertionError("the screen is drawn again and again")


async def settle(app: App[None]) -> None:
    """Let messages and workers come to rest. What a worker fails with is for the app to show, and for a test to see."""
    await rest()
    while any(worker.is_running for worker in app.workers):
        with suppress(WorkerError):
            await app.workers.wait_for_complete()
        await rest()


@pytest.fixture(autouse=True)
def _resting(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait as `rest` does, which also says when a frame is drawn: how many there are is not left to a clock."""
    monkeypatch.setattr("textual.pilot.wait_for_idle", rest)
    monkeypatch.setattr("textual.app.wait_for_idle", rest)
    monkeypatch.setattr("textual.screen.UPDATE_PERIOD", 0.5)


@dataclass
class Stage:
    """An app that runs, and what drives it."""

    app: MonitorApp
    feed: FakeFeed
    filters: FakeFilters
    pilot: Pilot[None]

    async def press(self, *keys: str) -> None:
        """Press keys, and let everything each of them causes happen."""
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def write(self, text: str) -> None:
        """Type into what has the focus, faster than anybody can, and wait for what comes of it."""
        focused = self.app.focused
        assert isinstance(focused, Input)
        focused.replace(text, *sorted(focused.selection))
        await self.pilot.pause(PAUSE_SECONDS * 1.2)
        await self.settle()

    async def click(self, text: str, after: int = 0) -> None:
        """Click on the first place where this stands."""
        line = next(index for index, shown in enumerate(self.lines()) if text in shown)
        before = self.lines()[line].split(text)[0]
        await self.pilot.click(offset=(cell_len(before) + after, line))
        await self.settle()

    async def tick(self) -> None:
        """Let a snapshot arrive."""
        self.feed.tick()
        await self.settle()

    async def settle(self) -> None:
        """Let messages and workers come to rest."""
        await settle(self.app)

    def lines(self) -> list[str]:
        """The text on screen, as a terminal gets it."""
        update = self.app.screen._compositor.render_strips()
        return [strip.text for strip in update]

    def shows(self, screen: type[Screen[Any]]) -> bool:
        """Whether this kind of screen is on top."""
        return isinstance(self.app.screen, screen)

    def notices(self) -> list[str]:
        """What the app said in passing."""
        return [notice.message for notice in self.app._notifications]

    def text(self) -> str:
        """All of it."""
        return "\n".join(self.lines())


Start = Callable[..., AbstractAsyncContextManager[Stage]]


@pytest.fixture
def start() -> Start:
    @asynccontextmanager
    async def started(
        feed: FakeFeed | None = None, size: tuple[int, int] = WIDE, searches: History | None = None
    ) -> AsyncIterator[Stage]:
        feed, filters = feed or FakeFeed(), FakeFilters()
        app = MonitorApp(feed, clock=lambda: 0.0, filters=filters, searches=searches)
        async with app.run_test(size=size) as pilot:
            stage = Stage(app, feed, filters, pilot)
            await stage.settle()
            yield stage

    return started
