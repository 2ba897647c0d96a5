"""The monitor with a stopwatch: `python -m benchmarks.watched FILE RESULT`, in a terminal.

It is the real app on the real engine. RESULT gets, as JSON, when each key that was pressed had been drawn, and how
many lines the store had when; times are those of `time.monotonic`, which all processes share.
"""

from __future__ import annotations

import inspect
import json
import sys
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import ClassVar

from textual.dom import DOMNode
from textual.types import CSSPathType
from textual.widgets import Input

from benchmarks.traffic import START
from llmwatch.query.monitor import Monitor
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.open import open_paths
from llmwatch.store.store import Store, StoreSettings
from llmwatch.tui.app import MonitorApp

_LARGE_BYTES = 512 << 20
"""What `llmwatch tail` does not keep in memory."""


class WatchedApp(MonitorApp):
    """Notes when the first picture after each key was on the terminal."""

    CSS_PATH: ClassVar[CSSPathType] = list(Path(inspect.getfile(MonitorApp)).parent.glob("*.tcss"))

    def __init__(self, monitor: Monitor) -> None:
        super().__init__(monitor)
        self.drawn: list[float] = []
        self.lines: list[tuple[float, int]] = []
        self._undrawn = 0
        self._watch_typing()

    def _watch_typing(self) -> None:
        """A character typed into a box is no action; it waits to be drawn as well."""
        insert = Input.insert_text_at_cursor

        def watched(box: Input, text: str) -> None:
            insert(box, text)
            self._undrawn += 1

        Input.insert_text_at_cursor = watched  # type: ignore[assignment,method-assign]

    async def run_action(
        self,
        action: object,
        default_namespace: DOMNode | None = None,
        namespaces: Mapping[str, DOMNode] | None = None,
    ) -> bool:
        """A key does what it does; then it waits to be drawn."""
        done = await super().run_action(action, default_namespace, namespaces)  # type: ignore[arg-type]
        self._undrawn += 1
        return done

    def _display(self, screen: object, renderable: object | None) -> None:
        """Textual's one way to the terminal: it returns when the bytes are handed over."""
        super()._display(screen, renderable)  # type: ignore[arg-type]
        if renderable is not None and self._undrawn:
            self.drawn += [time.monotonic()] * self._undrawn
            self._undrawn = 0

    def deliver(self, snapshot: Snapshot) -> None:
        """Also how far the store has come."""
        self.lines.append((time.monotonic(), snapshot.counters.lines))
        super().deliver(snapshot)


def main(path: str, result: Path) -> None:
    began = time.monotonic()

    def clock() -> datetime:
        """The time of the log, whose first line is written now."""
        return START.replace(tzinfo=UTC) + timedelta(seconds=time.monotonic() - began)

    large = Path(path).stat().st_size > _LARGE_BYTES
    store = Store(StoreSettings(keep_raw=True, on_disk=large))
    monitor = Monitor(open_paths([path], follow=True), store, title="flood", clock=clock)
    app = WatchedApp(monitor)
    try:
        app.run()
    finally:
        monitor.stop()
        store.close()
    result.write_text(json.dumps({"drawn": app.drawn, "lines": app.lines}))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
