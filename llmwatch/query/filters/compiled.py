"""Trees to SQL.

A question about one table asked of a row of another is a semi-join: which rows of the one have a matching row in the
other. What is asked of the same other table without a negation goes into one semi-join, as much of the tree as
possible, so it must hold for one and the same row there. A negation stays outside: no row matches.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Literal

from llmwatch.query.filters.condition import Condition
from llmwatch.query.filters.fields import Field
from llmwatch.query.filters.tree import (
    Conjunction,
    Disjunction,
    Moment,
    Negation,
    Node,
    Operator,
    Test,
    Text,
    joined,
)
from llmwatch.query.scope import naive
from llmwatch.store.raw import RAW_LINES

Rows = Literal["calls", "lines", "raw", "lone"]
"""What a condition is about: rows of `calls`, of `lines l`, of the raw lines; or lines of no request, which speak for
themselves."""

LINES_OF_CALLS = "lines m"
"""The table of which a condition on lines that asks for calls reads all rows: a search of a part of the lines may
put that part in its place."""

_CALLS = """(SELECT request_id, first_seq, first_seen, last_seen, stream_id, request_hash NOT IN
    (SELECT request_hash FROM folded_calls GROUP BY request_hash HAVING min(stream_id) <> max(stream_id)) AS one_stream
    FROM folded_calls WHERE {condition}) c"""

_IS_OF_CALL = """{line}.request_id = c.request_id AND {line}.kind IS NOT NULL
    AND NOT coalesce({line}.time < c.first_seen OR {line}.time > c.last_seen, false)
    AND (c.one_stream OR {line}.stream_id = c.stream_id)"""
"""A line is of the call of its request id within whose time it is. Where several streams have calls of that id it is
of one of its own stream, else of any: a log may be several files of one process."""

_HAS_LINE = f"""first_seq IN (SELECT c.first_seq FROM {_CALLS.format(condition="true")}
    JOIN lines l ON {_IS_OF_CALL.format(line="l")} WHERE {{condition}})"""

_OF_CALL = f"""l.rowid IN (SELECT m.rowid
    FROM {_CALLS.format(condition="first_seq IN (SELECT first_seq FROM calls WHERE {condition})")}
    JOIN {LINES_OF_CALLS} ON {_IS_OF_CALL.format(line="m")})"""

_OF_NO_CALL = "l.request_id IS NULL AND {condition}"
_HAS_TEXT = f"l.rowid IN (SELECT seq FROM {RAW_LINES} WHERE {{condition}})"

_TESTS: Mapping[Operator, str] = {
    "=": "{column} = {value}",
    "matches": "regexp_matches({column}, {value})",
    ">": "{column} > {value}",
    ">=": "{column} >= {value}",
    "<": "{column} < {value}",
    "<=": "{column} <= {value}",
    "known": "{column} IS NOT NULL",
    "true": "{column}",
}

_NOW = "getvariable('now')::TIMESTAMP"
_MICROSECOND = timedelta(microseconds=1)

_HOME_OF_TEXT: Mapping[Rows, Rows] = {"calls": "lines", "lines": "raw", "raw": "raw", "lone": "lone"}
_NEVER = Condition("false")


def on_calls(tree: Node) -> Condition:
    """Over the view `calls`, which has no alias there."""
    return _condition(tree, "calls")


def on_lines(tree: Node) -> Condition:
    """Over `lines l`."""
    return _condition(tree, "lines")


def within(sql: str, first_seq: int, end_seq: int) -> str:
    """A condition of ours on lines, which looks for these in these alone: DuckDB does not see that it may."""
    bounds = "WHERE {seq} >= {first} AND {seq} < {end}"
    texts = bounds.format(seq="seq", first=int(first_seq), end=int(end_seq))
    lines = bounds.format(seq="rowid", first=int(first_seq), end=int(end_seq))
    return sql.replace(RAW_LINES, f"(SELECT seq, line FROM {RAW_LINES} {texts})").replace(
        LINES_OF_CALLS, f"(SELECT rowid, request_id, kind, time, stream_id FROM lines {lines}) m"
    )


def _condition(node: Node, rows: Rows) -> Condition:
    home = _home(node, rows)
    if home != rows:
        return _semi_join(node, rows, home)
    match node:
        case Test(field, operator, value):
            return _test(_column(field, rows), operator, value)
        case Text():
            return _text(node) if rows == "raw" else _NEVER
        case Negation(part):
            condition = _condition(part, rows)
            return Condition(f"NOT ({condition.sql})", condition.parameters)
        case Conjunction(parts):
            return _combined(" AND ", [_condition(one, rows) for one in _gathered(Conjunction, parts, rows)])
        case Disjunction(parts):
            return _combined(" OR ", [_condition(one, rows) for one in _gathered(Disjunction, parts, rows)])


def _home(node: Node, rows: Rows) -> Rows:
    """The rows that all of a tree is a question about; these, if its parts differ or it is negated."""
    match node:
        case Test(field):
            if rows == "calls" and field.call is None:
                return "lines"
            return "calls" if rows == "lines" and field.of_call else rows
        case Text():
            return _HOME_OF_TEXT[rows]
        case Negation():
            return rows
        case Conjunction(parts) | Disjunction(parts):
            homes = {_home(part, rows) for part in parts}
            return homes.pop() if len(homes) == 1 else rows


def _gathered(kind: type[Conjunction | Disjunction], parts: tuple[Node, ...], rows: Rows) -> list[Node]:
    """The parts, with those about the same other rows made one: of a conjunction also those that are negated."""
    piles: dict[Rows, list[Node]] = {}
    for part in parts:
        piles.setdefault(_home(part, rows), []).append(part)
    here = piles.pop(rows, [])
    without = [part.part for part in here if isinstance(part, Negation)]
    if kind is Conjunction and len(without) > 1:
        here = [part for part in here if not isinstance(part, Negation)]
        here.append(Negation(joined(Disjunction, without)))
    return [*here, *(joined(kind, pile) for pile in piles.values())]


def _semi_join(node: Node, rows: Rows, home: Rows) -> Condition:
    there = _condition(node, home)
    if home == "raw":
        return _wrapped(_HAS_TEXT, there)
    if rows == "calls":
        return _wrapped(_HAS_LINE, there)
    of_call = _wrapped(_OF_CALL, there)
    alone = _condition(node, "lone")
    return _combined(" OR ", [of_call] if alone == _NEVER else [of_call, _wrapped(_OF_NO_CALL, alone)])


def _wrapped(template: str, condition: Condition) -> Condition:
    return Condition(template.format(condition=f"({condition.sql})"), condition.parameters)


def _combined(word: str, conditions: list[Condition]) -> Condition:
    if len(conditions) == 1:
        return conditions[0]
    parameters = tuple(value for condition in conditions for value in condition.parameters)
    return Condition(word.join(f"({condition.sql})" for condition in conditions), parameters)


def _column(field: Field, rows: Rows) -> str | None:
    return field.call if rows == "calls" else field.line


def _text(text: Text) -> Condition:
    if text.literal is None:
        return Condition("regexp_matches(line, ?)", (text.pattern,))
    return Condition("contains(lower(line), ?)" if text.folded else "contains(line, ?)", (text.literal,))


def _test(column: str | None, operator: Operator, value: str | int | Decimal | Moment | None) -> Condition:
    if column is None:
        return _NEVER
    sql, parameters = _value(value)
    return Condition(
        f"coalesce({_TESTS[operator].format(column=f'({column})', value=f'({sql})')}, false)", parameters
    )


def _value(value: str | int | Decimal | Moment | None) -> tuple[str, tuple[object, ...]]:
    match value:
        case None:
            return "", ()
        case Decimal():
            return "?::DECIMAL(38, 12)", (value,)
        case Moment(datetime() as since):
            return "?", (naive(since),)
        case Moment("midnight", back):
            return f"date_trunc('day', {_NOW}) - to_microseconds(?)", (back // _MICROSECOND,)
        case Moment(_, back):
            return f"{_NOW} - to_microseconds(?)", (back // _MICROSECOND,)
        case _:
            return "?", (value,)
