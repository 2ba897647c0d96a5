"""What a filter means, said a second time: trees that write themselves as text and are tried on plain rows."""

from __future__ import annotations

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from tests.query.filters.world import Row, World

OF_CALLS = {
    "user": "user",
    "model": "model",
    "requested": "requested_model",
    "provider": "provider",
    "path": "path",
    "status": "status",
    "error_text": "error",
    "http": "http_status",
    "latency": "latency_ms",
    "cost": "cost_usd",
    "tokens": "tokens",
    "input": "input_tokens",
    "cache_read": "cache_read_tokens",
    "cache_write": "cache_write_tokens",
    "output": "output_tokens",
    "lines": "lines",
    "unpriced": "unpriced",
    "unmetered": "unmetered",
    "llm": "reached_model",
}
SAID = ("user", "model", "requested")
"""Of calls, or of a line that says it itself."""
OF_BOTH = {
    "request": "request_id",
    "source": "source",
    "stream": "stream",
    "dialect": "dialect",
    "time": "time",
    "since": "time",
    "until": "time",
}
OF_LINES = {"kind": "kind", "level": "level", "message": "message"}
COLUMNS = {**OF_CALLS, **OF_BOTH, **OF_LINES}
FLAGS = ("unpriced", "unmetered", "llm")

COMPARED: Mapping[str, Callable[[Any, Any], bool]] = {
    ">": operator.gt,
    ">=": operator.ge,
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    ":": operator.eq,
}


@dataclass(frozen=True)
class Question:
    """A field and what is asked of it. `value` is what `shown` means; True: that it is known."""

    field: str
    sign: str
    shown: str
    value: object

    def __str__(self) -> str:
        return f"is:{self.field}" if self.field in FLAGS else f"{self.field}{self.sign}{self.shown}"

    def holds(self, value: object, world: World) -> bool:
        if value is None or self.value is True:
            return value is not None and (self.field not in FLAGS or value is True)
        if isinstance(self.value, timedelta):
            bound = (world.now - self.value).replace(tzinfo=None)
            return COMPARED[">=" if self.field == "since" else "<"](value, bound)
        if isinstance(self.value, str) and self.sign == ":":
            return has_part(str(value), self.value)
        return COMPARED[self.sign](value, self.value)


@dataclass(frozen=True)
class Words:
    """Text in a line; `shown` with quotes is exact, else its case does not matter."""

    shown: str

    def __str__(self) -> str:
        return self.shown

    def in_line(self, text: str) -> bool:
        return self.shown[1:-1] in text if self.shown[0] == '"' else self.shown.lower() in text.lower()


@dataclass(frozen=True)
class Negated:
    part: Tree
    short: bool = False
    """Written as `!=` or as `none`, if it can be."""

    def __str__(self) -> str:
        if self.short and isinstance(self.part, Question) and self.part.field not in FLAGS:
            if self.part.value is True:
                return f"{self.part.field}:none"
            if self.part.sign == "=":
                return f"{self.part.field}!={self.part.shown}"
        return f"-({self.part})"


@dataclass(frozen=True)
class Both:
    parts: tuple[Tree, ...]

    def __str__(self) -> str:
        return " ".join(f"({part})" for part in self.parts)


@dataclass(frozen=True)
class Either:
    parts: tuple[Tree, ...]

    def __str__(self) -> str:
        return " OR ".join(f"({part})" for part in self.parts)


Tree = Question | Words | Negated | Both | Either
Try = Callable[[Question | Words, Row], bool]
"""Whether a row itself has what is asked."""


def has_part(value: str, wanted: str) -> bool:
    """By look-arounds, which RE2 does not have."""
    core = "".join({"*": ".*", "?": "."}.get(char) or re.escape(char) for char in wanted)
    begin = r"(?<![^\W_])" if wanted[0].isalnum() or wanted[0] == "?" else ""
    end = r"(?![^\W_])" if wanted[-1].isalnum() or wanted[-1] == "?" else ""
    return re.search(f"{begin}{core}{end}", value, re.IGNORECASE | re.DOTALL) is not None


def matching_calls(tree: Tree, world: World) -> set[object]:
    """The first lines of the calls that match."""

    def has_line(trees: list[Tree], call: Row) -> bool:
        return any(
            all(plainly(one, line, on_line) for one in trees) for line in world.lines_of[call["first_seq"]]
        )

    on_call, on_line = tries(world)
    asker = Asker(lambda leaf: isinstance(leaf, Words) or leaf.field in OF_LINES, on_call, has_line)
    return {call["first_seq"] for call in world.calls if asker.holds(tree, call)}


def matching_lines(tree: Tree, world: World) -> set[object]:
    """The lines that match."""

    def has_call(trees: list[Tree], line: Row) -> bool:
        if line["request_id"] is None:
            return all(plainly(one, line, on_line) for one in trees)

        def says(leaf: Question | Words, _: Row) -> bool:
            return isinstance(leaf, Question) and leaf.field in SAID and on_line(leaf, line)

        def either(leaf: Question | Words, call: Row) -> bool:
            return on_call(leaf, call) or says(leaf, call)

        return all(plainly(one, line, says) for one in trees) or any(
            all(plainly(one, call, either) for one in trees) for call in world.calls_of[line["seq"]]
        )

    on_call, on_line = tries(world)
    asker = Asker(lambda leaf: isinstance(leaf, Question) and leaf.field in OF_CALLS, on_line, has_call)
    return {line["seq"] for line in world.lines if asker.holds(tree, line)}


def tries(world: World) -> tuple[Try, Try]:
    """Of calls, and of lines."""

    def on_call(leaf: Question | Words, call: Row) -> bool:
        assert isinstance(leaf, Question)
        return leaf.holds(call[COLUMNS[leaf.field]], world)

    def on_line(leaf: Question | Words, line: Row) -> bool:
        if isinstance(leaf, Words):
            return leaf.in_line(world.texts[int(str(line["seq"]))])
        column = {"status": "failure", "kind": "kind_or_reason"}.get(leaf.field, COLUMNS[leaf.field])
        return leaf.holds(line.get(column), world)

    return on_call, on_line


@dataclass(frozen=True)
class Asker:
    """Asks a tree of rows. Side by side, what is asked of the others without a negation must hold for one of them."""

    is_of_others: Callable[[Question | Words], bool]
    here: Try
    has_other: Callable[[list[Tree], Row], bool]

    def holds(self, tree: Tree, row: Row) -> bool:
        match tree:
            case Negated(part):
                return not self.holds(part, row)
            case Either(parts):
                return any(self.holds(part, row) for part in parts)
            case Both():
                parts_ = flat(tree)
                of_others = [part for part in parts_ if self._is_of_others(part)]
                rest = [part for part in parts_ if not self._is_of_others(part)]
                return all(self.holds(part, row) for part in rest) and (
                    not of_others or self.has_other(of_others, row)
                )
            case _:
                return self.has_other([tree], row) if self.is_of_others(tree) else self.here(tree, row)

    def _is_of_others(self, tree: Tree) -> bool:
        match tree:
            case Negated():
                return False
            case Both(parts) | Either(parts):
                return all(self._is_of_others(part) for part in parts)
            case _:
                return self.is_of_others(tree)


def plainly(tree: Tree, row: Row, here: Try) -> bool:
    """Of one row alone."""
    match tree:
        case Both(parts):
            return all(plainly(part, row, here) for part in parts)
        case Either(parts):
            return any(plainly(part, row, here) for part in parts)
        case Negated(part):
            return not plainly(part, row, here)
        case _:
            return here(tree, row)


def flat(tree: Tree) -> list[Tree]:
    """Parentheses around parts of a conjunction change nothing."""
    return [one for part in tree.parts for one in flat(part)] if isinstance(tree, Both) else [tree]
