"""Times in SQL: periods, and texts by a format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from llmwatch.query.insights.relation import Relation
from llmwatch.query.insights.tree import Period, Unit

_MILLISECONDS: Mapping[Unit, int] = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_MOST: Mapping[Unit, int] = {
    "ms": 1000,
    "s": 60,
    "m": 60,
    "h": 24,
    "d": 100_000,
    "w": 20_000,
    "mo": 4_800,
    "q": 1_600,
    "y": 400,
}
"""How many of a unit a period has at most: `bin(300s)` is `bin(60s)` (user guide, `bin`). The second line is ours: far
longer than any log, and all that the arithmetic of dates takes."""

_CALENDAR: Mapping[Unit, tuple[str, int]] = {
    "w": ("WEEK", 1),
    "mo": ("MONTH", 1),
    "q": ("MONTH", 3),
    "y": ("MONTH", 12),
}

_FORMAT = re.compile(r"'(?P<quoted>(?:[^']|'')*)'|(?P<letters>([A-Za-z])\3*)|(?P<other>.)", re.DOTALL)
_LETTERS: Mapping[str, str] = {
    "y": "%Y",
    "yy": "%y",
    "yyyy": "%Y",
    "u": "%Y",
    "uuuu": "%Y",
    "M": "%-m",
    "MM": "%m",
    "MMM": "%b",
    "MMMM": "%B",
    "d": "%-d",
    "dd": "%d",
    "D": "%-j",
    "DDD": "%j",
    "E": "%a",
    "EEE": "%a",
    "EEEE": "%A",
    "a": "%p",
    "H": "%-H",
    "HH": "%H",
    "h": "%-I",
    "hh": "%I",
    "m": "%-M",
    "mm": "%M",
    "s": "%-S",
    "ss": "%S",
    "SSS": "%g",
    "SSSSSS": "%f",
}
"""Letters of Java's formats → those of strftime."""

DIRECTIVES = (*"aAbBcdfgGhHIjmMnpSTuUVwWxXyYzZ%", *("-d", "-H", "-I", "-j", "-m", "-M", "-S", "-y"))
"""What may stand behind a % in a format of strftime: all that DuckDB has."""


def floored(rows: Relation, time: str, period: Period) -> str:
    """A time in milliseconds, down to a multiple of the period; weeks begin on Mondays, the rest on first days."""
    time = rows.held(time)
    count = min(period.count, _MOST[period.unit])
    if period.unit in _MILLISECONDS:
        length = count * _MILLISECONDS[period.unit]
        return f"try({time} - ({time} % {length} + {length}) % {length})"
    return f"try(epoch_ms(time_bucket({_interval(period.unit, count)}, make_timestamp({time} * 1000))))"


def ceiled(rows: Relation, time: str, period: Period) -> str:
    """A time in milliseconds, up to a multiple of the period."""
    floor = rows.held(floored(rows, time, period))
    count = min(period.count, _MOST[period.unit])
    if period.unit in _MILLISECONDS:
        following = f"try({floor} + {count * _MILLISECONDS[period.unit]})"
    else:
        following = f"try(epoch_ms(make_timestamp({floor} * 1000) + {_interval(period.unit, count)}))"
    return f"CASE WHEN {floor} = {rows.held(time)} THEN {floor} ELSE {following} END"


def length(period: Period) -> tuple[float | None, int | None]:
    """How long a period is as it is counted here: in seconds, or in months, which differ."""
    count = min(period.count, _MOST[period.unit])
    if period.unit in _MILLISECONDS:
        return count * _MILLISECONDS[period.unit] / 1000, None
    unit, times = _CALENDAR[period.unit]
    return (count * 7 * 86_400.0, None) if unit == "WEEK" else (None, count * times)


def _interval(unit: Unit, count: int) -> str:
    name, times = _CALENDAR[unit]
    return f"INTERVAL {count * times} {name}"


def strftime_format(text: str) -> str:
    """A format of strftime, or of Java (`yyyy-MM-dd`), as the former. Raises ValueError for letters of neither."""
    if "%" in text:
        for directive in re.findall(r"%-?.?", text, re.DOTALL):
            if directive[1:] not in DIRECTIVES:
                raise ValueError(directive)
        return text
    return "".join(map(_translated, _FORMAT.finditer(text)))


def _translated(match: re.Match[str]) -> str:
    if (letters := match["letters"]) is None:
        quoted = match["quoted"]
        return match["other"] if quoted is None else quoted.replace("''", "'") or "'"
    if letters not in _LETTERS:
        raise ValueError(letters)
    return _LETTERS[letters]


def is_zone(name: str) -> bool:
    """Whether a time zone has this name."""
    try:
        ZoneInfo(name)
    except (ValueError, OSError):  # also ZoneInfoNotFoundError, which is a KeyError
        return False
    except KeyError:
        return False
    return True
