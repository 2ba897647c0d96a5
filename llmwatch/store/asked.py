"""A person's SQL: what of it runs, and how its refusal reads.

DuckDB alone would let it read the folders that the store itself reads from; so only these tables and functions are
known, whatever the configuration lets through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from llmwatch.errors import UsageError
from llmwatch.store.meanings import MEANINGS

if TYPE_CHECKING:
    import duckdb

_ROW_FUNCTIONS = ("range", "generate_series", "unnest")
_TABLES = f"the tables are {', '.join(MEANINGS)} (sql --describe lists their columns)"
_KIND = re.compile(r"^[A-Z][A-Za-z ]*(?:Error|Exception): ")
_SUGGESTION = ("Candidate bindings:", "Did you mean")
_LONGEST_HEAD = 500


def check(cursor: duckdb.DuckDBPyConnection, sql: str) -> None:
    """Refuse what is not one query of the tables that people see.

    Raises:
        UsageError: it is several statements, or another kind, or reads what is no table of theirs.
        duckdb.Error: it does not parse.

    """
    import duckdb

    statements = cursor.extract_statements(sql)
    if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
        raise UsageError(f"sql takes one SELECT; {_TABLES}")
    row = cursor.execute("SELECT json_serialize_sql(?)", [sql]).fetchone()
    try:
        tree = json.loads(row[0] if row else "null")
        named = list(_nodes(tree))
    except RecursionError:
        raise UsageError("the query was refused: it is nested too deeply; take it apart") from None
    if tree["error"]:
        raise UsageError(f"the query was refused: {tree.get('error_message')}")
    own = {entry["key"].lower() for node in named for entry in node.get("cte_map", {}).get("map", ())}
    for node in named:
        _check_node(node, own)


def _check_node(node: Mapping[str, Any], own: set[str]) -> None:
    """`own`: the names that the query itself gives to subqueries, by WITH."""
    match node.get("type"):
        case "TABLE_FUNCTION":
            name = node["function"].get("function_name", "")
            if name not in _ROW_FUNCTIONS:
                raise UsageError(f"the query was refused: {name!r} gives no rows here; {_TABLES}")
        case "BASE_TABLE" | "SHOW_REF":
            place = [node.get(part) for part in ("catalog_name", "schema_name")]
            name = node.get("table_name") or ""
            unknown = name and name.lower() not in {*MEANINGS, *own}
            if unknown or any(place):
                whole = ".".join([*filter(None, place), name])
                raise UsageError(f"the query was refused: there is no table {whole!r}; {_TABLES}")


def _nodes(tree: object) -> Iterator[Mapping[str, Any]]:
    """All objects of a tree of JSON."""
    waiting = [tree]
    while waiting:
        node = waiting.pop()
        if isinstance(node, dict):
            yield node
            waiting.extend(node.values())
        elif isinstance(node, list):
            waiting.extend(node)


@contextmanager
def refusals(memory_bytes: int) -> Iterator[None]:
    """DuckDB's errors as sentences, with the place that it shows."""
    import duckdb

    try:
        yield
    except duckdb.OutOfMemoryException as error:
        raise UsageError(
            f"the query was refused: it needs more than --memory {memory_bytes >> 20}M leaves it; ask for less, "
            "group sooner, or raise --memory"
        ) from error
    except duckdb.Error as error:
        raise UsageError(f"the query was refused: {_explained(str(error))}") from error


def _explained(message: str) -> str:
    """What is wrong, what may be meant, and the line with its caret: no lists of functions, no traces.

    Of the line what is not printable goes: DuckDB gives it no width when it places the caret.
    """
    before, found, place = message.partition("\nLINE ")
    first, *others = [line.strip() for line in before.strip().split("\n")]
    hints = [line for line in others if line.startswith(_SUGGESTION) and "store." not in line]
    sentence = "\n".join([_KIND.sub("", first)[:_LONGEST_HEAD], *hints])
    if not found:
        return sentence
    shown = ("".join(filter(str.isprintable, line)) for line in f"LINE {place}".split("\n")[:2])
    return "\n".join([sentence, *shown])
