"""What a row consists of: a user's models, a model's users, an event's line and call."""

from __future__ import annotations

import json
from typing import Any, NamedTuple

from textual.app import ComposeResult
from textual.containers import Container
from textual.content import Content
from textual.screen import ModalScreen

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.detail import CallRow, Detail, DetailKind, EventDetail, GroupDetail
from llmwatch.query.snapshot import Usage
from llmwatch.tui.actions import bindings
from llmwatch.tui.panes.columns import EVENT_COLUMNS, UNKNOWN_NAME, usage_columns, usage_lines
from llmwatch.tui.widgets.column import Cell, Column
from llmwatch.tui.widgets.line import Line
from llmwatch.tui.widgets.line_table import LineTable
from llmwatch.tui.widgets.spark import spark
from llmwatch.tui.widgets.text import Pieces, content, cut, flow

RAW_LIMIT = 100_000
"""Characters of a line that are shown; the rest is counted."""

WRAP = 160
"""Characters in a row of a line that is not JSON."""

_TEXT: tuple[Column[tuple[int, str]], ...] = (
    Column("text", "", "", lambda row, _now: Cell(clean(row[1], WRAP * 4)), width=20, right=False, room=2000),
)


class Fact(NamedTuple):
    """Something to say of the row as a whole."""

    name: str
    value: Clean
    style: str = "bold $foreground"


class Facts(Line):
    """Names and values side by side."""

    def __init__(self) -> None:
        super().__init__(id="facts")
        self._facts: tuple[Fact, ...] = ()

    def show(self, facts: list[Fact]) -> None:
        """Say these."""
        self._facts = tuple(facts)
        self.refresh(layout=True)

    def draw(self, cells: int) -> Content:
        """As many to a line as fit."""
        facts: list[Pieces] = [
            [
                (literal(f"{name} "), "$foreground 55%"),
                (literal(cut(value, cells - len(name) - 1)), style),
            ]
            for name, value, style in self._facts
        ]
        lines = flow(facts, cells)
        return Content("\n").join(content(*line) for line in lines)


class DetailScreen(ModalScreen[None]):
    """Over the monitor, which goes on. Opened at once, filled when the answer is there."""

    BINDINGS = bindings("dialog")

    def __init__(self, kind: DetailKind, name: Clean) -> None:
        super().__init__()
        self._kind = kind
        self._row = name
        other = "model" if kind == "user" else "user"
        events = [column for column in EVENT_COLUMNS if column.key != kind]
        self.table = LineTable(usage_columns(other), lambda line: line.key, id="detail-table")
        self.raw = LineTable(_TEXT, lambda row: row[0], id="detail-raw", heading=False)
        self.errors = LineTable(
            EVENT_COLUMNS, lambda event: event.seq, id="detail-call" if kind == "event" else "detail-errors"
        )
        self.slowest = LineTable(events, lambda event: event.seq, id="detail-slowest")
        self.facts = Facts()

    def compose(self) -> ComposeResult:
        """The parts that this kind of row has."""
        with Container(classes="dialog"):
            yield self.facts
            if self._kind == "event":
                yield self.errors
                yield self.raw
            else:
                yield self.table
                yield self.errors
                yield self.slowest

    def on_mount(self) -> None:
        """Say what is being looked up."""
        dialog = self.query_one(".dialog")
        dialog.border_title = content((literal(f"{self._kind} "), "$foreground 55%"), (self._row, "bold"))
        dialog.border_subtitle = content((literal("esc closes"), "$foreground 55%"))
        self.facts.show([Fact("", literal("looking it up …"))])
        titles: dict[LineTable[Any], str] = {
            self.table: "Models" if self._kind == "user" else "Users",
            self.errors: "Events of this call" if self._kind == "event" else "Newest errors",
            self.slowest: "Slowest",
            self.raw: "The line as it was read",
        }
        for table, title in titles.items():
            table.entitle(literal(title))

    def fail(self, reason: Clean) -> None:
        """Say why there is nothing."""
        self.facts.show([Fact("cannot look it up:", reason)])

    def show(self, detail: Detail) -> None:
        """Fill the parts."""
        if isinstance(detail, EventDetail):
            self._show_event(detail)
        else:
            self._show_group(detail)

    def _show_group(self, detail: GroupDetail) -> None:
        lines = usage_lines(detail.table)
        newest = [line.usage.last_seen for line in lines if line.usage.last_seen]
        self.facts.show(
            [*_usage_facts(detail.table.totals), Fact("spend", spark(detail.cost.points, 60), "$accent 80%")]
        )
        self.table.set_rows(lines, max(newest, default=None))
        self.errors.empty = literal("no errors")
        self.slowest.empty = literal("no latencies known")
        self.errors.set_rows(detail.errors)
        self.slowest.set_rows(detail.slowest)

    def _show_event(self, detail: EventDetail) -> None:
        self.facts.show(
            _call_facts(detail.call)
            if detail.call
            else [Fact("call", literal("none: the line names no request"))]
        )
        self.errors.empty = literal("no other events")
        self.errors.set_rows(detail.events)
        self.raw.empty = literal("the line is not kept")
        self.raw.set_rows(tuple(enumerate(raw_lines(detail.raw))))


def raw_lines(raw: str | None) -> list[str]:
    """A line for reading: JSON indented, anything else wrapped. The lines are still raw text."""
    if raw is None:
        return []
    shown, more = raw[:RAW_LIMIT], len(raw) - RAW_LIMIT
    try:
        lines = json.dumps(json.loads(shown), indent=2, ensure_ascii=False).split("\n")
    except (ValueError, RecursionError):
        lines = [shown[start : start + WRAP] for start in range(0, len(shown), WRAP)]
    return [*lines, f"… {units.count(more)} more characters"] if more > 0 else lines


def _usage_facts(usage: Usage) -> list[Fact]:
    return [
        Fact("$", literal(units.price(usage.cost_usd))),
        Fact("calls", literal(units.count(usage.requests))),
        Fact("errors", literal(units.count(usage.errors))),
        Fact("in", literal(units.tokens(usage.input_tokens))),
        Fact("cache read", literal(units.tokens(usage.cache_read_tokens))),
        Fact("cache write", literal(units.tokens(usage.cache_write_tokens))),
        Fact("out", literal(units.tokens(usage.output_tokens))),
        Fact("p50", literal(units.latency(usage.latency_p50_ms))),
        Fact("p95", literal(units.latency(usage.latency_p95_ms))),
    ]


def _call_facts(call: CallRow) -> list[Fact]:
    source = join([literal(" by "), clean(call.price_source)]) if call.price_source else literal("")
    return [
        Fact("user", UNKNOWN_NAME if call.user is None else clean(call.user)),
        Fact("model", UNKNOWN_NAME if call.model is None else clean(call.model)),
        Fact("outcome", clean(call.outcome)),
        Fact("cost", join([literal(units.price(call.cost_usd, "unknown")), source])),
        Fact("took", literal(units.latency(call.latency_ms))),
        Fact("in", literal(units.count(call.input_tokens))),
        Fact("cache read", literal(units.count(call.cache_read_tokens))),
        Fact("cache write", literal(units.count(call.cache_write_tokens))),
        Fact("out", literal(units.count(call.output_tokens))),
        Fact("request", clean(call.request_id or "–")),
    ]
