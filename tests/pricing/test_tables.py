"""The bundled Bedrock table, the script that makes it, and the agreement with genai-prices."""

from __future__ import annotations

import json
import subprocess
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from genai_prices import Usage, calc_price
from genai_prices.data_snapshot import get_snapshot
from genai_prices.types import ModelPrice, TieredPrices

import llmwatch.pricing
from llmwatch.pricing import genai
from llmwatch.pricing.names import PROVIDERS
from llmwatch.pricing.price import Price, PriceKey, price_per_million
from llmwatch.pricing.resolver import PriceResolver, table_info

DAY = date(2026, 11, 21)
REPOSITORY = Path(__file__).parents[2]
DATA = Path(llmwatch.pricing.__file__).parent / "data"
TABLE = json.loads((DATA / "bedrock_prices.json").read_text(encoding="utf-8"))


def test_the_table_says_where_it_is_from() -> None:
    info = table_info()
    assert info.version == TABLE["version"]
    assert info.date.isoformat() == TABLE["date"]
    assert info.models == len(TABLE["prices"]) > 300
    assert "MIT" in TABLE["licence"]
    licence = (DATA / "LICENSE-litellm.txt").read_text(encoding="utf-8")
    assert "Copyright (c) 2023 Berri AI" in licence
    assert "Permission is hereby granted" in licence


def test_every_row_of_the_table_is_a_sane_price_of_its_own_key() -> None:
    resolver = PriceResolver()
    for model, regions in TABLE["prices"].items():
        provider = "bedrock-mantle" if model.startswith("mantle/") else "bedrock"
        for region, row in regions.items():
            price = resolver.resolve(PriceKey(provider, model.removeprefix("mantle/"), region or None, DAY))
            assert price is not None
            assert price.input == Decimal(row[0]).scaleb(-6)
            assert price.output == Decimal(row[3]).scaleb(-6)
            assert Decimal("1E-9") < price.input <= price.output * 3 < Decimal("0.001")
            assert price.cache_read is None or price.cache_read <= price.input
            assert (price.threshold is None) == (price.long_input is None)
            assert price.long_input is None or price.long_input > price.input


def test_the_table_is_small_and_in_order() -> None:
    assert (DATA / "bedrock_prices.json").stat().st_size < 40_000
    assert list(TABLE["prices"]) == sorted(TABLE["prices"])


PUBLISHED = {
    "sample_spec": {"litellm_provider": "one of the providers", "mode": "one of the modes"},
    "us.vendor.big-v1:0": {
        "litellm_provider": "bedrock_converse",
        "mode": "chat",
        "input_cost_per_token": 6e-07,
        "output_cost_per_token": 3.0000000000000004e-06,
        "cache_read_input_token_cost": 6e-08,
        "input_cost_per_token_above_200k_tokens": 1.2e-06,
        "output_cost_per_token_above_200k_tokens": 4.5e-06,
        "input_cost_per_token_batches": 3e-07,
    },
    "bedrock/eu-north-1/vendor.small": {
        "litellm_provider": "bedrock",
        "mode": "chat",
        "input_cost_per_token": 7.2e-07,
        "output_cost_per_token": 3.6e-06,
    },
    "vendor.small": {
        "litellm_provider": "bedrock_converse",
        "mode": "chat",
        "input_cost_per_token": 6e-07,
        "output_cost_per_token": 3e-06,
    },
    "bedrock_mantle/vendor.small": {
        "litellm_provider": "bedrock_mantle",
        "mode": "chat",
        "input_cost_per_token": 6.6e-07,
        "output_cost_per_token": 3.3e-06,
    },
    "bedrock_mantle/vendor.new": {
        "litellm_provider": "bedrock_mantle",
        "mode": "responses",
        "input_cost_per_token": 1e-06,
        "output_cost_per_token": 2e-06,
    },
    "vendor.embed": {"litellm_provider": "bedrock", "mode": "embedding", "input_cost_per_token": 1e-07},
    "bedrock/*/1-month-commitment/vendor.small": {
        "litellm_provider": "bedrock",
        "mode": "chat",
        "input_cost_per_second": 0.01,
    },
    "gpt-5": {
        "litellm_provider": "openai",
        "mode": "chat",
        "input_cost_per_token": 1.25e-06,
        "output_cost_per_token": 1e-05,
    },
}


@pytest.mark.parametrize("form", ["json", "wheel"])
def test_the_script_takes_bedrocks_rows_exactly(tmp_path: Path, form: str) -> None:
    published, output = tmp_path / "published", tmp_path / "table.json"
    if form == "json":
        published.write_text(json.dumps(PUBLISHED), encoding="utf-8")
    else:
        with zipfile.ZipFile(published, "w") as wheel:
            wheel.writestr("litellm/model_prices_and_context_window_backup.json", json.dumps(PUBLISHED))
    command = [sys.executable, "-m", "scripts.bedrock_prices", str(published)]
    options = ["--version", "9.9", "--date", "2026-11-21", "--output", str(output)]
    done = subprocess.run([*command, *options], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    table = json.loads(output.read_text(encoding="utf-8"))
    assert (table["version"], table["date"]) == ("9.9", "2026-11-21")
    assert table["columns"] == TABLE["columns"]
    assert table["prices"] == {
        "mantle/vendor.small": {"": ["0.66", None, None, "3.3"]},
        "us.vendor.big-v1:0": {"": ["0.6", "0.06", None, "3", "200000", "1.2", None, None, "4.5"]},
        "vendor.new": {"": ["1", None, None, "2"]},
        "vendor.small": {"": ["0.6", None, None, "3"], "eu-north-1": ["0.72", None, None, "3.6"]},
    }
    assert "1-month-commitment" in done.stderr
    assert "embed" not in done.stderr


def test_what_binary_floats_add_to_a_price_is_dropped() -> None:
    assert price_per_million({"input": Decimal("0.18000000000000002")}, None, "").input == Decimal("1.8E-7")


def cost(price: Price, fresh: int, read: int, written: int, output: int) -> Decimal | None:
    long = price.threshold is not None and fresh + read + written > price.threshold
    rates = (
        (price.long_input, price.long_cache_read, price.long_cache_write, price.long_output)
        if long
        else (price.input, price.cache_read, price.cache_write, price.output)
    )
    parts = [
        None if rate is None else rate * n
        for rate, n in zip(rates, (fresh, read, written, output), strict=True)
        if n
    ]
    return None if None in parts else sum((part for part in parts if part is not None), Decimal(0))


def tiers(prices: ModelPrice) -> int:
    return max(
        (len(value.tiers) for value in vars(prices).values() if isinstance(value, TieredPrices)), default=0
    )


@pytest.mark.parametrize(
    "provider", ["anthropic", "openai", "openrouter", "google", "moonshotai", "deepseek"]
)
@pytest.mark.parametrize("counts", [(1000, 0, 0, 500), (1000, 7000, 300, 500), (150_000, 200_000, 3, 9000)])
def test_our_arithmetic_agrees_with_that_of_genai_prices(
    provider: str, counts: tuple[int, int, int, int]
) -> None:
    assert provider in PROVIDERS
    resolver = PriceResolver()
    fresh, read, written, output = counts
    usage = Usage(
        input_tokens=fresh + read + written,
        cache_read_tokens=read,
        cache_write_tokens=written,
        output_tokens=output,
    )
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    compared = 0
    for model in next(p for p in get_snapshot().providers if p.id == provider).models:
        prices = model.get_prices(noon)
        price = resolver.resolve(PriceKey(provider, model.id, None, DAY))
        if price is None or tiers(prices) > 1 or prices.requests_kcount:
            continue
        ours = cost(price, *counts)
        if ours is None:
            continue
        theirs = calc_price(usage, model.id, provider_id=provider, genai_request_timestamp=noon).total_price
        assert abs(ours - theirs) <= theirs / 10**9, model.id
        compared += 1
    assert compared >= 5


def test_the_vendors_that_prices_of_openrouter_are_taken_from_ask_what_it_asks() -> None:
    noon = datetime(2026, 11, 21, 12, tzinfo=UTC)
    same: list[bool] = []
    for model in next(p for p in get_snapshot().providers if p.id == "openrouter").models:
        there, theirs = genai._price(model, noon), genai._of_vendor(model.id, noon)
        if there and theirs:
            same.append((there.input, there.output) == (theirs.input, theirs.output))
    assert len(same) > 100
    assert sum(same) / len(same) > 0.97
