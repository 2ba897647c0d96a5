"""Events with those before and after them in the log of the same stream, whatever the scope."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby

from llmwatch.query.events import select_events
from llmwatch.query.matching import IS_EVENT
from llmwatch.query.snapshot import EventRow
from llmwatch.store.store import Store

_NEAR = 1_000
_GROWTH = 16

_AROUND = f"""
WITH hits AS (SELECT unnest(?::BIGINT[]) AS seq),
    placed AS (
        SELECT l.rowid AS seq, l.stream_id, row_number() OVER (PARTITION BY l.stream_id ORDER BY l.rowid) AS place
        FROM lines l
        WHERE {IS_EVENT} AND l.stream_id IN (SELECT stream_id FROM lines WHERE rowid IN (SELECT seq FROM hits))),
    wanted AS (SELECT DISTINCT p.stream_id, p.place + unnest(range(-?, ? + 1)) AS place
        FROM placed p JOIN hits h USING (seq))
SELECT p.stream_id, p.place, p.seq FROM placed p JOIN wanted USING (stream_id, place) ORDER BY p.stream_id, p.place
"""


def context(store: Store, seq: int, before: int, after: int) -> tuple[EventRow, ...]:
    """An event, and so many before and after it in its stream as they were read, oldest first."""
    found = store.query("SELECT stream_id FROM lines WHERE rowid = ?", [seq]).rows
    if not found:
        return ()
    stream, end_seq = found[0][0], store.end_seq
    earlier: list[EventRow] = []
    for start, end in _outwards(seq, before):
        rows = _of_stream(store, stream, max(0, start), end, before - len(earlier), newest=True)
        earlier += rows
        if len(earlier) == before or start <= 0:
            break
    later: list[EventRow] = []
    for start, end in _outwards(seq, after):
        low, high = 2 * seq - end + 1, 2 * seq - start + 1  # the same distances, on the other side
        later += _of_stream(store, stream, low, high, after - len(later), newest=False)
        if len(later) == after or high >= end_seq:
            break
    return (*earlier[::-1], *select_events(store, "l.rowid = ?", [seq], limit=1), *later)


def _outwards(seq: int, count: int) -> Iterator[tuple[int, int]]:
    """Ever larger ranges before a line, the nearest first; none where nothing is wanted."""
    size, end = max(_NEAR, 2 * count), seq
    while count:
        yield end - size, end
        size, end = size * _GROWTH, end - size


def _of_stream(
    store: Store, stream: object, start: int, end: int, limit: int, *, newest: bool
) -> Sequence[EventRow]:
    return select_events(
        store,
        "l.rowid >= ? AND l.rowid < ? AND l.stream_id = ?",
        [start, end, stream],
        order="l.rowid DESC" if newest else "l.rowid",
        limit=limit,
    )


def around(store: Store, seqs: Sequence[int], before: int, after: int) -> list[list[int]]:
    """These events and their neighbours, in groups of such as follow each other in a stream, in order of reading."""
    rows = store.query(_AROUND, [list(seqs), before, after]).rows
    placed = [(stream, int(str(place)), int(str(seq))) for stream, place, seq in rows]
    numbered = ((stream, place - number, seq) for number, (stream, place, seq) in enumerate(placed))
    groups = [[seq for *_, seq in group] for _, group in groupby(numbered, key=lambda one: one[:2])]
    return sorted(groups)
