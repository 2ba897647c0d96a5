"""Lines as they were written, for queries over raw lines: files where they lie, and slices of anything else on disk."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

from llmwatch.dialects.dialect import quoted
from llmwatch.errors import StoreError
from llmwatch.store.cancel import Cancel
from llmwatch.store.connection import connect
from llmwatch.store.documents import IS_ODD, WHITE, document, extracted, is_refusal
from llmwatch.store.lenient import BOM
from llmwatch.store.line_rows import Row, rows_of
from llmwatch.store.raw import RAW_LINES
from llmwatch.store.scratch import Scratch
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Rows, Store
from llmwatch.store.whole_files import LONGEST_LINE, holds_wrapped, slices_of, stays

if TYPE_CHECKING:
    import duckdb

_TIME_KEYS = ("timestamp", "@timestamp", "time", "ts")
"""Keys of a JSON line that may hold its time; the first that is there counts."""

_MOST_FILES = 200
"""Files that are queried where they lie; each is a part of the SQL."""

_SEPARATOR = chr(0x100000 + secrets.randbelow(0xFFFE))
"""The reader wants one. It refuses a line that has it, but silently drops one at the end of a line, so it is a
character for private use that nobody can know beforehand."""

_IN_PYTHON_BELOW = 256 << 10
"""Bytes of a slice that are not worth a file for the reader."""

_BATCH = 20_000
"""Lines that go from Python to the database at once."""

_COLUMNS = {
    "message": "VARCHAR",
    "document": "VARCHAR",
    "time": "TIMESTAMP",
    "ingestion": "TIMESTAMP",
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "line": "BIGINT",
}

_NOT_BLANK = (
    "CASE WHEN message >= '!' AND message < chr(65279) THEN true "
    f"ELSE trim(regexp_replace(message, '^\\x{{FEFF}}', ''), {WHITE}) <> '' END"
)
"""Nearly all lines pass by the first half, which costs nothing; of an OR both halves are computed."""


def _complete(rows: str) -> str:
    """Rows whose time is `known`, or else is what their JSON tells.

    Chance has a part in it, so that no condition on the time makes the database compute it twice.
    """
    paths = ", ".join(quoted(f"/{key}") for key in _TIME_KEYS)
    keys = ", ".join(f"keys[{number}]" for number in range(1, len(_TIME_KEYS) + 1))
    told = f"CASE WHEN known IS NULL THEN {extracted('json_extract_string', f'[{paths}]')} END"
    return (
        "SELECT message, document, in_place, "
        f"CASE WHEN random() < 2 THEN coalesce(known, {_parsed('word')}) END AS time, ingestion, "
        f"source, stream, line FROM (SELECT *, coalesce({keys}) AS word FROM (SELECT *, {told} AS keys FROM "
        f"({rows})))"
    )


def _parsed(text: str) -> str:
    """A text as a time: ISO 8601, in UTC if it does not say, or seconds or milliseconds since 1970."""
    number = f"try_cast({text} AS DOUBLE)"
    seconds = f"CASE WHEN {number} >= 1e11 THEN {number} / 1000 ELSE {number} END"
    return (
        f"CASE WHEN ends_with({text}, 'Z') THEN try_cast(replace({text}, ',', '.') AS TIMESTAMP) "
        f"WHEN regexp_full_match({text}, '[0-9]{{9,13}}(\\.[0-9]+)?') "
        f"THEN make_timestamp(({seconds} * 1000000)::BIGINT) "
        f"WHEN regexp_matches({text}, ':[0-9.,]+ ?[+-][0-9]{{2}}(:?[0-9]{{2}})?$') "
        f"THEN timezone('UTC', try_cast(replace({text}, ',', '.') AS TIMESTAMPTZ)) "
        f"WHEN {text}[1] BETWEEN '0' AND '9' THEN try_cast(replace({text}, ',', '.') AS TIMESTAMP) END"
    )


class LineStore:
    """Lines in the order they came. One thread adds; `query` may be called from any.

    It reads the files it was given and nothing else, whoever wrote the SQL.
    """

    relation = texts = "every_line"
    """All lines, as what stands after FROM. `time` is the event's own, where the source knew it, or what the line
    tells; `line` is the number in its source."""

    def __init__(self, memory_bytes: int = 1 << 30) -> None:
        self._memory_bytes = memory_bytes
        self._scratch = Scratch()
        self._files: list[WholeFile] = []
        self._lock = threading.RLock()
        self._cursors: set[duckdb.DuckDBPyConnection] = set()
        self._locked = False
        self._shown = False
        self._count: int | None = None
        try:
            self._connection = _open(memory_bytes, self._scratch)
        except BaseException:
            self._scratch.close()
            raise

    def take_file(self, file: WholeFile) -> bool:
        """Query a file where it lies. False where its lines have to be added as slices."""
        if self._locked or len(self._files) == _MOST_FILES or not stays(file) or holds_wrapped(file):
            return False
        self._files.append(file)
        return True

    def add(self, *pieces: Slice) -> None:
        """Keep the lines of slices; they are in the answer of the next query."""
        with self._lock, self._errors():
            first, rows = self._kept(), list[Row]()
            for piece in pieces:
                if len(piece.data) < _IN_PYTHON_BELOW or piece.record or not self._read(piece):
                    rows += rows_of(piece)
            for start in range(0, len(rows), _BATCH):
                self._insert(rows[start : start + _BATCH])
            self._mend(first)
            self._count = None

    def _kept(self) -> int:
        (row,) = self._connection.execute("SELECT count(*) FROM kept.lines").fetchall()
        return int(row[0])

    def _mend(self, first: int) -> None:
        """Give the lines from a row on a document where they need one."""
        odd = self._connection.execute(
            f"SELECT rowid, message FROM kept.lines WHERE rowid >= ? AND document IS NULL AND {IS_ODD}",
            [first],
        ).fetchall()
        for start in range(0, len(odd), _BATCH):
            batch = odd[start : start + _BATCH]
            self._connection.execute(
                "UPDATE kept.lines SET document = d.document FROM (SELECT unnest(?::BIGINT[]) AS row, "
                "unnest(?::VARCHAR[]) AS document) d WHERE lines.rowid >= ? AND lines.rowid = d.row",
                [[row for row, _ in batch], [document(text.encode()) for _, text in batch], first],
            )

    def _read(self, piece: Slice) -> bool:
        """Let the reader keep them, which is fast. False where it refuses them."""
        import duckdb

        if piece.first_line > 1 and piece.data.startswith(BOM):  # it takes that for the mark of a file
            return False
        files = self._scratch.put(piece.data)
        try:
            self._connection.execute(
                "INSERT INTO kept.lines SELECT message, NULL, NULL, NULL, $1, $2, line FROM (SELECT message, "
                f"$3::BIGINT - 1 + row_number() OVER () AS line FROM {_reader(files)}) WHERE {_NOT_BLANK}",
                [piece.source, piece.stream, piece.first_line],
            )
        except duckdb.InvalidInputException:
            return False
        return True

    def _insert(self, rows: Sequence[Row]) -> None:
        values = ", ".join(f"unnest(?::{kind}[])" for kind in _COLUMNS.values())
        columns = [list(column) for column in zip(*rows, strict=True)]
        self._connection.execute(f"INSERT INTO kept.lines SELECT {values}", columns)

    @property
    def count(self) -> int:
        """How many lines there are, without blank ones."""
        if self._count is None:
            (row,) = self.query(f"SELECT count(*) FROM {self.relation}").rows
            self._count = int(str(row[0]))
        return self._count

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Rows:
        """The rows of one of our own queries.

        Raises:
            SourceError: a file was exchanged for another since it was taken.

        """
        import duckdb

        with self._errors():
            while True:
                self._show()
                try:
                    rows = self._ask(sql, parameters)
                except duckdb.InvalidInputException as error:
                    wrong = self._refused(error)
                    if not wrong:
                        raise
                else:
                    wrong = [file for file in self._files if not file.unchanged()]
                    if not wrong:
                        return rows
                self._copy(wrong)

    def _refused(self, error: Exception) -> list[WholeFile]:
        """The files that cannot be queried where they lie, as far as an error of a query comes of that."""
        import duckdb

        files = list(self._files)
        if "CSV" in str(error):
            return files
        if not is_refusal(error):
            return []
        odd = f"SELECT DISTINCT in_place FROM {self.relation} WHERE in_place IS NOT NULL AND {IS_ODD}"
        try:
            return [files[int(str(number))] for (number,) in self._ask(odd, []).rows] or files
        except duckdb.InvalidInputException:
            return files

    def _ask(self, sql: str, parameters: Sequence[object]) -> Rows:
        with self._lock:
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
        try:
            cursor.execute(sql, list(parameters))
            columns = tuple(str(column[0]) for column in cursor.description or ())
            return Rows(columns, cursor.fetchall())
        finally:
            self._cursors.discard(cursor)
            cursor.close()

    def _show(self) -> None:
        """Make `relation` what it says, and forbid the database all else."""
        with self._lock:
            if not self._shown:
                parts = [_lines_of(file, number) for number, file in enumerate(self._files)]
                parts.append(
                    "SELECT message, document, NULL::INTEGER AS in_place, time AS known, ingestion, source, stream, "
                    "line FROM kept.lines"
                )
                self._connection.execute(
                    f"CREATE OR REPLACE VIEW {self.relation} AS {_complete(' UNION ALL '.join(parts))}"
                )
                self._shown = True
            if not self._locked:
                paths = ", ".join(quoted(file.path) for file in self._files)
                self._connection.execute(f"SET allowed_paths = [{paths}]::VARCHAR[]")
                self._connection.execute(f"SET allowed_directories = [{quoted(f'{self._scratch.transit}/')}]")
                self._connection.execute("SET enable_external_access = false")
                self._connection.execute("SET lock_configuration = true")
                self._locked = True

    def _copy(self, files: Sequence[WholeFile]) -> None:
        """Keep the lines of files that the reader refuses, or that others write to, as they were when taken."""
        with self._lock:
            for file in list(files):
                if file in self._files:
                    for piece in slices_of(file):
                        self.add(piece)
                    self._files.remove(file)
            self._shown = False

    def interrupt(self) -> None:
        """End all queries. Callable from any thread."""
        self._connection.interrupt()
        for cursor in tuple(self._cursors):
            cursor.interrupt()

    def close(self) -> None:
        """Close the database and remove all temporary files."""
        self._connection.close()
        self._scratch.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise StoreError(
                f"out of memory at {self._memory_bytes >> 20} MiB: raise --memory, or free room in "
                f"{self._scratch.spill.parent}, where lines are kept"
            ) from error
        except duckdb.IOException as error:
            reason = str(error).partition("\n")[0]
            raise StoreError(
                f"lines cannot be read, or kept in {self._scratch.spill.parent}: {reason}"
            ) from error


class StoreLines:
    """The lines of a store that keeps them, as a `LineStore` has them.

    There, blank lines are `null`; one that somebody wrote was rejected.
    """

    relation = (
        "("
        + _complete(
            "SELECT * FROM (SELECT r.line AS message, r.document, NULL::INTEGER AS in_place, "
            "l.time AS known, NULL::TIMESTAMP AS ingestion, s.source, "
            f"t.stream, s.first_line + (r.seq - s.first_seq) AS line FROM {RAW_LINES} r "
            "JOIN lines l ON l.rowid = r.seq JOIN slices s USING (slice_id) "
            "JOIN streams t ON t.stream_id = l.stream_id "
            "WHERE r.line <> 'null' OR r.seq IN (SELECT seq FROM rejected_lines))"
        )
        + ")"
    )

    texts = f"(SELECT line AS message, document, NULL::INTEGER AS in_place FROM {RAW_LINES})"
    """The columns that a line's JSON is in, without a join: the first of them are there at once."""

    def __init__(self, store: Store, cancel: Cancel | None = None) -> None:
        self._store = store
        self._cancel = cancel

    @property
    def count(self) -> int:
        """How many lines there are, without blank ones."""
        return self._store.lines

    def query(self, sql: str, parameters: Sequence[object] = ()) -> Rows:
        """The rows of one of our own queries."""
        return self._store.query(sql, parameters, cancel=self._cancel)


def _open(memory_bytes: int, scratch: Scratch) -> duckdb.DuckDBPyConnection:
    import duckdb

    connection = connect(memory_bytes, scratch)
    try:
        path = quoted(str(scratch.spill / "lines.duckdb"))
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        connection.execute(f"ATTACH {path} AS kept (RECOVERY_MODE no_wal_writes)")
        connection.execute(
            f"CREATE TABLE kept.lines ({columns.replace('VARCHAR', 'VARCHAR USING COMPRESSION zstd', 1)})"
        )
    except duckdb.Error as error:
        connection.close()
        reason = str(error).partition("\n")[0]
        raise StoreError(
            f"lines cannot be kept in {scratch.spill.parent} ({reason}): free room there"
        ) from error
    return connection


def _reader(files: Sequence[str]) -> str:
    """Each line as a row, and a blank one as NULL.

    It refuses what would not be exact: carriage returns, and bytes that are no UTF-8.
    """
    names = ", ".join(map(quoted, files))
    return (
        f"read_csv([{names}], columns = {{'message': 'VARCHAR'}}, delim = '{_SEPARATOR}', quote = '', escape = '', "
        f"comment = '', header = false, auto_detect = false, new_line = '\\n', compression = 'none', "
        f"hive_partitioning = false, max_line_size = {LONGEST_LINE})"
    )


def _lines_of(file: WholeFile, number: int) -> str:
    return (
        f"SELECT * FROM (SELECT message, NULL::VARCHAR AS document, {number} AS in_place, "
        f"NULL::TIMESTAMP AS known, NULL::TIMESTAMP AS ingestion, "
        f"{quoted(file.source)} AS source, {quoted(file.stream)} AS stream, row_number() OVER () AS line "
        f"FROM {_reader([file.path])}) WHERE {_NOT_BLANK}"
    )
