"""What a search shows of what it has found, under the names that a filter has for it, or else under keys of JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from llmwatch.query.filters.compiled import CALLS_OF_LINES, IS_OF_CALL
from llmwatch.query.filters.fields import BY_NAME, Field
from llmwatch.query.matching import values_of
from llmwatch.query.scope import aware
from llmwatch.store.raw import RAW_LINES
from llmwatch.store.store import Store

_BOUNDS = ("since", "until", "flag")
"""Fields that have no value."""

_SHOWN_OTHERWISE = (
    Field("seq", "the place in what was read", "count", "first_seq", "l.rowid", own=True),
    Field(
        "line",
        "the number in its source",
        "count",
        None,
        "(SELECT s.first_line + l.rowid - s.first_seq FROM slices s WHERE s.slice_id = l.slice_id)",
    ),
    Field(
        "error",
        "what the error says, or else its type",
        "text",
        "coalesce(error, error_type)",
        "coalesce(l.error, l.error_type)",
    ),
    Field(
        "message",
        "the message of a line, or all of one that was not understood",
        "text",
        None,
        "coalesce(l.message, (SELECT r.raw FROM rejected_lines r WHERE r.seq = l.rowid))",
    ),
)

COLUMNS: Mapping[str, Field] = {
    name: field for name, field in BY_NAME.items() if field.type not in _BOUNDS
} | {field.name: field for field in _SHOWN_OTHERWISE}
"""By the names that are taken for them. What is of the call is looked up there where the line does not say it."""

_THESE = "rowid >= ? AND rowid <= ? AND rowid IN (SELECT unnest(?::BIGINT[]))"
"""With bounds, DuckDB reads no more than it must."""

_OF_LINES = f"""
WITH these AS (SELECT rowid, * FROM lines WHERE {_THESE}),
    owners AS (SELECT l.rowid AS seq, max(c.first_seq) AS first_seq
        FROM {CALLS_OF_LINES.format(condition="request_id IN (SELECT request_id FROM these)")}
        JOIN these l ON {IS_OF_CALL.format(line="l")} GROUP BY l.rowid)
SELECT l.rowid, {{values}} FROM these l LEFT JOIN owners o ON o.seq = l.rowid
    LEFT JOIN (SELECT first_seq, {{of_calls}} FROM calls WHERE first_seq IN (SELECT first_seq FROM owners)) c
    ON c.first_seq = o.first_seq
"""
_OF_LINES_ALONE = f"SELECT l.rowid, {{values}} FROM (SELECT rowid, * FROM lines WHERE {_THESE}) l"
_OF_CALLS = "SELECT first_seq, {values} FROM calls WHERE first_seq IN (SELECT unnest(?::BIGINT[]))"

Row = tuple[object, ...]


def asks_calls(names: Iterable[str]) -> bool:
    """Whether one of these, of lines, is looked up in calls."""
    return any(name in COLUMNS and COLUMNS[name].of_call for name in names)


def line_values(store: Store, seqs: Sequence[int], names: Sequence[str], now: datetime) -> list[Row]:
    """Of each of these lines, what is called so; a name that is no column's is a key of the line's JSON."""
    columns = [name for name in names if name in COLUMNS]
    keys = [name for name in names if name not in COLUMNS]
    if not seqs:
        return []
    nested = values_of(store, seqs, keys) or ((),) * len(seqs)
    known = _columns_of(store, seqs, columns, now) if columns else {}
    rows = []
    for seq, of_json in zip(seqs, nested, strict=True):
        values = dict(zip(columns, known.get(seq, ()), strict=True)) | dict(zip(keys, of_json, strict=True))
        rows.append(tuple(values[name] for name in names))
    return rows


def call_values(store: Store, seqs: Sequence[int], names: Sequence[str], now: datetime) -> list[Row]:
    """Of each of the calls whose first lines these are, the columns that are called so."""
    values = ", ".join(_cast(COLUMNS[name], COLUMNS[name].call) for name in names)
    known = _by_seq(store, _OF_CALLS.format(values=values), [list(seqs)], now)
    return [known[seq] for seq in seqs]


def keys_of(store: Store, seqs: Sequence[int]) -> list[str]:
    """The keys that the JSON of these lines has."""
    if not seqs or not store.settings.keep_raw:
        return []
    rows = store.query(
        f"""SELECT DISTINCT unnest(try(json_keys(coalesce(document, line)))) FROM {RAW_LINES}
        WHERE seq IN (SELECT unnest(?::BIGINT[])) ORDER BY ALL""",
        [list(seqs)],
    ).rows
    return [str(key) for (key,) in rows]


def _columns_of(store: Store, seqs: Sequence[int], names: Sequence[str], now: datetime) -> Mapping[int, Row]:
    fields = [COLUMNS[name] for name in names]
    of_calls = ", ".join(
        f"({_cast(field, field.call)}) AS v{number}" for number, field in enumerate(fields) if field.of_call
    )
    values = ", ".join(_of_line(field, f"c.v{number}") for number, field in enumerate(fields))
    sql = (_OF_LINES if of_calls else _OF_LINES_ALONE).format(values=values, of_calls=of_calls)
    return _by_seq(store, sql, [min(seqs), max(seqs), list(seqs)], now)


def _of_line(field: Field, of_call: str) -> str:
    """A line tells its own model or tokens; how its call ended only the call knows."""
    line = _cast(field, field.line)
    if not field.of_call:
        return line
    return f"coalesce({of_call}, {line})" if field.type == "status" else f"coalesce({line}, {of_call})"


def _cast(field: Field, sql: str | None) -> str:
    return f"({sql or 'NULL'}){'::DOUBLE' if field.type == 'money' else ''}"


def _by_seq(store: Store, sql: str, parameters: Sequence[object], now: datetime) -> Mapping[int, Row]:
    rows = store.query(sql, parameters, now=now).rows
    return {int(str(seq)): tuple(aware(value) or value for value in values) for seq, *values in rows}
