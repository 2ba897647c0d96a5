"""The line of tabs when one pane has the screen, and the line of keys at the bottom."""

from __future__ import annotations

from textual import events
from textual.content import Content

from llmwatch.clean import Clean, literal
from llmwatch.tui.actions import ACTIONS
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import Piece, Pieces, content, spread, width


class TabBar(Line):
    """Which pane is on screen, and what else there is. A click changes to it."""

    def __init__(self) -> None:
        super().__init__(id="tabs")
        self._names: tuple[str, ...] = ()
        self._active = ""
        self._title = literal("")
        self._badge: Piece = (literal(""), "")

    def show(self, names: tuple[str, ...], active: str, title: Clean, badge: Piece) -> None:
        """Say which panes there are and which is on screen, with its title in place of its name."""
        if (names, active, title, badge) != (self._names, self._active, self._title, self._badge):
            self._names, self._active, self._title, self._badge = names, active, title, badge
            self.refresh()

    def _tabs(self) -> list[tuple[str, Clean]]:
        return [
            (name, literal(f" {number} {self._title.text if name == self._active else name.capitalize()} "))
            for number, name in enumerate(self._names, 1)
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

    def __init__(self) -> None:
        super().__init__(id="keybar")
        self._pane = "users"

    def show(self, pane: str) -> None:
        """Offer what does something in this pane."""
        if pane != self._pane:
            self._pane = pane
            self.refresh()

    def draw(self, cells: int) -> Content:
        """As many as there is room for, the last ones always."""
        pieces: Pieces = []
        for key, hint in self._fitting(cells):
            pieces += [(literal(key), "bold $primary"), (literal(f" {hint}   "), "$foreground 55%")]
        return content(*pieces)

    def _fitting(self, cells: int) -> list[tuple[str, str]]:
        hints = [
            (action.hint_keys, action.hint)
            for action in ACTIONS
            if action.hint and self._pane in action.panes
        ]
        while len(hints) > 3 and sum(len(key) + len(hint) + 4 for key, hint in hints) - 3 > cells:
            del hints[-3]
        return hints

    def on_click(self, event: events.Click) -> None:
        """Do what is under the pointer."""
        left = self.content_region.x - self.region.x
        for key, hint in self._fitting(self.content_size.width):
            right = left + len(key) + len(hint) + 1
            if left <= event.x < right:
                action = next(action for action in ACTIONS if action.hint == hint)
                self.app.simulate_key(action.keys.split(",")[0])
            left = right + 3
