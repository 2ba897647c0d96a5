"""The report as plain text, for a terminal, a pipe, a mail."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from textwrap import wrap

from llmwatch.evidence.report.document import Document, Grid, Section

_WIDEST_CELL = 60
_WIDTH = 100
_INDENT = "  "


def as_text(document: Document) -> str:
    """All of it; ASCII, but for what the log says."""
    title = document.title.text.upper()
    lines = [title, document.lead.text, document.imprint.text]
    lines.append(" ".join(piece.text.text for piece in document.verdict))
    for section in document.sections:
        lines += ["", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    title = section.title.text.upper()
    yield title
    yield "-" * len(title)
    for sentence in section.sentences:
        yield from wrap(sentence.text, _WIDTH, break_long_words=False, break_on_hyphens=False)
    for number, table in enumerate(section.grids):
        if number or section.sentences:
            yield ""
        if table.caption is not None:
            yield f"{table.caption.text}:"
        yield from _grid(table)


def _grid(table: Grid) -> Iterator[str]:
    rows = [[cell.text.text for cell in row] for row in (*table.rows, *table.foot)]
    head = [[cell.text.upper() for cell in table.head]] if table.head else []
    columns = len((head or rows)[0]) if head or rows else 0
    ragged = columns - 1 if table.words == columns else -1
    cells = [
        [text if place == ragged else _cut(text) for place, text in enumerate(row)] for row in (*head, *rows)
    ]
    widths = [max(len(row[place]) for row in cells) for place in range(columns)]
    for row in cells:
        yield _INDENT + "  ".join(_padded(row, widths, table.words)).rstrip()


def _padded(row: Sequence[str], widths: Sequence[int], words: int) -> Iterable[str]:
    for place, (text, width) in enumerate(zip(row, widths, strict=True)):
        yield text.ljust(width) if place < words else text.rjust(width)


def _cut(text: str) -> str:
    return text if len(text) <= _WIDEST_CELL else text[: _WIDEST_CELL - 1] + "…"
