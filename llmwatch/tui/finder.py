"""Where in a cell stands what a filter looks for in the text of lines."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from llmwatch.tui.panes.hits import Finder, Marks

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter

_MOST = 20
"""Marks in a cell."""


def finder(wanted: Filter | None) -> Finder | None:
    """None where a filter looks for no text. What it gives takes time linear in a cell's length."""
    if wanted is None or not wanted.needs_text:
        return None
    import re2

    from llmwatch.query.filters.tree import Text, leaves

    patterns = [leaf.pattern for leaf in leaves(wanted.tree) if isinstance(leaf, Text)]
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options=options)
    except re2.error:  # together they may be too large
        return None

    def find(text: str) -> Marks:
        spans = (match.span() for match in expression.finditer(text))
        return tuple(islice((span for span in spans if span[0] < span[1]), _MOST))

    return find
