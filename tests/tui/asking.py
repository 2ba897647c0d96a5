"""The Query pane by itself, on what stands for an engine."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

from textual.app import App, ComposeResult
from textual.pilot import Pilot
from textual.screen import Screen
from textual.types import CSSPathType

import llmwatch.tui
from llmwatch.errors import SourceError
from llmwatch.query.insights.answer import Answer
from llmwatch.tui.history import History
from llmwatch.tui.panes.query import QueryPane
from llmwatch.tui.screens.prompt import Sentence
from llmwatch.tui.screens.queries import Known, Library
from llmwatch.tui.theme import LLMWATCH
from tests.tui.conftest import WIDE, rest, settle
from tests.tui.test_hostile import forbidden

START = datetime(2026, 2, 27, 16, 0, tzinfo=UTC)
MODELS = ("moonshotai.kimi-k2.5", "us.anthropic.claude-sonnet-4", "qwen.qwen3-coder", "zai.glm-4.6")
QUERY = "filter message = 'Request completed'\n| stats count(*) as calls by bin(5m) as t, model\n| sort t"


def at(minutes: float) -> str:
    return f"{START + timedelta(minutes=minutes):%Y-%m-%d %H:%M:%S}.000"


ROWS = Answer(
    ("user_email", "calls", "total_tokens", "worst latency", "@message"),
    tuple(
        (
            None if number == 2 else f"user{number:02}@example.com",
            4_000 - number * 37,
            7_300_112 // (number + 1),
            19.25 + number / 7 if number % 4 else None,
            '{"timestamp": "2026-02-27T16:47:11.120Z", "message": "Request completed", "n": ' + f"{number}}}",
        )
        for number in range(1_234)
    ),
    scanned=1_204_882,
    matched=12_904,
    truncated=True,
    remarks=("`event-name` is `event` minus `name`: write it in backticks for a field of that name",),
)
BY_MODEL = Answer(
    ("t", "model", "calls"),
    tuple(
        (at(5 * step), model, (number + 1) * 40 + step * step * (number == 0))
        for step in range(36)
        for number, model in enumerate(MODELS)
        if not 14 <= step < 18 and (number != 3 or step % 7 == 0)
    ),
    scanned=48_211,
    matched=16_067,
    binned="t",
    bin_seconds=300,
)
BY_TIME = Answer(
    ("bin(1m)", "count(*)", "avg(latency)", "sum(cost)"),
    tuple(
        (at(minute), 300 + minute % 17 * 23, 1_812.5 + minute * 9.25, minute * 0.013) for minute in range(50)
    ),
    scanned=48_211,
    matched=48_211,
    binned="bin(1m)",
    bin_seconds=60,
)
FAULT = "fields @timestamp, @message\n| filtre status >= 400\n| limit 20"
RUNBOOK = Library(
    (
        Known("night", "saved", "fields @timestamp\n| limit 5"),
        Known("errors", "Newest errors", "fields @timestamp, error\n| filter ispresent(error)\n| limit 50"),
        Known("cost", "Tokens by model over time", QUERY),
    ),
    ("queries/old.cwli is left out: it is empty",),
)


@dataclass
class Asked:
    """Stands for `Feed.ask`."""

    answer: Answer | Exception = ROWS
    texts: list[str] = field(default_factory=list)
    hold: threading.Event | None = None
    """While it is not set, the query runs."""
    stopped: int = 0

    def __call__(self, text: str, cancelled: Callable[[], bool]) -> Answer:
        self.texts.append(text)
        answer, hold = self.answer, self.hold
        while hold is not None and not hold.wait(0.01):
            if cancelled():
                self.stopped += 1
                raise SourceError("stopped")
        if isinstance(answer, Exception):
            raise answer
        return answer


class Alone(App[None], inherit_bindings=False):
    """Nothing but the pane, styled as in the monitor."""

    CSS_PATH: ClassVar[CSSPathType] = [
        Path(llmwatch.tui.__file__).with_name(name) for name in ("llmwatch.tcss", "query.tcss")
    ]

    def __init__(self, asked: Asked, history: History | None = None) -> None:
        super().__init__()
        self.animation_level = "none"
        self.register_theme(LLMWATCH)
        self.theme = LLMWATCH.name
        self.pane = QueryPane(6, asked, history=history, read=lambda: RUNBOOK, clock=lambda: 0.0)

    def compose(self) -> ComposeResult:
        yield self.pane

    def on_mount(self) -> None:
        self.pane.focus()


@dataclass
class Stage:
    app: Alone
    asked: Asked
    pilot: Pilot[None]

    @property
    def pane(self) -> QueryPane:
        return self.app.pane

    async def press(self, *keys: str) -> None:
        for key in keys:
            await self.pilot.press(key)
            await self.settle()

    async def settle(self) -> None:
        if self.asked.hold is None or self.asked.hold.is_set():
            await settle(self.app)
        else:
            await rest()

    async def ask(self, text: str = QUERY, answer: Answer | Exception | None = None) -> None:
        self.asked.answer = answer or self.asked.answer
        self.pane.fill(text)
        await self.press("ctrl+r")

    async def until_stopped(self) -> None:
        """Wait for a query that was given up to notice."""
        until = time.monotonic() + 10
        while not self.asked.stopped and time.monotonic() < until:
            await asyncio.sleep(0.005)
        assert self.asked.stopped == 1

    def lines(self) -> list[str]:
        return [strip.text for strip in self.app.screen._compositor.render_strips()]

    def text(self) -> str:
        return "\n".join(self.lines())

    def shows(self, screen: type[Screen[Any]]) -> bool:
        return isinstance(self.app.screen, screen)

    def said(self) -> str:
        """The words of a prompt, in one line."""
        return self.app.screen.query_one(Sentence).draw(1_000).plain

    def notices(self) -> list[str]:
        return [notice.message for notice in self.app._notifications]

    def harmless(self) -> bool:
        strips = self.app.screen._compositor.render_strips()
        return (
            not [char for strip in strips for char in strip.text if forbidden(char)]
            and {strip.cell_length for strip in strips} == {self.app.size.width}
            and not any(segment.style and segment.style.link for strip in strips for segment in strip)
        )


@asynccontextmanager
async def started(
    answer: Answer | Exception = ROWS,
    size: tuple[int, int] = WIDE,
    *,
    history: History | None = None,
    hold: threading.Event | None = None,
) -> AsyncIterator[Stage]:
    asked = Asked(answer, hold=hold)
    app = Alone(asked, history)
    async with app.run_test(size=size) as pilot:
        stage = Stage(app, asked, pilot)
        await stage.settle()
        yield stage
