"""What is wrong with a source, in lines of their own that are there only then."""

from __future__ import annotations

from textual.content import Content
from textual.geometry import Size

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import SourceState
from llmwatch.tui.health import by_trouble, complaint, severity
from llmwatch.tui.widgets.column import Tone
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.text import content, cut, cut_start, spread, width, wrap

_SHORTEST_NAME = 16


class Notice(Line):
    """The worst trouble in words, and how many more there are."""

    def __init__(self) -> None:
        super().__init__(id="notice")
        self._sentence = self._who = self._more = literal("")
        self._tone: Tone = "error"
        self.display = False

    def show(self, snapshot: Snapshot) -> None:
        """Speak of this snapshot from now on."""
        troubles = [source for source in by_trouble(snapshot.sources) if complaint(source)]
        before = (self._who, self._sentence, self._more, self._tone)
        if troubles:
            self._say(troubles)
        if before != (self._who, self._sentence, self._more, self._tone) or self.display != bool(troubles):
            self.display = bool(troubles)
            self.set_class(self._tone == "warning", "-warning")
            self.refresh(layout=True)

    def _say(self, troubles: list[SourceState]) -> None:
        """Sources that all complain of the same, as of expired credentials, are one trouble."""
        words, self._tone = complaint(troubles[0]), severity(troubles[0])
        same = sum(complaint(source) == words for source in troubles)
        others = len(troubles) - same
        self._who = clean(troubles[0].name, 1024) if same == 1 else literal(f"{units.count(same)} sources")
        self._sentence = clean(words, 400)
        self._more = literal(f"+{units.count(others)} more · o" if others else "")

    def get_content_height(self, container: Size, viewport: Size, width: int) -> int:
        """One line, or two: a sentence names its remedy at the end."""
        del container, viewport
        return len(self._lines(width))

    def draw(self, cells: int) -> Content:
        """The sentence at the left, the rest of the count at the right of its first line."""
        style = f"$text-{self._tone}"
        first, *others = self._lines(cells)
        top = spread(
            [(literal("▲ "), f"bold {style}"), (first, style)], [(self._more, "bold $text-warning")], cells
        )
        return Content("\n").join([top, *(content((literal("  "), ""), (line, style)) for line in others)])

    def _lines(self, cells: int) -> list[Clean]:
        name = literal(cut_start(self._who, max(_SHORTEST_NAME, cells // 4)))
        words = join([name, literal(": "), self._sentence])
        room = max(_SHORTEST_NAME, cells - 2)
        first, *others = wrap(words, room - (width(self._more) + 2 if self._more.text else 0))
        if not others:
            return [first]
        rest = literal(words.text[len(first.text) :].lstrip())
        return [first, literal(cut(rest, room))]
