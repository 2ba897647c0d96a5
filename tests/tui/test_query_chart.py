"""An answer over time."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from llmwatch.query.insights.answer import Answer, Value
from llmwatch.tui.panes.answer import shown
from llmwatch.tui.panes.timeline import Grouping, grouping
from llmwatch.tui.widgets.chart import Chart, merged, period, ticks
from tests.tui.asking import BY_MODEL, BY_TIME, ROWS, START, at, started
from tests.tui.conftest import SMALL, WIDE


def test_empty_bins_are_gaps_and_not_zero() -> None:
    rows: tuple[tuple[Value, ...], ...] = ((at(0), 1), (at(5), 0), (at(20), 3), (at(10), None))
    made = shown(Answer(("t", "n"), rows, binned="t", bin_seconds=300), None, 0.0).timeline
    assert made
    assert [time.minute for time in made.times] == [0, 5, 10, 15, 20]
    assert made.series[0].points == (1.0, 0.0, None, None, 3.0)
    assert made.every.text == "5m"


def test_bins_are_as_long_as_the_query_says_however_few_there_are() -> None:
    sparse = Answer(("t", "n"), ((at(0), 4), (at(10), 1), (at(30), 2)), binned="t", bin_seconds=60)
    made = shown(sparse, None, 0.0).timeline
    assert made
    assert made.every.text == "1m"
    assert {place: point for place, point in enumerate(made.series[0].points) if point is not None} == {
        0: 4.0,
        10: 1.0,
        30: 2.0,
    }
    alone = shown(replace(sparse, rows=sparse.rows[:1]), None, 0.0).timeline
    assert alone
    assert (alone.every.text, alone.series[0].points) == ("1m", (4.0,))
    year = replace(sparse, rows=(("2026-01-01 00:00:00.000", 1),), bin_seconds=None, bin_months=12)
    yearly = shown(year, None, 0.0).timeline
    assert yearly
    assert yearly.every.text == "12mo"


async def test_what_is_rare_has_a_scale_of_its_own() -> None:
    rows: tuple[tuple[Value, ...], ...] = tuple(
        row for step in range(5) for row in ((at(step), "INFO", 26_400), (at(step), "ERROR", 51 * step / 4))
    )
    async with started(Answer(("t", "level", "n"), rows, binned="t", bin_seconds=60)) as stage:
        await stage.ask("stats count(*) as n by bin(1m) as t, level")
        await stage.press("escape", "t", "t")
        lines = stage.lines()
        assert "max 26.4k" in stage.text()
        error = lines[next(n for n, line in enumerate(lines) if "ERROR" in line)]
        assert "max 51" in error
        assert "█" in error.split("▏")[1]


def test_the_largest_series_are_drawn_and_the_others_only_added_up_when_that_means_something() -> None:
    rows = tuple((at(step), f"m{number}", number) for step in range(3) for number in range(1, 11))
    answer = Answer(("t", "model", "n"), rows, binned="t", bin_seconds=60)
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
    assert [words.text for words in averaged.remarks] == ["4 more series, of lower peaks, are not drawn"]


def test_the_series_that_matters_is_drawn_by_its_sum_or_by_its_peak() -> None:
    steady = [(at(step), f"steady{number}", 10) for step in range(9) for number in range(7)]
    spike, busy = [(at(4), "spike", 80)], [(at(step), "busy", 9) for step in range(30)]
    answer = Answer(("t", "model", "n"), (*steady, *spike, *busy), binned="t", bin_seconds=60)
    by = frozenset({"t", "model"})
    summed = shown(answer, Grouping(by, frozenset({"n"})), 0.0).timeline
    assert summed
    assert summed.series[0].name.text == "busy"
    assert summed.series[-1].name.text == "3 others"
    assert sum(point or 0 for bars in summed.series for point in bars.points) == 63 * 10 + 80 + 30 * 9
    averaged = shown(answer, Grouping(by), 0.0).timeline
    assert averaged
    assert averaged.series[0].name.text == "spike"


def test_the_text_of_a_query_says_what_it_groups_by() -> None:
    found = grouping("stats count(*) as n, avg(x) as a, sum(y) by bin(5m) as t, status\n| sort t")
    assert found == Grouping(frozenset({"t", "status"}), frozenset({"n", "sum(y)"}))
    assert grouping("fields @message") is None
    assert grouping("no query") is None
    rows: tuple[tuple[Value, ...], ...] = ((at(0), 200, 5), (at(0), 429, 7), (at(1), 429, 7))
    found = grouping("stats count(*) as n by bin(1m) as t, status")
    made = shown(Answer(("t", "status", "n"), rows, binned="t", bin_seconds=60), found, 0.0)
    assert made.timeline
    assert [(bars.name.text, bars.points) for bars in made.timeline.series] == [
        ("429", (7.0, 7.0)),
        ("200", (5.0, None)),
    ]


def test_times_that_are_no_times_are_counted() -> None:
    answer = Answer(("t", "n"), ((at(0), 1), ("soon", 2), (None, 3)), binned="t", bin_seconds=60)
    made = shown(answer, None, 0.0)
    assert made.timeline
    assert len(made.timeline.times) == 1
    assert [words.text for words in made.remarks] == ["2 rows have no time and are not drawn"]
    one = shown(replace(answer, rows=answer.rows[:2]), None, 0.0)
    assert [words.text for words in one.remarks] == ["1 row has no time and is not drawn"]


def test_months_have_no_false_gaps() -> None:
    rows = tuple((f"2026-{month:02}-01 00:00:00.000", month) for month in (1, 2, 3, 4, 6))
    made = shown(Answer(("t", "n"), rows, binned="t", bin_months=1), None, 0.0).timeline
    assert made
    assert made.series[0].points == (1.0, 2.0, 3.0, 4.0, None, 6.0)
    assert made.every.text == "1mo"
    quarters = shown(Answer(("t", "n"), rows[::3], binned="t", bin_months=1), None, 0.0).timeline
    assert quarters
    assert quarters.series[0].points == (1.0, None, None, 4.0)


def test_many_bins_keep_their_peaks_and_their_number_is_bounded() -> None:
    rows = tuple((at(minute), 9_000 if minute == 7_777 else 1) for minute in range(10_000))
    made = shown(Answer(("t", "n"), rows, binned="t", bin_seconds=60), None, 0.0).timeline
    assert made
    assert len(made.times) <= 1_024
    assert max(point or 0 for point in made.series[0].points) == 9_000
    assert max(point or 0 for point in merged(made.series[0].points, 50)) == 9_000
    assert made.every.text == "10 × 1m"
    odd = tuple((f"2026-01-{day:02} 00:00:0{day % 7}.{day:03}", day) for day in range(1, 29))
    fine = shown(Answer(("t", "n"), odd, binned="t", bin_seconds=0.001), None, 0.0).timeline
    assert fine
    assert len(fine.times) <= 1_024
    assert [point for point in fine.series[0].points if point is not None] == [*map(float, range(1, 29))]
    ages = (("0001-01-01 00:00:00.000", 1), ("9999-01-01 00:00:00.000", 2))
    seconds = Answer(("t", "n"), ages, binned="t", bin_seconds=1)
    for answer in (seconds, replace(seconds, bin_seconds=None, bin_months=1)):
        long = shown(answer, None, 0.0).timeline
        assert long
        assert len(long.times) <= 1_024
        assert (long.series[0].points[0], long.series[0].points[-1]) == (1.0, 2.0)


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
    async with started(Answer(("t", "n"), rows, binned="t", bin_seconds=60)) as stage:
        await stage.ask()
        await stage.press("escape", "t", "t")
        last = next(line for line in reversed(stage.lines()) if "▏" in line)
        bars = last.split("▏")[1].removesuffix("│")
        middles = [bars[(2 * place + 1) * len(bars) // 20] for place in range(10)]
        assert [middle == " " for middle in middles] == [place in {3, 4} for place in range(10)]


@pytest.mark.parametrize("size", [(12, 6), (40, 12), SMALL, WIDE])
@pytest.mark.parametrize("answer", [ROWS, BY_MODEL, BY_TIME])
async def test_every_size_is_filled_exactly(size: tuple[int, int], answer: Answer) -> None:
    async with started(answer, size) as stage:
        await stage.ask()
        await stage.press("escape")
        for _ in range(3):
            await stage.press("t")
            assert stage.harmless()


def test_a_chart_without_room_is_not_drawn() -> None:
    chart = Chart()
    chart.show(shown(BY_TIME, None, 0.0).timeline)
    assert chart.draw(5).plain == ""
