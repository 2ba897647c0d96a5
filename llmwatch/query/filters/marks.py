"""Where in a text stands what a filter looks for."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from llmwatch.query.filters.tree import Text, leaves

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter

Finder = Callable[[str], Iterator[tuple[int, int]]]
"""The places in a text, from and up to, in order and apart; none is empty."""


def marks(wanted: Filter | None) -> Finder | None:
    """None where a filter looks for no text. What it gives takes time linear in the text's length."""
    if wanted is None or not wanted.needs_text:
        return None
    import re2

    patterns = [leaf.pattern for leaf in leaves(wanted.tree) if isinstance(leaf, Text)]
    options = re2.Options()
    options.log_errors = False
    try:
        expression = re2.compile("|".join(f"(?:{pattern})" for pattern in patterns), options=options)
    except re2.error:  # together they may be too large
        return None

    def find(text: str) -> Iterator[tuple[int, int]]:
        spans = (match.span() for match in expression.finditer(text))
        return ((start, end) for start, end in spans if start < end)

    return find
