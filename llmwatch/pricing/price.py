"""What the store asks for and what it gets: the key of a price, and the price."""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Context
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import date
    from decimal import Decimal

KINDS = ("input", "cache_read", "cache_write", "output")
"""The kinds of tokens that cost money, named as the fields of `Price`; their counts are disjoint."""

_SIGNIFICANT = Context(prec=12)
"""More digits than any price has, fewer than 0.18000000000000002, as computed price lists write it."""


@dataclass(frozen=True, slots=True)
class PriceKey:
    """What a price depends on.

    `provider` is any spelling in `names.PROVIDERS`; `model` is the id as the log has it, hostile text and
    all; `region` None means the row without a region; `day` is a day in UTC.
    """

    provider: str
    model: str
    region: str | None
    day: date


@dataclass(frozen=True, slots=True)
class Price:
    """US dollars per token, exact.

    None means that tokens of this kind have no price: a call that has any is unpriced. A call whose input,
    cache read and cache write tokens together exceed `threshold` pays the `long_*` prices for all of its
    tokens; without a threshold these are None and mean nothing. `source` is `override`,
    `bedrock table VERSION`, `genai-prices VERSION`, or that with `(VENDOR)` where it is a vendor's price at OpenRouter.
    """

    input: Decimal | None
    cache_read: Decimal | None
    cache_write: Decimal | None
    output: Decimal | None
    threshold: int | None = None
    long_input: Decimal | None = None
    long_cache_read: Decimal | None = None
    long_cache_write: Decimal | None = None
    long_output: Decimal | None = None
    source: str = ""


def price_per_million(rates: Mapping[str, Decimal | None], threshold: int | None, source: str) -> Price:
    """Make a price of US dollars per million tokens, by field of `Price`; a missing one is None.

    A kind of tokens whose `long_*` rate is missing pays the same on both sides of the threshold.
    """

    def short(kind: str) -> Decimal | None:
        rate = rates.get(kind)
        return None if rate is None else rate.scaleb(-6, _SIGNIFICANT)

    def long(kind: str) -> Decimal | None:
        return None if threshold is None else _first(short(f"long_{kind}"), short(kind))

    return Price(
        input=short("input"),
        cache_read=short("cache_read"),
        cache_write=short("cache_write"),
        output=short("output"),
        threshold=threshold,
        long_input=long("input"),
        long_cache_read=long("cache_read"),
        long_cache_write=long("cache_write"),
        long_output=long("output"),
        source=source,
    )


def with_cache_as_input(price: Price) -> Price:
    """Let tokens read from or written to a cache cost as much as input where no price of theirs is listed."""
    return replace(
        price,
        cache_read=_first(price.cache_read, price.input),
        cache_write=_first(price.cache_write, price.input),
        long_cache_read=_first(price.long_cache_read, price.long_input),
        long_cache_write=_first(price.long_cache_write, price.long_input),
    )


def _first(rate: Decimal | None, otherwise: Decimal | None) -> Decimal | None:
    return otherwise if rate is None else rate
