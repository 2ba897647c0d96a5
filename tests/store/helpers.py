"""A store fed with lines, and its calls in the oracle's words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.oracle.fold import Call
from tests.oracle.tokens import Tokens

Streams = Mapping[str, Sequence[bytes]]


@contextmanager
def opened(settings: StoreSettings | None = None) -> Iterator[Store]:
    store = Store(settings)
    try:
        yield store
    finally:
        store.close()


def as_slice(lines: Sequence[bytes], stream: str = "log", first_line: int = 1) -> Slice:
    return Slice(stream, stream, first_line, b"".join(line.rstrip(b"\n") + b"\n" for line in lines))


def feed(store: Store, streams: Streams) -> None:
    """All lines of each stream, in one slice each."""
    for stream, lines in streams.items():
        if lines:
            store.ingest(as_slice(lines, stream))
    store.refresh()


_CALLS = """SELECT request_id, stream, "user", model, requested_model, status, http_status, latency_ms, input_tokens,
cache_read_tokens, cache_write_tokens, output_tokens, unmetered, reached_model, first_seen, last_seen FROM calls"""


def calls_of(store: Store, now: datetime) -> list[Call]:
    """The calls of a store as the oracle has them."""
    calls = []
    for row in store.query(_CALLS, now=now).rows:
        request_id, stream, user, model, requested, outcome, status, latency, *tokens = row[:12]
        unmetered, reached, first, last = row[12:]
        calls.append(
            Call(
                request_id=request_id,  # type: ignore[arg-type]
                stream=stream,  # type: ignore[arg-type]
                user=user,  # type: ignore[arg-type]
                model=model,  # type: ignore[arg-type]
                requested_model=requested,  # type: ignore[arg-type]
                outcome=outcome,  # type: ignore[arg-type]
                status=status,  # type: ignore[arg-type]
                latency_ms=latency,  # type: ignore[arg-type]
                tokens=Tokens(*tokens),  # type: ignore[arg-type]
                unmetered=unmetered,  # type: ignore[arg-type]
                reached_model=reached,  # type: ignore[arg-type]
                first_seen=_utc(first),
                last_seen=_utc(last),
            )
        )
    return calls


def _utc(moment: object) -> datetime | None:
    return moment.replace(tzinfo=UTC) if isinstance(moment, datetime) else None
