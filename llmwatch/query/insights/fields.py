"""Where a field of a line comes from: what CloudWatch knows of each, and the keys of its JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from llmwatch.query.insights.values import Kind, Value

_MOST_PATHS = 16
"""Ways to read one name with dots: `a.b` is the key b of the map a, or the key "a.b"."""

_REPORT = "^REPORT RequestId: .*"


def _lambda(pattern: str) -> str:
    return f"nullif(regexp_extract(message, '{pattern}', 1), '')"


def _reported(name: str, unit: str, times: int) -> Value:
    """A figure of the REPORT line of AWS Lambda."""
    figure = _lambda(rf"{_REPORT}\t{name}: ([0-9.]+) {unit}\b")
    return Value(f"(try_cast({figure} AS DOUBLE) * {times})", Kind.NUMBER)


SYSTEM_FIELDS: Mapping[str, Value] = {
    "@message": Value("message", Kind.TEXT),
    "@timestamp": Value("(epoch_us(time) // 1000)", Kind.TIME),
    "@ingestionTime": Value("(epoch_us(ingestion) // 1000)", Kind.TIME),
    "@logStream": Value("stream", Kind.TEXT),
    "@log": Value("source", Kind.TEXT),
    "@ptr": Value("(source || ':' || line::VARCHAR)", Kind.TEXT),
    "@type": Value(_lambda("^(START|END|REPORT) RequestId: "), Kind.TEXT),
    "@requestId": Value(_lambda(r"^(?:START|END|REPORT) RequestId: ([0-9A-Za-z-]+)"), Kind.TEXT),
    "@duration": _reported("Duration", "ms", 1),
    "@billedDuration": _reported("Billed Duration", "ms", 1),
    "@initDuration": _reported("Init Duration", "ms", 1),
    "@memorySize": _reported("Memory Size", "MB", 1_000_000),
    "@maxMemoryUsed": _reported("Max Memory Used", "MB", 1_000_000),
}
"""Fields that a line has beside its JSON (user guide, "Supported logs and discovered fields"), over the columns of
lines."""


def json_pointers(steps: Sequence[str | int]) -> tuple[str, ...]:
    """Where the JSON of a line may have a field, best first; nowhere for a name of CloudWatch's own that it has not.

    A pointer finds the item of a list and the key of a map alike, so `items.0.x` needs but one.
    """
    name = ".".join(map(str, steps))
    if name.startswith("@"):
        if not name.startswith("@@"):
            return ()
        name = name[1:]
    parts = name.split(".")
    found = [json_pointer(keys) for keys in islice(_readings(parts), _MOST_PATHS)]
    return tuple(dict.fromkeys([*found, json_pointer([name])]))


def _readings(parts: Sequence[str]) -> Iterator[list[str]]:
    if not parts:
        yield []
    for size in range(1, len(parts) + 1):
        key = ".".join(parts[:size])
        for rest in _readings(parts[size:]):
            yield [key, *rest]


def json_pointer(steps: Sequence[str | int]) -> str:
    """A path into JSON (RFC 6901)."""
    return "".join("/" + str(step).replace("~", "~0").replace("/", "~1") for step in steps)
