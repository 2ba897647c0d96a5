"""Searches while a person types: one at a time, each in a thread, and the newest alone counts."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from textual.dom import DOMNode
from textual.message import Message

from llmwatch.errors import LlmwatchError
from llmwatch.query.found import Found, SearchRequest
from llmwatch.store.cancel import Cancel
from llmwatch.tui.faults import Fault, fault

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter

PAUSE_SECONDS = 0.08
"""So long after the last key a search begins: a word typed at speed is one search."""
APART_SECONDS = 0.1
"""Between two messages of how far a search is."""

Search = Callable[[SearchRequest, Cancel], Iterator[Found]]


@dataclass(frozen=True, slots=True)
class Look:
    """What a person looks for: a filter as typed, of which nothing is everything."""

    text: str
    calls: bool = False
    fields: tuple[str, ...] = ()
    limit: int = 1_000


@dataclass(frozen=True, slots=True)
class Seen:
    """How far a search is."""

    look: Look
    filter: Filter | None = None
    found: Found | None = None
    fault: Fault | None = None
    """Why there is nothing: what is wrong with the filter, or what failed."""
    seconds: float = 0.0

    @property
    def done(self) -> bool:
        """Whether nothing more comes of it."""
        return self.fault is not None or self.found is None or self.found.done


class Saw(Message, bubble=False):
    """A search has got further. What it found before does not matter any more."""

    def __init__(self, looking: Looking, number: int, seen: Seen) -> None:
        super().__init__()
        self.looking = looking
        self.number = number
        self.seen = seen

    def can_replace(self, message: Message) -> bool:
        """The newest says all."""
        return isinstance(message, Saw) and message.looking is self.looking

    @property
    def current(self) -> bool:
        """Whether it is of the search that was begun last."""
        return self.number == self.looking.number


class Pause:
    """The moment after the last key.

    Not a timer of Textual's: one that fires once is forgotten where the loop is busy for as long as it was to run.
    """

    def __init__(self, then: Callable[[], None]) -> None:
        self._then = then
        self._handle: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> bool:
        """Whether it is not over."""
        return self._handle is not None

    def begin(self) -> None:
        """Wait from now on."""
        self.drop()
        self._handle = asyncio.get_running_loop().call_later(PAUSE_SECONDS, self._end)

    def drop(self) -> None:
        """Wait no more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _end(self) -> None:
        self._handle = None
        self._then()


class Looking:
    """The searches of one widget or screen, which gets what they see as messages (`Saw`)."""

    def __init__(self, node: DOMNode, search: Search, read: Callable[[str], Filter]) -> None:
        self._node = node
        self._search = search
        self._read = read
        self._cancel = Cancel()
        self.number = 0
        """Of the search that was begun last."""

    def begin(self, look: Look, *, quiet: bool = False) -> None:
        """Look for this, and for nothing else any more; when `quiet`, only its end is told."""
        self.cancel()
        self._cancel = Cancel()
        self.number += 1
        self._node.run_worker(
            partial(self._run, look, self.number, self._cancel, quiet),
            thread=True,
            exit_on_error=False,
            group="looking",
        )

    def cancel(self) -> None:
        """End what runs. Nothing of it is told any more."""
        self._cancel.cancel()
        self.number += 1

    def _run(self, look: Look, number: int, cancel: Cancel, quiet: bool) -> None:
        """In a thread of its own."""
        began, told = time.monotonic(), float("-inf")

        def tell(seen: Seen) -> None:
            if not cancel():
                self._node.post_message(Saw(self, number, seen))

        wanted = None
        try:
            wanted = self._read(look.text) if look.text.strip() else None
            request = SearchRequest(wanted, look.calls, look.limit, () if look.calls else look.fields)
            for found in self._search(request, cancel):
                now = time.monotonic()
                if found.done or (not quiet and now - told >= APART_SECONDS):
                    told = now
                    tell(Seen(look, wanted, found, seconds=now - began))
        except LlmwatchError as error:
            tell(Seen(look, fault=fault(error)))
        except Exception as error:  # noqa: BLE001 (shown on screen; the next search tries again)
            tell(Seen(look, fault=Fault(f"a bug in llmwatch: {type(error).__name__}: {error}")))
