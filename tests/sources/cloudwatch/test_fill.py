"""The past is read in windows that touch and do not overlap, however full they are."""

from __future__ import annotations

import random
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from llmwatch.sources.cloudwatch.fill import Fill

MOMENTS = st.integers(0, 10**12)


@given(since=MOMENTS, length=st.integers(0, 10**10), at_once=st.integers(1, 6), seed=st.integers(0, 9))
def test_windows_cover_each_millisecond_once_in_any_order_of_completion(
    since: int, length: int, at_once: int, seed: int
) -> None:
    rng = random.Random(seed)
    for newest_first in (True, False):
        until = since + length
        fill = Fill(since, until, until + 5, newest_first=newest_first, at_once=at_once)
        covered: list[tuple[int, int]] = []
        parts = [fill.part]
        waiting = []
        while not fill.done:
            while window := fill.next_window(0.0):
                waiting.append(window)
            assert len(waiting) <= min(at_once, 4)
            window = waiting.pop(rng.randrange(len(waiting)))
            window.pages = rng.choice((1, 2, 8, 60))
            window.events = window.pages * rng.randrange(0, 3000)
            assert window.end is not None
            covered.append((window.start, window.end))
            fill.completed(window)
            parts.append(fill.part)
        covered.sort()
        assert covered[0][0] == since
        assert covered[-1][1] == until
        assert all(end + 1 == start for (_, end), (start, _) in pairwise(covered))
        assert parts == sorted(parts)
        assert parts[-1] == 1.0


def test_the_newest_window_of_an_open_range_is_open() -> None:
    for newest_first in (True, False):
        fill = Fill(0, None, 10**9, newest_first=newest_first)
        windows = []
        while window := fill.next_window(0.0):
            windows.append(window)
            fill.completed(window)
        newest = max(windows, key=lambda window: window.start)
        assert newest.end is None
        assert windows.index(newest) == (0 if newest_first else len(windows) - 1)


def test_an_empty_past_of_years_takes_few_windows() -> None:
    fill = Fill(0, None, 1_772_000_000_000, newest_first=True)
    count = 0
    while window := fill.next_window(0.0):
        window.pages = 1
        fill.completed(window)
        count += 1
    assert count <= 10


def test_full_windows_become_narrower() -> None:
    fill = Fill(0, 10**9, 10**9, newest_first=True)
    widths = []
    for _ in range(6):
        window = fill.next_window(0.0)
        assert window is not None
        assert window.end is not None
        widths.append(window.end - window.start)
        window.pages = 100
        fill.completed(window)
    assert widths == sorted(widths, reverse=True)
    assert widths[-1] < widths[0] / 50


def test_a_range_that_has_not_begun_is_done() -> None:
    assert Fill(10, 5, 5, newest_first=True).done
    assert Fill(10, 5, 5, newest_first=True).part == 1.0
