"""Searching: what a person types, what is shown of it, and where a hit leads."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path

import pytest

from llmwatch.errors import StoreError
from llmwatch.query.found import Found, SearchRequest
from llmwatch.query.snapshot import Counters
from llmwatch.tui.history import History
from llmwatch.tui.panes import search as pane_module
from llmwatch.tui.panes.hits import EventHit, Hit
from llmwatch.tui.screens.columns import ColumnsScreen
from llmwatch.tui.screens.detail import DetailScreen
from llmwatch.tui.widgets.column import Cell
from tests.tui.conftest import LARGE, SMALL, WIDE, Stage, Start
from tests.tui.feed import FakeFeed, event
from tests.tui.test_hostile import HOSTILE, assert_harmless

MEDIUM = (100, 30)
ERRORS = [row for row in reversed([event(seq) for seq in range(1_000)]) if row.error]
"""The newest first."""


async def look_for(stage: Stage, text: str, *keys: str) -> None:
    await stage.press("slash")
    await stage.write(text)
    await stage.press(*keys)


def active(stage: Stage) -> str:
    return stage.app.monitor._active


def is_open(stage: Stage) -> bool:
    return bool(stage.app.monitor.search.display)


def asked(stage: Stage) -> SearchRequest:
    return stage.feed.searches[-1]


@pytest.mark.parametrize("size", [SMALL, MEDIUM, WIDE, LARGE])
async def test_what_is_typed_is_found_and_counted(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await look_for(stage, "throttling")
        assert f"{len(ERRORS)} of 1,000 events · hides {1_000 - len(ERRORS)}" in stage.text()
        shown = [hit.seq for hit in stage.app.monitor.search.table.rows]
        assert shown == [row.seq for row in ERRORS]
        assert {strip.cell_length for strip in stage.app.screen._compositor.render_strips()} == {size[0]}


async def test_a_word_typed_at_speed_is_one_search_and_nothing_typed_is_everything(start: Start) -> None:
    async with start() as stage:
        await stage.press("slash")
        assert "1,000 events" in stage.text()
        for character in "throttling":
            stage.app.monitor.search.typed.insert_text_at_cursor(character)
        await stage.write("")
        assert [request.filter and request.filter.text for request in stage.feed.searches] == [
            None,
            "throttling",
        ]


async def test_a_search_that_is_no_longer_wanted_is_cancelled_and_says_nothing(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling")
        stage.feed.slow = threading.Event()
        await stage.press("space")
        for key in "x":
            await stage.pilot.press(key)
        await wait_for(stage, lambda: asked(stage).filter is not None and "looking …" in stage.text())
        assert "looking … 43 %" in stage.text()
        assert not stage.feed.cancelled
        await stage.pilot.press("backspace", "backspace")
        await wait_for(stage, lambda: bool(stage.feed.cancelled))
        stage.feed.slow.set()
        await stage.pilot.pause(0.1)
        await stage.settle()
        assert f"{len(ERRORS)} of 1,000 events" in stage.text()


async def wait_for(stage: Stage, condition: object) -> None:
    assert callable(condition)
    for _ in range(200):
        await stage.pilot.pause(0.01)
        if condition():
            return
    raise AssertionError("it did not come to that")


async def test_escape_ends_a_search_then_closes_the_pane(start: Start) -> None:
    async with start() as stage:
        stage.feed.slow = threading.Event()
        await stage.pilot.press("slash")
        await wait_for(stage, lambda: "looking … 43 %" in stage.text())
        await stage.press("escape")
        assert stage.feed.cancelled
        assert "stopped at 43 %" in stage.text()
        assert is_open(stage)
        await stage.press("escape")
        assert not is_open(stage)
        assert active(stage) == "users"
        await stage.press("escape")
        assert stage.app.is_running


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_a_misread_filter_has_its_caret_under_the_place(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await look_for(stage, "throttling")
        stage.app.monitor.search.typed.insert_text_at_cursor(" usr:x")
        await stage.write("")
        lines = stage.lines()
        typed = next(index for index, line in enumerate(lines) if "throttling usr:x" in line)
        assert lines[typed + 1].rindex("^") == lines[typed].index("usr:x")
        assert "is user meant?" in lines[typed + 2]
        assert len(stage.app.monitor.search.table.rows) == len(ERRORS)
        stage.app.monitor.search.typed.value = "throttling"
        await stage.write("")
        assert "^" not in stage.text()
        assert f"{len(ERRORS)} of 1,000 events" in stage.text()


async def test_a_fault_in_a_saved_filter_has_its_place_where_that_is_named(start: Start) -> None:
    async with start() as stage:
        stage.filters.kept["bad"] = "status:error usr:x"
        await look_for(stage, "  throttling @bad")
        lines = stage.lines()
        typed = next(index for index, line in enumerate(lines) if "throttling @bad" in line)
        assert lines[typed + 1].rindex("^") == lines[typed].index("@bad")
        assert "the saved filter @bad is refused: no field is called 'usr'" in lines[typed + 2]


async def test_a_search_that_fails_says_why(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(self: FakeFeed, request: SearchRequest, cancelled: object) -> Found:
        raise StoreError("the disk is full [/red] \x1b[2J")

    monkeypatch.setattr(FakeFeed, "search", broken)
    async with start() as stage:
        await stage.press("slash")
        assert "the disk is full [/red] ␛[2J" in stage.text()
        assert_harmless(stage)


async def test_what_was_found_is_highlighted_in_words(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "too")
        strips = stage.app.monitor.search.table.render_line(1)
        marked = [segment.text for segment in strips if segment.style and segment.style.underline]
        assert marked == ["Too"]
        for _ in "too":
            await stage.pilot.press("backspace")
        await stage.write("status:error")
        strips = stage.app.monitor.search.table.render_line(1)
        assert not [segment for segment in strips if segment.style and segment.style.underline]


# Hits and their context


async def test_a_hit_moves_the_stream_to_its_context_and_g_follows_again(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter")
        events = stage.app.monitor.events
        assert stage.feed.contexts == [ERRORS[0].seq]
        assert events.selected
        assert events.selected.seq == ERRORS[0].seq
        await stage.press("j")
        assert stage.feed.contexts == [ERRORS[0].seq, ERRORS[1].seq]
        assert f"context of line {ERRORS[1].line:,} · G follows" in stage.text()
        around = [row.seq for row in events.rows]
        assert around == list(range(around[0], around[-1] + 1))
        assert ERRORS[1].seq in around[20:-20]
        stage.feed.events.append(event(1_000))
        await stage.tick()
        assert [row.seq for row in events.rows] == around
        await stage.press("3", "G")
        assert events.following
        assert events.selected.seq == 1_000
        assert "context of" not in stage.text()


async def test_enter_at_once_waits_for_the_hits_of_what_was_typed(start: Start) -> None:
    async with start() as stage:
        await stage.press("slash")
        assert stage.app.monitor.search.table.rows
        typed = stage.app.monitor.search.typed
        typed.value = "throttling"
        await stage.press("enter")
        assert stage.feed.contexts == [ERRORS[0].seq]
        assert stage.app.monitor.search.table.has_focus
        for keys in (["enter"], ["x", "enter"]):
            await stage.press("slash")
            typed.value = "usr:x"
            await stage.press(*keys)
            assert stage.feed.contexts == [ERRORS[0].seq]
            assert typed.has_focus


async def test_what_is_typed_replaces_what_was_there_unless_the_cursor_is_moved(start: Start) -> None:
    async with start() as stage:
        typed = stage.app.monitor.search.typed
        await look_for(stage, "throttling", "enter")
        await stage.press("slash", "end", "x")
        assert typed.value == "throttlingx"
        await stage.press("enter", "slash", "y")
        assert typed.value == "y"


async def test_what_was_found_is_highlighted_in_its_context(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter")
        events = stage.app.monitor.events

        def marked() -> set[str]:
            strips = [events.render_line(y) for y in range(1, events.size.height)]
            parts = [part for strip in strips for part in strip]
            return {part.text for part in parts if part.style and part.style.underline}

        assert marked() == {"Throttling"}
        await stage.press("escape")
        assert marked() == set()


async def test_the_line_that_was_found_stays_marked_and_in_the_middle(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter", "j", "j", "j")
        events = stage.app.monitor.events
        assert events.found == ERRORS[3].seq
        place = events.cursor - events.scroll_offset.y
        assert abs(place - events.view_height // 2) <= 1
        await stage.press("3", "k", "k")
        assert events.found == ERRORS[3].seq
        assert events.selected
        assert events.selected.seq == ERRORS[3].seq - 2


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_n_steps_through_the_hits_from_anywhere(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await stage.press("n")
        assert stage.notices() == ["No hits: press / and type what to look for."]
        await look_for(stage, "throttling", "enter", "1")
        assert active(stage) == "users"
        first = stage.app.monitor.search.selected
        await stage.press("n")
        second = stage.app.monitor.search.selected
        assert isinstance(first, EventHit)
        assert isinstance(second, EventHit)
        assert (first.seq, second.seq) == (ERRORS[0].seq, ERRORS[1].seq)
        assert stage.app.monitor.events.display
        assert stage.app.monitor.events.found == ERRORS[1].seq
        await stage.press("N", "N")
        assert stage.app.monitor.events.found == ERRORS[-1].seq


async def test_in_a_small_terminal_enter_goes_to_the_context_and_back(start: Start) -> None:
    async with start(size=SMALL) as stage:
        await look_for(stage, "throttling", "enter", "j")
        assert active(stage) == "search"
        assert stage.feed.contexts == []
        await stage.press("enter")
        assert active(stage) == "events"
        assert f"context of line {ERRORS[1].line:,}" in stage.text()
        await stage.press("enter")
        assert active(stage) == "search"
        assert stage.app.monitor.search.selected
        assert stage.app.monitor.search.selected.seq == ERRORS[1].seq
        await stage.press("enter", "escape")
        assert active(stage) == "search"
        assert stage.app.monitor.events.following
        await stage.press("d")
        assert stage.shows(DetailScreen)
        assert stage.feed.asked == [("event", ERRORS[1].seq)]


async def test_in_a_large_terminal_enter_opens_a_hit(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter", "enter")
        assert stage.shows(DetailScreen)
        assert stage.feed.asked == [("event", ERRORS[0].seq)]


async def test_the_stream_goes_on_behind_the_context(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter")
        for first in range(1_000, 4_000, 1_000):
            stage.feed.events.extend(event(seq) for seq in range(first, first + 1_000))
            await stage.tick()
        await stage.press("escape")
        seqs = [row.seq for row in stage.app.monitor.events.rows]
        assert seqs == list(range(seqs[0], 4_000))


# What is listed


async def test_calls_instead_of_lines_and_back(start: Start) -> None:
    async with start() as stage:
        await look_for(stage, "throttling", "enter", "c")
        assert asked(stage).calls
        assert "5 Search · calls" in stage.text()
        assert f"{len(ERRORS)} of 333 calls" in stage.text()
        assert "$0.0123" in stage.text()
        await stage.press("enter")
        assert stage.feed.asked == [("event", ERRORS[0].seq)]
        await stage.press("escape", "c")
        assert not asked(stage).calls
        assert "5 Search · events" in stage.text()


async def test_columns_are_chosen_and_fields_of_the_json_asked_for(start: Start) -> None:
    async with start(size=SMALL) as stage:
        await look_for(stage, "throttling", "enter", "v")
        assert stage.shows(ColumnsScreen)
        await stage.press("j", "j", "j", "space")
        await stage.press("a")
        await stage.write("usage.prompt_tokens")
        await stage.press("enter")
        assert asked(stage).fields == ("usage.prompt_tokens",)
        await stage.press("escape")
        heading = next(line for line in stage.lines() if "time" in line)
        assert "user" not in heading
        assert "usage.prompt_to" in heading
        assert f"usage.prompt_tokens of {ERRORS[0].seq}"[:14] in stage.text()
        await stage.press("c")
        assert asked(stage).fields == ()
        await stage.press("c", "v", "G", "d", "escape")
        assert asked(stage).fields == ()
        assert "usage." not in stage.text()


@pytest.mark.parametrize("size", [SMALL, WIDE, LARGE])
async def test_columns_that_are_wanted_and_have_no_room_say_so(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await look_for(stage, "throttling", "enter", "c", "v")
        screen = stage.app.screen
        assert isinstance(screen, ColumnsScreen)
        shown = {column.key for column, _ in stage.app.monitor.search.table.placed}
        for row in screen.table.rows:
            line = next(line for line in stage.lines() if f"] {row.title} " in line.replace("]  ", "] "))
            assert ("no room here" in line) == (row.key not in shown)
        assert shown < {row.key for row in screen.table.rows}
        if size == LARGE:
            await stage.press(*(key for _ in range(9) for key in ("j", "space")))
            assert "no room here" not in stage.text()


async def test_up_and_down_bring_back_what_was_looked_for_also_before(start: Start, tmp_path: Path) -> None:
    path = tmp_path / "search-history.jsonl"
    History(path).add("user:alice")
    async with start(searches=History(path)) as stage:
        for text in ("throttling", "completed"):
            await look_for(stage, text, "enter")
        await stage.press("slash", "up", "up")
        typed = stage.app.monitor.search.typed
        assert typed.value == "throttling"
        await stage.press("up", "up")
        assert typed.value == "user:alice"
        await stage.press("down", "down", "down")
        assert typed.value == ""
    assert History(path).entries == ["user:alice", "throttling", "completed"]


async def test_a_history_that_cannot_be_written_is_said(start: Start, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    async with start(searches=History(tmp_path / "file" / "history.jsonl")) as stage:
        await look_for(stage, "throttling", "enter")
        assert "cannot be written" in stage.notices()[0]
        await stage.press("slash", "ctrl+u", "up")
        assert stage.app.monitor.search.typed.value == "throttling"


class Clock:
    """A clock that is put forward by hand."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


async def test_new_lines_bring_the_hits_up_to_date_and_the_cursor_stays(start: Start) -> None:
    async with start() as stage:
        clock = stage.app.monitor.search._clock = Clock()
        await look_for(stage, "throttling", "enter", "j")
        searches = len(stage.feed.searches)
        await stage.tick()
        clock.now = 10.0
        await stage.tick()
        assert len(stage.feed.searches) == searches
        stage.feed.events.append(replace(event(1_000), error="ThrottlingException: again"))
        stage.feed.counters = replace(stage.feed.counters, lines=48_212)
        await stage.tick()
        await stage.settle()
        assert len(stage.feed.searches) == searches + 1
        assert stage.app.monitor.search.table.rows[0].seq == 1_000
        assert stage.app.monitor.search.selected
        assert stage.app.monitor.search.selected.seq == ERRORS[1].seq
        assert len(stage.feed.contexts) == 2


async def test_a_search_that_took_long_is_not_repeated_but_says_how_old_it_is(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pane_module, "CHEAP_SECONDS", -1.0)
    async with start() as stage:
        clock = stage.app.monitor.search._clock = Clock()
        await look_for(stage, "throttling", "enter")
        searches, clock.now = len(stage.feed.searches), 10.0
        stage.feed.counters = replace(stage.feed.counters, lines=48_212)
        await stage.tick()
        assert len(stage.feed.searches) == searches
        assert "as of 16:47:11Z" in stage.text()


async def test_no_more_is_drawn_than_is_in_view(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start() as stage:
        await look_for(stage, "req")
        table = stage.app.monitor.search.table
        assert len(table.rows) == 1_000 - sum(row.request_id is None for row in stage.feed.events)
        drawn = []
        cells = table._cells

        def noted(row: Hit) -> tuple[Cell, ...]:
            drawn.append(row)
            return cells(row)

        monkeypatch.setattr(table, "_cells", noted)
        stage.app.monitor.search.begin()
        await stage.settle()
        assert 0 < len(drawn) <= 3 * table.view_height


# Hostile text


async def test_a_hostile_line_that_is_found_is_harmless(start: Start) -> None:
    rows = [
        replace(event(number), message=text, user=text, error=text) for number, text in enumerate(HOSTILE)
    ]
    for size in (SMALL, WIDE):
        async with start(FakeFeed(events=rows), size) as stage:
            await stage.press("slash")
            assert_harmless(stage)
            await stage.press("enter")
            for _ in HOSTILE if size == WIDE else "":
                await stage.press("n")
                assert_harmless(stage)
            await stage.press("c", "v")
            assert_harmless(stage)


async def test_a_hostile_text_that_is_pasted_is_harmless(start: Start) -> None:
    async with start(size=SMALL) as stage:
        await stage.press("slash")
        typed = stage.app.monitor.search.typed
        for text in HOSTILE:
            typed.value = ""
            typed.insert_text_at_cursor(text[:20_000].split("\n")[0])
            await stage.write("")
            assert typed.value.isprintable()
            assert_harmless(stage)
        assert stage.app.is_running


async def test_an_empty_log_has_nothing_to_find(start: Start) -> None:
    async with start(FakeFeed(users={}, models={}, events=[], counters=Counters())) as stage:
        await look_for(stage, "x", "enter", "n", "enter", "plus")
        assert "0 of 0 events" in stage.text()
        assert stage.app.is_running
