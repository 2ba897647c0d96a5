"""A report in words, before it has a form: every text in it is clean, and a form decides how it looks."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, NamedTuple

from llmwatch import units
from llmwatch.clean import Clean, clean, literal

Mood = Literal["plain", "good", "doubtful", "bad"]


class Cell(NamedTuple):
    """A figure, words of ours or, where it is `quoted`, text from a log."""

    text: Clean
    quoted: bool = False


@dataclass(frozen=True, slots=True)
class Grid:
    """A table. The first cell of a row says what the row is of; without a `head` it is two columns of facts."""

    head: tuple[Clean, ...]
    rows: tuple[tuple[Cell, ...], ...]
    words: int = 1
    """How many columns from the left are text; the others are figures."""
    foot: tuple[tuple[Cell, ...], ...] = ()
    """What stands under the rows: those that are not listed, and the total."""
    caption: Clean | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A part with a heading. `name` is fixed: charts and links go by it."""

    name: str
    title: Clean
    sentences: tuple[Clean, ...] = ()
    grids: tuple[Grid, ...] = ()


class Tile(NamedTuple):
    """One of the few figures that matter most."""

    label: Clean
    value: Clean
    remark: Clean
    mood: Mood = "plain"


@dataclass(frozen=True, slots=True)
class Document:
    """The whole report in words."""

    title: Clean
    lead: Clean
    """Of what time it is, in a line."""
    tiles: tuple[Tile, ...]
    sections: tuple[Section, ...]
    imprint: Clean
    """When it was made, and by what."""
    verdict: tuple[Cell, ...]
    """How the log fares, and where it breaks first: a line, in pieces."""


LONGEST_SENTENCE = 600
UNKNOWN = "unknown"


def own(text: str) -> Cell:
    """A cell with a figure or words of ours."""
    return Cell(literal(text))


def quoted(raw: object, unknown: str = "(unknown)") -> Cell:
    """A cell with text from a log."""
    if raw is None:
        return own(unknown)
    return Cell(clean(raw), True) if raw != "" else own("(empty)")


def many(count: int, noun: str) -> str:
    """A number of things: `1 call`, `1,234 calls`."""
    return f"{units.count(count)} {noun}{'' if count == 1 else 's'}"


def sentences(texts: Iterable[str]) -> tuple[Clean, ...]:
    """Sentences, which may name what is in a log."""
    return tuple(clean(text, LONGEST_SENTENCE) for text in texts)


def facts(rows: Iterable[tuple[str, Cell]], caption: str | None = None) -> Grid:
    """Two columns: what, and how much or which."""
    return Grid((), tuple((own(name), cell) for name, cell in rows), 2, caption=_caption(caption))


def grid(
    head: Iterable[str],
    rows: Iterable[tuple[Cell, ...]],
    words: int = 1,
    *,
    foot: Iterable[tuple[Cell, ...]] = (),
    caption: str | None = None,
) -> Grid:
    """A table with a heading for each column."""
    return Grid(tuple(map(literal, head)), tuple(rows), words, tuple(foot), _caption(caption))


def _caption(text: str | None) -> Clean | None:
    return None if text is None else literal(text)
