"""The page on the language says what the parser has."""

from pathlib import Path

import pytest

from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights.reader import COMMAND_WORDS, OPERATOR_WORDS
from llmwatch.query.insights.refused import REFUSED_COMMANDS, REFUSED_FUNCTIONS, REFUSED_PATTERNS
from llmwatch.query.insights.signatures import SIGNATURES

PAGE = (Path(__file__).parents[3] / "docs" / "insights.md").read_text()


@pytest.mark.parametrize("word", COMMAND_WORDS)
def test_every_command_is_known_in_any_case(word: str) -> None:
    for written in (word.lower(), word.upper(), word):
        with pytest.raises(QueryError) as refused:
            read_query(f"{written} ]")
        assert refused.value.offset == len(word) + 1


def test_every_function_has_a_line() -> None:
    lines = [f"| `{signature.written}` | {signature.meaning} |" for signature in SIGNATURES.values()]
    assert [line for line in lines if line not in PAGE.splitlines()] == []
    assert sum(line in lines for line in PAGE.splitlines()) == len(SIGNATURES)


@pytest.mark.parametrize(
    "word",
    [*COMMAND_WORDS, *sorted(OPERATOR_WORDS), *REFUSED_COMMANDS, *REFUSED_FUNCTIONS, *REFUSED_PATTERNS],
)
def test_every_word_is_told_of(word: str) -> None:
    told = PAGE.replace("SOURCE", "source")
    assert any(f"{before}{word}{after}" in told for before in "` " for after in "` ")
