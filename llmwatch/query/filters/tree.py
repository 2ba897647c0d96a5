"""A filter as a tree. What is unknown passes no test, and a negation is true of all that its part is not true of."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from llmwatch.query.filters.fields import Field


@dataclass(frozen=True, slots=True)
class Moment:
    """A point in time, or one that moves with the clock of whoever asks."""

    since: datetime | Literal["now", "midnight"]
    """Midnight is that of the day that is today, in UTC."""
    back: timedelta = timedelta()
    """So long before it."""


Operator = Literal["=", "matches", ">", ">=", "<", "<=", "known", "true"]


@dataclass(frozen=True, slots=True)
class Test:
    """A question about one field. What matches does so an RE2 pattern; `known` and `true` have no value."""

    field: Field
    operator: Operator
    value: str | int | Decimal | Moment | None = None


@dataclass(frozen=True, slots=True)
class Text:
    """A question about the text of a line."""

    pattern: str
    """RE2."""
    literal: str | None = None
    """The same as characters, where these say as much: they are found sooner."""
    folded: bool = False
    """Whether the literal is to be found in the line in lower case."""


@dataclass(frozen=True, slots=True)
class Negation:
    """Not."""

    part: Node


@dataclass(frozen=True, slots=True)
class Conjunction:
    """And. None of its parts is one."""

    parts: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Disjunction:
    """Or. None of its parts is one."""

    parts: tuple[Node, ...]


Node = Test | Text | Negation | Conjunction | Disjunction


def joined(kind: type[Conjunction | Disjunction], parts: list[Node]) -> Node:
    """The parts as one, those of the same kind dissolved."""
    flat = [one for part in parts for one in (part.parts if isinstance(part, kind) else (part,))]
    return flat[0] if len(flat) == 1 else kind(tuple(flat))


def negated(part: Node) -> Node:
    """Not the part; twice is once too often."""
    return part.part if isinstance(part, Negation) else Negation(part)


def leaves(node: Node) -> Iterator[Test | Text]:
    """All questions of a tree."""
    match node:
        case Test() | Text():
            yield node
        case Negation(part):
            yield from leaves(part)
        case Conjunction(parts) | Disjunction(parts):
            for part in parts:
                yield from leaves(part)
