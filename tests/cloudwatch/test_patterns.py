"""Filter patterns."""

from __future__ import annotations

import pytest

from tests.cloudwatch.errors import ServiceError
from tests.cloudwatch.patterns import compiled


@pytest.mark.parametrize(
    ("pattern", "hits", "misses"),
    [
        ("error 404", ["404 is an error"], ["error 405", "Error 404", "errors 404"]),
        ('"not found"', ["was not found."], ["found not", "not foundation"]),
        (r'"a \"b\""', ['a "b"'], ["a b"]),
        ("?error ?warn", ["error", "a warn"], ["info"]),
        ("error -retry", ["error"], ["error retry", "retry"]),
        ('{ $.a.b = "x" }', ['{"a": {"b": "x"}}'], ['{"a": {"b": "xy"}}', '{"a": "x"}', "x", "[1]"]),
        ("{$.status = 200}", ['{"status": 200}', '{"status": 200.0}'], ['{"status": "200"}', "{}"]),
        ('{ $.a = "x" && $.b = 1 }', ['{"a": "x", "b": 1}'], ['{"a": "x"}', '{"a": "x", "b": true}']),
        ('{ $.a = "x" || $.a = "y" }', ['{"a": "x"}', '{"a": "y"}'], ['{"a": "z"}']),
    ],
)
def test_matches(pattern: str, hits: list[str], misses: list[str]) -> None:
    match = compiled(pattern)
    assert match is not None
    assert [match(message) for message in hits] == [True] * len(hits)
    assert [match(message) for message in misses] == [False] * len(misses)


def test_nothing_matches_all() -> None:
    assert compiled("") is None
    assert compiled("  ") is None


@pytest.mark.parametrize(
    "pattern",
    [
        "a.b",
        "%a%",
        "[a, b]",
        '"open',
        "?a b",
        '{ $.a = "x*" }',
        "{ $.a > 1 }",
        "{ $.a IS NULL }",
        "{",
        "x" * 1025,
        '{ $.a = "x" && $.b = 1 || $.c = 1 }',
        '{ ($.a = "x") }',
    ],
)
def test_the_rest_is_refused(pattern: str) -> None:
    with pytest.raises(ServiceError) as caught:
        compiled(pattern)
    assert caught.value.code == "InvalidParameterException"
