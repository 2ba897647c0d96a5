"""A Logs Insights query as a tree.

Places are offsets of characters in the query's text: of the operator where one stands between operands, else of where
a node begins. No tree is deeper than `MOST_DEPTH`, so whoever walks one may recurse.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Literal

MOST_DEPTH = 100
"""Of an expression: from its root to any leaf there are no more nodes."""


@dataclass(frozen=True, slots=True)
class Text:
    """A quoted string, unquoted."""

    value: str
    place: int


@dataclass(frozen=True, slots=True)
class Number:
    """A number as it is written."""

    value: Decimal
    place: int


@dataclass(frozen=True, slots=True)
class Regex:
    """A regular expression between slashes, without them; RE2 takes it, with names of groups as `(?P<name>…)`."""

    pattern: str
    place: int


Unit = Literal["ms", "s", "m", "h", "d", "w", "mo", "q", "y"]


@dataclass(frozen=True, slots=True)
class Period:
    """A length of time: `5m`, `15 minutes`."""

    count: int
    unit: Unit
    place: int


@dataclass(frozen=True, slots=True)
class Field:
    """A field or an alias: `usage.prompt_tokens` is two steps, `items[0].x` has the index 0 between them.

    A step in backticks is one whatever it holds. `items.0.x` has "0" as a name: it may be an index as well. A call that
    repeats the text of a column of the `stats` before, such as `count(*)`, is the field of that one step.
    """

    steps: tuple[str | int, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Call:
    """A function and its arguments. `name` is spelled as in `signatures`; of `count(*)` there are none."""

    name: str
    arguments: tuple[Expression, ...]
    place: int


Operator = Literal["+", "-", "*", "/", "^", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or"]


@dataclass(frozen=True, slots=True)
class Binary:
    """Two operands and what stands between them.

    A chain of `or`, of `and`, of `+` and `-`, or of `*` and `/` hangs to the left, as it is read; one of many operands
    is a balanced tree of the same value, with the operators behind a `-` or `/` turned round where that needs it.
    """

    operator: Operator
    left: Expression
    right: Expression
    place: int


@dataclass(frozen=True, slots=True)
class Not:
    """`not x`."""

    operand: Expression
    place: int


@dataclass(frozen=True, slots=True)
class Negative:
    """`-x`."""

    operand: Expression
    place: int


@dataclass(frozen=True, slots=True)
class Membership:
    """`x in [a, b]`, or `not in`."""

    value: Expression
    items: tuple[Expression, ...]
    negated: bool
    place: int


@dataclass(frozen=True, slots=True)
class Like:
    """`x like "part"`, `x like /regex/`, `x =~ /regex/`, or `not like`."""

    value: Expression
    pattern: Text | Regex
    negated: bool
    place: int


Expression = Text | Number | Regex | Period | Field | Call | Binary | Not | Negative | Membership | Like
"""`Regex` and `Period` stand only as arguments of functions that take them."""


def children(expression: Expression) -> tuple[Expression, ...]:
    """What an expression is made of."""
    match expression:
        case Call(arguments=arguments):
            return arguments
        case Binary(left=left, right=right):
            return left, right
        case Not(operand=operand) | Negative(operand=operand):
            return (operand,)
        case Membership(value=value, items=items):
            return value, *items
        case Like(value=value, pattern=pattern):
            return value, pattern
        case _:
            return ()


@dataclass(frozen=True, slots=True)
class Named:
    """An expression with its alias, if it has one, and its text as it was written: that names its column else.

    The text of a name in backticks is without them. An alias may hold dots: the field of those steps means it.
    """

    expression: Expression
    alias: str | None
    text: str
    place: int

    @property
    def name(self) -> str:
        """What its column is called."""
        return self.alias or self.text


@dataclass(frozen=True, slots=True)
class Fields:
    """`fields a, b + c as d`."""

    items: tuple[Named, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Display:
    """`display a, b`."""

    items: tuple[Named, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Filter:
    """`filter`, `where` or `filterIndex`."""

    condition: Expression
    place: int


@dataclass(frozen=True, slots=True)
class Parse:
    """`parse source "a * b *" as x, y`, or `parse source /(?<x>…)/`. Without a source it is `@message`.

    Groups without a name do not capture: they are `(?:…)` in the tree.
    """

    source: Expression | None
    pattern: Text | Regex
    names: tuple[str, ...]
    """Of the stars of a glob, in order, or of the named groups of a regular expression."""
    place: int


@dataclass(frozen=True, slots=True)
class Stats:
    """`stats count(*) as n, n / 2 as half by bin(5m) as t`: items may use the aliases of those before them."""

    items: tuple[Named, ...]
    by: tuple[Named, ...]
    place: int


@dataclass(frozen=True, slots=True)
class SortKey:
    """One of `sort`."""

    expression: Expression
    descending: bool
    place: int


@dataclass(frozen=True, slots=True)
class Sort:
    """`sort a desc, b`."""

    keys: tuple[SortKey, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Limit:
    """`limit 20`, or `limit any 20`."""

    count: int
    any: bool
    place: int


@dataclass(frozen=True, slots=True)
class Dedup:
    """`dedup a, b`."""

    items: tuple[Field, ...]
    place: int


@dataclass(frozen=True, slots=True)
class Unnest:
    """`unnest list into item`."""

    source: Expression
    name: str
    place: int


Command = Fields | Display | Filter | Parse | Stats | Sort | Limit | Dedup | Unnest


@dataclass(frozen=True, slots=True)
class InsightsQuery:
    """A query that parsed: its commands in order, and what a person should know of it."""

    text: str
    commands: tuple[Command, ...]
    remarks: tuple[str, ...] = ()
    """Sentences: `event-name` is `event` minus `name`, say."""
