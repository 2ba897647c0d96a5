"""The monitor on this terminal."""

from __future__ import annotations

import signal
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from llmwatch.errors import SourceError

if TYPE_CHECKING:
    from llmwatch.query.auditing import AuditWatch
    from llmwatch.query.scope import Scope
    from llmwatch.sources.source import Source
    from llmwatch.store.slice import Slice
    from llmwatch.store.store import Store


def run_monitor(
    source: Source,
    store: Store,
    scope: Scope,
    *,
    title: str,
    record: Callable[[Slice], None] | None = None,
    clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    audit: AuditWatch | None = None,
) -> int:
    """Show the source until the user leaves; returns the exit code."""
    from llmwatch.cli.main import say
    from llmwatch.config import config_path
    from llmwatch.query.monitor import Monitor
    from llmwatch.tui.app import MonitorApp
    from llmwatch.tui.history import History
    from llmwatch.tui.pauses import end_sparing

    monitor = Monitor(source, store, title=title, scope=scope, clock=clock, record=record, audit=audit)
    beside = config_path()
    app = MonitorApp(
        monitor,
        history=History(beside.with_name("query-history.jsonl")),
        searches=History(beside.with_name("search-history.jsonl")),
    )
    signal.signal(signal.SIGINT, lambda *_: app.action_interrupt())
    try:
        app.run()
    finally:
        monitor.stop()
        end_sparing()
    failed = [state for state in source.states() if state.status == "error"]
    for sentence in dict.fromkeys(state.sentence for state in failed):
        say(sentence)  # it went with the screen
    return app.return_code or (SourceError.exit_code if failed else 0)
