"""The columns a table of calls can be grouped by, and those it shows: each a row of data here."""

from __future__ import annotations

from collections.abc import Mapping

GROUPINGS: Mapping[str, str] = {
    "user": '"user"',
    "model": "model",
    "provider": "provider",
    "key": "NULL::VARCHAR",
    "team": "NULL::VARCHAR",
    "project": "NULL::VARCHAR",
    "status": "status",
    "error": "error_type",
    "dialect": "dialect",
    "source": "source",
    "hour": "strftime(time, '%Y-%m-%dT%H:00Z')",
    "day": "strftime(time, '%Y-%m-%d')",
}
"""What `--by` takes → SQL over `calls`. Keys, teams and projects are unknown to every dialect so far."""

MEASURES: Mapping[str, str] = {
    "requests": "count(*)",
    "errors": "count(*) FILTER (status = 'error')",
    "aborted": "count(*) FILTER (status = 'aborted')",
    "unfinished": "count(*) FILTER (status = 'unfinished')",
    "unmetered": "count(*) FILTER (unmetered)",
    "input_tokens": "sum(input_tokens)",
    "cache_read_tokens": "sum(cache_read_tokens)",
    "cache_write_tokens": "sum(cache_write_tokens)",
    "output_tokens": "sum(output_tokens)",
    "cost_usd": "sum(cost_usd)",
    "unpriced": "count(*) FILTER (unpriced)",
    "latency_p50_ms": "quantile_cont(latency_ms, 0.5)",
    "latency_p95_ms": "quantile_cont(latency_ms, 0.95)",
    "first_seen": "min(first_seen)",
    "last_seen": "max(last_seen)",
}
"""The columns of every table, in order, → SQL over `calls`. All but the first five are NULL where unknown."""
