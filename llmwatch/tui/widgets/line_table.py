"""The one table: rows of cleaned cells, drawn line by line.

Only the lines on screen are ever built, so a repaint costs the same with fifty rows and with a hundred
thousand. Textual's `DataTable` rebuilds every cell for a change to one, and takes markup from any `str`.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any, ClassVar, Generic, TypeVar

from rich.segment import Segment
from rich.style import Style
from textual import events
from textual.geometry import Region, Size
from textual.message import Message
from textual.scroll_view import ScrollView
from textual.strip import Strip

from llmwatch.clean import Clean, literal
from llmwatch.tui.actions import bindings
from llmwatch.tui.widgets.column import GAP, Cell, Column, place
from llmwatch.tui.widgets.text import NOTHING, content, fit, marked, width

R = TypeVar("R")

_TONES = ("plain", "muted", "faint", "strong", "money", "hot", "error", "warning", "success")
NO_ROW = object()
"""The key of no row; None may be a row's."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class LineTable(ScrollView, Generic[R], can_focus=True):
    """Rows under headings. The cursor stays on its row by key while rows come, go and change places."""

    BINDINGS = bindings("table")
    ALLOW_SELECT = False
    COMPONENT_CLASSES: ClassVar[set[str]] = {
        *(f"table--{tone}" for tone in _TONES),
        "table--heading",
        "table--sorted",
        "table--cursor",
        "table--hover",
        "table--found",
        "table--mark",
    }

    @dataclass
    class SortRequested(Message):
        """A heading was clicked."""

        table: LineTable[Any]
        column: str

        @property
        def control(self) -> LineTable[Any]:
            """The table, for `on` to tell one from another."""
            return self.table

    @dataclass
    class Opened(Message):
        """A row was chosen with enter or a second click."""

        table: LineTable[Any]
        row: object

        @property
        def control(self) -> LineTable[Any]:
            """The table, for `on` to tell one from another."""
            return self.table

    @dataclass
    class FollowChanged(Message):
        """The view reached the newest row, or left it."""

        table: LineTable[Any]

        @property
        def control(self) -> LineTable[Any]:
            """The table, for `on` to tell one from another."""
            return self.table

    def __init__(
        self,
        columns: Sequence[Column[R]],
        key: Callable[[R], Hashable],
        *,
        id: str,  # noqa: A002 (Textual's name)
        follow: bool = False,
        heading: bool = True,
    ) -> None:
        super().__init__(id=id)
        self.columns = tuple(columns)
        self._key_of = key
        """Gives what stays a row's own while its figures change."""
        self.rows: Sequence[R] = ()
        self.empty: Clean = NOTHING
        """What stands there when there are no rows."""
        self.stream = follow
        """Rows are only added at the end, and the view stays with the newest until it is moved."""
        self.following = follow
        self.sort: tuple[str, bool] | None = None
        """The column the rows are sorted by, and whether the largest is first."""
        self.cursor = 0
        self._key: Hashable = NO_ROW
        self._chosen = False
        """Whether anybody moved the cursor; until then it stays on the first row, whichever that is."""
        self.found: Hashable = NO_ROW
        """The key of a row that stays tinted wherever the cursor goes."""
        self._heading = 1 if heading else 0
        self._now = _EPOCH
        self._hover = -1
        self._moving = False
        self._placed: tuple[int, list[tuple[Column[R], int]]] = (-1, [])
        self._shown: tuple[int, list[tuple[Cell, ...]]] = (-1, [])
        self._labels: tuple[Clean, Clean, str] = (NOTHING, NOTHING, "")
        self._strip = lru_cache(maxsize=512)(self._build)

    # What is shown

    def set_rows(self, rows: Sequence[R], now: datetime | None = None) -> None:
        """Show these instead. Raises TypeError when a cell that is in view is not cleaned text."""
        before = self.cursor
        self.rows = rows
        self._now = now or self._now
        self.cursor = self._place_of(self._key, before) if self._chosen or self.stream else 0
        self._key = self._key_of(rows[self.cursor]) if rows else NO_ROW
        size = Size(self.size.width, len(rows) + self._heading)
        moved = size != self.virtual_size or self.cursor != before or not rows
        if size != self.virtual_size:
            self.virtual_size = size
        if self.following:
            self._to_end()
        elif self.stream and self.cursor != before:
            self._scroll(self._top + self.cursor - before)
        self._refresh_changes(everything=moved)

    def _refresh_changes(self, *, everything: bool) -> None:
        """Send the terminal the lines that changed, not those that did not."""
        visible = self.rows[self._top : self._top + max(1, self.view_height)]
        shown, self._shown = self._shown, (self._top, [self._cells(row) for row in visible])
        if everything or shown[0] != self._top:
            self.refresh()
            return
        width = self.scrollable_content_region.width
        for y, (old, new) in enumerate(zip(shown[1], self._shown[1], strict=False)):
            if old != new:
                self.refresh(Region(0, y + self._heading, width, 1))

    def set_columns(self, columns: Sequence[Column[R]]) -> None:
        """Show these columns of the rows instead."""
        if tuple(columns) != self.columns:
            self.columns = tuple(columns)
            self._placed = (-1, [])
            self._shown = (-1, [])
            self._strip.cache_clear()
            self.refresh()

    def entitle(self, title: Clean, badge: Clean = NOTHING, badge_style: str = "") -> None:
        """Put these into the border; drawing it means drawing all, so only when they are new."""
        if (title, badge, badge_style) != self._labels:
            self._labels = (title, badge, badge_style)
            self.border_title = content((title, "bold"))
            self.border_subtitle = content((badge, badge_style))

    @property
    def selected(self) -> R | None:
        """The row under the cursor."""
        return self.rows[self.cursor] if self.rows else None

    @property
    def view_height(self) -> int:
        """Rows that fit on screen."""
        return max(0, self.scrollable_content_region.height - self._heading)

    def select(self, index: int) -> None:
        """Put the cursor on this row, or the nearest there is, and bring it into view."""
        if not self.rows:
            return
        self._chosen = True
        self.cursor = max(0, min(index, len(self.rows) - 1))
        self._key = self._key_of(self.rows[self.cursor])
        if self.cursor < self._top:
            self._scroll(self.cursor)
        elif self.cursor >= self._top + self.view_height:
            self._scroll(self.cursor - self.view_height + 1)
        self._set_following(self.stream and self.cursor == len(self.rows) - 1)
        self.refresh()

    def _place_of(self, key: Hashable, near: int) -> int:
        """Where the row with this key is now; its old place when it is gone."""
        last = len(self.rows) - 1
        if last < 0:
            return 0
        if self.following:
            return last
        if near <= last and self._key_of(self.rows[near]) == key:
            return near
        return next(
            (index for index, row in enumerate(self.rows) if self._key_of(row) == key), min(near, last)
        )

    # Following and scrolling

    @property
    def _top(self) -> int:
        return self.scroll_offset.y

    def _scroll(self, y: int) -> None:
        self._moving = True
        self.scroll_to(y=max(0, y), animate=False, force=True)
        self._moving = False

    def _to_end(self) -> None:
        if self.rows:
            self.cursor = len(self.rows) - 1
            self._key = self._key_of(self.rows[self.cursor])
        self._scroll(len(self.rows) - self.view_height)

    def _set_following(self, following: bool) -> None:
        if following != self.following:
            self.following = following
            self.post_message(self.FollowChanged(self))

    def follow(self) -> None:
        """Go to the newest row and stay with what comes."""
        self._to_end()
        self._set_following(self.stream)
        self.refresh()

    def watch_scroll_y(self, old_value: float, new_value: float) -> None:
        """Scrolling by wheel or bar leaves the newest row, or comes back to it."""
        super().watch_scroll_y(old_value, new_value)
        if self.stream and not self._moving and self.rows:
            self._set_following(round(new_value) + self.view_height >= len(self.rows))

    def on_resize(self) -> None:
        """The newest row stays in view at any size."""
        if self.following:
            self._to_end()

    def notify_style_update(self) -> None:
        """The theme changed: lines are drawn anew."""
        super().notify_style_update()
        self._strip.cache_clear()

    # Keys and mouse

    def action_move(self, rows: int) -> None:
        """Move the cursor."""
        self.select(self.cursor + rows)

    def action_page(self, pages: int) -> None:
        """Move the cursor by what the screen holds."""
        self.select(self.cursor + pages * max(1, self.view_height - 1))

    def action_first(self) -> None:
        """To the first row."""
        self.select(0)

    def action_last(self) -> None:
        """To the last row."""
        self.select(len(self.rows) - 1)

    def action_open(self) -> None:
        """Drill into the row."""
        if self.selected is not None:
            self.post_message(self.Opened(self, self.selected))

    def on_click(self, event: events.Click) -> None:
        """A heading sorts; a row is selected, and opened by a second click."""
        place_in = event.get_content_offset(self)
        if place_in is None:
            return
        if place_in.y < self._heading:
            column = self._column_at(place_in.x)
            if column is not None and column.sortable:
                self.post_message(self.SortRequested(self, column.key))
            return
        index = self._top + place_in.y - self._heading
        if index < len(self.rows):
            again = index == self.cursor and event.chain == 2
            self.select(index)
            if again:
                self.action_open()

    def on_mouse_move(self, event: events.MouseMove) -> None:
        """The row under the pointer is tinted."""
        place_in = event.get_content_offset(self)
        self._hover_over(-1 if place_in is None else self._top + place_in.y - self._heading)

    def on_leave(self) -> None:
        """The pointer went elsewhere."""
        self._hover_over(-1)

    def _hover_over(self, index: int) -> None:
        if index != self._hover:
            self._hover = index
            self.refresh()

    def _column_at(self, x: int) -> Column[R] | None:
        left = 0
        for column, cells in self.placed:
            left += cells + GAP
            if x < left:
                return column
        return None

    # Drawing

    @property
    def placed(self) -> list[tuple[Column[R], int]]:
        """The columns there is room for, and their widths."""
        cells = self.scrollable_content_region.width
        if self._placed[0] != cells:
            self._placed = (cells, place(self.columns, cells - 1))  # a blank before the scroll bar
        return self._placed[1]

    def room(self, columns: Sequence[Column[R]]) -> frozenset[str]:
        """Of these columns the keys of those that there is room for."""
        return frozenset(column.key for column, _ in place(columns, self.scrollable_content_region.width - 1))

    def render_line(self, y: int) -> Strip:
        """One line of the screen."""
        cells = self.scrollable_content_region.width
        if y < self._heading:
            return self._heading_line(cells)
        index = self._top + y - self._heading
        if not self.rows:
            return self._empty_line(y, cells)
        if index >= len(self.rows):
            return Strip.blank(cells, self.rich_style)
        state = "table--cursor" if index == self.cursor and (self.has_focus or not self.stream) else ""
        row = self.rows[index]
        if not (state and self.has_focus) and self.found is not NO_ROW and self._key_of(row) == self.found:
            state = "table--found"
        state = state or ("table--hover" if index == self._hover else "")
        return self._strip(self._cells(row), state, self.has_focus, cells)

    def _cells(self, row: R) -> tuple[Cell, ...]:
        cells = tuple(column.cell(row, self._now) for column, _ in self.placed)
        for cell in cells:
            if not isinstance(cell.text, Clean):
                raise TypeError(f"a cell holds cleaned text, not {type(cell.text).__name__}")
        return cells

    def _build(self, cells: tuple[Cell, ...], state: str, focused: bool, length: int) -> Strip:
        """One row. `focused` is part of what the style depends on, and so of the cache's key."""
        del focused
        under = Style(bgcolor=self.get_component_rich_style(state).bgcolor) if state else Style.null()
        base = self.rich_style + under
        mark = self.get_component_rich_style("table--mark")
        lit = Style(color=mark.color, bold=True, underline=True)
        segments = []
        for (column, cells_wide), cell in zip(self.placed, cells, strict=True):
            tone = self.get_component_rich_style(f"table--{cell.tone}") + under
            shown = fit(cell.text, cells_wide, right=column.right, ending=column.ending)
            marks = () if column.right or column.ending else cell.marks
            segments += [
                Segment(part, tone + lit if is_mark else tone) for part, is_mark in marked(shown, marks)
            ]
            segments.append(Segment(" " * GAP, base))
        return Strip(segments[:-1]).adjust_cell_length(length, base)

    def _heading_line(self, length: int) -> Strip:
        plain = self.get_component_rich_style("table--heading")
        marked = self.get_component_rich_style("table--sorted")
        sorted_by, descending = self.sort or ("", False)
        segments = []
        for column, cells_wide in self.placed:
            title, style = column.title, plain
            if column.key == sorted_by:
                arrow = "▼" if descending else "▲"
                title, style = (f"{arrow}{title}" if column.right else f"{title} {arrow}"), marked
            segments.append(Segment(fit(literal(title), cells_wide, right=column.right), style))
            segments.append(Segment(" " * GAP, plain))
        return Strip(segments[:-1]).adjust_cell_length(length, plain)

    def _empty_line(self, y: int, length: int) -> Strip:
        if y != self._heading + max(0, self.view_height - 1) // 3:
            return Strip.blank(length, self.rich_style)
        left = max(0, length - width(self.empty)) // 2
        text = " " * left + fit(self.empty, max(0, length - left))
        return Strip([Segment(text, self.get_component_rich_style("table--muted"))]).adjust_cell_length(
            length, self.rich_style
        )
