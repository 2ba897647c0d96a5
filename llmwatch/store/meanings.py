"""What the columns of the views mean, for people who ask them in SQL."""

from __future__ import annotations

from collections.abc import Mapping

_TOKENS = {
    "input_tokens": "tokens of the prompt that were not from the cache",
    "cache_read_tokens": "tokens of the prompt that were read from the cache",
    "cache_write_tokens": "tokens of the prompt that were written to the cache",
    "output_tokens": "tokens of the answer",
}

MEANINGS: Mapping[str, Mapping[str, str]] = {
    "calls": {
        "request_id": "id of the request; a client may use one for several",
        "time": "when the call began (UTC)",
        "user": "e-mail, else sub or key id; NULL is unknown",
        "model": "the model that answered, by its provider's id",
        "requested_model": "the model as the client asked for it",
        "provider": "who runs the model",
        "region": "the provider's region",
        "status": "ok, error, aborted (by its client), open or unfinished",
        "http_status": "of the response; it may be 200 for a call that failed",
        "latency_ms": "milliseconds from its begin to its end",
        **_TOKENS,
        "unmetered": "whether it succeeded and nobody knows its tokens",
        "cost_usd": "US dollars; NULL is unpriced",
        "price_source": "whose price was taken",
        "unpriced": "whether it has tokens and no price",
        "error": "the text of its error",
        "error_type": "the kind of its error",
        "path": "the path of the request",
        "reached_model": "whether a model was asked; top counts only these",
        "first_seen": "the time of its first line, as time",
        "last_seen": "the time of its last line",
        "lines": "how many lines it has",
        "source": "the file, or group/stream, of its first line",
        "dialect": "the format of its lines",
        "stream": "who wrote them: a file with its rotations is one",
        "first_seq": "seq of its first line in events",
    },
    "events": {
        "seq": "place of the line among all that were read, from 0",
        "time": "when it was written (UTC)",
        "source": "the file, or group/stream",
        "line": "its number in the source, from 1",
        "stream": "who wrote it: a file with its rotations is one",
        "dialect": "its format",
        "kind": "start, end, call, error and others (docs/filters.md)",
        "level": "INFO, WARNING, ERROR, …",
        "message": "the statement's text",
        "request_id": "the id of the request it is about",
        "user": "who, where the line says so",
        "requested_model": "the model as the client asked for it",
        "model": "the model by its provider's id",
        "path": "the path of the request",
        "http_status": "the status of the response",
        "latency_ms": "milliseconds that the request took",
        **_TOKENS,
        "error": "the text of an error",
        "error_type": "its kind",
    },
    "rejected": {
        "seq": "place of the line among all that were read, from 0",
        "source": "the file, or group/stream",
        "line": "its number in the source, from 1",
        "reason": "malformed (no JSON) or unrecognised (of no known format)",
        "raw": "how it begins, up to 4,096 bytes",
    },
}
"""View → column → what it holds, at most a cell's width long."""
