"""Filters find what they say, on calls and on lines of random logs: a second evaluation, in plain Python, agrees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.query.filters.language import read_filter
from tests.query.filters.meaning import (
    COLUMNS,
    FLAGS,
    Both,
    Either,
    Negated,
    Question,
    Tree,
    Words,
    matching_calls,
    matching_lines,
)
from tests.query.filters.world import World, crowd, world

PLAIN = re.compile(r"[A-Za-z0-9._/@-]{1,40}")
TEXTS = (
    "user",
    "model",
    "requested",
    "provider",
    "path",
    "error_text",
    "request",
    "source",
    "stream",
    "dialect",
)
TEXTS_OF_LINES = ("level", "message")
COUNTS = ("tokens", "input", "cache_read", "cache_write", "output", "lines")
KINDS = (
    "start",
    "model",
    "usage",
    "error",
    "end",
    "call",
    "process",
    "security",
    "info",
    "malformed",
    "unrecognised",
)
STATUSES = ("ok", "error", "aborted", "open", "unfinished")
WORDS = (
    "Request",
    "routing",
    "Converse",
    "USER0",
    "example.com",
    "timeout",
    "error",
    "Mantle",
    "usage",
    "5",
    "nowhere",
)


@dataclass(repr=False, eq=False)
class Logs:
    """Some days, and filters that find something in them."""

    days: Sequence[World]
    trees: st.SearchStrategy[Tree]


@pytest.fixture(scope="module")
def logs() -> Iterator[Logs]:
    with ExitStack() as stack:
        days = [
            stack.enter_context(world(*day))
            for day in ((1, 20, 0.0), (2, 20, 1.0), (3, 25, 0.5), (4, 8, 1.0))
        ]
        days += [stack.enter_context(crowd(seed)) for seed in (1, 2)]
        yield Logs(days, trees(Values({field: known(days, column) for field, column in COLUMNS.items()})))


class Values(dict[str, Sequence[object]]):
    """A field → what the logs have in it."""

    def __repr__(self) -> str:
        return "values"  # hypothesis prints them many times over


def known(days: Sequence[World], column: str) -> Sequence[object]:
    found = {row.get(column) for day in days for row in (*day.calls, *day.lines)} - {None}
    return sorted(found, key=str)


@st.composite
def texts(draw: st.DrawFn, values: Values, fields: Sequence[str]) -> Question:
    field = draw(st.sampled_from(fields))
    plain = [str(value) for value in values[field] if PLAIN.fullmatch(str(value))] or ["nowhere"]
    value = draw(st.sampled_from(plain))
    if draw(st.booleans()):
        return Question(field, "=", f'"{value}"', value)
    begin = draw(st.integers(0, len(value) - 1))
    part = value[begin : draw(st.integers(begin + 1, len(value)))]
    part = draw(st.sampled_from((part, part.swapcase(), f"{part}*", f"*{part}", part.replace("o", "?"))))
    if part.strip("*.") in ("", "none", "any") or part[0] in "=<>":
        part = value
    return Question(field, ":", part, part)


@st.composite
def numbers(draw: st.DrawFn, values: Values, fields: Sequence[str]) -> Question:
    field = draw(st.sampled_from(fields))
    value = draw(st.sampled_from([*values[field], 0, 1, 200, 1000]))
    number = value if isinstance(value, Decimal) else int(str(value))
    if field == "http" and not 100 <= number <= 999:
        number = 429
    unit = "ms" if field == "latency" else ""
    return Question(
        field,
        draw(st.sampled_from((":", "=", ">", ">=", "<", "<="))),
        f"{number:f}{unit}" if isinstance(number, Decimal) else f"{number}{unit}",
        number,
    )


def choices(field: str, values: Sequence[str]) -> st.SearchStrategy[Question]:
    return st.sampled_from(values).map(lambda value: Question(field, "=", value, value))


MOMENTS = st.builds(
    lambda field, minutes: Question(field, ":", f"{minutes}m", timedelta(minutes=minutes)),
    st.sampled_from(("since", "until")),
    st.integers(0, 30),
)
LINE_WORDS = st.builds(
    lambda word, quoted: Words(f'"{word}"' if quoted else word), st.sampled_from(WORDS), st.booleans()
)


def trees(values: Values) -> st.SearchStrategy[Tree]:
    counts = tuple(field for field in (*COUNTS, "http", "latency", "cost") if values[field])
    leaves: st.SearchStrategy[Tree] = st.one_of(
        texts(values, TEXTS),
        texts(values, TEXTS_OF_LINES),
        numbers(values, counts),
        choices("status", STATUSES),
        choices("kind", KINDS),
        st.sampled_from([Question(name, ":", "", True) for name in FLAGS]),
        st.sampled_from([Question(name, ":", "any", True) for name in (*TEXTS, *TEXTS_OF_LINES, *counts)]),
        MOMENTS,
        LINE_WORDS,
        LINE_WORDS,
    )
    return st.recursive(
        leaves,
        lambda inner: st.one_of(
            st.builds(Negated, inner, st.booleans()),
            st.builds(Both, st.tuples(inner, inner)),
            st.builds(Both, st.tuples(inner, inner, inner)),
            st.builds(Either, st.tuples(inner, inner)),
        ),
        max_leaves=7,
    )


many = settings(
    max_examples=200,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.function_scoped_fixture],
)


@many
@given(data=st.data())
def test_what_a_filter_finds_is_what_it_says(logs: Logs, data: st.DataObject) -> None:
    day = data.draw(st.sampled_from(logs.days))
    tree = data.draw(logs.trees)
    found = read_filter(str(tree))
    assert day.matching_calls(found.on_calls()) == matching_calls(tree, day)
    assert day.matching_lines(found.on_lines()) == matching_lines(tree, day)


NAMED = tuple(
    Question(field, sign, value, value)
    for field, values in (
        ("user", ("alice", "bob", "dora")),
        ("model", ("kimi*", "opus", "sonnet")),
        ("requested", ("kimi", "opus")),
    )
    for value in values
    for sign in (":", "=")
    if sign == ":" or "*" not in value
) + tuple(Question(field, ":", "any", True) for field in ("user", "model", "requested"))
OTHERS: tuple[Tree, ...] = (
    *(Question("status", "=", value, value) for value in STATUSES),
    *(Question("kind", "=", value, value) for value in ("usage", "security", "end")),
    Question("http", "=", "500", 500),
    Words("timeout"),
)


@pytest.mark.parametrize("seed", range(3))
def test_who_is_who_in_a_crowd(seed: int) -> None:
    random = Random(seed)
    with crowd(seed) as day:
        for _ in range(15):
            named, other = random.choice(NAMED), random.choice((*NAMED, *OTHERS, *OTHERS))
            for tree in (
                Both((named, other)),
                Either((named, other)),
                Both((named, Negated(other))),
                Both((Either((named, OTHERS[0])), other)),
            ):
                found = read_filter(str(tree))
                assert day.matching_calls(found.on_calls()) == matching_calls(tree, day), str(tree)
                assert day.matching_lines(found.on_lines()) == matching_lines(tree, day), str(tree)


@many
@given(data=st.data())
def test_a_negation_finds_all_the_others(logs: Logs, data: st.DataObject) -> None:
    day = data.draw(st.sampled_from(logs.days))
    tree = data.draw(logs.trees)
    plain, negated = read_filter(str(tree)), read_filter(f"-({tree})")
    calls = {call["first_seq"] for call in day.calls}
    assert day.matching_calls(plain.on_calls()) == calls - day.matching_calls(negated.on_calls())
    lines = {line["seq"] for line in day.lines}
    assert day.matching_lines(plain.on_lines()) == lines - day.matching_lines(negated.on_lines())
