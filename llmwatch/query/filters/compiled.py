"""Trees to SQL.

A question about one table asked of a row of another is a semi-join: which rows of the one have a matching row in the
other. What is asked of the same other table without a negation goes into one semi-join, as much of the tree as
possible, so it must hold for one and the same row there. A negation stays outside: no row matches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
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
    leaves,
)
from llmwatch.query.scope import naive
from llmwatch.store.raw import RAW_LINES

Rows = Literal["calls", "lines", "raw", "lone", "said"]
"""What a condition is about: rows of `calls`, of `lines l`, of the raw lines; lines of no request, which speak for
themselves; or what lines say themselves, whatever their call (`Field.said`)."""

_LINES = "lines AS "
"""The table of which a condition on lines that asks for calls reads all rows, with its alias to follow: a search of a
part of the lines puts that part in its place."""

_SAID = 'l."user", l.model, l.requested_model'
"""What a line may say itself (`Field.said`)."""

_REPEATED = "SELECT request_hash FROM folded_calls GROUP BY request_hash HAVING count(*) > 1"

_CALLS = f"""SELECT request_id, first_seq, first_seen, last_seen, stream_id, "user",
    request_hash NOT IN ({_REPEATED}) AS one_call, request_hash NOT IN (SELECT request_hash FROM folded_calls
        GROUP BY request_hash HAVING min(stream_id) <> max(stream_id)) AS one_stream"""

CALLS_OF_LINES = f"({_CALLS} FROM folded_calls WHERE {{condition}}) c"
"""Those that have lines to find by `IS_OF_CALL`."""

_USERS_OF_REPEATED = f"""SELECT hash(request_id, "user") FROM folded_calls
    WHERE "user" IS NOT NULL AND request_hash IN ({_REPEATED})"""

_IS_OF_ONE_CALL = """{line}.request_id = c.request_id AND {line}.kind IS NOT NULL
    AND NOT coalesce({line}.time < c.first_seen OR {line}.time > c.last_seen, false)"""

IS_OF_CALL = f"""{_IS_OF_ONE_CALL} AND (c.one_stream OR {{line}}.stream_id = c.stream_id)
    AND coalesce(coalesce({{line}}."user" = c."user", false)
        OR CASE WHEN NOT c.one_call AND {{line}}."user" IS NOT NULL
            THEN hash({{line}}.request_id, {{line}}."user") END NOT IN ({_USERS_OF_REPEATED}), true)"""
"""A line is of the call of its request id within whose time it is. Where several streams have calls of that id it is
of one of its own stream, else of any: a log may be several files of one process. Where several calls have that id, a
line that names the user of one of them is of that user's only; others may be of any."""

_HAS_LINE = f"""first_seq IN (SELECT c.first_seq FROM {CALLS_OF_LINES.format(condition="true")}
    JOIN lines l ON {IS_OF_CALL.format(line="l")} WHERE {{condition}})"""

_OF_CALL = f"""l.rowid IN (WITH c AS ({_CALLS}{{answers}} FROM folded_calls
        JOIN (SELECT first_seq{{questions}} FROM calls WHERE {{condition}}) USING (first_seq))
    SELECT l.rowid FROM (
        SELECT l.rowid, {_SAID}{{answers}} FROM c JOIN {_LINES}l
            ON {_IS_OF_ONE_CALL.format(line="l")} WHERE c.one_call
        UNION ALL
        SELECT l.rowid, {_SAID}{{answers}} FROM c JOIN {_LINES}l
            ON {IS_OF_CALL.format(line="l")} WHERE NOT c.one_call) l
    WHERE {{of_both}})"""
"""Nearly all ids have one call: what the others need is left out for these."""

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


def lookups(tree: Node) -> int:
    """How often a condition of this tree looks from one table into another; the time to plan it is a matter of that."""
    starts = (_OF_CALL, _HAS_LINE, _HAS_TEXT)
    return max(
        sum(one.sql.count(start.partition(" FROM")[0].partition("{")[0]) for start in starts)
        for one in (on_calls(tree), on_lines(tree))
    )


def within(sql: str, first_seq: int, end_seq: int) -> str:
    """A condition of ours on lines, which looks for these in these alone: DuckDB does not see that it may."""
    bounds = "WHERE {seq} >= {first} AND {seq} < {end}"
    texts = bounds.format(seq="seq", first=int(first_seq), end=int(end_seq))
    lines = bounds.format(seq="rowid", first=int(first_seq), end=int(end_seq))
    return sql.replace(RAW_LINES, f"(SELECT seq, line FROM {RAW_LINES} {texts})").replace(
        _LINES, f"(SELECT rowid, request_id, kind, time, stream_id, {_SAID} FROM lines l {lines}) AS "
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
    if home == "raw":
        return _wrapped(_HAS_TEXT, _condition(node, home))
    if rows == "calls":
        return _wrapped(_HAS_LINE, _condition(node, home))
    said, alone = _condition(node, "said"), _condition(node, "lone")
    found = [_of_both(node) if _may_mix(node) else _of_call(node), said]
    if alone not in (said, _NEVER):
        found.append(_wrapped(_OF_NO_CALL, alone))
    return _combined(" OR ", found)


def _of_call(node: Node) -> Condition:
    there = _condition(node, "calls")
    sql = _OF_CALL.format(questions="", answers="", condition=there.sql, of_both="true")
    return Condition(sql, there.parameters)


def _may_mix(node: Node) -> bool:
    """Whether a part of what is asked may be true of the call only, and the rest of the line only."""
    match node:
        case Conjunction():
            return any(isinstance(leaf, Test) and leaf.field.said for leaf in leaves(node))
        case Disjunction(parts):
            return any(map(_may_mix, parts))
        case _:
            return False


def _of_both(node: Node) -> Condition:
    """Each question is answered for calls; what a line has to say is put to those that can do with it.

    A call of which no answer is yes is none of these: the line must say everything then, and needs no call for it.
    """
    asked = tuple(dict.fromkeys(leaves(node)))
    answers: dict[Node, str] = {leaf: f"answer{number}" for number, leaf in enumerate(asked)}
    said: dict[Node, Condition] = {leaf: _condition(leaf, "said") for leaf in asked}
    questions = [_condition(leaf, "calls") for leaf in asked]

    def combined(node: Node, one: Callable[[Node], Condition]) -> Condition:
        match node:
            case Conjunction(parts):
                return _combined(" AND ", [combined(part, one) for part in parts])
            case Disjunction(parts):
                return _combined(" OR ", [combined(part, one) for part in parts])
            case _:
                return one(node)

    def at_best(leaf: Node) -> Condition:
        return Condition(answers[leaf] if said[leaf] == _NEVER else "true")

    def of_both(leaf: Node) -> Condition:
        return _combined(" OR ", [Condition(answers[leaf]), said[leaf]])

    pairs = combined(node, of_both)
    sql = _OF_CALL.format(
        questions="".join(
            f", ({question.sql}) AS {answer}"
            for question, answer in zip(questions, answers.values(), strict=True)
        ),
        answers="".join(f", {answer}" for answer in answers.values()),
        condition=f"({' OR '.join(answers.values())}) AND {combined(node, at_best).sql}",
        of_both=pairs.sql,
    )
    return Condition(sql, tuple(value for one in (*questions, pairs) for value in one.parameters))


def _wrapped(template: str, condition: Condition) -> Condition:
    return Condition(template.format(condition=f"({condition.sql})"), condition.parameters)


def _combined(word: Literal[" AND ", " OR "], conditions: list[Condition]) -> Condition:
    if word == " AND " and _NEVER in conditions:
        return _NEVER
    conditions = [condition for condition in conditions if condition != _NEVER] or [_NEVER]
    if len(conditions) == 1:
        return conditions[0]
    parameters = tuple(value for condition in conditions for value in condition.parameters)
    return Condition(word.join(f"({condition.sql})" for condition in conditions), parameters)


def _column(field: Field, rows: Rows) -> str | None:
    if rows == "calls":
        return field.call
    return field.line if rows != "said" or field.said else None


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
