"""The scope on screen: chips, the prompt, the list of filters, and what follows them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from llmwatch.errors import UsageError
from llmwatch.query.scope import Chip, Scope
from llmwatch.query.snapshot import Usage
from llmwatch.tui.screens.filter_prompt import FilterPrompt
from llmwatch.tui.screens.filters import FiltersScreen
from llmwatch.tui.screens.monitor import MonitorScreen
from llmwatch.tui.screens.prompt import PromptScreen
from llmwatch.tui.widgets.chips import ChipBar, moment
from tests.tui.conftest import SMALL, WIDE, Stage, Start
from tests.tui.feed import MODELS, RUNAWAY, START, FakeFeed, FakeFilters, event
from tests.tui.test_hostile import HOSTILE, assert_harmless

FILTERS = FakeFilters()
SINCE = datetime(2026, 2, 27, 15, tzinfo=UTC)


def chip(text: str, *, enabled: bool = True, inverted: bool = False) -> Chip:
    return Chip(FILTERS.read(text), enabled, inverted)


CHIPS = (
    chip("user:alice"),
    chip("model:kimi*", enabled=False, inverted=True),
    chip("status:error or status:aborted", inverted=True),
)


def scoped(*chips: Chip) -> FakeFeed:
    return FakeFeed(scope=Scope(since=SINCE, chips=chips or CHIPS))


def texts(stage: Stage) -> list[str]:
    return [one.text for one in stage.feed.scope.chips]


# Chips


async def test_there_is_no_line_of_chips_when_everything_is_shown(start: Start) -> None:
    async with start() as stage:
        assert "lag" in stage.lines()[0]
        assert "$/h" in "".join(stage.lines()[1:4])
        assert not stage.app.monitor.chips.display
        await stage.press("plus")
        assert f'user="{RUNAWAY}" ✕' in stage.lines()[1]


async def test_chips_say_what_they_are_and_do(start: Start) -> None:
    async with start(scoped()) as stage:
        parts = [
            "since 15:00Z",
            "user:alice ✕",
            "-model:kimi* (off) ✕",
            "-(status:error or status:aborted) ✕",
        ]
        assert re.split(r"\s{2,}", stage.lines()[1].strip()) == [*parts, "⌫ removes the last", "F edits"]


@pytest.mark.parametrize("cells", [*range(1, 30), 40, 80, 200])
def test_chips_beyond_the_end_are_counted(cells: int) -> None:
    bar = ChipBar()
    bar.scope = Scope(since=SINCE, chips=CHIPS * 3)
    shown = bar.draw(cells)
    assert shown.cell_length <= cells + 1
    if cells == 80:
        assert shown.plain.split()[-3:] == ["+7", "F", "edits"]


def test_a_bound_on_another_day_has_its_date() -> None:
    assert moment(SINCE, START).text == "15:00Z"
    assert moment(SINCE.replace(day=26, second=7), START).text == "2026-02-26 15:00:07Z"


async def test_a_click_turns_a_chip_off_and_on_and_a_cross_takes_it_away(start: Start) -> None:
    async with start(scoped()) as stage:
        await stage.click("user:alice")
        assert [one.enabled for one in stage.feed.scope.chips] == [False, False, True]
        assert "user:alice (off)" in stage.lines()[1]
        await stage.click("user:alice")
        assert stage.feed.scope == Scope(since=SINCE, chips=CHIPS)
        await stage.click("✕")
        assert stage.feed.scope.chips == CHIPS[1:]
        await stage.click("since")
        assert stage.feed.scope.chips == CHIPS[1:]
        assert stage.shows(FiltersScreen)


# Narrowing by a row


@pytest.mark.parametrize(
    ("keys", "text"),
    [
        (["plus"], f'user="{RUNAWAY}"'),
        (["equals_sign"], f'user="{RUNAWAY}"'),
        (["minus"], f'-(user="{RUNAWAY}")'),
        (["2", "exclamation_mark"], f'-(model="{MODELS[0]}")'),
        (["G", "plus"], "user:none"),
        (["3", "plus"], 'request="req-00014d"'),
    ],
)
async def test_a_row_narrows_everything_to_itself_or_leaves_itself_out(
    start: Start, keys: list[str], text: str
) -> None:
    async with start() as stage:
        await stage.press(*keys)
        assert texts(stage) == [text]


async def test_the_same_row_twice_is_one_filter(start: Start) -> None:
    async with start() as stage:
        await stage.press("plus", "plus")
        assert texts(stage) == [f'user="{RUNAWAY}"']
        await stage.press("minus")
        assert texts(stage) == [f'-(user="{RUNAWAY}")']


async def test_what_was_searched_for_becomes_a_filter(start: Start) -> None:
    async with start() as stage:
        await stage.press("slash")
        await stage.write("throttling")
        searches = len(stage.feed.searches)
        await stage.press("enter", "plus")
        assert texts(stage) == ["throttling"]
        assert len(stage.feed.searches) == searches + 1
        await stage.press("minus")
        assert texts(stage) == ["-(throttling)"]


async def test_nothing_to_narrow_to_is_said(start: Start) -> None:
    async with start(FakeFeed(events=[replace(event(0), request_id=None)])) as stage:
        await stage.press("3", "plus")
        assert not stage.feed.scope.chips
        assert stage.notices() == ["Nothing to narrow to: choose a user, a model, or an event of a request."]


async def test_the_stream_keeps_nothing_of_another_scope(start: Start) -> None:
    feed = FakeFeed(scoped=True)
    async with start(feed) as stage:
        await stage.press("plus")
        events = stage.app.monitor.events
        assert {row.user for row in events.rows} == {RUNAWAY}
        feed.events.extend(event(seq) for seq in range(1_000, 1_100))
        await stage.tick()
        assert {row.user for row in events.rows} == {RUNAWAY}
        assert events.rows[-1].seq > 1_000
        await stage.press("F", "c", "escape")
        assert [row.seq for row in events.rows] == list(range(1_100))


async def test_events_that_are_all_there_are_replace_those_before(start: Start) -> None:
    async with start() as stage:
        events = stage.app.monitor.events
        ten = tuple(stage.feed.events[500:510])
        stage.app.deliver(replace(stage.feed.snapshot(), events=ten, whole=True, last_seq=999))
        await stage.settle()
        assert [row.seq for row in events.rows] == list(range(500, 510))
        assert events.last_seq == 999


async def test_a_held_picture_follows_the_scope(start: Start) -> None:
    async with start(FakeFeed(scoped=True)) as stage:
        await stage.press("space", "plus")
        assert {row.user for row in stage.app.monitor.events.rows} == {RUNAWAY}
        assert "PAUSED" in stage.text()


async def test_an_empty_screen_says_that_filters_make_it_so(start: Start) -> None:
    async with start(replace(scoped(), users={}, models={}, events=[])) as stage:
        assert "nothing is let through: press F for the filters" in stage.text()


async def test_escape_never_takes_a_filter_away(start: Start) -> None:
    async with start(scoped()) as stage:
        await stage.press("escape", "3", "escape", "slash", "escape", "escape", "escape")
        assert stage.feed.scope.chips == CHIPS


async def test_backspace_takes_the_newest_filter_away_and_names_it(start: Start) -> None:
    async with start(scoped()) as stage:
        await stage.press("backspace")
        assert stage.feed.scope == Scope(since=SINCE, chips=CHIPS[:2])
        assert stage.notices() == ["Took away the filter -(status:error or status:aborted)"]
        await stage.press("slash", "x", "backspace")
        assert stage.feed.scope.chips == CHIPS[:2]
        await stage.press("escape")
        await stage.press("backspace", "backspace", "backspace")
        assert stage.feed.scope == Scope(since=SINCE)
        assert stage.notices()[-1] == "No filter is there to take away."


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_filters_are_not_in_the_query_and_say_so_there(start: Start, size: tuple[int, int]) -> None:
    async with start(scoped(), size) as stage:
        assert "not in the query" not in stage.text()
        await stage.press("colon")
        assert stage.lines()[1].strip().startswith("since 15:00Z  not in the query:  user:alice ✕")
        await stage.press("escape", "1")
        assert "not in the query" not in stage.text()
    async with start(FakeFeed(scope=Scope(since=SINCE)), size) as stage:
        await stage.press("colon")
        assert "not in the query" not in stage.text()


# The prompt


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_a_filter_is_typed_with_its_effect_in_view(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await stage.press("f")
        assert stage.shows(FilterPrompt)
        await stage.write("throttling")
        assert "keeps 33 of 333 calls" in stage.text()
        assert stage.feed.searches[-1].calls
        assert stage.feed.searches[-1].limit == 1
        await stage.press("enter")
        assert stage.shows(MonitorScreen)
        assert texts(stage) == ["throttling"]


async def test_a_misread_filter_keeps_the_prompt_open(start: Start) -> None:
    async with start(size=SMALL) as stage:
        await stage.press("f")
        await stage.write("cost>0.5 usr:x")
        lines = stage.lines()
        typed = next(index for index, line in enumerate(lines) if "usr:x" in line)
        assert lines[typed + 1].index("^") == lines[typed].index("usr:x")
        assert "is user meant?" in lines[typed + 2]
        await stage.press("enter")
        assert stage.shows(FilterPrompt)
        await stage.press("escape")
        assert stage.shows(MonitorScreen)
        assert not texts(stage)


async def test_keys_of_the_monitor_are_letters_in_the_prompt(start: Start) -> None:
    async with start() as stage:
        await stage.press("f")
        await stage.write("q? 12/fF")
        assert stage.app.screen.query_one("#prompt-input").value == "q? 12/fF"  # type: ignore[attr-defined]
        assert stage.app.is_running


# The list


async def listed(stage: Stage, *keys: str) -> None:
    await stage.press("F")
    assert stage.shows(FiltersScreen)
    await stage.press(*keys)


async def test_filters_are_turned_off_inverted_and_taken_away(start: Start) -> None:
    async with start(scoped()) as stage:
        await listed(stage, "space")
        assert not stage.feed.scope.chips[0].enabled
        await stage.press("i")
        assert texts(stage)[0] == "-(user:alice)"
        await stage.press("i", "space", "j", "space", "d")
        assert stage.feed.scope.chips == (CHIPS[0], CHIPS[2])
        await stage.press("c")
        assert stage.feed.scope == Scope(since=SINCE)
        assert "everything is shown: press a to add a filter" in stage.text()
        await stage.press("space", "i", "d", "e", "w", "o", "enter", "escape")
        assert stage.shows(MonitorScreen)


async def test_filters_are_added_and_edited(start: Start) -> None:
    async with start(scoped()) as stage:
        await listed(stage, "a")
        await stage.write("cost>0.5")
        await stage.press("enter")
        assert texts(stage)[-1] == "cost>0.5"
        await stage.press("j", "e")
        await stage.write(" user:bob")
        await stage.press("enter")
        assert stage.feed.scope.chips[1] == chip("model:kimi* user:bob", enabled=False, inverted=True)
        assert stage.shows(FiltersScreen)


async def test_filters_are_saved_used_and_forgotten(start: Start) -> None:
    async with start(scoped()) as stage:
        await listed(stage, "j", "w")
        await stage.write("no-kimi")
        await stage.press("enter")
        assert stage.filters.kept == {"no-kimi": "-(model:kimi*)"}
        await stage.press("k", "w")
        await stage.write("no-kimi")
        await stage.press("enter")
        assert "there is a filter of that name: enter again replaces it" in stage.text()
        await stage.press("escape")
        assert stage.filters.kept == {"no-kimi": "-(model:kimi*)"}
        await stage.press("tab", "enter")
        assert texts(stage)[-1] == "-(model:kimi*)"
        await stage.press("o")
        assert len(texts(stage)) == 5
        await stage.press("d")
        assert stage.filters.kept == {}


async def test_a_name_that_cannot_be_is_said_and_can_be_mended(
    start: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    def save(self: FakeFilters, name: str, text: str) -> None:
        raise UsageError(f"{name!r} cannot be a name [/red]")

    monkeypatch.setattr(FakeFilters, "save", save)
    async with start(scoped()) as stage:
        await listed(stage, "w")
        await stage.write("a b")
        await stage.press("enter")
        assert stage.shows(PromptScreen)
        assert "'a b' cannot be a name [/red]" in stage.text()


async def test_a_saved_filter_that_is_wrong_says_so(start: Start) -> None:
    async with start(scoped()) as stage:
        stage.filters.kept["bad"] = "usr:x"
        await listed(stage, "o")
        assert "is user meant?" in stage.notices()[0]
        assert texts(stage) == [one.text for one in CHIPS]


# Hostile text


async def test_hostile_filters_are_harmless(start: Start) -> None:
    hostile = [Chip(replace(CHIPS[0].filter, text=text)) for text in HOSTILE]
    saved = {text: text for text in HOSTILE}
    async with start(scoped(*hostile), SMALL) as stage:
        assert_harmless(stage)
        stage.filters.kept = saved
        await stage.press("F")
        assert_harmless(stage)
        for text in HOSTILE:
            stage.app.push_screen(FilterPrompt("Edit the filter", stage.filters, None, value=text))
            await stage.pilot.pause()
            assert_harmless(stage)
            stage.app.pop_screen()
        await stage.press("i", "G", "i")
        assert_harmless(stage)
        await stage.press("tab", "G", "o")
        assert_harmless(stage)


async def test_hostile_names_become_filters_that_are_harmless(start: Start) -> None:
    users: dict[str | None, Usage] = {
        text.encode("utf-8", "ignore").decode(): FakeFeed().users[RUNAWAY] for text in HOSTILE[:12]
    }
    async with start(FakeFeed(users=users), SMALL) as stage:
        for _ in users:
            await stage.press("plus", "j")
            assert_harmless(stage)
        assert len(texts(stage)) == len(users)
