"""Make the bundled table of Bedrock prices from the price data that LiteLLM publishes.

    python -m scripts.bedrock_prices litellm-1.109.1-….whl --version 1.109.1

The input is a LiteLLM wheel or its `model_prices_and_context_window.json`. Only prices per token of models
that chat are taken: nothing on committed capacity, batches, service tiers, hour-long caches, images, audio.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import zipfile
from datetime import UTC, date, datetime
from decimal import Context, Decimal
from pathlib import Path

OUTPUT = Path(__file__).parent.parent / "llmwatch" / "pricing" / "data" / "bedrock_prices.json"
IN_WHEEL = "litellm/model_prices_and_context_window_backup.json"

FIELDS = {
    "input": "input_cost_per_token",
    "cache_read": "cache_read_input_token_cost",
    "cache_write": "cache_creation_input_token_cost",
    "output": "output_cost_per_token",
}
COLUMNS = (*FIELDS, "threshold", *(f"long_{kind}" for kind in FIELDS))
ABOVE = re.compile(rf"{FIELDS['input']}_above_(\d+)k_tokens")
KEY = re.compile(
    r"(?:(?P<api>bedrock|bedrock_mantle)/)?(?:invoke/)?(?:(?P<region>[a-z]{2}(?:-[a-z]+)+-\d)/)?(?P<model>.+)"
)
SIGNIFICANT = Context(prec=10)
"""Enough digits for any real price, few enough to drop what binary floats add to one."""

Row = tuple[str | None, ...]
Prices = dict[str, dict[str, Row]]


def main() -> int:
    """Read the published data, write the table, say what was taken and what was not."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("path", type=Path, help="a LiteLLM wheel, or its JSON of prices")
    parser.add_argument("--version", required=True, help="the version of LiteLLM the data is of")
    parser.add_argument(
        "--date", type=date.fromisoformat, default=datetime.now(UTC).date(), help="default: today"
    )
    parser.add_argument("--output", type=Path, default=OUTPUT)
    arguments = parser.parse_args()
    published = read_published(arguments.path)
    prices, skipped = bedrock_prices(published)
    arguments.output.write_text(table_text(prices, arguments.version, arguments.date), encoding="utf-8")
    rows = sum(map(len, prices.values()))
    print(f"{arguments.output}: {len(prices)} models, {rows} rows.")
    print(
        f"Not taken, because they have no price per token: {', '.join(skipped) or 'none'}.", file=sys.stderr
    )
    return 0


def read_published(path: Path) -> dict[str, dict[str, object]]:
    """LiteLLM's rows by key, their prices exact as written."""
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as wheel:
            text = wheel.read(IN_WHEEL)
    else:
        text = path.read_bytes()
    published: dict[str, dict[str, object]] = json.loads(text, parse_float=Decimal)
    return published


def bedrock_prices(published: dict[str, dict[str, object]]) -> tuple[Prices, list[str]]:
    """Sort the rows of Bedrock's chat models by model and region; name those without a price per token.

    Mantle's rows fill the gaps of the runtime's; where both have one and they differ, Mantle's goes under
    `mantle/MODEL`.
    """
    runtime: Prices = {}
    mantle: Prices = {}
    skipped: list[str] = []
    for key, fields in published.items():
        if not str(fields.get("litellm_provider", "")).startswith("bedrock"):
            continue
        if fields.get("mode") not in {"chat", "responses"}:
            continue
        parts = KEY.fullmatch(key)
        if parts is None or FIELDS["input"] not in fields or FIELDS["output"] not in fields:
            skipped.append(key)
            continue
        kind = mantle if parts["api"] == "bedrock_mantle" else runtime
        add(kind, parts["model"], parts["region"] or "", row(fields))
    for model, regions in mantle.items():
        for region, prices in regions.items():
            if runtime.get(model, {}).get(region, prices) == prices:
                add(runtime, model, region, prices)
            else:
                add(runtime, f"mantle/{model}", region, prices)
    return runtime, skipped


def add(prices: Prices, model: str, region: str, prices_of_it: Row) -> None:
    """Put one row in; two different ones for the same model and region need a person to decide."""
    there = prices.setdefault(model, {}).setdefault(region, prices_of_it)
    if there != prices_of_it:
        raise SystemExit(f"Two prices for {model} in {region or 'no region'}: {there} and {prices_of_it}.")


def row(fields: dict[str, object]) -> Row:
    """US dollars per million tokens in the order of COLUMNS, cut after the last one there is."""
    cells = [per_million(fields.get(field)) for field in FIELDS.values()]
    above = sorted(int(match[1]) for field in fields if (match := ABOVE.fullmatch(field)))
    if above:
        cells.append(str(above[0] * 1000))
        cells += [per_million(fields.get(f"{field}_above_{above[0]}k_tokens")) for field in FIELDS.values()]
    return tuple(cells)


def per_million(per_token: object) -> str | None:
    """`Decimal("6E-7")` to `"0.6"`."""
    if per_token is None:
        return None
    dollars = SIGNIFICANT.create_decimal(str(per_token)).scaleb(6).normalize()
    if not dollars.is_finite() or dollars < 0:
        raise SystemExit(f"{per_token} is no price.")
    return format(dollars, "f")


def table_text(prices: Prices, version: str, day: date) -> str:
    """Write the file: sorted, a line a model, so that two editions can be compared line by line."""
    header = {
        "source": "LiteLLM, model_prices_and_context_window.json, the rows of Bedrock's chat models",
        "licence": "MIT, Copyright (c) 2023 Berri AI; see LICENSE-litellm.txt",
        "version": version,
        "date": day.isoformat(),
        "unit": "US dollars per million tokens; threshold: tokens",
        "columns": COLUMNS,
    }
    head = [f"{json.dumps(key)}: {json.dumps(value)}," for key, value in header.items()]
    body = [
        f"{json.dumps(model)}: {json.dumps(regions, sort_keys=True, separators=(',', ':'))}"
        for model, regions in sorted(prices.items())
    ]
    return "\n".join(["{", *head, '"prices": {', ",\n".join(body), "}}", ""])


if __name__ == "__main__":
    raise SystemExit(main())
