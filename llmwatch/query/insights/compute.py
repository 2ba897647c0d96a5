"""Expressions of a query to SQL, over the rows that a command has before it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from math import isfinite

from llmwatch.query.insights.fields import SYSTEM_FIELDS, json_pointer, json_pointers
from llmwatch.query.insights.functions import Surroundings, applied
from llmwatch.query.insights.relation import Relation
from llmwatch.query.insights.signatures import SIGNATURES
from llmwatch.query.insights.tree import (
    Binary,
    Call,
    Expression,
    Field,
    Like,
    Membership,
    Negative,
    Not,
    Number,
    Text,
)
from llmwatch.query.insights.values import (
    MISSING,
    Kind,
    Value,
    as_number,
    as_text,
    as_truth,
    canonical,
    compared,
    exactly,
    finite,
    is_large,
    looks_numeric,
)

_BIGINT_BELOW, _WHOLE_BELOW = 10**18, 10**25
"""Whole numbers below them are of 64 bits, and kept with all their digits."""

_TRUTHS = ("true", "false")
"""Words, unless something else has the name, or they stand in backticks."""

_OF_TIME = "bin"
"""Takes the time of a line, unasked."""

_UNASKED = {"messageSize": (Field(("@message",), 0),)}
"""What a function is of, where nothing is written in its brackets."""


class Names:
    """What the rows have: the fields of lines, until a `stats`, and all that commands named since."""

    def __init__(self, rows: Relation, surroundings: Surroundings, *, lines: bool) -> None:
        self.rows = rows
        self.lines = lines
        self.surroundings = surroundings
        self.known: dict[str, Value] = {}
        self.missing: dict[str, None] = {}
        """Names that mean nothing here."""
        self.fields: dict[str, Value] = {}
        """Fields that the JSON of a line may have."""

    def name(self, name: str, value: Value) -> Value:
        """Give a value a name; what has it already is hidden."""
        held = (
            value
            if value.constant is not None
            else Value(self.rows.held(value.sql), value.kind, None, value.binned)
        )
        self.known[name] = held
        return held

    def field(self, steps: Sequence[str | int], *, quoted: bool = False) -> Value:
        """What a name means: something named before, or a part of it, or a field of the line."""
        for count in range(len(steps), 0, -1):
            known = self.known.get(".".join(map(str, steps[:count])))
            if known is not None:
                return self._part(known, steps[count:])
        name = ".".join(map(str, steps))
        if name in _TRUTHS and not quoted:
            return Value(name, Kind.TRUTH)
        if not self.lines:
            self.missing[name] = None
            return MISSING
        if name in SYSTEM_FIELDS:
            return SYSTEM_FIELDS[name]
        if name not in self.fields:
            self.fields[name] = self._discovered(steps)
        return self.fields[name]

    def _discovered(self, steps: Sequence[str | int]) -> Value:
        found = [self.rows.extracted(pointer) for pointer in json_pointers(steps)]
        if not found:
            return MISSING
        one = found[0] if len(found) == 1 else self.rows.held(f"coalesce({', '.join(found)})")
        return Value(self.rows.held(canonical(one)), Kind.ANY)

    def _part(self, value: Value, steps: Sequence[str | int]) -> Value:
        if not steps:
            return value
        if value.kind is not Kind.ANY:
            return MISSING
        pointer = self.rows.parameters.bind(json_pointer(steps))
        part = self.rows.held(f"try(json_extract({value.sql}, {pointer}::VARCHAR))::VARCHAR")
        return Value(self.rows.held(canonical(part)), Kind.ANY)


class Computation:
    """Compiles expressions over `names`. Aggregates are looked up in `aggregates`, by identity."""

    def __init__(self, names: Names, aggregates: Mapping[int, Value] | None = None) -> None:
        self._names = names
        self._rows = names.rows
        self._aggregates = aggregates or {}

    def value(self, expression: Expression) -> Value:
        """The SQL of an expression."""
        found = MISSING  # for `Regex` and `Period`: functions that take them read them from the tree
        match expression:
            case Text(value=text):
                found = Value(f"{self._rows.parameters.bind(text)}::VARCHAR", Kind.TEXT, text)
            case Number(value=number):
                found = literal(number)
            case Field(steps=steps, place=place):
                quoted = self._names.surroundings.text.startswith("`", place)
                found = self._names.field(steps, quoted=quoted)
            case Call():
                found = self._call(expression)
            case Binary():
                found = self._binary(expression)
            case Not(operand=operand):
                found = Value(f"(NOT {self.truth(operand)})", Kind.TRUTH)
            case Negative(operand=operand):
                found = self._negative(operand)
            case Membership():
                found = self._membership(expression)
            case Like():
                found = self._like(expression)
        return found

    def truth(self, expression: Expression) -> str:
        """An expression as a condition; it may be NULL."""
        return as_truth(self._rows, self.value(expression))

    def _call(self, call: Call) -> Value:
        if (known := self._aggregates.get(id(call))) is not None:
            return known
        if call.name == _OF_TIME and not self._names.lines:
            raise self._names.surroundings.fault(
                call,
                f"`{call.name}` needs the time of a line, and after `stats` there are none: name it there with `as`",
            )
        arguments = [self.value(argument) for argument in call.arguments or _UNASKED.get(call.name, ())]
        return applied(self._rows, self._names.surroundings, call, arguments)

    def _binary(self, binary: Binary) -> Value:
        if binary.operator in ("and", "or"):
            return Value(
                f"({self.truth(binary.left)} {binary.operator.upper()} {self.truth(binary.right)})",
                Kind.TRUTH,
            )
        left, right = self.value(binary.left), self.value(binary.right)
        if binary.operator in ("=", "!=", "<", "<=", ">", ">="):
            return compared(self._rows, "<>" if binary.operator == "!=" else binary.operator, left, right)
        one, other = as_number(self._rows, left), as_number(self._rows, right)
        if binary.operator in ("/", "%"):
            other = self._rows.held(other)
            sql = f"CASE WHEN {other} <> 0 THEN {one} {binary.operator} {other} END"
        elif binary.operator == "^":
            sql = f"pow({one}, {other})"
        else:
            sql = f"({one} {binary.operator} {other})"
        return Value(finite(self._rows, sql), Kind.NUMBER)

    def _negative(self, operand: Expression) -> Value:
        value = self.value(operand)
        if isinstance(value.constant, Decimal):
            return literal(-value.constant)
        return Value(f"(-{as_number(self._rows, value)})", Kind.NUMBER)

    def _membership(self, membership: Membership) -> Value:
        """Constants are looked up in lists: many `OR` would be as deep as they are many."""
        value = self.value(membership.value)
        value = value if value.constant is not None else Value(self._rows.held(value.sql), value.kind)
        items = [self.value(item) for item in membership.items]
        texts = [item.constant for item in items if isinstance(item.constant, str)]
        texts = [text for text in texts if not looks_numeric(text)]
        constants = [
            item.constant for item in items if item.constant is not None and item.constant not in texts
        ]
        large = [constant for constant in map(Decimal, constants) if is_large(constant)]
        numbers = [float(constant) for constant in constants if not is_large(Decimal(constant))]
        found = []
        if texts:
            found.append(
                f"list_contains({self._rows.parameters.bind(texts)}::VARCHAR[], {as_text(self._rows, value)})"
            )
        if numbers:
            number = as_number(self._rows, value)
            found.append(
                f"coalesce(list_contains({self._rows.parameters.bind(numbers)}::DOUBLE[], {number}), false)"
            )
        if large:
            digits = (
                f"{self._rows.parameters.bind([f'{number:f}' for number in large])}::VARCHAR[]::HUGEINT[]"
            )
            found.append(f"coalesce(list_contains({digits}, {exactly(self._rows, value)}), false)")
        found += [compared(self._rows, "=", value, item).sql for item in items if item.constant is None]
        condition = f"CASE WHEN {value.sql} IS NOT NULL THEN coalesce({' OR '.join(found)}, false) END"
        return Value(f"(NOT {condition})" if membership.negated else condition, Kind.TRUTH)

    def _like(self, like: Like) -> Value:
        text = as_text(self._rows, self.value(like.value))
        if isinstance(like.pattern, Text):
            condition = f"contains({text}, {self._rows.parameters.bind(like.pattern.value)}::VARCHAR)"
        else:
            condition = f"regexp_matches({text}, {self._rows.parameters.bind(like.pattern.pattern)}::VARCHAR)"
        return Value(f"(NOT {condition})" if like.negated else condition, Kind.TRUTH)


def literal(number: Decimal) -> Value:
    """A number of the query: digits that we write."""
    if number == number.to_integral_value() and abs(number) < _WHOLE_BELOW:
        kind = "BIGINT" if abs(number) < _BIGINT_BELOW else "HUGEINT"
        return Value(f"({int(number)})::{kind}", Kind.WHOLE, number)
    if not isfinite(float(number)):
        return MISSING
    return Value(f"'{float(number)!r}'::DOUBLE", Kind.NUMBER, number)


def is_aggregate(expression: Expression) -> bool:
    """Whether it makes one value of many rows."""
    return isinstance(expression, Call) and SIGNATURES[expression.name.lower()].aggregate
