"""A filter: what calls, or lines, have in common."""

from __future__ import annotations

from dataclasses import dataclass

from llmwatch.query.filters.compiled import on_calls, on_lines
from llmwatch.query.filters.condition import Condition
from llmwatch.query.filters.tree import Conjunction, Disjunction, Node, Test, Text, leaves

__all__ = ["Condition", "Filter"]


@dataclass(frozen=True, slots=True)
class Filter:
    """One filter, understood. `language.read_filter` makes it of a text."""

    text: str
    """As it was typed, without the spaces around it."""
    tree: Node

    @property
    def needs_text(self) -> bool:
        """Whether it looks into raw lines, which a store keeps only if it is told to."""
        return any(isinstance(leaf, Text) for leaf in leaves(self.tree))

    @property
    def needs_calls(self) -> bool:
        """Whether, on lines, it asks anything of the call that a line is of."""
        return any(isinstance(leaf, Test) and leaf.field.of_call for leaf in leaves(self.tree))

    def on_calls(self) -> Condition:
        """The condition over the view `calls`, which has no alias there."""
        return on_calls(self.tree)

    def on_lines(self) -> Condition:
        """The condition over `lines l`."""
        return on_lines(self.tree)

    def raw_patterns(self) -> tuple[str, ...]:
        r"""RE2 patterns that the text of every matching line has, each of them; there may be none.

        They hold for the text as the store keeps it: bytes that are not UTF-8 are `\xff` there. A line with such
        bytes cannot be judged by its bytes.
        """
        parts = self.tree.parts if isinstance(self.tree, Conjunction) else (self.tree,)
        return tuple(pattern for pattern in map(_pattern, parts) if pattern)


def _pattern(node: Node) -> str | None:
    """What every text has in which this is found; None if that is nothing, or too large for RE2."""
    import re2

    if isinstance(node, Text):
        return node.pattern
    if not isinstance(node, Disjunction):
        return None
    patterns = [part.pattern for part in node.parts if isinstance(part, Text)]
    if len(patterns) < len(node.parts):
        return None
    together = "|".join(f"(?:{pattern})" for pattern in patterns)
    options = re2.Options()
    options.log_errors = False
    try:
        re2.compile(together, options)
    except re2.error:
        return None
    return together
