"""The tables of the store, and the two views people query."""

from llmwatch.dialects.dialect import CANONICAL_COLUMNS

_CANONICAL = ", ".join(f'"{name}" {kind}' for name, kind in CANONICAL_COLUMNS.items())

TOKEN_COLUMNS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")

FOLDED_COLUMNS = {
    "request_id": "VARCHAR",
    "first_seq": "BIGINT",
    "slice_id": "INTEGER",
    "stream_id": "INTEGER",
    "dialect": "VARCHAR",
    "lines": "BIGINT",
    "first_seen": "TIMESTAMP",
    "last_seen": "TIMESTAMP",
    "ended": "BOOLEAN",
    "user": "VARCHAR",
    "requested_model": "VARCHAR",
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "path": "VARCHAR",
    "chat": "BOOLEAN",
    "modelled": "BOOLEAN",
    "answered": "BOOLEAN",
    "http_status": "INTEGER",
    "latency_ms": "BIGINT",
    **dict.fromkeys(TOKEN_COLUMNS, "BIGINT"),
    "failed": "BOOLEAN",
    "hung_up": "BOOLEAN",
    "error": "VARCHAR",
    "error_type": "VARCHAR",
}
"""A call as both folds leave it. `modelled`: a line of it names a model or its tokens; `answered`: the model
answered, whether or not it said how many tokens; `first_seq`, `slice_id`, `stream_id`: of its first line."""

TABLES = f"""
CREATE TABLE IF NOT EXISTS streams (stream_id INTEGER, stream VARCHAR, region VARCHAR, restarted TIMESTAMP);
CREATE TABLE IF NOT EXISTS slices (
    slice_id INTEGER, source VARCHAR, stream_id INTEGER, first_line BIGINT, first_seq BIGINT,
    rows BIGINT, lines BIGINT, head VARCHAR);
CREATE TABLE IF NOT EXISTS lines (slice_id INTEGER, stream_id INTEGER, {_CANONICAL});
CREATE TABLE IF NOT EXISTS rejected_lines (seq BIGINT, reason VARCHAR, raw VARCHAR);
CREATE TABLE IF NOT EXISTS prices (
    provider VARCHAR, model VARCHAR, region VARCHAR, day DATE,
    input DECIMAL(18, 12), cache_read DECIMAL(18, 12), cache_write DECIMAL(18, 12), output DECIMAL(18, 12),
    threshold BIGINT, long_input DECIMAL(18, 12), long_cache_read DECIMAL(18, 12), long_cache_write DECIMAL(18, 12),
    long_output DECIMAL(18, 12), price_source VARCHAR);
CREATE TABLE IF NOT EXISTS folded_calls (
    request_id VARCHAR, request_hash UBIGINT, first_seq BIGINT, slice_id INTEGER, stream_id INTEGER, dialect VARCHAR,
    lines BIGINT,
    first_seen TIMESTAMP, last_seen TIMESTAMP, "user" VARCHAR, requested_model VARCHAR, model VARCHAR,
    provider VARCHAR, region VARCHAR, path VARCHAR, reached_model BOOLEAN, status VARCHAR, http_status INTEGER,
    latency_ms BIGINT, input_tokens BIGINT, cache_read_tokens BIGINT, cache_write_tokens BIGINT,
    output_tokens BIGINT, unmetered BOOLEAN, cost_usd DECIMAL(38, 12), price_source VARCHAR, error VARCHAR,
    error_type VARCHAR);
"""
"""`lines` has a row for every line of every slice, in order, and none is ever deleted, so a line's rowid is its
sequence number. `kind` is NULL where the line was blank or not understood."""

UNFINISHED_AFTER = "INTERVAL 15 MINUTE"
"""A thinking model streams for up to 15 minutes (router-logs, rule 4)."""

VIEWS = f"""
CREATE OR REPLACE VIEW events AS
SELECT l.rowid AS seq, l.time, s.source, s.first_line + (l.rowid - s.first_seq) AS line, t.stream, l.dialect,
    l.kind, l.level, l.message, l.request_id, l."user", l.requested_model, l.model, l.path, l.http_status,
    l.latency_ms, l.input_tokens, l.cache_read_tokens, l.cache_write_tokens, l.output_tokens, l.error, l.error_type
FROM lines l JOIN slices s USING (slice_id) JOIN streams t ON t.stream_id = l.stream_id
WHERE l.kind IS NOT NULL;

CREATE OR REPLACE VIEW calls AS
SELECT c.request_id, c.first_seen AS time, c."user", c.model, c.requested_model, c.provider, c.region,
    CASE WHEN c.status = 'open' AND (c.first_seen <= getvariable('now')::TIMESTAMP - {UNFINISHED_AFTER}
        OR c.first_seen <= t.restarted) THEN 'unfinished' ELSE c.status END AS status,
    c.http_status, c.latency_ms, c.input_tokens, c.cache_read_tokens, c.cache_write_tokens, c.output_tokens,
    c.unmetered, c.cost_usd, CASE WHEN c.cost_usd IS NOT NULL THEN c.price_source END AS price_source,
    c.cost_usd IS NULL AND coalesce(c.input_tokens, c.output_tokens) IS NOT NULL AS unpriced,
    c.error, c.error_type, c.path, c.reached_model, c.first_seen, c.last_seen, c.lines, s.source, c.dialect, t.stream,
    c.first_seq
FROM folded_calls c JOIN slices s USING (slice_id) JOIN streams t ON t.stream_id = c.stream_id;

CREATE OR REPLACE VIEW rejected AS
SELECT r.seq, s.source, s.first_line + (r.seq - s.first_seq) AS line, r.reason, r.raw
FROM rejected_lines r JOIN lines l ON l.rowid = r.seq JOIN slices s USING (slice_id);
"""
"""`getvariable('now')` is the clock of whoever asks: a replay has its own."""

DERIVED_AGAIN = """
UPDATE lines SET kind = NULL WHERE slice_id NOT IN (SELECT slice_id FROM slices);
DELETE FROM folded_calls;
DELETE FROM prices;
UPDATE streams SET region = NULL, restarted = NULL;
"""
"""A store that was kept is folded again when it is opened: prices may have changed, and whoever wrote it may have been
killed, in the middle of a slice even."""
