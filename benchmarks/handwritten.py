"""What someone would write instead of llmwatch: one DuckDB query straight off the log.

`python -m benchmarks.handwritten FILE` prints who used which model, as CSV, from the router's lines. It gives the
answer that `llmwatch top` gives, without the cost, as long as every line is whole and no request id is used twice.
"""

from __future__ import annotations

import csv
import sys

_COLUMNS = {
    "timestamp": "TIMESTAMP",
    "level": "VARCHAR",
    "request_id": "VARCHAR",
    "user_sub": "VARCHAR",
    "user_email": "VARCHAR",
    "mapped_model": "VARCHAR",
    "model": "VARCHAR",
    "status": "INTEGER",
    "duration_ms": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "prompt_tokens": "BIGINT",
    "completion_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "usage": "STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT, "
    "prompt_tokens_details STRUCT(cached_tokens BIGINT))",
    "error": "VARCHAR",
}

_QUERY = f"""
WITH calls AS (
    SELECT request_id, max(coalesce(nullif(user_email, ''), user_sub)) AS "user",
        max(coalesce(mapped_model, model)) AS model, min(timestamp) AS first_seen, max(timestamp) AS last_seen,
        bool_or(level = 'ERROR') OR coalesce(max(status) >= 400, false) AS failed,
        coalesce(bool_or(contains(error, 'Cannot write to closing transport')), false) AS hung_up,
        max(duration_ms) AS latency_ms,
        max(coalesce(input_tokens, prompt_tokens,
            usage.prompt_tokens - coalesce(usage.prompt_tokens_details.cached_tokens, 0))) AS input_tokens,
        max(coalesce(cache_read_tokens,
            CASE WHEN usage.prompt_tokens IS NOT NULL
                THEN coalesce(usage.prompt_tokens_details.cached_tokens, 0) END)) AS cache_read_tokens,
        max(coalesce(cache_write_tokens, CASE WHEN usage.prompt_tokens IS NOT NULL THEN 0 END)) AS cache_write_tokens,
        max(coalesce(output_tokens, completion_tokens, usage.completion_tokens)) AS output_tokens
    FROM read_json(?, format = 'newline_delimited', columns = {_COLUMNS!r}) GROUP BY request_id)
SELECT "user", model, count(*) AS requests, count_if(failed AND NOT hung_up) AS errors,
    count_if(NOT failed AND coalesce(input_tokens, output_tokens) IS NULL) AS unmetered,
    sum(input_tokens) AS input_tokens, sum(cache_read_tokens) AS cache_read_tokens,
    sum(cache_write_tokens) AS cache_write_tokens, sum(output_tokens) AS output_tokens,
    quantile_cont(latency_ms, 0.5) AS latency_p50_ms, quantile_cont(latency_ms, 0.95) AS latency_p95_ms,
    strftime(min(first_seen), '%Y-%m-%dT%H:%M:%S.%fZ') AS first_seen,
    strftime(max(last_seen), '%Y-%m-%dT%H:%M:%S.%fZ') AS last_seen
FROM calls GROUP BY ALL ORDER BY requests DESC, "user", model
"""


def main(path: str) -> None:
    import duckdb

    found = duckdb.connect(config={"threads": 2}).execute(_QUERY, [path])
    write = csv.writer(sys.stdout)
    write.writerow([name for name, *_ in found.description or ()])
    write.writerows(found.fetchall())


if __name__ == "__main__":
    main(sys.argv[1])
