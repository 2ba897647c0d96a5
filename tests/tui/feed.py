"""A feed without a store: the same traffic every time, moved on by hand."""

from __future__ import annotations

import json
import random
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache

from llmwatch.query.detail import CallRow, Detail, DetailKey, DetailKind, EventDetail, ModelDetail, UserDetail
from llmwatch.query.found import CallHit, Found, SearchRequest
from llmwatch.query.insights.answer import Answer
from llmwatch.query.scope import Scope
from llmwatch.query.snapshot import (
    Counters,
    EventRow,
    Kpis,
    Series,
    Snapshot,
    SnapshotRequest,
    Table,
    TableRow,
    Usage,
)
from llmwatch.sources.source import Feed, SourceState
from llmwatch.store.cancel import Cancel
from llmwatch.tui.filters import ConfiguredFilters

START = datetime(2026, 2, 27, 16, 47, 11, tzinfo=UTC)
RUNAWAY = "svc-batch-summarise@example.com"
MODELS = (
    "moonshotai.kimi-k2.5",
    "us.anthropic.claude-sonnet-4-20250514-v1:0",
    "us.anthropic.claude-opus-4-1-20250805-v1:0",
    "us.anthropic.claude-haiku-4-5-20251001-v1:0",
    "qwen.qwen3-coder-480b-a35b-v1:0",
    "openai.gpt-oss-120b-1:0",
    "deepseek.v3-v1:0",
    "amazon.nova-pro-v1:0",
    "zai.glm-4.6",
    "minimax.minimax-m2",
)
_FIRST = (
    "ada alan anna boris carla chen dana emeka farid grace "
    "hana igor ines jonas kavya lena mina noor olga pavel"
)
USERS = (RUNAWAY, *(f"{name}.{team}@example.com" for team in ("web", "data") for name in _FIRST.split()))[:40]

_WELL = Feed(
    events=48_211,
    events_per_second=42.3,
    lag_seconds=2.8,
    requests_per_minute=44.0,
)
EXPIRED = (
    "The SSO session of profile prod has expired: run `aws sso login --profile prod`; "
    "reading goes on from where it stopped."
)
_ECS = "/aws/ecs/prod-eu-west-1/llm-gateway"
_GROUPS = (
    SourceState(f"{_ECS}/router-green", "live", bytes_read=31_207_442, feed=_WELL),
    SourceState(
        f"{_ECS}/router-blue",
        "live",
        feed=replace(_WELL, events=1_204_882, events_per_second=181.6, late=7, late_seconds=84.2),
    ),
    SourceState(
        f"{_ECS}/embeddings",
        "reading",
        feed=replace(_WELL, events=310_554, events_per_second=5.25, requests_per_minute=61.0, filling=0.4217),
    ),
    SourceState(
        f"{_ECS}/batch-worker",
        "live",
        "Outgrows 2 requests a second: narrow with --filter-pattern, raise --max-tps, or use --live or "
        "`top --engine insights`.",
        feed=replace(
            _WELL,
            events=9_120_441,
            events_per_second=1_840.0,
            lag_seconds=141.0,
            late=1_204,
            late_seconds=31.4,
            throttled=312,
            requests_per_minute=120.0,
        ),
    ),
    SourceState(
        "/aws/ecs/prod-us-east-1/llm-gateway/router",
        "error",
        EXPIRED,
        feed=replace(
            _WELL,
            events=802_117,
            events_per_second=0.0,
            lag_seconds=754.0,
            requests_per_minute=0.4,
            stalled="nothing read since 16:34:37Z",
        ),
    ),
    SourceState(
        "/aws/ecs/prod-us-east-1/llm-gateway/router-canary",
        "live",
        feed=replace(_WELL, events=5_112, events_per_second=0.83, lag_seconds=0.9, live=True, sampled=3),
    ),
    SourceState(
        "/aws/ecs/prod-ap-southeast-2/llm-gateway/router",
        "live",
        "A quota is used up at StartLiveTail (LimitExceededException): wait for other queries or Live Tail sessions "
        "to end.",
        feed=replace(_WELL, events=77_031, events_per_second=12.0),
    ),
    SourceState(
        "/aws/ecs/prod-eu-west-1/llm-gateway-v2*",
        "waiting",
        "No log group begins with /aws/ecs/prod-eu-west-1/llm-gateway-v2; waiting for one.",
    ),
)
GROUPS = tuple(replace(source, group=True) for source in _GROUPS)
"""One log group in every state, as an account has them: names alike for long."""

CALM = GROUPS[:1]


def many_groups(number: int) -> tuple[SourceState, ...]:
    """So many, one of them throttled and one that cannot be read."""
    groups = [
        SourceState(
            f"{_ECS}/tenant-{place:03}/router", "live", feed=replace(_WELL, events=place * 1_117), group=True
        )
        for place in range(number)
    ]
    groups[41] = replace(groups[41], feed=replace(_WELL, throttled=9))
    groups[57] = replace(groups[57], status="error", detail=EXPIRED)
    return tuple(groups)


@cache
def usage(seed: str, weight: float) -> Usage:
    """Figures that hang together, the same for the same seed."""
    chance = random.Random(seed)
    requests = int(chance.uniform(20, 900) * weight) + 1
    output = int(requests * chance.uniform(300, 900))
    cost = round(requests * chance.uniform(0.004, 0.03), 6)
    return Usage(
        requests=requests,
        errors=int(requests * chance.choice([0, 0, 0, 0.01, 0.03])),
        aborted=chance.choice([0, 0, 0, 2]),
        unmetered=chance.choice([0, 0, 0, 0, 3]),
        input_tokens=int(requests * chance.uniform(800, 4000)),
        cache_read_tokens=int(requests * chance.choice([0, chance.uniform(2_000, 20_000)])),
        cache_write_tokens=int(requests * chance.choice([0, 400])),
        output_tokens=output,
        cost_usd=cost,
        latency_p50_ms=chance.uniform(600, 3_000),
        latency_p95_ms=chance.uniform(3_000, 70_000),
        first_seen=START - timedelta(hours=2),
        last_seen=START - timedelta(seconds=chance.expovariate(0.02)),
        cost_per_hour_usd=cost * chance.uniform(0.2, 0.6),
    )


def add(left: Usage, right: Usage) -> Usage:
    """Sums, and the larger of what cannot be summed."""
    figures = {}
    for name in Usage.__slots__:
        one, other = getattr(left, name), getattr(right, name)
        if one is None or other is None:
            figures[name] = other if one is None else one
        else:
            figures[name] = (
                max(one, other)
                if name.startswith(("latency", "last"))
                else one + other
                if name != "first_seen"
                else min(one, other)
            )
    return Usage(**figures)


def table(
    by: str, rows: dict[str | None, Usage], sort: str = "cost_usd", descending: bool = True, limit: int = 500
) -> Table:
    """What the store would make of these groups."""
    totals = Usage()
    for figures in rows.values():
        totals = add(totals, figures)

    def order(key: str | None) -> tuple[bool, object]:
        value = (key or "") if sort == "key" else getattr(rows[key], sort)
        return value is not None, value

    keys = sorted(rows, key=order, reverse=descending)
    return Table((by,), tuple(TableRow((key,), rows[key]) for key in keys[:limit]), len(rows), totals)


@cache
def event(seq: int) -> EventRow:
    """The event of this number."""
    chance = random.Random(seq)
    user = RUNAWAY if chance.random() < 0.4 else chance.choice(USERS)
    model = MODELS[0] if user == RUNAWAY else chance.choice(MODELS)
    base = EventRow(
        seq=seq,
        time=START - timedelta(seconds=(1_000 - seq) / 7),
        source="router.jsonl",
        line=seq + 1,
        level="INFO",
        kind="start",
        message="Request started",
        request_id=f"req-{seq // 3:06x}",
        user=user,
        model=None,
        status=None,
        latency_ms=None,
        input_tokens=None,
        cache_read_tokens=None,
        cache_write_tokens=None,
        output_tokens=None,
        error=None,
    )
    if seq % 97 == 40:
        return replace(
            base,
            kind="malformed",
            level=None,
            message='{"timestamp": "2026-02-27T16:4',
            request_id=None,
            user=None,
        )
    if seq % 31 == 7:
        error = "ThrottlingException: Too many tokens, please wait before trying again."
        return replace(
            base,
            kind="end",
            level="ERROR",
            message="Request failed",
            status=429,
            model=model,
            latency_ms=312,
            error=error,
        )
    if seq % 3 == 0:
        return base
    if seq % 3 == 1:
        tokens_in, tokens_out = chance.randint(200, 9_000), chance.randint(20, 2_000)
        return replace(
            base,
            kind="usage",
            message="Mantle streaming complete",
            model=model,
            cache_read_tokens=0,
            cache_write_tokens=0,
            input_tokens=tokens_in,
            output_tokens=tokens_out,
        )
    return replace(
        base,
        kind="end",
        message="Request completed",
        model=model,
        status=200,
        latency_ms=chance.randint(400, 40_000),
    )


@cache
def kpis(tick: int) -> Kpis:
    """Series with a shape: calm, then the runaway."""
    chance = random.Random(tick)

    def series(now: float, noise: float = 0.2, rise: float = 0.0) -> Series:
        points = [
            now * (1 - rise + rise * (step / 59) ** 3) * chance.uniform(1 - noise, 1 + noise)
            for step in range(60)
        ]
        return Series(now, tuple(points))

    return Kpis(
        requests_per_second=series(6.84),
        error_percent=series(3.21, 0.6),
        latency_p95_ms=series(18_400, 0.3),
        tokens_per_second=series(48_200, 0.3, 0.5),
        cost_per_hour_usd=series(214.37, 0.05, 0.85),
        cost_usd=series(612.48, 0.0, 0.7),
        active_users=series(40, 0.05),
    )


@dataclass
class FakeFeed:
    """Holds still until `tick` is called."""

    title: str = "router.jsonl"
    users: dict[str | None, Usage] = field(default_factory=lambda: {name: usage(name, 1) for name in USERS})
    models: dict[str | None, Usage] = field(default_factory=lambda: {name: usage(name, 4) for name in MODELS})
    events: list[EventRow] = field(default_factory=lambda: [event(seq) for seq in range(1_000)])
    sources: tuple[SourceState, ...] = (SourceState("router.jsonl", "live"),)
    counters: Counters = field(
        default_factory=lambda: Counters(
            lines=48_211, events=48_201, calls=16_067, malformed=9, unrecognised=1, unmetered=51
        )
    )
    requests: list[SnapshotRequest] = field(default_factory=list)
    asked: list[tuple[DetailKind, DetailKey]] = field(default_factory=list)
    answer: Detail | Exception | None = None
    stopped: bool = False
    version: int = 0
    scope: Scope = field(default_factory=Scope)
    scope_version: int = 0
    scoped: bool = False
    """Whether events are those that the scope's filters let through."""
    searches: list[SearchRequest] = field(default_factory=list)
    cancelled: list[SearchRequest] = field(default_factory=list)
    slow: threading.Event | None = None
    """When it is there, a search stops half way until it is set, or until the search is cancelled."""
    contexts: list[int] = field(default_factory=list)
    queries: list[str] = field(default_factory=list)
    answered: Answer = field(default_factory=lambda: Answer((), ()))

    def __post_init__(self) -> None:
        if RUNAWAY in self.users:
            run = replace(
                self.users[RUNAWAY],
                requests=9_412,
                cost_usd=402.118,
                cost_per_hour_usd=186.2,
                errors=301,
                unmetered=0,
            )
            self.users[RUNAWAY] = replace(
                run,
                input_tokens=61_400_000,
                output_tokens=8_212_000,
                last_seen=START,
                latency_p95_ms=21_400.0,
            )
            self.users[None] = replace(
                usage("nobody", 0.1), cost_usd=None, unmetered=12, cost_per_hour_usd=None
            )
        if MODELS[0] in self.models:
            kimi = replace(
                self.models[MODELS[0]], requests=9_907, cost_usd=418.9, cost_per_hour_usd=190.4, errors=310
            )
            self.models[MODELS[0]] = replace(kimi, last_seen=START)

    def start(self, deliver: Callable[[Snapshot], None]) -> None:
        self.deliver = deliver
        self.tick()

    def request(self, request: SnapshotRequest) -> None:
        self.requests.append(request)
        self.tick()

    def snapshot(self) -> Snapshot:
        asked = (
            self.requests[-1]
            if self.requests
            else SnapshotRequest(frozenset({"kpis", "users", "models", "events"}))
        )
        known = table("user", self.users, asked.users_sort, asked.users_descending, asked.row_limit)
        models = table("model", self.models, asked.models_sort, asked.models_descending, asked.row_limit)
        chips = self.scope.filters if self.scoped else ()
        kept = [row for row in self.events if all(says(chip.filter.text, row) for chip in chips)]
        events = tuple(row for row in kept if row.seq > asked.after_seq)[-asked.event_limit :]
        return Snapshot(
            version=self.version,
            now=START,
            counters=self.counters,
            sources=self.sources,
            lag_seconds=1.2 if self.events else None,
            kpis=kpis(1) if "kpis" in asked.panes else None,
            users=known if "users" in asked.panes else None,
            models=models if "models" in asked.panes else None,
            events=events if "events" in asked.panes else (),
            events_total=len(self.events) + 47_211 * bool(self.events),
            scope_version=self.scope_version,
        )

    def tick(self) -> None:
        """What the feed's thread does about twice a second."""
        self.version += 1
        self.deliver(self.snapshot())

    def detail(self, kind: DetailKind, key: DetailKey) -> Detail:
        self.asked.append((kind, key))
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer or self._detail(kind, key)

    def _detail(self, kind: DetailKind, key: DetailKey) -> Detail:
        if isinstance(key, int):
            row = next(row for row in self.events if row.seq == key)
            same = tuple(other for other in self.events if other.request_id == row.request_id)
            raw = json.dumps(
                {
                    "timestamp": str(row.time),
                    "level": row.level,
                    "message": row.message,
                    "user_email": row.user,
                    "error": row.error,
                }
            )
            call = CallRow(
                row.request_id, row.user, row.model, "ok", 0.01234, "bundled", 812, 1_200, 0, 0, 340
            )
            return EventDetail(raw, same, call)
        other: dict[str | None, Usage] = {
            name: usage(f"{key}{name}", 0.3) for name in (MODELS if kind == "user" else USERS)[:6]
        }
        errors = tuple(row for row in reversed(self.events) if row.error)[:20]
        slow = tuple(
            sorted((row for row in self.events if row.latency_ms), key=lambda row: -(row.latency_ms or 0))
        )[:20]
        made = UserDetail if kind == "user" else ModelDetail
        return made(key, table("model" if kind == "user" else "user", other), errors, slow, kpis(1).cost_usd)

    def rescope(self, scope: Scope) -> None:
        self.scope = scope
        self.scope_version += 1
        if self.requests:
            self.requests.append(replace(self.requests[-1], after_seq=-1))
        self.tick()

    def search(self, request: SearchRequest, cancel: Cancel) -> Iterator[Found]:
        self.searches.append(request)
        text = request.filter.text if request.filter else ""
        hits = [row for row in reversed(self.events) if says(text, row)]
        total = len(self.events)
        if request.calls:
            hits, total = [row for row in hits if row.kind == "end"], total // 3
        if self.slow is not None:
            yield self._found(request, hits[: len(hits) // 2], total, examined=total * 43 // 100)
            while not self.slow.wait(0.01):
                if cancel():
                    self.cancelled.append(request)
                    return
        yield self._found(request, hits, total, examined=total)

    @staticmethod
    def _found(request: SearchRequest, hits: list[EventRow], total: int, examined: int) -> Found:
        listed = tuple(hits[: request.limit])
        return Found(
            events=() if request.calls else listed,
            calls=tuple(map(as_call, listed)) if request.calls else (),
            values=tuple(
                tuple(f"{key} of {row.seq}" if row.seq % 3 else None for key in request.fields)
                for row in listed
                if request.fields
            ),
            matched=len(hits),
            examined=examined,
            total=total,
            done=examined == total,
        )

    def context(self, seq: int, before: int, after: int) -> tuple[EventRow, ...]:
        self.contexts.append(seq)
        return tuple(row for row in self.events if seq - before <= row.seq <= seq + after)

    def ask(self, text: str, cancel: Cancel) -> Answer:
        self.queries.append(text)
        return self.answered

    def stop(self) -> None:
        self.stopped = True


def says(text: str, row: EventRow) -> bool:
    """Whether a filter as simple as those of these tests lets an event through: a word, or `field="value"`."""
    if exact := re.fullmatch(r'(\w+)="(.*)"', text):
        return bool(getattr(row, exact[1], None) == exact[2])
    words = text.strip('"').casefold()
    told = (row.message, row.error, row.user, row.model, row.request_id)
    return any(words in value.casefold() for value in told if value)


def as_call(row: EventRow) -> CallHit:
    """The call of an event."""
    return CallHit(
        seq=row.seq,
        time=row.time,
        request_id=row.request_id,
        user=row.user,
        model=row.model,
        status="error" if row.error else "ok",
        http_status=row.status,
        latency_ms=row.latency_ms,
        input_tokens=1_200,
        cache_read_tokens=0,
        cache_write_tokens=None,
        output_tokens=340,
        cost_usd=0.01234,
        error=row.error,
        source=row.source,
        dialect="router",
    )


class FakeFilters(ConfiguredFilters):
    """The filter language itself, and saved filters that are in no file."""

    def __init__(self, **saved: str) -> None:
        super().__init__()
        self.kept = saved

    @property
    def saved(self) -> Mapping[str, str]:
        return self.kept

    def save(self, name: str, text: str) -> None:
        self.kept[name] = text

    def remove(self, name: str) -> None:
        del self.kept[name]
