"""The text of a query to a tree, by recursive descent."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass


class QueryError(Exception):
    """CloudWatch would refuse this query, or its answer would be anyone's guess."""


@dataclass(frozen=True)
class Literal:
    value: str | float


@dataclass(frozen=True)
class Field:
    name: str


@dataclass(frozen=True)
class Operation:
    """An operator or a function and what it is applied to."""

    name: str
    arguments: tuple[Expression, ...]


@dataclass(frozen=True)
class Like:
    value: Expression
    pattern: re.Pattern[str]


Expression = Literal | Field | Operation | Like


@dataclass(frozen=True)
class Named:
    """An item of `fields`, `stats` or `by`: its alias, or else its own text."""

    name: str
    expression: Expression


@dataclass(frozen=True)
class Fields:
    items: tuple[Named, ...]


@dataclass(frozen=True)
class Filter:
    condition: Expression


@dataclass(frozen=True)
class Parse:
    source: str
    pattern: re.Pattern[str]


@dataclass(frozen=True)
class Stats:
    items: tuple[Named, ...]
    by: tuple[Named, ...]


@dataclass(frozen=True)
class Sort:
    key: str
    descending: bool


@dataclass(frozen=True)
class Limit:
    rows: int


Command = Fields | Filter | Parse | Stats | Sort | Limit

NAME = r"[A-Za-z_@][A-Za-z0-9_@.]*"
NUMBER = r"\d+(?:\.\d+)?"
STRING = r'"[^"\\]*"'
REGEX = r"/(?:[^/\\\n]|\\.)+/"
COMPARISONS = "<=|>=|!=|=|<|>"


def parse(text: str) -> list[Command]:
    """The commands of a query."""
    reader = Reader(text)
    commands = [command(reader)]
    while reader.take(r"\|"):
        commands.append(command(reader))
    if reader.rest:
        raise QueryError(f"unexpected at {reader.place}: {reader.rest[:40]!r}")
    return commands


class Reader:
    """The text, and how much of it is read."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.place = 0
        self.skip()

    @property
    def rest(self) -> str:
        return self.text[self.place :]

    def skip(self) -> None:
        while self.place < len(self.text) and self.text[self.place].isspace():
            self.place += 1

    def take(self, pattern: str) -> str | None:
        """What comes next, if it is this."""
        match = re.compile(pattern, re.IGNORECASE).match(self.text, self.place)
        if match is None:
            return None
        self.place = match.end()
        self.skip()
        return match[0]

    def word(self, *words: str) -> str | None:
        taken = self.take(rf"(?:{'|'.join(words)})(?![A-Za-z0-9_@.])")
        return None if taken is None else taken.lower()

    def need(self, pattern: str) -> str:
        taken = self.take(pattern)
        if taken is None:
            raise QueryError(f"{pattern} is missing at {self.place}: {self.rest[:40]!r}")
        return taken


def command(reader: Reader) -> Command:
    keyword = reader.word("fields", "filter", "parse", "stats", "sort", "limit")
    if keyword == "fields":
        return Fields(items(reader))
    if keyword == "filter":
        return Filter(expression(reader))
    if keyword == "parse":
        return Parse(reader.need(NAME), regex(reader.need(REGEX)))
    if keyword == "stats":
        aggregates = items(reader)
        return Stats(aggregates, items(reader) if reader.word("by") else ())
    if keyword == "sort":
        key = reader.need(NAME)
        return Sort(key, reader.word("asc", "desc") == "desc")
    if keyword == "limit":
        return Limit(int(reader.need(r"\d+")))
    raise QueryError(f"no command at {reader.place}: {reader.rest[:40]!r}")


def regex(literal: str) -> re.Pattern[str]:
    """Which kind of regular expression it is, AWS does not say; names of groups are those that every kind takes."""
    for name in re.findall(r"\(\?<(\w+)>", literal):
        if not name.isalnum():
            raise QueryError(f"{name} may be no name of a group")
    return re.compile(literal[1:-1].replace("(?<", "(?P<"))


def items(reader: Reader) -> tuple[Named, ...]:
    found = [item(reader)]
    while reader.take(","):
        found.append(item(reader))
    return tuple(found)


def item(reader: Reader) -> Named:
    begin = reader.place
    value = expression(reader)
    text = reader.text[begin : reader.place].strip()
    return Named(reader.need(NAME) if reader.word("as") else text, value)


def expression(reader: Reader) -> Expression:
    return chain(reader, both, lambda: reader.word("or"))


def both(reader: Reader) -> Expression:
    return chain(reader, negated, lambda: reader.word("and"))


def negated(reader: Reader) -> Expression:
    return Operation("not", (negated(reader),)) if reader.word("not") else compared(reader)


def compared(reader: Reader) -> Expression:
    left = added(reader)
    if reader.word("like"):
        return Like(left, regex(reader.need(REGEX)))
    operator = reader.take(COMPARISONS)
    return left if operator is None else Operation(operator, (left, added(reader)))


def added(reader: Reader) -> Expression:
    return chain(reader, primary, lambda: reader.take("[+-]"))


def chain(
    reader: Reader, part: Callable[[Reader], Expression], operator: Callable[[], str | None]
) -> Expression:
    value = part(reader)
    while (name := operator()) is not None:
        value = Operation(name, (value, part(reader)))
    return value


def primary(reader: Reader) -> Expression:
    if reader.take(r"\("):
        inner = expression(reader)
        reader.need(r"\)")
        return inner
    if (string := reader.take(STRING)) is not None:
        return Literal(string[1:-1])
    if (number := reader.take(NUMBER)) is not None:
        return Literal(float(number))
    name = reader.need(NAME)
    if not reader.take(r"\("):
        return Field(name)
    if reader.take(r"\*"):
        reader.need(r"\)")
        return Operation(name, (Literal(1.0),))
    arguments = [expression(reader)]
    while reader.take(","):
        arguments.append(expression(reader))
    reader.need(r"\)")
    return Operation(name, tuple(arguments))
