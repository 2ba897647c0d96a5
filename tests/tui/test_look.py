"""How it looks. `pytest --snapshot-update` takes new pictures."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

import pytest
from textual.pilot import Pilot
from textual.widgets import Input

from llmwatch.query.scope import Chip, Scope
from llmwatch.tui.app import MonitorApp
from tests.tui.conftest import LARGE, SMALL, WIDE, Stage
from tests.tui.feed import GROUPS, FakeFeed, FakeFilters, many_groups


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


@pytest.mark.parametrize(
    ("size", "keys", "typed", "then"),
    [
        pytest.param(SMALL, ["slash"], "throttling", ["enter"], id="small-hits"),
        pytest.param(
            SMALL, ["slash"], "throttling", ["enter", "j", "j", "j", "j", "enter"], id="small-context"
        ),
        pytest.param(SMALL, ["slash"], "cost>0.5 usr:x", [], id="small-misread"),
        pytest.param(SMALL, ["f"], "throttling", [], id="small-prompt"),
        pytest.param(SMALL, ["F"], "", [], id="small-filters"),
        pytest.param(WIDE, ["slash"], "throttling", ["enter", "j"], id="wide-hits"),
        pytest.param(WIDE, ["slash"], "cost>0.5 usr:x", [], id="wide-misread"),
        pytest.param(WIDE, ["F", "tab"], "", [], id="wide-filters"),
    ],
)
def test_look_of_filters_and_search(
    snap_compare: Callable[..., bool], size: tuple[int, int], keys: list[str], typed: str, then: list[str]
) -> None:
    filters = FakeFilters(slow="latency>5s", bots="user:bot* or user:svc-*", expensive="cost>0.5 -user:none")
    read = filters.read
    chips = (
        Chip(read("user:alice")),
        Chip(read("model:kimi*"), enabled=False, inverted=True),
        Chip(read("status:error"), inverted=True),
        Chip(read("cost>0.5")),
        Chip(read("latency>5s")),
    )
    feed = FakeFeed(scope=Scope(since=datetime(2026, 2, 27, 15, tzinfo=UTC), chips=chips))
    app = MonitorApp(feed, clock=lambda: 0.0, filters=filters)

    async def act(pilot: Pilot[None]) -> None:
        stage = Stage(app, feed, filters, pilot)
        await stage.press(*keys)
        if isinstance(app.focused, Input):
            app.focused.insert_text_at_cursor(typed)
            await stage.write("")
        await stage.press(*then)

    assert snap_compare(app, terminal_size=size, run_before=act)
