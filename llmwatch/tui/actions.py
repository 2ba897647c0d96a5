"""What a person can do, once: keys, footer, help and command palette are all read from here.

The ids are the names by which keys can be rebound; they do not change.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from textual.binding import Binding, BindingType

Owner = Literal["table", "monitor", "app", "dialog"]


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
    panes: tuple[str, ...] = ("users", "models", "events", "sources")
    """Where it does something; the footer has it only there."""

    @property
    def hint_keys(self) -> str:
        """The key in the footer: the first."""
        return (self.shown_keys or self.keys).split(",")[0]

    @property
    def label(self) -> str:
        """The keys for people: `g / home`."""
        return self.shown_keys or self.keys.replace(",", " / ").replace("+", "-")


MOVE, LOOK, STREAM, PROGRAM = "Move", "Look closer", "Events", "Program"

_TABLES = ("users", "models")

ACTIONS = (
    Action("pane-users", "1", "pane('users')", "Show the users", MOVE, "monitor"),
    Action("pane-models", "2", "pane('models')", "Show the models", MOVE, "monitor"),
    Action("pane-events", "3", "pane('events')", "Show the events", MOVE, "monitor"),
    Action("pane-sources", "4", "pane('sources')", "Show the sources", MOVE, "monitor"),
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
        panes=(*_TABLES, "events"),
        in_palette=False,
    ),
    Action(
        "sources",
        "o",
        "sources",
        "Open or close the sources: how each file or log group is read",
        LOOK,
        "monitor",
        "sources",
    ),
    Action("zoom", "z", "zoom", "Give one pane the whole screen, or share it again", LOOK, "monitor", "zoom"),
    Action("copy", "y", "copy", "Copy the row's name to the clipboard", LOOK, "monitor", "copy"),
    Action("pause", "space", "pause", "Hold the picture still; reading goes on", LOOK, "monitor", "pause"),
    Action("follow", "f", "follow", "Follow the newest event", STREAM, "monitor"),
    Action("next-error", "e", "find('error', 1)", "To the next error", STREAM, "monitor", "error"),
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
    Action("back", "escape,q", "dismiss", "Back", PROGRAM, "dialog", shown_keys="esc / q", in_palette=False),
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
