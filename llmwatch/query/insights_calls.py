"""The fold of calls and the tables over it as one Logs Insights query.

Its first `stats` makes calls of lines, by request id; its second makes rows of calls. All calls of one id are one
call here, where the local fold can tell them apart; `insights_table` counts such ids. For the rest it is the fold of
`store.fold`, rule by rule, in the few functions of the language whose meaning is documented.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from llmwatch.dialects.dialect import Dialect, InsightsMapping
from llmwatch.dialects.registry import DIALECTS
from llmwatch.errors import UsageError
from llmwatch.query.scope import LONGEST_CALL, Scope, naive
from llmwatch.sources.cloudwatch.insights import LONGEST_TEXT, MOST_ROWS
from llmwatch.store.schema import TOKEN_COLUMNS

LONG_ABOVE = (100_000, 200_000, 272_000)
"""Tokens of input above which a call of some model costs more: all there are in the price tables."""

LATENCY_PERCENTILES = (0, 25, 50, 75, 90, 95, 99, 100)
"""What is asked of the latencies of each row, so that rows can be put together."""

_TIME = "%Y-%m-%dT%H:%M:%S.%fZ"
_LAST_TIME = "9999"
"""Sorts after every time, and before what is none."""

_ALWAYS_MODEL = "model"
"""Its tokens are priced, so rows are of one model, and put together where that was not asked for."""

_KEYS: Mapping[str, tuple[str, str]] = {
    "user": ("call_user", "call_user"),
    "model": ("call_model", "call_model"),
    "source": ("call_source", "call_source"),
    "hour": ('concat(substr(call_first, 0, 13), ":00Z") as row_hour', "row_hour"),
    "day": ("substr(call_first, 0, 10) as row_day", "row_day"),
    "status": ("", "row_status"),
}
"""Column of a table → how a row of the answer is grouped by it, and the name it has there."""

_CONSTANTS = ("provider", "dialect")

INSIGHTS_GROUPINGS = (*_KEYS, *_CONSTANTS)
"""The columns of `GROUPINGS` that CloudWatch can group calls by."""

_KINDS = ("start", "end", "model", "usage")

_OK = "call_failed = 0 and call_hung_up = 0 and call_ends > 0 and call_refused = 0"
_ERROR = "call_failed > 0 or (call_hung_up = 0 and call_refused > 0)"
_ABORTED = "call_failed = 0 and call_hung_up > 0"
_OPEN = "ispresent(call_first) and call_failed = 0 and call_hung_up = 0 and call_ends = 0"
_REACHED_MODEL = f"call_models > 0 or call_usages > 0 or (call_chat > 0 and {_OK})"
_SHARED = (
    "call_starts > 1 or call_ends > 1 or call_usages > 1"
    " or (ispresent(call_user) and call_user_first != call_user)"
    " or (ispresent(call_model) and call_model_first != call_model)"
)


@dataclass(frozen=True, slots=True)
class CallsQuery:
    """What is asked of CloudWatch: the calls of a scope, by columns of `INSIGHTS_GROUPINGS`.

    `long_above`: where prices change with the tokens of a call, in ascending order; `by_day`: whether they change
    within the scope; `stream_prefix`: of the streams that are read.
    """

    by: tuple[str, ...]
    scope: Scope
    now: datetime
    long_above: tuple[int, ...] = LONG_ABOVE
    by_day: bool = False
    stream_prefix: str = ""
    dialect: Dialect = DIALECTS[0]

    @property
    def classes(self) -> int:
        """Calls are priced by class, from 1: twice the number of thresholds they are above, and 1 with a cache."""
        return 2 * (len(self.long_above) + 1)

    def interval(self) -> tuple[datetime, datetime]:
        """The time of the events to read: more than the scope, for the whole of the calls at its edges."""
        return (self.scope.since or self.now) - LONGEST_CALL, (self.scope.until or self.now) + LONGEST_CALL

    def keys(self) -> dict[str, str]:
        """Column → its name in the rows of the answer; also those that were not asked for."""
        wanted = [name for name in self.by if name not in _CONSTANTS]
        days = ["day"] if self.by_day and not {"day", "hour"} & set(self.by) else []
        return {name: _KEYS[name][1] for name in dict.fromkeys([*wanted, _ALWAYS_MODEL, *days])}

    def constant(self, name: str) -> str | None:
        """What a column is in all rows that no row of the answer has."""
        return {"provider": self.dialect.provider, "dialect": self.dialect.name}[name]

    def text(self) -> str:
        """The query.

        Raises:
            UsageError: a column cannot be had from CloudWatch, or the query becomes too long for it.

        """
        check_insights_grouping(self.by)
        mapping = self.dialect.insights
        assert mapping is not None  # noqa: S101
        stages = [
            *_lines(self, mapping),
            f"stats {_joined(_calls(self, mapping))} by {mapping.columns['request_id']}",
            f"filter ({_in_scope(self)} and ({_REACHED_MODEL})) or call_unreadable > 0",
            f"stats {_joined(_rows(self))} by {', '.join(map(self._key, self.keys()))}",
            "sort row_requests desc",
            f"limit {MOST_ROWS}",
        ]
        text = "\n| ".join(stages)
        if len(text) > LONGEST_TEXT:
            raise UsageError(
                f"the query for CloudWatch has {len(text):,} characters, and {LONGEST_TEXT:,} are allowed: give "
                "--prices with fewer different long_above_tokens"
            )
        return text

    def _key(self, name: str) -> str:
        if name != "status":
            return _KEYS[name][0]
        return (
            f'case({_ERROR}, "error", {_ABORTED}, "aborted", {_OK}, "ok", {_unfinished(self)}, "unfinished", '
            '"open") as row_status'
        )


def check_insights_grouping(by: Sequence[str]) -> None:
    """Refuse columns that CloudWatch cannot make. Raises UsageError."""
    for name in by:
        if name not in INSIGHTS_GROUPINGS:
            raise UsageError(
                f"--engine insights cannot group by {name!r}: choose from {', '.join(INSIGHTS_GROUPINGS)}, "
                "or leave --engine out"
            )


def _lines(query: CallsQuery, mapping: InsightsMapping) -> list[str]:
    """Commands that leave the lines of calls, with the columns that a call is made of."""
    kinds = [f"if({_is_kind(query.dialect, kind)}, 1, 0) as line_is_{kind}" for kind in _KINDS]
    stream = [f"filter @logStream like /^{_literal(query.stream_prefix)}/"] if query.stream_prefix else []
    tokens = [f"{mapping.tokens[name]} as line_{name}" for name in TOKEN_COLUMNS]
    read = ("input", "cache_read", "cache_write")
    prompt = " + ".join(f"greatest(line_{kind}_tokens, 0)" for kind in read)
    known = " or ".join(f"line_{name} > 0" for name in TOKEN_COLUMNS)
    levels = [f"if(line_prompt > {tokens}, 2, 0)" for tokens in query.long_above]
    cached = "if(line_cache_read_tokens > 0 or line_cache_write_tokens > 0, 1, 0)"
    metered = "line_known = 1 and (line_input_tokens >= 0 or line_output_tokens >= 0)"
    return [
        *stream,
        f"filter ({mapping.recognised}) or ({mapping.unreadable})",
        *mapping.commands,
        f"fields {', '.join([*kinds, *tokens])}",
        f"fields if({known}, 1, 0) as line_known, {prompt} as line_prompt",
        f"fields if({metered}, {' + '.join(['1', *levels, cached])}, 0) as line_class",
    ]


def _calls(query: CallsQuery, mapping: InsightsMapping) -> dict[str, str]:
    """A call's figures, from all lines of its id."""
    columns = mapping.columns
    status = f"coalesce({columns['http_status']}, 0)"
    failed, hung_up = f"({columns['failed']})", f"({columns['hung_up']})"
    return {
        "call_first": f"sortsFirst({columns['time']})",
        "call_last": f"sortsLast({columns['time']})",
        "call_user_first": f"sortsFirst({columns['user']})",
        "call_user": f"sortsLast({columns['user']})",
        "call_model_first": f"sortsFirst({columns['model']})",
        "call_model": f"sortsLast({columns['model']})",
        **(
            {"call_source": 'sortsFirst(concat(substr(@log, 13), "/", @logStream))'}
            if "source" in query.by
            else {}
        ),
        **{f"call_{kind}s": f"sum(line_is_{kind})" for kind in _KINDS},
        "call_chat": _count(columns["chat"]),
        "call_answered": _count(f"line_is_usage = 1 and {status} < 400"),
        "call_refused": _count(f"line_is_end = 1 and {status} >= 400"),
        "call_failed": _count(f"{failed} and not {hung_up}"),
        "call_hung_up": _count(f"{failed} and {hung_up}"),
        "call_unreadable": _count(mapping.unreadable),
        "call_latency": f"max({columns['latency_ms']})",
        "call_class": "max(line_class)",
        **{f"call_{name}": f"sum(if(line_{name} > 0, line_{name}, 0))" for name in TOKEN_COLUMNS},
        **{f"call_has_{name}": _count(f"line_known = 1 and line_{name} >= 0") for name in TOKEN_COLUMNS},
    }


def _rows(query: CallsQuery) -> dict[str, str]:
    """A row's figures, from its calls. What was unreadable counts as a row without requests."""
    unmetered = f"ispresent(call_first) and call_class = 0 and (({_OK}) or call_answered > 0)"
    classes = {}
    for number in range(1, query.classes + 1):
        classes[f"class{number}_calls"] = _count(f"call_class = {number}")
        for name in class_tokens(number):
            classes[f"class{number}_{name}"] = f"sum(if(call_class = {number}, call_{name}, 0))"
    return {
        "row_requests": _count("ispresent(call_first)"),
        "row_errors": _count(_ERROR),
        "row_aborted": _count(_ABORTED),
        "row_unfinished": _count(_unfinished(query)),
        "row_open": _count(_OPEN),
        "row_unmetered": _count(unmetered),
        "row_shared": _count(_SHARED),
        "row_unstarted": _count("ispresent(call_first) and call_starts = 0"),
        "row_unreadable": "sum(call_unreadable)",
        "row_first": "sortsFirst(call_first)",
        "row_last": "sortsLast(call_last)",
        **{f"row_{name}": f"sum(call_{name})" for name in TOKEN_COLUMNS},
        **{f"row_has_{name}": f"sum(call_has_{name})" for name in TOKEN_COLUMNS},
        "row_timed": "count(call_latency)",
        **{f"row_latency{percent}": _latency(percent) for percent in LATENCY_PERCENTILES},
        **classes,
    }


def class_tokens(number: int) -> tuple[str, ...]:
    """The token columns that calls of a class have any of."""
    return (TOKEN_COLUMNS[0], TOKEN_COLUMNS[-1]) if number % 2 else TOKEN_COLUMNS


def _latency(percent: int) -> str:
    edges = {0: "min(call_latency)", 100: "max(call_latency)"}
    return edges.get(percent, f"pct(call_latency, {percent})")


def _in_scope(query: CallsQuery) -> str:
    """Calls begun in the scope. An id with several calls is in it if any of them may be: no tokens are left out."""
    since = "" if query.scope.since is None else _written(query.scope.since)
    until = _LAST_TIME if query.scope.until is None else _written(query.scope.until)
    begun = f'call_first >= "{since}" or (({_SHARED}) and call_last >= "{since}")'
    return f'ispresent(call_first) and call_first < "{until}" and ({begun})'


def _unfinished(query: CallsQuery) -> str:
    return f'{_OPEN} and call_first <= "{_written(query.now - LONGEST_CALL)}"'


def _written(moment: datetime) -> str:
    """A time as the log writes it, so that texts compare as times do."""
    return naive(moment).strftime(_TIME)


def _is_kind(dialect: Dialect, kind: str) -> str:
    messages = " or ".join(
        f'message = "{message}"' for message, meant in dialect.kinds.items() if meant == kind
    )
    return f"ispresent(message) and ({messages})"


def _count(condition: str) -> str:
    return f"sum(if({condition}, 1, 0))"


def _joined(columns: Mapping[str, str]) -> str:
    return ",\n".join(f"{expression} as {name}" for name, expression in columns.items())


def _literal(text: str) -> str:
    """A text as a regular expression between slashes."""
    return "".join(
        letter if letter.isalnum() or not letter.isascii() else f"\\x{ord(letter):02x}" for letter in text
    )
