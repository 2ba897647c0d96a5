"""What the resolver promises to the store."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
from dataclasses import astuple
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwatch.pricing.overrides import Override, Overrides
from llmwatch.pricing.price import Price, PriceKey, price_per_million
from llmwatch.pricing.resolver import PriceResolver, load_overrides, table_info

if TYPE_CHECKING:
    from pathlib import Path

DAY = date(2026, 11, 21)


def resolve(
    model: str, provider: str = "bedrock", region: str | None = None, day: date = DAY
) -> Price | None:
    return PriceResolver().resolve(PriceKey(provider, model, region, day))


def per_million(price: Price | None) -> tuple[float | None, ...]:
    """Input, cache read, cache write, output."""
    assert price is not None
    rates = (price.input, price.cache_read, price.cache_write, price.output)
    return tuple(None if rate is None else float(rate * 1_000_000) for rate in rates)


def override(model: str, cents: int, **rest: object) -> Override:
    price = price_per_million({"input": Decimal(cents), "output": Decimal(cents)}, None, "override")
    return Override(model, price, **rest)  # type: ignore[arg-type]


ROUTER_MODELS = {
    "us.anthropic.claude-opus-4-6-v1": (5.5, 0.55, 6.875, 27.5),
    "us.anthropic.claude-sonnet-4-6": (3.3, 0.33, 4.125, 16.5),
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0": (3.3, 0.33, 4.125, 16.5),
    "moonshotai.kimi-k2.5": (0.6, 0.6, 0.6, 3.0),
    "moonshotai.kimi-k2-thinking": (0.6, 0.6, 0.6, 2.5),
    "deepseek.v3.2": (0.62, 0.62, 0.62, 1.85),
    "minimax.minimax-m2.1": (0.3, 0.3, 0.3, 1.2),
    "zai.glm-4.7": (0.6, 0.6, 0.6, 2.2),
    "zai.glm-4.7-flash": (0.07, 0.07, 0.07, 0.4),
    "qwen.qwen3-coder-next": (0.5, 0.5, 0.5, 1.2),
}


@pytest.mark.parametrize(("model", "expected"), ROUTER_MODELS.items())
def test_every_model_of_the_router_has_its_bedrock_price(model: str, expected: tuple[float, ...]) -> None:
    price = resolve(model)
    assert per_million(price) == expected
    assert price is not None
    assert price.source == f"bedrock table {table_info().version}"


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("openrouter", "openai/gpt-4-turbo", (10, 10, 10, 30)),
        ("openrouter", "anthropic/claude-sonnet-4.5", (3, 0.3, 3.75, 15)),
        ("openrouter", "openrouter/anthropic/claude-3.5-sonnet", (3, None, None, 15)),
        ("openai", "gpt-4o-mini", (0.15, 0.075, 0.15, 0.6)),
        ("openai", "openai/gpt-5", (1.25, 0.125, 1.25, 10)),
    ],
)
def test_other_providers_are_priced_by_genai_prices(
    provider: str, model: str, expected: tuple[float | None, ...]
) -> None:
    price = resolve(model, provider)
    assert price is not None
    assert price.source.startswith("genai-prices ")
    rates = per_million(price)
    assert all(got == want for got, want in zip(rates, expected, strict=True) if want is not None)


def test_prices_are_exact_decimals_per_token() -> None:
    price = resolve("zai.glm-4.7-flash")
    assert price is not None
    assert price.input == Decimal("0.00000007")
    assert price.output == Decimal("0.0000004")


@pytest.mark.parametrize(
    ("region", "expected"),
    [
        (None, (0.6, 3.0)),
        ("us-east-1", (0.6, 3.0)),
        ("eu-north-1", (0.72, 3.6)),
        ("EU-North-1", (0.72, 3.6)),
        ("mars-1", (0.6, 3.0)),
    ],
)
def test_a_region_has_its_row_and_others_get_the_row_without_one(
    region: str | None, expected: tuple[float, float]
) -> None:
    rates = per_million(resolve("moonshotai.kimi-k2.5", region=region))
    assert (rates[0], rates[3]) == expected


def test_long_prompts_of_sonnet_4_5_cost_more() -> None:
    price = resolve("us.anthropic.claude-sonnet-4-5-20250929-v1:0")
    assert price is not None
    assert price.threshold == 200_000
    long = (price.long_input, price.long_cache_read, price.long_cache_write, price.long_output)
    assert long == tuple(map(Decimal, ("0.0000066", "0.00000066", "0.00000825", "0.00002475")))


def test_a_model_without_a_threshold_has_no_long_prices() -> None:
    price = resolve("us.anthropic.claude-sonnet-4-6")
    assert price is not None
    assert astuple(price)[4:9] == (None,) * 5


@pytest.mark.parametrize(
    ("provider", "model"),
    [
        ("bedrock", ""),
        ("bedrock", "kimi-k25"),
        ("bedrock", "moonshotai/kimi-k2.5"),
        ("bedrock", "gpt-5"),
        ("bedrock", "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/ab12cd34ef56"),
        ("bedrock", "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-pro-v1:0/ab12cd34ef56"),
        ("nobody", "moonshotai.kimi-k2.5"),
        ("xopenaix", "gpt-5"),
        ("", "gpt-5"),
        ("openai", "whisper-1"),
    ],
)
def test_what_nobody_prices_is_none(provider: str, model: str) -> None:
    assert resolve(model, provider) is None


def test_an_anthropic_model_without_a_cache_price_does_not_guess_one() -> None:
    assert per_million(resolve("anthropic.claude-v2:1"))[1:3] == (None, None)


def test_free_is_a_price_only_where_the_name_says_so() -> None:
    assert per_million(resolve("openai/gpt-oss-20b:free", "openrouter")) == (0, 0, 0, 0)
    assert resolve("stealth/crouton-alpha", "openrouter") is None


@pytest.mark.parametrize(
    ("model", "expected", "at"),
    [
        ("anthropic/claude-3.5-sonnet", (3, 15), ""),
        ("anthropic/claude-sonnet-4.6-20260217", (3, 15), ""),
        ("anthropic/claude-opus-4.6-fast", (30, 150), ""),
        ("anthropic/claude-opus-4.6:batch", (2.5, 12.5), ""),
        ("anthropic/claude-opus-4.6:thinking", (5, 25), ""),
        ("openai/gpt-4o-mini:online", (0.15, 0.6), ""),
        ("~openai/gpt-mini-latest", (0.75, 4.5), ""),
        ("openrouter/openai/gpt-4o-mini", (0.15, 0.6), ""),
        ("x-ai/grok-3", (3, 15), " (x-ai)"),
        ("anthropic/claude-3-5-sonnet", (3, 15), " (anthropic)"),
        ("openai/text-embedding-3-small", (0.02, None), " (openai)"),
        ("google/gemini-1.5-pro", (1.25, 5), " (google)"),
    ],
)
def test_an_id_of_openrouter_has_its_price_there_or_else_that_of_its_vendor(
    model: str, expected: tuple[float | None, ...], at: str
) -> None:
    price = resolve(model, "openrouter")
    assert price is not None
    rates = per_million(price)
    assert (rates[0], rates[3]) == expected
    assert re.fullmatch(r"genai-prices [0-9.]+" + re.escape(at), price.source)


@pytest.mark.parametrize(
    "model",
    [
        "openrouter/auto",
        "anthropic/claude-opus-99-fast",
        "anthropic/claude-opus-4.6-faster",
        "anthropic/claude-sonnet-4.6:free",
        "anthropic/claude-sonnet-4.6:nitro",
        "x-ai/grok-3:floor",
        "deepseek/deepseek-reasoner",
        "openai/gpt-oss-7b",
        "google/gemma-99",
        "nobody/knows-1",
    ],
)
def test_an_id_of_openrouter_that_may_be_another_model_is_unpriced(model: str) -> None:
    assert resolve(model, "openrouter") is None


KIMI = resolve("moonshotai.kimi-k2.5")
KIMI_IN_THE_NORTH = resolve("moonshotai.kimi-k2.5", region="eu-north-1")


@pytest.mark.parametrize(
    ("provider", "model", "expected"),
    [
        ("bedrock", "bedrock/moonshotai.kimi-k2.5", KIMI),
        ("bedrock", "bedrock/converse/moonshotai.kimi-k2.5", KIMI),
        ("bedrock", "converse/moonshotai.kimi-k2.5", KIMI),
        ("bedrock", " MoonshotAI.Kimi-K2.5\n", KIMI),
        ("aws.bedrock", "moonshotai.kimi-k2.5", KIMI),
        ("Bedrock_Converse", "moonshotai.kimi-k2.5", KIMI),
        ("bedrock", "bedrock/eu-north-1/moonshotai.kimi-k2.5", KIMI_IN_THE_NORTH),
        ("bedrock", "arn:aws:bedrock:eu-north-1::foundation-model/moonshotai.kimi-k2.5", KIMI_IN_THE_NORTH),
        (
            "bedrock",
            "arn:aws:bedrock:us-east-1:111122223333:inference-profile/us.anthropic.claude-sonnet-4-6",
            resolve("us.anthropic.claude-sonnet-4-6"),
        ),
    ],
)
def test_every_form_of_an_id_has_the_price_of_the_id(provider: str, model: str, expected: Price) -> None:
    assert expected is not None
    assert resolve(model, provider) == expected


def test_the_region_of_the_log_comes_before_that_of_the_id() -> None:
    assert resolve("bedrock/eu-north-1/moonshotai.kimi-k2.5", region="us-east-1") == KIMI


def test_mantle_has_its_own_price_where_it_differs() -> None:
    runtime, mantle = resolve("openai.gpt-6-sol"), resolve("bedrock_mantle/openai.gpt-6-sol")
    assert per_million(runtime)[0] == 2.0
    assert per_million(mantle)[0] == 2.2
    assert resolve("openai.gpt-6-sol", "bedrock-mantle") == mantle
    assert resolve("bedrock_mantle/moonshotai.kimi-k2.5") == KIMI


@given(
    provider=st.sampled_from(["bedrock", "openrouter", "openai", "google", "", "\x00"])
    | st.text(max_size=20),
    model=st.text()
    | st.sampled_from(
        [
            "x" * 10_000,
            "/" * 10_000,
            "bedrock/" * 64,
            "arn:aws:bedrock:" + ":" * 400,
            "[red]moonshotai.kimi-k2.5[/red]",
            "\x1b[31mkimi\x1b[0m",
            "kimi\u202e5.2k",
            "\ud800",
            "claude" * 80,
        ]
    ),
    region=st.none() | st.text(max_size=20),
    day=st.dates(),
)
def test_no_text_breaks_the_resolver(provider: str, model: str, region: str | None, day: date) -> None:
    price = RESOLVER.resolve(PriceKey(provider, model, region, day))
    assert price is None or price.source


RESOLVER = PriceResolver(
    Overrides((Override("a*[b-c]?", price_per_million({}, None, "override")),), {"x": "y"})
)


def test_a_flood_of_invented_models_is_forgotten() -> None:
    resolver = PriceResolver()
    for number in range(9000):
        resolver.resolve(PriceKey("nobody", f"model-{number}", None, DAY))
    assert resolver._look_up_once.cache_info().currsize < 9000


def test_text_too_long_for_an_id_is_neither_looked_up_nor_remembered() -> None:
    resolver = PriceResolver(Overrides((override("*", 9),)))
    for key in (PriceKey("p", "m" * 513, None, DAY), PriceKey("p" * 513, "m", None, DAY)):
        assert resolver.resolve(key) is None
    assert resolver.resolve(PriceKey("p", "m", "r" * 513, DAY)) is None
    assert resolver._look_up_once.cache_info().currsize == 0
    assert resolver.resolve(PriceKey("p", "m" * 512, None, DAY)) is not None


def test_the_same_key_is_looked_up_once() -> None:
    resolver = PriceResolver()
    key = PriceKey("openai", "gpt-5", None, DAY)
    assert resolver.resolve(key) is resolver.resolve(PriceKey("openai", "gpt-5", None, DAY))


def test_prices_never_touch_the_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_keywords: object) -> NoReturn:
        raise AssertionError("a price went to the network")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    assert resolve("moonshotai.kimi-k2.5") is not None
    assert resolve("gpt-5", "openai") is not None
    assert resolve("nothing-like-it", "openai") is None


def run_python(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_importing_and_asking_about_bedrock_loads_no_price_package() -> None:
    loaded = run_python(
        "import sys, datetime\n"
        "from llmwatch.pricing.resolver import PriceResolver\n"
        "from llmwatch.pricing.price import PriceKey\n"
        "PriceResolver().resolve(PriceKey('bedrock', 'zai.glm-4.7', None, datetime.date(2026, 11, 21)))\n"
        "print([name for name in ('genai_prices', 'pydantic', 'duckdb', 'textual') if name in sys.modules])"
    )
    assert loaded == "[]"


def test_an_override_comes_before_every_table_and_others_are_left_alone() -> None:
    resolver = PriceResolver(
        Overrides((override("moonshotai.*", 9), override("gpt-5", 8, provider="openai")))
    )
    assert per_million(resolver.resolve(PriceKey("bedrock", "moonshotai.kimi-k2.5", None, DAY))) == (
        9,
        9,
        9,
        9,
    )
    assert per_million(resolver.resolve(PriceKey("openai", "gpt-5", None, DAY))) == (8, 8, 8, 8)
    deepseek = PriceKey("bedrock", "deepseek.v3.2", None, DAY)
    assert resolver.resolve(deepseek) == PriceResolver().resolve(deepseek)


def test_an_override_holds_from_its_first_day_to_the_day_before_its_last() -> None:
    entry = override("deepseek.v3.2", 9, valid_from=date(2026, 3, 1), valid_to=date(2026, 4, 1))
    resolver = PriceResolver(Overrides((entry,)))
    days = [date(2026, 2, 28), date(2026, 3, 1), date(2026, 3, 31), date(2026, 4, 1)]
    prices = [resolver.resolve(PriceKey("bedrock", "deepseek.v3.2", None, day)) for day in days]
    assert [price is not None and price.source == "override" for price in prices] == [
        False,
        True,
        True,
        False,
    ]


def test_an_alias_leads_to_the_price_of_its_target(tmp_path: Path) -> None:
    arn = "arn:aws:bedrock:us-east-1:111122223333:application-inference-profile/AB12cd34ef56"
    path = tmp_path / "prices.toml"
    path.write_text(f'[alias]\n"{arn}" = "bedrock/moonshotai.kimi-k2.5"\n"k" = "glm"\n')
    resolver = PriceResolver(load_overrides(path))
    assert resolver.resolve(PriceKey("bedrock", arn, None, DAY)) == KIMI
    assert resolver.resolve(PriceKey("bedrock", arn, "eu-north-1", DAY)) == KIMI_IN_THE_NORTH
    assert resolver.resolve(PriceKey("bedrock", f"bedrock/{arn}", None, DAY)) == KIMI
    assert resolver.resolve(PriceKey("bedrock", "k", None, DAY)) is None


def test_a_price_for_the_alias_itself_holds_too() -> None:
    resolver = PriceResolver(Overrides((override("kimi-k25", 9),), {"kimi-k25": "moonshotai.kimi-k2.5"}))
    assert per_million(resolver.resolve(PriceKey("bedrock", "kimi-k25", None, DAY)))[0] == 9
    assert resolver.resolve(PriceKey("bedrock", "moonshotai.kimi-k2.5", None, DAY)) == KIMI


@pytest.mark.parametrize(
    ("loser", "winner"),
    [
        (override("zai.*", 1, region="eu-*"), override("zai.glm-4.7", 2)),
        (override("zai.glm-4.7", 1), override("zai.glm-4.7", 2, region="eu-*")),
        (override("zai.*", 1), override("*", 2, region="*")),
    ],
)
def test_the_more_specific_entry_wins_wherever_it_stands(loser: Override, winner: Override) -> None:
    key = PriceKey("bedrock", "zai.glm-4.7", "eu-west-1", DAY)
    for entries in ((loser, winner), (winner, loser)):
        assert per_million(PriceResolver(Overrides(entries)).resolve(key))[0] == 2


ENTRIES = st.lists(
    st.tuples(
        st.sampled_from(["zai.glm-4.7", "zai.*", "*", "other"]),
        st.sampled_from([None, "bedrock", "openai"]),
        st.sampled_from([None, "eu-*", "eu-west-1"]),
        st.sampled_from([None, date(2026, 1, 1), date(2026, 12, 1)]),
    ),
    max_size=8,
)


@given(entries=ENTRIES, region=st.sampled_from([None, "eu-west-1", "us-east-1"]))
def test_the_most_specific_entry_wins_and_without_one_the_table_does(
    entries: list[tuple[str, str | None, str | None, date | None]], region: str | None
) -> None:
    overrides = Overrides(
        tuple(
            override(model, number, provider=provider, region=entry_region, valid_from=start)
            for number, (model, provider, entry_region, start) in enumerate(entries)
        )
    )
    price = PriceResolver(overrides).resolve(PriceKey("bedrock", "zai.glm-4.7", region, DAY))

    left = [
        (number, model, entry_region)
        for number, (model, provider, entry_region, start) in enumerate(entries)
        if model != "other" and provider != "openai" and start != date(2026, 12, 1)
        if entry_region is None or region == "eu-west-1"
    ]
    for more_specific in (lambda entry: entry[1] == "zai.glm-4.7", lambda entry: entry[2] is not None):
        left = [entry for entry in left if more_specific(entry)] or left
    if left:
        assert per_million(price)[0] == left[-1][0]
    else:
        assert price == resolve("zai.glm-4.7", region=region)
