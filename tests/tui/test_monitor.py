"""What a person does at the monitor, and what it does in return."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from textual.geometry import Region

from llmwatch.errors import SourceError
from llmwatch.query.insights.answer import Answer
from llmwatch.query.snapshot import Counters
from llmwatch.sources.source import SourceState
from llmwatch.tui.actions import ACTIONS
from llmwatch.tui.panes.columns import is_bad, is_error
from llmwatch.tui.registry import EVERY_ACTION
from llmwatch.tui.screens.detail import DetailScreen
from llmwatch.tui.screens.help import HelpScreen, help_lines
from llmwatch.tui.screens.monitor import MonitorScreen
from llmwatch.tui.widgets.line_table import LineTable
from tests.tui.conftest import SMALL, WIDE, Start
from tests.tui.feed import MODELS, RUNAWAY, FakeFeed, event, usage


async def test_the_first_thing_on_top_is_who_spends_most(start: Start) -> None:
    async with start() as stage:
        row = next(line for line in stage.lines() if "svc-batch" in line)
        assert "$402.12" in row
        assert "$186.20" in row
        assert "moonshotai.kimi-k2.5" in row
        assert "● LIVE  router.jsonl" in stage.lines()[0]
        assert "bad 10" in stage.lines()[0]


@pytest.mark.parametrize("size", [(12, 4), (40, 12), SMALL, (100, 30), (130, 20), WIDE, (200, 60)])
async def test_every_size_fills_its_lines_exactly(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        strips = stage.app.screen._compositor.render_strips()
        assert [strip.cell_length for strip in strips] == [size[0]] * size[1]


async def test_keys_sort_and_the_feed_is_asked(start: Start) -> None:
    async with start() as stage:
        await stage.press("s")
        assert (stage.feed.requests[-1].users_sort, stage.feed.requests[-1].users_descending) == (
            "cost_per_hour_usd",
            True,
        )
        await stage.press("s", "r")
        assert (stage.feed.requests[-1].users_sort, stage.feed.requests[-1].users_descending) == (
            "requests",
            False,
        )
        requests = [line.usage.requests for line in stage.app.monitor.users.rows]
        assert requests == sorted(requests)
        assert any("▲reqs" in line for line in stage.lines())
        await stage.press("S", "S", "S")
        assert stage.feed.requests[-1].users_sort == "key"
        assert stage.feed.requests[-1].models_sort == "cost_usd"


async def test_a_click_on_a_heading_sorts_its_table(start: Start) -> None:
    async with start() as stage:
        line = next(index for index, text in enumerate(stage.lines()) if "reqs" in text)
        column = stage.lines()[line].rindex("reqs")
        await stage.pilot.click(offset=(column, line))
        await stage.settle()
        assert stage.feed.requests[-1].models_sort == "requests"
        assert stage.feed.requests[-1].users_sort == "cost_usd"
        await stage.pilot.click(offset=(column, line))
        await stage.settle()
        assert stage.feed.requests[-1].models_descending is False


async def test_the_selection_stays_with_its_key_when_rows_move(start: Start) -> None:
    async with start() as stage:
        users = stage.app.monitor.users
        await stage.press("j", "j", "j")
        assert users.selected
        name = users.selected.key
        stage.feed.users[name] = replace(stage.feed.users[name], cost_usd=9_000.0)
        await stage.tick()
        assert users.cursor == 0
        assert users.selected.key == name
        del stage.feed.users[name]
        await stage.tick()
        assert users.cursor == 0
        assert users.selected.key == RUNAWAY


async def test_unknown_users_are_a_row_like_any_other(start: Start) -> None:
    async with start() as stage:
        await stage.press("G")
        assert stage.app.monitor.users.selected
        assert stage.app.monitor.users.selected.key is None
        assert "(unknown)" in stage.text()
        await stage.press("enter")
        assert stage.feed.asked == [("user", None)]


async def test_a_tick_paints_only_what_changed(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    painted: list[tuple[str | None, tuple[Region, ...]]] = []
    refresh = LineTable.refresh

    def noted(self: LineTable[Any], *regions: Region, **options: Any) -> LineTable[Any]:
        painted.append((self.id, regions))
        return refresh(self, *regions, **options)

    async with start() as stage:
        monkeypatch.setattr(LineTable, "refresh", noted)
        await stage.tick()
        assert painted == []
        name = stage.app.monitor.users.rows[3].key
        stage.feed.users[name] = replace(stage.feed.users[name], errors=77)
        await stage.tick()
        assert [(table, [region.y for region in regions]) for table, regions in painted] == [("users", [4])]
        assert any("77" in line and str(name)[:12] in line for line in stage.lines())


async def test_the_title_says_how_many_there_are(start: Start) -> None:
    feed = FakeFeed(users={f"user{number}": usage(str(number), 1) for number in range(612)})
    async with start(feed) as stage:
        assert "Users · 500 of 612" in stage.text()


async def test_hidden_panes_are_not_asked_for(start: Start) -> None:
    async with start(size=SMALL) as stage:
        assert stage.feed.requests[-1].panes == {"kpis", "users"}
        await stage.press("3")
        assert stage.feed.requests[-1].panes == {"kpis", "events"}
        assert "3 Events · last 1,000 of 48,211" in stage.text()
        await stage.press("tab")
        assert stage.feed.requests[-1].panes == {"kpis", "users"}
        await stage.pilot.resize_terminal(*WIDE)
        await stage.settle()
        assert stage.feed.requests[-1].panes == {"kpis", "users", "models", "events"}


async def test_tabs_can_be_clicked(start: Start) -> None:
    async with start(size=SMALL) as stage:
        line = next(index for index, text in enumerate(stage.lines()) if "2 Models" in text)
        await stage.pilot.click(offset=(stage.lines()[line].index("2 Models"), line))
        await stage.settle()
        assert "2 Models · 10" in stage.text()
        assert "moonshotai.kimi-k2.5" in stage.text()


async def test_zoom_gives_one_pane_the_screen_and_back(start: Start) -> None:
    async with start() as stage:
        await stage.press("2", "z")
        assert stage.feed.requests[-1].panes == {"kpis", "models"}
        assert stage.app.monitor.models.size.width > 130
        await stage.press("z")
        assert stage.app.monitor.users.display


async def test_pause_holds_the_picture_and_reading_goes_on(start: Start) -> None:
    async with start() as stage:
        await stage.press("space")
        before = stage.lines()[1:]
        stage.feed.events.extend(event(seq) for seq in range(1_000, 1_025))
        stage.feed.users["new@example.com"] = usage("new", 40)
        await stage.tick()
        assert "PAUSED +25" in stage.lines()[0]
        assert stage.lines()[1:] == before
        await stage.press("space")
        assert "PAUSED" not in stage.text()
        assert "new@example.com" in stage.text()
        assert stage.app.monitor.events.last_seq == 1_024


async def test_sorting_a_held_picture_shows_the_new_order(start: Start) -> None:
    async with start() as stage:
        await stage.press("space", "s", "s")
        requests = [line.usage.requests for line in stage.app.monitor.users.rows]
        assert requests == sorted(requests, reverse=True)
        stage.feed.events.append(event(1_000))
        await stage.tick()
        assert "PAUSED +1 " in stage.lines()[0]


async def test_the_stream_follows_until_it_is_moved(start: Start) -> None:
    async with start() as stage:
        events = stage.app.monitor.events
        stage.feed.events.append(event(1_000))
        await stage.tick()
        assert events.selected
        assert events.selected.seq == 1_000
        await stage.press("3", "k", "k")
        seen = events.selected.seq
        top = events.scroll_offset.y
        stage.feed.events.extend(event(seq) for seq in range(1_001, 1_201))
        await stage.tick()
        assert events.selected.seq == seen
        assert events.scroll_offset.y == top
        assert "+200 new" in stage.text()
        await stage.press("G")
        assert events.selected.seq == 1_200
        assert "+200 new" not in stage.text()
        assert "following" in stage.text()


async def test_the_wheel_leaves_the_newest_and_comes_back(start: Start) -> None:
    async with start() as stage:
        events = stage.app.monitor.events
        events.scroll_to(y=10, animate=False)
        await stage.settle()
        assert not events.following
        events.scroll_end(animate=False, immediate=True)
        await stage.settle()
        assert events.following


async def test_the_stream_is_bounded_and_never_has_a_hole(start: Start) -> None:
    async with start() as stage:
        events = stage.app.monitor.events
        for first in range(1_000, 9_000, 1_000):
            stage.feed.events.extend(event(seq) for seq in range(first, first + 1_000))
            await stage.tick()
        assert len(events.rows) == 5_000
        stage.feed.events.extend(event(seq) for seq in range(9_000, 15_000))
        await stage.tick()
        seqs = [row.seq for row in events.rows]
        assert seqs == list(range(seqs[0], 15_000))
        assert stage.feed.requests[-1].after_seq > -1


@pytest.mark.parametrize("size", [SMALL, WIDE])
@pytest.mark.parametrize(("key", "wanted"), [("e", is_error), ("E", is_error), ("b", is_bad), ("B", is_bad)])
async def test_errors_and_bad_lines_can_be_stepped_through(
    start: Start, size: tuple[int, int], key: str, wanted: object
) -> None:
    async with start(size=size) as stage:
        await stage.press(key)
        first = stage.app.monitor.events.selected
        await stage.press(key)
        second = stage.app.monitor.events.selected
        assert callable(wanted)
        assert first
        assert second
        assert wanted(first)
        assert wanted(second)
        assert (first.seq < second.seq) == key.islower()


async def test_no_error_is_said(start: Start) -> None:
    async with start(FakeFeed(events=[event(0), event(1)])) as stage:
        await stage.press("e")
        assert stage.notices() == ["No error in the last 2 events."]


@pytest.mark.parametrize(
    ("keys", "kind"), [(["enter"], "user"), (["2", "enter"], "model"), (["3", "enter"], "event")]
)
async def test_enter_opens_what_a_row_consists_of(start: Start, keys: list[str], kind: str) -> None:
    async with start() as stage:
        await stage.press(*keys)
        assert stage.shows(DetailScreen)
        assert stage.feed.asked[0][0] == kind
        expected = {"user": MODELS[0], "model": "svc-batch-summarise", "event": '"timestamp"'}
        assert expected[kind] in stage.text()
        await stage.press("escape")
        assert stage.shows(MonitorScreen)


async def test_a_detail_that_fails_says_why(start: Start) -> None:
    async with start(FakeFeed(answer=SourceError("the store is [/gone] \x1b[2J"))) as stage:
        await stage.press("enter")
        assert "the store is [/gone] ␛[2J" in stage.text()
        await stage.press("q")
        assert stage.shows(MonitorScreen)


async def test_help_has_every_key_and_column(start: Start) -> None:
    async with start() as stage:
        await stage.press("question_mark")
        assert stage.shows(HelpScreen)
        words = {line.words for line in help_lines()}
        assert words >= {action.description for action in ACTIONS}
        assert words >= {column.doc for column in stage.app.monitor.users.columns[1:]}
        await stage.press("escape")
        assert stage.shows(MonitorScreen)


async def test_the_palette_runs_actions(start: Start) -> None:
    async with start() as stage:
        await stage.press("ctrl+p")
        await stage.press(*"picture")
        await stage.pilot.pause(0.3)
        await stage.press("enter")
        await stage.settle()
        assert "PAUSED" in stage.text()


async def test_copy_takes_the_selected_name(start: Start) -> None:
    async with start() as stage:
        await stage.press("y")
        assert stage.app.clipboard == RUNAWAY
        assert stage.notices() == [f"Copied {RUNAWAY}"]


async def test_an_empty_log_says_what_to_do(start: Start) -> None:
    feed = FakeFeed(users={}, models={}, events=[], counters=Counters())
    async with start(feed) as stage:
        assert "no calls yet in router.jsonl: send a request through the gateway" in stage.text()
        feed.sources = (
            SourceState("router.jsonl", "reading", bytes_read=430_000_000, bytes_total=1_000_000_000),
        )
        await stage.tick()
        assert "◐ READING 43 % of 1.00 GB" in stage.lines()[0]
        assert "reading router.jsonl … 43 % of 1.00 GB" in stage.text()


async def test_a_source_in_trouble_has_a_line_of_its_own(start: Start) -> None:
    async with start() as stage:
        before = len([line for line in stage.lines() if "permission" in line])
        stage.feed.sources = (SourceState("router.jsonl", "error", "permission denied; make it readable"),)
        await stage.tick()
        assert before == 0
        assert "▲ router.jsonl: permission denied; make it readable" in stage.lines()[1]
        assert "✖ ERROR" in stage.lines()[0]
        stage.feed.sources = (SourceState("router.jsonl", "live"),)
        await stage.tick()
        assert "permission" not in stage.text()


async def test_a_silent_feed_is_noticed(start: Start) -> None:
    async with start() as stage:
        stage.app.monitor.header._clock = lambda: 42.0
        stage.app.monitor.header.refresh()
        await stage.settle()
        assert "NO NEWS FOR 42s" in stage.lines()[0]


@pytest.mark.parametrize("size", [SMALL, (100, 30), WIDE, (200, 60)])
async def test_a_query_is_asked_in_a_pane_of_its_own(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        stage.feed.answered = Answer(("user", "calls"), (("ada@example.com", 41_207),))
        await stage.press("colon", *"stats", "f5")
        assert stage.feed.queries == ["stats"]
        assert "41207" in stage.text().replace(",", "")
        assert "6 Query" in stage.text()
        assert "Request started" not in stage.text()
        await stage.press("escape", "3")
        assert "Request started" in stage.text()
        assert "41207" not in stage.text().replace(",", "")
        await stage.press("6", "escape")
        assert stage.app.monitor.users.has_focus
        assert "6 Query" not in stage.text()


async def test_quitting_stops_the_feed(start: Start) -> None:
    async with start() as stage:
        await stage.press("q")
    assert stage.feed.stopped


def test_no_key_a_terminal_keeps_for_itself() -> None:
    keys = [key for action in EVERY_ACTION for key in action.keys.split(",")]
    assert not {"ctrl+s", "ctrl+q", "ctrl+a", "ctrl+z"} & set(keys)
    assert len({action.id for action in EVERY_ACTION}) == len(EVERY_ACTION)


@pytest.mark.parametrize("size", [SMALL, WIDE])
async def test_the_help_cuts_nothing(start: Start, size: tuple[int, int]) -> None:
    async with start(size=size) as stage:
        await stage.press("question_mark")
        table = stage.app.screen.query_one("#help", LineTable)
        shown = " ".join(f"{line.name} {line.words}" for line in table.rows)
        said = " ".join(f"{line.name} {line.words}" for line in help_lines())
        assert shown.split() == said.split()
        (_, name_cells), (_, word_cells) = table.placed
        assert max(len(line.name) + 2 * (not line.group) for line in table.rows) <= name_cells
        assert max(len(line.words) for line in table.rows) <= word_cells
