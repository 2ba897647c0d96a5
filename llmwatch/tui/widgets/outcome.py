"""What came of a query, in words: how much of what, what is wrong and where."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from textual.content import Content
from textual.geometry import Size

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.insights.answer import Answer
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import Pieces, content, cut, flow, width, wrap

_MOST_LINES = 8
_QUIET, _WARNING, _ERROR = "$foreground 55%", "$text-warning", "$text-error"
_SENTENCE, _LINE = 1_000, 100_000


@dataclass(frozen=True, slots=True)
class Complaint:
    """Why there is no answer: a sentence, and perhaps a line of the query with a caret under it."""

    sentence: Clean
    line: Clean | None = None
    place: int = 0
    """The cell of the line over the caret."""


def complaint(sentence: str, text: str, offset: int | None) -> Complaint:
    """A sentence on a text, and the line of the text that has the place of which it speaks."""
    words = clean(" ".join(sentence.split()), _SENTENCE)
    if offset is None:
        return Complaint(words)
    begin = text.rfind("\n", 0, offset) + 1
    line = text[begin:].partition("\n")[0]
    return Complaint(words, clean(line, _LINE), width(clean(line[: offset - begin], _LINE)))


class Outcome(Line):
    """Below the editor; as many lines as there is something to say."""

    def __init__(self) -> None:
        super().__init__(id="query-outcome")
        self._facts: list[Pieces] = []
        self._remarks: Sequence[tuple[Clean, str]] = ()
        self._complaint: Complaint | None = None

    def say(
        self,
        facts: list[Pieces],
        remarks: Sequence[tuple[Clean, str]] = (),
        complaint: Complaint | None = None,
    ) -> None:
        """Say this instead."""
        self._facts, self._remarks, self._complaint = facts, remarks, complaint
        self.refresh(layout=True)

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """As many lines as there are words for."""
        del container, viewport
        return len(self._lines(width)) if width else 0

    def draw(self, cells: int) -> Content:
        """Complaint, figures, remarks."""
        return Content("\n").join(self._lines(cells))

    def _lines(self, cells: int) -> list[Content]:
        lines = _complaint_lines(self._complaint, cells) if self._complaint else []
        lines += [content(*line) for line in flow(self._facts, cells)]
        for words, style in self._remarks:
            lines += [content((line, style)) for line in wrap(words, cells)]
        if len(lines) > _MOST_LINES:
            more = literal(f"… {units.count(len(lines) - _MOST_LINES + 1)} more lines")
            lines = [*lines[: _MOST_LINES - 1], content((more, _QUIET))]
        return lines


def _complaint_lines(complaint: Complaint, cells: int) -> list[Content]:
    """The line of the query is not wrapped: what is over the caret has to stay there."""
    lines = [content((line, _ERROR)) for line in wrap(complaint.sentence, cells)[: _MOST_LINES - 2]]
    if complaint.line is not None:
        skipped = max(0, complaint.place - cells + 8)
        shown = _from(complaint.line, skipped)
        place = complaint.place - width(complaint.line) + width(shown)
        lines.append(content((literal(cut(shown, cells)), "$foreground")))
        lines.append(content((literal(" " * max(0, place) + "^"), f"bold {_ERROR}")))
    return lines


def _from(text: Clean, cells: int) -> Clean:
    """The text without about so many cells at its beginning."""
    start = 0
    while cells > 0 and start < len(text.text):
        cells -= width(literal(text.text[start]))
        start += 1
    return literal(text.text[start:])


def facts(answer: Answer, seconds: float, shown_columns: int) -> list[Pieces]:
    """How many rows, of how many lines, in what time."""
    rows = len(answer.rows)
    said: list[tuple[str, str]] = [(f"{units.count(rows)} row{'' if rows == 1 else 's'}", "bold $foreground")]
    if answer.matched is not None and answer.scanned is not None:
        said.append((f"{_many(answer.matched)} of {_many(answer.scanned)} lines matched", _QUIET))
    elif answer.scanned is not None:
        said.append((f"{_many(answer.scanned)} lines read", _QUIET))
    if answer.bytes_scanned is not None:
        said.append((f"{units.size(answer.bytes_scanned)} scanned", _QUIET))
    said.append((f"{seconds:.2f} s", _QUIET))
    if answer.truncated:
        said.append(("more than the limit", _WARNING))
    columns = len(answer.columns)
    if rows and shown_columns < columns:
        said.append((f"{shown_columns} of {columns} columns: enter on a row shows all", _WARNING))
    return [[(literal(words), style)] for words, style in said]


def _many(value: int) -> str:
    return units.count(value) if value < 1_000_000 else units.tokens(value)


def remarks(answer: Answer, drawn: Sequence[Clean]) -> list[tuple[Clean, str]]:
    """What the engine and the chart have to say."""
    of_chart = [join([literal("chart: "), words]) for words in drawn]
    return [
        (words, _QUIET) for words in (*(clean(remark, _SENTENCE) for remark in answer.remarks), *of_chart)
    ]
