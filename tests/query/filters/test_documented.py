"""docs/filters.md says what is so."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from llmwatch.query.filters.fields import BY_NAME, FIELDS, FLAGS
from llmwatch.query.filters.language import DEEPEST, LONGEST_TEXT, MOST_QUESTIONS, read_filter

PAGE = (Path(__file__).parents[3] / "docs" / "filters.md").read_text()
EXAMPLES = re.findall(r"```filter\n(.*?)```", PAGE, re.DOTALL)[0].splitlines()
INLINE = [
    text for text in re.findall(r"`([^`\n|]+)`", PAGE) if re.match(r"-?[a-z_]+(?::[^)]|[<>=]+\w)", text)
]


@pytest.mark.parametrize("text", [*EXAMPLES, *INLINE])
def test_examples_are_filters(text: str) -> None:
    if text != "field:value":
        read_filter(text, {"mine": "user:alice"})


def test_every_field_is_listed() -> None:
    rows = re.findall(r"^\| (`.*?) \| ", PAGE.partition("| field | is |")[2], re.MULTILINE)
    listed = [name for row in rows for name in re.findall(r"`(\w+)`", row)]
    assert sorted(listed) == sorted(field.name for field in FIELDS)


def test_every_choice_is_listed() -> None:
    for field in FIELDS:
        for choice in field.choices:
            assert f"`{choice}`" in PAGE or f"`is:{choice}`" in PAGE
    assert set(BY_NAME["is"].choices) == set(FLAGS)


def test_limits() -> None:
    assert f"{LONGEST_TEXT:,} characters, {MOST_QUESTIONS} questions and {DEEPEST} parentheses" in PAGE
