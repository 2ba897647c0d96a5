"""All actions there are: what footer, help and command palette are made from."""

from __future__ import annotations

from llmwatch.tui.actions import ACTIONS, PROGRAM
from llmwatch.tui.panes.query_actions import QUERY_ACTIONS

EVERY_ACTION = (
    *(action for action in ACTIONS if action.group != PROGRAM),
    *QUERY_ACTIONS,
    *(action for action in ACTIONS if action.group == PROGRAM),
)
"""Help and quit come last: where there is no room for all, they stay."""
