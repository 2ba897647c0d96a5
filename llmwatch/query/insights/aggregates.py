"""The aggregates of `stats` in SQL. Numbers that are no numbers, and what is missing, count nowhere."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal

from llmwatch.query.insights.functions import Surroundings
from llmwatch.query.insights.relation import Relation
from llmwatch.query.insights.tree import Call
from llmwatch.query.insights.values import (
    Kind,
    Value,
    as_number,
    as_text,
    as_whole,
    natural_key,
    number_text,
    sort_key,
)

Select = Callable[[str], str]
"""Takes what is computed for each group; gives the name of the column that holds it."""

Aggregate = Callable[[Relation, Sequence[Value], Select], Value]

FROM_TIME = ("earliest", "latest")
"""They need the time of a line."""


def aggregated(
    rows: Relation, surroundings: Surroundings, call: Call, arguments: Sequence[Value], select: Select
) -> Value:
    """What an aggregate makes of the rows of a group; its SQL is over the selected columns.

    Raises:
        QueryError: a percentile is none.

    """
    name = call.name.lower()
    if name == "pct":
        percent = arguments[1].constant
        if not isinstance(percent, Decimal) or not 0 <= percent <= 100:
            raise surroundings.fault(
                call.arguments[1], "a percentile is a number from 0 to 100, written out: write 95, say"
            )
        return _percentile(rows, arguments[0], percent, select)
    return AGGREGATES[name](rows, arguments, select)


def _percentile(rows: Relation, value: Value, percent: Decimal, select: Select) -> Value:
    number = rows.held(as_number(rows, value))
    return _finite(select(f"quantile_cont({number}, {percent / 100:f})"))


def _count(_: Relation, arguments: Sequence[Value], select: Select) -> Value:
    if not arguments or arguments[0].constant is not None:
        return Value(select("count(*)"), Kind.WHOLE)
    return Value(select(f"count({arguments[0].sql})"), Kind.WHOLE)


def _count_distinct(rows: Relation, arguments: Sequence[Value], select: Select) -> Value:
    (value,) = arguments
    counted = as_text(rows, value) if value.kind is Kind.ANY else value.sql
    return Value(select(f"count(DISTINCT {counted})"), Kind.WHOLE)


def _over_numbers(function: str) -> Aggregate:
    def made(rows: Relation, arguments: Sequence[Value], select: Select) -> Value:
        return _finite(select(f"{function}({as_number(rows, arguments[0])})"))

    return made


def _finite(column: str) -> Value:
    """Of an aggregate: numbers that can be written may have a sum that cannot."""
    return Value(f"CASE WHEN isfinite({column}) THEN {column} END", Kind.NUMBER)


def _exact(function: str, of_floats: str) -> Aggregate:
    """Over whole numbers where all of a group are; 64-bit floats would lose their last digits."""

    def made(rows: Relation, arguments: Sequence[Value], select: Select) -> Value:
        (value,) = arguments
        if value.kind in (Kind.WHOLE, Kind.TRUTH, Kind.TIME):
            kind = Kind.TIME if value.kind is Kind.TIME and function != "sum" else Kind.WHOLE
            return Value(select(f"{function}({as_whole(rows, value)})"), kind)
        number, whole = (rows.held(of(rows, value)) for of in (as_number, as_whole))
        are_whole = select(f"count({number}) = count({whole})")
        exactly, roughly = select(f"{function}({whole})"), select(f"{of_floats}({number})")
        return Value(
            f"CASE WHEN {are_whole} THEN {exactly}::VARCHAR ELSE {number_text(roughly)} END", Kind.ANY
        )

    return made


def _at_the_edge(function: str) -> Aggregate:
    """The value of the first line of a group, or of the last, that has one."""

    def made(rows: Relation, arguments: Sequence[Value], select: Select) -> Value:
        (value,) = arguments
        held, place = rows.held(value.sql), rows.held(sort_key("time", "line"))
        return Value(select(f"{function}({held}, {place}) FILTER (time IS NOT NULL)"), value.kind)

    return made


def _first_sorted(function: str) -> Aggregate:
    """The first value of a group in the order of `sort`, or the last; a map or a list is none."""

    def made(rows: Relation, arguments: Sequence[Value], select: Select) -> Value:
        (value,) = arguments
        held, known = rows.held(value.sql), rows.held(as_text(rows, value))
        return Value(
            select(f"{function}({held}, {natural_key(rows, value)}) FILTER ({known} IS NOT NULL)"), value.kind
        )

    return made


AGGREGATES: Mapping[str, Aggregate] = {
    "count": _count,
    "count_distinct": _count_distinct,
    "sum": _exact("sum", "fsum"),
    "min": _exact("min", "min"),
    "max": _exact("max", "max"),
    "avg": _over_numbers("favg"),
    "stddev": _over_numbers("stddev_samp"),
    "earliest": _at_the_edge("arg_min"),
    "latest": _at_the_edge("arg_max"),
    "sortsfirst": _first_sorted("arg_min"),
    "sortslast": _first_sorted("arg_max"),
}
