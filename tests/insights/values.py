"""Values of the language: text, numbers, and nothing. A truth is 1 or 0."""

from __future__ import annotations

import re
from enum import Enum


class Undocumented(Enum):
    """What comes of null where AWS does not say. It does no harm where it decides nothing."""

    VALUE = "undocumented"


UNDOCUMENTED = Undocumented.VALUE

Value = str | float | None
Result = Value | Undocumented

_NUMBER = re.compile(r"-?\d+(\.\d+)?([eE][+-]?\d+)?")


def number(value: Value) -> float | None:
    """The number that a value is or looks like."""
    if isinstance(value, str):
        return float(value) if _NUMBER.fullmatch(value) else None
    return value


def written(value: str | float) -> str:
    """As it stands in a row: whole numbers without a point, large ones as Java writes them."""
    if isinstance(value, str):
        return value
    if value == int(value) and abs(value) < 1e15:
        return str(int(value))
    mantissa, exponent = f"{value:.16E}".split("E")
    return f"{mantissa.rstrip('0').rstrip('.')}E{int(exponent)}" if abs(value) >= 1e7 else repr(value)


def natural(value: str | float) -> tuple[object, ...]:
    """The place of a value in the order of `sort`: what is no number comes first, runs of digits by their length."""
    known = number(value)
    if known is not None:
        return (1, known)
    chunks = re.findall(r"\d+|\D+", str(value))
    return (0, [("0", len(chunk), chunk) if chunk[0].isdigit() else (chunk, 0, "") for chunk in chunks])
