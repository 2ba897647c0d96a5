"""Audit logs: whether their chains hold, where one breaks, and what nobody vouches for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from typing import Self

from textual import on
from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.geometry import Size

from llmwatch import units
from llmwatch.audit.findings import Finding
from llmwatch.audit.wording import phrase
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.audited import Audited, AuditFile, AuditFinding, AuditState
from llmwatch.tui.health import NAME_LIMIT
from llmwatch.tui.panes.columns import figure_cell, short_count
from llmwatch.tui.widgets.column import Cell, Column, Tone
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.text import NOTHING, Piece, content, cut, wrap
from llmwatch.tui.wishes import Located

_SENTENCE, _VALUE = 1_000, 160
_QUIET, _WARNING, _ERROR = "$foreground 55%", "$text-warning", "$text-error"
_NO_LOG = literal("no entry of an audit log was read: llmwatch tail FOLDER --key-file FILE checks one")
_NO_FINDING = literal("nothing was found: all chains hold")
_NOTHING_IN_IT = "Nothing was found in this file."
_HIDDEN = "… {count} more in what llmwatch verify says"
_NOT_READ = "That line was not read here: llmwatch verify shows what is around it."

_STATES: dict[AuditState, tuple[str, Tone]] = {
    "ok": ("● ok", "success"),
    "links only": ("○ links only", "muted"),
    "wrong key": ("▲ wrong key", "warning"),
    "warning": ("▲ look", "warning"),
    "broken": ("✖ BROKEN", "error"),
}
_TONES: dict[str, Tone] = {"error": "error", "warn": "warning", "info": "muted"}


def _state(file: AuditFile) -> Cell:
    words, tone = _STATES[file.state]
    at = f" at {units.count(file.first_bad)}" if file.first_bad is not None else ""
    return Cell(literal(f"{words}{at}"), tone)


FILE_COLUMNS: tuple[Column[AuditFile], ...] = (
    Column(
        "name",
        "file",
        "The file or stream of entries",
        lambda file, _now: Cell(clean(file.source, NAME_LIMIT), "strong"),
        width=22,
        right=False,
        room=50,
        ending=True,
    ),
    Column(
        "state",
        "state",
        "ok: every line links, and a key signed it; links only: no key was given; wrong key: none that was given "
        "signed it; look: not broken, and there is a finding; BROKEN: at this line first",
        lambda file, _now: _state(file),
        width=14,
        right=False,
        room=4,
    ),
    Column(
        "convention",
        "chain",
        "fresh: begins with the file; carry: goes on from the file before; v2: by llmwatch, numbered; unlinked: its "
        "beginning follows nothing that is known",
        lambda file, _now: Cell(
            literal(file.convention), "warning" if file.convention == "unlinked" else "muted"
        ),
        width=8,
        right=False,
        rank=3,
    ),
    Column("lines", "lines", "Lines that were read", lambda file, _now: _figure(file.lines), width=6, rank=1),
    Column(
        "signed",
        "signed",
        "Lines whose signature is right",
        lambda file, _now: _figure(file.hmac_ok),
        width=6,
        rank=2,
    ),
    Column(
        "attested",
        "attested",
        "Lines that a signed checkpoint or digest vouches for",
        lambda file, _now: figure_cell(units.UNKNOWN) if file.attested is None else _figure(file.attested),
        width=8,
        rank=4,
    ),
)


def _figure(value: int) -> Cell:
    return figure_cell(short_count(value), "plain" if value else "faint")


FINDING_COLUMNS: tuple[Column[AuditFinding], ...] = (
    Column(
        "line",
        "line",
        "Where it is",
        lambda one, _now: figure_cell(units.count(one.finding.line), _TONES[one.finding.severity]),
        width=7,
    ),
    Column(
        "class",
        "finding",
        "What it is",
        lambda one, _now: Cell(clean(one.finding.name.replace("_", " ")), _TONES[one.finding.severity]),
        width=13,
        right=False,
        room=12,
    ),
    Column(
        "file",
        "file",
        "The file or stream",
        lambda one, _now: Cell(clean(one.source, NAME_LIMIT), "muted"),
        width=20,
        right=False,
        rank=1,
        room=50,
        ending=True,
    ),
    Column(
        "count",
        "n",
        "How many lines, or how many are gone",
        lambda one, _now: figure_cell(
            f"{'≥' if one.finding.at_least else ''}{units.count(one.finding.count)}"
        ),
        width=5,
        rank=2,
    ),
)


class _Files(LineTable[AuditFile]):
    """Going down from the last file leads to the findings."""

    def __init__(self, below: Callable[[], None]) -> None:
        super().__init__(FILE_COLUMNS, lambda file: file.source, id="audit-files")
        self.empty = _NO_LOG
        self._below = below

    def action_move(self, step: int) -> None:
        """Up or down a row."""
        if step > 0 and self.cursor >= len(self.rows) - 1:
            self._below()
        else:
            super().action_move(step)


class _Findings(LineTable[AuditFinding]):
    """Tells when another is under the cursor. Going up from the first leads to the files."""

    def __init__(self, chosen: Callable[[], None], above: Callable[[], None]) -> None:
        super().__init__(
            FINDING_COLUMNS,
            lambda one: (one.source, one.finding.line, one.finding.name),
            id="audit-findings",
        )
        self.empty = _NO_FINDING
        self._tell, self._above = chosen, above

    def select(self, index: int) -> None:
        """Put the cursor on this row."""
        super().select(index)
        self._tell()

    def action_move(self, step: int) -> None:
        """Up or down a row."""
        if step < 0 and self.cursor == 0:
            self._above()
        else:
            super().action_move(step)


class _Said(Line):
    """As many lines as there are words for."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are words for."""
        del container, viewport
        return len(self.lines(width)) if width else 0

    def draw(self, cells: int) -> Content:
        """All of them."""
        return Content("\n").join(self.lines(cells))

    def lines(self, cells: int) -> list[Content]:
        """What is said, in so many cells."""
        raise NotImplementedError


class AuditDetail(_Said):
    """One finding in words, with the entries around it."""

    def __init__(self) -> None:
        super().__init__(id="audit-detail")
        self._one: AuditFinding | None = None

    def show(self, one: AuditFinding | None) -> None:
        """Speak of this one."""
        if one != self._one:
            self._one = one
            self.refresh(layout=True)

    def lines(self, cells: int) -> list[Content]:
        """Nothing, where there is none."""
        return [] if self._one is None else list(_described(self._one, cells))


class AuditSentences(_Said):
    """What nobody vouches for. It is always there, also when all is well."""

    def __init__(self) -> None:
        super().__init__(id="audit-sentences")
        self._sentences: tuple[str, ...] = ()

    def show(self, sentences: tuple[str, ...]) -> None:
        """Say these."""
        if sentences != self._sentences:
            self._sentences = sentences
            self.refresh(layout=True)

    def draw(self, cells: int) -> Content:
        """What there is room for: how much was checked stands at their beginning, what nothing tells at their end."""
        told = self._wrapped(cells)
        hidden, room = 0, self.content_size.height
        while len(told) > 2 and sum(map(len, told)) + bool(hidden) > room:
            del told[(len(told) - 1) // 2]
            hidden += 1
        if hidden:
            told.insert(len(told) // 2, [literal(cut(literal(_HIDDEN.format(count=hidden)), cells))])
        return Content("\n").join(_quiet(told))

    def lines(self, cells: int) -> list[Content]:
        """One after the other."""
        return _quiet(self._wrapped(cells))

    def _wrapped(self, cells: int) -> list[list[Clean]]:
        return [wrap(clean(sentence, _SENTENCE), cells) for sentence in self._sentences]


def _quiet(told: list[list[Clean]]) -> list[Content]:
    return [content((line, _QUIET)) for lines in told for line in lines]


def _described(one: AuditFinding, cells: int) -> Iterator[Content]:
    finding = one.finding
    where = _where(finding)
    style = f"bold $text-{_TONES[finding.severity]}" if finding.severity != "info" else "bold $foreground"
    yield content((literal(cut(literal(f"{where}{phrase(finding)}"), cells)), style))
    if finding.detail:
        yield from (content((line, "$foreground")) for line in wrap(clean(finding.detail, _SENTENCE), cells))
    name = f"{finding.field} " if finding.field else ""
    for word, value, tone in (("expected", finding.expected, _QUIET), ("found   ", finding.actual, _ERROR)):
        if value is not None:
            words = join([literal(f"{name}{word} "), clean(value, _VALUE)])
            yield content((literal(cut(words, cells)), tone))
    for each in one.around:
        said = [clean(word, 80) for word in (each.time, each.event, each.id) if word]
        words = join(
            [literal(f"line {units.count(each.line)}"), *(said or [literal("no entry")])], literal("  ")
        )
        own = each.line == finding.line
        shown = literal(cut(join([literal("▸ " if own else "  "), words]), cells))
        yield content((shown, "$foreground" if own else _QUIET))


def _where(finding: Finding) -> str:
    """To stand before a phrase: `line 7 `, `lines 7 to 9 `; nothing for a whole file."""
    if finding.line is None:
        return ""
    if finding.line_to in (None, finding.line):
        return f"line {units.count(finding.line)} "
    return f"lines {units.count(finding.line)} to {units.count(finding.line_to)} "


class AuditPane(Container):
    """The files, the findings, and words about the one that is selected."""

    def __init__(self, number: int) -> None:
        super().__init__(id="audit", classes="pane")
        self._number = number
        self.findings = _Findings(self._describe, lambda: self._go_to(self.files))
        self.files = _Files(lambda: self._go_to(self.findings))
        self.detail, self.sentences = AuditDetail(), AuditSentences()
        self._audited: Audited | None = None
        self._labels: tuple[Clean, Piece] | None = None

    def compose(self) -> ComposeResult:
        """Top to bottom."""
        with Container(id="audit-lists"):
            yield self.files
            yield self.findings
        with Container(id="audit-said"):
            yield self.detail
            yield self.sentences

    def on_mount(self) -> None:
        """It is made when it is first wanted, and has its tables only now."""
        self.focus()

    def focus(self, scroll_visible: bool = True) -> Self:
        """The findings take it, if there are any."""
        if not self.files.has_focus and not self.findings.has_focus:
            (self.findings if self.findings.rows else self.files).focus(scroll_visible)
        return self

    def _go_to(self, table: LineTable[AuditFile] | LineTable[AuditFinding]) -> None:
        if table.rows:
            table.focus()

    @property
    def selected(self) -> None:
        """Nothing that everything could be narrowed to."""
        return

    @property
    def title(self) -> Clean:
        """What is listed: `Audit · 3`."""
        return literal(f"Audit · {units.count(len(self.files.rows))}")

    @property
    def badge(self) -> Piece:
        """What most needs to be known."""
        audited = self._audited
        if audited is None:
            return NOTHING, ""
        if audited.broken is not None:
            return literal("CHAIN BROKEN"), f"bold {_ERROR}"
        if audited.checking:
            return literal("verifying …"), _QUIET
        found = len(audited.findings)
        return literal(f"{units.count(found)} to look at" if found else ""), _WARNING

    def show(self, audited: Audited | None, now: datetime) -> None:
        """Show how the logs fare."""
        self._audited = audited
        self.files.set_rows(() if audited is None else audited.files, now)
        self.findings.set_rows(() if audited is None else audited.findings, now)
        self.findings.empty = NOTHING if audited is None else _NO_FINDING
        self._describe()
        self.sentences.show(() if audited is None else audited.sentences)
        labels = (join([literal(f"{self._number} "), self.title]), self.badge)
        if labels != self._labels:
            self._labels = labels
            self.border_title = content((labels[0], "bold"))
            self.border_subtitle = content(labels[1])

    def _describe(self) -> None:
        self.detail.show(self.findings.selected)
        self.detail.display = self.findings.selected is not None
        self.set_class(self.detail.display, "-described")

    @on(LineTable.Opened)
    def _open(self, message: LineTable.Opened) -> None:
        """To the line, in the stream of events."""
        message.stop()
        wanted = message.row
        if isinstance(wanted, AuditFile):
            wanted = next((one for one in self.findings.rows if one.source == wanted.source), None)
            if wanted is None:
                self.notify(_NOTHING_IN_IT, markup=False)
        if isinstance(wanted, AuditFinding) and wanted.seq is not None:
            self.post_message(Located(wanted.seq))
        elif isinstance(wanted, AuditFinding):
            self.notify(_NOT_READ, markup=False)

    @property
    def copied(self) -> Clean | None:
        """What stands for the row with the focus: its file and line."""
        if self.files.has_focus:
            file = self.files.selected
            return None if file is None else clean(file.source, NAME_LIMIT)
        one = self.findings.selected
        if one is None:
            return None
        line = "" if one.finding.line is None else f":{one.finding.line}"
        return join([clean(one.source, NAME_LIMIT), literal(line)])
