"""Nothing that a person or a log wrote becomes SQL."""

from __future__ import annotations

import json
import re
from decimal import Decimal

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from llmwatch.query.insights.compile import compile_query
from llmwatch.query.insights.engine import answer
from llmwatch.query.insights.fields import SYSTEM_FIELDS
from llmwatch.query.insights.functions import Surroundings
from llmwatch.query.insights.relation import Parameters
from llmwatch.query.insights.tree import (
    Binary,
    Call,
    Command,
    Dedup,
    Display,
    Field,
    Fields,
    Filter,
    InsightsQuery,
    Like,
    Membership,
    Named,
    Parse,
    Sort,
    SortKey,
    Stats,
    Text,
    Unnest,
)
from tests.query.insights.asking import NOW, stored

HOSTILE = (
    "x'; DROP TABLE lines; --",
    'a"b',
    "a`b",
    "-",
    "@x",
    "@@x",
    "$1",
    "$.a",
    "/a~1b",
    "*",
    "[0]",
    "a.b",
    ".",
    "..",
    " ",
    "é💥",
    "\\",
    "\\'",
    "';'",
    "{0}",
    "%s",
    "c1",
    "message",
    "random()",
    "\x00",
    "a\nb",
    "true ",
)
MEANT = {*SYSTEM_FIELDS, "true", "false"}
"""Names that are SQL of ours."""

words = (st.sampled_from(HOSTILE) | st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)).filter(
    lambda word: word not in MEANT
)

thorough = settings(
    max_examples=40, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)


def query_with(field: str, alias: str, text: str) -> InsightsQuery:
    """A query with these in all places that names and texts can have."""
    this, named, literal = Field((field,), 0), Field((alias,), 0), Text(text, 0)
    commands: tuple[Command, ...] = (
        Fields((Named(this, None, field, 0), Named(this, alias, field, 0)), 0),
        Parse(Field((field, text), 0), Text(f"{text}*", 0), (f"{alias}1",), 0),
        Parse(this, Text("*", 0), (f"{alias}2",), 0),
        Unnest(this, f"{alias}3", 0),
        Filter(Binary("=", named, literal, 0), 0),
        Filter(Membership(this, (literal, Text("other", 0)), False, 0), 0),
        Filter(Like(named, literal, False, 0), 0),
        Filter(Call("strcontains", (this, literal), 0), 0),
        Stats(
            (
                Named(Call("count", (), 0), text, text, 0),
                Named(Call("sortsFirst", (this,), 0), None, f"{field} first", 0),
            ),
            (Named(named, alias, alias, 0), Named(Field((f"{alias}2",), 0), None, f"{alias}2", 0)),
            0,
        ),
        Sort((SortKey(Field((alias,), 0), True, 0), SortKey(Field((text,), 0), False, 0)), 0),
        Dedup((Field((alias,), 0),), 0),
    )  # fmt: skip
    return InsightsQuery("", commands)


def words_of(sql: str) -> set[str]:
    return set(re.findall(r"'(?:[^']|'')*'|\$[0-9]+|\w+|[^\w\s]", sql))


def compiled(field: str, alias: str, text: str) -> tuple[str, list[object]]:
    plan = compile_query(query_with(field, alias, text), "every_line", Parameters(), Surroundings("", NOW))
    return plan.rows.sql, plan.rows.parameters


@thorough
@given(field=words, alias=words, text=words)
@example(field="x'; DROP TABLE kept.lines; --", alias='" OR 1=1', text="' || message || '")
def test_no_word_of_a_query_is_in_its_sql(field: str, alias: str, text: str) -> None:
    sql, _ = compiled(field, alias, text)
    harmless = [
        compiled(*those)[0]
        for those in (("it", "name", "a"), ("no.thing", "x.y", "1"), ("@nothing", "n", "b"))
    ]
    ours = set().union(*map(words_of, harmless))
    assert [word for word in words_of(sql) - ours if not re.fullmatch(r"(\$|j?c|a|k|o|)[0-9]+", word)] == []


@thorough
@given(field=words, text=words)
@example(field="a.b", text="x'")
def test_a_field_of_any_name_is_found_and_compared(field: str, text: str) -> None:
    alias = "the name"
    key = field[1:] if field.startswith("@@") else field
    hidden = field.startswith("@") and not field.startswith("@@")
    line = json.dumps({key: text, "decoy": "x"}, ensure_ascii=False)
    with stored([line, '{"decoy": "y"}']) as store:
        found = answer(store, query_with(field, alias, text), now=NOW)
        assert store.count == 2
    assert found.rows == (() if hidden else ((text, text, 1, text),))


@thorough
@given(names=st.lists(words, min_size=1, max_size=3, unique=True), value=st.integers(0, 9))
def test_steps_of_any_name_lead_into_maps(names: list[str], value: int) -> None:
    content: object = value
    for name in reversed(names):
        content = {name: content}
    field = Field(tuple(names), 0)
    if names[0].startswith("@"):
        return
    with stored([json.dumps(content)]) as store:
        query = InsightsQuery("", (Display((Named(field, "it", "it", 0),), 0),))
        assert answer(store, query, now=NOW).rows == ((value,),)
        parsed = Named(Call("jsonParse", (Field(("@message",), 0),), 0), "m", "m", 0)
        inner = Named(Field(("m", *names), 0), "it", "it", 0)
        query = InsightsQuery("", (Fields((parsed,), 0), Display((inner,), 0)))
        assert answer(store, query, now=NOW).rows == ((value,),)


@thorough
@given(number=st.decimals(allow_nan=False, allow_infinity=False))
def test_numbers_of_a_query_are_what_they_are(number: Decimal) -> None:
    from llmwatch.query.insights.compute import literal

    assert re.fullmatch(r"\(-?[0-9]+\)::BIGINT|'[-+.0-9einf]+'::DOUBLE", literal(number).sql)
