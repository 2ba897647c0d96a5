"""Prices in the store: one row for each (provider, model, region, day) seen, joined to the calls."""

from __future__ import annotations

from dataclasses import astuple
from typing import TYPE_CHECKING

from llmwatch.pricing.price import KINDS, Price, PriceKey
from llmwatch.pricing.resolver import PriceResolver

if TYPE_CHECKING:
    import duckdb

_DAY = "coalesce(c.first_seen::DATE, current_date)"
_UNPRICED = Price(input=None, cache_read=None, cache_write=None, output=None)

SAME_PRICE = (
    "p.provider = c.provider AND p.model = c.model AND p.region IS NOT DISTINCT FROM c.region "
    f"AND p.day = {_DAY}"
)
"""Joins `prices p` to calls `c`."""


def _cost() -> str:
    prompt = " + ".join(f"coalesce(c.{kind}_tokens::HUGEINT, 0)" for kind in KINDS[:3])
    long = f"p.threshold IS NOT NULL AND {prompt} > p.threshold"
    parts = " + ".join(
        f"CASE WHEN coalesce(c.{kind}_tokens, 0) = 0 THEN 0 "
        f"WHEN {long} THEN c.{kind}_tokens * p.long_{kind} ELSE c.{kind}_tokens * p.{kind} END"
        for kind in KINDS
    )
    return f"CASE WHEN c.metered THEN {parts} END"


COST = _cost()
"""US dollars of a call `c`, exact; NULL where nothing is known of its tokens or a price `p` is missing."""


class PriceTable:
    """The `prices` table. Also what has no price has a row, so that it is looked up once."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, resolver: PriceResolver) -> None:
        self._connection = connection
        self._resolver = resolver

    def resolve(self) -> None:
        """Look up the price of every metered call in `finished` whose price is not in the store yet."""
        keys = self._connection.execute(
            f"""SELECT DISTINCT c.provider, c.model, c.region, {_DAY}
            FROM finished c ANTI JOIN prices p ON {SAME_PRICE}
            WHERE c.metered AND c.model IS NOT NULL AND c.provider IS NOT NULL"""
        ).fetchall()
        for provider, model, region, day in keys:
            price = self._resolver.resolve(PriceKey(provider, model, region, day)) or _UNPRICED
            *amounts, source = astuple(price)
            self._connection.execute(
                f"INSERT INTO prices VALUES ({', '.join('?' * 14)})",
                [provider, model, region, day, *amounts, source or None],
            )
