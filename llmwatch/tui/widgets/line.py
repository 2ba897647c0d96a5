"""A widget that is a few lines of pieces, drawn when told to."""

from __future__ import annotations

from textual.content import Content
from textual.widget import Widget


class Line(Widget):
    """Its pieces are computed by `draw`, which a repaint calls; nothing else keeps them."""

    ALLOW_SELECT = False

    def draw(self, cells: int) -> Content:
        """What stands in so many cells."""
        raise NotImplementedError

    def render(self) -> Content:
        """Textual's name for drawing."""
        return self.draw(self.content_size.width)
