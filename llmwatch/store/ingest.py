"""Slices into the `lines` table: one way in, for history and for live lines."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from llmwatch.dialects.dialect import CANONICAL_COLUMNS, Dialect
from llmwatch.dialects.registry import DIALECTS
from llmwatch.store.lenient import BOM, repair
from llmwatch.store.reader import json_columns
from llmwatch.store.resume import Count, Place
from llmwatch.store.slice import WholeFile

if TYPE_CHECKING:
    import duckdb

    from llmwatch.store.scratch import Scratch

_MAY_BE_BLANK = re.compile(rb"\n[ \t\r\n\v\f]")
_BLANK_LINES = re.compile(rb"^[ \t\r\v\f]*$(?=\n)", re.MULTILINE)
_STANDS_FOR_BLANK = b"null"
"""The reader skips blank lines, and then rows and lines would not correspond."""

_REJECTED_BYTES = 4096
"""How much of a line that was not understood is kept for the listing."""

_HEAD_BYTES = 1 << 16
"""Of a log: they tell whose it is likely to be."""

_MOST_ODD = 200_000
"""Lines of a whole file that its dialect does not understand and that may be in memory at once."""

_AHEAD = 3
"""One slice being written, one that waits, one being prepared."""

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Prepared:
    """Whole lines, and the files in which the reader finds them."""

    data: bytes
    files: Sequence[str]


class Ingest:
    """Writes slices to the store's one writing connection."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Scratch) -> None:
        self._connection = connection
        self._scratch = scratch
        self._prepared = 0

    def prepare(self, data: bytes) -> Prepared:
        """Put lines where the reader finds them. Any thread may, while another is in `write`.

        At most `_AHEAD` slices that are prepared and not yet written are kept.
        """
        self._prepared += 1
        return self._put(data, f"slice{self._prepared % _AHEAD}-")

    def prepare_again(self, data: bytes) -> Prepared:
        """The same for the part of a prepared slice that is new, in the thread that writes it.

        It has files of its own: those of `prepare` belong to the thread that reads ahead.
        """
        return self._put(data, "part")

    def _put(self, data: bytes, name: str) -> Prepared:
        blank = data[:1].isspace() or _MAY_BE_BLANK.search(data)
        readable = _BLANK_LINES.sub(_STANDS_FOR_BLANK, data) if blank else data
        return Prepared(data, self._scratch.put(readable, name))

    def write(self, prepared: Prepared, places: Sequence[Place]) -> list[Count]:
        """Append the lines of slices that follow each other. The count of each."""
        first_seq = places[0].first_seq
        first = _likely(prepared.data[:_HEAD_BYTES])
        self._read(_insert(places[0]), prepared.files, first)
        if len(places) > 1:
            self._divide(places)
        starts = [place.first_seq for place in places]
        ends = [*starts[1:], self._row_count()]
        bad = self._bad_rows(first_seq)
        all_lines = prepared.data.split(b"\n") if bad else []
        blank = self._second_chance(first, [(seq, all_lines[seq - first_seq]) for seq in bad]) or []
        return [
            Count(end - start, end - start - (bisect_left(blank, end) - bisect_left(blank, start)))
            for start, end in zip(starts, ends, strict=True)
        ]

    def _divide(self, places: Sequence[Place]) -> None:
        """Give the rows from the first place on, which are all in its slice, to the slices they are of.

        It takes 3 ms for 100 slices of 20 lines and 11 ms for 3,000. To number rows while they are inserted takes no
        less (measured), and this leaves the insert the same for one slice and for many.
        """
        first_seq = places[0].first_seq
        self._connection.execute(
            """UPDATE lines SET slice_id = o.slice_id, stream_id = o.stream_id
            FROM (SELECT l.rowid AS seq, p.slice_id, p.stream_id
                FROM lines l ASOF JOIN (SELECT unnest(?::BIGINT[]) AS first_seq, unnest(?::INTEGER[]) AS slice_id,
                    unnest(?::INTEGER[]) AS stream_id) p ON l.rowid >= p.first_seq
                WHERE l.rowid >= ?) o
            WHERE lines.rowid >= ? AND lines.rowid = o.seq""",
            [
                [place.first_seq for place in places],
                [place.slice_id for place in places],
                [place.stream_id for place in places],
                first_seq,
                first_seq,
            ],
        )

    def write_file(self, file: WholeFile, place: Place) -> Count | None:
        """Append all lines of a file that the reader sees; it does not see blank ones.

        None where `write` must do it instead: the reader cannot cope with the file, or it changed meanwhile. Rows
        that were appended have to be taken back then.
        """
        import duckdb

        first_seq = place.first_seq
        try:
            first = _likely(_head(file.path))
            self._read(_insert(place), [file.path], first)
        except (OSError, duckdb.InvalidInputException):
            return None
        rows = self._row_count() - first_seq
        bad = self._bad_rows(first_seq)
        if len(bad) > _MOST_ODD:
            return None
        lines = _lines_of_file(file.path, {seq - first_seq for seq in bad}) if bad else {}
        if len(lines) != len(bad) or not file.unchanged():
            return None
        odd = [(first_seq + row, line) for row, line in lines.items()]
        blank = self._second_chance(first, odd, file.is_wrapped)
        return None if blank is None else Count(rows, rows - len(blank))

    def take_back(self, first_seq: int) -> int:
        """Make blank lines of rows that a failed `write` left. Returns the sequence number that is next."""
        self._connection.execute("UPDATE lines SET kind = NULL WHERE rowid >= ?", [first_seq])
        self._connection.execute("DELETE FROM rejected_lines WHERE seq >= ?", [first_seq])
        return self._row_count()

    def _bad_rows(self, first_seq: int) -> list[int]:
        """The lines from `first_seq` on that the first dialect did not understand, in order."""
        rows = self._connection.execute(
            "SELECT rowid FROM lines WHERE rowid >= ? AND kind IS NULL ORDER BY rowid", [first_seq]
        ).fetchall()
        return [int(seq) for (seq,) in rows]

    def _read(self, statement: str, files: Sequence[str], dialect: Dialect) -> None:
        """Run `statement` on what the dialect makes of the files."""
        json_columns(
            self._connection,
            files,
            dialect.columns,
            lambda reader: f"{statement} ({dialect.select(reader)})",
        )

    def _row_count(self) -> int:
        row = self._connection.execute("SELECT count(*) FROM lines").fetchone()
        return int(row[0]) if row else 0

    def _second_chance(
        self,
        first: Dialect,
        not_understood: Sequence[tuple[int, bytes]],
        is_wrapped: Callable[[bytes], bool] = lambda _: False,
    ) -> list[int] | None:
        """Look again at lines that the first dialect did not understand. Returns those of them that are only blank.

        None if no dialect understands one of them as it is, and it holds others.
        """
        blank = [seq for seq, line in not_understood if not line.removeprefix(BOM).strip()]
        if len(blank) == len(not_understood):
            return blank
        not_blank = [(seq, line) for seq, line in not_understood if line.removeprefix(BOM).strip()]
        left = self._offer(not_blank, [dialect for dialect in DIALECTS if dialect is not first])
        if any(is_wrapped(line) for _, line in left):
            return None
        repaired = [(seq, line, repair(line)) for seq, line in left]
        objects = [(seq, value) for seq, _, value in repaired if value is not None]
        unknown = {seq for seq, _ in self._offer(objects, DIALECTS)}
        self._reject("malformed", ((seq, line) for seq, line, value in repaired if value is None))
        self._reject("unrecognised", ((seq, line) for seq, line, _ in repaired if seq in unknown))
        return blank

    def _offer(
        self, lines: Sequence[tuple[int, bytes]], dialects: Iterable[Dialect]
    ) -> Sequence[tuple[int, bytes]]:
        """Let each dialect in turn have the lines that nobody knew. Returns those that are left."""
        for dialect in dialects:
            if lines:
                known = self._update(dialect, lines)
                lines = [(seq, line) for seq, line in lines if seq not in known]
        return lines

    def _update(self, dialect: Dialect, lines: Sequence[tuple[int, bytes]]) -> set[int]:
        """Make events of those lines that the dialect understands. Returns them."""
        files = self._scratch.put(b"".join(line + b"\n" for _, line in lines), "offered")
        self._read("CREATE OR REPLACE TEMP TABLE offered AS SELECT * FROM ", files, dialect)
        rows = self._connection.execute(
            "SELECT rowid FROM offered WHERE kind IS NOT NULL ORDER BY rowid"
        ).fetchall()
        ordinals = [int(ordinal) for (ordinal,) in rows]
        places = [lines[ordinal][0] for ordinal in ordinals]
        if places:
            assignments = ", ".join(f'"{name}" = o."{name}"' for name in CANONICAL_COLUMNS)
            self._connection.execute(
                f"UPDATE lines SET {assignments} FROM offered o "
                "JOIN (SELECT unnest(?::BIGINT[]) AS ordinal, unnest(?::BIGINT[]) AS seq) p ON p.ordinal = o.rowid "
                "WHERE lines.rowid = p.seq",
                [ordinals, places],
            )
        self._connection.execute("DROP TABLE offered")
        return set(places)

    def _reject(self, reason: str, lines: Iterable[tuple[int, bytes]]) -> None:
        for batch in _batches(list(lines)):
            parameters = [
                value
                for seq, line in batch
                for value in (seq, reason, line[:_REJECTED_BYTES].decode("utf-8", "backslashreplace"))
            ]
            self._connection.execute(
                f"INSERT INTO rejected_lines VALUES {', '.join(['(?, ?, ?)'] * len(batch))}",
                parameters,
            )


def _insert(place: Place) -> str:
    return f"INSERT INTO lines SELECT {place.slice_id}, {place.stream_id}, * FROM "


def _likely(head: bytes) -> Dialect:
    """The dialect that the most lines at the beginning of a log seem to be of; the others may have all it leaves."""
    return max(DIALECTS, key=lambda dialect: head.count(dialect.sign))


def _head(path: str) -> bytes:
    with open(path, "rb") as file:
        return file.read(_HEAD_BYTES)


def _lines_of_file(path: str, wanted: set[int]) -> dict[int, bytes]:
    """The lines at these places among those that are not blank."""
    found: dict[int, bytes] = {}
    place = 0
    with open(path, "rb") as file:
        for line in file:
            if line.strip():
                if place in wanted:
                    found[place] = line.rstrip(b"\n")
                place += 1
    return found


def _batches(items: Sequence[Item], size: int = 1000) -> Iterable[Sequence[Item]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
