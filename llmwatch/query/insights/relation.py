"""SQL put together step by step: rows, the columns computed for them, and parameters with all that people wrote."""

from __future__ import annotations

import re

from llmwatch.store.documents import extracted

_SIMPLE = re.compile(r"[a-z]+[0-9]*")
_COLUMN = re.compile(r"\bj?c[0-9]+\b")
_PARAMETER = re.compile(r"\$([0-9]+)")


class Parameters:
    """The values of a query, numbered as they come."""

    def __init__(self) -> None:
        self._values: list[object] = []

    def bind(self, value: object) -> str:
        """What stands for a value in the SQL."""
        self._values.append(value)
        return f"${len(self._values)}"

    def of(self, sql: str) -> tuple[str, list[object]]:
        """A statement with the values that it names, and no others: DuckDB takes no more."""
        numbers = list(dict.fromkeys(_PARAMETER.findall(sql)))
        places = {number: place for place, number in enumerate(numbers, 1)}
        renumbered = _PARAMETER.sub(lambda match: f"${places[match[1]]}", sql)
        return renumbered, [self._values[int(number) - 1] for number in numbers]


class Relation:
    """Rows, and what is computed for each of them.

    Its columns are called c1, c2 and so on; what is used several times is one. A column that needs others stands in a
    layer above them, since SQL that repeats an expression computes it as often.
    """

    def __init__(self, sql: str, parameters: Parameters) -> None:
        self.parameters = parameters
        self._sql = sql
        self._names: dict[str, str] = {}
        self._levels: dict[str, int] = {}
        self._layers: list[list[str]] = []
        self._paths: list[str] = []
        self._extracted = ""
        self._last = 0

    @property
    def sql(self) -> str:
        """Rows and all columns so far, as what stands after FROM."""
        if self._paths:
            paths = self.parameters.bind(self._paths)
            found = extracted("json_extract", f"{paths}::VARCHAR[]")
            self._layers.insert(0, [f"({found})::VARCHAR[] AS {self._extracted}"])
        for layer in self._layers:
            self._sql = f"(SELECT *, {', '.join(layer)} FROM {self._sql})"
        self._paths, self._layers, self._levels = [], [], {}
        return self._sql

    def changed(self, sql: str) -> None:
        """Go on with other rows that have all the columns."""
        self._sql = sql

    def name(self) -> str:
        """A name for a new column."""
        self._last += 1
        return f"c{self._last}"

    def held(self, sql: str) -> str:
        """The name of a column that holds an expression."""
        if _SIMPLE.fullmatch(sql):
            return sql
        if sql not in self._names:
            name = self._names[sql] = self.name()
            level = max((self._levels.get(column, 0) for column in _COLUMN.findall(sql)), default=0)
            if level == len(self._layers):
                self._layers.append([])
            self._layers[level].append(f"{sql} AS {name}")
            self._levels[name] = level + 1
        return self._names[sql]

    def extracted(self, path: str) -> str:
        """The JSON at a path of the line. All paths that one step needs are taken at once: the line is parsed once."""
        if not self._paths:
            self._extracted = f"j{self.name()}"
        if path not in self._paths:
            self._paths.append(path)
        return f"{self._extracted}[{self._paths.index(path) + 1}]"

    def where(self, condition: str) -> None:
        """Keep the rows for which a condition is true; before anything is computed for them, if it needs none of it."""
        if not _COLUMN.search(condition):
            self._sql = f"(SELECT * FROM {self._sql} WHERE {condition})"
            return
        # DuckDB pushes a condition below the columns it names and computes them once for each time they are named, as
        # many times as there are ways to them. A column that chance has a part in stays where it is.
        held = self.held(f"CASE WHEN random() < 2 THEN {condition} END")
        self._sql = f"(SELECT * FROM {self.sql} WHERE {held})"
