"""The report as Markdown (GitHub's, with its tables).

What comes from a log stands in code spans, which mean nothing: no link, no mention, no HTML. Where it holds what would
end a span or a cell, it is spelled in character references instead.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from llmwatch.evidence.report.document import Cell, Document, Grid, Section

_ENDS_A_SPAN = re.compile(r"[`|\\]")
_PUNCTUATION = re.compile(r"[!-/:-@\[-`{-~]")
_SPECIAL = re.compile(r"([\\`*_{}\[\]<>#|~&!@]|(?<=[a-zA-Z]):(?=//)|^[-+=])", re.ASCII)
_NUMBERED = re.compile(r"^(\d+)([.)])(?=\s|$)", re.ASCII)
_FIGURES = "---:"
_WORDS = "---"


def as_markdown(document: Document) -> str:
    """All of it."""
    lines = [f"# {_escaped(document.title.text)}", "", _escaped(document.lead.text) + "  "]
    lines += [_escaped(document.imprint.text) + "  ", " ".join(map(_cell, document.verdict))]
    for section in document.sections:
        lines += ["", f"## {_escaped(section.title.text)}", *_section(section)]
    return "\n".join(lines) + "\n"


def _section(section: Section) -> Iterator[str]:
    for sentence in section.sentences:
        yield ""
        yield _escaped(sentence.text)
    for table in section.grids:
        yield ""
        if table.caption is not None:
            yield f"{_escaped(table.caption.text)}:"
            yield ""
        yield from _grid(table)


def _grid(table: Grid) -> Iterator[str]:
    columns = len(table.head or (table.rows or table.foot)[0])
    head = [_escaped(cell.text) for cell in table.head] or [""] * columns
    yield _row(head)
    yield _row([_WORDS if place < table.words else _FIGURES for place in range(columns)])
    for row in table.rows:
        yield _row([_cell(cell) for cell in row])
    for row in table.foot:
        yield _row([f"*{_cell(cell)}*" if cell.text.text else "" for cell in row])


def _row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _cell(cell: Cell) -> str:
    text = cell.text.text
    if not cell.quoted:
        return _escaped(text)
    if _ENDS_A_SPAN.search(text):
        return _PUNCTUATION.sub(lambda found: f"&#{ord(found[0])};", text)
    return f"`{text}`" if text.strip() == text else f"` {text} `"


def _escaped(text: str) -> str:
    return _NUMBERED.sub(r"\1\\\2", _SPECIAL.sub(r"\\\1", text.strip()))
