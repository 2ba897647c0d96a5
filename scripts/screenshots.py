"""Render the monitor on fixed demo data: `python -m scripts.screenshots [FOLDER]` writes screenshots/*.svg."""

from __future__ import annotations

import asyncio
import sys
import tempfile
import threading
from collections.abc import Callable
from contextlib import chdir
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from textual.pilot import Pilot

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.query.auditing import AuditWatch
from llmwatch.query.monitor import Monitor
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.demo import SEED, DemoSource, DemoTraffic
from llmwatch.sources.open import open_paths
from llmwatch.sources.source import SourceState
from llmwatch.store.store import Store, StoreSettings
from llmwatch.tui.app import MonitorApp
from tests.audit import recipe
from tests.tui.feed import GROUPS

_START = datetime(2026, 2, 27, 16, 47, tzinfo=UTC)
_MOMENT = _START + timedelta(minutes=3, seconds=20)
"""Two minutes and twenty seconds after one account's spend took off."""


_QUERY = """filter message = "Mantle streaming complete" and user_email like "@"
| stats sum(usage.prompt_tokens) as input_tokens, count(*) as calls by bin(10s) as time, user_email
| sort input_tokens desc"""


@dataclass(frozen=True, slots=True)
class Screenshot:
    """A picture: its file, the terminal's size, and the keys to press before it is taken."""

    name: str
    size: tuple[int, int]
    keys: tuple[str, ...] = ()
    groups: bool = False
    """Whether the lines come from log groups, one in every state."""
    audit: bool = False
    """Whether an audit log is watched, one line of which was edited."""
    query: str = ""
    """What is asked in the Query pane, which `keys` have opened."""


SCREENSHOTS = (
    Screenshot("monitor", (160, 45)),
    Screenshot("monitor-80x24", (80, 24)),
    Screenshot("monitor-200x60", (200, 60)),
    Screenshot("who-uses-kimi", (160, 45), ("2", "enter")),
    Screenshot("one-call", (160, 45), ("3", "up", "enter")),
    Screenshot("sources", (160, 45), ("o",), groups=True),
    Screenshot("search", (160, 45), ("2", "plus", "slash", *"status:error", "enter", "down")),
    Screenshot("query", (160, 45), ("colon",), query=_QUERY),
    Screenshot("audit", (160, 45), ("a", "down"), audit=True),
    Screenshot("help", (120, 40), ("question_mark",)),
)


class _GroupSource(DemoSource):
    """The demo's lines, as if they came from log groups."""

    def states(self) -> tuple[SourceState, ...]:
        """One in every state."""
        return GROUPS


class _Settled(Monitor):
    """A monitor that says when it has shown everything there is."""

    settled: threading.Event

    def start(self, deliver: Callable[[Snapshot], None]) -> None:
        """Begin; a snapshot with all lines settles it."""
        self.settled = threading.Event()

        def pass_on(snapshot: Snapshot) -> None:
            deliver(snapshot)
            if snapshot.events_total and snapshot.version > 2:
                self.settled.set()

        super().start(pass_on)


def _audit_log() -> None:
    """Three days in the working folder; somebody changed what one call had cost."""
    previous, files = None, []
    for number in range(3):
        began = _START - timedelta(days=2 - number, minutes=10)
        files.append(Path(f"audit_{began:%Y-%m-%d}.jsonl"))
        previous = recipe.write(files[-1], recipe.entries(280, number, began), previous=previous)
    path = files[1]
    lines = path.read_bytes().splitlines(keepends=True)
    lines[41] = lines[41].replace(b'"prompt_tokens": ', b'"prompt_tokens": 9', 1)
    path.write_bytes(b"".join(lines))


def _monitor(screenshot: Screenshot, store: Store) -> _Settled:
    if screenshot.audit:
        _audit_log()
        watch = AuditWatch(KeyRing((Secret(recipe.SECRET.encode()),)), None)
        source = open_paths(["."], follow=True)
        return _Settled(source, store, title="logs/", clock=lambda: _MOMENT, audit=watch)
    traffic = DemoTraffic(SEED, _START, processes=2)
    demo = (_GroupSource if screenshot.groups else DemoSource)(traffic, lambda: _MOMENT)
    demo._began = _START  # the story began then, by a clock that stands still now
    title = "llm-gateway*" if screenshot.groups else "demo"
    return _Settled(demo, store, title=title, clock=lambda: _MOMENT)


async def _take(screenshot: Screenshot, folder: Path) -> None:
    store = Store(StoreSettings(keep_raw=True))
    monitor = _monitor(screenshot, store)
    app = MonitorApp(monitor, clock=lambda: 0.0)
    try:
        async with app.run_test(size=screenshot.size) as pilot:
            await _settle(monitor, pilot)
            for key in screenshot.keys:
                await pilot.press(key)
                await app.workers.wait_for_complete()
                await pilot.pause(0.3)
            if screenshot.query:
                app.monitor.query_pane.fill(screenshot.query)
                await pilot.press("ctrl+r")
                await app.workers.wait_for_complete()
                await pilot.press("escape")
                await pilot.pause(0.3)
            svg = app.export_screenshot(title="llmwatch")
    finally:
        monitor.stop()
        store.close()
    path = folder / f"{screenshot.name}.svg"
    path.write_text("\n".join(line.rstrip() for line in svg.splitlines()) + "\n", encoding="utf-8")
    print(path)


async def _settle(monitor: _Settled, pilot: Pilot[None]) -> None:
    while not monitor.settled.is_set():
        await pilot.pause(0.1)
    await pilot.pause(0.5)


def main() -> None:
    """Write all screenshots."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "screenshots")
    folder.mkdir(exist_ok=True)
    folder = folder.resolve()
    for screenshot in SCREENSHOTS:
        with tempfile.TemporaryDirectory() as place, chdir(place):
            asyncio.run(_take(screenshot, folder))


if __name__ == "__main__":
    main()
