"""The resolver: whose word counts for the price of a model, and in which order."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from llmwatch.pricing import bedrock, genai
from llmwatch.pricing.bedrock import TableInfo, table_info
from llmwatch.pricing.names import ModelName, read_name
from llmwatch.pricing.overrides import Overrides, load_overrides
from llmwatch.pricing.price import Price, PriceKey, with_cache_as_input

__all__ = ["Overrides", "PriceResolver", "TableInfo", "load_overrides", "table_info"]

LONGEST_NAME = 512
"""Characters. Real ids and ARNs are below 200; longer text is not looked up or remembered."""

_REMEMBERED = 8192
"""Keys. A log full of invented models must not fill the memory."""


class PriceResolver:
    """Prices by key, remembered. Safe from several threads; never on the network.

    The user's overrides come first, then the bundled Bedrock table, then genai-prices; the first that knows
    the model gives the whole price. The vendor's own price is never taken for a model on Bedrock.
    """

    def __init__(self, overrides: Overrides | None = None) -> None:
        self._overrides = overrides or Overrides()
        self._look_up_once = lru_cache(_REMEMBERED)(self._look_up)

    def resolve(self, key: PriceKey) -> Price | None:
        """Find the price, or None: unpriced. Any text will do as a model."""
        if max(len(key.provider), len(key.model), len(key.region or "")) > LONGEST_NAME:
            return None
        return self._look_up_once(key)

    def _look_up(self, key: PriceKey) -> Price | None:
        name = self._follow_alias(read_name(key.provider, key.model, key.region))
        for find in (self._overrides.find, bedrock.find, genai.find):
            if price := find(name, key.day):
                return price if _cache_has_own_price(name) else with_cache_as_input(price)
        return None

    def _follow_alias(self, name: ModelName) -> ModelName:
        target = next((self._overrides.aliases[n] for n in name.names if n in self._overrides.aliases), None)
        if target is None:
            return name
        aliased = read_name(name.provider, target, name.region)
        return replace(aliased, names=(*aliased.names, *name.names))


def _cache_has_own_price(name: ModelName) -> bool:
    """Whether a cache price that is not listed is unknown rather than the input's.

    Anthropic charges more than input for a write and a tenth for a read. Elsewhere a model without a cache
    price has no discount to give: on Bedrock's OpenAI-shaped endpoint cached tokens are part of the prompt.
    """
    return "claude" in name.model or "anthropic" in name.model
