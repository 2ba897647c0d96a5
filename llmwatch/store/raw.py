"""The text of every line, for whoever searches it or wants to see it.

A DuckDB database of its own, in a temporary file: there it is compressed (24 MB a million router lines, and 0.6 s to
write; in memory 130 to 310 MB), and a search of a million lines takes 0.1 s.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.dialects.dialect import quoted
from llmwatch.store.documents import document
from llmwatch.store.reader import json_lines

if TYPE_CHECKING:
    import duckdb

    from llmwatch.store.ingest import Prepared
    from llmwatch.store.scratch import Scratch

RAW_LINES = "raw.lines"
"""A table of `seq`, as the rowid of `lines`, `line`, its text, with bytes that are not UTF-8 as `\\xff`, and
`document`, the JSON object that it is on second thoughts; NULL where it is none, or is readable as it is."""

_CHECKPOINT_EVERY = 250_000
"""Lines in small slices are compressed then; until that they are in memory."""


class RawLines:
    """The raw lines of a store. One thread appends; any may query the table."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Scratch) -> None:
        self._connection = connection
        self._scratch = scratch
        self._unsettled = 0

    @staticmethod
    def attach(connection: duckdb.DuckDBPyConnection, folder: Path) -> None:
        """Make the database; before the connection is locked down."""
        path = quoted(str(folder / "raw.duckdb"))
        connection.execute(f"ATTACH {path} AS raw (RECOVERY_MODE no_wal_writes)")
        columns = "seq BIGINT, line VARCHAR USING COMPRESSION zstd, document VARCHAR"
        connection.execute(f"CREATE TABLE {RAW_LINES} ({columns})")

    def append(self, prepared: Prepared, first_seq: int, rows: int) -> None:
        """Keep whole lines, the first of them as `first_seq`."""
        numbered = f"SELECT {first_seq} - 1 + row_number() OVER () AS seq, json AS line FROM"
        json_lines(
            self._connection,
            prepared.files,
            lambda reader: (
                f"INSERT INTO {RAW_LINES} BY NAME FROM ({numbered} {reader}) WHERE line IS NOT NULL"
            ),
        )
        if self._connection.fetchone() != (rows,):
            self._add_missing(prepared.data, first_seq, rows)
        self._unsettled += rows
        if self._unsettled > _CHECKPOINT_EVERY:
            self._unsettled = 0
            self._connection.execute("CHECKPOINT raw")

    def _add_missing(self, data: bytes, first_seq: int, rows: int) -> None:
        """Lines that are no JSON are not given by the reader."""
        missing = self._connection.execute(
            f"SELECT seq FROM range(?, ?) r(seq) ANTI JOIN (SELECT seq FROM {RAW_LINES} WHERE seq >= ?) USING (seq)",
            [first_seq, first_seq + rows, first_seq],
        ).fetchall()
        lines = data.split(b"\n")
        self._insert([(seq, lines[seq - first_seq]) for (seq,) in missing])

    def _insert(self, lines: Sequence[tuple[int, bytes]]) -> None:
        """The reader's buffers are twice the longest value it is told to take."""
        rows = [
            json.dumps(
                {"seq": seq, "line": line.decode("utf-8", "backslashreplace"), "document": document(line)}
            ).encode()
            for seq, line in lines
        ]
        files = ", ".join(quoted(file) for file in self._scratch.put(b"\n".join(rows) + b"\n", "odd"))
        self._connection.execute(
            f"INSERT INTO {RAW_LINES} FROM read_json([{files}], format = 'newline_delimited', "
            "columns = {seq: 'BIGINT', line: 'VARCHAR', document: 'VARCHAR'}, "
            f"maximum_object_size = {max(1 << 20, max(map(len, rows)) + 1)})"
        )

    def take_back(self, first_seq: int) -> None:
        """Forget the lines from `first_seq` on."""
        self._connection.execute(f"DELETE FROM {RAW_LINES} WHERE seq >= ?", [first_seq])
