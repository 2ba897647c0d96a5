"""Text that attacks the screen is only ever text on it."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from rich.cells import cell_len

from llmwatch.clean import clean
from llmwatch.query.detail import EventDetail
from llmwatch.query.snapshot import Usage
from llmwatch.sources.source import Feed, SourceState
from llmwatch.tui.screens.detail import DetailScreen
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import content, fit
from tests.tui.conftest import SMALL, WIDE, Stage, Start
from tests.tui.feed import FakeFeed, event, usage

HOSTILE = (
    "[@click=app.quit]x[/]",
    "[/oops] [red",
    "tail [/ \\",
    "\x1b]52;c;aGFja2Vk\x07",
    "\x1b]0;title\x1b\\\x1b[2J",
    "\x9b31m\x90q\x9c",
    "\x1b]8;;https://example.com\x1b\\link\x1b]8;;\x1b\\",
    "user\u202egpj.exe\u2066\u200b\u200f",
    "z" + "\u0335\u0301" * 500,
    "\ud800\ue000\U000e0041\ufe0f\u2028\u2029\u00ad\ufeff",
    "a\r\nb\tc\x00\x7f\x08",
    "東京👩‍👩‍👧‍👦🇩🇪" * 30,
    "{" * 5_000,
    "y\x1b" * 500_000,
)


def forbidden(char: str) -> bool:
    return not char.isprintable() or char in "\ufe0f\u034f"


def hostile_feed() -> FakeFeed:
    rows = [
        replace(
            event(number),
            user=text,
            model=text,
            kind=text,
            message=text,
            request_id=text,
            error=text,
            level=text,
            source=text,
            status=None,
        )
        for number, text in enumerate(HOSTILE)
    ]
    named: dict[str | None, Usage] = {text: usage(str(number), 1) for number, text in enumerate(HOSTILE)}
    troubles = tuple(
        SourceState(text, "error", HOSTILE[3] + text, feed=Feed(stalled=text), group=True)
        for text in (HOSTILE[4], *HOSTILE)
    )
    title = HOSTILE[0] + HOSTILE[4]
    return FakeFeed(title=title, users=dict(named), models=dict(named), events=rows, sources=troubles)


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_every_pane_shows_only_harmless_text(start: Start, size: tuple[int, int]) -> None:
    async with start(hostile_feed(), size) as stage:
        for pane in "123o":
            await stage.press(pane, "y")
            assert_harmless(stage)
        assert stage.app.is_running


async def test_every_source_is_told_of_in_harmless_text(start: Start) -> None:
    async with start(hostile_feed(), SMALL) as stage:
        await stage.press("o")
        for _ in HOSTILE:
            await stage.press("j", "y")
            assert_harmless(stage)


@pytest.mark.parametrize("pane", ["1", "3"])
async def test_every_dialog_shows_only_harmless_text(start: Start, pane: str) -> None:
    async with start(hostile_feed(), SMALL) as stage:
        await stage.press(pane, "home")
        for _ in HOSTILE:
            await stage.press("enter")
            assert stage.shows(DetailScreen)
            assert_harmless(stage)
            await stage.pilot.press("escape", "j")


def assert_harmless(stage: Stage) -> None:
    strips = stage.app.screen._compositor.render_strips()
    assert not [char for strip in strips for char in strip.text if forbidden(char)]
    assert {strip.cell_length for strip in strips} == {stage.app.size.width}
    assert not any(segment.style and segment.style.link for strip in strips for segment in strip)


async def test_a_hostile_name_that_is_sought_is_harmless(start: Start) -> None:
    feed = FakeFeed(users={}, models={}, events=[])
    async with start(feed, SMALL) as stage:
        for text in HOSTILE:
            feed.sources = (SourceState(text, "waiting", group=True),)
            await stage.tick()
            assert "looking for log group" in stage.text()
            assert_harmless(stage)
        await stage.press("o")
        assert_harmless(stage)


async def test_a_click_on_markup_runs_nothing(start: Start) -> None:
    async with start(hostile_feed()) as stage:
        lines = [index for index, line in enumerate(stage.lines()) if "@click" in line]
        assert len(lines) > 1
        for line in lines:
            await stage.pilot.click(offset=(stage.lines()[line].index("@click") + 15, line))
            await stage.settle()
        assert stage.app.is_running
        assert not stage.feed.stopped


async def test_the_raw_line_is_shown_and_bounded(start: Start) -> None:
    async with start() as stage:
        await stage.press("3", "enter")
        assert stage.app.dialog
        for raw in (*HOSTILE, json.dumps({"a": HOSTILE}), "[" * 50_000, None):
            stage.app.dialog.show(EventDetail(raw, (), None))
            await stage.pilot.pause()
            assert_harmless(stage)
            assert len(stage.app.screen.query_one("#detail-raw", LineTable).rows) < 10_000


@pytest.mark.parametrize("text", HOSTILE)
@pytest.mark.parametrize("cells", [1, 2, 7, 40])
def test_a_cell_is_exactly_as_wide_as_its_column(text: str, cells: int) -> None:
    assert cell_len(fit(clean(text), cells)) == cells
    assert cell_len(fit(clean(text), cells, right=True)) == cells
    assert cell_len(fit(clean(text), cells, ending=True)) == cells


def test_a_bare_string_is_refused_everywhere() -> None:
    table: LineTable[str] = LineTable(
        [Column("raw", "raw", "", lambda row, _now: Cell(row), width=5)],  # type: ignore[arg-type]
        lambda row: row,
        id="raw",
    )
    with pytest.raises(TypeError, match="not str"):
        table.set_rows(["[@click=app.quit]x[/]"])
    with pytest.raises(TypeError, match="not str"):
        content(("text", "bold"))  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="not str"):
        fit("text", 5)  # type: ignore[arg-type]
