"""How often the service may be asked: one budget for all groups of an account and region."""

from __future__ import annotations

import random
from collections import deque

_BURST = 4.0
"""Requests that may come at once after a pause: below the 5 a second of the smallest regions."""
_FIRST_PAUSE, _LONGEST_PAUSE = 0.5, 20.0


class Budget:
    """A token bucket, and the pauses after refusals. Times are seconds of any steady clock."""

    def __init__(self, per_second: float, random_source: random.Random | None = None) -> None:
        self.per_second = per_second
        self.refusals = 0
        """How many requests in a row failed."""
        self._random = random_source or random.Random()  # noqa: S311 (jitter, no secret)
        self._tokens = _BURST
        self._filled_at = float("-inf")
        self._paused_until = float("-inf")

    def wait(self, now: float) -> float:
        """Seconds until a request may be made; at 0 it is counted as made."""
        if now < self._paused_until:
            return self._paused_until - now
        elapsed = min(now - self._filled_at, _BURST / self.per_second)
        self._tokens = min(_BURST, self._tokens + elapsed * self.per_second)
        self._filled_at = now
        if self._tokens < 1:
            return (1 - self._tokens) / self.per_second
        self._tokens -= 1
        return 0.0

    def back_off(self, now: float) -> float:
        """After a refusal: everybody pauses for a random part of a length that doubles; returns the pause.

        Full jitter, so that many clients that were refused together do not come back together.
        """
        longest = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0**self.refusals)
        self.refusals = min(self.refusals + 1, 30)
        pause = self._random.uniform(0, longest)
        self._paused_until = max(self._paused_until, now + pause)
        return pause

    def succeeded(self) -> None:
        """A request was answered: the next pause is short again."""
        self.refusals = 0


class LastMinute:
    """How many of something happened in the last minute."""

    def __init__(self) -> None:
        self._counts: deque[tuple[int, int]] = deque()
        self._began: float | None = None

    def add(self, now: float, count: int = 1) -> None:
        """`count` more happened now."""
        self._began = now if self._began is None else self._began
        second = int(now)
        if self._counts and self._counts[-1][0] == second:
            count += self._counts.pop()[1]
        self._counts.append((second, count))
        self._forget(now)

    def per_minute(self, now: float) -> float | None:
        """The rate, also of the first minute; None before anything happened."""
        if self._began is None:
            return None
        self._forget(now)
        return sum(count for _, count in self._counts) * 60 / min(60.0, max(1.0, now - self._began))

    def _forget(self, now: float) -> None:
        while self._counts and self._counts[0][0] <= now - 60:
            self._counts.popleft()
