"""Events folded to calls.

Almost every request id has one call whose lines all agree, and a plain GROUP BY folds those. The others go, line by
line, through the rules of `overlap`. A line that is a whole call has no part in either: whatever else has its id, it is
a call, and the same line seen again, as when it is delivered twice, is the same call. What is folded again whenever a
new line of an id arrives is all of that id, so late lines complete their call however late, and the order of arrival
does not matter.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import TYPE_CHECKING

from llmwatch.dialects.dialect import CANONICAL_COLUMNS, quoted
from llmwatch.store.overlap import UNKNOWN_TOKENS, CallLine, OverlappingCall, fold_overlapping
from llmwatch.store.prices import COST, SAME_PRICE, PriceTable
from llmwatch.store.schema import FOLDED_COLUMNS, TOKEN_COLUMNS

if TYPE_CHECKING:
    import duckdb

    from llmwatch.store.scratch import Scratch

_PART_LINES = 2_000_000
"""Lines folded in one statement: it bounds the memory of the grouping."""

_CALL_LINE = ", ".join("l.rowid AS seq" if name == "seq" else f'l."{name}"' for name in CallLine._fields)

_GROUPED = """
SELECT request_id, min(seq) AS first_seq, min(slice_id) AS slice_id, min(stream_id) AS stream_id,
    max(dialect) AS dialect,
    count(*) AS lines, min(time) AS first_seen, max(time) AS last_seen,
    count_if(kind = 'end') > 0 AS ended,
    max(caller) AS "user", max(requested_model) AS requested_model, max(model) AS model, max(provider) AS provider,
    max(path) AS path, coalesce(bool_or(chat), false) AS chat,
    count_if(kind IN ('model', 'usage')) > 0 AS modelled,
    count_if(kind = 'usage' AND coalesce(http_status, 0) < 400) > 0 AS answered,
    max(http_status) FILTER (kind = 'end') AS http_status, max(latency_ms) FILTER (kind = 'end') AS latency_ms,
    max(input_tokens) FILTER (kind = 'usage') AS input_tokens,
    max(cache_read_tokens) FILTER (kind = 'usage') AS cache_read_tokens,
    max(cache_write_tokens) FILTER (kind = 'usage') AS cache_write_tokens,
    max(output_tokens) FILTER (kind = 'usage') AS output_tokens,
    count_if(failure = 'error') > 0 AS failed, count_if(failure = 'aborted') > 0 AS hung_up,
    coalesce(min(error) FILTER (failure = 'error'), min(error)) AS error,
    coalesce(min(error_type) FILTER (failure = 'error'), min(error_type)) AS error_type,
    count_if(kind = 'start') > 1 OR count_if(kind = 'end') > 1 OR count_if(kind = 'usage') > 1
        OR coalesce(min(caller) <> max(caller), false)
        OR coalesce(min(model) <> max(model), false)
        OR coalesce(min(time) FILTER (kind = 'start') > min(time), false)
        OR coalesce(max(time) FILTER (kind = 'end') < max(time), false) AS overlapping
FROM new_lines GROUP BY request_id
"""

_WHOLE_CALLS = f"""
SELECT request_id, min(rowid) AS first_seq, min(slice_id) AS slice_id, min(stream_id) AS stream_id, dialect,
    count(*) AS lines, time AS first_seen, time AS last_seen, true AS ended, "user", requested_model, model, provider,
    path, coalesce(chat, false) AS chat, true AS modelled, failure IS NULL AS answered, http_status, latency_ms,
    {", ".join(TOKEN_COLUMNS)}, coalesce(failure = 'error', false) AS failed,
    coalesce(failure = 'aborted', false) AS hung_up, error, error_type, false AS overlapping
FROM lines
"""
_SAME_LINE = ", ".join(f'"{name}"' for name in CANONICAL_COLUMNS)

_STATUS = """
CASE WHEN f.failed THEN 'error' WHEN f.hung_up THEN 'aborted' WHEN f.ended AND f.http_status >= 400 THEN 'error'
    WHEN f.ended THEN 'ok' ELSE 'open' END
"""

_FINISHED = f"""
CREATE OR REPLACE TEMP VIEW finished AS
SELECT f.*, t.region, {_STATUS} AS status,
    coalesce(f.input_tokens, f.output_tokens) IS NOT NULL AS metered,
    f.modelled OR (f.chat AND {_STATUS} = 'ok') AS reached_model
FROM grouped f JOIN streams t USING (stream_id)
"""


class Fold:
    """Keeps `folded_calls` true to `lines`."""

    def __init__(self, connection: duckdb.DuckDBPyConnection, scratch: Scratch, prices: PriceTable) -> None:
        self._connection = connection
        self._scratch = scratch
        self._prices = prices

    def fold(self, first_seq: int, end_seq: int) -> None:
        """Fold the lines from `first_seq` up to but not including `end_seq`, and all others of their ids."""
        if self._note_processes(first_seq, end_seq):
            self._connection.execute("DELETE FROM folded_calls")
            first_seq = 0
        for start in range(first_seq, end_seq, _PART_LINES):
            self._fold_part(start, min(start + _PART_LINES, end_seq))

    def _fold_part(self, first_seq: int, end_seq: int) -> None:
        """Calls of these ids that are there already are taken out and folded anew from all their lines."""
        execute = self._connection.execute
        if self._count("SELECT count(*) FROM folded_calls") == 0:
            self._fold_lines(f"rowid >= {first_seq} AND rowid < {end_seq}")
            return
        execute(
            "CREATE OR REPLACE TEMP TABLE touched AS SELECT DISTINCT request_id, hash(request_id) AS request_hash "
            "FROM lines WHERE rowid >= ? AND rowid < ? AND kind IS NOT NULL AND request_id IS NOT NULL",
            [first_seq, end_seq],
        )
        execute(
            "CREATE OR REPLACE TEMP TABLE again AS SELECT request_id, request_hash, min(first_seq) AS first_seq "
            "FROM folded_calls WHERE request_hash IN (SELECT request_hash FROM touched) GROUP BY ALL"
        )
        oldest = execute("SELECT min(first_seq) FROM again").fetchone()
        if oldest is None or oldest[0] is None:
            self._fold_lines(f"rowid >= {first_seq} AND rowid < {end_seq}")
            return
        execute("DELETE FROM folded_calls WHERE request_hash IN (SELECT request_hash FROM again)")
        self._fold_lines(
            f"rowid < {end_seq} AND (rowid >= {first_seq} OR (rowid >= {int(oldest[0])} "
            "AND request_id IN (SELECT request_id FROM again)))"
        )

    def _fold_lines(self, condition: str) -> None:
        execute = self._connection.execute
        execute(
            "CREATE OR REPLACE TEMP TABLE grouped AS WITH new_lines AS ("
            "SELECT rowid AS seq, *, CASE WHEN kind IN ('start', 'model', 'usage', 'end') THEN \"user\" END AS caller "
            f"FROM lines WHERE ({condition}) AND kind <> 'call' AND request_id IS NOT NULL"
            f") {_GROUPED}"
        )
        if self._count("SELECT count(*) FROM grouped WHERE overlapping"):
            self._fold_overlapping(condition)
        whole = f"({condition}) AND kind = 'call' AND request_id IS NOT NULL"
        if self._count(f"SELECT count(*) FROM lines WHERE {whole}"):
            execute(f"INSERT INTO grouped {_WHOLE_CALLS} WHERE {whole} GROUP BY {_SAME_LINE}")
        execute(_FINISHED)
        self._prices.resolve()
        execute(
            f"""INSERT INTO folded_calls SELECT c.request_id, hash(c.request_id), c.first_seq, c.slice_id,
            c.stream_id, c.dialect, c.lines, c.first_seen, c.last_seen, c."user", c.requested_model, c.model,
            c.provider, c.region, c.path, c.reached_model, c.status, c.http_status, c.latency_ms, c.input_tokens,
            c.cache_read_tokens, c.cache_write_tokens, c.output_tokens,
            c.reached_model AND NOT c.metered AND (c.status = 'ok' OR c.answered), {COST}, p.price_source,
            CASE WHEN c.status IN ('error', 'aborted') THEN c.error END,
            CASE WHEN c.status IN ('error', 'aborted') THEN coalesce(c.error_type, 'HTTP ' || c.http_status) END
            FROM finished c LEFT JOIN prices p ON {SAME_PRICE}"""
        )

    def _fold_overlapping(self, condition: str) -> None:
        """Ids whose lines are of several calls: in Python, a line at a time, and back through the JSON reader."""
        import orjson

        rows = b"".join(
            orjson.dumps(row, option=orjson.OPT_NAIVE_UTC) + b"\n"
            for row in self._overlapping_calls(condition)
        )
        files = ", ".join(quoted(file) for file in self._scratch.put(rows, "overlapping"))
        self._connection.execute("DELETE FROM grouped WHERE overlapping")
        self._connection.execute(
            f"INSERT INTO grouped SELECT *, false FROM read_json([{files}], format = 'newline_delimited', "
            f"columns = {FOLDED_COLUMNS!r})"
        )

    def _overlapping_calls(self, condition: str) -> Iterator[dict[str, object]]:
        cursor = self._connection.execute(
            f"""WITH ids AS (SELECT request_id, first_seen, last_seen FROM grouped WHERE overlapping)
            SELECT {_CALL_LINE} FROM lines l JOIN ids USING (request_id)
            WHERE ({condition.replace("rowid", "l.rowid")}) AND l.kind <> 'call'
            UNION ALL
            SELECT {_CALL_LINE.replace('l."request_id"', "ids.request_id", 1)} FROM lines l, ids
            WHERE l.kind = 'process' AND l.time BETWEEN ids.first_seen AND ids.last_seen
            ORDER BY request_id, time, seq"""
        )
        lines = (CallLine(*row) for batch in iter(lambda: cursor.fetchmany(10_000), []) for row in batch)
        for _, group in groupby(lines, key=lambda line: line.request_id):
            for call in fold_overlapping(group):
                yield _row(call)

    def _note_processes(self, first_seq: int, end_seq: int) -> bool:
        """When each stream's process began anew, and the region it says it is in. True if a region is news.

        It is news to all calls of the stream, also to those before: any split of a log gives the same prices.
        """
        before = self._regions()
        self._connection.execute(
            """UPDATE streams SET restarted = greatest(streams.restarted, p.restarted),
                region = coalesce(p.region, streams.region)
            FROM (SELECT stream_id, max(time) FILTER (kind = 'process') AS restarted,
                    arg_max(region, rowid) FILTER (region IS NOT NULL) AS region
                FROM lines WHERE rowid >= ? AND rowid < ? AND (kind = 'process' OR region IS NOT NULL)
                GROUP BY stream_id) p
            WHERE streams.stream_id = p.stream_id""",
            [first_seq, end_seq],
        )
        return first_seq > 0 and self._regions() != before

    def _regions(self) -> list[tuple[object, ...]]:
        return self._connection.execute(
            "SELECT stream_id, region FROM streams WHERE region IS NOT NULL ORDER BY stream_id"
        ).fetchall()

    def _count(self, sql: str) -> int:
        row = self._connection.execute(sql).fetchone()
        return int(row[0]) if row else 0


def _row(call: OverlappingCall) -> dict[str, object]:
    """An overlapping call in the columns of the plain fold."""
    lines = call.lines
    times = [line.time for line in lines if line.time is not None]
    failures = sorted(lines, key=lambda line: (line.failure != "error", line.error or ""))
    failure = next((line for line in failures if line.failure), None)
    tokens = call.usage.tokens if call.usage else UNKNOWN_TOKENS
    return {
        "request_id": lines[0].request_id,
        "first_seq": min(line.seq for line in lines),
        "slice_id": lines[0].slice_id,
        "stream_id": lines[0].stream_id,
        "dialect": lines[0].dialect,
        "lines": len(lines),
        "first_seen": min(times, default=None),
        "last_seen": max(times, default=None),
        "ended": call.end is not None,
        "user": call.user,
        "requested_model": None
        if call.ambiguous
        else next((line.requested_model for line in lines if line.requested_model), None),
        "model": None if call.ambiguous else call.model,
        "provider": next((line.provider for line in lines if line.provider), None),
        "path": next((line.path for line in lines if line.path), None),
        "chat": any(line.chat for line in lines),
        "modelled": any(line.kind in ("model", "usage") for line in lines),
        "answered": call.usage is not None and (call.usage.http_status or 0) < 400,
        "http_status": call.end.http_status if call.end else None,
        "latency_ms": call.end.latency_ms if call.end else None,
        **dict(zip(TOKEN_COLUMNS, tokens, strict=True)),
        "failed": failure is not None and failure.failure == "error",
        "hung_up": any(line.failure == "aborted" for line in lines),
        "error": failure.error if failure else None,
        "error_type": failure.error_type if failure else None,
    }
