"""Clean text to what Textual draws. The only way from data to a widget, and none for a `str`."""

from __future__ import annotations

from rich.cells import cell_len, set_cell_size
from textual.content import Content

from llmwatch.clean import Clean, literal

ELLIPSIS = "…"
NOTHING = literal("")


def content(*parts: tuple[Clean, str]) -> Content:
    """Styled pieces in a row. A style is ours: theme variables and words such as `bold $error`."""
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


def fit(text: Clean, cells: int, *, right: bool = False) -> str:
    """Exactly so many cells of it."""
    shown = cut(text, cells)
    padding = " " * (cells - cell_len(shown))
    return padding + shown if right else shown + padding


def spread(left: list[tuple[Clean, str]], right: list[tuple[Clean, str]], cells: int) -> Content:
    """Pieces at both ends of a line. The left gives way: it is cut where the right begins."""
    taken = sum(width(piece) for piece, _ in right)
    room = max(0, cells - taken - (1 if right else 0))
    kept: list[tuple[Clean, str]] = []
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
