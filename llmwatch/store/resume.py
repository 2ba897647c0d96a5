"""Where each slice belongs: its stream, its numbers, and what a kept store has of its file already."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from llmwatch.store.slice import Slice, WholeFile

if TYPE_CHECKING:
    import duckdb


_HEAD_BYTES = 1 << 16


class Count(NamedTuple):
    """What became of a slice: each line is a row, also a blank one."""

    rows: int
    not_blank: int


@dataclass(frozen=True, slots=True)
class Place:
    """A slice's lines that are new, and the numbers they get."""

    slice_id: int
    stream_id: int
    source: str
    first_line: int
    first_seq: int
    head: str
    data: bytes


class Resume:
    """Numbers slices and streams, and skips what an earlier run put into a store that was kept.

    A file is known by its first JSON line, which holds a time to the microsecond and a request id: its name changes
    when it is rotated. One without such a line among its first is never known.
    """

    def __init__(self, connection: duckdb.DuckDBPyConnection) -> None:
        self._connection = connection
        self._streams: dict[str, int] = {
            str(name): int(number)
            for number, name in connection.execute("SELECT stream_id, stream FROM streams").fetchall()
        }
        row = connection.execute("SELECT coalesce(max(slice_id) + 1, 0) FROM lines").fetchone()
        self._next_slice = int(row[0]) if row else 0
        self._known: dict[str, int] = {
            str(head): int(line)
            for head, line in connection.execute(
                "SELECT head, max(first_line + rows) FROM slices WHERE head <> '' GROUP BY head"
            ).fetchall()
        }
        self._heads: dict[str, str] = {}

    def place(self, pieces: Sequence[Slice], first_seq: int) -> list[Place]:
        """The parts of the slices that are new, one after the other; none of a slice that is known."""
        self._number_streams([piece.stream for piece in pieces])
        places: list[Place] = []
        for piece in pieces:
            place = self._place(piece, first_seq)
            if place is not None:
                places.append(place)
                first_seq += place.data.count(b"\n")
        return places

    def _place(self, piece: Slice, first_seq: int) -> Place | None:
        if piece.first_line == 1:
            self._heads[piece.source] = _head(piece.data)
        head = self._heads.get(piece.source, "")
        data, first_line = piece.data, piece.first_line
        known_before = self._known.get(head, 0) if head else 0
        if first_line < known_before:
            data = _without_lines(data, known_before - first_line)
            first_line = known_before
        if not data:
            return None
        place = Place(
            self._next_slice, self._streams[piece.stream], piece.source, first_line, first_seq, head, data
        )
        self._next_slice += 1
        return place

    def place_file(self, file: WholeFile, first_seq: int) -> Place:
        """The place of a whole file that is new."""
        self._number_streams([file.stream])
        place = Place(self._next_slice, self._streams[file.stream], file.source, 1, first_seq, "", b"")
        self._next_slice += 1
        return place

    def note(self, places: Sequence[Place], counts: Sequence[Count]) -> None:
        """Record slices that are in the store now."""
        rows = [
            (
                place.slice_id,
                place.source,
                place.stream_id,
                place.first_line,
                place.first_seq,
                count.rows,
                count.not_blank,
                place.head,
            )
            for place, count in zip(places, counts, strict=True)
        ]
        columns = ["INTEGER", "VARCHAR", "INTEGER", "BIGINT", "BIGINT", "BIGINT", "BIGINT", "VARCHAR"]
        values = ", ".join(f"unnest(?::{kind}[])" for kind in columns)
        self._connection.execute(
            f"INSERT INTO slices SELECT {values}", [list(column) for column in zip(*rows, strict=True)]
        )

    def _number_streams(self, names: Iterable[str]) -> None:
        new = [name for name in dict.fromkeys(names) if name not in self._streams]
        if not new:
            return
        numbers = range(len(self._streams), len(self._streams) + len(new))
        self._connection.execute(
            "INSERT INTO streams SELECT unnest(?::INTEGER[]), unnest(?::VARCHAR[]), NULL, NULL",
            [list(numbers), new],
        )
        self._streams.update(zip(new, numbers, strict=True))


def _head(data: bytes) -> str:
    """What a file is known by: its first line that is an object, and where it stands."""
    start = 0 if data.startswith(b"{") else data.find(b"\n{", 0, _HEAD_BYTES) + 1
    end = data.find(b"\n", start)
    if not data.startswith(b"{", start) or end < 0:
        return ""
    return hashlib.blake2b(b"%d:" % start + data[start:end], digest_size=16).hexdigest()


def _without_lines(data: bytes, count: int) -> bytes:
    """`data` after its first `count` lines."""
    position = 0
    for _ in range(count):
        position = data.find(b"\n", position) + 1
        if position == 0:
            return b""
    return data[position:]
