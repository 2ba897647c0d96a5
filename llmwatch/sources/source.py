"""What every source of lines is, whatever it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from llmwatch.store.slice import Slice, WholeFile

SourceStatus = Literal["live", "reading", "ended", "waiting", "error"]


@dataclass(frozen=True, slots=True)
class Feed:
    """How a log group is read. Counts are since the start; unknown is None."""

    events: int = 0
    events_per_second: float | None = None
    """Of the last minute."""
    lag_seconds: float | None = None
    """How far behind the service's clock the reading is: every event visible before then has been read."""
    late: int = 0
    """Events that became visible so long after their time that a reading of that time had missed them."""
    late_seconds: float = 0.0
    """The latest of them."""
    throttled: int = 0
    """Requests the service refused for their number."""
    requests_per_minute: float | None = None
    sampled: int = 0
    """Updates of Live Tail in which the service left events out. Reading the group brings them later."""
    live: bool = False
    """Whether Live Tail is on now."""
    stalled: str = ""
    """Since when nothing could be read, as words; else empty. What came since is read when it goes on."""
    filling: float | None = None
    """Which part of the past that was asked for is read, 0 to 1; None when all is."""


@dataclass(frozen=True, slots=True)
class SourceState:
    """How one source fares. `detail` is a sentence for the user when something is wrong, else empty.

    `reading`: there is more to read now; `live`: all read, following; `waiting`: not there yet; `ended`: no
    more will come; `error`: it cannot be read now.
    """

    name: str
    status: SourceStatus
    detail: str = ""
    bytes_read: int = 0
    bytes_total: int = 0
    feed: Feed | None = None
    """Of a log group that was found."""
    group: bool = False
    """Whether it is a log group, or a name for some."""

    @property
    def sentence(self) -> str:
        """The detail, with the name before it where it does not hold it; empty without one."""
        return self.detail if not self.detail or self.name in self.detail else f"{self.name}: {self.detail}"


@runtime_checkable
class OffersFiles(Protocol):
    """A source that may have whole files to give, before it is read."""

    def offer(self, take: Callable[[WholeFile], bool]) -> None:
        """Ask `take` for each; what it takes (it says so) is not read again."""
        ...


class Source(Protocol):
    """Where lines come from. One thread calls `read`, `finish` and `close`; `states` may be read from any."""

    def read(self) -> Iterator[Slice]:
        """All that can be read now, in slices; it never waits for more. An unended last line stays behind."""
        ...

    def finish(self) -> Iterator[Slice]:
        """What is left when nobody waits for more: last lines without a newline."""
        ...

    @property
    def ended(self) -> bool:
        """Whether nothing more will ever come, as at the end of standard input."""
        ...

    def states(self) -> tuple[SourceState, ...]:
        """How each file or stream fares, in a stable order."""
        ...

    def close(self) -> None:
        """Let go of files. Safe to call twice."""
        ...
