"""Ask anything: a Logs Insights query, and its answer as a table, a chart, or both."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal, Self

from textual import on
from textual.actions import SkipAction
from textual.app import ComposeResult
from textual.containers import Container
from textual.timer import Timer
from textual.worker import Worker, WorkerState

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.errors import LlmwatchError, PlacedError, SourceError
from llmwatch.query.insights.answer import Answer
from llmwatch.store.cancel import Cancel
from llmwatch.tui.history import History
from llmwatch.tui.panes.answer import Row, Shown, copied, shown
from llmwatch.tui.panes.query_actions import query_bindings
from llmwatch.tui.panes.timeline import grouping
from llmwatch.tui.screens.prompt import Done, Objection, PromptScreen
from llmwatch.tui.screens.queries import Library, QueriesScreen, library
from llmwatch.tui.screens.row import RowScreen
from llmwatch.tui.widgets.chart import Chart
from llmwatch.tui.widgets.editor import Editor
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.outcome import Outcome, complaint, facts, remarks
from llmwatch.tui.widgets.text import NOTHING, Piece, content

Ask = Callable[[str, Cancel], Answer]
"""Blocks; raises LlmwatchError. `Feed.ask` is one."""

View = Literal["both", "table", "chart"]
_VIEWS: tuple[View, ...] = ("both", "table", "chart")


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why there is no answer."""

    sentence: str
    offset: int | None = None
    """Where in the query, if that is known."""


@dataclass(slots=True, eq=False)
class _Run:
    """A query that was asked."""

    text: str
    began: float
    stop: Cancel = field(default_factory=Cancel)
    unkept: str = ""
    """Why it is not in the history's file."""
    worker: Worker[Shown | _Failure] | None = None


class QueryPane(Container):
    """An editor, below it what came of the query. Asking is never waited for."""

    BINDINGS = query_bindings()

    def __init__(
        self,
        number: int,
        ask: Ask,
        *,
        history: History | None = None,
        read: Callable[[], Library] = library,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        super().__init__(id="query", classes="pane")
        self._number = number
        self._ask = ask
        self._history = history or History()
        self._read = read
        self._clock = clock
        self.editor, self.outcome, self.chart = Editor(), Outcome(), Chart()
        self.table: LineTable[Row] = LineTable((), lambda row: row.place, id="query-rows")
        self.table.empty = literal("write a query above, or take one of the runbook with ctrl-o")
        self.chart.display = False
        self.shown: Shown | None = None
        self.view: View = "both"
        self._run: _Run | None = None
        self._tick: Timer | None = None
        self._past: int | None = None
        """The place in the history of what the editor shows; None is none."""
        self._unanswered = False
        """What was asked last has no answer; one that is shown is of a query before."""
        self._draft = ""
        """What was in the editor before the history was."""

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        yield self.editor
        yield self.outcome
        yield self.chart
        yield self.table

    def on_mount(self) -> None:
        """Say what it is."""
        self._entitle()

    def on_unmount(self) -> None:
        """Nobody waits for the answer any more."""
        if self._run is not None:
            self._run.stop.cancel()

    def on_resize(self) -> None:
        """How many columns there is room for is said."""
        self.call_after_refresh(self._say)

    # What is on screen

    def focus(self, scroll_visible: bool = True) -> Self:
        """What had it keeps it; else the editor takes it."""
        if not self.has_focus_within:
            self._target.focus(scroll_visible)
        return self

    @property
    def _target(self) -> Editor | Chart | LineTable[Row]:
        """What takes the focus: the answer when there is one."""
        if self.shown is None:
            return self.editor
        return self.table if self.table.display else self.chart

    @property
    def title(self) -> Clean:
        """What there is: `Query · 1,234 rows`."""
        if self.shown is None:
            return literal("Query")
        return literal(f"Query · {units.count(len(self.shown.rows))}")

    @property
    def badge(self) -> Piece:
        """Whether a query runs."""
        return (literal("asking …"), "bold $text-warning") if self._run else (NOTHING, "")

    @property
    def keys(self) -> str:
        """Which keys of `query_actions` do something now, as `Action.panes` names it."""
        return "query-editor" if self.editor.has_focus else "query"

    @property
    def selected(self) -> Row | None:
        """The row under the cursor."""
        return self.table.selected

    def _entitle(self) -> None:
        self.border_title = content((join([literal(f"{self._number} "), self.title]), "bold"))
        self.border_subtitle = content(self.badge)

    def _say(self) -> None:
        """The figures and remarks of the answer, or how long it has been asked for."""
        run, answered = self._run, self.shown
        if run is not None:
            seconds = units.age(self._clock() - run.began)
            words = literal(f"asking … {seconds}")
            hint = (literal("esc stops it"), "$foreground 55%")
            self.outcome.say([[(words, "bold $text-warning")], [hint]])
        elif answered is not None and not self._unanswered:
            placed = len(self.table.placed) if self.table.display else len(answered.columns)
            drawn = answered.remarks if self.chart.display else ()
            self.outcome.say(
                facts(answered.answer, answered.seconds, placed), remarks(answered.answer, drawn)
            )

    # Asking

    def action_ask(self) -> None:
        """Run what is in the editor, instead of what may be running."""
        text = self.editor.text.strip()
        if not text:
            self.outcome.say([[(literal("there is no query to run"), "$text-warning")]])
            return
        self._end()
        run = self._run = _Run(text, self._clock())
        self.table.empty = NOTHING if self.shown is None else self.table.empty
        self.table.refresh()
        self._past, self._unanswered = None, True
        run.worker = self.run_worker(
            partial(self._work, run), thread=True, exclusive=True, group="query", exit_on_error=False
        )
        self._tick = self.set_interval(1.0, self._say)
        self._entitle()
        self._say()

    def _work(self, run: _Run) -> Shown | _Failure:
        """In a thread: all that takes long, or longer the more rows there are."""
        try:
            self._history.add(run.text)
        except SourceError as error:
            run.unkept = str(error)
        try:
            answer = self._ask(run.text, run.stop)
        except PlacedError as error:
            return _Failure(error.sentence, error.offset)
        except LlmwatchError as error:
            return _Failure(str(error))
        return shown(answer, grouping(run.text), self._clock() - run.began)

    def _end(self) -> _Run | None:
        """The query that ran does so no more."""
        run, self._run = self._run, None
        if self._tick is not None:
            self._tick.stop()
            self._tick = None
        if run is not None:
            run.stop.cancel()
            if run.worker is not None and not run.worker.is_finished:
                run.worker.cancel()
        return run

    @on(Worker.StateChanged)
    def _came(self, message: Worker.StateChanged) -> None:
        run = self._run
        if run is None or message.worker is not run.worker:
            return
        if message.state is WorkerState.ERROR:
            self._end()
            self._fail(run, _Failure(str(message.worker.error)))
        elif message.state is WorkerState.SUCCESS:
            self._end()
            if isinstance(run.worker.result, Shown):
                self._show(run.worker.result)
            elif run.worker.result is not None:
                self._fail(run, run.worker.result)
        if self._run is None and run.unkept:
            self.notify(clean(run.unkept, 400).text, severity="warning", markup=False)

    def _show(self, answered: Shown) -> None:
        self.shown, self._unanswered = answered, False
        self.table.empty = literal("no rows")
        self.table.set_rows(())
        self.table.set_columns(answered.columns)
        self.table.set_rows(answered.rows)
        self.table.select(0)
        self.chart.show(answered.timeline)
        self._arrange()

    def _fail(self, run: _Run, failure: _Failure) -> None:
        """Say why, and show where. The answer that was there stays: it is of another query, and its figures go."""
        self.outcome.say([], complaint=complaint(failure.sentence, run.text, failure.offset))
        self._entitle()
        offset = failure.offset
        if offset is not None and self.editor.text.strip() == run.text:
            leading = len(self.editor.text) - len(self.editor.text.lstrip())
            self.editor.move_cursor(self.editor.location(leading + offset))
            if self.has_focus_within:
                self.editor.focus()

    def action_stop(self) -> None:
        """Stop the query; when none runs, go from the editor to the rows."""
        if self._end() is not None:
            self.outcome.say([[(literal("stopped"), "$text-warning")]])
            self._entitle()
        elif self.editor.has_focus:
            (self.table if self.table.display else self.chart).focus()
        else:
            raise SkipAction

    # Looking at the answer

    def _arrange(self) -> None:
        drawable = self.shown is not None and self.shown.timeline is not None
        self.chart.display = drawable and self.view != "table"
        self.table.display = not (drawable and self.view == "chart")
        self.table.set_class(not self.chart.display, "-apart")
        if not self.editor.has_focus and self.has_focus_within:
            self._target.focus()
        self._entitle()
        self.call_after_refresh(self._say)

    def action_view(self) -> None:
        """Both, the table alone, the chart alone."""
        if self.shown is None or self.shown.timeline is None:
            self.notify("Only rows that are grouped by bin(…) can be drawn.", markup=False)
            return
        self.view = _VIEWS[(_VIEWS.index(self.view) + 1) % len(_VIEWS)]
        self._arrange()

    def action_edit(self) -> None:
        """To the editor."""
        self.editor.focus()

    def action_copy(self) -> None:
        """The row, cleaned: a clipboard is pasted into shells."""
        row = self.selected
        if row is not None:
            self.app.copy_to_clipboard(copied(row.values))
            self.notify(f"Copied row {units.count(row.place + 1)}", markup=False)

    @on(LineTable.Opened)
    def _open(self, message: LineTable.Opened) -> None:
        message.stop()
        if self.shown is not None and isinstance(message.row, Row):
            of = f"Row {units.count(message.row.place + 1)} of {units.count(len(self.shown.rows))}"
            self.app.push_screen(RowScreen(literal(of), self.shown.answer.columns, message.row.values))

    # Other queries

    def fill(self, text: str) -> None:
        """Have this query in the editor."""
        self.editor.fill(text)
        self.editor.focus()

    @on(Editor.Stepped)
    def _stepped(self, message: Editor.Stepped) -> None:
        message.stop()
        self.action_past(message.step)

    def action_past(self, step: int) -> None:
        """To the query asked before, or after; after the newest comes what was being written."""
        entries = self._history.entries
        if self._past is None:
            self._draft = self.editor.text
        before = len(entries) if self._past is None else self._past
        place = max(0, min(before + step, len(entries)))
        if place != before:
            self._past = None if place == len(entries) else place
            self.editor.fill(self._draft if place == len(entries) else entries[place])

    def action_queries(self) -> None:
        """Choose one."""
        self.app.push_screen(QueriesScreen(self._read), self._chosen)

    def _chosen(self, text: str | None) -> None:
        from llmwatch.query.runbook import PLACEHOLDER

        if text is not None:
            self._past = None
            self.fill(text.strip())
            self.editor.mark(PLACEHOLDER)

    def action_save(self) -> None:
        """Under a name, in the configuration."""
        text = self.editor.text.strip()
        if not text:
            self.notify("There is no query to save.", markup=False)
            return
        hint = literal("a name for the query; it is listed with ctrl-o")
        self.app.push_screen(
            PromptScreen(literal("Save the query"), "", hint, partial(_save, text)), self._tell
        )

    # Rows for elsewhere

    def action_export(self) -> None:
        """To a file."""
        if self.shown is None:
            self.notify("There are no rows to write.", markup=False)
            return
        name = f"query-{datetime.now(UTC):%Y%m%dT%H%M%SZ}.csv"
        hint = join(
            [
                literal("in "),
                clean(_folder(), 400),
                literal("; the ending says the format: .csv, .json, .jsonl or .parquet"),
            ]
        )
        rows = literal(f"Write {units.count(len(self.shown.rows))} rows")
        self.app.push_screen(PromptScreen(rows, name, hint, partial(_export, self.shown.answer)), self._tell)

    def _tell(self, words: Clean | None) -> None:
        if words is not None:
            self.notify(words.text, markup=False)


def _save(text: str, name: str, insisted: bool) -> Done[Clean] | Objection:
    from llmwatch.config import load_config, save_query

    if not insisted and name in load_config().queries:
        return Objection(literal("there is a query of that name: enter again replaces it"), may_insist=True)
    save_query(name, text)
    return Done(join([literal("Saved the query as "), clean(name)]))


def _folder() -> str:
    """Where a file comes to be that is named without one."""
    try:
        return os.getcwd()
    except OSError:
        return "a folder that is gone"


def _export(answer: Answer, name: str, insisted: bool) -> Done[Clean] | Objection:
    from llmwatch.query.export import file_format, write_file

    path = Path(name).expanduser().absolute()
    file_format(path)
    if not insisted and os.path.lexists(path):
        return Objection(
            join([clean(path, 400), literal(" is there already: enter again replaces it")]), True
        )
    write_file(path, answer.columns, answer.rows, replace=insisted)
    return Done(join([literal(f"Wrote {units.count(len(answer.rows))} rows to "), clean(path, 400)]))
