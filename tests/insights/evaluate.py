"""Queries over events."""

from __future__ import annotations

import json
import math
import operator
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tests.insights.language import (
    Expression,
    Field,
    Fields,
    Filter,
    Like,
    Limit,
    Literal,
    Named,
    Operation,
    Parse,
    QueryError,
    Sort,
    Stats,
    parse,
)
from tests.insights.values import UNDOCUMENTED, Result, Undocumented, Value, natural, number, written

LONGEST_TEXT, MOST_STATS, MOST_ROWS, USUAL_ROWS = 10_000, 2, 100_000, 10_000

Record = dict[str, Value]


@dataclass(frozen=True)
class Event:
    """One event of a log group."""

    message: str
    log: str = "123456789012:router"
    stream: str = "router/0"
    time: int = 0
    """Milliseconds since 1970."""


@dataclass(frozen=True)
class Answer:
    rows: tuple[dict[str, str], ...]
    matched: int
    scanned: int


def evaluate(text: str, events: Sequence[Event]) -> Answer:
    """The rows of a query, and how many events were read and came as far as the first `stats`."""
    if len(text) > LONGEST_TEXT:
        raise QueryError(f"the query is too long: {len(text)}")
    run = Run()
    records = [discovered(event) for event in events]
    run.found = {name for record in records for name in record}
    matched, aggregations, limit, ordered = len(records), 0, USUAL_ROWS, False
    for command in parse(text):
        match command:
            case Stats():
                matched = len(records) if aggregations == 0 else matched
                aggregations += 1
                if aggregations > MOST_STATS:
                    raise QueryError("more than two stats")
                if aggregations == MOST_STATS and ordered:
                    raise QueryError("sort and limit come after the last stats")
                records = run.aggregated(records, command)
            case Fields(items):
                records = run.extended(records, items)
            case Filter(condition):
                records = [record for record in records if run.holds(condition, record)]
            case Parse():
                records = run.parsed(records, command)
            case Sort(key, descending):
                records.sort(key=lambda record: _last(record.get(key)), reverse=descending)
            case Limit(rows):
                limit = min(rows, MOST_ROWS)
        ordered = ordered or isinstance(command, Sort | Limit)
    shown = [
        {name: written(value) for name, value in record.items() if value is not None} for record in records
    ]
    return Answer(tuple(shown[:limit]), matched, len(events))


def _last(value: Value) -> tuple[object, ...]:
    return (-1,) if value is None else natural(value)


def discovered(event: Event) -> Record:
    """The fields of an event: those that all have, and the keys of its JSON, if that is strictly JSON."""
    record: Record = {"@message": event.message, "@log": event.log, "@logStream": event.stream}
    record["@timestamp"] = float(event.time)
    try:
        content = json.loads(event.message, parse_constant=_refuse, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return record
    if isinstance(content, dict):
        record.update(_flat(content, ""))
    return record


def _refuse(word: str) -> None:
    raise ValueError(f"{word} is no JSON")


def _flat(value: Mapping[str, object], prefix: str) -> Iterator[tuple[str, Value]]:
    for key, element in value.items():
        inner = (
            dict(zip(map(str, range(len(element))), element, strict=True))
            if isinstance(element, list)
            else element
        )
        if isinstance(inner, dict):
            yield from _flat(inner, f"{prefix}{key}.")
        elif isinstance(inner, bool):
            yield prefix + key, float(inner)
        elif inner is not None:
            yield prefix + key, str(inner)


class Run:
    """One query while it is evaluated."""

    def __init__(self) -> None:
        self.found: set[str] = set()
        self.made: set[str] = set()
        self.aggregates = False
        self.visible: set[str] = set()
        """What there is after a `stats`."""

    def make(self, name: str) -> None:
        """Note a new name; one that is taken already is refused, or has surprises."""
        if name in self.made or name in self.found:
            raise QueryError(f"{name} is the name of something else")
        self.made.add(name)

    def extended(self, records: Iterable[Record], items: Sequence[Named]) -> list[Record]:
        named = [item for item in items if item.expression != Field(item.name)]
        added = [
            record | {item.name: self.value(item.expression, record) for item in named} for record in records
        ]
        for item in named:
            self.make(item.name)
        return added

    def parsed(self, records: Iterable[Record], command: Parse) -> list[Record]:
        for name in command.pattern.groupindex:
            self.make(name)
        extended = []
        for record in records:
            source = record.get(command.source)
            match = None if source is None else command.pattern.search(written(source))
            extended.append(record | (match.groupdict() if match else {}))
        return extended

    def aggregated(self, records: Iterable[Record], command: Stats) -> list[Record]:
        groups: dict[tuple[Value, ...], list[Record]] = {}
        for record in records:
            key = tuple(self.value(item.expression, record) for item in command.by)
            groups.setdefault(key, []).append(record)
        if not command.by and not groups:
            groups[()] = []
        rows = []
        for key, members in groups.items():
            row: Record = {item.name: value for item, value in zip(command.by, key, strict=True)}
            row |= {item.name: self.aggregate(item.expression, members) for item in command.items}
            rows.append(row)
        for item in (*command.items, *command.by):
            if item.expression != Field(item.name):
                self.make(item.name)
        self.found, self.aggregates = set(), True
        self.visible = {item.name for item in (*command.items, *command.by)}
        return rows

    def aggregate(self, expression: Expression, members: Sequence[Record]) -> Value:
        if not isinstance(expression, Operation) or expression.name not in AGGREGATES:
            raise QueryError(f"{expression} does not aggregate")
        argument, *others = expression.arguments
        values = [value for member in members if (value := self.value(argument, member)) is not None]
        if expression.name == "count":
            return float(len(values))
        if expression.name in ("sortsFirst", "sortsLast"):
            ordered = sorted(values, key=natural)
            return (ordered[0] if expression.name == "sortsFirst" else ordered[-1]) if ordered else None
        numbers = sorted(known for value in values if (known := number(value)) is not None)
        if not numbers:
            return None
        if expression.name == "pct":
            assert isinstance(others[0], Literal)
            return percentile(numbers, float(others[0].value) / 100)
        return sum(numbers) if expression.name == "sum" else numbers[0 if expression.name == "min" else -1]

    def holds(self, condition: Expression, record: Record) -> bool:
        return self.value(condition, record) == 1.0

    def value(self, expression: Expression, record: Record) -> Value:
        """What an expression is where it counts."""
        result = self.result(expression, record)
        if isinstance(result, Undocumented):
            raise QueryError(f"{expression} hangs on what AWS does not document")
        return result

    def result(self, expression: Expression, record: Record) -> Result:
        match expression:
            case Literal(value):
                return value
            case Field(name):
                if self.aggregates and name not in self.visible:
                    raise QueryError(f"{name} is no output of the stats before")
                return record.get(name)
            case Like(value, pattern):
                text = self.value(value, record)
                return UNDOCUMENTED if text is None else float(pattern.search(written(text)) is not None)
        return self.applied(expression, record)

    def applied(self, operation: Operation, record: Record) -> Result:
        name, arguments = operation.name, operation.arguments
        if name == "if":
            condition, then, otherwise = arguments
            return self.result(then if self.holds(condition, record) else otherwise, record)
        if name == "case":
            for condition, then in zip(arguments[::2], arguments[1::2], strict=False):
                if self.holds(condition, record):
                    return self.result(then, record)
            return self.result(arguments[-1], record) if len(arguments) % 2 else None
        results = [self.result(argument, record) for argument in arguments]
        if name in ("and", "or", "not"):
            return combined(name, results)
        if UNDOCUMENTED in results:
            return UNDOCUMENTED
        values = [result for result in results if not isinstance(result, Undocumented)]
        if name == "coalesce":
            return next((value for value in values if value is not None), None)
        if name == "ispresent":
            return float(values[0] is not None)
        return (
            function(name, [value for value in values if value is not None])
            if None not in values
            else UNDOCUMENTED
        )


def combined(name: str, results: Sequence[Result]) -> Result:
    decisive = 0.0 if name == "and" else 1.0
    if name != "not" and decisive in results:
        return decisive
    if UNDOCUMENTED in results or None in results:
        return UNDOCUMENTED
    return float(not results[0]) if name == "not" else 1.0 - decisive


AGGREGATES = ("sum", "min", "max", "count", "pct", "sortsFirst", "sortsLast")


def function(name: str, values: Sequence[str | float]) -> Value:
    if name in COMPARISONS:
        return float(COMPARISONS[name](*comparable(*values)))
    if name in ("+", "-", "greatest"):
        left, right = (number(value) for value in values)
        if left is None or right is None:
            return None
        return {"+": left + right, "-": left - right, "greatest": max(left, right)}[name]
    texts = [written(value) for value in values]
    if name == "strcontains":
        return float(texts[1] in texts[0])
    if name == "concat":
        return "".join(texts)
    if name == "substr":
        begin = int(texts[1])
        return texts[0][begin : begin + int(texts[2])] if len(texts) > 2 else texts[0][begin:]
    raise QueryError(f"there is no function {name}")


COMPARISONS: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def comparable(left: str | float, right: str | float) -> tuple[str | float, str | float]:
    """As numbers if both look like one, else as text."""
    one, other = number(left), number(right)
    return (written(left), written(right)) if one is None or other is None else (one, other)


def percentile(ordered: Sequence[float], share: float) -> float:
    """Between neighbours, on the straight line; how AWS does it is not documented."""
    place = share * (len(ordered) - 1)
    low = ordered[math.floor(place)]
    return low + (ordered[math.ceil(place)] - low) * (place - math.floor(place))
