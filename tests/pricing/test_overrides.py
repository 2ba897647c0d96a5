"""The user's price file: what it means, and what a mistake in it says."""

from __future__ import annotations

import re
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from llmwatch.errors import UsageError
from llmwatch.pricing.price import PriceKey
from llmwatch.pricing.resolver import Overrides, PriceResolver, load_overrides

DOCUMENTATION = Path(__file__).parents[2] / "docs" / "pricing.md"


def load(tmp_path: Path, text: str) -> Overrides:
    path = tmp_path / "prices.toml"
    path.write_text(text, encoding="utf-8")
    return load_overrides(path)


def test_the_example_of_the_documentation_means_what_it_says(tmp_path: Path) -> None:
    example = re.search(r"```toml\n(.*?)```", DOCUMENTATION.read_text(encoding="utf-8"), re.DOTALL)
    assert example is not None
    resolver = PriceResolver(load(tmp_path, example[1]))

    def input_price(
        provider: str, model: str, region: str | None, day: date = date(2026, 11, 21)
    ) -> Decimal | None:
        price = resolver.resolve(PriceKey(provider, model, region, day))
        assert price is not None
        return None if price.input is None else price.input * 1_000_000

    assert input_price("bedrock", "moonshotai.kimi-k2.5", None) == Decimal("0.45")
    assert input_price("bedrock", "kimi-k25", None) == Decimal("0.45")
    assert input_price("bedrock", "moonshotai.kimi-k2.5", "eu-north-1") == Decimal("0.54")
    assert input_price("bedrock", "moonshotai.kimi-k2.5", None, date(2027, 1, 1)) == Decimal("0.6")
    assert input_price("bedrock", "eu.anthropic.claude-sonnet-4-5-20250929-v1:0", None) == 3
    assert input_price("vllm", "local/llama", None) == 0
    profile = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/ab12cd34ef56"
    assert input_price("bedrock", profile, None) == Decimal("3.3")


def test_prices_are_per_million_tokens_and_exact(tmp_path: Path) -> None:
    overrides = load(tmp_path, '[[price]]\nmodel = "M"\ninput_per_million = 0.1\noutput_per_million = 3\n')
    price = overrides.entries[0].price
    assert (price.input, price.cache_read, price.output) == (Decimal("1E-7"), None, Decimal("0.000003"))


def test_a_long_price_that_is_missing_is_the_short_one(tmp_path: Path) -> None:
    text = (
        '[[price]]\nmodel = "m"\ninput_per_million = 1\noutput_per_million = 2\nlong_above_tokens = 200_000\n'
    )
    price = load(tmp_path, text + "long_input_per_million = 4\n").entries[0].price
    assert (price.threshold, price.long_input, price.long_output) == (
        200_000,
        Decimal("4E-6"),
        Decimal("2E-6"),
    )


def test_an_empty_file_overrides_nothing(tmp_path: Path) -> None:
    assert load(tmp_path, "") == Overrides()


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("[[price]\n", ("line 1", "TOML")),
        ("prices = 1\n", ("'prices'", "price, alias")),
        ("[price]\nmodel = 'm'\n", ("[[price]]",)),
        ("price = 3\n", ("[[price]]",)),
        ("[[price]]\ninput_per_million = 1\n", ("price entry 1", "no model")),
        ("[[price]]\nmodel = ''\ninput_per_million = 1\n", ("price entry 1", "model")),
        ("[[price]]\nmodel = 3\ninput_per_million = 1\n", ("price entry 1", "model", "quotes")),
        ("[[price]]\nmodel = 'm'\n", ("price entry 1", "'m'", "no price", "input_per_million")),
        ("[[price]]\nmodel = 'm'\ninput = 1\n", ("price entry 1", "'input'", "input_per_million")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = '1'\n", ("input_per_million", "without quotes")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = true\n", ("input_per_million", "not a number")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = nan\n", ("input_per_million", "not a number")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = inf\n", ("input_per_million", "not a number")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = -0.5\n", ("input_per_million", "negative")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = 6e-7\n", ("input_per_million", "per million tokens")),
        (
            "[[price]]\nmodel = 'm'\ninput_per_million = 1e999999\n",
            ("input_per_million", "per million tokens"),
        ),
        (
            "[[price]]\nmodel = 'a'\ninput_per_million = 1\n[[price]]\nmodel = 'b'\ninput_per_million = -1\n",
            ("price entry 2", "'b'"),
        ),
        ("[[price]]\nmodel = 'm'\ninput_per_million = 1\nregion = 1\n", ("region", "quotes")),
        ("[[price]]\nmodel = 'm'\ninput_per_million = 1\nvalid_from = '2026-01-01'\n", ("valid_from", "day")),
        (
            "[[price]]\nmodel = 'm'\ninput_per_million = 1\nvalid_to = 2026-01-01T00:00:00Z\n",
            ("valid_to", "day"),
        ),
        (
            "[[price]]\nmodel = 'm'\ninput_per_million = 1\nvalid_from = 2026-02-01\nvalid_to = 2026-01-01\n",
            ("price entry 1", "2026-02-01", "2026-01-01"),
        ),
        (
            "[[price]]\nmodel = 'm'\ninput_per_million = 1\nlong_above_tokens = 9\n",
            ("long_above_tokens", "both"),
        ),
        ("[[price]]\nmodel = 'm'\ninput_per_million = 1\nlong_input_per_million = 9\n", ("both",)),
        (
            (
                "[[price]]\nmodel = 'm'\ninput_per_million = 1\nlong_above_tokens = 1.5\n"
                "long_input_per_million = 9\n"
            ),
            ("long_above_tokens", "tokens"),
        ),
        ("alias = 3\n", ("alias", "[alias]")),
        ("[alias]\na = 3\n", ("alias", "'a' is not a text")),
        ("[alias]\na = 'b'\nb = 'c'\n", ("alias", "'a'", "'b'")),
        ("x = " + "[" * 5000, ("TOML",)),
    ],
)
def test_a_mistake_gives_one_sentence_with_its_place(
    tmp_path: Path, text: str, parts: tuple[str, ...]
) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, text)
    sentence = str(refused.value)
    assert sentence.startswith(str(tmp_path / "prices.toml"))
    assert all(part in sentence for part in parts), sentence
    assert "\n" not in sentence
    assert sentence.endswith(".")
    assert len(sentence) < len(str(tmp_path)) + 400


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    (tmp_path / "latin.toml").write_bytes(b"# caf\xe9\n")
    for name, part in (("missing.toml", "No such file"), ("latin.toml", "UTF-8"), (".", "directory")):
        with pytest.raises(UsageError, match=part) as refused:
            load_overrides(tmp_path / name)
        assert str(tmp_path / name) in str(refused.value)


def test_control_characters_in_the_file_do_not_reach_the_message(tmp_path: Path) -> None:
    with pytest.raises(UsageError) as refused:
        load(tmp_path, '[[price]]\nmodel = "\\u001b[31mm"\ninput_per_million = -1\n"\\u001b[0m" = 1\n')
    assert "\x1b" not in str(refused.value)
    with pytest.raises(UsageError) as refused:
        load(tmp_path, '[alias]\n"\\u001b[31mm" = 1\n')
    assert "\x1b" not in str(refused.value)
