"""The parts that are only functions."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.tui.panes.columns import EVENT_COLUMNS, usage_columns
from llmwatch.tui.screens.detail import raw_lines
from llmwatch.tui.widgets.column import GAP, Column, place
from llmwatch.tui.widgets.spark import spark


@pytest.mark.parametrize(
    ("points", "cells", "shown"),
    [
        ((), 4, "    "),
        ((0.0, 0.0), 4, "  ▁▁"),
        ((0.0, 1.0, 2.0, 4.0), 4, "▁▃▅█"),
        ((None, 1.0, math.nan, 1.0), 4, " █ █"),
        ((1.0, 1.0, 8.0, 8.0), 2, "▂█"),
        ((1.0,), 0, ""),
    ],
)
def test_spark(points: tuple[float | None, ...], cells: int, shown: str) -> None:
    assert spark(points, cells).text == shown


@given(st.integers(1, 250), st.sampled_from(["user", "model", "event"]))
def test_columns_fill_what_there_is_and_no_more(cells: int, kind: str) -> None:
    columns: Sequence[Column[Any]] = EVENT_COLUMNS if kind == "event" else usage_columns(kind)
    placed = place(columns, cells)
    assert sum(width for _, width in placed) + GAP * (len(placed) - 1) <= cells
    kept = {column.key for column, _ in placed}
    assert columns[0].key in kept
    if kind != "event" and cells >= 60:
        assert {"cost_usd", "cost_per_hour_usd", "requests"} <= kept


@pytest.mark.parametrize("dimension", ["user", "model"])
def test_headings_have_room_for_the_arrow(dimension: str) -> None:
    assert all(len(column.title) < column.width for column in usage_columns(dimension))


def test_a_raw_line_is_indented_when_it_is_json_and_wrapped_when_not() -> None:
    assert raw_lines(json.dumps({"a": 1})) == ["{", '  "a": 1', "}"]
    assert raw_lines("x" * 200) == ["x" * 160, "x" * 40]
    assert raw_lines("x" * 100_005)[-1] == "… 5 more characters"
    assert raw_lines(None) == []
