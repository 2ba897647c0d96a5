"""What is wrong with a query, and where; nothing else ever comes of one."""

from __future__ import annotations

import random
import re
import time
from collections.abc import Callable
from typing import TypeVar

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights.refused import REFUSED_COMMANDS, REFUSED_FUNCTIONS, REFUSED_PATTERNS
from llmwatch.query.insights.signatures import SIGNATURES
from llmwatch.query.insights.tree import InsightsQuery
from tests.query.insights.trees import RUNBOOK, SAMPLES

LONGEST = 10_000
HERE = "‸"
"""Stands before the place of the fault."""

MALFORMED: list[tuple[str, str]] = [
    ("‸", "empty"),
    ("‸ # fields a\n", "empty"),
    ("‸| fields a", "a command is missing"),
    ("fields a |‸", "a command is missing"),
    ("fields a | ‸| limit 1", "a command is missing"),
    ("‸'fields' a", "a command is missing"),
    ("‸fieldz a", "no command `fieldz`: is `fields` meant?"),
    ("fields a\n | ‸filtre b", "is `filter` meant?"),
    ("‸nonsense", "write one of fields, display"),
    ("‸select a from b", "`llmwatch sql`"),
    ("fields‸", "the query ends"),
    ("fields a,‸", "the query ends"),
    ("fields a‸;", "separated by `|`"),
    ("fields a ‸b", "`,`, `|` or the end is expected, not `b`"),
    ("fields a\n‸filter b", "if `filter` begins a command, put `|` before"),
    ("fields a\n‸pattern b", "if `pattern` begins a command, put `|` before"),
    ("fields ‸*", "not `*`"),
    ("fields ‸by", "a field of that name stands in backticks"),
    ("fields ‸“a”", "straight"),
    ("fields ‸{a}", "backticks"),
    ("fields a‸§", "no meaning"),
    ("fields ‸5m", "length of time"),
    ("fields ‸5xx", "begins with a digit"),
    ("fields a‸.", "after the dot"),
    ("fields a‸..b", "after the dot"),
    ("fields a‸[x]", "no index"),
    ("fields a‸[-1]", "no index"),
    ("fields a‸[1234567890]", "no index"),
    ("fields ‸a.b(c)", "no function `a.b`"),
    ("fields a as‸", "a name"),
    ("fields a as ‸'b'", "a name is expected"),
    ("fields a as ‸b[0]", "no index"),
    ("fields a as x, ‸b as x", "two columns are called `x`"),
    ("display a, ‸b as a", "two columns are called `a`"),
    # functions
    ("fields ‸sume(a)", "no function `sume`: is `sum` meant?"),
    ("fields ‸Lower(a)", "is `tolower` meant?"),
    ("fields ‸zork(a)", "docs/insights.md"),
    ("fields ‸abs()", "`abs` takes 1 argument, not 0: write `abs(x)`"),
    ("fields ‸SUBSTR(a)", "`substr` takes 2 or 3 arguments, not 1"),
    ("fields ‸greatest()", "1 or more"),
    ("fields ‸now(a)", "takes 0 arguments, not 1"),
    ("fields abs‸(a", "the bracket is not closed"),
    ("fields count_distinct(‸*)", "not `*`"),
    ("fields abs(‸/x/)", "only after `like`"),
    ("fields ‸/x/", "only after `like`"),
    ("fields regexReplace(a, ‸b, c)", "written out"),
    ("stats count(*) by bin(‸5)", "whole number from 1 and one of ms"),
    ("stats count(*) by bin(‸0m)", "whole number from 1"),
    ("stats count(*) by bin(‸1.5h)", "whole number from 1"),
    ("stats count(*) by bin(‸1234567m)", "whole number from 1"),
    ("stats count(*) by bin(‸5 apples)", "one of ms"),
    ("stats count(*) by bin(‸'5m')", "such as 5m"),
    ("stats count(*) by datefloor(a, ‸b)", "such as 5m"),
    ("stats count(*) by ‸bin()", "takes 1 argument"),
    ("stats count(*) by bin(5m) ‸offset 1d", "`offset`"),
    # aggregates
    ("fields ‸count(*)", "only in `stats`"),
    ("filter 1 + ‸sum(a) > 2", "only in `stats`"),
    ("sort ‸max(a)", "only in `stats`"),
    ("stats count(*) by ‸sum(a)", "only in `stats`"),
    ("stats sum(abs(‸max(a)))", "inside another aggregate"),
    ("stats ‸1", "no aggregate"),
    ("stats ‸a", "`a` is in no aggregate"),
    ("stats count(*) as n, n / ‸`b c`", "`b c` is in no aggregate"),
    ("stats ‸n / 2, count(*) as n", "`n` is in no aggregate"),
    ("stats ‸by a", "an aggregate is missing"),
    ("stats count(*) as n by ‸n", "two columns are called `n`"),
    # operators
    ("filter a ‸== 1", "write `=`"),
    ("filter a ‸<> 1", "write `!=`"),
    ("filter a ‸&& b", "write `and`"),
    ("filter a ‸|| b", "write `or`"),
    ("filter ‸!a", "write `not`"),
    ("filter a ‸is null", "ispresent"),
    ("filter a = 1 ‸= 2", "two comparisons in a row"),
    ("filter a like 'b' ‸not in ['c']", "two comparisons in a row"),
    ("filter a not ‸b", "`in` or `like`"),
    ("filter a in ‸b", "`[` is expected"),
    ("filter a in ‸(1, 2)", "write these brackets"),
    ("filter a in [‸]", "is expected, not `]`"),
    ("filter a in ‸[1, 2", "add a `]`"),
    ("filter a not in ‸( source 'x' | fields a)", "subquery"),
    ("filter ‸(a = 1", "add a `)`"),
    ("filter ‸((a) | limit 1", "add a `)`"),
    ("filter (a ‸b)", "`,`, an operator or `)`"),
    ("filter a = 1‸)", "not `)`"),
    ("filter a like ‸b", 'a "text" is expected'),
    ("filter a =~ ‸'b'", "a `/regular expression/` is expected"),
    ("filter a and‸", "the query ends"),
    # quotes
    ('filter a = ‸"x', "the quote is not closed"),
    ("filter a = ‸'x\\'", "the quote is not closed"),
    ("filter a = 'x' or b = ‸' | limit 1", "the quote is not closed"),
    ("filter ‸`a", "the backtick is not closed"),
    ("filter ‸`` = 1", "nothing in it"),
    # regular expressions
    ("filter a like ‸/x", "not closed on its line"),
    ("filter a like ‸/x\n/", "not closed on its line"),
    ("filter a like ‸//", "is empty"),
    ("filter a like /x/‸i", "`(?i)` first"),
    ("filter a like /x/‸y/", r"slash in it as `\/`"),
    ("filter a like /b‸(?=x)/", "look-around"),
    ("filter a like /‸(?<!x)/", "look-around"),
    (r"filter a like /(x)‸\1/", "back-reference"),
    (r"filter a like /(?<n>x)‸\k<n>/", "back-reference"),
    ("filter a like /‸x(/", "no regular expression of RE2 (missing )"),
    ("filter a like /x‸++/", "bad repetition operator"),
    ("filter a like /(?:x‸{1000}){1000}/", "no regular expression of RE2"),
    ("filter a like /[‸z-a]/", "no regular expression of RE2"),
    ("filter a like /‸(?<n/", "no regular expression of RE2"),
    ("filter a like /‸(.{1,30}){1,30}!/", "too large to be quick"),
    ("fields regexReplace(a, ‸'x(?=y)', 'b')", "look-around"),
    # parse
    ("parse @message‸", "the query ends"),
    ("parse @message ‸b", "is expected, not `b`"),
    ("parse @message ‸'a * b'", "1 star in the glob and 0 names"),
    ("parse @message ‸'a * b' as x, y", "1 star in the glob and 2 names"),
    ("parse @message ‸'* *' as x", "2 stars in the glob and 1 name after"),
    ("parse @message ‸'ab' as x", "no `*`"),
    ("parse '* *' as a, ‸a", "two stars"),
    ("parse @message ‸/x(y)/", "no group"),
    ("parse @message /(?<a>x)/ ‸as b", "leave `as` out"),
    ("parse @message /(?<a>x)‸(?P<a>y)/", "two groups are called `a`"),
    ("parse @message /‸(?<a-b>x)/", "cannot be the name of a group"),
    ("parse @message /‸(?<1>x)/", "cannot be the name of a group"),
    # order and numbers
    ("limit ‸0", "from 1 to 100,000"),
    ("limit ‸100001", "from 1 to 100,000"),
    ("limit ‸" + "9" * 5000, "from 1 to 100,000"),
    ("limit ‸1.5", "whole number"),
    ("limit ‸-1", "whole number"),
    ("limit any‸", "whole number"),
    ("limit 10‸,000", "without commas"),
    ("dedup ‸'a'", "a field is expected"),
    ("dedup a | ‸sort b", "only `limit` may follow `dedup`"),
    ("dedup a | limit 1 | ‸fields b", "only `limit` may follow `dedup`"),
    ("dedup a | ‸dedup b", "only `limit` may follow `dedup`"),
    ("‸sort a | stats count(*) as n by b | stats max(n)", "follow the last one"),
    ("stats count(*) as n by b | ‸limit 1 | stats max(n)", "follow the last one"),
    ("sort a ‸sideways", "not `sideways`"),
    ("unnest a‸", "`into`"),
    ("unnest a into‸", "a name"),
    # depth and length
    ("filter " + "(" * 100 + HERE + "(" * 900, "deep"),
    ("filter " + "- " * 100 + HERE + "- " * 900 + "a", "deep"),
    ("filter " + "not " * 100 + HERE + "not " * 900 + "a", "deep"),
    ("filter " + "abs(" * 100 + HERE + "abs(" * 900 + "a", "deep"),
    ("filter a%‸" + "%".join("a" * 100), "deep"),
    ("filter " + "a^" * 100 + HERE + "a^" * 4000 + "a", "deep"),
    ("filter a in [" * 1 + "a in [" * 99 + HERE + "a in [" * 900, "deep"),
    ("#" * LONGEST + HERE + "#", "10,001 characters"),
]


@pytest.mark.parametrize(("marked", "sentence"), MALFORMED, ids=[marked[:40] for marked, _ in MALFORMED])
def test_a_fault_is_said_with_its_place_and_a_remedy(marked: str, sentence: str) -> None:
    offset, text = marked.index(HERE), marked.replace(HERE, "", 1)
    with pytest.raises(QueryError, match=re.escape(sentence)) as refused:
        read_query(text)
    assert refused.value.offset == offset
    before = text[:offset].split("\n")
    first, shown, caret = str(refused.value).split("\n")
    assert first.startswith(f"line {len(before)}, column {len(before[-1]) + 1}: ")
    assert caret.rstrip("^").strip() == ""
    assert shown[len(caret) - 1 :][:20] == text[offset:].split("\n")[0][:20]


@pytest.mark.parametrize("letter", ["\0", "\ud800"])
def test_what_is_no_text_is_refused_and_not_shown(letter: str) -> None:
    with pytest.raises(QueryError, match="NUL, or a byte that is no UTF-8") as refused:
        read_query(f"filter a = '{letter}'")
    assert refused.value.offset == 12
    assert letter not in str(refused.value)


@pytest.mark.parametrize("name", [*REFUSED_COMMANDS, *map(str.upper, REFUSED_COMMANDS)])
def test_a_command_that_the_local_engine_has_not_is_refused_wherever_it_stands(name: str) -> None:
    for text in (f"{name} a", f"fields a\n| {name}"):
        with pytest.raises(
            QueryError, match=f"`{name}` {re.escape(REFUSED_COMMANDS[name.lower()])}"
        ) as refused:
            read_query(text)
        assert refused.value.offset == text.index(name)


@pytest.mark.parametrize("name", REFUSED_FUNCTIONS)
def test_a_function_that_the_local_engine_has_not_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match=re.escape(f"`{name}` {REFUSED_FUNCTIONS[name]}")):
        read_query(f"stats {name}(a, 5m) by b")
    assert name not in SIGNATURES


@pytest.mark.parametrize("name", REFUSED_PATTERNS)
def test_a_kind_of_parse_that_the_local_engine_has_not_is_refused(name: str) -> None:
    with pytest.raises(QueryError, match=f"`{name}` of `parse`") as refused:
        read_query(f"parse @message {name.upper()} as a".replace(name.upper(), name))
    assert refused.value.offset == 15


Found = TypeVar("Found")


def deep_down(levels: int, what: Callable[[], Found]) -> Found:
    return deep_down(levels - 1, what) if levels else what()


def read_or_refused(text: str) -> InsightsQuery | QueryError:
    found: InsightsQuery | QueryError
    try:
        found = read_query(text)
    except QueryError as refused:
        found = refused
    assert not isinstance(found, QueryError) or 0 <= found.offset <= len(text)
    return found


LONG: dict[str, str] = {
    "brackets": "filter " + "(" * 5000,
    "closed brackets": "filter " + "(" * 4900 + "a" + ")" * 4900,
    "nested functions": "filter " + "abs(" * 2000 + "a" + ")" * 1900,
    "cases": "fields " + "case(a, b, " * 800 + "c" + ")" * 800,
    "negations": "filter " + "not " * 2400 + "a",
    "powers": "filter " + "a^" * 4900 + "a",
    "sums": "filter " + "+".join("a" * 4900),
    "sums in brackets": "filter " + "(a+" * 3000 + "a",
    "alternatives": "filter " + " or ".join("a" * 1900),
    "different operators": "filter " + "a or b and not c = d + e * f ^ " * 300 + "a",
    "likes": "filter " + " or ".join(["a like /x*(x)/"] * 500),
    "items": "fields " + ",".join(f"a{number}" for number in range(1400)),
    "aggregates": "stats " + ",".join(f"sum(a)/n{number}" for number in range(700)),
    "commands": "|".join(["fields a"] * 1100),
    "steps": "fields a" + ".a" * 4900,
    "indices": "fields a" + "[0]" * 3300,
    "comments": "fields a\n" + "#\n" * 4900,
    "quotes": "filter a = " + "'\\" * 4900,
    "backslashes": "filter a = '" + "\\" * 9900,
    "groups of a regex": "filter a like /" + "(" * 4900 + ")" * 4900 + "/",
    "names of a regex": "parse a /" + "(?<" * 3300 + "/",
    "named groups": "parse a /" + "".join(f"(?<n{number}>x)" for number in range(800)) + "/",
    "classes of a regex": "filter a like /" + "[" * 9900 + "/",
    "repetitions": "filter a like /" + "(x+x+)+" * 1300 + "y/",
    "stars": "parse a '" + "*" * 4900 + "' as " + ",".join("a" * 2400),
    "spaces": "fields" + " " * 9900,
    "hyphens": "filter " + "-".join("a" * 4900),
}


@pytest.mark.parametrize("text", LONG.values(), ids=LONG)
def test_the_longest_queries_are_read_or_refused_at_once_even_deep_in_the_stack(text: str) -> None:
    assert len(text) <= LONGEST
    begin = time.process_time()
    deep_down(300, lambda: read_or_refused(text))
    assert time.process_time() - begin < 1


rough = settings(max_examples=300, derandomize=True, deadline=None)


@given(
    st.text(max_size=200) | st.binary(max_size=200).map(lambda raw: raw.decode("utf-8", "surrogateescape"))
)
@rough
def test_garbage_is_a_query_or_a_fault(text: str) -> None:
    read_or_refused(text)


PIECES = [
    *"|,()[]`'\"/\\.*+-^%=<>!#@0é \n\t\x00\ud800",
    *(
        " | ",
        "fields ",
        "stats ",
        " by ",
        " as ",
        " in ",
        " not ",
        " like ",
        " and ",
        "bin(",
        "5m",
        "count(*)",
        "/x/",
    ),
]


@given(
    st.lists(st.sampled_from(PIECES), max_size=40).map("".join),
    st.sampled_from(["", "fields ", "filter a = "]),
)
@rough
def test_pieces_of_the_language_are_a_query_or_a_fault(text: str, before: str) -> None:
    read_or_refused(before + text)


@given(st.sampled_from(SAMPLES + RUNBOOK), st.integers(1, 4), st.randoms(use_true_random=False))
@rough
def test_samples_with_faults_are_a_query_or_a_fault(text: str, faults: int, chance: random.Random) -> None:
    for _ in range(faults):
        begin = chance.randrange(len(text) + 1)
        end = min(len(text), begin + chance.choice([0, 0, 1, 1, 2, 10]))
        text = text[:begin] + chance.choice([*PIECES, "", "", text[begin:end] * 2]) + text[end:]
    read_or_refused(text)
