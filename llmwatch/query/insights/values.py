"""Values without types in a database that has them: what kind an expression is, and how one kind becomes another.

Kinds are known before a query runs, so that a column of numbers is one. What may be anything, as a field of a line, is
kept as the JSON it was written in (`"text"`, `12`, `{"a":1}`): that is exact, and says what it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum, auto

from llmwatch.query.insights.relation import Relation
from llmwatch.query.insights.tree import Period


class Kind(Enum):
    """What an expression makes."""

    ANY = auto()
    """A VARCHAR of JSON: a text, a number, a map or a list; never a truth or `null`."""
    TEXT = auto()
    NUMBER = auto()
    """A DOUBLE, which is finite."""
    WHOLE = auto()
    """A whole number of any type."""
    TRUTH = auto()
    """A BOOLEAN, which is 1 or 0 for all but conditions."""
    TIME = auto()
    """Milliseconds since 1970, a BIGINT."""


@dataclass(frozen=True, slots=True)
class Value:
    """An expression in SQL. All text that a person wrote is in its parameters."""

    sql: str
    kind: Kind
    constant: str | Decimal | None = None
    """What it is, where it stands in the query itself."""
    binned: Period | None = None
    """Of `bin(…)`, if that made it."""


MISSING = Value("NULL::VARCHAR", Kind.TEXT)

_NUMBER = r"-?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?"
"""A text that looks like a number."""

_WHOLE_BELOW = 1e25
"""Whole numbers below it are summed exactly: 10^13 of them fit into 128 bits."""

_SHORT_BELOW = 1e15
"""Whole numbers below it are written without a point and an exponent."""

_EXACT_BELOW = 2**53
"""Whole numbers below it are equal if they are as 64-bit floats."""

_HUGEINT_BELOW = 10**38

_ASCENDING = "'ASC NULLS FIRST'"

_TIME_FORMAT = "'%Y-%m-%d %H:%M:%S.%g'"


def looks_numeric(text: str) -> bool:
    """Whether a text of the query is as good as a number."""
    return re.fullmatch(_NUMBER, text) is not None


def is_large(number: Decimal) -> bool:
    """Whether it is a whole number of 128 bits that 64-bit floats do not tell from others."""
    return _EXACT_BELOW <= abs(number) < _HUGEINT_BELOW and number == number.to_integral_value()


def finite(rows: Relation, sql: str) -> str:
    """A DOUBLE that is computed; missing if it is none that can be written."""
    held = rows.held(sql)
    return f"CASE WHEN isfinite({held}) THEN {held} END"


def canonical(json: str) -> str:
    """JSON in a VARCHAR as a value: truths are 1 and 0; null, and what JSON has no number for, is missing."""
    return (
        f"CASE {json} WHEN 'true' THEN '1' WHEN 'false' THEN '0' WHEN 'null' THEN NULL WHEN 'NaN' THEN NULL "
        f"WHEN 'Infinity' THEN NULL WHEN '-Infinity' THEN NULL ELSE {json} END"
    )


def as_text(rows: Relation, value: Value) -> str:
    """The value as a VARCHAR. A map or a list is none."""
    sql = value.sql
    match value.kind:
        case Kind.TEXT:
            return sql
        case Kind.ANY:
            held = rows.held(sql)
            return rows.held(
                f"""CASE WHEN starts_with({held}, '"') THEN json_extract_string({held}, '$') """
                f"WHEN NOT {_nested(held)} THEN {held} END"
            )
        case Kind.NUMBER:
            return number_text(rows.held(sql))
        case Kind.TIME:
            return rows.held(f"try(strftime(make_timestamp({sql} * 1000), {_TIME_FORMAT}))")
        case _:
            return f"({as_whole(rows, value)})::VARCHAR"


def as_number(rows: Relation, value: Value) -> str:
    """The value as a DOUBLE, if it is a number or looks like one."""
    sql = value.sql
    match value.kind:
        case Kind.NUMBER:
            return sql
        case Kind.TEXT:
            return rows.held(_parsed(rows.held(sql)))
        case Kind.ANY:
            held = rows.held(sql)
            text = as_text(rows, value)
            return rows.held(
                f"""CASE WHEN starts_with({held}, '"') THEN {_parsed(text)} ELSE {_finite(held)} END"""
            )
        case _:
            return f"({as_whole(rows, value)})::DOUBLE"


def as_whole(rows: Relation, value: Value) -> str:
    """The value as a whole number without a loss, if it is one."""
    sql = value.sql
    match value.kind:
        case Kind.WHOLE | Kind.TIME:
            return sql
        case Kind.TRUTH:
            return f"({sql})::TINYINT"
    number = rows.held(as_number(rows, value))
    exact = number if value.kind is Kind.NUMBER else as_text(rows, value)
    return rows.held(
        f"CASE WHEN abs({number}) < {_WHOLE_BELOW:.0e} AND trunc({number}) = {number} "
        f"THEN try_cast({exact} AS HUGEINT) END"
    )


def exactly(rows: Relation, value: Value) -> str:
    """A large number with all its digits, up to 128 bits, if it has them."""
    text = value.kind in (Kind.ANY, Kind.TEXT)
    return f"try_cast({as_text(rows, value) if text else value.sql} AS HUGEINT)"


def as_truth(rows: Relation, value: Value) -> str:
    """The value as a condition: a number is true unless it is 0, and what is none is neither."""
    return value.sql if value.kind is Kind.TRUTH else f"({as_number(rows, value)} <> 0)"


def as_any(rows: Relation, value: Value) -> str:
    """The value as JSON."""
    if value.kind is Kind.ANY:
        return value.sql
    return f"to_json({value.sql})::VARCHAR" if value.kind is Kind.TEXT else as_text(rows, plain(value))


def as_time(rows: Relation, value: Value) -> str:
    """The value as milliseconds since 1970."""
    return value.sql if value.kind is Kind.TIME else f"try_cast({as_number(rows, value)} AS BIGINT)"


def plain(value: Value) -> Value:
    """A time as the number it is; anything else as it is."""
    return Value(value.sql, Kind.WHOLE) if value.kind is Kind.TIME else value


def is_nested(rows: Relation, value: Value) -> str:
    """Whether it is a map or a list; may be NULL."""
    return _nested(rows.held(value.sql)) if value.kind is Kind.ANY else "false"


def common(rows: Relation, values: Sequence[Value]) -> tuple[Kind, list[str]]:
    """Values one of which is chosen when the query runs: the kind that all of them have, or are made."""
    kinds = {value.kind for value in values if value != MISSING}
    if len(kinds) == 1:
        kind = kinds.pop()
        return kind, [value.sql if value != MISSING else "NULL" for value in values]
    if kinds == {Kind.WHOLE, Kind.TRUTH}:
        return Kind.WHOLE, [as_whole(rows, value) if value != MISSING else "NULL" for value in values]
    if kinds and kinds <= {Kind.WHOLE, Kind.TRUTH, Kind.NUMBER}:
        return Kind.NUMBER, [as_number(rows, value) if value != MISSING else "NULL" for value in values]
    return Kind.ANY, [as_any(rows, value) if value != MISSING else "NULL" for value in values]


def natural_key(rows: Relation, value: Value) -> str:
    """By what values sort: what is no number first, and runs of digits in it as numbers (user guide, `sort`)."""
    if value.kind not in (Kind.ANY, Kind.TEXT):
        return rows.held(value.sql)
    number, text = rows.held(as_number(rows, value)), rows.held(as_text(rows, value))
    digits = "'0' || lpad(length(x)::VARCHAR, 9, '0') || x"
    chunks = (
        f"CASE WHEN {number} IS NULL THEN list_transform(regexp_extract_all({text}, '[0-9]+|[^0-9]+'), "
        f"lambda x: CASE WHEN x[1] BETWEEN '0' AND '9' THEN {digits} ELSE x END) END"
    )
    return rows.held(sort_key(f"{number} IS NOT NULL", number, chunks, text))


def sort_key(*columns: str) -> str:
    """Several columns as one that sorts as they do, what is missing first."""
    return f"create_sort_key({', '.join(f'{column}, {_ASCENDING}' for column in columns)})"


def compared(rows: Relation, operator: str, left: Value, right: Value) -> Value:
    """A comparison: of numbers if both sides look like some, else of texts. One with a map or a list is false."""
    sides = (left, right)
    if any(isinstance(side.constant, str) and not looks_numeric(side.constant) for side in sides):
        sql = f"({as_text(rows, left)} {operator} {as_text(rows, right)})"
    else:
        numbers = [rows.held(as_number(rows, side)) for side in sides]
        sql = f"({numbers[0]} {operator} {numbers[1]})"
        if all(side.constant is None or is_large(Decimal(side.constant)) for side in sides):
            digits = f" {operator} ".join(exactly(rows, side) for side in sides)
            large = f"{numbers[0]} = {numbers[1]} AND abs({numbers[0]}) >= {_EXACT_BELOW}"
            sql = f"CASE WHEN {large} THEN coalesce({digits}, {sql}) ELSE {sql} END"
        if any(side.kind in (Kind.ANY, Kind.TEXT) for side in sides):
            known = " AND ".join(f"{number} IS NOT NULL" for number in numbers)
            texts = [as_text(rows, side) for side in sides]
            sql = f"CASE WHEN {known} THEN {sql} ELSE {texts[0]} {operator} {texts[1]} END"
    if nested := [is_nested(rows, side) for side in sides if side.kind is Kind.ANY]:
        sql = f"CASE WHEN {' OR '.join(nested)} THEN false ELSE {sql} END"
    return Value(sql, Kind.TRUTH)


def _nested(held: str) -> str:
    return f"(starts_with({held}, '{{') OR starts_with({held}, '['))"


def _parsed(text: str) -> str:
    return f"CASE WHEN regexp_full_match({text}, '{_NUMBER}') THEN {_finite(text)} END"


def _finite(text: str) -> str:
    """A text as a DOUBLE; one beyond all of them is missing."""
    return f"CASE WHEN isfinite(try_cast({text} AS DOUBLE)) THEN try_cast({text} AS DOUBLE) END"


def number_text(held: str) -> str:
    """A DOUBLE in a column as a VARCHAR that is JSON too."""
    return (
        f"CASE WHEN NOT isfinite({held}) THEN NULL WHEN abs({held}) < {_SHORT_BELOW:.0e} AND trunc({held}) = {held} "
        f"THEN ({held}::BIGINT)::VARCHAR ELSE {held}::VARCHAR END"
    )
