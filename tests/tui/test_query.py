"""The Query pane: asking, looking at the answer as rows and over time, taking it elsewhere."""

from __future__ import annotations

import csv
import json
import os
import stat
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, ClassVar

import pytest
from rich.cells import cell_len
from textual.app import App, ComposeResult
from textual.events import Paste
from textual.pilot import Pilot
from textual.screen import Screen
from textual.types import CSSPathType

import llmwatch.tui
from llmwatch.clean import clean, literal
from llmwatch.errors import SourceError, UsageError
from llmwatch.query.export import write_file
from llmwatch.query.insights.answer import Answer, Value
from llmwatch.query.insights.faults import QueryError
from llmwatch.tui.history import KEPT, History
from llmwatch.tui.panes.answer import Row, shown
from llmwatch.tui.panes.query import QueryPane
from llmwatch.tui.panes.timeline import Grouping, grouping
from llmwatch.tui.screens.prompt import PromptScreen, Sentence
from llmwatch.tui.screens.queries import Known, Library, QueriesScreen
from llmwatch.tui.screens.row import RowScreen
from llmwatch.tui.theme import LLMWATCH
from llmwatch.tui.widgets.chart import Chart, merged, period, ticks
from llmwatch.tui.widgets.column import Cell
from llmwatch.tui.widgets.outcome import complaint
from tests.tui.conftest import SMALL, WIDE
from tests.tui.test_hostile import HOSTILE, forbidden

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
)
BY_TIME = Answer(
    ("bin(1m)", "count(*)", "avg(latency)", "sum(cost)"),
    tuple(
        (at(minute), 300 + minute % 17 * 23, 1_812.5 + minute * 9.25, minute * 0.013) for minute in range(50)
    ),
    scanned=48_211,
    matched=48_211,
    binned="bin(1m)",
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
        await self.pilot.press(*keys)
        await self.settle()

    async def settle(self) -> None:
        if self.asked.hold is None or self.asked.hold.is_set():
            await self.app.workers.wait_for_complete()
        await self.pilot.pause()
        await self.pilot.pause()

    async def ask(self, text: str = QUERY, answer: Answer | Exception | None = None) -> None:
        self.asked.answer = answer or self.asked.answer
        self.pane.fill(text)
        await self.press("ctrl+r")

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


# Asking


@pytest.mark.parametrize("key", ["ctrl+r", "f5", "ctrl+j"])
async def test_a_key_runs_what_is_in_the_editor(key: str) -> None:
    async with started() as stage:
        await stage.press(*"stats ", *"now")
        await stage.press("enter", "|", key)
        assert stage.asked.texts == ["stats now\n|"]
        assert "1,234 rows" in stage.text()
        assert "more than the limit" in stage.text()
        assert "12,904 of 1.20M lines matched" in stage.text()
        assert "minus `name`" in stage.text()


async def test_nothing_is_not_asked() -> None:
    async with started() as stage:
        await stage.press("ctrl+r", "enter", "f5")
        assert stage.asked.texts == []
        assert "there is no query to run" in stage.text()


async def test_a_query_that_runs_can_be_stopped_and_its_answer_does_not_come() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask()
        assert "asking …" in stage.text()
        assert stage.pane.badge[0].text == "asking …"
        await stage.press("escape")
        assert "stopped" in stage.text()
        hold.set()
        await stage.settle()
        assert stage.asked.stopped == 1
        assert stage.pane.shown is None
        assert stage.pane.badge[0].text == ""


async def test_the_newest_query_is_the_one_that_is_answered() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask("first")
        await stage.ask("second", BY_TIME)
        hold.set()
        await stage.settle()
        assert stage.pane.shown
        assert stage.pane.shown.answer is BY_TIME
        assert stage.asked.texts == ["first", "second"]
        assert stage.asked.stopped == 1


async def test_leaving_stops_what_runs() -> None:
    hold = threading.Event()
    async with started(hold=hold) as stage:
        await stage.ask()
    until = time.monotonic() + 10
    while not stage.asked.stopped and time.monotonic() < until:
        time.sleep(0.01)
    assert stage.asked.stopped == 1


@pytest.mark.parametrize("size", [SMALL, WIDE, (30, 24)])
async def test_a_fault_is_shown_with_its_place_and_the_cursor_goes_there(size: tuple[int, int]) -> None:
    place = FAULT.index("filtre")
    async with started(size=size) as stage:
        await stage.ask("\n " + FAULT, QueryError(FAULT, place, "unknown command `filtre`: [b]did you[/]"))
        caret = next(number for number, line in enumerate(stage.lines()) if line.strip(" │") == "^")
        column = stage.lines()[caret].index("^")
        assert stage.lines()[caret - 1][column:].startswith("filtre status")
        assert "line 2, column 3: unknown command" in stage.pane.outcome.draw(200).plain
        assert stage.pane.editor.cursor_location == (2, 2)
        await stage.press("x")
        assert "\n| xfiltre" in stage.pane.editor.text


def test_a_caret_far_to_the_right_of_wide_characters_points_at_the_right_cell() -> None:
    said = complaint("no such function\nsorry\n東京 \u202e nope(x)\n     ^")
    assert said.sentence.text == "no such function sorry"
    assert said.line
    assert said.place == cell_len("東京 ‹202E› ")
    assert complaint("plain").line is None


async def test_the_answer_stays_when_the_next_query_fails() -> None:
    async with started() as stage:
        await stage.ask()
        await stage.ask("bad", UsageError("no"))
        assert "user00@example.com" in stage.text()
        await stage.ask("dead", RuntimeError("engine \x1b[2J broke"))
        assert "engine ␛[2J broke" in stage.text()


# The history


async def test_earlier_queries_come_back_and_what_was_being_written_too(tmp_path: Path) -> None:
    path = tmp_path / "new" / "history.jsonl"
    async with started(history=History(path)) as stage:
        for text in ("one\n| two", "three", "three"):
            await stage.ask(text)
        await stage.press("escape", "i")
        stage.pane.fill("draft")
        await stage.press("up")
        assert stage.pane.editor.text == "three"
        await stage.press("up")
        assert stage.pane.editor.text == "one\n| two"
        await stage.press("up")
        assert stage.pane.editor.cursor_location[0] == 0
        await stage.press("up", "ctrl+up")
        assert stage.pane.editor.text == "one\n| two"
        await stage.press("down", "down")
        assert stage.pane.editor.text == "three"
        await stage.press("alt+down", "alt+down")
        assert stage.pane.editor.text == "draft"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert History(path).entries == ["one\n| two", "three"]


def test_the_history_is_bounded_shared_and_survives_a_broken_file(tmp_path: Path) -> None:
    path = tmp_path / "history.jsonl"
    path.write_bytes(b'"old"\n{"not": "text"}\nnonsense\xff\n""\n')
    ours, theirs = History(path), History(path)
    assert ours.entries == ["old"]
    theirs.add("theirs")
    for number in range(KEPT):
        ours.add(f"ours {number}")
    assert History(path).entries == [f"ours {number}" for number in range(KEPT)]
    assert os.listdir(tmp_path) == ["history.jsonl"]
    path.unlink()
    path.mkdir()
    with pytest.raises(SourceError, match="cannot be written"):
        ours.add("more")
    assert ours.entries[-1] == "more"


async def test_a_history_that_cannot_be_kept_is_said_and_the_query_runs(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    async with started(history=History(tmp_path / "file" / "history")) as stage:
        await stage.ask()
        assert "1,234 rows" in stage.text()
        assert any("cannot be written" in words for words in stage.notices())


# The list of queries


async def test_a_query_of_the_runbook_is_chosen_by_its_preview() -> None:
    async with started() as stage:
        await stage.press("ctrl+o")
        assert stage.shows(QueriesScreen)
        assert "queries/old.cwli is left out" in stage.text()
        assert "| limit 5" in stage.text()
        await stage.press("j")
        assert "ispresent(error)" in stage.text()
        await stage.press("enter")
        assert stage.pane.editor.text == RUNBOOK.queries[1].text
        assert stage.pane.editor.has_focus
        await stage.press("ctrl+o", "escape")
        assert stage.pane.editor.text == RUNBOOK.queries[1].text


async def test_queries_that_cannot_be_read_are_a_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail() -> Library:
        raise UsageError("config.toml is not TOML: \x1b[2J")

    async with started() as stage:
        monkeypatch.setattr(stage.pane, "_read", fail)
        await stage.press("ctrl+o")
        assert "config.toml is not TOML: ␛[2J" in stage.text()


# Rows


async def test_enter_shows_a_row_in_full_and_y_copies_it() -> None:
    long = "x" * 300 + "\nsecond \x1b[2J\tline"
    answer = Answer(tuple(f"column {n}" for n in range(20)), ((*range(1_000, 1_019), long),))
    async with started(answer, SMALL) as stage:
        await stage.ask()
        assert "20 columns: enter shows all" in stage.text()
        await stage.press("escape", "y")
        assert stage.app.clipboard.split("\t") == [*map(str, range(1_000, 1_019)), clean(long, 1_000).text]
        await stage.press("enter")
        assert stage.shows(RowScreen)
        await stage.press("G")
        assert "second ␛[2J␉line" in stage.text()
        assert "column 19" in stage.text()
        await stage.press("y")
        assert stage.app.clipboard == clean(long, 1_000).text
        await stage.press("escape")
        assert not stage.shows(RowScreen)


async def test_a_new_answer_is_seen_from_its_beginning() -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "G")
        assert "user1233@" in stage.text()
        await stage.press("ctrl+r")
        assert stage.pane.table.cursor == 0
        assert "user00@" in stage.text()
        await stage.ask("none", Answer(("a",), ()))
        assert "0 rows" in stage.text()
        assert "no rows" in stage.text()
        await stage.press("escape", "enter", "y", "t")
        assert stage.pane.title.text == "Query · 0"


def test_figures_are_short_and_unknown_is_not_zero() -> None:
    answer = Answer(
        ("a", "b", "c"),
        (
            *((1234567, 0.1 + 0.2, None), (None, 1e6, None), (0, 1e-9, None), (5, float("nan"), None)),
            (10**20, 1e300, None),
        ),
    )
    made = shown(answer, None, 0.0)
    cells = [[column.cell(row, START).text.text for column in made.columns] for row in made.rows]
    assert cells == [
        ["1,234,567", "0.30", "–"],
        ["–", "1,000,000.00", "–"],
        ["0", "1.00e-09", "–"],
        ["5", "–", "–"],
        ["100,000,000,000,000,000,000", "1.00e+300", "–"],
    ]
    assert [column.right for column in made.columns] == [True, True, False]
    assert [column.width for column in made.columns] == [27, 12, 1]


# Over time


def test_empty_bins_are_gaps_and_not_zero() -> None:
    rows: tuple[tuple[Value, ...], ...] = ((at(0), 1), (at(5), 0), (at(20), 3), (at(10), None))
    made = shown(Answer(("t", "n"), rows, binned="t"), None, 0.0).timeline
    assert made
    assert [time.minute for time in made.times] == [0, 5, 10, 15, 20]
    assert made.series[0].points == (1.0, 0.0, None, None, 3.0)
    assert made.every.text == "5m"


def test_the_largest_series_are_drawn_and_the_others_only_added_up_when_that_means_something() -> None:
    rows = tuple((at(step), f"m{number}", number) for step in range(3) for number in range(1, 11))
    answer = Answer(("t", "model", "n"), rows, binned="t")
    counted = shown(answer, Grouping(frozenset({"t", "model"}), frozenset({"n"})), 0.0)
    assert counted.timeline
    assert [bars.name.text for bars in counted.timeline.series] == [
        *(f"m{number}" for number in (10, 9, 8, 7, 6, 5)),
        "4 others",
    ]
    assert counted.timeline.series[-1].points == (10.0, 10.0, 10.0)
    averaged = shown(answer, Grouping(frozenset({"t", "model"})), 0.0)
    assert averaged.timeline
    assert len(averaged.timeline.series) == 6
    assert [words.text for words in averaged.remarks] == ["4 more series are not drawn"]


def test_the_text_of_a_query_says_what_it_groups_by() -> None:
    found = grouping("stats count(*) as n, avg(x) as a, sum(y) by bin(5m) as t, status\n| sort t")
    assert found == Grouping(frozenset({"t", "status"}), frozenset({"n", "sum(y)"}))
    assert grouping("fields @message") is None
    assert grouping("no query") is None
    rows: tuple[tuple[Value, ...], ...] = ((at(0), 200, 5), (at(0), 429, 7), (at(1), 429, 7))
    found = grouping("stats count(*) as n by bin(1m) as t, status")
    made = shown(Answer(("t", "status", "n"), rows, binned="t"), found, 0.0)
    assert made.timeline
    assert [(bars.name.text, bars.points) for bars in made.timeline.series] == [
        ("429", (7.0, 7.0)),
        ("200", (5.0, None)),
    ]


def test_times_that_are_no_times_are_counted() -> None:
    made = shown(Answer(("t", "n"), ((at(0), 1), ("soon", 2), (None, 3)), binned="t"), None, 0.0)
    assert made.timeline
    assert len(made.timeline.times) == 1
    assert [words.text for words in made.remarks] == ["2 rows have no time and are not drawn"]


def test_months_have_no_false_gaps() -> None:
    rows = tuple((f"2026-{month:02}-01 00:00:00.000", month) for month in (1, 2, 3, 4, 6))
    made = shown(Answer(("t", "n"), rows, binned="t"), None, 0.0).timeline
    assert made
    assert made.series[0].points == (1.0, 2.0, 3.0, 4.0, None, 6.0)
    assert made.every.text == "1mo"


def test_many_bins_keep_their_peaks_and_their_number_is_bounded() -> None:
    rows = tuple((at(minute), 9_000 if minute == 7_777 else 1) for minute in range(10_000))
    made = shown(Answer(("t", "n"), rows, binned="t"), None, 0.0).timeline
    assert made
    assert len(made.times) <= 1_024
    assert max(point or 0 for point in made.series[0].points) == 9_000
    assert max(point or 0 for point in merged(made.series[0].points, 50)) == 9_000
    assert made.every.text == "10 × 1m"
    odd = tuple((f"2026-01-{day:02} 00:00:0{day % 7}.{day:06}", day) for day in range(1, 29))
    ragged = shown(Answer(("t", "n"), odd, binned="t"), None, 0.0).timeline
    assert ragged
    assert len([point for point in ragged.series[0].points if point is not None]) == 28


@pytest.mark.parametrize("cells", [10, 40, 60, 200])
@pytest.mark.parametrize(("step", "bins"), [(60, 50), (300, 36), (300, 2_000), (86_400, 90), (1, 3), (7, 1)])
def test_times_on_the_axis_stand_where_their_bins_begin(cells: int, step: int, bins: int) -> None:
    times = [START + timedelta(seconds=step * place) for place in range(bins)]
    found = ticks(times, cells)
    assert found
    for cell, label in found:
        place = next(
            place
            for place, time in enumerate(times)
            if label in (f"{time:%m-%d %H:%M}", f"{time:%m-%d %H:%M:%S}", f"{time:%Y-%m-%d}")
            or (label in (f"{time:%H:%M}", f"{time:%H:%M:%S}") and merged_from(place, bins, cells) == cell)
        )
        assert merged_from(place, bins, cells) == cell


def merged_from(place: int, bins: int, cells: int) -> int:
    """The first cell that shows a bin."""
    return merged([float(number == place) for number in range(bins)], cells).index(1.0)


def test_lengths_of_time_are_exact() -> None:
    assert [period(timedelta(seconds=seconds)) for seconds in (0.5, 1, 90, 300, 5_400, 86_400)] == [
        *("500ms", "1s", "90s", "5m", "90m", "1d")
    ]


async def test_t_goes_from_both_to_the_table_and_the_chart() -> None:
    async with started(BY_MODEL) as stage:
        await stage.ask()
        pane = stage.pane
        await stage.press("escape")
        assert (pane.chart.display, pane.table.display) == (True, True)
        assert "max 1" in stage.text()
        assert "each 5m" in stage.text()
        await stage.press("t")
        assert (pane.chart.display, pane.table.display) == (False, True)
        await stage.press("t")
        assert (pane.chart.display, pane.table.display) == (True, False)
        assert pane.chart.has_focus
        await stage.press("t")
        assert pane.table.has_focus
        await stage.ask("fields x", ROWS)
        assert not pane.chart.display
        await stage.press("escape", "t")
        assert "Only rows that are grouped by bin(…) can be drawn." in stage.notices()


async def test_a_chart_has_a_mark_for_what_is_known_and_none_for_what_is_not() -> None:
    rows: tuple[tuple[Value, ...], ...] = tuple((at(n), None if n in {3, 4} else n % 3) for n in range(10))
    async with started(Answer(("t", "n"), rows, binned="t")) as stage:
        await stage.ask()
        await stage.press("escape", "t", "t")
        last = next(line for line in reversed(stage.lines()) if "▏" in line)
        bars = last.split("▏")[1].rstrip(" │")
        assert [bool(part.strip()) for part in (bars[: len(bars) * 29 // 100], bars[len(bars) * 31 // 100 :])]
        assert {bars[place * len(bars) // 10 + 2] == " " for place in (3, 4)} == {True}
        assert {bars[place * len(bars) // 10 + 2] == " " for place in (0, 1, 2, 5, 6, 9)} == {False}


@pytest.mark.parametrize("size", [(12, 6), (40, 12), SMALL, WIDE])
@pytest.mark.parametrize("answer", [ROWS, BY_MODEL, BY_TIME])
async def test_every_size_is_filled_exactly(size: tuple[int, int], answer: Answer) -> None:
    async with started(answer, size) as stage:
        await stage.ask()
        await stage.press("escape")
        for _ in range(3):
            await stage.press("t")
            assert stage.harmless()


# Elsewhere


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


async def test_rows_are_written_to_a_file_for_the_owner_alone(folder: Path) -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "x", "enter")
        (file,) = folder.iterdir()
        assert file.name.startswith("query-20")
        assert stat.S_IMODE(file.stat().st_mode) == 0o600
        with file.open(newline="") as text:
            header, *rows = csv.reader(text)
        assert header == list(ROWS.columns)
        assert len(rows) == 1_234
        assert stage.notices() == [f"Wrote 1,234 rows to {file}"]


async def test_a_file_is_replaced_only_when_that_is_said_twice(folder: Path) -> None:
    mine = folder / "mine.json"
    mine.write_text("mine")
    async with started(BY_TIME) as stage:
        await stage.ask()
        await stage.press("escape", "x", "ctrl+u", *"mine.json", "enter")
        assert "is there already: enter again replaces it" in stage.text()
        await stage.press("x", "backspace", "enter")
        assert "is there already" in stage.text()
        assert mine.read_text() == "mine"
        await stage.press("enter")
        assert not stage.shows(PromptScreen)
        document = json.loads(mine.read_text())
        assert document["columns"] == list(BY_TIME.columns)
        assert document["rows"][1]["count(*)"] == 323
        assert stat.S_IMODE(mine.stat().st_mode) == 0o600
        assert list(folder.iterdir()) == [mine]


async def test_what_cannot_be_written_is_a_sentence_and_the_name_stays(folder: Path) -> None:
    async with started() as stage:
        await stage.ask()
        await stage.press("escape", "x", "ctrl+u", *"rows.txt", "enter")
        assert "end it in one of .csv, .json, .jsonl, .parquet" in stage.said()
        await stage.press("ctrl+u", *"no/rows.csv", "enter")
        assert "cannot be written: No such file" in stage.said()
        await stage.press("escape")
        assert stage.notices() == []
        assert list(folder.iterdir()) == []


@pytest.mark.parametrize("form", ["csv", "json", "jsonl", "parquet"])
def test_every_format_holds_the_rows(folder: Path, form: str) -> None:
    columns, rows = ("=a", "b"), (("=1+1\x1b", 1), (None, 2.5))
    path = folder / f"rows.{form.upper()}"
    write_file(path, columns, rows)
    if form == "csv":
        assert path.read_text() == "'=a,b\n'=1+1␛,1\n,2.5\n"
    elif form == "parquet":
        import duckdb

        with duckdb.connect() as connection:
            assert connection.execute(
                "SELECT * FROM read_parquet(?) ORDER BY b", [str(path)]
            ).fetchall() == list(rows)
    else:
        text = path.read_text()
        found = (
            json.loads(text)["rows"] if form == "json" else [json.loads(line) for line in text.splitlines()]
        )
        assert found == [dict(zip(columns, row, strict=True)) for row in rows]
    with pytest.raises(UsageError, match="there already"):
        write_file(path, columns, rows)
    if form != "csv":
        with pytest.raises(UsageError, match="2 columns are named 'a'"):
            write_file(path, ("a", "a"), rows, replace=True)


async def test_a_query_is_saved_under_a_name(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmwatch.config import load_config

    monkeypatch.setenv("LLMWATCH_CONFIG", str(folder / "config.toml"))
    async with started() as stage:
        await stage.press("escape", "w")
        assert stage.notices() == ["There is no query to save."]
        stage.pane.fill(QUERY)
        await stage.press("escape", "w", *"a b", "enter")
        assert "cannot be a name" in stage.text()
        await stage.press("ctrl+u", *"mine", "enter")
        assert load_config().queries == {"mine": QUERY}
        stage.pane.fill("fields x")
        await stage.press("escape", "w", *"mine", "enter")
        assert "there is a query of that name" in stage.text()
        assert load_config().queries == {"mine": QUERY}
        await stage.press("enter")
        assert load_config().queries == {"mine": "fields x"}


# Hostile


@pytest.mark.parametrize("size", [SMALL, WIDE])
@pytest.mark.parametrize("binned", [False, True])
async def test_hostile_names_and_values_are_only_text(size: tuple[int, int], binned: bool) -> None:
    texts = [text[:2_000] for text in HOSTILE]
    if binned:
        answer = Answer(
            (texts[0], texts[3], texts[5]),
            tuple((at(n % 9), text, n) for n, text in enumerate(texts * 3)),
            binned=texts[0],
            remarks=tuple(texts),
        )
    else:
        answer = Answer(tuple(texts), tuple(tuple(texts[n:] + texts[:n]) for n in range(len(texts))))
    async with started(answer, size) as stage:
        for text in texts:
            stage.pane.fill("")
            stage.app.post_message(Paste(text))
            await stage.settle()
            assert stage.harmless()
        await stage.ask("\n".join(texts))
        assert stage.harmless()
        await stage.press("escape")
        for _ in range(3):
            await stage.press("t")
            assert stage.harmless()
        await stage.press("y")
        assert not [char for char in stage.app.clipboard if forbidden(char) and char != "\t"]
        stage.pane.table.action_open()
        await stage.settle()
        assert stage.shows(RowScreen)
        for _ in range(12):
            assert stage.harmless()
            await stage.press("pagedown")
        await stage.press("escape")
        for text in texts:
            await stage.ask("x", UsageError(f"{text}\n{text}\n  ^"))
            assert stage.harmless()


async def test_hostile_saved_queries_are_only_text(monkeypatch: pytest.MonkeyPatch) -> None:
    found = Library(tuple(Known(text, text, text[:5_000]) for text in HOSTILE), HOSTILE[:3])
    async with started() as stage:
        monkeypatch.setattr(stage.pane, "_read", lambda: found)
        await stage.press("ctrl+o")
        for _ in HOSTILE:
            assert stage.harmless()
            await stage.press("j")
        await stage.press("enter")
        assert stage.harmless()
        assert literal(stage.pane.editor.text.replace("\n", " ")).text


# How it looks


class Posed(Alone):
    """Has asked when the picture is taken."""

    def __init__(self, text: str, answer: Answer | Exception) -> None:
        super().__init__(Asked(answer))
        self._text = text

    async def on_ready(self) -> None:
        self.pane.fill(self._text)
        self.pane.action_ask()


_FAULT = QueryError(FAULT, FAULT.index("filtre"), "there is no command `filtre`: did you mean `filter`?")


@pytest.mark.parametrize("size", [SMALL, WIDE], ids=["small", "wide"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        pytest.param("fields @message", ROWS, id="rows"),
        pytest.param(QUERY, BY_MODEL, id="series"),
        pytest.param("stats count(*), avg(latency), sum(cost) by bin(1m)", BY_TIME, id="columns"),
        pytest.param(FAULT, _FAULT, id="fault"),
    ],
)
def test_look_of_query(
    snap_compare: Callable[..., bool], size: tuple[int, int], text: str, answer: Answer | Exception
) -> None:
    assert snap_compare(Posed(text, answer), terminal_size=size, press=["wait:300"])


@pytest.mark.parametrize(
    ("keys", "size"),
    [
        pytest.param(["ctrl+o", "wait:200", "j"], SMALL, id="queries"),
        pytest.param(["wait:300", "escape", "enter"], SMALL, id="row"),
        pytest.param(["wait:300", "escape", "t", "t"], WIDE, id="chart"),
    ],
)
def test_look_of_query_screens(
    snap_compare: Callable[..., bool], keys: list[str], size: tuple[int, int]
) -> None:
    answer = BY_MODEL if size == WIDE else ROWS
    assert snap_compare(Posed(QUERY, answer), terminal_size=size, press=keys)


def test_a_chart_without_room_is_not_drawn() -> None:
    chart = Chart()
    chart.show(shown(BY_TIME, None, 0.0).timeline)
    assert chart.draw(5).plain == ""


async def test_a_long_paste_is_cut_and_that_is_said() -> None:
    async with started() as stage:
        stage.app.post_message(Paste("x" * 50_000 + "\r\n"))
        await stage.settle()
        assert len(stage.pane.editor.text) == 20_000
        assert stage.notices() == ["Only the first 20,000 characters are taken."]


async def test_ten_thousand_rows_cost_the_screen_what_ten_do() -> None:
    """Cells are made for the rows in view, whatever the number of rows."""
    rows = tuple((at(number % 500), f"user{number}", number, number / 7) for number in range(10_000))
    async with started(Answer(("t", "user", "n", "m"), rows, binned="t"), SMALL) as stage:
        await stage.ask()
        made = 0
        (first, *others) = stage.pane.table.columns

        def counted(row: Row, now: datetime) -> Cell:
            nonlocal made
            made += 1
            return first.cell(row, now)

        stage.pane.table.set_columns([replace(first, cell=counted), *others])
        await stage.press("escape", "G", "g", "pagedown")
        assert 0 < made < 300
