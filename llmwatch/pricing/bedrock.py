"""The bundled table of Bedrock prices, read at the first question about Bedrock.

`scripts/bedrock_prices.py` makes it from the price data that LiteLLM publishes under the MIT licence.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import TypedDict, cast

import orjson

from llmwatch.pricing.names import BEDROCK, ModelName
from llmwatch.pricing.price import Price, price_per_million

_FILE = Path(__file__).parent / "data" / "bedrock_prices.json"

Row = list[str | None]
"""Decimals in the order of the table's `columns`: US dollars per million tokens; `threshold` in tokens."""


class Table(TypedDict):
    """The file. `prices` goes by model, then region, `""` being the row without one."""

    source: str
    licence: str
    version: str
    date: str
    columns: list[str]
    prices: dict[str, dict[str, Row]]


@dataclass(frozen=True, slots=True)
class TableInfo:
    """Which edition of LiteLLM's price data is bundled, and the day the table was made from it."""

    version: str
    date: date
    models: int


def table_info() -> TableInfo:
    """Tell the edition of the bundled table, for `doctor`."""
    table = _table()
    return TableInfo(table["version"], date.fromisoformat(table["date"]), len(table["prices"]))


def find(name: ModelName, _day: date) -> Price | None:
    """Find the table's price. The table has the latest prices alone, so every day gets the same.

    A region without a row of its own gets the row without a region.
    """
    if name.provider != BEDROCK:
        return None
    table = _table()
    models = (f"mantle/{name.model}", name.model) if name.on_mantle else (name.model,)
    for region in (name.region or "", ""):
        for model in models:
            row = table["prices"].get(model, {}).get(region)
            if row is not None:
                return _price(table, row)
    return None


def _price(table: Table, row: Row) -> Price:
    cells = {
        column: None if text is None else Decimal(text)
        for column, text in zip(table["columns"], row, strict=False)  # a row ends at its last price
    }
    threshold = cells.get("threshold")
    return price_per_million(
        cells, None if threshold is None else int(threshold), f"bedrock table {table['version']}"
    )


@cache
def _table() -> Table:
    return cast("Table", orjson.loads(_FILE.read_bytes()))
