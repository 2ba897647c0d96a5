"""Prices from the `genai-prices` package, taken out of its tables instead of computed call by call.

Importing the package takes a tenth of a second, so that waits for the first model nobody else prices. Its
snapshot is the one in the package: nothing here goes to the network.
"""

from __future__ import annotations

import re
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import TYPE_CHECKING

from llmwatch.pricing.names import BEDROCK, PROVIDERS, ModelName
from llmwatch.pricing.price import KINDS, Price, price_per_million

if TYPE_CHECKING:
    from genai_prices.types import ModelInfo, TieredPrices

_PROVIDER_IDS = {own: own for own in PROVIDERS} | {BEDROCK: "aws"}
"""Our name of a provider to that of genai-prices. Never its own search, which falls for any text that
contains a provider's name and keeps what it has seen for ever."""

_SAME_PRICE = (":thinking", ":beta", ":online")
"""Endings of OpenRouter's ids with which a token costs what it does without, unless the table has its own price. With
others it may not: `:free` and `:batch` are prices themselves, `:nitro` and `:floor` choose who serves the model."""

_AT_LIST_PRICE = re.compile(
    r"(?P<vendor>anthropic|openai|google|x-ai)/(?P<model>(?!gpt-oss|gemma).+)", re.DOTALL
)
"""Ids on OpenRouter of models that only their vendors sell, at their own price: of the 110 that both list in
genai-prices 0.2.3, 108 cost the same at both. Open models cost what a host asks: of DeepSeek's, one of six does."""

_EDITION = re.compile(r"-(?:\d{8}|\d{4}-\d\d-\d\d|latest)$")


def find(name: ModelName, day: date) -> Price | None:
    """Find the price listed for noon UTC of that day: a few models of DeepSeek cost more in some hours."""
    provider_id = _PROVIDER_IDS.get(name.provider)
    if provider_id is None or name.model.startswith("arn:"):
        return None
    noon = datetime.combine(day, time(12), UTC)
    model = _listed(provider_id, name.model)
    if provider_id == "openrouter" and model is None:
        return _find_on_openrouter(name.model, noon)
    return _price(model, noon) if model else None


def _find_on_openrouter(written: str, noon: datetime) -> Price | None:
    """The price of an id that its table lacks: of the model without an ending, or of its vendor."""
    for ending in _SAME_PRICE:
        written = written.removesuffix(ending)
    model = _listed("openrouter", written)
    return _price(model, noon) if model else _of_vendor(written, noon)


def _of_vendor(written: str, noon: datetime) -> Price | None:
    """The price that its vendor has for a model on OpenRouter, where it is the same there."""
    sold = _AT_LIST_PRICE.fullmatch(written)
    if sold is None:
        return None
    wanted = sold["model"]
    model = _listed(sold["vendor"], wanted) or _listed(sold["vendor"], wanted.replace(".", "-"))
    # The vendor's table also takes ids that only begin alike, and they may be others: a `-fast` costs six times more.
    if model is None or _undated(model.id) != _undated(wanted):
        return None
    return _price(model, noon, at=sold["vendor"])


def _undated(model: str) -> str:
    """An id as vendors and OpenRouter both spell it, without its edition."""
    return _EDITION.sub("", model.lower()).replace(".", "-")


def _listed(provider_id: str, model: str) -> ModelInfo | None:
    from genai_prices.data_snapshot import get_snapshot

    providers = get_snapshot().providers
    provider = next((provider for provider in providers if provider.id == provider_id), None)
    return provider.find_model(model, all_providers=providers) if provider else None


def _price(model: ModelInfo, noon: datetime, at: str = "") -> Price | None:
    """None when no kind of tokens has a price, unless the model is free by name, as some on OpenRouter.

    `at`: whose price it is, if not that of who served the model.
    """
    from genai_prices import __version__

    prices = model.get_prices(noon)
    source = f"genai-prices {__version__}" + (f" ({at})" if at else "")
    listed: dict[str, Decimal | TieredPrices | None] = {
        kind: getattr(prices, f"{kind}_mtok") for kind in KINDS
    }
    if all(value is None for value in listed.values()):
        free = model.id.endswith(":free")
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
