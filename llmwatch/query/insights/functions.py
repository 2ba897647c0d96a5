"""The functions of Logs Insights in SQL. Of something missing each makes something missing, unless it is about that."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from llmwatch.query.insights import addresses, dates
from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.relation import Relation
from llmwatch.query.insights.tree import Call, Expression, Period, Regex
from llmwatch.query.insights.values import (
    MISSING,
    Kind,
    Value,
    as_any,
    as_number,
    as_text,
    as_time,
    as_truth,
    as_whole,
    canonical,
    common,
    finite,
)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a query runs in: its text, the clock, and the bounds of the lines it is asked of."""

    text: str
    now: datetime
    since: datetime | None = None
    until: datetime | None = None

    def fault(self, expression: Expression, sentence: str) -> QueryError:
        """What is wrong with a part of the query."""
        return QueryError(self.text, expression.place, sentence)


@dataclass(frozen=True, slots=True)
class Function:
    """A function as SQL, with its arguments in braces.

    `takes` has a letter for each: t a text, n a number, w a whole number, c a condition, d a time, a any JSON.
    """

    makes: Kind
    takes: str
    sql: str
    longer: str = ""
    """With the optional argument, which is the last."""


_WHITE = "' ' || chr(9) || chr(10) || chr(11) || chr(12) || chr(13)"
_LONGEST = 2147483646


def _within(number: str, least: int, most: int) -> str:
    """A number, or the bound that it is beyond; `least` and `greatest` would make one of a missing number."""
    return f"CASE WHEN {number} < {least} THEN {least} WHEN {number} > {most} THEN {most} ELSE {number} END"


_AT = f"({_within('{1}', 0, _LONGEST)}) + 1"
_IGNORING_CASE = "CASE WHEN {{2}} THEN {0}(lower({{0}}), lower({{1}})) ELSE {0}({{0}}, {{1}}) END"
_HAVERSINE = (
    "CASE WHEN isfinite({0} + {1} + {2} + {3}) THEN 12742 * asin(sqrt(least(1, pow(sin(radians({2} - {0}) / 2), 2) + "
    "cos(radians({0})) * cos(radians({2})) * pow(sin(radians({3} - {1}) / 2), 2)))) END"
)
"""On a sphere with a radius of 6,371 km."""


def _text(takes: str, sql: str, longer: str = "") -> Function:
    return Function(Kind.TEXT, takes, sql, longer)


def _number(takes: str, sql: str, longer: str = "") -> Function:
    return Function(Kind.NUMBER, takes, sql, longer)


def _whole(takes: str, sql: str) -> Function:
    return Function(Kind.WHOLE, takes, sql)


def _truth(takes: str, sql: str, longer: str = "") -> Function:
    return Function(Kind.TRUTH, takes, sql, longer)


FUNCTIONS: Mapping[str, Function] = {
    "abs": _number("n", "abs({0})"),
    "ceil": _number("n", "ceil({0})"),
    "floor": _number("n", "floor({0})"),
    "log": _number("n", "CASE WHEN {0} > 0 THEN ln({0}) END"),
    "round": _number("nw", "round({0})", f"round({{0}}, ({_within('{1}', -15, 15)})::INTEGER)"),
    "sqrt": _number("n", "CASE WHEN {0} >= 0 THEN sqrt({0}) END"),
    "haversine": _number("nnnn", _HAVERSINE),
    "tonumber": _number("n", "{0}"),
    "toint": _whole("n", "try_cast(trunc({0}) AS INTEGER)"),
    "tolong": _whole("w", "{0}"),
    "todouble": _number("n", "{0}"),
    "frommillis": Function(Kind.TIME, "d", "{0}"),
    "tomillis": _whole("d", "{0}"),
    "ispresent": _truth("a", "({0} IS NOT NULL)"),
    "isnumeric": _truth("n", "({0} IS NOT NULL)"),
    "isempty": _truth("t", "coalesce({0} = '', true)"),
    "isblank": _truth("t", f"coalesce(trim({{0}}, {_WHITE}) = '', true)"),
    "ltrim": _text("tt", f"ltrim({{0}}, {_WHITE})", "ltrim({0}, {1})"),
    "rtrim": _text("tt", f"rtrim({{0}}, {_WHITE})", "rtrim({0}, {1})"),
    "trim": _text("tt", f"trim({{0}}, {_WHITE})", "trim({0}, {1})"),
    "strlen": _whole("t", "length({0})"),
    "toupper": _text("t", "upper({0})"),
    "tolower": _text("t", "lower({0})"),
    "messagesize": _whole("t", "strlen({0})"),
    "substr": _text(
        "tww",
        f"substr({{0}}, {_AT})",
        f"substr({{0}}, {_AT}, {_within('{2}', 0, _LONGEST)})",
    ),
    "replace": _text("ttt", "replace({0}, {1}, {2})"),
    "strcontains": _truth("ttc", "contains({0}, {1})", _IGNORING_CASE.format("contains")),
    "startswith": _truth("ttc", "starts_with({0}, {1})", _IGNORING_CASE.format("starts_with")),
    "endswith": _truth("ttc", "ends_with({0}, {1})", _IGNORING_CASE.format("ends_with")),
    "urlencode": _text("t", "url_encode({0})"),
    "urldecode": _text("t", "try(url_decode({0}))"),
    "base64encode": _text("t", "to_base64(encode({0}))"),
    "base64decode": _text("t", "try(decode(from_base64({0})))"),
    "hextoascii": _text("t", "try(decode(unhex({0})))"),
    "hextodec": _whole(
        "t",
        "CASE WHEN regexp_full_match({0}, '(0[xX])?[0-9a-fA-F]{{1,16}}') THEN "
        "try_cast('0x' || regexp_replace(lower({0}), '^0x', '') AS HUGEINT) END",
    ),
    "dectohex": _text("w", "printf('%x', {0})"),
    "jsonstringify": _text(
        "a", """CASE WHEN starts_with({0}, '"') THEN json_extract_string({0}, '$') ELSE {0} END"""
    ),
    "jsonarraysize": _whole("a", "CASE WHEN starts_with({0}, '[') THEN json_array_length({0}) END"),
    "jsonarraycontains": _truth(
        "at", "CASE WHEN starts_with({0}, '[') THEN list_contains(json_extract_string({0}, '$[*]'), {1}) END"
    ),
}
"""Name in small letters → function, where all there is to it is its SQL."""

Special = Callable[[Relation, Surroundings, Call, Sequence[Value]], Value]


def applied(rows: Relation, surroundings: Surroundings, call: Call, arguments: Sequence[Value]) -> Value:
    """What a function makes of its arguments.

    Raises:
        QueryError: one that has to be written out, or is no subnet, format or time zone, is not.

    """
    name = call.name.lower()
    if name in SPECIAL:
        return SPECIAL[name](rows, surroundings, call, arguments)
    function = FUNCTIONS[name]
    sql = function.longer if function.longer and len(arguments) == len(function.takes) else function.sql
    made = [_TAKEN[letter](rows, value) for letter, value in zip(function.takes, arguments, strict=False)]
    held = [rows.held(part) if sql.count(f"{{{place}}}") > 1 else part for place, part in enumerate(made)]
    made_of = sql.format(*held)
    return Value(finite(rows, made_of) if function.makes is Kind.NUMBER else made_of, function.makes)


def _cut(rows: Relation, value: Value) -> str:
    """As a whole number of 64 bits: as it is if it is one, else what stands before the point."""
    number = f"try_cast(trunc({as_number(rows, value)}) AS BIGINT)"
    if value.kind is Kind.NUMBER:
        return number
    return f"coalesce(try_cast({as_whole(rows, value)} AS BIGINT), {number})"


_TAKEN: Mapping[str, Callable[[Relation, Value], str]] = {
    "t": as_text,
    "n": as_number,
    "w": _cut,
    "c": as_truth,
    "d": as_time,
    "a": as_any,
}


def _chosen(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    """`if` and `case`."""
    conditions = [as_truth(rows, value) for value in values[: len(values) // 2 * 2 : 2]]
    outcomes = [*values[1::2], values[-1] if len(values) % 2 else MISSING]
    kind, made = common(rows, outcomes)
    whens = " ".join(f"WHEN {condition} THEN {sql}" for condition, sql in zip(conditions, made, strict=False))
    return Value(f"CASE {whens} ELSE {made[-1]} END", kind)


def _coalesce(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    kind, made = common(rows, values)
    return Value(f"coalesce({', '.join(made)})", kind)


def _concat(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    return Value(f"({' || '.join(as_text(rows, value) for value in values)})", Kind.TEXT)


def _extreme(rows: Relation, _: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    """The largest, or smallest, of those that are numbers."""
    kinds = {value.kind for value in values}
    if len(kinds) == 1 and (kind := kinds.pop()) in (Kind.WHOLE, Kind.TIME):
        return Value(f"{call.name}({', '.join(value.sql for value in values)})", kind)
    numbers = (as_number(rows, value) for value in values)
    return Value(f"{call.name}({', '.join(numbers)})", Kind.NUMBER)


def _regex_replace(rows: Relation, _: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    pattern = call.arguments[1]
    assert isinstance(pattern, Regex)  # noqa: S101 (the parser takes nothing else there)
    new = f"replace({as_text(rows, values[2])}, chr(92), repeat(chr(92), 2))"
    return Value(
        f"regexp_replace({as_text(rows, values[0])}, {rows.parameters.bind(pattern.pattern)}, {new}, 'g')",
        Kind.TEXT,
    )


def _json_parse(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    json = rows.held(f"try(json_extract({as_text(rows, values[0])}, '$'))::VARCHAR")
    return Value(canonical(json), Kind.ANY)


def _split(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    parts = f"string_split({as_text(rows, values[0])}, {as_text(rows, values[1])})"
    if len(values) == 2:
        return Value(f"to_json({parts})::VARCHAR", Kind.ANY)
    place = rows.held(_cut(rows, values[2]))
    return Value(f"CASE WHEN {place} >= 0 THEN list_extract({parts}, {place} + 1) END", Kind.TEXT)


# Times


def _bin(rows: Relation, _: Surroundings, call: Call, __: Sequence[Value]) -> Value:
    period = _period(call, 0)
    return Value(dates.floored(rows, "epoch_us(time) // 1000", period), Kind.TIME, binned=period)


def _date_floor(rows: Relation, _: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    return Value(dates.floored(rows, as_time(rows, values[0]), _period(call, 1)), Kind.TIME)


def _date_ceil(rows: Relation, _: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    return Value(dates.ceiled(rows, as_time(rows, values[0]), _period(call, 1)), Kind.TIME)


def _period(call: Call, place: int) -> Period:
    period = call.arguments[place]
    assert isinstance(period, Period)  # noqa: S101 (the parser takes nothing else there)
    return period


def _format_date(rows: Relation, surroundings: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    form, zone = _form_and_zone(rows, surroundings, call, values)
    time = f"try(make_timestamp({as_time(rows, values[0])} * 1000))"
    return Value(f"try(strftime({_moved(time, 'UTC', zone)}, {form}))", Kind.TEXT)


def _parse_date(rows: Relation, surroundings: Surroundings, call: Call, values: Sequence[Value]) -> Value:
    form, zone = _form_and_zone(rows, surroundings, call, values)
    time = f"try_strptime({as_text(rows, values[0])}, {form})::TIMESTAMP"
    return Value(f"try(epoch_ms({_moved(time, zone, 'UTC')}))", Kind.TIME)


def _form_and_zone(
    rows: Relation, surroundings: Surroundings, call: Call, values: Sequence[Value]
) -> tuple[str, str]:
    try:
        form = dates.strftime_format(_written_out(surroundings, call, values, 1))
    except ValueError as error:
        raise surroundings.fault(
            call.arguments[1],
            f"{str(error)!r} is no part of a format: write `yyyy-MM-dd HH:mm:ss` or `%Y-%m-%d`, say; "
            f"behind a % there may be {' '.join(dates.DIRECTIVES)}",
        ) from None
    zone = _written_out(surroundings, call, values, 2) if len(values) > 2 else "UTC"
    if not dates.is_zone(zone):
        raise surroundings.fault(call.arguments[2], f"{zone!r} is no time zone: write `Europe/Berlin`, say")
    return rows.parameters.bind(form), "UTC" if zone == "UTC" else rows.parameters.bind(zone)


def _moved(time: str, before: str, after: str) -> str:
    """A TIMESTAMP of one time zone as that of another; UTC, or a parameter."""
    if before == after:
        return time
    there, here = ("'UTC'" if zone == "UTC" else f"{zone}::VARCHAR" for zone in (before, after))
    return f"timezone({here}, timezone({there}, {time}))"


def _moment(moment: datetime | None) -> Value:
    return MISSING if moment is None else Value(str(_milliseconds(moment)), Kind.TIME)


def _milliseconds(moment: datetime) -> int:
    return int(moment.astimezone(UTC).timestamp() * 1000)


def _now(_: Relation, surroundings: Surroundings, __: Call, ___: Sequence[Value]) -> Value:
    return Value(str(_milliseconds(surroundings.now) // 1000), Kind.WHOLE)


def _query_start(_: Relation, surroundings: Surroundings, __: Call, ___: Sequence[Value]) -> Value:
    return _moment(surroundings.since)


def _query_end(_: Relation, surroundings: Surroundings, __: Call, ___: Sequence[Value]) -> Value:
    return _moment(surroundings.until or surroundings.now)


def _query_range(_: Relation, surroundings: Surroundings, __: Call, ___: Sequence[Value]) -> Value:
    if surroundings.since is None:
        return MISSING
    until = surroundings.until or surroundings.now
    return Value(str(_milliseconds(until) - _milliseconds(surroundings.since)), Kind.WHOLE)


# Addresses


def _ip(condition: str) -> Special:
    """A condition on an address, which is `{0}` there; false of what is no address."""

    def made(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
        text = rows.held(as_text(rows, values[0]))
        digits = addresses.address(rows, text)
        return Value(
            f"CASE WHEN {text} IS NOT NULL THEN coalesce({condition.format(digits)}, false) END", Kind.TRUTH
        )

    return made


def _in_subnet(*versions: int) -> Special:
    def made(rows: Relation, surroundings: Surroundings, call: Call, values: Sequence[Value]) -> Value:
        network = _written_out(surroundings, call, values, 1)
        try:
            right = addresses.version(network) in versions
            condition = addresses.within("{0}", [network])
        except ValueError:
            right, condition = False, ""
        if not right:
            kinds = " or ".join(f"IPv{version}" for version in versions)
            raise surroundings.fault(
                call.arguments[1],
                f"{network!r} is no {kinds} subnet: write one as `192.0.2.0/24` or `2001:db8::/32`",
            )
        return _ip(condition)(rows, surroundings, call, values)

    return made


def _ipv4_number(rows: Relation, _: Surroundings, __: Call, values: Sequence[Value]) -> Value:
    digits = addresses.address(rows, as_text(rows, values[0]))
    return Value(f"CASE WHEN length({digits}) = 8 THEN try_cast('0x' || {digits} AS BIGINT) END", Kind.WHOLE)


def _written_out(surroundings: Surroundings, call: Call, values: Sequence[Value], place: int) -> str:
    constant = values[place].constant
    if not isinstance(constant, str):
        raise surroundings.fault(
            call.arguments[place], f'`{call.name}` takes this argument written out: write it as "…"'
        )
    return constant


_PRIVATE = addresses.within("{0}", addresses.PRIVATE)
_RESERVED = addresses.within("{0}", addresses.RESERVED)

SPECIAL: Mapping[str, Special] = {
    "if": _chosen,
    "case": _chosen,
    "coalesce": _coalesce,
    "concat": _concat,
    "greatest": _extreme,
    "least": _extreme,
    "regexreplace": _regex_replace,
    "jsonparse": _json_parse,
    "split": _split,
    "bin": _bin,
    "datefloor": _date_floor,
    "dateceil": _date_ceil,
    "formatdate": _format_date,
    "strftime": _format_date,
    "parsedate": _parse_date,
    "now": _now,
    "querystarttime": _query_start,
    "queryendtime": _query_end,
    "querytimerange": _query_range,
    "isvalidip": _ip("{0} IS NOT NULL"),
    "isvalidipv4": _ip("length({0}) = 8"),
    "isvalidipv6": _ip("length({0}) = 32"),
    "isprivateip": _ip(_PRIVATE),
    "isreservedip": _ip(_RESERVED),
    "ispublicip": _ip(f"{{0}} IS NOT NULL AND NOT {_PRIVATE} AND NOT {_RESERVED}"),
    "isipinsubnet": _in_subnet(4, 6),
    "isipv4insubnet": _in_subnet(4),
    "isipv6insubnet": _in_subnet(6),
    "ipv4tonumber": _ipv4_number,
}
"""Functions that are more than their SQL, or that take values as they are."""
