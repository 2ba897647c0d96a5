"""What a person can do, once: keys, footer, help and command palette are all read from here.

The ids are the names by which keys can be rebound; they do not change.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Owner = Literal["table", "monitor", "app", "dialog", "search", "query", "filters", "columns"]


@dataclass(frozen=True, slots=True)
class Action:
    """One thing to do, and the keys that do it."""

    id: str
    keys: str
    """As Textual names them, joined by commas."""
    action: str
    description: str
    group: str
    owner: Owner
    hint: str = ""
    """The word for it in the footer; without one it is not there."""
    shown_keys: str = ""
    """The keys as people write them, where that differs."""
    in_palette: bool = True
    priority: bool = False
    """Comes before whatever has the focus."""
    panes: tuple[str, ...] = ("users", "models", "events", "sources", "search", "query", "audit")
    """Where it does something; the footer has it only there."""

    @property
    def hint_keys(self) -> str:
        """The key in the footer: the first."""
        return self.shown_keys.split(" / ")[0] or self.keys.split(",")[0]

    @property
    def label(self) -> str:
        """The keys for people: `g / home`."""
        return self.shown_keys or self.keys.replace(",", " / ").replace("+", "-")


MOVE, LOOK, NARROW, STREAM, PROGRAM = "Move", "Look closer", "Narrow and search", "Events", "Program"

_TABLES = ("users", "models")
_HITS = ("events", "search")


def _listed(owner: Literal["filters", "columns"], *rows: tuple[str, str, str, str, str]) -> Iterator[Action]:
    """What can be done in a list of a dialog, which has a line of keys of its own."""
    for id_, keys, action, description, hint in rows:
        group = f"In the list of {owner}"
        yield Action(id_, keys, action, description, group, owner, hint, in_palette=False, panes=(owner,))


ACTIONS = (
    Action("pane-users", "1", "pane('users')", "Show the users", MOVE, "monitor"),
    Action("pane-models", "2", "pane('models')", "Show the models", MOVE, "monitor"),
    Action("pane-events", "3", "pane('events')", "Show the events", MOVE, "monitor"),
    Action("pane-sources", "4", "pane('sources')", "Show the sources", MOVE, "monitor"),
    Action("pane-search", "5", "pane('search')", "Show the search", MOVE, "monitor", in_palette=False),
    Action("pane-query", "6", "pane('query')", "Show the query", MOVE, "monitor", in_palette=False),
    Action("pane-audit", "7", "pane('audit')", "Show the audit logs", MOVE, "monitor", in_palette=False),
    Action("next-pane", "tab", "step_pane(1)", "To the next pane", MOVE, "monitor", in_palette=False),
    Action(
        "previous-pane", "shift+tab", "step_pane(-1)", "To the pane before", MOVE, "monitor", in_palette=False
    ),
    Action("up", "up,k", "move(-1)", "Up a row", MOVE, "table", shown_keys="↑ / k", in_palette=False),
    Action("down", "down,j", "move(1)", "Down a row", MOVE, "table", shown_keys="↓ / j", in_palette=False),
    Action("page-up", "pageup", "page(-1)", "Up a page", MOVE, "table", "", "page up", in_palette=False),
    Action(
        "page-down", "pagedown", "page(1)", "Down a page", MOVE, "table", "", "page down", in_palette=False
    ),
    Action(
        "first", "home,g", "first", "To the first row", MOVE, "table", shown_keys="home / g", in_palette=False
    ),
    Action(
        "last",
        "end,G",
        "last",
        "To the last row; in the events: follow the newest",
        MOVE,
        "table",
        shown_keys="end / G",
        in_palette=False,
    ),
    Action(
        "left",
        "left,h",
        "step_pane(-1)",
        "To the pane before",
        MOVE,
        "monitor",
        "",
        "← / h",
        in_palette=False,
    ),
    Action(
        "right", "right,l", "step_pane(1)", "To the next pane", MOVE, "monitor", "", "→ / l", in_palette=False
    ),
    Action(
        "sort-next",
        "s",
        "sort(1)",
        "Sort by the next column (or click a heading)",
        LOOK,
        "monitor",
        "sort",
        panes=_TABLES,
    ),
    Action("sort-previous", "S", "sort(-1)", "Sort by the column before", LOOK, "monitor"),
    Action("reverse", "r", "reverse", "Reverse the order", LOOK, "monitor", "reverse", panes=_TABLES),
    Action(
        "detail",
        "enter",
        "open",
        "Open the row: what it consists of",
        LOOK,
        "table",
        "open",
        panes=(*_TABLES, *_HITS, "audit"),
        in_palette=False,
    ),
    Action(
        "detail-of",
        "d",
        "detail",
        "Open the row, also where enter goes from hits to their context and back",
        LOOK,
        "monitor",
    ),
    Action(
        "search",
        "slash",
        "search",
        "Search what was read, as you type: fields and raw lines",
        NARROW,
        "monitor",
        "search",
        "/",
        panes=(*_TABLES, "events", "sources"),
    ),
    Action(
        "next-hit",
        "n",
        "hit(1)",
        "To the next hit, in its full context",
        NARROW,
        "monitor",
        "next",
        panes=_HITS,
    ),
    Action("previous-hit", "N", "hit(-1)", "To the hit before", NARROW, "monitor"),
    Action(
        "search-kind",
        "c",
        "kind",
        "In the search: calls instead of events, or events again",
        NARROW,
        "search",
        "calls",
        in_palette=False,
        panes=("search",),
    ),
    Action(
        "search-columns",
        "v",
        "columns",
        "In the search: which columns there are, fields of the JSON among them",
        NARROW,
        "search",
        "columns",
        in_palette=False,
        panes=("search",),
    ),
    Action(
        "query",
        "colon",
        "query",
        "Ask a Logs Insights query of the lines in the window",
        NARROW,
        "monitor",
        "query",
        ":",
        panes=(*_TABLES, "events", "sources"),
    ),
    Action("filter", "f", "filter", "Narrow everything by a filter", NARROW, "app", "filter"),
    Action("filters", "F", "filters", "The filters: turn off, invert, edit, save", NARROW, "app"),
    Action(
        "narrow",
        "plus,equals_sign",
        "narrow(False)",
        "Narrow everything to the row's user, model or request; in the search, to what it finds",
        NARROW,
        "monitor",
        "only this",
        "+ / =",
        panes=(*_TABLES, *_HITS),
    ),
    Action(
        "exclude",
        "minus,exclamation_mark",
        "narrow(True)",
        "Leave that out of everything",
        NARROW,
        "monitor",
        "",
        "- / !",
    ),
    Action(
        "widen",
        "backspace",
        "widen",
        "Take the newest filter away",
        NARROW,
        "monitor",
    ),
    Action(
        "step-back",
        "escape",
        "back",
        "End a search that runs; leave the context; close the search",
        NARROW,
        "monitor",
        shown_keys="esc",
        in_palette=False,
    ),
    Action("pause", "space", "pause", "Hold the picture still; reading goes on", LOOK, "monitor", "pause"),
    Action(
        "sources",
        "o",
        "sources",
        "Open or close the sources: how each file or log group is read",
        LOOK,
        "monitor",
        "sources",
    ),
    Action(
        "audit",
        "a",
        "audit",
        "Open or close the audit logs: whether their chains hold, and what nobody vouches for",
        LOOK,
        "monitor",
        "audit",
        panes=("sources", "audit"),
    ),
    Action("zoom", "z", "zoom", "Give one pane the whole screen, or share it again", LOOK, "monitor", "zoom"),
    Action("copy", "y", "copy", "Copy the row's name to the clipboard", LOOK, "monitor", "copy"),
    Action(
        "next-error",
        "e",
        "find('error', 1)",
        "To the next error",
        STREAM,
        "monitor",
        "error",
        panes=(*_TABLES, "events", "sources"),
    ),
    Action("previous-error", "E", "find('error', -1)", "To the error before", STREAM, "monitor"),
    Action("next-bad", "b", "find('bad', 1)", "To the next line that was not understood", STREAM, "monitor"),
    Action(
        "previous-bad",
        "B",
        "find('bad', -1)",
        "To the line before that was not understood",
        STREAM,
        "monitor",
    ),
    *_listed(
        "filters",
        ("chip-toggle", "space", "switch", "Turn it off, or on again", "on/off"),
        ("chip-invert", "i", "invert", "Leave out what it keeps", "invert"),
        ("chip-add", "a", "add", "Add a filter", "add"),
        ("chip-edit", "e", "edit", "Edit it", "edit"),
        ("chip-remove", "d,delete", "remove", "Take it away; forget a saved one", "remove"),
        ("chip-save", "w", "save", "Save it under a name, for later", "save"),
        ("chip-use", "o", "use", "Add the saved filter, as enter does", "use saved"),
        ("chips-clear", "c", "clear", "Take all filters away", "clear"),
    ),
    *_listed(
        "columns",
        ("column-toggle", "space", "switch", "Show the column, or not", "on/off"),
        ("column-add", "a", "add", "A column for a field of the lines' JSON", "add a field"),
        ("column-remove", "d,delete", "remove", "Take a field's column away", "remove"),
    ),
    Action("help", "question_mark", "help", "Keys and columns explained", PROGRAM, "app", "help", "?"),
    Action(
        "palette",
        "ctrl+p",
        "command_palette",
        "Everything there is, by name",
        PROGRAM,
        "app",
        in_palette=False,
    ),
    Action(
        "back",
        "escape,q",
        "dismiss",
        "Back",
        PROGRAM,
        "dialog",
        "back",
        "esc / q",
        in_palette=False,
        panes=("filters", "columns"),
    ),
    Action("quit", "q", "quit", "Quit", PROGRAM, "app", "quit"),
    Action(
        "interrupt",
        "ctrl+c",
        "interrupt",
        "Quit, from anywhere",
        PROGRAM,
        "app",
        in_palette=False,
        priority=True,
    ),
)


def bindings(owner: Owner) -> list[BindingType]:
    """The keys of whoever carries the actions out."""
    return [
        Binding(
            action.keys, action.action, action.description, id=action.id, show=False, priority=action.priority
        )
        for action in ACTIONS
        if action.owner == owner
    ]
