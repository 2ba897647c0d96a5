"""Lines as they were written, for queries over raw lines: files where they lie, and slices of anything else on disk."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, NamedTuple

from llmwatch.dialects.dialect import quoted
from llmwatch.errors import SourceError, StoreError
from llmwatch.store.cancel import Cancel
from llmwatch.store.raw import RAW_LINES
from llmwatch.store.scratch import Scratch
from llmwatch.store.slice import SLICE_BYTES, Slice, WholeFile
from llmwatch.store.store import Rows, Store

if TYPE_CHECKING:
    import duckdb

_TIME_KEYS = ("timestamp", "@timestamp", "time", "ts")
"""Keys of a JSON line that may hold its time; the first that is there counts."""

_SETTLED_SECONDS = 5.0
"""A file that was written to so lately is copied: it may grow while it is queried."""

_MOST_FILES = 200
"""Files that are queried where they lie; each is a part of the SQL."""

_PATTERN_LETTERS = frozenset("*?[]{}")
"""What DuckDB takes for a pattern in the name of a file."""

_FIRST_LINES, _SPREAD_LINES = 100, 1000
"""Lines of a file that are looked at: one that holds others has to be unwrapped."""

_LONGEST_LINE = 4 << 20
"""Bytes. The reader's buffers hold several of them; a file with a longer line is copied."""

_SEPARATOR = chr(0x100000 + secrets.randbelow(0xFFFE))
"""The reader wants one. It refuses a line that has it, but silently drops one at the end of a line, so it is a
character for private use that nobody can know beforehand."""

_IN_PYTHON_BELOW = 256 << 10
"""Bytes of a slice that are not worth a file for the reader."""

_BATCH = 20_000
"""Lines that go from Python to the database at once."""

_DUCKDB_SHARE = 0.55
"""Of the memory limit, as in the store."""

_COLUMNS = {
    "message": "VARCHAR",
    "time": "TIMESTAMP",
    "ingestion": "TIMESTAMP",
    "source": "VARCHAR",
    "stream": "VARCHAR",
    "line": "BIGINT",
}

_WHITE = "' ' || chr(9) || chr(11) || chr(12) || chr(13)"
_NOT_BLANK = f"CASE WHEN message >= '!' THEN true ELSE trim(message, {_WHITE}) <> '' END"
"""Nearly all lines pass by the first half, which costs nothing; of an OR both halves are computed."""

_EPOCH = datetime(1970, 1, 1)


class _Row(NamedTuple):
    """A line, as `_COLUMNS` has it."""

    message: str
    time: datetime | None
    ingestion: datetime | None
    source: str
    stream: str
    line: int


def _complete(rows: str) -> str:
    """Rows whose time is `known`, or else is what the JSON in `message` tells.

    Chance has a part in it, so that no condition on the time makes the database compute it twice.
    """
    paths = ", ".join(quoted(f"/{key}") for key in _TIME_KEYS)
    keys = ", ".join(f"keys[{number}]" for number in range(1, len(_TIME_KEYS) + 1))
    extracted = f"CASE WHEN known IS NULL THEN try(json_extract_string(message, [{paths}])) END"
    return (
        f"SELECT message, CASE WHEN random() < 2 THEN coalesce(known, {_parsed('word')}) END AS time, ingestion, "
        f"source, stream, line FROM (SELECT *, coalesce({keys}) AS word FROM (SELECT *, {extracted} AS keys FROM "
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

    relation = "every_line"
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
        if self._locked or len(self._files) == _MOST_FILES or not _stays(file) or _holds_wrapped(file):
            return False
        self._files.append(file)
        return True

    def add(self, *pieces: Slice) -> None:
        """Keep the lines of slices; they are in the answer of the next query."""
        with self._lock, self._errors():
            rows: list[_Row] = []
            for piece in pieces:
                if len(piece.data) < _IN_PYTHON_BELOW or piece.record or not self._read(piece):
                    rows += _rows_of(piece)
            for start in range(0, len(rows), _BATCH):
                self._insert(rows[start : start + _BATCH])
            self._count = None

    def _read(self, piece: Slice) -> bool:
        """Let the reader keep them, which is fast. False where it refuses them."""
        import duckdb

        files = self._scratch.put(piece.data)
        try:
            self._connection.execute(
                "INSERT INTO kept.lines SELECT message, NULL, NULL, $1, $2, line FROM (SELECT message, "
                f"$3::BIGINT - 1 + row_number() OVER () AS line FROM {_reader(files)}) WHERE {_NOT_BLANK}",
                [piece.source, piece.stream, piece.first_line],
            )
        except duckdb.InvalidInputException:
            return False
        return True

    def _insert(self, rows: Sequence[_Row]) -> None:
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
            self._show()
            try:
                rows = self._ask(sql, parameters)
            except duckdb.InvalidInputException as error:
                if not self._files or "CSV" not in str(error):
                    raise
                self._copy(self._files)
            else:
                changed = [file for file in self._files if not file.unchanged()]
                if not changed:
                    return rows
                self._copy(changed)
            self._show()
            return self._ask(sql, parameters)

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
                parts = [_lines_of(file) for file in self._files]
                parts.append("SELECT message, time AS known, ingestion, source, stream, line FROM kept.lines")
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
                    for piece in _slices_of(file):
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
            "SELECT * FROM (SELECT r.line AS message, l.time AS known, NULL::TIMESTAMP AS ingestion, s.source, "
            f"t.stream, s.first_line + (r.seq - s.first_seq) AS line FROM {RAW_LINES} r "
            "JOIN lines l ON l.rowid = r.seq JOIN slices s USING (slice_id) "
            "JOIN streams t ON t.stream_id = l.stream_id "
            "WHERE r.line <> 'null' OR r.seq IN (SELECT seq FROM rejected_lines))"
        )
        + ")"
    )

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

    connection = duckdb.connect(
        config={
            "memory_limit": f"{int(memory_bytes * _DUCKDB_SHARE) >> 20}MiB",
            "temp_directory": str(scratch.spill),
            "autoinstall_known_extensions": "false",
            "autoload_known_extensions": "false",
        }
    )
    try:
        path = quoted(str(scratch.spill / "lines.duckdb"))
        columns = ", ".join(f"{name} {kind}" for name, kind in _COLUMNS.items())
        connection.execute("SET TimeZone = 'UTC'")
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
        f"hive_partitioning = false, max_line_size = {_LONGEST_LINE})"
    )


def _lines_of(file: WholeFile) -> str:
    return (
        f"SELECT * FROM (SELECT message, NULL::TIMESTAMP AS known, NULL::TIMESTAMP AS ingestion, "
        f"{quoted(file.source)} AS source, {quoted(file.stream)} AS stream, row_number() OVER () AS line "
        f"FROM {_reader([file.path])}) WHERE {_NOT_BLANK}"
    )


def _stays(file: WholeFile) -> bool:
    """Whether a file can be read by its name, and nobody writes to it just now."""
    try:
        file.path.encode()
        written = os.stat(file.path).st_mtime
    except (OSError, UnicodeError):
        return False
    plain = os.path.isabs(file.path) and not _PATTERN_LETTERS & set(file.path)
    return plain and time.time() - written > _SETTLED_SECONDS and file.unchanged()


def _holds_wrapped(file: WholeFile) -> bool:
    """Whether one of the first lines of a file, or of others all over it, holds lines. True too where it is gone."""
    try:
        with open(file.path, "rb") as stream:
            for _ in range(_FIRST_LINES):
                if file.is_wrapped(stream.readline(_LONGEST_LINE).rstrip(b"\n")):
                    return True
            for place in range(0, file.size, max(file.size // _SPREAD_LINES, 1)):
                stream.seek(place)
                stream.readline(_LONGEST_LINE)
                if file.is_wrapped(stream.readline(_LONGEST_LINE).rstrip(b"\n")):
                    return True
    except OSError:
        return True
    return False


def _slices_of(file: WholeFile) -> Iterator[Slice]:
    """The lines that a file had when it was looked at. Raises SourceError where it is no longer there."""
    try:
        with open(file.path, "rb") as stream:
            status = os.fstat(stream.fileno())
            if (status.st_dev, status.st_ino) != file.identity or status.st_size < file.size:
                raise SourceError(
                    f"{file.source} was exchanged for another file while it was queried: query it again"
                )
            left, first = file.size, 1
            while left:
                data = stream.read(min(SLICE_BYTES, left))
                data += stream.readline(left - len(data))
                if not data:
                    raise SourceError(f"{file.source} was cut off while it was queried: query it again")
                left -= len(data)
                whole = data if data.endswith(b"\n") else data + b"\n"
                yield Slice(file.source, file.stream, first, whole)
                first += whole.count(b"\n")
    except OSError as error:
        raise SourceError(
            f"{file.source} cannot be read any longer ({error.strerror}): query it again"
        ) from error


def _rows_of(piece: Slice) -> list[_Row]:
    r"""The lines of a slice, with what a recording knows of each. Bytes that are no UTF-8 are kept as `\xff`."""
    lines = piece.data.split(b"\n")[:-1]
    origins = _origins(piece, len(lines))
    return [
        _Row(line.rstrip(b"\r").decode("utf-8", "backslashreplace"), *origin, piece.first_line + number)
        for number, (line, origin) in enumerate(zip(lines, origins, strict=True))
        if line.strip()
    ]


_Origin = tuple[datetime | None, datetime | None, str, str]


def _origins(piece: Slice, count: int) -> list[_Origin]:
    """Time, ingestion, source and stream of each line: a recording has them, if it has one record a line."""
    records = (piece.record or b"").splitlines()
    if len(records) != count:
        return [(None, None, piece.source, piece.stream)] * count
    return [_origin(piece, record) for record in records]


def _origin(piece: Slice, record: bytes) -> _Origin:
    try:
        event = json.loads(record)
    except ValueError:
        event = None
    if not isinstance(event, dict):
        return None, None, piece.source, piece.stream
    group, stream = event.get("group"), event.get("stream")
    return (
        _moment(event.get("timestamp")),
        _moment(event.get("ingestion_time")),
        group if isinstance(group, str) else piece.source,
        stream if isinstance(stream, str) else piece.stream,
    )


def _moment(milliseconds: object) -> datetime | None:
    try:
        return _EPOCH + timedelta(milliseconds=milliseconds) if isinstance(milliseconds, int) else None
    except OverflowError:
        return None
