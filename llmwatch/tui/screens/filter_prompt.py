"""A filter on one line at the bottom of the screen, with what it comes to below it as it is typed."""

from __future__ import annotations

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.screen import ModalScreen
from textual.widgets import Input

from llmwatch import units
from llmwatch.clean import literal
from llmwatch.errors import LlmwatchError
from llmwatch.query.found import Found
from llmwatch.tui.actions import bindings
from llmwatch.tui.faults import fault
from llmwatch.tui.filters import Filters
from llmwatch.tui.health import part
from llmwatch.tui.looking import Look, Looking, Pause, Saw, Search
from llmwatch.tui.widgets.text import Pieces, content
from llmwatch.tui.widgets.typed import Typed, Words

EXAMPLES = "user:alice model:kimi* status:error cost>0.5 …"
_HINT = "a word alone is looked for in the lines; -word leaves out those that have it"
_QUIET = "$foreground 55%"


class FilterPrompt(ModalScreen[str | None]):
    """Asks for a filter, and gives its text, or None when the person thinks better of it.

    Says what is wrong with it, and where, or how many calls it keeps.
    """

    BINDINGS = bindings("dialog")
    AUTO_FOCUS = "#prompt-input"

    def __init__(self, title: str, filters: Filters, search: Search | None, *, value: str = "") -> None:
        """Without a search nothing is counted."""
        super().__init__()
        self._title = title
        self._filters = filters
        self.typed = Typed(id="prompt-input", placeholder=EXAMPLES, value=value)
        self.words = Words("prompt-words")
        self.looking = Looking(self, search or (lambda _request, _cancel: iter(())), filters.read)
        self._pause = Pause(self._begin)

    def compose(self) -> ComposeResult:
        """The line, and what is said of it."""
        with Container(classes="prompt"):
            yield self.typed
            yield self.words

    def on_mount(self) -> None:
        """Say what is asked."""
        box = self.query_one(".prompt")
        box.border_title = content((literal(self._title), "bold"))
        box.border_subtitle = content((literal("enter takes it · esc leaves it"), _QUIET))
        self._begin()

    def on_unmount(self) -> None:
        """Nobody looks any more."""
        self._pause.drop()
        self.looking.cancel()

    @on(Input.Submitted)
    def _submitted(self, message: Input.Submitted) -> None:
        message.stop()
        text = self.typed.value.strip()
        try:
            if text:
                self._filters.read(text)
        except LlmwatchError as error:
            self.words.complain(fault(error), self.typed)
        else:
            self.dismiss(text or None)

    @on(Input.Changed)
    def _typing(self, message: Input.Changed) -> None:
        message.stop()
        self._pause.begin()

    def _begin(self) -> None:
        if self.typed.value.strip():
            self.looking.begin(Look(self.typed.value, calls=True, limit=1))
        else:
            self.looking.cancel()
            self.words.say([[(literal(_HINT), _QUIET)]])

    @on(Saw)
    def _saw(self, message: Saw) -> None:
        seen = message.seen
        if not message.current:
            return
        if seen.fault is not None:
            self.words.complain(seen.fault, self.typed)
        elif seen.found is not None:
            self.words.say([_kept(seen.found)])


def _kept(found: Found) -> Pieces:
    """`keeps 564 of 12,904 calls`."""
    pieces: Pieces = [
        (literal("keeps "), _QUIET),
        (literal(units.count(found.matched)), "bold $text-accent"),
        (literal(f" of {units.count(found.total)} calls"), _QUIET),
    ]
    if not found.done:
        done = part(found.examined / found.total) if found.total else "0 %"
        pieces.append((literal(f" · looking … {done}"), "$text-warning"))
    return pieces
