"""Queries to choose from: those that were saved, and those of the runbook."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen
from textual.worker import Worker, WorkerState

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.tui.actions import bindings
from llmwatch.tui.screens.prompt import Sentence, sentence
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.editor import plain
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, content, wrap


class Known(NamedTuple):
    """A query under a name; raw text."""

    name: str
    title: str
    text: str


class Library(NamedTuple):
    """All of them, and what was left out."""

    queries: tuple[Known, ...]
    remarks: tuple[str, ...] = ()


def library() -> Library:
    """The saved ones, then the runbook. Reads files. Raises UsageError."""
    from llmwatch.config import load_config
    from llmwatch.query.runbook import RUNBOOK

    config = load_config()
    saved = tuple(Known(name, "saved", text) for name, text in sorted(config.queries.items()))
    built_in = tuple(Known(name, query.title, query.text) for name, query in RUNBOOK.items())
    return Library((*saved, *built_in), config.remarks)


_COLUMNS: tuple[Column[Known], ...] = (
    Column("name", "", "", lambda query, _now: Cell(clean(query.name), "strong"), 16, right=False, room=10),
    Column(
        "title",
        "",
        "",
        lambda query, _now: Cell(clean(query.title), "muted"),
        20,
        right=False,
        room=200,
    ),
)


class Names(LineTable[Known]):
    """The list. Tells when another is under the cursor."""

    def __init__(self, chosen: Callable[[], None]) -> None:
        super().__init__(_COLUMNS, lambda query: query[:2], id="query-names", heading=False)
        self.empty = literal("reading them …")
        self._tell = chosen

    def select(self, index: int) -> None:
        """Put the cursor on this one."""
        super().select(index)
        self._tell()


class Preview(Line):
    """The text of a query."""

    def __init__(self) -> None:
        super().__init__(id="query-preview")
        self._lines: Sequence[Clean] = ()

    def show(self, query: Known | None) -> None:
        """Show this one's."""
        text = plain(query.text.strip()) if query else ""
        self._lines = [clean(line, 10_000) for line in text.split("\n")]
        self.refresh()

    def draw(self, cells: int) -> Content:
        """As much as there is room for; the rest is counted."""
        lines = [part for line in self._lines for part in wrap(line, cells) or [NOTHING]]
        high = self.content_size.height
        more = len(lines) - high
        shown = [content((line, "$foreground")) for line in lines[: high - 1 if more > 0 else high]]
        if more > 0:
            shown.append(content((literal(f"… {units.count(more + 1)} more lines"), "$foreground 55%")))
        return Content("\n").join(shown)


class QueriesScreen(ModalScreen[str | None]):
    """Gives the text of the one that was chosen; None when none was."""

    BINDINGS = bindings("dialog")

    def __init__(self, read: Callable[[], Library] = library) -> None:
        super().__init__()
        self._read = read
        self.names, self.preview = Names(self._describe), Preview()
        self.words = Sentence(NOTHING, "$text-warning")

    def compose(self) -> ComposeResult:
        """The list, and below it what is under the cursor."""
        with Container(classes="dialog"):
            yield self.names
            yield self.words
            yield self.preview

    def on_mount(self) -> None:
        """Files are read elsewhere."""
        dialog = self.query_one(".dialog")
        dialog.border_title = content((literal("Queries"), "bold"))
        dialog.border_subtitle = content((literal("enter takes it · esc leaves it"), "$foreground 55%"))
        self.run_worker(self._read, thread=True, exit_on_error=False)

    @on(Worker.StateChanged)
    def _found(self, message: Worker.StateChanged) -> None:
        if message.state is WorkerState.ERROR:
            self.names.empty = NOTHING
            self.names.refresh()
            self.words.say(sentence(message.worker.error), "$text-error")
        elif message.state is WorkerState.SUCCESS and isinstance(message.worker.result, Library):
            found = message.worker.result
            self.names.empty = literal("there are none: f2 saves the one in the editor")
            self.names.set_rows(found.queries)
            self._describe()
            if found.remarks:
                more = len(found.remarks) - 1
                rest = literal(f" (and {units.count(more)} more remarks)" if more else "")
                self.words.say(join([sentence(found.remarks[0]), rest]), "$text-warning")

    def _describe(self) -> None:
        self.preview.show(self.names.selected)

    @on(LineTable.Opened)
    def _chosen(self, message: LineTable.Opened) -> None:
        message.stop()
        if isinstance(message.row, Known):
            self.dismiss(message.row.text)
