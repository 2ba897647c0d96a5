"""The scope in a line: its window, and each filter as a chip that a click turns off and on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import NamedTuple

from textual import events
from textual.content import Content
from textual.message import Message

from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.scope import Chip, Scope
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import NOTHING, Pieces, content, cut, width

_EDITS: Pieces = [
    (literal("⌫"), "bold $primary"),
    (literal(" removes the last   "), "$foreground 55%"),
    (literal("F"), "bold $primary"),
    (literal(" edits"), "$foreground 55%"),
]
"""Where there is room, at the right, the end first; a click there opens the list."""
_ASIDE = literal("not in the query:")
LONGEST = 48
"""Cells of a chip's text."""


@dataclass
class Rescoped(Message):
    """A person wants another scope."""

    scope: Scope


class _Drawn(NamedTuple):
    """Something in the line, and what a click does: to the chip of this number, at its cross or elsewhere."""

    words: Clean
    cross: Clean
    style: str
    chip: int | None = None

    @property
    def cells(self) -> int:
        return width(self.words) + width(self.cross)


def chip_text(chip: Chip) -> Clean:
    """A filter for reading: `user:alice`, `-model:kimi*`, `-(user:bot model:kimi*)`."""
    single = not any(character.isspace() for character in chip.filter.text)
    return clean(f"-{chip.filter.text}" if chip.inverted and single else chip.text, 400)


def moment(when: datetime, now: datetime | None) -> Clean:
    """A bound of the window: `15:00Z`, on another day `2026-02-27 15:00Z`."""
    day = "" if now is not None and when.date() == now.date() else f"{when:%Y-%m-%d} "
    clock = f"{when:%H:%M:%S}" if when.second else f"{when:%H:%M}"
    return literal(f"{day}{clock}Z")


class ChipBar(Line):
    """There only when the scope is not simply everything."""

    def __init__(self) -> None:
        super().__init__(id="chips")
        self.scope = Scope()
        self.aside = False
        """What has the focus does not follow the filters."""
        self._now: datetime | None = None
        self.display = False

    def put_aside(self, aside: bool) -> None:
        """Say whether what has the focus follows the filters, which it does but for a query."""
        if aside != self.aside:
            self.aside = aside
            self.refresh()

    def show(self, scope: Scope, now: datetime | None = None) -> None:
        """Speak of this scope, at this time."""
        now = now or self._now
        if scope != self.scope or (now and now.date()) != (self._now and self._now.date()):
            self.scope = scope
            self.display = scope != Scope()
            self.refresh()
        self._now = now

    def draw(self, cells: int) -> Content:
        """As many as there is room for, and how many more there are."""
        pieces: Pieces = []
        shown = self._fitting(cells)
        for drawn in shown:
            cross = "not strike" if "strike" in drawn.style else ""
            pieces += [
                (drawn.words, drawn.style),
                (drawn.cross, f"{drawn.style} {cross}"),
                (literal(" "), ""),
            ]
        left = cells - _needed(shown) - 1
        offered = (_EDITS, _EDITS[2:]) if self.scope.chips else (_EDITS[2:],)
        for edits in () if self.aside else offered:
            needed = sum(width(words) for words, _ in edits)
            if left >= needed:
                return content(*pieces, (literal(" " * (left - needed)), ""), *edits)
        return content(*pieces)

    def _drawn(self) -> list[_Drawn]:
        scope, quiet = self.scope, "$foreground 70%"
        bounds = (("since ", scope.since), ("until ", scope.until))
        drawn = [
            _Drawn(join([literal(word), moment(when, self._now), literal(" ")]), NOTHING, quiet)
            for word, when in bounds
            if when is not None
        ]
        if self.aside and scope.chips:
            drawn.append(_Drawn(_ASIDE, NOTHING, "$text-warning"))
        return [*drawn, *(_chip(chip, number, aside=self.aside) for number, chip in enumerate(scope.chips))]

    def _fitting(self, cells: int) -> list[_Drawn]:
        drawn = self._drawn()
        for kept in range(len(drawn), 0, -1):
            more = len(drawn) - kept
            shown = [
                *drawn[:kept],
                *([_Drawn(literal(f"+{more}"), NOTHING, "bold $text-warning")] if more else []),
            ]
            if _needed(shown) <= cells:
                return shown
        return [_Drawn(literal(cut(literal(f"{len(drawn)} filters"), cells)), NOTHING, "bold $text-warning")]

    async def on_click(self, event: events.Click) -> None:
        """A chip is turned off, or on again; its cross takes it away. Elsewhere the list of all is opened."""
        left = self.content_region.x - self.region.x
        for drawn in self._fitting(self.content_size.width):
            if left <= event.x < left + drawn.cells and drawn.chip is not None:
                cross = event.x - left >= width(drawn.words)
                self.post_message(Rescoped(self._clicked(drawn.chip, cross=cross)))
                return
            left += drawn.cells + 1
        await self.run_action("app.filters")

    def _clicked(self, number: int, *, cross: bool) -> Scope:
        chips = list(self.scope.chips)
        chip = chips.pop(number)
        if not cross:
            chips.insert(number, replace(chip, enabled=not chip.enabled))
        return replace(self.scope, chips=tuple(chips))


def _needed(shown: Iterable[_Drawn]) -> int:
    return sum(drawn.cells + 1 for drawn in shown) - 1


def _chip(chip: Chip, number: int, *, aside: bool) -> _Drawn:
    text = literal(cut(chip_text(chip), LONGEST))
    if not chip.enabled:
        words = join([literal(" "), text, literal(" (off)")])
        return _Drawn(words, literal(" ✕ "), "strike $foreground 45% on $foreground 5%", number)
    if aside:
        return _Drawn(join([literal(" "), text]), literal(" ✕ "), "$foreground 45% on $foreground 5%", number)
    colour = "$text-warning on $warning 15%" if chip.inverted else "$foreground on $primary 25%"
    return _Drawn(join([literal(" "), text]), literal(" ✕ "), colour, number)
