"""The store: where slices become events and calls, and where questions are answered."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.dialects.dialect import quoted
from llmwatch.errors import StoreError
from llmwatch.pricing.resolver import PriceResolver
from llmwatch.store.asked import check, refusals
from llmwatch.store.cancel import Cancel
from llmwatch.store.connection import connect
from llmwatch.store.fold import Fold
from llmwatch.store.ingest import Ingest, Prepared
from llmwatch.store.meanings import MEANINGS
from llmwatch.store.prices import PriceTable
from llmwatch.store.raw import RAW_LINES, RawLines
from llmwatch.store.resume import Count, Place, Resume
from llmwatch.store.schema import DERIVED_AGAIN, TABLES, VIEWS
from llmwatch.store.scratch import Scratch
from llmwatch.store.slice import Slice, WholeFile

if TYPE_CHECKING:
    import duckdb

_PART_ROWS = 2048
"""Rows that DuckDB makes at a time."""

_HAVE_TIMES = ("calls", "events")

_INTERRUPTIONS, _INTERRUPTION_SECONDS = 200, 0.02
"""Of queries that run when the store is closed: one that comes before a query has begun ends nothing."""

_COMPACT_EVERY = 1_000_000
"""Lines between two checkpoints."""


@dataclass(frozen=True, slots=True)
class StoreSettings:
    """How a store is made. `memory_bytes` bounds the whole process, whatever the input's size."""

    memory_bytes: int = 1 << 30
    database: Path | None = None
    """Keep everything in this file; None: in memory, spilling to a temporary folder."""
    on_disk: bool = False
    """Keep the tables in a temporary file, compressed from the start: for more lines than fit in memory.

    In memory they are compressed only by `compact`, and grouping slows down tenfold when they leave it no room.
    """
    whole_files: bool = False
    """Let DuckDB read whole files from where they lie. Such a store is not locked down, and does not `ask`."""
    keep_raw: bool = False
    """Keep the text of every line, so that it can be searched and `raw_line` can show it."""
    resolver: PriceResolver = field(default_factory=PriceResolver)


@dataclass(frozen=True, slots=True)
class PreparedSlices:
    """Slices whose lines are where the reader finds them."""

    pieces: tuple[Slice, ...]
    lines: Prepared


@dataclass(frozen=True, slots=True)
class Rows:
    """An answer: names of columns, and rows of plain Python values."""

    columns: tuple[str, ...]
    rows: Sequence[tuple[object, ...]]


class Store:
    """Lines, and the calls folded from them. One thread writes; `query` may be called from any."""

    def __init__(self, settings: StoreSettings | None = None) -> None:
        self.settings = settings or StoreSettings()
        self._scratch = Scratch()
        try:
            self._connection = _open(self.settings, self._scratch)
            self._free = threading.Condition()
            """Told whenever a query ends; it guards what follows."""
            self._cursors: set[duckdb.DuckDBPyConnection] = set()
            self._querying = 0
            self._closed = False
            prices = PriceTable(self._connection, self.settings.resolver)
            self._ingest = Ingest(self._connection, self._scratch)
            self._fold = Fold(self._connection, self._scratch, prices)
            self._raw = RawLines(self._connection, self._scratch) if self.settings.keep_raw else None
            self._resume = Resume(self._connection)
        except BaseException:
            self._scratch.close()
            raise
        self._end_seq = self._integer("SELECT count(*) FROM lines")
        self._folded_seq = 0
        self._failed = False
        self._compacted_seq = self._end_seq
        self._lines = self._integer("SELECT coalesce(sum(lines), 0) FROM slices")

    @property
    def end_seq(self) -> int:
        """The sequence number the next line will get: it grows with every line."""
        return self._end_seq

    @property
    def lines(self) -> int:
        """How many lines that were not blank have been read."""
        return self._lines

    def prepare(self, *pieces: Slice) -> PreparedSlices:
        """The first half of `ingest`, for a thread that reads ahead: at most two calls ahead of `take`."""
        return PreparedSlices(pieces, self._ingest.prepare(b"".join(piece.data for piece in pieces)))

    def ingest(self, *pieces: Slice) -> None:
        """Take the lines of slices. They are events at once, and part of their calls after `refresh`.

        A call costs 10 ms, whatever the number of slices. One that fails has taken none of them.
        """
        self.take(self.prepare(*pieces))

    def take(self, ready: PreparedSlices) -> None:
        """The second half of `ingest`."""
        with self._errors():
            self._take_back()
            places = self._resume.place(ready.pieces, self._end_seq)
            if not places:
                return
            whole = sum(len(place.data) for place in places) == len(ready.lines.data)
            new = ready.lines.data if whole else b"".join(place.data for place in places)
            lines = ready.lines if whole else self._ingest.prepare_again(new)
            with self._all_or_nothing():
                counts = self._ingest.write(lines, places)
                if self._raw:
                    self._raw.append(lines, self._end_seq, sum(count.rows for count in counts))
                self._note(places, counts)

    def _note(self, places: Sequence[Place], counts: Sequence[Count]) -> None:
        self._resume.note(places, counts)
        self._end_seq += sum(count.rows for count in counts)
        self._lines += sum(count.not_blank for count in counts)

    @contextmanager
    def _all_or_nothing(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self._failed = True
            self._take_back()
            raise

    def _take_back(self) -> None:
        """Undo a failed `take`. What made it fail, a full disk say, may forbid that too until the next."""
        if self._failed:
            if self._raw:
                self._raw.take_back(self._end_seq)
            self._end_seq = self._ingest.take_back(self._end_seq)
            self._failed = False

    def take_file(self, file: WholeFile) -> bool:
        """Take all lines of a file from where it lies. False, and nothing taken, where that cannot be done exactly.

        Its lines have no numbers then, since blank ones are not seen.
        """
        if not self.settings.whole_files or self.settings.database or self._raw:
            return False
        if any("\ud800" <= char <= "\udfff" for char in file.path):  # DuckDB opens no path that is not UTF-8
            return False
        with self._errors():
            self._take_back()
            place = self._resume.place_file(file, self._end_seq)
            with self._all_or_nothing():
                count = self._ingest.write_file(file, place)
                if count is not None:
                    self._note([place], [count])
            self._failed = count is None
            self._take_back()
            return count is not None

    def refresh(self) -> bool:
        """Fold what came since the last time. False if nothing had."""
        if self._folded_seq == self._end_seq:
            return False
        with self._errors():
            self._connection.execute("BEGIN")
            try:
                self._fold.fold(self._folded_seq, self._end_seq)
                self._connection.execute("COMMIT")
            except BaseException:
                self._connection.execute("ROLLBACK")
                raise
            self._folded_seq = self._end_seq
        return True

    def compact(self) -> None:
        """Compress what came in small slices and drop replaced calls, if there is much of either; for live feeds."""
        if self._end_seq - self._compacted_seq > _COMPACT_EVERY and not self.settings.on_disk:
            self._compacted_seq = self._end_seq
            with self._errors():
                self._connection.execute("CHECKPOINT")

    def query(
        self,
        sql: str,
        parameters: Sequence[object] = (),
        *,
        now: datetime | None = None,
        cancel: Cancel | None = None,
    ) -> Rows:
        """The rows of one of our own queries. `now` is the clock by which a call counts as unfinished.

        One that `cancel` or `close` ended raises `duckdb.InterruptException`.
        """
        with (
            self._errors(),
            self._counted(),
            self._cursor(now) as cursor,
            (cancel or Cancel()).ends(cursor),
        ):
            cursor.execute(sql, list(parameters))
            columns = tuple(str(column[0]) for column in cursor.description or ())
            return Rows(columns, cursor.fetchall())

    def ask(
        self,
        sql: str,
        *,
        since: datetime | None = None,
        until: datetime | None = None,
        now: datetime | None = None,
    ) -> Iterator[Rows]:
        """The rows of a person's query, in parts as they are found; the first part comes even if it is empty.

        It reads `calls`, `events` and `rejected`; with bounds, `calls` and `events` are those begun in
        `since` ≤ time < `until`.

        Raises:
            UsageError: it does not parse, does not run, or is not a query of these.

        """
        if self.settings.whole_files:
            raise ValueError("a store that reads whole files is not locked down")
        with self._cursor(now) as cursor, refusals(self.settings.memory_bytes):
            check(cursor, sql)
            bounds = {">=": since, "<": until}
            window = " AND ".join(
                f"time {sign} {_timestamp(moment)}" for sign, moment in bounds.items() if moment is not None
            )
            for view in MEANINGS:
                bounded = f" WHERE {window}" if window and view in _HAVE_TIMES else ""
                cursor.execute(f"CREATE TEMP VIEW {view} AS SELECT * FROM store.main.{view}{bounded}")
            cursor.execute("USE memory")  # there is no table of ours under its name alone
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            cursor.execute(sql)
            columns = tuple(str(column[0]) for column in cursor.description or ())
            yield Rows(columns, cursor.fetchmany(_PART_ROWS))
            while rows := cursor.fetchmany(_PART_ROWS):
                yield Rows(columns, rows)

    def raw_line(self, seq: int) -> str | None:
        """The text of a line, exact but for bytes that are not UTF-8; None where the store does not keep it."""
        if self._raw is None:
            return None
        rows = self.query(f"SELECT line FROM {RAW_LINES} WHERE seq = ?", [seq]).rows
        return str(rows[0][0]) if rows else None

    def interrupt(self) -> None:
        """End what the store is doing, and answering. Callable from any thread."""
        self._connection.interrupt()
        with self._free:
            for cursor in self._cursors:
                cursor.interrupt()

    def close(self) -> None:
        """End the queries of other threads, close the database and remove all temporary files."""
        with self._free:
            self._closed = True
        for _ in range(_INTERRUPTIONS):
            with self._free:
                if not self._querying:
                    break
                for cursor in self._cursors:
                    cursor.interrupt()
                self._free.wait(_INTERRUPTION_SECONDS)
        self._connection.close()
        self._scratch.close()

    def _integer(self, sql: str) -> int:
        row = self._connection.execute(sql).fetchone()
        return int(row[0]) if row else 0

    @contextmanager
    def _cursor(self, now: datetime | None) -> Iterator[duckdb.DuckDBPyConnection]:
        with self._free:
            if self._closed:
                raise StoreError("the store is closed: nothing can be asked of it any more")
            cursor = self._connection.cursor()
            self._cursors.add(cursor)
        try:
            cursor.execute("USE store")
            cursor.execute(f"SET VARIABLE now = {_timestamp(now or datetime.now(UTC))}")
            yield cursor
        finally:
            with self._free:
                self._cursors.discard(cursor)
            cursor.close()

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """While a query runs, which `close` waits for; parts of `ask` may be left unread for good."""
        with self._free:
            self._querying += 1
        try:
            yield
        finally:
            with self._free:
                self._querying -= 1
                self._free.notify_all()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        import duckdb

        try:
            yield
        except duckdb.OutOfMemoryException as error:
            raise StoreError(
                f"out of memory at {self.settings.memory_bytes >> 20} MiB: raise --memory, or free room in "
                f"{self._scratch.spill.parent}, where the store spills"
            ) from error
        except duckdb.IOException as error:
            raise StoreError(
                f"the store cannot write to {self._scratch.spill.parent}: {_first_line(error)}"
            ) from error


def _open(settings: StoreSettings, scratch: Scratch) -> duckdb.DuckDBPyConnection:
    """A locked-down database: it reads our own scratch folder and nothing else, whoever wrote the SQL."""
    import duckdb

    connection = connect(settings.memory_bytes, scratch)
    try:
        if settings.database is not None:
            _refuse_foreign(settings.database)
            connection.execute(f"ATTACH {quoted(str(settings.database))} AS store")
        elif settings.on_disk:
            connection.execute(f"ATTACH {quoted(str(scratch.spill / 'store.duckdb'))} AS store")
            connection.execute("SET checkpoint_threshold = '1TB'; PRAGMA disable_checkpoint_on_shutdown")
        else:
            connection.execute("ATTACH ':memory:' AS store (COMPRESS)")
        if settings.keep_raw:
            RawLines.attach(connection, scratch.spill)
        connection.execute("USE store")
        if settings.database is not None:
            _refuse_anothers(connection, settings.database)
        connection.execute(TABLES)
        connection.execute(VIEWS)
        connection.execute(DERIVED_AGAIN)
    except duckdb.Error as error:
        connection.close()
        raise StoreError(
            f"{settings.database} cannot be used as a store: {_first_line(error)}. Name another file, or end the "
            "program that uses this one"
        ) from error
    except StoreError:
        connection.close()
        raise
    if settings.whole_files:
        return connection
    connection.execute(f"SET allowed_directories = [{quoted(f'{scratch.transit}/')}]")
    connection.execute("SET enable_external_access = false")
    connection.execute("SET lock_configuration = true")
    return connection


def _refuse_foreign(path: Path) -> None:
    """DuckDB would attach data files too, and write nothing to them. Raises StoreError."""
    try:
        with path.open("rb") as file:
            head = file.read(12)
    except FileNotFoundError:
        return
    except OSError as error:
        raise StoreError(f"{path} cannot be used as a store ({error.strerror}): name another file") from error
    if head[8:] != b"DUCK":
        raise StoreError(f"{path} is no DuckDB database and cannot be used as a store: name another file")


def _refuse_anothers(connection: duckdb.DuckDBPyConnection, path: Path) -> None:
    """Make no tables among those of another program. Raises StoreError."""
    sql = "SELECT table_name FROM duckdb_tables() WHERE database_name = 'store'"
    tables = {name for (name,) in connection.execute(sql).fetchall()}
    if tables and "folded_calls" not in tables:
        raise StoreError(f"{path} is a database of another program: name a new file for the store")


def _timestamp(moment: datetime) -> str:
    """A moment as an SQL literal, in UTC as all times of the store."""
    return f"TIMESTAMP '{moment.astimezone(UTC).replace(tzinfo=None).isoformat(sep=' ')}'"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
