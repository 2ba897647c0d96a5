"""What someone would write instead of llmwatch: one DuckDB query straight off the log.

`python -m benchmarks.handwritten FILE` prints who used which model, tab-separated, from router lines. It knows the
shapes of the router alone, trusts every line, and leaves out the cost: the least that gives the same answer.
"""

from __future__ import annotations

import sys

_COLUMNS = {
    "timestamp": "TIMESTAMP",
    "level": "VARCHAR",
    "message": "VARCHAR",
    "request_id": "VARCHAR",
    "user_email": "VARCHAR",
    "mapped_model": "VARCHAR",
    "status": "INTEGER",
    "duration_ms": "BIGINT",
    "input_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "prompt_tokens": "BIGINT",
    "completion_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "usage": "STRUCT(prompt_tokens BIGINT, completion_tokens BIGINT)",
}

_QUERY = f"""
WITH calls AS (
    SELECT request_id, any_value(user_email) AS "user", any_value(mapped_model) AS model,
        min(timestamp) AS first_seen, max(timestamp) AS last_seen,
        bool_or(level = 'ERROR') OR coalesce(max(status) >= 400, false) AS failed, max(duration_ms) AS latency_ms,
        max(coalesce(input_tokens, prompt_tokens, usage.prompt_tokens)) AS input_tokens,
        max(coalesce(output_tokens, completion_tokens, usage.completion_tokens)) AS output_tokens,
        max(cache_read_tokens) AS cache_read_tokens, max(cache_write_tokens) AS cache_write_tokens
    FROM read_json(?, format = 'newline_delimited', columns = {_COLUMNS!r}) GROUP BY request_id)
SELECT "user", model, count(*) AS requests, count_if(failed) AS errors,
    count_if(NOT failed AND input_tokens IS NULL AND output_tokens IS NULL) AS unmetered,
    sum(input_tokens), sum(cache_read_tokens), sum(cache_write_tokens), sum(output_tokens),
    quantile_cont(latency_ms, 0.5), quantile_cont(latency_ms, 0.95), min(first_seen), max(last_seen)
FROM calls GROUP BY ALL ORDER BY requests DESC, "user", model
"""


def main(path: str) -> None:
    import duckdb

    connection = duckdb.connect(config={"threads": 2})
    for row in connection.execute(_QUERY, [path]).fetchall():
        print(*row, sep="\t")


if __name__ == "__main__":
    main(sys.argv[1])
