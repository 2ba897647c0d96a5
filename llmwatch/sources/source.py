"""What every source of lines is, whatever it reads."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from llmwatch.store.slice import Slice, WholeFile

SourceStatus = Literal["live", "reading", "ended", "waiting", "error"]


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
