"""What a dialect is: one log format, described as data for the store's JSON reader."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

CANONICAL_COLUMNS: Mapping[str, str] = {
    "dialect": "VARCHAR",
    "time": "TIMESTAMP",
    "level": "VARCHAR",
    "kind": "VARCHAR",
    "message": "VARCHAR",
    "request_id": "VARCHAR",
    "identified": "BOOLEAN",
    "user": "VARCHAR",
    "requested_model": "VARCHAR",
    "model": "VARCHAR",
    "provider": "VARCHAR",
    "region": "VARCHAR",
    "path": "VARCHAR",
    "chat": "BOOLEAN",
    "http_status": "INTEGER",
    "latency_ms": "BIGINT",
    "input_tokens": "BIGINT",
    "cache_read_tokens": "BIGINT",
    "cache_write_tokens": "BIGINT",
    "output_tokens": "BIGINT",
    "failure": "VARCHAR",
    "error": "VARCHAR",
    "error_type": "VARCHAR",
}
"""What an event is made of, name → DuckDB type. Times are UTC. `kind` is NULL for a line the dialect does not
know; `identified` says that the line names its caller, even if only to say that nobody is known; `chat` that
its path is one that calls a model; `failure` is `error` or `aborted` on a line that fails its call."""

KINDS: Mapping[str, str] = {
    "start": "opens a call",
    "model": "names the model of a call",
    "usage": "tells the tokens of a call",
    "error": "fails its call",
    "end": "closes a call",
    "call": "is a whole call by itself",
    "process": "a new process of the gateway begins; calls of the one before are over",
    "security": "about keys, versions and access",
    "info": "anything else the dialect knows",
}
"""What an event does to its call. One of kind `call` opens it, names its model, tells its tokens and closes it, and no
other line is of that call: it is a call of its own, unless another line is the same in all canonical columns."""


@dataclass(frozen=True, slots=True)
class InsightsMapping:
    """A dialect in Logs Insights QL, for the lines that a log group keeps. Fixed text, as all of a dialect.

    CloudWatch finds the keys of a JSON line by itself; one that a line lacks is null. What null does in most
    functions is documented nowhere, so it may only meet `ispresent` and `coalesce` here. Names that a command makes
    begin with `line`: one that is a key of a line too would hide it.
    """

    recognised: str
    """Condition: the line is of this dialect, and of a request."""

    unreadable: str
    """Condition: a line of this dialect that CloudWatch could not read as JSON."""

    commands: tuple[str, ...]
    """What comes before the columns can be made."""

    columns: Mapping[str, str]
    """`request_id`, `time` (ISO 8601 in UTC, always as wide), `user`, `model`, `http_status` and `latency_ms` →
    expression, null where unknown; `chat`, `failed` and, of those, `hung_up` → condition."""

    tokens: Mapping[str, str]
    """The four disjoint token columns → expression, never null, negative where unknown, and all at most 0 on lines
    that tell no tokens."""


@dataclass(frozen=True, slots=True)
class Dialect:
    """One log format. Adding one is one module with a `Dialect`, and one line in the registry.

    All SQL in it is DuckDB's, over `columns`; it is fixed text and never holds anything from a log. It has no
    `IN (…)`: DuckDB makes a join of one, and then rows no longer come in the order of lines.
    """

    name: str
    title: str
    """What people call the gateway or format."""

    columns: Mapping[str, str]
    """The JSON keys to read, name → DuckDB type. A value of another type is NULL in its column alone."""

    sign: bytes
    """Bytes that most of its lines have, and few of others. They only tell which dialect is to read a log first."""

    recognised: str
    """SQL condition: the line is of this dialect. No line may be of two."""

    mapping: Mapping[str, str]
    """Canonical column → SQL expression. What is left out is NULL."""

    tokens: Mapping[str, str]
    """Those of the four disjoint token columns that it tells → SQL expression, valid on lines of kind `usage` and
    `call`."""

    kinds: Mapping[str, str] = field(default_factory=dict)
    """`message` → kind, for the messages that matter."""

    other_kind: str = "CASE WHEN level = 'ERROR' THEN 'error' ELSE 'info' END"
    """SQL expression: the kind of a line whose message is not among `kinds`."""

    failed: str = "level = 'ERROR'"
    """SQL condition: the line fails its call."""

    hung_up: str | None = None
    """A phrase in the error of a call which its client hung up on; such a call is no fault of the service. None where
    no error tells."""

    provider: str | None = None
    """Who serves all its models, where that is always the same."""

    insights: InsightsMapping | None = None
    """None where CloudWatch cannot be asked about it."""

    def select(self, reader: str) -> str:
        """The SQL that turns `reader`, a table function call, into canonical rows, one for each row read."""
        canonical = {name: self.mapping.get(name, "NULL") for name in CANONICAL_COLUMNS}
        canonical["dialect"] = quoted(self.name)
        canonical["kind"] = "_kind"
        canonical["failure"] = f"CASE WHEN {self.failed} THEN {self._failure()} END"
        canonical |= {name: f"CASE WHEN _known AND _{name} >= 0 THEN _{name} END" for name in self.tokens}
        columns = ", ".join(
            f"{expression} AS {name}"
            if expression in self.columns and self.columns[expression] == CANONICAL_COLUMNS[name]
            else f"TRY_CAST({expression} AS {CANONICAL_COLUMNS[name]}) AS {name}"
            for name, expression in canonical.items()
        )
        tokens = ", ".join(
            f"CASE WHEN _kind = 'usage' OR _kind = 'call' THEN {expression} END AS _{name}"
            for name, expression in self.tokens.items()
        )
        known = " OR ".join(f"coalesce(_{name}, 0) > 0" for name in self.tokens)
        return (
            f"SELECT {columns} FROM (SELECT *, {known} AS _known FROM "
            f"(SELECT *, {tokens} FROM (SELECT *, {self._kind()} AS _kind FROM {reader})))"
        )

    def _failure(self) -> str:
        if self.hung_up is None:
            return "'error'"
        return f"CASE WHEN contains(error, {quoted(self.hung_up)}) THEN 'aborted' ELSE 'error' END"

    def _kind(self) -> str:
        whens = " ".join(
            f"WHEN {quoted(message)} THEN {quoted(kind)}" for message, kind in self.kinds.items()
        )
        kind = f"CASE message {whens} ELSE {self.other_kind} END" if whens else self.other_kind
        return f"CASE WHEN {self.recognised} THEN {kind} END"


def quoted(text: str) -> str:
    """`text` as an SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
