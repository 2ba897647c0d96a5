"""The lines of slices as rows, with what a recording of log groups knows of each."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import NamedTuple

from llmwatch.store.documents import document
from llmwatch.store.lenient import BOM
from llmwatch.store.slice import Slice

_EPOCH = datetime(1970, 1, 1)


class Row(NamedTuple):
    """A line; `time` is the event's own."""

    message: str
    document: str | None
    time: datetime | None
    ingestion: datetime | None
    source: str
    stream: str
    line: int


def rows_of(piece: Slice) -> list[Row]:
    r"""The lines of a slice, with what a recording knows of each. Bytes that are no UTF-8 are kept as `\xff`.

    A byte order mark that a file begins with is no part of its first line.
    """
    data = piece.data.removeprefix(BOM) if piece.first_line == 1 else piece.data
    lines = data.split(b"\n")[:-1]
    origins = _origins(piece, len(lines))
    return [
        Row(text, repaired, *origin, piece.first_line + number)
        for number, (line, origin) in enumerate(zip(lines, origins, strict=True))
        for text, repaired in (_texts(line.rstrip(b"\r")),)
        if line.removeprefix(BOM).strip()
    ]


def _texts(line: bytes) -> tuple[str, str | None]:
    """The text of a line, and its document where the text no longer tells it."""
    try:
        return line.decode(), None
    except UnicodeDecodeError:
        return line.decode("utf-8", "backslashreplace"), document(line)


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
