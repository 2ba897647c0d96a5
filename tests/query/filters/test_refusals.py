"""What is refused, with a sentence that says what to do, and where."""

from __future__ import annotations

import time

import pytest

from llmwatch.errors import UsageError
from llmwatch.query.filters.language import LONGEST_TEXT, read_filter
from tests.query.filters.test_language import told

SAVED = {
    "a": "@b",
    "b": "x @c",
    "c": "-@a",
    "wrong": "usr:x",
    "blank": " ",
    "mine": "user:alice",
    **{f"twice{number}": f"@twice{number + 1} @twice{number + 1}" for number in range(20)},
    "twice20": "x",
}


def refused(text: str) -> tuple[str, int]:
    """The sentence, and the place of the caret."""
    with pytest.raises(UsageError) as error:
        read_filter(text, SAVED)
    told(error.value, text)
    lines = str(error.value).split("\n")
    return lines[0], lines[-1].index("^")


@pytest.mark.parametrize(
    ("text", "place", "sentence"),
    [
        ("usr:alice", 0, "no field is called 'usr': is user meant?"),
        ("ok zzz:alice", 3, "Fields are user, model, requested"),
        ('"abc', 0, "this quote is not closed"),
        ('user:"abc', 5, "this quote is not closed"),
        ('a "b"c', 2, "a space is missing"),
        ('ab"c"', 2, "a space is missing"),
        ("(a", 0, "this parenthesis is not closed"),
        ("user:(a", 5, "this parenthesis is not closed"),
        ("a)", 1, "no parenthesis is open"),
        ("()", 1, "nothing is in these parentheses"),
        ("f(x)", 1, "a space is missing before this parenthesis"),
        ("a OR", 4, "something is missing after OR"),
        ("NOT", 3, "something is missing after NOT"),
        ("or a", 0, "or stands between two filters"),
        ("a OR OR b", 5, "OR stands between two filters"),
        ("not found", 0, "write NOT, or -"),
        ("- a", 0, "a - stands directly before"),
        ("'a b'", 0, "an exact text stands in double quotes"),
        ("a , b", 2, "a comma stands between values"),
        ("user:", 5, "a value is missing"),
        ("user: alice", 5, "a value is missing"),
        ("user:a,", 7, "something is missing at the end"),
        ("user:(a b)", 8, "between the values of one field stands OR"),
        ("user:(a AND b)", 8, "between the values of one field stands OR"),
        ('user:""', 5, 'write user="" for an empty value'),
        ('""', 0, "nothing is between the quotes"),
        ("**", 0, "every line has this"),
        ("user:=x", 5, "one operator is enough: write user=x"),
        ("cost >5", 5, "an operator stands between"),
        ("cost>5m", 5, "'5m' is no number of dollars"),
        ("cost>1,5", 7, "takes one value"),
        ("cost>-1", 5, "is no number of dollars"),
        ("cost>0.1234567890123", 5, "is no number of dollars"),
        ("tokens:10,000", 10, "'000' is no number: write 500, 10k"),
        ("tokens>10m", 7, "is no number"),
        ("tokens>٣", 7, "is no number"),
        ("tokens:1.5", 7, "tokens is never a fraction"),
        ("tokens:..", 7, "the range has no end"),
        ("tokens:1..x", 10, "'x' is no number"),
        ("latency>5", 8, "with the unit"),
        ("latency>5 s", 8, "with the unit"),
        ("http:42", 5, "is no HTTP status"),
        ("status:600", 7, "is no HTTP status"),
        ("http:400..700", 10, "is no HTTP status"),
        ("status:6xx", 7, "is no HTTP status"),
        ("http>700", 5, "is no HTTP status"),
        ("error /(?=", 6, "like a /regex/ and has no end"),
        ("(-/(a|b) x", 2, "like a /regex/ and has no end"),
        (" OR ".join(f"(a user:x{number})" for number in range(21)), 0, "in at most 40 places"),
        ("status:eror", 7, "status is never 'eror': is error meant?"),
        ("status>ok", 7, "is no HTTP status"),
        ("kind:x", 5, "it is one of start, model"),
        ("is:priced", 3, "is unpriced meant?"),
        ("user>5", 5, "says nothing"),
        ("user<none", 5, "says nothing"),
        ("since:soon", 6, "'soon' is no moment"),
        ("since>5m", 6, "takes a moment and no >"),
        ("time:5m", 5, "time is a range"),
        ("time:x..5m", 5, "'x' is no moment"),
        ("a /x(?=b)/", 4, "no look-around"),
        ("/(?<!b)x/", 1, "no look-around"),
        (r"/(a)\1/", 4, "no back-references"),
        ("/(?P<n>a)(?P=n)/", 9, "RE2"),
        ("/(?P<n>a)/", 1, "have no names"),
        ("/(?<n>a)/", 1, "have no names"),
        ("/[a/", 1, "no regular expression of RE2 (missing ])"),
        ("/a{1001}/", 2, "no regular expression of RE2"),
        ("/((a{99}){99}){99}/", 4, "no regular expression of RE2"),
        ("/(.{1,30}){1,30}!/", 1, "too large"),
        ("/[ab", 0, "begins like a /regex/"),
        ("x @nobody", 2, "no filter is saved as 'nobody'"),
        ("@mne", 0, "is mine meant?"),
        ("x @a", 2, "a saved filter is a part of itself (@a → @b → @c → @a)"),
        ("x @wrong", 2, "the saved filter @wrong is refused: no field is called 'usr'"),
        ("@blank", 0, "the saved filter @blank is empty"),
        ("@twice0", 0, "a filter asks at most"),
        ("a\0b", 1, "NUL"),
        ("a\ud800", 1, "half a character"),
    ],
)
def test_refusals(text: str, place: int, sentence: str) -> None:
    said, where = refused(text)
    assert sentence in said
    assert where == place


def test_nothing_is_refused_in_a_sentence() -> None:
    for text in ("", " \n "):
        with pytest.raises(UsageError, match="there is nothing to filter by"):
            read_filter(text)


@pytest.mark.parametrize(
    "text",
    [
        "x" * (LONGEST_TEXT + 1),
        "(" * 5_000 + "a" + ")" * 4_999,
        "-" * 9_999 + "a",
        "NOT " * 2_400 + "a",
        "(a " * 3_300,
        '"' + '\\"' * 4_999,
        "a:" * 5_000,
        "a OR " * 2_000,
        '"a" ' * 2_500,
        "user:" + "a," * 4_000,
        "/" + "(" * 9_990 + "/",
        "/" * 10_000,
        "(a OR -(b " * 900,
        ")" * 10_000,
        "a = " * 2_500,
    ],
)
def test_much_of_anything_is_refused_at_once(text: str) -> None:
    began = time.process_time()
    try:
        read_filter(text)
    except UsageError as error:
        told(error, text)
    assert time.process_time() - began < 2


def test_a_long_text_is_taken() -> None:
    longest = '"' + "x" * (LONGEST_TEXT - 2) + '"'
    assert read_filter(longest).on_lines().parameters == ("x" * (LONGEST_TEXT - 2),)
