"""Prices from the `genai-prices` package, taken out of its tables instead of computed call by call.

Importing the package takes a tenth of a second, so that waits for the first model nobody else prices. Its
snapshot is the one in the package: nothing here goes to the network.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from llmwatch.pricing.names import BEDROCK, PROVIDERS, ModelName
from llmwatch.pricing.price import KINDS, Price, price_per_million

if TYPE_CHECKING:
    from genai_prices.types import ModelPrice, TieredPrices

_PROVIDER_IDS = {own: own for own in PROVIDERS} | {BEDROCK: "aws"}
"""Our name of a provider to that of genai-prices. Never its own search, which falls for any text that
contains a provider's name and keeps what it has seen for ever."""


def find(name: ModelName, day: date) -> Price | None:
    """Find the price listed for noon UTC of that day: a few models of DeepSeek cost more in some hours."""
    provider_id = _PROVIDER_IDS.get(name.provider)
    if provider_id is None or name.model.startswith("arn:"):
        return None
    from genai_prices import __version__
    from genai_prices.data_snapshot import get_snapshot

    providers = get_snapshot().providers
    provider = next((provider for provider in providers if provider.id == provider_id), None)
    model = provider.find_model(name.model, all_providers=providers) if provider else None
    if model is None:
        return None
    prices = model.get_prices(datetime.combine(day, time(12), UTC))
    return _price(prices, free=model.id.endswith(":free"), source=f"genai-prices {__version__}")


def _price(prices: ModelPrice, *, free: bool, source: str) -> Price | None:
    """None when no kind of tokens has a price, unless the model is free by name, as some on OpenRouter."""
    listed: dict[str, Decimal | TieredPrices | None] = {
        kind: getattr(prices, f"{kind}_mtok") for kind in KINDS
    }
    if all(value is None for value in listed.values()):
        return price_per_million(dict.fromkeys(KINDS, Decimal(0)), None, source) if free else None
    rates: dict[str, Decimal | None] = {}
    threshold: int | None = None
    for kind, value in listed.items():
        if value is None or isinstance(value, Decimal):
            rates[kind] = value
        else:
            rates[kind] = value.base
            rates[f"long_{kind}"] = value.tiers[0].price
            threshold = value.tiers[0].start
    return price_per_million(rates, threshold, source)
