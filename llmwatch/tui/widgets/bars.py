"""The line of tabs when one pane has the screen, and the line of keys at the bottom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from textual import events
from textual.content import Content
from textual.geometry import Size

from llmwatch.clean import Clean, literal
from llmwatch.tui.actions import Action
from llmwatch.tui.registry import EVERY_ACTION
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import Piece, Pieces, content, spread, width


class TabBar(Line):
    """Which pane is on screen, and what else there is. A click changes to it."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._names: Mapping[str, int] = {}
        self._active = ""
        self._title = literal("")
        self._badge: Piece = (literal(""), "")

    def show(self, names: Mapping[str, int], active: str, title: Clean, badge: Piece) -> None:
        """Say which panes there are, by number, and which is on screen, with its title in place of its name."""
        if (names, active, title, badge) != (self._names, self._active, self._title, self._badge):
            self._names, self._active, self._title, self._badge = names, active, title, badge
            self.refresh()

    def _tabs(self) -> list[tuple[str, Clean]]:
        return [
            (name, literal(f" {number} {self._title.text if name == self._active else name.capitalize()} "))
            for name, number in self._names.items()
        ]

    def draw(self, cells: int) -> Content:
        """The tabs at the left, the badge at the right."""
        pieces: Pieces = []
        for name, words in self._tabs():
            style = (
                "bold $block-cursor-foreground on $block-cursor-background"
                if name == self._active
                else "$foreground 55%"
            )
            pieces += [(words, style), (literal(" "), "")]
        return spread(pieces, [self._badge, (literal(" "), "")], cells)

    async def on_click(self, event: events.Click) -> None:
        """To the pane under the pointer."""
        left = self.content_region.x - self.region.x
        for name, words in self._tabs():
            if left <= event.x < left + width(words):
                await self.run_action(f"screen.pane('{name}')")
            left += width(words) + 1


class KeyBar(Line):
    """The keys most used, each a button too."""

    def __init__(self, pane: str = "users") -> None:
        super().__init__(id="keybar")
        self._pane = pane

    def show(self, pane: str) -> None:
        """Offer what does something in this pane."""
        if pane != self._pane:
            self._pane = pane
            self.refresh()

    def draw(self, cells: int) -> Content:
        """As many as there is room for, the last ones always."""
        lines = [
            content(*(piece for action in line for piece in _pieces(action))) for line in self._lines(cells)
        ]
        return Content("\n").join(lines)

    def _lines(self, cells: int) -> list[list[Action]]:
        hints = self._hints()
        while len(hints) > 3 and _cells(hints) > cells:
            del hints[-3]
        return [hints]

    def _hints(self) -> list[Action]:
        return [action for action in EVERY_ACTION if action.hint and self._pane in action.panes]

    def on_click(self, event: events.Click) -> None:
        """Do what is under the pointer."""
        place = event.get_content_offset(self)
        lines = self._lines(self.content_size.width)
        if place is None or place.y >= len(lines):
            return
        left = 0
        for action in lines[place.y]:
            right = left + _cells([action])
            if left <= place.x < right:
                self.app.simulate_key(action.keys.split(",")[0])
            left = right + _APART


class KeyLines(KeyBar):
    """All the keys of a dialog, in as many lines as they need."""

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """So many lines."""
        del container, viewport
        return len(self._lines(width))

    def _lines(self, cells: int) -> list[list[Action]]:
        lines: list[list[Action]] = [[]]
        for action in self._hints():
            if lines[-1] and _cells([*lines[-1], action]) > cells:
                lines.append([])
            lines[-1].append(action)
        return lines


_APART = 3


def _pieces(action: Action) -> Pieces:
    hint = f" {action.hint}{' ' * _APART}"
    return [(literal(action.hint_keys), "bold $primary"), (literal(hint), "$foreground 55%")]


def _cells(actions: Sequence[Action]) -> int:
    """How wide they are, side by side."""
    return sum(len(action.hint_keys) + len(action.hint) + 1 + _APART for action in actions) - _APART
