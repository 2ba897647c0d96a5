"""How log groups are read: the header's sentence, the notice, and the pane that has it all."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from llmwatch.query.monitor import Monitor
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import Counters, Snapshot
from llmwatch.query.tables import count_all, group_calls
from llmwatch.sources.source import Feed, SourceState
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from llmwatch.tui.health import by_trouble, together
from llmwatch.tui.screens.monitor import MonitorScreen
from llmwatch.tui.widgets.header import Header
from tests.cli.traffic import START, call
from tests.store.helpers import as_slice, opened
from tests.tui.conftest import LARGE, SMALL, WIDE, Start
from tests.tui.feed import CALM, EXPIRED, GROUPS, FakeFeed, many_groups

FEED = Feed(events=10, events_per_second=1.0, lag_seconds=2.0, requests_per_minute=30.0)


def group(name: str, **feed: object) -> SourceState:
    return SourceState(name, "live", feed=replace(FEED, **feed), group=True)  # type: ignore[arg-type]


COUNTERS = Counters(lines=9_000, events=9_000, calls=3_000, unmetered=51)
SINCE = "16:40:00Z"
GOES_ON = "what came since is read when it goes on"


def header(sources: tuple[SourceState, ...], title: str = "router*", counters: Counters = COUNTERS) -> Header:
    feed = FakeFeed(title, sources=sources, counters=counters)
    shown = Header(title, lambda: 0.0)
    shown._snapshot = feed.snapshot()
    return shown


def text(sources: tuple[SourceState, ...], cells: int = 200, title: str = "router*") -> str:
    return header(sources, title).draw(cells).plain


# The header


def test_a_calm_group_has_a_calm_line() -> None:
    line = text(CALM)
    assert line.startswith("● LIVE  router*   lag 2s    42.3 events/s   ")
    assert not [word for word in ("late", "throttled", "sampled", "stalled", "bad", "/1") if word in line]


def test_the_line_is_the_sum_of_the_groups_and_the_worst_of_them() -> None:
    one = group("a", late=3, late_seconds=12.0, throttled=1, lag_seconds=1.0, events_per_second=2.0)
    other = group("b", late=4, late_seconds=84.2, sampled=2, lag_seconds=9.0, events_per_second=None)
    line = text((one, other))
    assert "lag 9s     2.0 events/s   unmetered 51   late 7 (max 1m 24s)   throttled 1   sampled 2" in line


def test_the_lag_does_not_grow_between_two_snapshots() -> None:
    shown = header(CALM)
    shown._clock = lambda: 4.0
    line = shown.draw(80).plain
    assert "lag 2s" in line
    assert line.endswith("16:47:15Z")


def test_filling_is_that_of_the_group_that_has_read_least() -> None:
    assert text((group("a", filling=0.42), group("b", filling=0.999), group("c"))).startswith(
        "◐ FILLING 42 %  router*"
    )
    assert text((group("a", filling=1.0),)).startswith("◐ FILLING 99 %  ")


def test_what_is_unknown_is_not_zero() -> None:
    unknown = group("a", lag_seconds=None, events_per_second=None)
    assert text((unknown,)).split()[3:7] == ["lag", "–", "–", "events/s"]


@pytest.mark.parametrize(
    ("statuses", "badge"),
    [
        (("live", "live"), "● LIVE  "),
        (("live", "error"), "● LIVE 1/2  "),
        (("live", "waiting", "live"), "● LIVE 2/3  "),
        (("error", "waiting"), "✖ ERROR  "),
        (("waiting",), "○ WAITING  "),
        (("ended", "ended"), "■ ENDED  "),
    ],
)
def test_the_badge_says_how_many_are_read(statuses: tuple[str, ...], badge: str) -> None:
    sources = tuple(
        replace(group(f"g{place}"), status=status)  # type: ignore[arg-type]
        for place, status in enumerate(statuses)
    )
    assert text(sources).startswith(badge)
    assert ("lag" in text(sources)) == (set(statuses) != {"ended"})


def test_a_group_that_stands_still_says_for_how_long_and_the_lag_is_that_of_the_others() -> None:
    still = replace(group("a", stalled=f"nothing read since {SINCE}", lag_seconds=250.0), status="error")
    longer = replace(still, name="b", feed=replace(still.feed or FEED, lag_seconds=3_700.0))
    assert "router*   stalled 4m   lag 2s     1.0 events/s" in text(
        (still, group("c", events_per_second=None))
    )
    assert "router*   stalled 1h   lag 2s " in text((still, longer, group("c")))
    assert "router*   stalled 1h    2.0 events/s" in text((still, longer))


def test_groups_that_are_looked_up_have_the_line_of_groups() -> None:
    line = text((SourceState("router", "waiting", group=True),))
    assert line.startswith("○ WAITING  router*   lag –        – events/s   unmetered 51")


def test_every_width_says_whole_numbers_and_counts_what_it_leaves_out() -> None:
    shown = header(GROUPS, "/aws/ecs/prod-eu-west-1/llm-gateway/router*")
    whole = {"42", "6/8", "12", "2", "2.08k", "1,211", "1", "24", "312", "3", "51", "9.00k", "3.00k"}
    before = 99
    for cells in range(50, 201):
        line = shown.draw(cells)
        assert line.cell_length == cells
        words, _, clock = line.plain.rstrip().rpartition(" ")
        assert clock == "16:47:11Z"
        missing = re.search(r"\+(\d+) *$", words)
        words = re.sub(r"…\S+|\S+router\*|\+\d+ *$", "", words)
        assert set(re.findall(r"[\d][\d.,/]*k?", words)) <= whole, line.plain
        left_out = int(missing[1]) if missing else 0
        marks = ("stalled 12m", "lag 2m", "2.08k", "late 1,211", "throttled 312", "sampled 3", "unmetered 51")
        assert sum(mark in words for mark in marks) + left_out == len(marks), line.plain
        assert left_out <= before
        before = left_out
    assert before == 0


def test_where_there_is_no_room_what_was_lost_goes_before_what_is_well() -> None:
    line = header(GROUPS, "llm-gateway*", replace(COUNTERS, malformed=10)).draw(78).plain
    assert "stalled 12m  lag 2m  bad 10  +5 " in line


def test_a_file_with_a_long_path_has_all_that_was_lost_on_screen() -> None:
    counters = Counters(lines=9_000_000, malformed=12, unmetered=1_051, unpriced=7)
    live = SourceState("a", "live")
    reading = replace(live, status="reading", bytes_read=430_000_000, bytes_total=1_000_000_000)
    for source, last in ((live, ("lag 1s", "unpriced 7")), (reading, ("  +2",))):
        line = header((source,), "/var/log/containers/llm-gateway/router.jsonl", counters).draw(80).plain
        for mark in ("r.jsonl", "bad 12", "unmetered 1,051", *last):
            assert mark in line, line


@pytest.mark.parametrize("sources", [GROUPS, (SourceState("router.jsonl", "live"),)])
async def test_what_has_no_tokens_or_price_is_said_whichever_pane_is_shown(
    start: Start, sources: tuple[SourceState, ...]
) -> None:
    feed = FakeFeed(sources=sources, counters=replace(COUNTERS, unpriced=7))
    async with start(feed, LARGE) as stage:
        for keys in ("1", "2", "3", "o", "z", "1", "3"):
            await stage.press(keys)
            assert "unmetered 51   unpriced 7" in stage.lines()[0]


async def test_colours_tell_what_cannot_be_read_from_what_may_pass(start: Start) -> None:
    async with start(FakeFeed(sources=GROUPS), LARGE) as stage:
        strip = stage.app.screen._compositor.render_strips()[0]
        colours = {
            segment.text.strip(): segment.style.color.triplet
            for segment in strip
            if segment.style and segment.style.color
        }
        wanted = {name: stage.app.theme_variables[f"text-{name}"] for name in ("error", "warning")}
        assert wanted["error"] != wanted["warning"]
        assert colours["throttled 312"] == colours["sampled 3"] == colours["late 1,211 (max 1m 24s)"]
        assert colours["stalled 12m"] == colours["throttled 312"] != colours["6/8"]
        assert colours["lag 2m"] == colours["throttled 312"] != colours["2.08k events/s"]


async def test_files_have_the_header_they_had(start: Start) -> None:
    async with start() as stage:
        assert stage.lines()[0].split("   ")[:3] == [" ● LIVE  router.jsonl", "lag 1s", "bad 10"]


# The notice


async def test_the_worst_trouble_is_said_without_opening_anything(start: Start) -> None:
    async with start(FakeFeed(sources=GROUPS), SMALL) as stage:
        said = " ".join(line.strip() for line in stage.lines()[1:3])
        assert "…llm-gateway/router: The SSO session of profile prod has" in said
        assert "+3 more · o" in said
        assert "run `aws sso login --profile prod`" in said
        assert not stage.app.monitor.sources.display


async def test_standing_still_is_said_without_alarm(start: Start) -> None:
    feed = FakeFeed(sources=(*CALM, group("router", stalled=f"nothing read since {SINCE}")))
    async with start(feed, SMALL) as stage:
        said = " ".join(line.strip() for line in stage.lines()[1:3])
        assert f"▲ router: stalled: nothing read since {SINCE}; {GOES_ON}" in said
        assert stage.app.monitor.notice.has_class("-warning")
        feed.sources = (*CALM, replace(feed.sources[1], status="error", detail=EXPIRED))
        await stage.tick()
        assert "▲ router: The SSO session" in stage.lines()[1]
        assert not stage.app.monitor.notice.has_class("-warning")
        feed.sources = (*CALM, SourceState("new", "waiting", "No log group is called new. Waiting for it."))
        await stage.tick()
        assert "▲ new: No log group is called new." in stage.lines()[1]
        assert stage.app.monitor.notice.has_class("-warning")
        feed.sources = CALM
        await stage.tick()
        assert "▲" not in stage.text()


async def test_one_cause_is_said_once(start: Start) -> None:
    expired = tuple(replace(source, status="error", detail=EXPIRED) for source in many_groups(60))
    async with start(FakeFeed(sources=expired), WIDE) as stage:
        assert "▲ 60 sources: The SSO session" in stage.lines()[1]
        assert "more" not in stage.lines()[1]


# The pane


def rows(stage_lines: list[str]) -> list[str]:
    first = next(place for place, line in enumerate(stage_lines) if line.lstrip("│ ").startswith("source "))
    return stage_lines[first + 1 :]


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_key_opens_the_pane_and_closes_it(start: Start, size: tuple[int, int]) -> None:
    async with start(FakeFeed(sources=GROUPS), size) as stage:
        before = stage.lines()
        await stage.press("2", "o")
        assert "4 Sources · 8" in stage.text()
        assert "4 in trouble" in stage.text()
        first, second, *_ = rows(stage.lines())
        assert "llm-gateway/router " in first
        assert "✖ error" in first
        assert "○ waiting" in second
        await stage.press("o")
        assert stage.app.monitor.pane is stage.app.monitor.models
        await stage.press("1")
        assert stage.lines() == before


async def test_the_pane_is_one_of_the_panes_while_it_is_open(start: Start) -> None:
    async with start(FakeFeed(sources=GROUPS), SMALL) as stage:
        await stage.press("tab", "tab", "tab")
        assert "1 Users · " in stage.text()
        await stage.press("4")
        assert "4 Sources · 8" in stage.text()
        assert stage.feed.requests[-1].panes == {"kpis"}
        await stage.press("tab")
        assert "1 Users · " in stage.text()
        await stage.press("o")
        assert "4 Sources · 8" in stage.text()
        line = next(place for place, words in enumerate(stage.lines()) if "2 Models" in words)
        await stage.pilot.click(offset=(stage.lines()[line].index("2 Models"), line))
        await stage.settle()
        assert "2 Models · 10" in stage.text()


async def test_every_group_is_said_in_full_below(start: Start) -> None:
    async with start(FakeFeed(sources=GROUPS), SMALL) as stage:
        await stage.press("o")
        for source in by_trouble(GROUPS):
            below = " ".join(stage.text().split("─" * 70)[1].split())
            assert source.name in below
            assert source.detail in below
            assert (GOES_ON in below) == (source.status == "error")
            if source.feed is not None:
                assert source.feed.stalled in below
                assert f"read {source.feed.events:,} events" in below
            await stage.press("y", "j")
            assert stage.app.clipboard == source.name
        await stage.press("g", "j", "j", "j")
        assert "throttled 312" in stage.text()
        assert "late 1,204 (max 31.4 s)" in stage.text()


async def test_a_hidden_pane_costs_nothing(start: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    async with start(FakeFeed(sources=GROUPS)) as stage:
        pane = stage.app.monitor.sources
        shown: list[int] = []
        monkeypatch.setattr(pane, "show", lambda sources, _now: shown.append(len(sources)))
        await stage.tick()
        assert shown == []
        assert stage.feed.requests[-1].panes == {"kpis", "users", "models", "events"}
        await stage.press("4")
        assert set(shown) == {8}


async def test_sixty_groups_scroll_and_the_selection_stays_with_its_group(start: Start) -> None:
    async with start(FakeFeed(sources=many_groups(60)), SMALL) as stage:
        await stage.press("o")
        first, second, third, *_ = rows(stage.lines())
        assert "tenant-057" in first
        assert "tenant-041" in second
        assert "tenant-000" in third
        await stage.press("G")
        assert "tenant-059" in stage.text()
        assert "tenant-057" not in rows(stage.lines())[0]
        calm = tuple(replace(source, status="live", detail="") for source in stage.feed.sources)
        stage.feed.sources = (*calm[:59], replace(calm[59], status="error"))
        await stage.tick()
        chosen = stage.app.monitor.sources.selected
        assert chosen
        assert chosen.name.endswith("tenant-059/router")
        assert stage.app.monitor.sources.table.cursor == 0
        assert "cannot be read" in stage.text()


@pytest.mark.parametrize("size", [(12, 4), (40, 12), SMALL, (120, 30), (130, 46), LARGE])
async def test_every_size_is_filled_exactly(start: Start, size: tuple[int, int]) -> None:
    async with start(FakeFeed(sources=GROUPS), size) as stage:
        for keys in ("o", "z", "o"):
            await stage.press(keys)
            strips = stage.app.screen._compositor.render_strips()
            assert [strip.cell_length for strip in strips] == [size[0]] * size[1]


async def test_long_words_do_not_cover_the_row_they_are_about(start: Start) -> None:
    wordy = [
        replace(source, detail="long words " * 9 * (place % 2) or "short")
        for place, source in enumerate(many_groups(60))
    ]
    async with start(FakeFeed(sources=tuple(wordy)), SMALL) as stage:
        await stage.press("o")
        for _ in range(14):
            await stage.press("j")
            chosen = stage.app.monitor.sources.selected
            assert chosen
            rows_above = stage.text().split("─" * 70)[0]
            assert chosen.name[-17:] in rows_above.split("source ")[1]


async def test_a_held_picture_holds_the_sources_too(start: Start) -> None:
    async with start(FakeFeed(sources=GROUPS), SMALL) as stage:
        await stage.press("space", "o")
        assert "✖ error" in stage.text()
        stage.feed.sources = CALM
        await stage.tick()
        assert "✖ error" in stage.text()
        await stage.press("space")
        assert "✖ error" not in stage.text()


async def test_files_show_what_was_read_of_them(start: Start) -> None:
    half = SourceState("/var/log/router.jsonl", "reading", bytes_read=430_000_000, bytes_total=1_000_000_000)
    async with start(FakeFeed(sources=(half,)), SMALL) as stage:
        await stage.press("o")
        row = rows(stage.lines())[0]
        assert row.split() == ["/var/log/router.jsonl", "◐", "reading", "43", "%", "430", "MB", "1.00", "GB"]
        assert "events/s" not in stage.text()
        assert "read 430 MB of 1.00 GB" in stage.text()
        stage.feed.sources = (half, *CALM)
        await stage.tick()
        assert "events/s" in stage.text()


async def test_a_group_that_is_looked_up_is_not_called_missing(start: Start) -> None:
    sought = SourceState("router", "waiting", group=True)
    feed = FakeFeed("router", users={}, models={}, events=[], counters=Counters(), sources=(sought,))
    async with start(feed, SMALL) as stage:
        for key in "123":
            await stage.press(key)
            assert "looking for log group router …" in stage.text()
        assert "▲" not in stage.text()
        await stage.press("o")
        assert "events/s" in stage.text()
        name, sign, word, *figures = rows(stage.lines())[0].split()
        assert (name, sign, word, set(figures)) == ("router", "○", "waiting", {"–"})
        assert "looking for it …" in stage.text()
        assert "0 B" not in stage.text()
        await stage.press("1")
        feed.sources = (sought, replace(sought, name="worker"))
        await stage.tick()
        assert "looking for the log groups of 2 names …" in stage.text()
        feed.sources = (replace(sought, detail="No log group begins with router; waiting for one."),)
        await stage.tick()
        assert "looking for" not in stage.text()
        feed.sources = (SourceState("router", "waiting"),)
        await stage.tick()
        assert "waiting for router to appear" in stage.text()


@pytest.mark.parametrize("size", [SMALL, LARGE])
async def test_the_footer_offers_what_a_pane_can_do(start: Start, size: tuple[int, int]) -> None:
    offered = {"1": ("sort", "reverse", "open"), "3": ("open",), "4": ()}
    async with start(FakeFeed(sources=GROUPS), size) as stage:
        for pane, words in (*offered.items(), ("3", offered["3"]), ("1", offered["1"])):
            await stage.press(pane)
            footer = stage.lines()[-1]
            for word in ("sort", "reverse", "open"):
                assert (f" {word} " in footer) == (word in words), footer
            assert "q quit" in footer
        await stage.press("4")
        place = stage.lines()[-1].index("sources")
        await stage.pilot.click(offset=(place, size[1] - 1))
        await stage.settle()
        assert not stage.app.monitor.sources.display


async def test_no_sources_are_no_rows(start: Start) -> None:
    async with start(FakeFeed(sources=()), SMALL) as stage:
        await stage.press("o", "j", "enter", "y")
        assert "4 Sources · 0" in stage.text()
        assert "nothing is being read" in stage.text()
        assert stage.shows(MonitorScreen)


def test_without_feeds_there_is_nothing_to_add_up() -> None:
    assert together(()) is None
    assert together((SourceState("router.jsonl", "live"),)) is None


# The counters


class _Groups:
    """Groups that have nothing new to read."""

    ended = False

    def read(self) -> Iterator[Slice]:
        return iter(())

    finish = read

    def states(self) -> tuple[SourceState, ...]:
        return (group("a", late=3, sampled=1), group("b", late=4), SourceState("file", "live"))

    def close(self) -> None: ...


def test_the_monitor_counts_what_was_late_and_sampled() -> None:
    store = Store(StoreSettings())
    monitor = Monitor(_Groups(), store, title="router")
    taken: list[Snapshot] = []
    try:
        monitor.start(taken.append)
        until = time.monotonic() + 10
        while not taken and time.monotonic() < until:
            time.sleep(0.01)
    finally:
        monitor.stop()
        store.close()
    assert (taken[0].counters.late, taken[0].counters.sampled) == (7, 1)


@pytest.mark.parametrize(
    ("since", "expected"), [(None, (5, 1, 2, 1)), (START + timedelta(minutes=1), (2, 0, 1, 0))]
)
def test_the_counters_are_those_of_the_tables(
    since: datetime | None, expected: tuple[int, int, int, int]
) -> None:
    later = START + timedelta(minutes=2)
    silent, late = call("ana@example.com", "silent"), call("ana@example.com", "late-silent", started=later)
    health = call("ana@example.com", "health").replace(b"/v1/chat/completions", b"/health")
    lines = [
        *call("ana@example.com", "well").splitlines(),
        *call("ana@example.com", "dear", model="nobody.knows-v1:0").splitlines(),
        *call("ana@example.com", "late", started=later).splitlines(),
        *(line for line in (silent + late).splitlines() if b"usage" not in line),
        *(line for line in health.splitlines() if b"Request" in line),
    ]
    scope, now = Scope(since=since), later + timedelta(minutes=1)
    with opened() as store:
        store.ingest(as_slice(lines))
        store.refresh()
        counted = count_all(store, scope, now)
        totals = group_calls(store, scope, ["user"], now=now).totals
        assert (counted.calls, counted.other_requests, counted.unmetered, counted.unpriced) == expected
        assert (totals.requests, totals.unmetered, totals.unpriced) == (expected[0], *expected[2:])


def test_an_empty_store_counts_nothing() -> None:
    with opened() as store:
        assert count_all(store, Scope()) == Counters()
