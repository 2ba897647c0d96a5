"""What can be done in the Query pane."""

from __future__ import annotations

from textual.binding import Binding, BindingType

from llmwatch.tui.actions import Action, Owner

QUERY = "Queries"
_OWNER: Owner = "query"
_EVERYWHERE, _TYPING, _ROWS = ("query", "query-editor"), ("query-editor",), ("query",)

QUERY_ACTIONS = (
    Action(
        "query-run",
        "ctrl+r,f5,ctrl+j,ctrl+enter",
        "ask",
        "Run the query (F5 does, and ctrl-enter where the terminal tells it from enter)",
        QUERY,
        _OWNER,
        "run",
        "ctrl-r",
        in_palette=False,
        panes=_EVERYWHERE,
    ),
    Action(
        "query-list",
        "ctrl+o",
        "queries",
        "Choose from the runbook and the saved queries",
        QUERY,
        _OWNER,
        "runbook",
        "ctrl-o",
        in_palette=False,
        panes=_EVERYWHERE,
    ),
    Action(
        "query-earlier",
        "ctrl+up,alt+up",
        "past(-1)",
        "The query asked before (also: up, in the first line)",
        QUERY,
        _OWNER,
        "earlier",
        "↑",
        in_palette=False,
        panes=_TYPING,
    ),
    Action(
        "query-later",
        "ctrl+down,alt+down",
        "past(1)",
        "The query asked after (also: down, in the last line)",
        QUERY,
        _OWNER,
        shown_keys="↓",
        in_palette=False,
        panes=_TYPING,
    ),
    Action(
        "query-stop",
        "escape",
        "stop",
        "Stop what runs; from the editor to the rows",
        QUERY,
        _OWNER,
        "rows",
        "esc",
        in_palette=False,
        panes=_TYPING,
    ),
    Action(
        "query-edit", "i", "edit", "Back to the editor", QUERY, _OWNER, "edit", in_palette=False, panes=_ROWS
    ),
    Action(
        "query-chart",
        "t",
        "view",
        "Table, chart or both, where rows are grouped by bin(…)",
        QUERY,
        _OWNER,
        "chart",
        in_palette=False,
        panes=_ROWS,
    ),
    Action(
        "query-export",
        "x",
        "export",
        "Write the rows to a file: .csv, .json, .jsonl or .parquet",
        QUERY,
        _OWNER,
        "export",
        in_palette=False,
        panes=_ROWS,
    ),
    Action(
        "query-save",
        "f2,w",
        "save",
        "Save the query under a name (w does, outside the editor)",
        QUERY,
        _OWNER,
        "save",
        "f2 / w",
        in_palette=False,
        panes=_EVERYWHERE,
    ),
    Action(
        "query-copy",
        "y",
        "copy",
        "Copy the row, its values apart by tabs; in a row that is open, the value",
        QUERY,
        _OWNER,
        in_palette=False,
        panes=_ROWS,
    ),
)


def query_bindings() -> list[BindingType]:
    """The keys of the pane."""
    return [
        Binding(action.keys, action.action, action.description, id=action.id, show=False)
        for action in QUERY_ACTIONS
    ]
