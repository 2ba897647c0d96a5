"""The values of fields: numbers with units, moments, words; and what each asks of its field."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from fnmatch import fnmatchcase
from math import ceil, floor
from typing import Literal

from llmwatch.errors import UsageError, meant
from llmwatch.query.filters.fields import BY_NAME, FLAGS, Field, Type
from llmwatch.query.filters.patterns import part_of_value
from llmwatch.query.filters.refusals import RefusedError
from llmwatch.query.filters.tree import (
    Conjunction,
    Disjunction,
    Moment,
    Negation,
    Node,
    Operator,
    Test,
)
from llmwatch.query.moments import read_moment

Sign = Literal[":", "=", ">", ">=", "<", "<="]

_EXPONENTS = {"": 0, "k": 3, "K": 3, "M": 6}
_MILLISECONDS = {"ms": 1, "s": 1000, "m": 60_000, "h": 3_600_000, "d": 86_400_000}
_COUNT = re.compile(r"(0|[1-9][0-9]{0,18})(\.[0-9]{1,6})?([kKM]?)")
_MONEY = re.compile(r"\$?(0|[1-9][0-9]{0,14})(\.[0-9]{1,12})?([kKM]?)")
_DURATION = re.compile(r"(0|[1-9][0-9]{0,11})(\.[0-9]{1,6})?(ms|s|m|h|d)")
"""So many digits that Decimal, and DuckDB's DECIMAL(38, 12), have them all."""
_HTTP = re.compile(r"[1-5][0-9]{2}")
_HTTP_BOUND = re.compile(r"[1-5][0-9]{2}|600")
"""`http<600` is all of them."""
_HTTP_CLASS = re.compile(r"([1-5])[xX]{2}")


@dataclass(frozen=True, slots=True)
class Word:
    """A value as it was typed."""

    text: str
    quoted: bool
    place: int
    """Of its first character; of the quote before it."""


def asked(field: Field, sign: Sign, word: Word) -> Node:
    """The question that a field, an operator and one value make. Raises RefusedError."""
    if not word.quoted:
        if word.text.startswith(("=", "<", ">", "!=")):
            raise RefusedError(
                f"one operator is enough: write {field.name}{word.text}, or the value in double quotes",
                word.place,
            )
        if word.text.lower() in ("none", "any") and field.type not in ("since", "until", "flag"):
            _refuse_order(field, sign, word)
            known = Test(field, "known")
            return Negation(known) if word.text.lower() == "none" else known
    return _READERS[field.type](field, sign, word)


def _text(field: Field, sign: Sign, word: Word) -> Node:
    _refuse_order(field, sign, word)
    if sign == "=":
        return Test(field, "=", word.text)
    if not word.text:
        raise RefusedError(
            f'nothing is between the quotes: write {field.name}="" for an empty value, {field.name}:none for an '
            "unknown one",
            word.place,
        )
    pattern = part_of_value(word.text, wild=not word.quoted)
    fields = (field,) if field.also is None else (field, field.also)
    tests = tuple(Test(one, "matches", pattern) if pattern else Test(one, "known") for one in fields)
    return tests[0] if len(tests) == 1 else Disjunction(tests)


def _choice(field: Field, sign: Sign, word: Word) -> Node:
    _refuse_order(field, sign, word)
    wanted = word.text if sign == "=" else word.text.lower()
    found = [
        choice
        for choice in field.choices
        if choice == wanted
        or (sign == ":" and not word.quoted and fnmatchcase(choice, wanted.replace("[", "[[]")))
    ]
    if not found:
        raise RefusedError(
            f"{field.name} is never {word.text!r}: {meant(word.text, field.choices)}it is one of "
            f"{', '.join(field.choices)}",
            word.place,
        )
    tests = tuple(Test(field, "=", choice) for choice in found)
    return tests[0] if len(tests) == 1 else Disjunction(tests)


def _status(field: Field, sign: Sign, word: Word) -> Node:
    """The end of a call, or its HTTP status."""
    if sign not in (":", "=") or word.text[:1].isdigit():
        return asked(BY_NAME["http"], sign, word)
    return _choice(field, sign, word)


def _http(field: Field, sign: Sign, word: Word) -> Node:
    if (many := _HTTP_CLASS.fullmatch(word.text)) and sign in (":", "="):
        first = int(many[1]) * 100
        return Conjunction((Test(field, ">=", first), Test(field, "<=", first + 99)))
    known = _HTTP if sign in (":", "=") else _HTTP_BOUND
    return _whole(field, sign, word, lambda text: Decimal(text) if known.fullmatch(text) else None)


def _count(field: Field, sign: Sign, word: Word) -> Node:
    return _whole(field, sign, word, lambda text: _scaled(_COUNT, text))


def _duration(field: Field, sign: Sign, word: Word) -> Node:
    return _whole(field, sign, word, _milliseconds)


def _money(field: Field, sign: Sign, word: Word) -> Node:
    return _number(
        field,
        sign,
        word,
        lambda text: _scaled(_MONEY, text),
        lambda operator, value: Test(field, operator, value),
    )


def _whole(field: Field, sign: Sign, word: Word, read: Callable[[str], Decimal | None]) -> Node:
    """A field that is a whole number, compared to one that may have a fraction."""

    def test(operator: Operator, value: Decimal) -> Node:
        if operator == "=" and value % 1:
            raise RefusedError(f"{field.name} is never a fraction: write {field.name}>= or <=", word.place)
        rounded = ceil(value) if operator in (">=", "<") else floor(value)
        return Test(field, operator, rounded)

    return _number(field, sign, word, read, test)


def _number(
    field: Field,
    sign: Sign,
    word: Word,
    read: Callable[[str], Decimal | None],
    test: Callable[[Operator, Decimal], Node],
) -> Node:
    def value(text: str, place: int) -> Decimal:
        found = read(text)
        if found is None:
            raise RefusedError(f"{text!r} is no {_UNITS[field.type]}", place)
        return found

    if sign in (":", "=") and ".." in word.text:
        return _range(
            word,
            lambda text, place: test(">=", value(text, place)),
            lambda text, place: test("<=", value(text, place)),
        )
    return test(_operator(sign), value(word.text, word.place))


def _range(word: Word, least: Callable[[str, int], Node], most: Callable[[str, int], Node]) -> Node:
    """Two ends, of which one may be missing."""
    first, _, last = word.text.partition("..")
    parts = [least(first, word.place)] if first else []
    parts += [most(last, word.place + len(first) + 2)] if last else []
    if not parts:
        raise RefusedError("the range has no end: write 1..2, 1.. or ..2", word.place)
    return parts[0] if len(parts) == 1 else Conjunction(tuple(parts))


def _since(field: Field, sign: Sign, word: Word) -> Node:
    if sign not in (":", "="):
        raise RefusedError(f"{field.name} takes a moment and no {sign}: write {field.name}:15m", word.place)
    return Test(field, ">=" if field.type == "since" else "<", _moment(word.text, word.place))


def _time(field: Field, sign: Sign, word: Word) -> Node:
    if sign not in (":", "="):
        return Test(field, _operator(sign), _moment(word.text, word.place))
    if ".." not in word.text:
        raise RefusedError("time is a range: write time:2h..1h, or since:2h or until:1h", word.place)
    return _range(
        word,
        lambda text, place: Test(field, ">=", _moment(text, place)),
        lambda text, place: Test(field, "<", _moment(text, place)),
    )


def _flag(_: Field, sign: Sign, word: Word) -> Node:
    flag = FLAGS.get(word.text.lower())
    if sign not in (":", "=") or flag is None:
        near = meant(word.text, FLAGS)
        raise RefusedError(
            f"{word.text!r} is nothing that a call is: {near}write is:{', is:'.join(FLAGS)}", word.place
        )
    return Test(flag, "true")


_READERS: Mapping[Type, Callable[[Field, Sign, Word], Node]] = {
    "text": _text,
    "choice": _choice,
    "status": _status,
    "http": _http,
    "count": _count,
    "money": _money,
    "duration": _duration,
    "time": _time,
    "since": _since,
    "until": _since,
    "flag": _flag,
}

_UNITS: Mapping[Type, str] = {
    "http": "HTTP status: those are 100 to 599, written as 429, 5xx or 400..499",
    "count": "number: write 500, 10k or 1.5M, without a comma",
    "money": "number of dollars: write 0.5, $20 or 1k, without a comma",
    "duration": "length of time: write 500ms, 5s, 1m30s or 2h, with the unit",
}


def _operator(sign: Sign) -> Operator:
    match sign:
        case ":":
            return "="
        case _:
            return sign


def _refuse_order(field: Field, sign: Sign, word: Word) -> None:
    if sign not in (":", "="):
        name, value = field.name, word.text
        raise RefusedError(
            f"{name} {sign} {value} says nothing: write {name}:{value}, {name}={value} or {name}!={value}",
            word.place,
        )


def _scaled(form: re.Pattern[str], text: str) -> Decimal | None:
    found = form.fullmatch(text)
    return None if found is None else Decimal(found[1] + (found[2] or "")).scaleb(_EXPONENTS[found[3]])


def _milliseconds(text: str) -> Decimal | None:
    """`0` needs no unit."""
    if text == "0":
        return Decimal(0)
    parts: Sequence[re.Match[str]] = list(_DURATION.finditer(text))
    if not parts or "".join(part[0] for part in parts) != text:
        return None
    return sum((Decimal(part[1] + (part[2] or "")) * _MILLISECONDS[part[3]] for part in parts), Decimal(0))


_PROBES = datetime(2020, 1, 1, 6, tzinfo=UTC), datetime(2020, 1, 3, 18, tzinfo=UTC)
"""Two days and half a day apart, so that what moves with the clock, and what with the day, is seen."""


def _moment(text: str, place: int) -> Moment:
    try:
        early, late = (read_moment(text, now) for now in _PROBES)
    except UsageError as error:
        raise RefusedError(str(error), place) from None
    if early == late:
        return Moment(late)
    back = _PROBES[1] - late
    if _PROBES[0] - early == back:
        return Moment("now", back)
    return Moment("midnight", back - timedelta(hours=_PROBES[1].hour))
