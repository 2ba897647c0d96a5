"""Figures as people read them: short, with a unit, and never more certain or more zero than they are.

None and what is not a finite number are unknown, which the caller may word.
"""

from __future__ import annotations

import math

UNKNOWN = "–"

_THOUSANDS = ("", "k", "M", "B", "T")
_SHORTEST_FIGURE, _LONGEST_FIGURE = 1e-4, 1e15
"""Between them a number is written without an exponent."""


def count(value: int | None, unknown: str = UNKNOWN) -> str:
    """All digits: `1,234,567`."""
    return unknown if value is None else f"{value:,}"


def figure(value: int | float | None, unknown: str = UNKNOWN) -> str:
    """A number whose unit nobody knows: `1,234,567`, `3,223.07`, `0.0123457`, `1.5e-09`.

    A whole one has all its digits, any other six at most.
    """
    if isinstance(value, int):
        return count(value)
    if value is None or not math.isfinite(value):
        return unknown
    if value.is_integer() and abs(value) < _LONGEST_FIGURE:
        return count(int(value))
    if not _SHORTEST_FIGURE <= abs(value) < _LONGEST_FIGURE:
        return f"{value:.6g}"
    decimals = max(0, 5 - math.floor(math.log10(abs(value))))
    shown = f"{value:,.{decimals}f}"
    return shown.rstrip("0").rstrip(".") if decimals else shown


def tokens(value: float | None, unknown: str = UNKNOWN) -> str:
    """Three digits: `812`, `45.6k`, `1.23M`."""
    if value is None or not math.isfinite(value):
        return unknown
    if abs(value) < 999.5:
        return f"{value:.0f}"
    return _three_digits(value)


def rate(value: float | None, unknown: str = UNKNOWN) -> str:
    """So many a second or an hour, without the unit: `0.03`, `4.2`, `421`, `1.23k`."""
    if value is None or not math.isfinite(value):
        return unknown
    if value == 0:
        return "0"
    if 0 < value < 0.005:
        return "<0.01"
    for below, digits in ((0.995, 2), (99.95, 1), (999.5, 0)):
        if abs(value) < below:
            return f"{value:.{digits}f}"
    return _three_digits(value)


def money(usd: float | None, unknown: str = UNKNOWN) -> str:
    """Dollars and cents: `$1,234.56`. Less than a cent is `<$0.01`, for it is not nothing."""
    if usd is None or not math.isfinite(usd):
        return unknown
    if 0 < usd < 0.01:
        return "<$0.01"
    sign = "-" if usd < 0 else ""
    return f"{sign}${abs(usd):,.0f}" if abs(usd) >= 99_999.995 else f"{sign}${abs(usd):,.2f}"


def price(usd: float | None, unknown: str = UNKNOWN) -> str:
    """Dollars where a fraction of a cent counts: `$0.0012`, `<$0.0001`."""
    if usd is None or not math.isfinite(usd):
        return unknown
    if 0 < usd < 0.0001:
        return "<$0.0001"
    return f"${usd:.4f}" if 0 < usd < 0.995 else money(usd)


def latency(milliseconds: float | None, unknown: str = UNKNOWN) -> str:
    """`812 ms`, `4.1 s`, `2m 03s`, `1h 02m`."""
    if milliseconds is None or not math.isfinite(milliseconds):
        return unknown
    if 0 < milliseconds <= 0.5:
        return "<1 ms"
    if milliseconds < 999.5:
        return f"{milliseconds:.0f} ms"
    seconds = milliseconds / 1000
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 60:
        return f"{minutes}m {rest:02}s"
    return f"{minutes // 60}h {minutes % 60:02}m"


def percent(value: float | None, unknown: str = UNKNOWN) -> str:
    """`3.2 %`. Some is never `0 %`, and not all is never `100 %`."""
    if value is None or not math.isfinite(value):
        return unknown
    if value in (0, 100):
        return f"{value:.0f} %"
    if 0 < value < 0.05:
        return "<0.1 %"
    if 99.95 <= value < 100:
        return ">99.9 %"
    return f"{value:.1f} %"


def age(seconds: float | None, unknown: str = UNKNOWN) -> str:
    """Whole and rounded down: `3s`, `4m`, `2h`, `5d`. Below zero when clocks disagree."""
    if seconds is None or not math.isfinite(seconds):
        return unknown
    sign = "-" if seconds <= -1 else ""
    whole = int(abs(seconds))
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m")):
        if whole >= size:
            return f"{sign}{whole // size}{unit}"
    return f"{sign}{whole}s"


def size(value: int | None, unknown: str = UNKNOWN) -> str:
    """Bytes: `812 B`, `45.6 kB`, `1.23 GB`, in steps of a thousand."""
    if value is None:
        return unknown
    short = f"{value}" if value < 1000 else _three_digits(value)
    digits = short.rstrip("kMBT")
    return f"{digits} {short[len(digits) :].replace('B', 'G')}B"


def _three_digits(value: float) -> str:
    scaled, step = float(value), 0
    while abs(scaled) >= 999.5 and step < len(_THOUSANDS) - 1:
        scaled, step = scaled / 1000, step + 1
    digits = 2 if abs(scaled) < 9.995 else 1 if abs(scaled) < 99.95 else 0
    return f"{scaled:.{digits}f}{_THOUSANDS[step]}"
