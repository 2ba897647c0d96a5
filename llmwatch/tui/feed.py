"""Where the screen's snapshots come from. What stands behind it runs elsewhere, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from llmwatch.query.detail import Detail, DetailKey, DetailKind
from llmwatch.query.snapshot import Snapshot, SnapshotRequest


class Feed(Protocol):
    """The one thing the app knows of the world."""

    title: str
    """What is being watched, as in `router.jsonl`; raw text."""

    def start(self, deliver: Callable[[Snapshot], None]) -> None:
        """Begin, once. `deliver` is called from the feed's thread with every new snapshot.

        That is about twice a second while something changes, and once every few seconds when nothing does.
        """
        ...

    def request(self, request: SnapshotRequest) -> None:
        """The screen now shows this; the next snapshot follows at once. Returns without waiting for it.

        The first may come before `start`. One that differs in `after_seq` alone can wait for the next tick.
        """
        ...

    def detail(self, kind: DetailKind, key: DetailKey) -> Detail:
        """What a row drills into. It blocks: the app calls it in a thread of its own."""
        ...

    def stop(self) -> None:
        """Let go; no snapshot is delivered after it returns."""
        ...
