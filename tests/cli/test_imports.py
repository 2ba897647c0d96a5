"""What a command does not need it does not import: starting is quick."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests.cli.running import SAMPLE, environment

HEAVY = (
    "textual",
    "rich",
    "duckdb",
    "boto3",
    "botocore",
    "genai_prices",
    "pydantic",
    "zstandard",
    "orjson",
    "lark",
    "re2",
    "tomlkit",
    "cryptography",
    "platformdirs",
    "asyncio",
)

_PROBE = """
import sys
from llmwatch.cli.main import run
try:
    run(sys.argv[1:])
except SystemExit:
    pass
print(*sorted(sys.modules), file=sys.stderr)
"""


@pytest.mark.parametrize(
    "words", [["--version"], ["--help"], ["top", "--help"], ["tail", "--help"], ["sql", "--help"]]
)
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    assert imported(*words) & set(HEAVY) == set()


@pytest.mark.parametrize("words", [["top"], ["tail", "--no-follow", "--plain"], ["sql", "SELECT 1"]])
def test_commands_that_print_import_no_screen(words: list[str]) -> None:
    modules = imported(*words, str(SAMPLE))
    assert "duckdb" in modules
    assert modules & {"textual", "rich", "boto3", "botocore"} == set()


def imported(*words: str) -> set[str]:
    """The modules a run has imported."""
    ran = subprocess.run(
        [sys.executable, "-c", _PROBE, *words], env=environment(), capture_output=True, check=True, timeout=30
    )
    return set(ran.stderr.decode().splitlines()[-1].split())
