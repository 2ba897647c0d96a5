"""What a filter is read as, and that nothing a person types gets into the SQL."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.errors import UsageError
from llmwatch.query.columns import GROUPINGS
from llmwatch.query.filters.fields import BY_NAME, FIELDS
from llmwatch.query.filters.filter import Filter
from llmwatch.query.filters.language import exact, read_filter

EVERYTHING = (
    "user:alice model:kimi* status:error cost>0.5 latency>5s tokens>=10k dialect:router source:prod* "
    '"exact text" /regex/ -user:bot (a OR b) since:15m kind:security request:416e99b0'
)


@pytest.mark.parametrize(
    ("one", "same"),
    [
        ("a b", "a AND b"),
        ("a b", "a and b"),
        ("a OR b", "a or b"),
        ("a b OR c", "(a b) OR c"),
        ("-a b", "(NOT a) b"),
        ("-(a b)", "NOT (a b)"),
        ("--a", "a"),
        ("((a))", "a"),
        ("a (b c)", "(a b) c"),
        ("user:a,b", "user:(a OR b)"),
        ("user:a,b", "user:a OR user:b"),
        ("user:(a,b or c)", "user:a,b,c"),
        ("user!=a,b", "-(user=a OR user=b)"),
        ("user=a", "user==a"),
        ("user=a", 'user = "a"'),
        ("cost>0.5", "cost > 0.5"),
        ("cost>0.5", "cost>$0.50"),
        ("cost:1k", "cost:1000"),
        ("latency>1m30s", "latency>90s"),
        ("latency>1m30s", "duration>1.5m"),
        ("tokens:1.5k", "tokens:1500"),
        ("tokens:1..2M", "tokens>=1 tokens<=2000000"),
        ("status:429", "http:429"),
        ("status:5xx", "http:500..599"),
        ("status:err*", "status:error"),
        ("STATUS:Error", "status:error"),
        ("user:NONE", "user:none"),
        ("user:none", "-user:any"),
        ("user:*", "user:any"),
        ("request_id:a", "request:a"),
        ("@mine", "user:alice"),
        ("-@mine b", "-(user:alice) b"),
        ("@both", "(user:alice OR x)"),
    ],
)
def test_ways_to_say_the_same(one: str, same: str) -> None:
    saved = {"mine": "user:alice", "both": " @mine OR x "}
    assert read_filter(one, saved).tree == read_filter(same, saved).tree


def test_a_filter_is_a_value() -> None:
    assert read_filter(" user:alice ") == read_filter("user:alice")
    assert len({read_filter("a"), read_filter("a"), read_filter("b")}) == 2
    assert read_filter(" a  b ").text == "a  b"


@pytest.mark.parametrize(
    ("text", "needs_text", "needs_calls"),
    [
        ("user:alice", False, True),
        ("kind:error request:a source:b since:1h level:error", False, False),
        ("timeout", True, False),
        ("/x/ -user:bot", True, True),
        ("is:unpriced", False, True),
    ],
)
def test_needs(text: str, needs_text: bool, needs_calls: bool) -> None:
    found = read_filter(text)
    assert (found.needs_text, found.needs_calls) == (needs_text, needs_calls)
    assert ("raw.lines" in found.on_lines().sql, "folded_calls" in found.on_lines().sql) == (
        needs_text,
        needs_calls,
    )


hostile = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30),
    st.sampled_from(
        ["none", "any", "'; DROP TABLE lines; --", '"', "\\", "a\nb", '\\"', "*", "@x", "-a", "10k", " "]
    ),
)


@settings(max_examples=300, derandomize=True, deadline=None)
@given(value=hostile, name=st.sampled_from([name for name in GROUPINGS if name in BY_NAME]))
def test_the_filter_of_a_row_reads_as_itself(value: str, name: str) -> None:
    if name == "status":
        value = "error"
    made = exact(name, value)
    assert read_filter(made.text) == made
    assert made.on_calls().parameters == (value,)
    assert read_filter(exact(name, None).text) == exact(name, None)


def test_no_row_is_of_a_field_that_is_none() -> None:
    with pytest.raises(UsageError, match="no filter stands for a row of 'team'"):
        exact("team", "a")


def words(found: Filter) -> set[str]:
    return set(re.findall(r"\w+|[^\w\s]", found.on_calls().sql + found.on_lines().sql))


VOCABULARY = set().union(
    *(words(exact(field.name, "a")) for field in FIELDS if field.type == "text"),
    *(
        words(read_filter(f"{field.name}:any"))
        for field in FIELDS
        if field.type not in ("since", "until", "flag")
    ),
    *(
        words(read_filter(text))
        for text in (
            EVERYTHING,
            f"-({EVERYTHING}) é",
            "is:unpriced is:unmetered is:llm since:today since:2026-02-27 http<5xx or http>200".replace(
                "<5xx", ":5xx"
            ),
            "cost<1 cost<=1 cost>=1 input>1 output<1 cache_read>=1 cache_write:1 lines>1 user:none level:a message:a",
        )
    ),
)
"""All words of the SQL that there are."""

PLACES = (
    "{}", '"{}"', "/{}/", "/{}/i", "-{}", "({})", "{}:x", "{}=x", "@{}",
    *(f"{field.name}{sign}{{}}" for field in FIELDS for sign in (":", "=", "!=", ">")),
    *(f'{field.name}:"{{}}"' for field in FIELDS), "user:({} OR b)", "user:a,{}", "latency:{}..5s", "time:{}..1h",
)  # fmt: skip


@settings(max_examples=1000, derandomize=True, deadline=None)
@given(place=st.sampled_from(PLACES), text=st.one_of(st.text(max_size=20), hostile))
def test_nothing_typed_gets_into_the_sql(place: str, text: str) -> None:
    typed = place.format(text)
    try:
        found = read_filter(typed, {"x": "a"})
    except UsageError as error:
        told(error, typed)
        return
    assert words(found) <= VOCABULARY
    for condition in (found.on_calls(), found.on_lines()):
        assert condition.sql.count("?") == len(condition.parameters)


def told(error: UsageError, typed: str) -> None:
    """Every refusal has a sentence, and a caret under a place in the text."""
    sentence, *place = str(error).split("\n")
    assert sentence
    if typed.strip():
        shown, pointer = place[-2:]
        assert re.fullmatch(" *\\^", pointer)
        assert len(pointer) <= len(shown) + 1


def test_reading_takes_no_time() -> None:
    read_filter(EVERYTHING)
    began = time.process_time()
    for _ in range(20):
        read_filter(EVERYTHING)
    assert (time.process_time() - began) / 20 < 0.01
