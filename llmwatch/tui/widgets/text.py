"""Clean text to what Textual draws. The only way from data to a widget, and none for a `str`."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from itertools import pairwise

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from llmwatch.clean import Clean, literal

ELLIPSIS = "…"
NOTHING = literal("")

Piece = tuple[Clean, str]
"""Text and its style: theme variables and words such as `bold $error`."""
Pieces = list[Piece]


def content(*parts: Piece) -> Content:
    """Styled pieces in a row."""
    return Content("").join(Content.styled(_text(piece), style) for piece, style in parts)


def width(text: Clean) -> int:
    """How many cells it takes on screen."""
    plain = _text(text)
    return len(plain) if plain.isascii() else cell_len(plain)


def cut(text: Clean, cells: int) -> str:
    """At most so many cells of it, with `…` where it was cut."""
    plain = _text(text)
    if width(text) <= cells:
        return plain
    return set_cell_size(plain, cells - 1).rstrip() + ELLIPSIS if cells > 0 else ""


def cut_start(text: Clean, cells: int) -> str:
    """At most so many cells of its end, with `…` where the beginning was: names are often alike until late."""
    plain = _text(text)
    if width(text) <= cells:
        return plain
    start, room = len(plain), cells - len(ELLIPSIS)
    while start and (room := room - cell_len(plain[start - 1])) >= 0:
        start -= 1
    while start < len(plain) and unicodedata.category(plain[start])[0] == "M":
        start += 1
    return ELLIPSIS + plain[start:].lstrip() if cells > 0 else ""


def fit(text: Clean, cells: int, *, right: bool = False, ending: bool = False) -> str:
    """Exactly so many cells of it; when `ending`, of its end."""
    shown = cut_start(text, cells) if ending else cut(text, cells)
    padding = " " * (cells - cell_len(shown))
    return padding + shown if right else shown + padding


def marked(shown: str, marks: Sequence[tuple[int, int]]) -> list[tuple[str, bool]]:
    """A text in parts, and whether each is one of the marks: pairs of places, in order and apart."""
    edges = [0, *(min(edge, len(shown)) for mark in marks for edge in mark), len(shown)]
    parts = [(shown[start:end], bool(number % 2)) for number, (start, end) in enumerate(pairwise(edges))]
    return [part for part in parts if part[0]]


def wrap(text: Clean, cells: int) -> list[Clean]:
    """All of it in lines of so many cells, broken between words where that can be done."""
    return [literal(line.plain) for line in content((text, "")).wrap(cells)]


def flow(groups: Sequence[Pieces], cells: int, apart: int = 3) -> list[Pieces]:
    """Groups of pieces, none of them divided, as many to a line as fit."""
    lines: list[Pieces] = []
    room = 0
    for group in groups:
        needed = sum(width(piece) for piece, _ in group)
        if not lines or needed + apart > room:
            lines.append([])
            room = cells
        else:
            lines[-1].append((literal(" " * apart), ""))
            room -= apart
        lines[-1] += group
        room -= needed
    return lines


def spread(left: Pieces, right: Pieces, cells: int) -> Content:
    """Pieces at both ends of a line. The left gives way: it is cut where the right begins."""
    taken = sum(width(piece) for piece, _ in right)
    room = max(0, cells - taken - (1 if right else 0))
    kept: Pieces = []
    for piece, style in left:
        if room <= 0:
            break
        shown = literal(cut(piece, room))
        kept.append((shown, style))
        room -= width(shown)
    gap = max(0, cells - taken - sum(width(piece) for piece, _ in kept))
    return content(*kept, (literal(" " * gap), ""), *right)


def _text(text: Clean) -> str:
    if not isinstance(text, Clean):
        raise TypeError(f"only clean text is shown, not {type(text).__name__}")
    return text.text
