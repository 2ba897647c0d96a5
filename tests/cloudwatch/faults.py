"""What goes wrong, as a plan."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from tests.cloudwatch.model import MEGABYTE


@dataclass(frozen=True, slots=True)
class Window:
    """A stretch of time, in seconds since the service was started: `start` ≤ t < `end`."""

    start: float = 0.0
    end: float = math.inf


def within(windows: tuple[Window, ...], seconds: float) -> bool:
    """Whether a time is in one of the windows."""
    return any(window.start <= seconds < window.end for window in windows)


@dataclass(frozen=True, slots=True)
class LivePlan:
    """How Live Tail behaves. The k-th session of a service has the k-th of `breaks_after`; later ones do not break."""

    interval: float = 1.0
    """Seconds between updates."""
    most: int = 500
    """Events an update holds; of more it holds a choice, and is marked as sampled."""
    lost: float = 0.0
    """Share of events that are left out without a mark."""
    lasts: float = 10_800.0
    """Seconds until a session ends by itself."""
    breaks_after: tuple[float, ...] = ()
    """Seconds after which sessions break."""
    breaks_by: Literal["exception", "closed"] = "exception"
    """Over HTTP: a SessionStreamingException, or a connection that is closed in mid-stream."""
    sessions: int = 15
    """Sessions open at a time; more are refused."""
    buffered: int | None = None
    """Updates the service keeps for a slow reader, 10 in reality; older ones are dropped. None keeps all."""
    identifier: Literal["arn", "account", "name"] = "arn"
    """Over HTTP, how an event names its group: the documentation says "the name or ARN"; `account` is `123:name`."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """What goes wrong. Shares are of calls, from 0 to below 1; times are seconds. The seed counts at the start only."""

    seed: int = 0
    page_events: int = 10_000
    page_bytes: int = MEGABYTE
    empty: float = 0.0
    """Pages without events and with a token."""
    short: float = 0.0
    """Pages that end anywhere."""
    split: float = 0.0
    """Pages that end between two events of the same time, if they have such."""
    duplicate: float = 0.0
    """Pages whose last 1 to 5 events the next page has again."""
    repeat_token: float = 0.0
    """Calls that get the very token back that they came with, and their events or none."""
    repeat_most: int = 3
    """Calls in a row that may get the same token back."""
    expire_token: float = 0.0
    """Calls whose token is refused, now and ever after."""
    token_life: float = 86_400.0
    snapshot: bool = False
    """A chain of tokens shows only what was visible when it began."""
    throttle: float = 0.0
    tps: float | None = None
    """Calls of one operation that the service takes a second; more are throttled."""
    latency: tuple[float, float] = (0.0, 0.0)
    outages: tuple[Window, ...] = ()
    """Calls are not answered, and Live Tail sessions break."""
    expired: tuple[Window, ...] = ()
    """Calls find credentials expired."""
    renew: bool = False
    """In process only: expired credentials stay so until `renew()` is called after the window's end."""
    denied: tuple[str, ...] = ()
    """Operations that the policy lacks, such as `StartLiveTail`."""
    clock_offset: float = 0.0
    """How far the service's clock is ahead of the local one."""
    visible_after: tuple[float, float] = (0.0, 0.0)
    """How long after PutLogEvents its events can be seen."""
    live: LivePlan = LivePlan()


def hard(seed: int) -> FaultPlan:
    """The faults of a bad day, all at once but for outages."""
    return FaultPlan(
        seed=seed,
        empty=0.15,
        short=0.10,
        split=0.10,
        duplicate=0.05,
        repeat_token=0.05,
        expire_token=0.01,
        throttle=0.08,
        latency=(0.02, 0.3),
        clock_offset=(-90.0, 0.0, 90.0)[seed % 3],
    )
