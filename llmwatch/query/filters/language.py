"""The filter language: what a person types, understood or refused with the place of the fault (docs/filters.md)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, cast

from llmwatch.errors import PlacedError, UsageError, meant
from llmwatch.query.filters.compiled import lookups
from llmwatch.query.filters.fields import BY_NAME, FIELDS
from llmwatch.query.filters.filter import Filter
from llmwatch.query.filters.grammar import parser
from llmwatch.query.filters.patterns import checked_pattern, free_text, literal_text
from llmwatch.query.filters.refusals import RefusedError, refusal, refuse_characters, refuse_word
from llmwatch.query.filters.tree import Conjunction, Disjunction, Node, Test, Text, joined, negated
from llmwatch.query.filters.values import Sign, Word, asked

if TYPE_CHECKING:
    from lark import Token, Tree

LONGEST_TEXT = 10_000
"""Characters of a filter."""

MOST_QUESTIONS = 200
"""Of a filter, with all saved ones in it."""

MOST_LOOKUPS = 40
"""From one table into another: DuckDB plans as many in a second at most, and twice as many in four times that."""

DEEPEST = 50
"""Parentheses, negations and saved filters inside each other."""

_ESCAPED = re.compile(r'\\(["\\])')
_NOTHING: Mapping[str, str] = {}


def read_filter(text: str, saved: Mapping[str, str] = _NOTHING) -> Filter:
    """The filter that a text means; `@name` in it stands for the text that is saved under that name.

    Raises:
        UsageError: it means none. The sentence says what to write, and a caret shows the place.

    """
    stripped = text.strip()
    if not stripped:
        raise UsageError(
            'there is nothing to filter by: write user:alice, status:error, latency>5s or "a text"'
        )
    tree = _Reader(saved).read(stripped)
    if lookups(tree) > MOST_LOOKUPS:
        raise PlacedError(
            f"a filter looks for calls, lines and texts in at most {MOST_LOOKUPS} places: leave some out, or write "
            "together what is asked of calls, of lines, and of text, as (user:a OR user:b) (one OR two)",
            stripped,
            0,
        )
    return Filter(stripped, tree)


def exact(name: str, value: str | None) -> Filter:
    """The filter that a row of a table stands for: this field is exactly this, or is not known."""
    field = BY_NAME.get(name)
    if field is None or field.type not in ("text", "status", "choice"):
        raise UsageError(f"no filter stands for a row of {name!r}: filter by one of {', '.join(BY_NAME)}")
    if value is None:
        return Filter(f"{name}:none", negated(Test(field, "known")))
    quoted = value.replace("\\", "\\\\").replace('"', '\\"')
    return Filter(f'{name}="{quoted}"', Test(field, "=", value))


@dataclass(slots=True)
class _Reader:
    """Reads one filter, and the saved ones in it."""

    saved: Mapping[str, str]
    names: list[str] = field(default_factory=list)
    """Of the saved filters that are being read, each within the one before."""
    questions: int = 0
    depth: int = 0

    def read(self, text: str) -> Node:
        """Raises UsageError."""
        from lark.exceptions import UnexpectedInput

        try:
            if len(text) > LONGEST_TEXT:
                raise RefusedError(
                    f"a filter has at most {LONGEST_TEXT:,} characters: leave some out", LONGEST_TEXT
                )
            refuse_characters(text)
            try:
                tree = parser().parse(text)
            except UnexpectedInput as error:
                raise refusal(error, text) from None
            return self._node(tree)
        except RefusedError as fault:
            raise PlacedError(str(fault), text, fault.place) from None

    def _node(self, tree: Tree[Token] | Token) -> Node:
        from lark import Token

        if isinstance(tree, Token):
            return self._single(tree)
        match tree.data:
            case "either":
                return joined(Disjunction, [self._node(child) for child in tree.children])
            case "both":
                return joined(Conjunction, [self._node(child) for child in tree.children])
            case "group" | "negated":
                begin, inner = tree.children
                self._deeper(cast("Token", begin))
                node = self._node(inner)
                self.depth -= 1
                return node if tree.data == "group" else negated(node)
            case _:
                return self._field(cast("list[Token]", tree.children))

    def _single(self, token: Token) -> Node:
        place = token.start_pos or 0
        if token.type == "SAVED":
            return self._saved(token)
        self._count(place)
        if token.type == "EXACT":
            if not (words := _unquoted(token)):
                raise RefusedError("nothing is between the quotes: write the text that is looked for", place)
            return literal_text(words)
        if token.type == "REGEX":
            pattern, _, flag = token[1:].rpartition("/")
            checked = checked_pattern(pattern, place + 1)
            return Text(f"(?i){checked}" if flag else checked)
        refuse_word(token, place)
        return free_text(token)

    def _field(self, tokens: list[Token]) -> Node:
        first, *rest = tokens
        place = first.start_pos or 0
        found = re.fullmatch(r"([\w.]+)\s*(\S+)\s*", first)
        name, sign = (found[1], found[2].replace("==", "=")) if found else (str(first), ":")
        field = BY_NAME.get(name.lower())
        if field is None:
            names = ", ".join(one.name for one in FIELDS)
            raise RefusedError(
                f"no field is called {name!r}: {meant(name, BY_NAME)}if it is text, write it in double quotes. "
                f"Fields are {names}",
                place,
            )
        words = [
            Word(
                _unquoted(token) if token.type == "EXACT" else str(token),
                token.type == "EXACT",
                token.start_pos or 0,
            )
            for token in rest
            if token.type != "OPEN"
        ]
        if len(words) > 1 and sign not in (":", "=", "!="):
            raise RefusedError(f"{field.name} {sign} takes one value, without a comma", words[1].place)
        positive = cast("Sign", "=" if sign == "!=" else sign)
        parts = []
        for word in words:
            self._count(word.place)
            parts.append(asked(field, positive, word))
        node = joined(Disjunction, parts)
        return negated(node) if sign == "!=" else node

    def _saved(self, token: Token) -> Node:
        name, place = str(token[1:]), token.start_pos or 0
        if name not in self.saved:
            near = meant(name, self.saved)
            raise RefusedError(
                f"no filter is saved as {name!r}: {near}if it is text, write it in double quotes", place
            )
        if name in self.names:
            chain = " → ".join(f"@{one}" for one in (*self.names[self.names.index(name) :], name))
            raise RefusedError(f"a saved filter is a part of itself ({chain}): change one of them", place)
        self._deeper(token)
        self.names.append(name)
        text = self.saved[name].strip()
        try:
            node = self.read(text) if text else None
        except PlacedError as error:
            raise RefusedError(f"the saved filter @{name} is refused: {error.sentence}", place) from None
        if node is None:
            raise RefusedError(f"the saved filter @{name} is empty: save another under that name", place)
        self.names.pop()
        self.depth -= 1
        return node

    def _deeper(self, token: Token) -> None:
        self.depth += 1
        if self.depth > DEEPEST:
            raise RefusedError(
                f"more than {DEEPEST} parentheses, negations or saved filters are inside each other: write it flatter",
                token.start_pos or 0,
            )

    def _count(self, place: int) -> None:
        self.questions += 1
        if self.questions > MOST_QUESTIONS:
            raise RefusedError(f"a filter asks at most {MOST_QUESTIONS} questions: leave some out", place)


def _unquoted(token: str) -> str:
    """Of the characters after a backslash, quotes and backslashes lose it; others are what they are, with it."""
    return _ESCAPED.sub(r"\1", token[1:-1])
