"""The two clocks the fake runs on: virtual and real."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Protocol

PATIENCE = 30.0
"""Real seconds that a waiter on the virtual clock waits for somebody to advance it."""


class Clock(Protocol):
    """Seconds since 1970 by the local clock, and a way to let them pass."""

    def now(self) -> float: ...

    def sleep(self, seconds: float) -> None: ...


class RealClock:
    """The machine's."""

    def now(self) -> float:
        return time.time()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


class VirtualClock:
    """A clock that stands still until it is advanced; any thread may do so or wait for it."""

    def __init__(self, now: float = 1_772_000_000.0) -> None:
        self._now = now
        self.moved = threading.Condition()
        """Notified when the time has changed, or what a waiter looks at."""

    def now(self) -> float:
        return self._now

    def advance(self, seconds: float) -> None:
        """Let time pass."""
        if seconds < 0:
            raise ValueError("time does not go back")
        with self.moved:
            self._now += seconds
            self.moved.notify_all()

    def sleep(self, seconds: float) -> None:
        """`advance`, for code that is given a sleep."""
        self.advance(seconds)

    def wait(self, until: Callable[[], bool]) -> None:
        """Block this thread until `until()` holds, which is looked at whenever the clock moves."""
        with self.moved:
            if not self.moved.wait_for(until, PATIENCE):
                raise RuntimeError(f"what the virtual clock was waited for did not come in {PATIENCE:.0f} s")
