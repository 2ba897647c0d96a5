"""The functions of Logs Insights: how each is spelled, how many arguments it takes and what it is for.

Names are found in any case. The user guide gives most of the numbers of arguments ("Boolean, comparison, numeric,
datetime, and other functions", and "stats"); where it does not, the number that is no surprise stands here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Signature:
    """A function. `most` is None where there may be any number of arguments."""

    name: str
    least: int
    most: int | None
    meaning: str
    """One line for people; its arguments are named in `arguments`."""
    arguments: str = "x"
    """As they are written in the documentation."""
    aggregate: bool = False
    periods: tuple[int, ...] = ()
    """Which arguments, from 0, are a `Period`, and nothing else is."""
    regexes: tuple[int, ...] = ()
    """Which arguments are a `Regex`; one written as a string is one in the tree."""

    @property
    def written(self) -> str:
        """`datefloor(t, period)`."""
        return f"{self.name}({self.arguments})"

    def takes(self, count: int) -> bool:
        """Whether it may have so many arguments."""
        return self.least <= count and (self.most is None or count <= self.most)


def _one(name: str, meaning: str, arguments: str = "x") -> Signature:
    return Signature(name, 1, 1, meaning, arguments)


def _aggregate(name: str, meaning: str) -> Signature:
    return Signature(name, 1, 1, meaning, aggregate=True)


NUMERIC = (
    _one("abs", "without its sign"),
    _one("ceil", "the smallest whole number that is not below"),
    _one("floor", "the largest whole number that is not above"),
    Signature("greatest", 1, None, "the largest of the arguments", "x, …"),
    Signature("least", 1, None, "the smallest of the arguments", "x, …"),
    _one("log", "natural logarithm"),
    Signature("round", 1, 2, "to the nearest whole number, or to so many decimals", "x[, decimals]"),
    _one("sqrt", "square root"),
    Signature("haversine", 4, 4, "kilometres between two places, in degrees", "lat, lon, lat, lon"),
    _one("toNumber", "a text as a number"),
    _one("toInt", "as a whole number of 32 bits"),
    _one("toLong", "as a whole number of 64 bits"),
    _one("toDouble", "as a floating number"),
)

DATETIME = (
    Signature("bin", 1, 1, "`@timestamp` down to a multiple of the period", "period", periods=(0,)),
    Signature("datefloor", 2, 2, "a time down to a multiple of the period", "t, period", periods=(1,)),
    Signature("dateceil", 2, 2, "a time up to a multiple of the period", "t, period", periods=(1,)),
    _one("fromMillis", "milliseconds since 1970 as a time", "n"),
    _one("toMillis", "a time as milliseconds since 1970", "t"),
    Signature("now", 0, 0, "seconds since 1970", ""),
    Signature("parseDate", 2, 3, "a text as a time, by a format", "s, format[, zone]"),
    Signature("formatDate", 2, 3, "a time as a text, by a format", "t, format[, zone]"),
    Signature("strftime", 2, 3, "the same as `formatDate`", "t, format[, zone]"),
)

GENERAL = (
    _one("ispresent", "whether there is a value"),
    Signature("coalesce", 1, None, "the first argument that has a value", "x, …"),
    Signature("if", 3, 3, "one of two values", "condition, then, else"),
    Signature(
        "case", 2, None, "the value after the first condition that is true", "condition, value, …[, else]"
    ),
    _one("isNumeric", "whether it is, or reads as, a number"),
    Signature("messageSize", 0, 0, "bytes of `@message`", ""),
    Signature("queryStartTime", 0, 0, "where the interval of the query begins", ""),
    Signature("queryEndTime", 0, 0, "where the interval of the query ends", ""),
    Signature("queryTimeRange", 0, 0, "length of the interval of the query", ""),
)

STRING = (
    _one("isempty", "1 if it is missing or has no characters", "s"),
    _one("isblank", "1 if it is missing or has only white space", "s"),
    Signature("concat", 1, None, "the arguments joined", "s, …"),
    Signature("ltrim", 1, 2, "without white space, or these characters, on the left", "s[, characters]"),
    Signature("rtrim", 1, 2, "without white space, or these characters, on the right", "s[, characters]"),
    Signature("trim", 1, 2, "without white space, or these characters, at both ends", "s[, characters]"),
    _one("strlen", "number of characters", "s"),
    _one("toupper", "in capitals", "s"),
    _one("tolower", "in small letters", "s"),
    Signature("substr", 2, 3, "from an index, which counts from 0", "s, start[, length]"),
    Signature("replace", 3, 3, "every occurrence of a text replaced", "s, old, new"),
    Signature(
        "regexReplace", 3, 3, "every match of a regular expression replaced", "s, regex, new", regexes=(1,)
    ),
    Signature("strcontains", 2, 3, "1 if the text is in it, else 0", "s, part[, ignore case]"),
    Signature("startsWith", 2, 3, "1 if it begins so, else 0", "s, part[, ignore case]"),
    Signature("endsWith", 2, 3, "1 if it ends so, else 0", "s, part[, ignore case]"),
    _one("urlencode", "percent-encoded", "s"),
    _one("urldecode", "percent-decoded", "s"),
    _one("base64encode", "in base 64", "s"),
    _one("base64decode", "out of base 64", "s"),
    Signature("split", 2, 3, "a list of the parts, or one of them", "s, separator[, index]"),
    _one("hexToAscii", "hexadecimal digits as text", "s"),
    _one("hexToDec", "hexadecimal digits as a number", "s"),
    _one("decToHex", "a number in hexadecimal digits", "n"),
)

JSON = (
    _one("jsonParse", "a text as a map or a list", "s"),
    _one("jsonStringify", "a map or a list as a text"),
    _one("jsonArraySize", "number of a list's items"),
    Signature("jsonArrayContains", 2, 2, "1 if the value is in the list, else 0", "x, value"),
)

ADDRESS = (
    _one("isValidIp", "whether it is an address", "s"),
    _one("isValidIpv4", "whether it is an IPv4 address", "s"),
    _one("isValidIpv6", "whether it is an IPv6 address", "s"),
    Signature("isIpInSubnet", 2, 2, "whether the subnet has the address", "s, subnet"),
    Signature("isIpv4InSubnet", 2, 2, "the same for IPv4 only", "s, subnet"),
    Signature("isIpv6InSubnet", 2, 2, "the same for IPv6 only", "s, subnet"),
    _one("ipv4ToNumber", "an IPv4 address as a number", "s"),
    _one("isPrivateIP", "whether it is a private address", "s"),
    _one("isPublicIP", "whether it is a public address", "s"),
    _one("isReservedIP", "whether it is a reserved address", "s"),
)

AGGREGATE = (
    _aggregate("avg", "mean of the numbers"),
    Signature(
        "count", 0, 1, "number of rows, or of those that have a value; also `count(*)`", "[x]", aggregate=True
    ),
    _aggregate("count_distinct", "number of different values"),
    _aggregate("max", "largest value"),
    _aggregate("min", "smallest value"),
    Signature("pct", 2, 2, "percentile, from 0 to 100", "x, percent", aggregate=True),
    _aggregate("stddev", "standard deviation"),
    _aggregate("sum", "sum of the numbers"),
    _aggregate("earliest", "the value of the row with the smallest `@timestamp`"),
    _aggregate("latest", "the value of the row with the largest `@timestamp`"),
    _aggregate("sortsFirst", "the value that is first in the order of `sort`"),
    _aggregate("sortsLast", "the value that is last in the order of `sort`"),
)

GROUPS: Mapping[str, tuple[Signature, ...]] = {
    "Numbers": NUMERIC,
    "Times": DATETIME,
    "General": GENERAL,
    "Texts": STRING,
    "JSON": JSON,
    "Addresses": ADDRESS,
    "Aggregates, in `stats` only": AGGREGATE,
}
"""As the documentation shows them."""

SIGNATURES: Mapping[str, Signature] = {
    signature.name.lower(): signature for group in GROUPS.values() for signature in group
}
"""Name in small letters → function."""
