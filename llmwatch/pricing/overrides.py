"""The user's own prices: a TOML file whose word comes before every table."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from llmwatch.errors import UsageError
from llmwatch.pricing.names import ModelName, own_provider
from llmwatch.pricing.price import KINDS, Price, price_per_million

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

_SHORT_RATES = {f"{kind}_per_million": kind for kind in KINDS}
_LONG_RATES = {f"long_{kind}_per_million": f"long_{kind}" for kind in KINDS}
_THRESHOLD = "long_above_tokens"
_ENTRY_KEYS = (
    "model",
    "provider",
    "region",
    "valid_from",
    "valid_to",
    *_SHORT_RATES,
    _THRESHOLD,
    *_LONG_RATES,
)
_FILE_KEYS = ("price", "alias")

_LEAST, _MOST = Decimal("0.0001"), Decimal(100_000)
"""US dollars per million tokens, past anything on sale: a price below the least is written per token."""


@dataclass(frozen=True, slots=True)
class Override:
    """One entry: the price of the models it covers. `model` and `region` are globs, in lower case."""

    model: str
    price: Price
    provider: str | None = None
    region: str | None = None
    valid_from: date | None = None
    valid_to: date | None = None
    """The first day on which it holds no more."""

    def covers(self, name: ModelName, day: date) -> bool:
        """Whether the entry is about this model on this day. One with a region needs a known region."""
        return (
            (self.provider is None or self.provider == name.provider)
            and (self.region is None or (name.region is not None and fnmatchcase(name.region, self.region)))
            and (self.valid_from is None or self.valid_from <= day)
            and (self.valid_to is None or day < self.valid_to)
            and any(text == self.model or fnmatchcase(text, self.model) for text in name.names)
        )


@dataclass(frozen=True, slots=True)
class Overrides:
    """All entries, in the order of the file, and other names for models, both in lower case."""

    entries: tuple[Override, ...] = ()
    aliases: Mapping[str, str] = field(default_factory=dict)

    def find(self, name: ModelName, day: date) -> Price | None:
        """Take the most specific entry: exact before glob, with region before without, then the last."""
        covering = [
            (entry.model in name.names, entry.region is not None, place)
            for place, entry in enumerate(self.entries)
            if entry.covers(name, day)
        ]
        return self.entries[max(covering)[-1]].price if covering else None


def load_overrides(path: Path) -> Overrides:
    """Read the price file; `UsageError` names the place and the remedy for what is wrong in it."""
    document = _read(path)
    _refuse_unknown(document, _FILE_KEYS, str(path))
    entries = document.get("price", [])
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise UsageError(f"{path}: price is not a list of tables; start each price with [[price]].")
    return Overrides(
        tuple(_override(entry, f"{path}, price entry {number}") for number, entry in enumerate(entries, 1)),
        _aliases(document.get("alias", {}), f"{path}, alias"),
    )


def _read(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            return tomllib.load(file, parse_float=Decimal)
    except OSError as error:
        raise UsageError(f"{path}: cannot read the price file: {error.strerror}; check its path.") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8; save the file as UTF-8.") from error
    except (ValueError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}; correct the file there.") from error


def _override(entry: dict[str, object], place: str) -> Override:
    _refuse_unknown(entry, _ENTRY_KEYS, place)
    model = _text(entry, "model", place)
    if model is None:
        raise UsageError(f'{place}: no model; add model = with an exact id or a glob such as "*kimi*".')
    place = f"{place} ({model[:80]!r})"
    provider = _text(entry, "provider", place)
    valid_from, valid_to = _day(entry, "valid_from", place), _day(entry, "valid_to", place)
    if valid_from and valid_to and valid_to <= valid_from:
        raise UsageError(
            f"{place}: valid_to {valid_to} is not after valid_from {valid_from}; swap or mend them."
        )
    return Override(
        model=model,
        price=_price(entry, place),
        provider=None if provider is None else own_provider(provider),
        region=_text(entry, "region", place),
        valid_from=valid_from,
        valid_to=valid_to,
    )


def _price(entry: dict[str, object], place: str) -> Price:
    rates = {rate: _rate(entry, key, place) for key, rate in (_SHORT_RATES | _LONG_RATES).items()}
    threshold = _tokens(entry, place)
    if all(rates[kind] is None for kind in KINDS):
        raise UsageError(f"{place}: no price; add at least one of {', '.join(_SHORT_RATES)}.")
    if (threshold is None) != all(rates[rate] is None for rate in _LONG_RATES.values()):
        raise UsageError(f"{place}: {_THRESHOLD} and the long prices go together; give both or neither.")
    return price_per_million(rates, threshold, "override")


def _rate(entry: dict[str, object], key: str, place: str) -> Decimal | None:
    value = entry.get(key)
    if value is None:
        return None
    if (
        isinstance(value, bool)
        or not isinstance(value, int | Decimal)
        or not (rate := Decimal(value)).is_finite()
    ):
        raise UsageError(
            f"{place}: {key} is not a number; write US dollars per million tokens, without quotes."
        )
    if rate < 0:
        raise UsageError(f"{place}: {key} is negative; write 0 for free, or leave the entry out.")
    if rate > _MOST or 0 < rate < _LEAST:
        raise UsageError(
            f"{place}: {key} = {rate} is no price per million tokens; write 0.60 for $0.0000006 a token."
        )
    return rate


def _tokens(entry: dict[str, object], place: str) -> int | None:
    value = entry.get(_THRESHOLD)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2**31:
        raise UsageError(f"{place}: {_THRESHOLD} is not a number of tokens; write one such as 200_000.")
    return value


def _text(entry: dict[str, object], key: str, place: str) -> str | None:
    value = entry.get(key)
    if value is None:
        return None
    if not isinstance(value, str) or not value.strip():
        raise UsageError(f"{place}: {key[:80]!r} is not a text; write it in quotes, or leave it out.")
    return value.strip().lower()


def _day(entry: dict[str, object], key: str, place: str) -> date | None:
    value = entry.get(key)
    if value is None:
        return None
    if isinstance(value, datetime) or not isinstance(value, date):
        raise UsageError(f"{place}: {key} is not a day; write it as 2026-11-21, without quotes or a time.")
    return value


def _aliases(table: object, place: str) -> dict[str, str]:
    if not isinstance(table, dict):
        raise UsageError(f'{place}: not a table; write [alias] and then lines of "name" = "model id".')
    aliases: dict[str, str] = {}
    for name in table:
        target = _text(table, name, place)
        if target is not None:
            aliases[name.strip().lower()] = target
    for name, target in aliases.items():
        if target in aliases:
            raise UsageError(
                f"{place}: {name[:80]!r} names {target[:80]!r}, itself an alias; name the model's id."
            )
    return aliases


def _refuse_unknown(table: Mapping[str, object], known: tuple[str, ...], place: str) -> None:
    for key in table:
        if key not in known:
            raise UsageError(f"{place}: unknown key {key[:80]!r}; the keys are {', '.join(known)}.")
