"""The text of a Logs Insights query to its tree."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import TypeVar

from llmwatch.query.insights.expressions import ExpressionReader
from llmwatch.query.insights.faults import QueryError, nearest
from llmwatch.query.insights.reader import COMMAND_WORDS
from llmwatch.query.insights.refused import REFUSED_COMMANDS, REFUSED_PATTERNS
from llmwatch.query.insights.regex import group_names
from llmwatch.query.insights.signatures import SIGNATURES
from llmwatch.query.insights.tree import (
    Call,
    Command,
    Dedup,
    Display,
    Expression,
    Field,
    Fields,
    Filter,
    InsightsQuery,
    Limit,
    Named,
    Parse,
    Sort,
    SortKey,
    Stats,
    Text,
    Unnest,
    children,
)
from llmwatch.sources.cloudwatch.insights import LONGEST_TEXT, MOST_ROWS

Item = TypeVar("Item")

_UNFIT = re.compile("[\0\ud800-\udfff]")


def read_query(text: str) -> InsightsQuery:
    """Read a query.

    Raises:
        QueryError: it is malformed, or has what the local engine has not; the place is shown.

    """
    _check_text(text)
    reader = ExpressionReader(text)
    if reader.ended():
        raise reader.fault(0, "the query is empty: write `fields @timestamp, @message`, say")
    commands = [_command(reader)]
    while reader.skip("|"):
        commands.append(_command(reader))
    if not reader.ended():
        raise reader.unexpected("`,`, `|` or the end")
    _check_order(text, commands)
    return InsightsQuery(text, tuple(commands), tuple(dict.fromkeys(reader.remarks)))


def _check_text(text: str) -> None:
    if len(text) > LONGEST_TEXT:
        raise QueryError(
            text,
            LONGEST_TEXT,
            f"the query has {len(text):,} characters, and {LONGEST_TEXT:,} are allowed: shorten it",
        )
    if unfit := _UNFIT.search(text):
        place = unfit.start()
        raise QueryError(
            text[:place],
            place,
            "NUL, or a byte that is no UTF-8, stands here, which no query has: leave it out",
        )


def _command(reader: ExpressionReader) -> Command:
    place, word = reader.token.begin, reader.word
    if word in _COMMANDS:
        reader.take()
        return _COMMANDS[word](reader, place)
    if word in REFUSED_COMMANDS:
        raise reader.fault(place, f"`{reader.token.text}` {REFUSED_COMMANDS[word]}")
    among = f"write one of {', '.join(COMMAND_WORDS)}"
    if word:
        raise reader.fault(
            place, f"there is no command {reader.shown}: {nearest(word, COMMAND_WORDS, among)}"
        )
    raise reader.fault(place, f"a command is missing here: {among}")


def _fields(reader: ExpressionReader, place: int) -> Fields:
    return Fields(_distinct(reader, _items(reader)), place)


def _display(reader: ExpressionReader, place: int) -> Display:
    return Display(_distinct(reader, _items(reader)), place)


def _filter(reader: ExpressionReader, place: int) -> Filter:
    return Filter(reader.whole(), place)


def _parse(reader: ExpressionReader, place: int) -> Parse:
    source = None if reader.token.kind == "string" or reader.symbol == "/" else reader.source()
    begin = reader.token.begin
    if reader.symbol == "/":
        regex = reader.regex(named=True)
        if not (names := group_names(regex)):
            raise reader.fault(begin, "no group of the expression has a name: write one as `(?<name>…)`")
        if reader.word == "as":
            raise reader.fault(
                reader.token.begin,
                "the groups of the expression are the names: leave `as` out, or write a glob",
            )
        return Parse(source, regex, names, place)
    if reader.word in REFUSED_PATTERNS:
        raise reader.fault(begin, f"`{reader.token.text}` {REFUSED_PATTERNS[reader.word]}")
    if reader.token.kind != "string":
        raise reader.unexpected('a "glob * pattern" or a `/regular expression/`')
    pattern = Text(reader.string(), begin)
    return Parse(source, pattern, _glob_names(reader, pattern), place)


def _glob_names(reader: ExpressionReader, pattern: Text) -> tuple[str, ...]:
    names: list[str] = []
    if reader.word == "as":
        while not names or reader.symbol == ",":
            reader.take()
            begin = reader.token.begin
            name = reader.alias()
            if name in names:
                raise reader.fault(begin, f"`{name}` is the name of two stars: give each a name of its own")
            names.append(name)
    stars = pattern.value.count("*")
    if not stars:
        raise reader.fault(pattern.place, "the glob has no `*`: put one for each part to take")
    if stars != len(names):
        raise reader.fault(
            pattern.place,
            f"{_number(stars, 'star')} in the glob and {_number(len(names), 'name')} after `as`: "
            "give each star one name",
        )
    return tuple(names)


def _stats(reader: ExpressionReader, place: int) -> Stats:
    if reader.word == "by":
        raise reader.fault(reader.token.begin, "an aggregate is missing before `by`: write `count(*)`, say")
    reader.aggregates = "here"
    items = _items(reader)
    reader.aggregates = "elsewhere"
    by = _items(reader) if reader.skip("by") else ()
    reader.refuse_offset()
    _check_aggregates(reader, items)
    _distinct(reader, (*items, *by))
    reader.columns = frozenset(item.text for item in (*items, *by) if item.alias is None)
    return Stats(items, by, place)


def _sort(reader: ExpressionReader, place: int) -> Sort:
    def key() -> SortKey:
        begin, found = reader.token.begin, reader.whole()
        descending = reader.skip("desc")
        if not descending:
            reader.skip("asc")
        return SortKey(found, descending, begin)

    return Sort(_listed(reader, key), place)


def _limit(reader: ExpressionReader, place: int) -> Limit:
    taken_any = reader.skip("any")
    begin, kind, digits = reader.token.begin, reader.token.kind, reader.token.text
    if kind != "number" or not digits.isdigit() or len(digits) > 6 or not 0 < int(digits) <= MOST_ROWS:
        raise reader.fault(begin, f"`limit` takes a whole number from 1 to {MOST_ROWS:,}: write one")
    reader.take()
    if reader.symbol == ",":
        raise reader.fault(reader.token.begin, "`limit` takes one number: write it without commas")
    return Limit(int(digits), taken_any, place)


def _dedup(reader: ExpressionReader, place: int) -> Dedup:
    return Dedup(_listed(reader, lambda: reader.name("a field")), place)


def _unnest(reader: ExpressionReader, place: int) -> Unnest:
    source = reader.source()
    if not reader.skip("into"):
        raise reader.unexpected("`into`")
    return Unnest(source, reader.alias(), place)


_COMMANDS: Mapping[str, Callable[[ExpressionReader, int], Command]] = {
    "fields": _fields,
    "display": _display,
    "filter": _filter,
    "where": _filter,
    "filterindex": _filter,
    "parse": _parse,
    "stats": _stats,
    "sort": _sort,
    "limit": _limit,
    "dedup": _dedup,
    "unnest": _unnest,
}


def _listed(reader: ExpressionReader, item: Callable[[], Item]) -> tuple[Item, ...]:
    found = [item()]
    while reader.skip(","):
        found.append(item())
    return tuple(found)


def _items(reader: ExpressionReader) -> tuple[Named, ...]:
    def item() -> Named:
        begin = reader.token.begin
        expression = reader.whole()
        text = reader.text[begin : reader.read]
        if isinstance(expression, Field) and len(expression.steps) == 1:
            text = str(expression.steps[0])
        return Named(expression, reader.alias() if reader.skip("as") else None, text, begin)

    return _listed(reader, item)


def _distinct(reader: ExpressionReader, items: tuple[Named, ...]) -> tuple[Named, ...]:
    """Refuse two columns of one name. The same field twice is one column."""
    seen: dict[str, Named] = {}
    for item in items:
        other = seen.setdefault(item.name, item)
        if other is not item and (other.alias or item.alias):
            raise reader.fault(
                item.place, f"two columns are called `{item.name}`: give one another name with `as`"
            )
    return items


def _check_aggregates(reader: ExpressionReader, items: Iterable[Named]) -> None:
    """Items of `stats` are made of aggregates and of the names of items before."""
    known: set[str] = set()
    for item in items:
        bare = [field for field in _outside_aggregates(item.expression) if isinstance(field, Field)]
        for field in bare:
            if (name := ".".join(map(str, field.steps))) not in known:
                raise reader.fault(
                    field.place,
                    f"`{name}` is in no aggregate, nor named before: write `max(…)` or the like, or put it after `by`",
                )
        if not bare and not any(_is_aggregate(found) for found in _walk(item.expression)):
            raise reader.fault(
                item.place, "this has no aggregate: write `count(*)` or the like, or use `fields`"
            )
        known.add(item.name)


def _walk(expression: Expression) -> Iterator[Expression]:
    yield expression
    for child in children(expression):
        yield from _walk(child)


def _outside_aggregates(expression: Expression) -> Iterator[Expression]:
    if not _is_aggregate(expression):
        yield expression
        for child in children(expression):
            yield from _outside_aggregates(child)


def _is_aggregate(expression: Expression) -> bool:
    return isinstance(expression, Call) and SIGNATURES[expression.name.lower()].aggregate


def _check_order(text: str, commands: Sequence[Command]) -> None:
    """What may stand where (user guide, `dedup` and `stats`)."""
    for before, following in pairwise(command for command in commands if not isinstance(command, Limit)):
        if isinstance(before, Dedup):
            raise QueryError(
                text, following.place, "only `limit` may follow `dedup`: put this before the `dedup`"
            )
    stats = [number for number, command in enumerate(commands) if isinstance(command, Stats)]
    for command in commands[: stats[-1]] if len(stats) > 1 else ():
        if isinstance(command, Sort | Limit):
            raise QueryError(
                text,
                command.place,
                "with several `stats`, `sort` and `limit` follow the last one: put this behind it",
            )


def _number(count: int, of: str) -> str:
    return f"{count} {of}{'' if count == 1 else 's'}"
