"""A text is found in a line of JSON however an encoder writes it, and patterns say no less than conditions."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
import re2
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.query.filters.language import read_filter
from llmwatch.store.store import Store
from tests.store.helpers import opened

SPECIAL = 'aZkKsS éÉ漢😀"\\<&>\n\t\x7f/%_[*?.(İſ\u212a'
WORDS = st.text(st.sampled_from(SPECIAL), min_size=1, max_size=6)
ANY = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8)

many = settings(
    max_examples=100,
    derandomize=True,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)


@pytest.fixture(scope="module")
def store() -> Iterator[Store]:
    with opened() as opened_store:
        yield opened_store


def quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def written(text: str) -> list[str]:
    """How encoders write a text: Python's two ways, in either case of hex digits, and Go's."""
    escaped = json.dumps(text)[1:-1]
    plain = json.dumps(text, ensure_ascii=False)[1:-1]
    go = plain
    for char in "<>&":
        go = go.replace(char, f"\\u{ord(char):04x}")
    upper = "".join(
        json.dumps(char)[1:-1].upper().replace("\\U", "\\u") if not char.isascii() else json.dumps(char)[1:-1]
        for char in text
    )
    return [escaped, plain, go, upper]


def in_store(store: Store, text: str, line: str) -> bool:
    """Whether the condition of a filter finds it in a line, and RE2 agrees as far as it must."""
    found = read_filter(text)
    condition = found.on_lines()
    assert condition.sql.startswith("l.rowid IN (SELECT seq FROM raw.lines WHERE (")
    sql = condition.sql.removeprefix("l.rowid IN (SELECT seq FROM raw.lines WHERE ").removesuffix(")")
    rows = store.query(f"SELECT {sql} FROM (SELECT ?::VARCHAR AS line)", [*condition.parameters, line]).rows
    has_patterns = all(re2.search(pattern, line) for pattern in found.raw_patterns())
    assert has_patterns or not rows[0][0]
    return bool(rows[0][0])


@many
@given(text=st.one_of(WORDS, ANY), around=WORDS)
def test_an_exact_text_is_found_in_every_spelling(store: Store, text: str, around: str) -> None:
    for spelled in written(f"{around}{text}{around}"):
        assert in_store(store, quoted(text), f'{{"message": "{spelled}"}}')


@many
@given(
    text=st.text(st.sampled_from("abéÉ漢😀<"), min_size=1, max_size=3),
    other=st.text(st.sampled_from("abAéÉ漢😀<"), max_size=6),
)
def test_an_exact_text_is_found_nowhere_else(store: Store, text: str, other: str) -> None:
    for spelled in written(other):
        assert in_store(store, quoted(text), f'{{"·": "{spelled}"}}') == (text in other)


@many
@given(text=st.text(st.sampled_from("abkéÉ漢😀&i%_.["), min_size=1, max_size=5))
def test_the_case_of_a_bare_word_does_not_matter(store: Store, text: str) -> None:
    for spelled in (*written(text), *written(text.upper()), *written(text.lower())):
        assert in_store(store, text, f'{{"message": "a{spelled}"}}')


@many
@given(line=ANY, word=st.text(st.sampled_from("kis"), min_size=1, max_size=2))
def test_a_pattern_lets_all_through_that_the_condition_finds(store: Store, line: str, word: str) -> None:
    for odd in (line, line + "\u212a", "İ" + line, line + "\u017f"):
        in_store(store, word, odd)


@pytest.mark.parametrize(
    ("text", "line", "found"),
    [
        ('"abc"', r'{"m": "\u0061bc"}', False),  # no encoder writes ASCII so
        ('"a/b"', r'{"m": "a\/b"}', False),
        (r'"\u0061bc"', r'{"m": "\u0061bc"}', True),
        ('"\\"status\\": 429"', '{"status": 429}', True),
        (r'"say \"hi\""', r'{"m": "say \"hi\""}', True),
        (r'"C:\temp"', r'{"m": "C:\\temp"}', True),
        ('"é"', r'{"m": "\u00E9"}', True),
        ('"É"', r'{"m": "\u00E9"}', False),
        ("É", r'{"m": "\u00e9"}', True),
        ('"😀"', r'{"m": "\uD83D\ude00"}', True),
        ("time*out", '{"m": "a time is Out"}', True),
        ("time?out", '{"m": "a time-out"}', True),
        ("time?out", '{"m": "a timeout"}', False),
        ('"time*out"', '{"m": "a time is out"}', False),
        (r"/a\/b/", "a/b", True),
        ("/A.c/", "abc", False),
        ("/A.c/i", "abc", True),
        (r"/\Qa.c/i", "A.C", True),
        (r'"\xff"', r"cut \xff", True),  # as the store keeps bytes that are not UTF-8
    ],
)
def test_spellings(store: Store, text: str, line: str, found: bool) -> None:
    assert in_store(store, text, line) is found


@many
@given(pattern=st.text(st.sampled_from(r"ab.*+?|()[]^$\{}1,:=!<>P-dwpLN&"), min_size=1, max_size=8))
def test_duckdb_takes_every_pattern_that_is_taken(store: Store, pattern: str) -> None:
    try:
        condition = read_filter(f"/{pattern}/").on_lines()
    except Exception:  # noqa: BLE001 (refused, or no regex: test_refusals)
        return
    sql = condition.sql.replace("FROM raw.lines", "FROM (SELECT 0 AS seq, 'ab' AS line)")
    store.query(f"SELECT count(*) FROM lines l WHERE {sql}", condition.parameters)


def test_patterns_are_those_every_line_must_have() -> None:
    assert read_filter('"a b" user:alice /x+/i -"c" (d OR e)').raw_patterns() == (
        r"a\ b",
        "(?i)x+",
        "(?:(?i)d)|(?:(?i)e)",
    )
    assert read_filter('user:alice ("a" OR "b" OR /c/i)').raw_patterns() == ("(?:a)|(?:b)|(?:(?i)c)",)
    assert read_filter("a OR b").raw_patterns() == ("(?:(?i)a)|(?:(?i)b)",)
    assert read_filter("a OR user:b").raw_patterns() == read_filter('"a" OR ("b" "c")').raw_patterns() == ()
    assert read_filter("-a").raw_patterns() == ()
    assert read_filter("word").raw_patterns() == ("(?i)word",)
