"""Live Tail beside the exact reading: lines within a second, at a price a minute.

It samples above 500 events a second, loses some even below, and ends after three hours. None of that matters for
what is given: the exact reading goes on and brings what Live Tail did not, once.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from functools import partial

from llmwatch.sources.cloudwatch.api import CallFailed, LiveSession, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.buffer import Buffer
from llmwatch.sources.cloudwatch.poller import Poller
from llmwatch.sources.cloudwatch.tail import GroupTail

_MOST_GROUPS = 10
"""Groups a session can have (API_StartLiveTail)."""
_LOOK_SECONDS = 1.0
_PASSING = ("throttled", "unreachable", "credentials")
"""Failures that concern all groups of a session alike."""
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


class LiveTail:
    """One session for every ten groups, opened again whenever it ends."""

    def __init__(
        self,
        api: LogsApi,
        poller: Poller,
        lock: threading.Condition,
        buffer: Buffer,
        clock: Callable[[], float],
        report: Callable[[BaseException], None],
    ) -> None:
        self._api = api
        self._poller = poller
        self._lock = lock
        self._buffer = buffer
        self._clock = clock
        self._report = report
        self._stopped = threading.Event()
        self._open: list[LiveSession] = []
        self._covered: set[str] = set()

    def start(self) -> None:
        """Begin to look for groups."""
        self._spawn(self._look_for_groups)

    def close(self) -> None:
        """End all sessions."""
        self._stopped.set()
        for session in tuple(self._open):
            session.close()

    def _spawn(self, target: Callable[[], None]) -> None:
        def run() -> None:
            try:
                target()
            except BaseException as bug:  # noqa: BLE001 (raised where the source is read)
                self._report(bug)

        threading.Thread(target=run, name="cloudwatch-live", daemon=True).start()

    def _look_for_groups(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            with self._lock:
                tails = [
                    tail
                    for name, tail in self._poller.tails.items()
                    if name not in self._covered and self._poller.is_followed(tail)
                ]
            most = 1 if self._poller.settings.stream_prefix else _MOST_GROUPS
            for first in range(0, len(tails), most):
                together = tails[first : first + most]
                self._covered |= {tail.group.identifier for tail in together}
                self._spawn(partial(self._keep_open, together))

    def _keep_open(self, tails: Sequence[GroupTail]) -> None:
        pause = _FIRST_PAUSE
        while not self._stopped.is_set() and any(map(self._poller.is_followed, tails)):
            try:
                for _ in self._updates(tails):
                    pause = _FIRST_PAUSE
            except CallFailed as failure:
                if len(tails) > 1 and failure.kind not in _PASSING:
                    # One group that is gone or denied is no reason to be without the others.
                    for tail in tails:
                        self._spawn(partial(self._keep_open, [tail]))
                    return
                self._tell(tails, str(failure))
                pause = min(_LONGEST_PAUSE, 2 * pause)
            with self._lock:
                for tail in tails:
                    tail.live_ended()
            self._stopped.wait(pause)

    def _updates(self, tails: Sequence[GroupTail]) -> Iterator[None]:
        """Take what a session brings, update by update."""
        settings = self._poller.settings
        session = self._api.start_live_tail(
            [tail.group for tail in tails], stream_prefix=settings.stream_prefix, pattern=settings.pattern
        )
        self._open.append(session)
        try:
            self._tell(tails, "")
            for update in session.updates():
                self._take(tails, update.events, sampled=update.sampled)
                yield
                if self._stopped.is_set():
                    return
        finally:
            self._open.remove(session)
            session.close()

    def _take(
        self, tails: Sequence[GroupTail], events: Sequence[tuple[str, LogEvent]], *, sampled: bool
    ) -> None:
        by_group: dict[str, list[LogEvent]] = {tail.group.identifier: [] for tail in tails}
        for identifier, event in events:
            by_group[_tail_of(identifier, tails).group.identifier].append(event)
        for tail in filter(self._poller.is_followed, tails):
            with self._lock:
                new = tail.brought_live(by_group[tail.group.identifier], self._clock(), sampled=sampled)
                turn = self._buffer.turn() if new else None
            if turn is not None:
                self._buffer.put(tail.group, new, turn)

    def _tell(self, tails: Sequence[GroupTail], problem: str) -> None:
        with self._lock:
            for tail in tails:
                tail.live_problem = problem


def _tail_of(identifier: str, tails: Sequence[GroupTail]) -> GroupTail:
    """Whose event it is. The service names groups by ARN, by name, or by `account:name`."""
    named = (tail for tail in tails if identifier in (tail.group.arn, tail.group.name))
    ending = (tail for tail in tails if identifier.endswith(f":{tail.group.name}"))
    return next(named, None) or next(ending, None) or tails[0]
