"""The fields that a filter can ask about: each a row of data here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from llmwatch.dialects.dialect import KINDS
from llmwatch.query.columns import GROUPINGS
from llmwatch.store.schema import TOKEN_COLUMNS

Type = Literal[
    "text", "choice", "status", "http", "count", "money", "duration", "time", "since", "until", "flag"
]


@dataclass(frozen=True, slots=True, eq=False)
class Field:
    """One field. Of a call, on lines, unless it says otherwise."""

    name: str
    meaning: str
    """In words, to follow "user is ..."."""
    type: Type
    call: str | None
    """SQL over `calls`; None: it is of lines alone, and holds for a call when a line of the call has it."""
    line: str | None
    """SQL over `lines l`; None: no line says it of itself."""
    own: bool = False
    """Every line has its own, which may not be that of its call."""
    said: bool = False
    """On lines, it is that of the call or the one the line itself says: either will do."""
    aliases: tuple[str, ...] = ()
    choices: tuple[str, ...] = ()
    """All values there are, if they are few."""
    also: Field | None = None
    """Another field that `:` looks into as well."""

    @property
    def of_call(self) -> bool:
        """Whether, on lines, it is that of the line's call."""
        return self.call is not None and not self.own


def _tokens(prefix: str) -> str:
    """All tokens that are known, exact at any size; NULL where none is."""
    columns = [prefix + name for name in TOKEN_COLUMNS]
    total = " + ".join(f"coalesce({column}, 0)::HUGEINT" for column in columns)
    return f"CASE WHEN coalesce({', '.join(columns)}) IS NOT NULL THEN {total} END"


def _of_time(name: str) -> tuple[str, str]:
    sql = GROUPINGS[name]
    return sql, sql.replace("(time", "(l.time")


_TIME = ("time", "l.time")
_ERROR_TEXT = Field("error_text", "what the error says", "text", "error", "l.error")

FIELDS = (
    Field("user", "who called: the e-mail, or else the id", "text", '"user"', 'l."user"', said=True),
    Field("model", "the model that was called", "text", "model", "l.model", said=True),
    Field(
        "requested",
        "the model as the client named it",
        "text",
        "requested_model",
        "l.requested_model",
        said=True,
        aliases=("requested_model",),
    ),
    Field("provider", "who serves the model", "text", "provider", "l.provider"),
    Field("region", "the region of the gateway", "text", "region", "l.region"),
    Field(
        "status",
        "how the call ended: ok, error or aborted, or open or unfinished if it did not; or an HTTP status",
        "status",
        "status",
        "l.failure",
        choices=("ok", "error", "aborted", "open", "unfinished"),
    ),
    Field("http", "the HTTP status", "http", "http_status", "l.http_status", aliases=("http_status",)),
    Field(
        "error",
        "the type of the error; with : also what the error says",
        "text",
        "error_type",
        "l.error_type",
        aliases=("error_type",),
        also=_ERROR_TEXT,
    ),
    _ERROR_TEXT,
    Field(
        "latency",
        "how long the call took",
        "duration",
        "latency_ms",
        "l.latency_ms",
        aliases=("latency_ms", "duration"),
    ),
    Field("cost", "the price of the call in US dollars", "money", "cost_usd", None, aliases=("cost_usd",)),
    Field("tokens", "all tokens that are known", "count", _tokens(""), _tokens("l.")),
    *(
        Field(
            column.removesuffix("_tokens"),
            f"{words} tokens",
            "count",
            column,
            f"l.{column}",
            aliases=(column,),
        )
        for column, words in zip(TOKEN_COLUMNS, ("input", "cache read", "cache write", "output"), strict=True)
    ),
    Field("path", "the path of the request", "text", "path", "l.path"),
    Field("lines", "how many lines the call has", "count", "lines", None),
    Field(
        "price_source",
        "where the price is from (docs/pricing.md)",
        "text",
        "price_source",
        None,
    ),
    Field(
        "is", "what is to be known of a call", "flag", None, None, choices=("unpriced", "unmetered", "llm")
    ),
    Field(
        "request",
        "the request id",
        "text",
        "request_id",
        "l.request_id",
        own=True,
        aliases=("request_id",),
    ),
    Field(
        "source",
        "the file or log group",
        "text",
        "source",
        "(SELECT s.source FROM slices s WHERE s.slice_id = l.slice_id)",
        own=True,
    ),
    Field(
        "stream",
        "the file with its rotations, or the log stream",
        "text",
        "stream",
        "(SELECT t.stream FROM streams t WHERE t.stream_id = l.stream_id)",
        own=True,
    ),
    Field("dialect", "the log format", "text", "dialect", "l.dialect", own=True),
    Field("since", "from then on", "since", *_TIME, own=True),
    Field("until", "before then", "until", *_TIME, own=True),
    Field("time", "when the call, or the line, began", "time", *_TIME, own=True),
    Field("hour", "the hour it began in, as 2026-02-27T16:00Z", "text", *_of_time("hour"), own=True),
    Field("day", "the day it began on, as 2026-02-27", "text", *_of_time("day"), own=True),
    Field(
        "kind",
        "what a line does to its call",
        "choice",
        None,
        "coalesce(l.kind, (SELECT r.reason FROM rejected_lines r WHERE r.seq = l.rowid))",
        choices=(*KINDS, "malformed", "unrecognised"),
    ),
    Field("level", "the level of a line", "text", None, "l.level"),
    Field("message", "the message of a line", "text", None, "l.message"),
)
"""In the order in which they are listed."""

FLAGS: Mapping[str, Field] = {
    "unpriced": Field("unpriced", "its tokens are known and have no price", "flag", "unpriced", None),
    "unmetered": Field("unmetered", "it went well and nobody knows its tokens", "flag", "unmetered", None),
    "llm": Field("llm", "it reached a model; other requests did not", "flag", "reached_model", None),
}
"""What stands after `is:`."""

BY_NAME: Mapping[str, Field] = {name: field for field in FIELDS for name in (field.name, *field.aliases)}
