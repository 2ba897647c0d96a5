"""How it looks. `pytest --snapshot-update` takes new pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwatch.tui.app import MonitorApp
from tests.tui.conftest import LARGE, SMALL, WIDE
from tests.tui.feed import GROUPS, FakeFeed, many_groups


@pytest.mark.parametrize(
    ("size", "keys"),
    [
        pytest.param(SMALL, [], id="small"),
        pytest.param(WIDE, [], id="wide"),
        pytest.param(WIDE, ["enter", "wait:200"], id="detail"),
    ],
)
def test_look(snap_compare: Callable[..., bool], size: tuple[int, int], keys: list[str]) -> None:
    assert snap_compare(MonitorApp(FakeFeed(), clock=lambda: 0.0), terminal_size=size, press=keys)


@pytest.mark.parametrize(
    ("size", "keys", "number"),
    [
        pytest.param(SMALL, [], 0, id="small-header"),
        pytest.param(SMALL, ["o"], 0, id="small"),
        pytest.param(LARGE, ["o"], 0, id="large"),
        pytest.param(SMALL, ["o", *"jjjjjjjjjjjj"], 60, id="small-60"),
        pytest.param(LARGE, ["o"], 60, id="large-60"),
    ],
)
def test_look_of_sources(
    snap_compare: Callable[..., bool], size: tuple[int, int], keys: list[str], number: int
) -> None:
    feed = FakeFeed("llm-gateway*", sources=many_groups(number) if number else GROUPS)
    assert snap_compare(MonitorApp(feed, clock=lambda: 0.0), terminal_size=size, press=keys)
