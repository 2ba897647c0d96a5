"""The tree of a query to SQL: each command is a step that changes rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmwatch.query.insights.aggregates import FROM_TIME, Select, aggregated
from llmwatch.query.insights.compute import Computation, Names, is_aggregate
from llmwatch.query.insights.functions import Surroundings
from llmwatch.query.insights.globs import glob_regex
from llmwatch.query.insights.relation import Parameters, Relation
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
    Period,
    Regex,
    Sort,
    Stats,
    Unnest,
    children,
)
from llmwatch.query.insights.values import Kind, Value, as_any, as_text, as_whole, canonical, natural_key

USUAL_ROWS = 10_000
"""How many rows there are without `limit` (user guide, `limit`)."""

_SHOWN = ("@timestamp", "@message")
"""What is shown where nothing says what (user guide, `fields`)."""


@dataclass(frozen=True, slots=True)
class Statement:
    """SQL and its parameters."""

    sql: str
    parameters: list[object]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to ask the database."""

    rows: Statement
    """One row more than `limit`, if there are so many. After the columns: how many lines all filters before the first
    `stats` let through, if that came by."""
    limit: int
    columns: tuple[tuple[str, Kind], ...]
    matched: Statement
    """Counts these lines."""
    rows_are_lines: bool
    """Whether these lines are the rows, without a limit."""
    binned: tuple[str, Period] | None
    """The column of a `bin(…)` by which rows are grouped, and what is in its brackets."""
    missing: tuple[str, ...]
    """Names that no row has."""
    fields: tuple[str, ...]
    """Those of the query that the JSON of a line may have."""


@dataclass(frozen=True, slots=True)
class _Key:
    """A column that orders rows."""

    column: str
    descending: bool = False

    @property
    def sql(self) -> str:
        return f"{self.column} {'DESC NULLS LAST' if self.descending else 'ASC NULLS FIRST'}"


def compile_query(
    query: InsightsQuery, lines: str, parameters: Parameters, surroundings: Surroundings
) -> Plan:
    """The SQL of a query over `lines`, which stands after FROM.

    Raises:
        QueryError: a part of it cannot be run here.

    """
    steps = _Steps(lines, parameters, surroundings)
    for command in query.commands:
        steps.take(command)
    return steps.plan()


class _Steps:
    """The rows as the commands so far leave them."""

    def __init__(self, lines: str, parameters: Parameters, surroundings: Surroundings) -> None:
        self._parameters = parameters
        self._surroundings = surroundings
        self._start(Relation(lines, parameters), lines=True)
        self._ties = [_Key("source"), _Key("line", descending=True)]
        self._keys = [_Key("time", descending=True)]
        self._limit: Limit | None = None
        self._matched: str | None = None
        self._missing: dict[str, None] = {}
        self._fields: dict[str, Value] = {}

    def _start(self, rows: Relation, *, lines: bool) -> None:
        self._rows = rows
        self._names = Names(rows, self._surroundings, lines=lines)
        self._compute = Computation(self._names)
        self._shown: dict[str, Value] = {}
        self._display: dict[str, Value] | None = None

    def take(self, command: Command) -> None:
        """Take one command more."""
        if self._limit is not None and not isinstance(command, Fields | Display):
            self._cut()
        match command:
            case Fields(items=items):
                self._shown |= self._named(items)
            case Display(items=items):
                self._display = self._named(items)
            case Filter(condition=condition):
                self._rows.where(self._compute.truth(condition))
            case Parse():
                self._parse(command)
            case Stats():
                self._stats(command)
            case Sort():
                self._sort(command)
            case Limit():
                self._limit = command
            case Dedup(items=items):
                self._dedup(items)
            case Unnest():
                self._unnest(command)

    def plan(self) -> Plan:
        """All commands were taken."""
        limit = self._limit.count if self._limit else USUAL_ROWS
        shown = self._display if self._display is not None else self._shown
        if not shown:
            shown = {name: self._names.field((name,)) for name in _SHOWN}
        written = [self._written(value) for value in shown.values()]
        columns = ", ".join(f"{sql} AS o{number}" for number, sql in enumerate(written))
        matched = "NULL" if self._names.lines else "matched"
        sql = (
            f"SELECT {columns}, {matched} AS matched FROM {self._rows.sql}{self._ordered()} LIMIT {limit + 1}"
        )
        binned = next(((name, value.binned) for name, value in shown.items() if value.binned), None)
        return Plan(
            self._statement(sql),
            limit,
            tuple((name, value.kind) for name, value in shown.items()),
            self._statement(f"SELECT count(*) FROM {self._matched or self._rows.sql}"),
            self._matched is None,
            binned if not self._names.lines else None,
            tuple(self._missing | self._names.missing),
            tuple(self._fields | self._names.fields),
        )

    def _statement(self, sql: str) -> Statement:
        return Statement(*self._parameters.of(sql))

    def _written(self, value: Value) -> str:
        if value.kind is Kind.TIME:
            return as_text(self._rows, value)
        return as_whole(self._rows, value) if value.kind is Kind.TRUTH else value.sql

    def _named(self, items: Sequence[Named]) -> dict[str, Value]:
        return {
            item.name: self._names.name(item.name, self._compute.value(item.expression)) for item in items
        }

    # Rows

    def _ordered(self) -> str:
        if self._limit is not None and self._limit.any:
            return ""
        keys = [*self._keys, *self._ties]
        return f" ORDER BY {', '.join(key.sql for key in keys)}" if keys else ""

    def _cut(self) -> None:
        """Apply a `limit` that is not the last command."""
        assert self._limit is not None  # noqa: S101
        self._lines_end()
        rows = self._rows.sql
        self._rows.changed(f"(SELECT * FROM {rows}{self._ordered()} LIMIT {self._limit.count})")
        self._limit = None

    def _lines_end(self) -> None:
        """From here on rows are no longer the lines that the filters let through."""
        if self._matched is None:
            self._matched = self._rows.sql

    def _sort(self, sort: Sort) -> None:
        self._keys = [
            _Key(natural_key(self._rows, self._compute.value(key.expression)), key.descending)
            for key in sort.keys
        ]
        if self._names.lines:
            self._ties = [_Key(tie.column, sort.keys[0].descending) for tie in self._ties]

    def _dedup(self, items: Sequence[Field]) -> None:
        self._lines_end()
        keys = [self._grouped(self._compute.value(item)) for item in items]
        missing = " OR ".join(f"{key} IS NULL" for key in keys)
        rows, order = self._rows.sql, self._ordered()
        first = f"row_number() OVER (PARTITION BY {', '.join(keys)}{order}) = 1"
        self._rows.changed(f"(SELECT * FROM {rows} QUALIFY {missing} OR {first})")

    def _grouped(self, value: Value) -> str:
        """What two values have in common that are the same to a person."""
        if value.kind in (Kind.ANY, Kind.TEXT):
            return self._rows.held(as_text(self._rows, value))
        return self._rows.held(value.sql)

    def _unnest(self, unnest: Unnest) -> None:
        value = self._rows.held(as_any(self._rows, self._compute.value(unnest.source)))
        items = self._rows.held(
            f"CASE WHEN starts_with({value}, '[') THEN from_json({value}, '[\"JSON\"]')::VARCHAR[] ELSE [{value}] END"
        )
        self._lines_end()
        rows, item, place = self._rows.sql, self._rows.name(), self._rows.name()
        self._rows.changed(
            f"(SELECT *, unnest({items}) AS {item}, unnest(range(len({items}))) AS {place} FROM {rows})"
        )
        self._ties.append(_Key(place))
        self._names.name(unnest.name, Value(canonical(item), Kind.ANY))

    def _parse(self, parse: Parse) -> None:
        source = self._compute.value(
            parse.source if parse.source is not None else Field(("@message",), parse.place)
        )
        text = self._rows.held(as_text(self._rows, source))
        pattern = (
            parse.pattern.pattern if isinstance(parse.pattern, Regex) else glob_regex(parse.pattern.value)
        )
        bound = f"{self._parameters.bind(pattern)}::VARCHAR"
        groups = [f"g{number}" for number in range(len(parse.names))]
        parts = self._rows.held(
            f"CASE WHEN regexp_matches({text}, {bound}) THEN regexp_extract({text}, {bound}, {groups}) END"
        )
        for name, group in zip(parse.names, groups, strict=True):
            self._names.name(name, Value(f"{parts}.{group}", Kind.TEXT))

    # Groups

    def _stats(self, stats: Stats) -> None:
        matched = self._lines_matched()
        self._lines_end()
        keys = [self._compute.value(item.expression) for item in stats.by]
        grouped = [self._grouped(value) for value in keys]
        selected: list[str] = []

        def select(sql: str) -> str:
            if sql not in selected:
                selected.append(sql)
            return f"a{selected.index(sql)}"

        groups = [
            self._group(value, column, number, select)
            for number, (value, column) in enumerate(zip(keys, grouped, strict=True))
        ]
        aggregates = {
            id(call): self._aggregate(call, select)
            for item in stats.items
            for call in _aggregates(item.expression)
        }
        columns = [f"{column} AS k{number}" for number, column in enumerate(grouped)]
        columns += [f"{sql} AS a{number}" for number, sql in enumerate(selected)]
        columns.append(f"{matched} AS matched")
        by = f" GROUP BY {', '.join(map(str, range(1, len(keys) + 1)))}" if keys else ""
        rows = Relation(f"(SELECT {', '.join(columns)} FROM {self._rows.sql}{by})", self._parameters)
        self._missing |= self._names.missing
        self._fields |= self._names.fields
        self._start(rows, lines=False)
        self._compute = Computation(self._names, aggregates)
        for item, value in zip(stats.by, groups, strict=True):
            self._shown[item.name] = self._names.name(item.name, value)
        self._shown |= self._named(stats.items)
        self._compute = Computation(self._names)
        self._keys = []
        self._ties = [_Key(natural_key(rows, value)) for value in groups]

    def _lines_matched(self) -> str:
        """How many lines came as far as the first `stats`, for a column beside its groups and those of later ones."""
        if not self._names.lines:
            return "any_value(matched)"
        return "sum(count(*)) OVER ()" if self._matched is None else "NULL::BIGINT"

    def _group(self, value: Value, column: str, number: int, select: Select) -> Value:
        """What a group is called: of texts and numbers that read alike it is one of them as it was written."""
        if value.kind is not Kind.ANY:
            return Value(f"k{number}", value.kind, None, value.binned)
        held = self._rows.held(value.sql)
        return Value(select(f"min(CASE WHEN {column} IS NOT NULL THEN {held} END)"), Kind.ANY)

    def _aggregate(self, call: Call, select: Select) -> Value:
        if call.name in FROM_TIME and not self._names.lines:
            raise self._surroundings.fault(
                call,
                f"`{call.name}` needs the time of a line, and the `stats` before leaves none: use `max` or `min`",
            )
        arguments = [self._compute.value(argument) for argument in call.arguments]
        return aggregated(self._rows, self._surroundings, call, arguments, select)


def _aggregates(expression: Expression) -> Iterator[Call]:
    if isinstance(expression, Call) and is_aggregate(expression):
        yield expression
        return
    for child in children(expression):
        yield from _aggregates(child)
