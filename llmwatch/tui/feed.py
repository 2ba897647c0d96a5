"""Where the screen's snapshots come from. What stands behind it runs elsewhere, in a thread of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Protocol

from llmwatch.query.detail import Detail, DetailKey, DetailKind
from llmwatch.query.found import Found, SearchRequest
from llmwatch.query.insights.answer import Answer
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import EventRow, Snapshot, SnapshotRequest
from llmwatch.store.cancel import Cancel


class Feed(Protocol):
    """The one thing the app knows of the world."""

    title: str
    """What is being watched, as in `router.jsonl`; raw text."""

    @property
    def scope(self) -> Scope:
        """What every table speaks of now."""
        ...

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

    def rescope(self, scope: Scope) -> None:
        """From the next snapshot on, which follows at once, speak of this. Returns without waiting for it."""
        ...

    def search(self, request: SearchRequest, cancel: Cancel) -> Iterator[Found]:
        """Look through what was read, newest first: each part of the answer is all of it so far.

        It blocks, and ends early, without a part that is done, when it is cancelled. Raises UsageError.
        """
        ...

    def context(self, seq: int, before: int, after: int) -> tuple[EventRow, ...]:
        """An event and its neighbours in the log, whatever the scope; oldest first. It blocks."""
        ...

    def ask(self, text: str, cancel: Cancel) -> Answer:
        """A Logs Insights query over the lines in the scope's window. It blocks.

        Raises UsageError, and whatever comes of it when it is cancelled.
        """
        ...

    def stop(self) -> None:
        """Let go; no snapshot is delivered after it returns."""
        ...
