"""One line to fill in, such as the name of a file. It stays open until what was asked for is done."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Generic, NamedTuple, TypeVar

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size
from textual.screen import ModalScreen
from textual.widgets import Input
from textual.worker import Worker, WorkerState

from llmwatch.clean import Clean, clean, literal
from llmwatch.errors import LlmwatchError
from llmwatch.tui.actions import bindings
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import content, wrap
from llmwatch.tui.widgets.typed import Typed

R = TypeVar("R")


class Done(NamedTuple, Generic[R]):
    """It is done."""

    value: R
    """What the screen gives: what was done, in words, or what was filled in."""


class Objection(NamedTuple):
    """Why it is not done."""

    words: Clean
    may_insist: bool = False
    """Whether enter once more does it all the same."""


class Sentence(Line):
    """Words in as many lines as they need."""

    def __init__(self, words: Clean, style: str) -> None:
        super().__init__()
        self._words, self._style = words, style

    def say(self, words: Clean, style: str) -> None:
        """Say this instead."""
        self._words, self._style = words, style
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As the words are long."""
        del container, viewport
        return len(wrap(self._words, width)) if self._words.text and width else 0

    def draw(self, cells: int) -> Content:
        """All of them."""
        return Content("\n").join(content((line, self._style)) for line in wrap(self._words, cells))


class PromptScreen(ModalScreen[R | None], Generic[R]):
    """Gives what `do` makes of what is filled in; None when it was given up."""

    BINDINGS = bindings("dialog")

    def __init__(
        self, title: Clean, value: str, hint: Clean, do: Callable[[str, bool], Done[R] | Objection]
    ) -> None:
        """`do` gets what was filled in, and whether it was insisted on; it runs in a thread."""
        super().__init__()
        self._title, self._hint, self._do = title, hint, do
        self.field = Typed(id="prompt", value=value)
        self.sentence = Sentence(hint, "$foreground 55%")
        self._insisted: str | None = None

    def compose(self) -> ComposeResult:
        """The line, and what is to be said of it."""
        with Container(classes="dialog"):
            yield self.field
            yield self.sentence

    def on_mount(self) -> None:
        """Ready to be typed in."""
        dialog = self.query_one(".dialog")
        dialog.border_title = content((self._title, "bold"))
        dialog.border_subtitle = content((literal("enter takes it · esc leaves it"), "$foreground 55%"))
        self.field.cursor_blink = False
        self.field.focus()

    @on(Input.Changed)
    def _changed(self) -> None:
        self._insisted = None
        self.sentence.say(self._hint, "$foreground 55%")

    @on(Input.Submitted)
    def _submitted(self) -> None:
        value = self.field.value.strip()
        if value:
            self.sentence.say(literal("…"), "$foreground 55%")
            attempt = partial(self._attempt, value, value == self._insisted)
            self.run_worker(attempt, thread=True, exclusive=True, exit_on_error=False)

    def _attempt(self, value: str, insisted: bool) -> Done[R] | Objection:
        try:
            return self._do(value, insisted)
        except LlmwatchError as error:
            return Objection(sentence(error))

    @on(Worker.StateChanged)
    def _came_of_it(self, message: Worker.StateChanged) -> None:
        result: object = message.worker.result
        if message.state is WorkerState.ERROR:
            result = Objection(sentence(message.worker.error))
        if isinstance(result, Done):
            self.dismiss(result.value)
        elif isinstance(result, Objection):
            self._insisted = self.field.value.strip() if result.may_insist else None
            self.sentence.say(result.words, "$text-warning" if result.may_insist else "$text-error")


def sentence(error: object) -> Clean:
    """What an error says, in one line."""
    return clean(" ".join(str(error).split()), 400)
