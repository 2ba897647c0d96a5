"""The local engine beside two others: a slow evaluator of the same language, and the fold of the store."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from contextlib import closing
from decimal import Decimal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwatch.pricing.resolver import PriceResolver
from llmwatch.query.insights.answer import Answer, Value
from llmwatch.query.insights.engine import answer
from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights_calls import CallsQuery
from llmwatch.query.insights_table import InsightsTable, Pricing, insights_table
from llmwatch.query.scope import EVERYTHING
from llmwatch.store.lenient import BOM, repair
from llmwatch.store.line_store import LineStore
from tests.insights.evaluate import Event, evaluate
from tests.oracle.traffic import simulate
from tests.query.test_insights_calls import (
    NOW,
    SAMPLE,
    Streams,
    assert_same,
    by_key,
    doubts,
    groupings,
    local,
    seen_alike,
    small,
)
from tests.store.helpers import as_slice

few = settings(max_examples=4, derandomize=True, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def answered(text: str, lines: Streams) -> Answer:
    with closing(LineStore()) as store:
        store.add(*(as_slice(raws, stream) for stream, raws in lines.items() if raws))
        return answer(store, read_query(text), now=NOW)


def asked_here(lines: Streams, query: CallsQuery) -> InsightsTable:
    found = answered(query.text(), lines)
    as_text = [
        {name: str(cell) for name, cell in zip(found.columns, row, strict=True) if cell is not None}
        for row in found.rows
    ]
    return insights_table(query, as_text, Pricing(PriceResolver()))


# The evaluator


def written(cell: Value | str) -> Decimal | str | None:
    """A number however it is written."""
    try:
        return None if cell is None else Decimal(str(cell)).normalize().__round__(9)
    except ArithmeticError:
        return str(cell)


def assert_rows_alike(text: str, lines: Streams) -> None:
    events = [
        Event(raw.decode("utf-8", "backslashreplace"), log=stream, stream=stream)
        for stream, raws in lines.items()
        for raw in raws
        if raw.removeprefix(BOM).strip()
    ]
    wanted, found = evaluate(text, events), answered(text, lines)
    rows = [
        {name: written(cell) for name, cell in zip(found.columns, row, strict=True)} for row in found.rows
    ]
    assert sorted(
        map(repr, ({n: c for n, c in sorted(row.items()) if c is not None} for row in rows))
    ) == sorted(repr({name: written(cell) for name, cell in sorted(row.items())}) for row in wanted.rows)
    assert (found.matched, found.scanned) == (wanted.matched, wanted.scanned)


def strict(lines: Streams) -> Streams:
    """Without what JSON has not; the engine reads the rest of such a line, the evaluator none of it."""
    return {
        stream: [
            raw
            for raw in raws
            if not re.search(rb"NaN|Infinity|\b\d{16,}\b|\\ud[89a-f]|,\s*[}\]]", raw) and not is_mended(raw)
        ]
        for stream, raws in lines.items()
    }


def is_mended(raw: bytes) -> bool:
    """Whether it is JSON on second thoughts alone."""
    try:
        json.loads(raw.decode())
    except ValueError:
        return repair(raw) is not None
    return False


@pytest.mark.parametrize("by", [("user", "model"), ("status", "hour", "source")])
def test_the_query_for_calls_has_the_rows_of_the_evaluator(by: tuple[str, ...]) -> None:
    assert_rows_alike(CallsQuery(by, EVERYTHING, NOW).text(), {"sample": SAMPLE.read_bytes().splitlines()})


@few
@given(
    seed=st.integers(0, 2**32),
    by=st.sampled_from([("user", "model"), ("status",)]),
    hostility=st.sampled_from((0.5, 1.0)),
)
def test_the_query_for_calls_has_the_rows_of_the_evaluator_on_any_day(
    seed: int, by: tuple[str, ...], hostility: float
) -> None:
    day = simulate(seed, 20, hostility)
    assert_rows_alike(CallsQuery(by, EVERYTHING, day.now).text(), strict(day.lines_by_stream))


scalars = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**6), 10**6),
    st.sampled_from([0.5, -1.25, 1e3]),
    st.sampled_from(["", "a", "b", "10", "9", "-1", "1e2", "0x1", "a1", "a10", "é", " 1", "true", "null"]),
)
records = st.lists(
    st.fixed_dictionaries({}, optional={"v": scalars, "w": scalars, "g": scalars}), max_size=12
)


@settings(max_examples=12, derandomize=True, deadline=None)
@given(records=records)
@pytest.mark.parametrize(
    "text",
    [
        "stats count(*) as n, count(v) as c, sum(v) as s, min(v) as a, max(v) as z, pct(v, 50) as p by g",
        "stats sortsFirst(v) as f, sortsLast(v) as l by w",
        "filter ispresent(v) and ispresent(w) | filter v < w or v = w | stats count(*) as n by v, w",
        "fields coalesce(v, w, 1) as x | stats sum(x) as s by x | filter ispresent(s) and s > 3 | stats max(s) as m",
        "fields if(ispresent(v), 1, 0) as x, coalesce(w, 0) as y | stats sum(x) as a, max(x + y) as b by g",
        r"parse g /(?<lettr>[a-z]+)(?<digts>[0-9]*)/ | stats count(*) as n by lettr, digts",
    ],
)
def test_small_queries_have_the_rows_of_the_evaluator(
    text: str, records: Sequence[Mapping[str, object]]
) -> None:
    assert_rows_alike(text, {"log": [json.dumps(record).encode() for record in records]})


# The fold


@pytest.mark.parametrize("by", [("user",), ("model", "status"), ("day", "dialect")])
def test_the_sample_is_folded_alike(by: tuple[str, ...]) -> None:
    lines = {"sample": SAMPLE.read_bytes().splitlines()}
    query = CallsQuery(by, EVERYTHING, NOW)
    found, wanted = asked_here(lines, query), local(lines, query)
    assert wanted.totals.requests == 300
    assert_same(found.table, wanted)
    assert doubts(found) == {}


@few
@given(seed=st.integers(0, 2**32), by=groupings)
def test_quiet_days_are_folded_alike(seed: int, by: tuple[str, ...]) -> None:
    day = simulate(seed, 40, 0.0)
    query = CallsQuery(by, EVERYTHING, day.now)
    assert_same(asked_here(day.lines_by_stream, query).table, local(day.lines_by_stream, query))


@few
@given(seed=st.integers(0, 2**32), by=groupings, hostility=st.sampled_from((0.5, 1.0)))
def test_hostile_days_are_folded_alike_where_ids_are_of_one_call(
    seed: int, by: tuple[str, ...], hostility: float
) -> None:
    day = simulate(seed, 40, hostility)
    lines = seen_alike(day)
    query = CallsQuery(by, EVERYTHING, day.now)
    found = asked_here(lines, query)
    assert set(doubts(found)) <= {"calls without an", "rows with sums"}
    known, wanted = by_key(found.table.rows), by_key(local(lines, query).rows)
    assert known.keys() == wanted.keys()
    for key, usage in known.items():
        assert small(usage, usage) == small(wanted[key], usage)
