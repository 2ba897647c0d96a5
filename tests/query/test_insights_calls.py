"""The query for CloudWatch, on an evaluator of its language, gives what the local engine makes of the same lines."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.errors import SourceError, UsageError
from llmwatch.pricing.overrides import Override, Overrides
from llmwatch.pricing.price import price_per_million
from llmwatch.pricing.resolver import PriceResolver
from llmwatch.query.columns import MEASURES
from llmwatch.query.insights_calls import INSIGHTS_GROUPINGS, LONG_ABOVE, CallsQuery
from llmwatch.query.insights_table import InsightsTable, Pricing, insights_table
from llmwatch.query.scope import EVERYTHING, Scope
from llmwatch.query.snapshot import Table, TableRow, Usage
from llmwatch.query.tables import group_calls
from llmwatch.store.store import Store, StoreSettings
from tests.cli.traffic import START, call, line
from tests.insights.evaluate import Event, evaluate
from tests.oracle.traffic import Simulation, simulate
from tests.store.helpers import feed, opened

SAMPLE = Path(__file__).parent.parent / "data" / "router-sample.jsonl"
NOW = START + timedelta(days=1)
CLAUDE, KIMI = "us.anthropic.claude-sonnet-4-6", "moonshotai.kimi-k2.5"
TOKENS = ("input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens")

Streams = Mapping[str, Sequence[bytes]]

few = settings(max_examples=12, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])
groupings = st.sampled_from(
    [("user", "model"), ("user",), ("model",), ("hour",), ("status", "day"), ("provider", "dialect")]
)


def events_of(lines: Streams) -> list[Event]:
    return [
        Event(raw.decode("utf-8", "backslashreplace"), stream=stream)
        for stream, raws in lines.items()
        for raw in raws
    ]


def asked(lines: Streams, query: CallsQuery, prices: Overrides | None = None) -> InsightsTable:
    """What CloudWatch would say."""
    return insights_table(
        query, evaluate(query.text(), events_of(lines)).rows, Pricing(PriceResolver(prices))
    )


def local(lines: Streams, query: CallsQuery, prices: Overrides | None = None) -> Table:
    with opened(StoreSettings(resolver=PriceResolver(prices))) as store:
        feed(store, lines)
        return group_calls(store, query.scope, query.by, now=query.now)


def exact(usage: Usage) -> Usage:
    """All that is promised to be as the local engine has it."""
    return replace(usage, latency_p50_ms=None, latency_p95_ms=None)


def assert_same(found: Table, wanted: Table) -> None:
    assert [(row.key, exact(row.usage)) for row in found.rows] == [
        (row.key, exact(row.usage)) for row in wanted.rows
    ]
    assert exact(found.totals) == exact(wanted.totals)
    assert found.groups == wanted.groups


def doubts(found: InsightsTable) -> dict[str, int | None]:
    """The doubts that not every answer has, by the first words of their reasons."""
    return {
        " ".join(doubt.reason.split()[:3]): doubt.count
        for doubt in found.approximate
        if not doubt.column.startswith("latency")
    }


def in_file(*parts: bytes) -> Streams:
    return {"log": b"".join(parts).splitlines()}


# The same figures


@pytest.mark.parametrize("by", [("user",), ("model", "status"), ("day", "dialect")])
def test_the_sample(by: tuple[str, ...]) -> None:
    lines = {"sample": SAMPLE.read_bytes().splitlines()}
    query = CallsQuery(by, EVERYTHING, NOW)
    found, wanted = asked(lines, query), local(lines, query)
    assert wanted.totals.requests == 300
    assert_same(found.table, wanted)
    assert doubts(found) == {}


@few
@given(seed=st.integers(0, 2**32), by=groupings)
def test_quiet_days(seed: int, by: tuple[str, ...]) -> None:
    day = simulate(seed, 40, 0.0)
    query = CallsQuery(by, EVERYTHING, day.now)
    found = asked(day.lines_by_stream, query)
    assert_same(found.table, local(day.lines_by_stream, query))
    assert set(doubts(found)) <= {"calls without an"}


@few
@given(seed=st.integers(0, 2**32), by=groupings, hostility=st.sampled_from((0.5, 1.0)))
def test_hostile_days_without_what_the_server_cannot_see(
    seed: int, by: tuple[str, ...], hostility: float
) -> None:
    day = simulate(seed, 60, hostility)
    lines = seen_alike(day)
    query = CallsQuery(by, EVERYTHING, day.now)
    found = asked(lines, query)
    assert set(doubts(found)) <= {"calls without an", "rows with sums"}
    known, wanted = by_key(found.table.rows), by_key(local(lines, query).rows)
    assert known.keys() == wanted.keys()
    for key, usage in known.items():
        assert small(usage, usage) == small(wanted[key], usage)


def seen_alike(day: Simulation) -> Streams:
    """The lines of ids that one call has, and that both engines read alike; no restarts, which one does not see."""
    calls = Counter(call.request_id for call in day.truth)
    odd = {
        statement.get("request_id")
        for raws in day.lines_by_stream.values()
        for raw in raws
        for statement in [statement_of(raw)]
        if not all(is_plain(value) for value in statement.values())
    }
    return {
        stream: [raw for raw in raws if is_alike(statement_of(raw), calls, odd)]
        for stream, raws in day.lines_by_stream.items()
    }


def statement_of(raw: bytes) -> dict[str, object]:
    try:
        value = json.loads(raw, strict=False)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def is_alike(statement: Mapping[str, object], calls: Counter[str], odd: set[object]) -> bool:
    request_id = statement.get("request_id")
    return isinstance(request_id, str) and calls[request_id] == 1 and request_id not in odd


def is_plain(value: object) -> bool:
    """Whether JSON itself and the store have the value as it is: no NaN, no lone surrogate, no object for a name."""
    try:
        text = json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return False
    return not isinstance(value, bool | list) and (
        not isinstance(value, dict) or b"prompt_tokens" in text or not value
    )


def by_key(rows: Iterable[TableRow]) -> dict[tuple[str | None, ...], Usage]:
    return {row.key: row.usage for row in rows}


def small(usage: Usage, measure: Usage) -> Usage:
    """Without sums that CloudWatch may round, and the cost with them."""
    large = any((getattr(measure, name) or 0) >= 2**53 for name in TOKENS)
    unknown = dict.fromkeys([*TOKENS, "cost_usd"] if large else [])
    return replace(exact(usage), **unknown)  # type: ignore[arg-type]


@few
@given(seed=st.integers(0, 2**32))
def test_no_tokens_are_lost_where_people_share_ids(seed: int) -> None:
    day = simulate(seed, 40, 0.7)
    lines = {
        stream: [raw for raw in raws if not re.search(rb"NaN|Infinity|\b\d{16,}\b", raw)]
        for stream, raws in day.lines_by_stream.items()
    }
    query = CallsQuery(("user", "model"), EVERYTHING, day.now)
    found, wanted = asked(lines, query), local(lines, query)
    for name in TOKENS:
        sums = getattr(found.table.totals, name), getattr(wanted.totals, name)
        assert (sums[0] or 0) == pytest.approx(sums[1] or 0, rel=1e-12)


@pytest.fixture(scope="module")
def sample_rows() -> tuple[dict[str, str], ...]:
    query = CallsQuery(("user", "model"), EVERYTHING, NOW)
    return evaluate(query.text(), events_of({"sample": SAMPLE.read_bytes().splitlines()})).rows


@pytest.fixture(scope="module")
def sample_store() -> Iterator[Store]:
    with opened() as store:
        feed(store, {"sample": SAMPLE.read_bytes().splitlines()})
        yield store


@pytest.mark.parametrize(
    "sort", ["key", "user", "model", *(name for name in MEASURES if "latency" not in name)]
)
def test_rows_are_in_the_order_of_the_local_engine(
    sort: str, sample_rows: tuple[dict[str, str], ...], sample_store: Store
) -> None:
    query, pricing = CallsQuery(("user", "model"), EVERYTHING, NOW), Pricing(PriceResolver())
    for descending in (False, True):
        wanted = group_calls(sample_store, EVERYTHING, query.by, sort=sort, descending=descending, now=NOW)
        found = insights_table(query, sample_rows, pricing, sort=sort, descending=descending)
        assert_same(found.table, wanted)
        limited = insights_table(query, sample_rows, pricing, sort=sort, descending=descending, limit=7).table
        assert limited == replace(found.table, rows=found.table.rows[:7])


def test_calls_of_the_scope_are_those_begun_in_it() -> None:
    begins = [START + timedelta(seconds=1) * second for second in range(-3, 8)]
    lines = in_file(*(call("a@example.com", f"r-{n}", started=begun) for n, begun in enumerate(begins)))
    scope = Scope(START, START + timedelta(seconds=5))
    query = CallsQuery(("user", "model"), scope, NOW)
    found = asked(lines, query)
    assert found.table.totals.requests == 5
    assert_same(found.table, local(lines, query))


# Prices


def claude(request_id: str, prompt: int, read: int, write: int, user: str = "a@example.com") -> bytes:
    """The lines of a call of Claude, which has its tokens from the cache besides its input."""
    place = {"method": "POST", "path": "/v1/chat/completions", "user_sub": "", "user_email": user}
    counts = {"prompt_tokens": prompt, "completion_tokens": 10, "cache_read_tokens": read}
    counts["cache_write_tokens"] = write
    ended = START + timedelta(seconds=2)
    return b"".join(
        (
            line(START, "Request started", request_id, **place),
            line(START, "Calling ConverseStream API", request_id, model=CLAUDE),
            line(
                ended,
                "Stream usage emitted",
                request_id,
                model=CLAUDE,
                **counts,
                user_sub="",
                user_email=user,
            ),
            line(ended, "Request completed", request_id, **place, status=200, duration_ms=2000),
        )
    )


def rates(**per_million: int) -> dict[str, Decimal | None]:
    return {name: Decimal(rate) for name, rate in per_million.items()}


LONG = price_per_million(
    rates(input=1, cache_read=2, cache_write=3, output=4, long_input=10, long_output=40), 150_000, "override"
)
NO_CACHE = price_per_million(rates(input=1, output=4), None, "override")


@pytest.mark.parametrize("own", [None, LONG, NO_CACHE])
def test_every_call_pays_its_own_price(own: object) -> None:
    """Below and above each threshold, with and without a cache, in one row."""
    prices = Overrides((Override("*claude*", own),)) if own else Overrides()  # type: ignore[arg-type]
    sizes = [50_000, 150_000, 150_001, 200_000, 200_001, 250_000, 300_000]
    lines = in_file(
        *(claude(f"r-{size}", size, 0, 0) for size in sizes),
        *(claude(f"c-{size}", 7, size - 7, 0) for size in sizes),
        *(claude(f"w-{size}", 0, 1, size - 1) for size in sizes),
    )
    query = CallsQuery(("user", "model"), EVERYTHING, NOW, long_above=tuple(sorted((*LONG_ABOVE, 150_000))))
    found, wanted = asked(lines, query, prices), local(lines, query, prices)
    assert wanted.totals.cost_usd is not None
    assert wanted.totals.unpriced == (14 if own is NO_CACHE else 0)
    assert_same(found.table, wanted)
    assert doubts(found) == {}


def test_a_price_that_parts_the_calls_of_a_row_elsewhere_is_told() -> None:
    prices = Overrides((Override("*claude*", replace(LONG, threshold=120_000)),))
    lines = in_file(claude("r-1", 110_000, 0, 0), claude("r-2", 130_000, 0, 0))
    found = asked(lines, CallsQuery(("user", "model"), EVERYTHING, NOW), prices)
    assert doubts(found) == {"calls of models": 2}


def test_prices_that_change_within_the_scope() -> None:
    dear = price_per_million(rates(input=100, output=100), None, "override")
    prices = Overrides(
        (Override("*kimi*", NO_CACHE), Override("*kimi*", dear, valid_from=date(2026, 2, 28))),
    )
    lines = in_file(*(call("a@example.com", f"r-{n}", started=START + timedelta(days=n)) for n in range(3)))
    query = CallsQuery(("user",), EVERYTHING, NOW, by_day=True)
    assert_same(asked(lines, query, prices).table, local(lines, query, prices))
    assert doubts(asked(lines, query, prices)) == {}
    by_day = replace(query, by=("day",), by_day=False)
    assert_same(asked(lines, by_day, prices).table, local(lines, by_day, prices))
    assert doubts(asked(lines, replace(query, by_day=False), prices)) == {"calls whose model": 3}


def test_what_has_no_price_is_counted() -> None:
    lines = in_file(call("a@example.com", "r-1", model="nobody.sells-this"), call("a@example.com", "r-2"))
    query = CallsQuery(("user",), EVERYTHING, NOW)
    found = asked(lines, query)
    assert found.table.totals.unpriced == 1
    assert_same(found.table, local(lines, query))


# What is not exact is told


def test_an_id_of_several_calls_keeps_its_tokens_and_is_told() -> None:
    lines = in_file(
        call("a@example.com", "1", prompt=1000),
        call("b@example.com", "1", prompt=500, started=START + timedelta(minutes=1)),
        call("b@example.com", "2", prompt=1),
    )
    found = asked(lines, CallsQuery(("user",), EVERYTHING, NOW))
    assert (found.table.totals.requests, found.table.totals.input_tokens) == (2, 1501)
    assert doubts(found) == {"request ids with": 1}


def test_an_id_used_before_the_scope_and_in_it_is_in_it() -> None:
    lines = in_file(
        call("a@example.com", "1", prompt=1000),
        call("a@example.com", "1", started=START + timedelta(minutes=10)),
    )
    scope = Scope(START + timedelta(minutes=5), NOW)
    found = asked(lines, CallsQuery(("user",), scope, NOW))
    assert found.table.totals.requests == 1
    assert doubts(found) == {"request ids with": 1}


def test_lines_that_are_no_json_to_the_server_are_told() -> None:
    nan = call("a@example.com", "r-1").replace(b'"completion_tokens": 10', b'"completion_tokens": NaN')
    found = asked(in_file(nan, call("a@example.com", "r-2")), CallsQuery(("user",), EVERYTHING, NOW))
    assert (found.table.totals.requests, found.table.totals.input_tokens) == (2, 1000)
    assert [row.key for row in found.table.rows] == [("a@example.com",)]
    assert doubts(found) == {"lines that CloudWatch": 1}


def test_calls_cut_off_at_the_edges_are_told() -> None:
    lines = call("a@example.com", "r-1").splitlines()
    query = CallsQuery(("user",), EVERYTHING, START + timedelta(minutes=1))
    assert doubts(asked({"log": lines[1:]}, query)) == {"calls whose start": 1}
    assert doubts(asked({"log": lines[:-1]}, query)) == {"calls without an": 1}
    late = replace(query, now=NOW)
    found = asked({"log": lines[:-1]}, late)
    assert found.table.totals.unfinished == 1
    assert doubts(found) == {}


def test_sums_that_may_be_rounded_are_told() -> None:
    found = asked(in_file(call("a@example.com", prompt=2**60)), CallsQuery(("user",), EVERYTHING, NOW))
    assert found.table.totals.input_tokens == pytest.approx(2**60, rel=1e-12)
    assert [doubt.column for doubt in found.approximate if "2^53" in doubt.reason] == [*TOKENS, "cost_usd"]


def test_percentiles_of_one_row_are_the_servers_and_those_of_several_are_near() -> None:
    latencies = [2**n for n in range(13)]
    lines = in_file(
        *(
            call(user, f"{user}-{model}-{n}", model=model).replace(b"2000}", b"%d}" % latency)
            for n, latency in enumerate(latencies)
            for user in ("a", "b")
            for model in (KIMI, "zai.glm-4.7")
        )
    )
    for by, tolerance in ((("user", "model"), 1e-9), (("user",), 0.35)):
        query = CallsQuery(by, EVERYTHING, NOW)
        found, wanted = by_key(asked(lines, query).table.rows), by_key(local(lines, query).rows)
        for key, usage in found.items():
            for name in ("latency_p50_ms", "latency_p95_ms"):
                assert getattr(usage, name) == pytest.approx(getattr(wanted[key], name), rel=tolerance)


# The text


def test_every_grouping_fits_in_a_query() -> None:
    query = CallsQuery(
        INSIGHTS_GROUPINGS, Scope(START, NOW), NOW, (*LONG_ABOVE, 300_000), stream_prefix="router/"
    )
    found = asked(in_file(call("a@example.com")), replace(query, stream_prefix="log"))
    (row,) = found.table.rows
    assert dict(zip(query.by, row.key, strict=True)) == {
        "user": "a@example.com",
        "model": KIMI,
        "source": "router/log",
        "hour": "2026-02-27T16:00Z",
        "day": "2026-02-27",
        "status": "ok",
        "provider": "bedrock",
        "dialect": "router",
    }
    assert len(query.text()) <= 10_000


def test_a_query_that_would_be_too_long_is_refused() -> None:
    with pytest.raises(UsageError, match="long_above_tokens"):
        CallsQuery(("user",), EVERYTHING, NOW, tuple(range(100_000, 110_000, 1000))).text()


@pytest.mark.parametrize("column", ["error", "key", "team", "nonsense"])
def test_columns_the_server_cannot_make_are_refused(column: str) -> None:
    with pytest.raises(UsageError, match="user, model, source, hour, day, status, provider, dialect"):
        CallsQuery((column,), EVERYTHING, NOW).text()


@pytest.mark.parametrize(
    ("prefix", "requests"), [("router/0", 1), ("router", 2), ("outer", 0), ("router.1", 0)]
)
def test_streams_are_those_that_begin_with_the_prefix(prefix: str, requests: int) -> None:
    lines = {
        "router/0": call("a@example.com", "r-1").splitlines(),
        "router/1": call("a@example.com", "r-2").splitlines(),
    }
    found = asked(lines, CallsQuery(("user",), EVERYTHING, NOW, stream_prefix=prefix))
    assert found.table.totals.requests == requests


def test_nothing_found_is_an_answer() -> None:
    found = asked({"log": []}, CallsQuery(("provider",), EVERYTHING, NOW))
    assert found.table == Table(("provider",), (), 0, Usage())
    assert found.approximate == ()


def test_a_row_that_is_not_of_the_query_is_an_error_of_the_source() -> None:
    query = CallsQuery(("user",), EVERYTHING, NOW)
    with pytest.raises(SourceError, match="row_requests"):
        insights_table(query, [{"row_requests": "many"}], Pricing(PriceResolver()))


def test_numbers_are_read_however_they_are_written() -> None:
    row = {"call_user": "a", "row_requests": "3.0", "row_has_input_tokens": "1", "row_input_tokens": "1.2E7"}
    found = insights_table(CallsQuery(("user",), EVERYTHING, NOW), [row], Pricing(PriceResolver()))
    assert found.table.rows[0].usage.requests == 3
    assert found.table.totals.input_tokens == 12_000_000


def test_the_price_is_that_of_the_groups_region() -> None:
    query = CallsQuery(("user",), EVERYTHING, NOW)
    lines = in_file(call("a@example.com", model="amazon.nova-lite-v1:0", prompt=10**6, completion=0))
    rows = evaluate(query.text(), events_of(lines)).rows
    for region, dollars in (("us-east-1", 0.06), ("us-gov-west-1", 0.072)):
        found = insights_table(query, rows, Pricing(PriceResolver(), region))
        assert found.table.totals.cost_usd == dollars
