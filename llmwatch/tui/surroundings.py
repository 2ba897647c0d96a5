"""The lines around a hit, whatever the filters: what happened just before, and what came of it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from textual.dom import DOMNode
from textual.message import Message

from llmwatch.query.snapshot import EventRow

AROUND = 250
"""Lines before a hit, and after it: several screens."""


ReadLines = Callable[[int, int, int], tuple[EventRow, ...]]
"""A line and so many before and after it; it blocks."""


class ReadContext(Message, bubble=False):
    """The lines around one are there, or an error as raw text."""

    def __init__(self, seq: int, rows: tuple[EventRow, ...], error: str = "") -> None:
        super().__init__()
        self.seq = seq
        self.rows = rows
        self.error = error


class Surroundings:
    """Reads the lines around one, in a thread; while it reads, only the newest wish is remembered."""

    def __init__(self, node: DOMNode, context: ReadLines) -> None:
        self._node = node
        self._context = context
        self._wanted: int | None = None
        self._reading: int | None = None

    def want(self, seq: int) -> None:
        """Read the lines around this one."""
        self._wanted = seq
        if self._reading is None:
            self._begin(seq)

    def forget(self) -> None:
        """Nobody wants them any more."""
        self._wanted = None

    def took(self, message: ReadContext) -> bool:
        """Called with each message; whether it is what is wanted now. If not, that is read next."""
        self._reading = None
        if message.seq == self._wanted:
            self._wanted = None
            return True
        if self._wanted is not None:
            self._begin(self._wanted)
        return False

    def _begin(self, seq: int) -> None:
        self._reading = seq
        self._node.run_worker(partial(self._run, seq), thread=True, exit_on_error=False, group="surroundings")

    def _run(self, seq: int) -> None:
        """In a thread of its own."""
        try:
            message = ReadContext(seq, self._context(seq, AROUND, AROUND))
        except Exception as error:  # noqa: BLE001 (shown on screen)
            message = ReadContext(seq, (), str(error))
        self._node.post_message(message)
