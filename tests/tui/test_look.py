"""How it looks. `pytest --snapshot-update` takes new pictures."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from llmwatch.tui.app import MonitorApp
from tests.tui.conftest import SMALL, WIDE
from tests.tui.feed import FakeFeed


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
