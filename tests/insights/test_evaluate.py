"""The evaluator does what AWS's pages say, and refuses what they leave open."""

from __future__ import annotations

import json
from random import Random

import pytest

from tests.insights.evaluate import Event, evaluate
from tests.insights.language import QueryError
from tests.insights.values import natural, written

NOT_NUMBERS = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh"]
SORTED = [*NOT_NUMBERS, "0", "01", "1", "2", "3"]
"""The whole example of the page on `sort`."""


def rows(text: str, *events: object) -> tuple[dict[str, str], ...]:
    return evaluate(
        text, [Event(event if isinstance(event, str) else json.dumps(event)) for event in events]
    ).rows


def test_values_sort_as_on_the_page() -> None:
    for seed in range(20):
        shuffled = Random(seed).sample(SORTED, len(SORTED))
        assert sorted(sorted(shuffled), key=natural) == SORTED


def test_fields_are_found_in_json_and_null_is_none() -> None:
    found = rows(
        "stats count(a.b) as n, sum(t) as s, max(l.1) as m, count(z) as o",
        {"a": {"b": "x"}, "t": True, "l": [1, 2], "z": None},
        "no JSON",
        '{"a": {"b": NaN}}',
    )
    assert found == ({"n": "1", "s": "1", "m": "2", "o": "0"},)


def test_a_line_that_does_not_match_stays_without_the_field() -> None:
    found = rows(
        "parse who /(?<name>[a-z]+)@/ | stats count(*) as n by name | sort n",
        {"who": "a@b"},
        {"who": "1"},
        {},
    )
    assert found == ({"n": "1", "name": "a"}, {"n": "2"})


def test_numbers_are_compared_as_numbers_and_the_rest_as_text() -> None:
    events = [{"v": "9"}, {"v": 10}, {"v": "b"}]
    assert rows("filter v > 9.5 | stats count(*) as n", *events) == ({"n": "2"},)
    assert rows('filter v < "a" | stats sum(v) as s', *events) == ({"s": "19"},)


def test_a_second_stats_sees_what_the_first_made_and_nothing_else() -> None:
    events = [{"u": "a", "v": 1}, {"u": "a", "v": 2}, {"u": "b", "v": 4}]
    assert rows("stats max(v) as m by u | filter m > 1 | stats sum(m) as s, count(u) as n", *events) == (
        {"s": "6", "n": "2"},
    )
    with pytest.raises(QueryError, match="no output"):
        rows("stats max(v) as m by u | stats sum(v) as s", *events)


@pytest.mark.parametrize(
    "text",
    [
        "filter missing = 1",
        "filter not (missing = 1)",
        "fields missing + 1 as sum",
        'filter strcontains(missing, "x") = 1',
    ],
)
def test_a_query_that_hangs_on_null_is_refused(text: str) -> None:
    with pytest.raises(QueryError, match="document"):
        rows(f"{text} | stats count(*) as n", {"a": 1})


def test_null_does_no_harm_where_it_decides_nothing() -> None:
    text = (
        "filter not (ispresent(missing) and missing > 1) and coalesce(missing, 2) = 2 | stats count(*) as n"
    )
    assert rows(text, {"a": 1}) == ({"n": "1"},)


@pytest.mark.parametrize(
    "text",
    [
        "fields 1 as a | stats count(*) as n",
        "fields 1 as x | fields 2 as x | stats count(*) as n",
        "stats max(a) as x by a | stats max(x) as x",
        "stats count(*) as x | stats max(x) as y | stats max(y) as z",
        "sort a | stats count(*) as n by a | stats sum(n) as m",
        "stats shout(a) as n",
        "stats count(*) as n |",
        "filter a = -1",
        "filter " + "a = 1 or " * 2000 + "a = 1",
    ],
)
def test_what_the_service_would_refuse_or_may(text: str) -> None:
    with pytest.raises(QueryError):
        rows(text, {"a": 1})


@pytest.mark.parametrize(
    ("value", "text"), [(3.0, "3"), (2.5, "2.5"), (2.0**60, "1.152921504606847E18"), ("3.0", "3.0")]
)
def test_numbers_are_written_short(value: float | str, text: str) -> None:
    assert written(value) == text
