"""Queries asked of a few lines."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from llmwatch.query.insights.answer import Answer, Value
from llmwatch.query.insights.engine import answer
from llmwatch.query.insights.parse import read_query
from llmwatch.store.line_store import LineStore
from llmwatch.store.slice import Slice

NOW = datetime(2026, 2, 28, tzinfo=UTC)


def line(content: object) -> bytes:
    """A line of a log: a text as it is, anything else as JSON."""
    return (content if isinstance(content, str) else json.dumps(content)).encode()


@contextmanager
def stored(lines: Sequence[object], source: str = "log") -> Iterator[LineStore]:
    store = LineStore(256 << 20)
    try:
        store.add(Slice(source, source, 1, b"".join(line(content) + b"\n" for content in lines)))
        yield store
    finally:
        store.close()


def ask(text: str, *lines: object) -> Answer:
    with stored(lines) as store:
        return answer(store, read_query(text), now=NOW)


def rows(text: str, *lines: object) -> tuple[tuple[Value, ...], ...]:
    return ask(text, *lines).rows


def value(expression: str, *lines: object) -> Value:
    """Of one expression on one line, or of an aggregate on several."""
    ((found,),) = rows(
        f"stats {expression} as it" if len(lines) > 1 else f"display {expression} as it", *lines or ({},)
    )
    return found
