"""A report's figures against an independent fold of the same lines, and what it must not claim to know."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from statistics import fmean

import pytest

from llmwatch.evidence.report import FORMS, Report, make_report, redacted, write_report
from llmwatch.evidence.report.facts import Period
from llmwatch.evidence.report.timeline import timeline
from llmwatch.query.export import instant
from llmwatch.query.filters.language import exact, read_filter
from llmwatch.query.scope import Scope
from llmwatch.sources.source import Feed, SourceState
from llmwatch.store.store import Store, StoreSettings
from tests.cli.running import DATA, SAMPLE
from tests.cli.test_top import figures_of, measured
from tests.cli.traffic import START, call, line
from tests.evidence.reports import NOW, as_document, calls, entry, failed, report_of, verification
from tests.oracle.fold import Folded, fold
from tests.oracle.traffic import simulate
from tests.store.helpers import as_slice, feed, opened

HOUR, DAY = timedelta(hours=1), timedelta(days=1)


@pytest.fixture(scope="module")
def lines() -> list[bytes]:
    return SAMPLE.read_bytes().splitlines()


@pytest.fixture(scope="module")
def truth(lines: list[bytes]) -> Folded:
    return fold({"log": lines}, NOW)


@pytest.fixture(scope="module")
def sample(lines: list[bytes]) -> Report:
    return report_of(lines)


@pytest.mark.parametrize(("part", "by"), [("by_user", "user"), ("by_model", "model")])
def test_groups_are_those_of_an_independent_fold(truth: Folded, sample: Report, part: str, by: str) -> None:
    document = as_document(sample)
    expected = figures_of(truth.calls, [by])
    assert len(document[part]) == len(expected) > 5
    for row in document[part]:
        assert measured(row) == expected[row[by],]
    assert measured(document["totals"]) == figures_of(truth.calls)[()]


def test_outcomes_latency_and_period_are_those_of_an_independent_fold(truth: Folded, sample: Report) -> None:
    reached = [one for one in truth.calls if one.reached_model]
    latencies = [one.latency_ms for one in reached if one.latency_ms is not None]
    document = as_document(sample)
    assert document["latency"]["known"] == len(latencies)
    assert document["latency"]["mean_ms"] == pytest.approx(fmean(latencies))
    assert document["latency"]["max_ms"] == max(latencies)
    ended = Counter(one.outcome for one in reached)
    assert document["outcomes"] == {
        "ok": ended["ok"],
        "errors": ended["error"],
        "aborted": ended["aborted"],
        "unfinished": ended["unfinished"],
        "open": ended["open"],
    }
    assert document["success_rate"] == ended["ok"] / (ended["ok"] + ended["error"])
    assert sample.period.first == min(one.first_seen for one in reached if one.first_seen)
    assert sample.period.last == max(one.last_seen for one in reached if one.last_seen)


def test_messy_traffic_is_counted_as_the_independent_fold_counts_it() -> None:
    """Aborted, unfinished, overlapping, unmetered and misread ones among them."""
    day = simulate(11, 250, 0.3)
    with opened() as store:
        feed(store, day.lines_by_stream)
        report = make_report(store, Scope(), now=day.now, chain=None)
    folded = fold(day.lines_by_stream, day.now)
    reached = [one for one in folded.calls if one.reached_model]
    ended = Counter(one.outcome for one in reached)
    assert min(ended[outcome] for outcome in ("error", "aborted", "unfinished", "open")) > 0
    outcomes = report.outcomes
    assert (outcomes.ok, outcomes.errors) == (ended["ok"], ended["error"])
    assert (outcomes.aborted, outcomes.unfinished) == (ended["aborted"], ended["unfinished"])
    assert outcomes.open == ended["open"]
    assert report.totals.requests == len(reached)
    spots = report.blind_spots
    assert (spots.malformed, spots.unrecognised) == (folded.malformed, folded.unrecognised)
    assert spots.unmetered == sum(one.unmetered for one in reached)
    assert spots.without_user == sum(one.user is None for one in reached)
    assert spots.without_model == sum(one.model is None for one in reached)
    assert sum(one.requests for one in report.errors) == outcomes.errors


def test_audit_entries_are_counted_as_a_plain_reader_counts_them() -> None:
    raw = (DATA / "openrouter-audit.jsonl").read_bytes().splitlines()
    entries = [json.loads(one) for one in raw if one.startswith(b"{")]
    made = [one for one in entries if one.get("event_type") in ("chat_completion", "embedding")]
    report = report_of(raw)
    assert report.totals.requests == len(made)
    assert report.outcomes.ok == sum(one["status"] == "success" for one in made)
    assert {row.key[0]: row.usage.requests for row in report.models.rows} == Counter(
        one["model"] for one in made
    )
    assert {one.error: one.requests for one in report.errors} == Counter(
        one["error_type"] for one in made if one["status"] == "error"
    )
    assert report.totals.cache_read_tokens is None, "no entry says how much came from a cache"


def test_every_error_is_counted_and_not_every_type_once() -> None:
    """The recipe's report counts each type as 1, however often it came."""
    types = ["RateLimitError"] * 7 + ["Timeout"] * 3 + ["APIError"]
    entries = [
        entry(number, status="error", error_type=kind, prompt_tokens=0, completion_tokens=0)
        for number, kind in enumerate(types)
    ]
    report = report_of([*entries, entry(100)])
    assert [(one.error, one.requests) for one in report.errors] == [
        ("RateLimitError", 7),
        ("Timeout", 3),
        ("APIError", 1),
    ]
    assert report.outcomes.errors == len(types)


def test_an_error_knows_its_models_and_when_it_was_last() -> None:
    late = START + HOUR
    report = report_of(
        [
            *failed("r-1", "Throttled", model="m-1"),
            *failed("r-2", "Throttled", model="m-2", started=late),
            *failed("r-3", "Throttled", model="m-2"),
        ]
    )
    (one,) = report.errors
    assert [(share.model, share.requests) for share in one.models] == [("m-2", 2), ("m-1", 1)]
    assert one.last_seen == late + timedelta(seconds=2)


def test_aborted_and_unfinished_calls_are_no_failures() -> None:
    hung_up = [
        one.replace(b"no", b"Cannot write to closing transport") if b'"ERROR"' in one else one
        for one in failed("r-1", "Error")
    ]
    begun = call("a@example.com", "r-2").splitlines(keepends=True)[:4]
    young = call("a@example.com", "r-3", started=NOW - timedelta(minutes=1)).splitlines(keepends=True)[:4]
    report = report_of([*hung_up, *begun, *young, *calls({})])
    outcomes = report.outcomes
    assert (outcomes.ok, outcomes.aborted, outcomes.unfinished, outcomes.open) == (1, 1, 1, 1)
    assert (outcomes.success_rate, outcomes.judged, report.errors) == (1.0, 1, ())


def test_the_scope_alone_chooses_the_calls() -> None:
    lines = calls(*({"user": f"u-{day}", "started": START + day * DAY} for day in range(5)))
    lines.append(line(START + 3 * DAY, "API key created", "k-1", user_sub="admin"))
    scope = Scope(START + DAY, START + 4 * DAY).narrowed(read_filter("-user:u-2"))
    report = report_of(lines, scope)
    assert [row.key[0] for row in report.days.rows] == ["2026-02-28", "2026-03-02"]
    assert {row.key[0] for row in report.users.rows} == {"u-1", "u-3"}
    assert sum(point.requests for point in report.timeline.points) == report.totals.requests == 2
    assert (report.period.since, report.period.until) == (scope.since, scope.until)
    assert (report.period.first, report.period.last) == (
        START + DAY,
        START + 3 * DAY + timedelta(seconds=2),
    )
    assert report.period.log_first == START
    assert report.period.filter == "-user:u-2"
    assert report.security.total == 1
    assert report_of(lines, Scope(until=START)).security.total == 0


def test_security_events_are_counted_by_what_happened_and_the_newest_listed_first() -> None:
    lines = [line(START + n * HOUR, "API key created", f"k-{n}", user_sub=f"admin-{n}") for n in range(30)]
    lines.append(line(START, "Client version rejected", "v-1"))
    found = report_of(lines).security
    assert [(one.event, one.count) for one in found.by_event] == [
        ("API key created", 30),
        ("Client version rejected", 1),
    ]
    assert [one.user for one in found.newest] == [f"admin-{n}" for n in range(29, 9, -1)]
    assert found.by_event[0].last_seen == found.newest[0].time == START + 29 * HOUR
    assert found.total == 31


def test_blind_spots_are_said_with_their_number() -> None:
    metered = calls({}, {"model": "nobody-sells-this"}, {"user": None})
    silent = [one for one in call("a@example.com", "r-9").splitlines(keepends=True) if b"usage" not in one]
    spots = report_of([*metered, *silent, b"not json\n", b"{}\n", b"\n"]).blind_spots
    assert [(one.model, one.requests) for one in spots.unpriced_models] == [("nobody-sells-this", 1)]
    assert (spots.unpriced, spots.unmetered, spots.without_user) == (1, 1, 1)
    assert (spots.malformed, spots.unrecognised) == (1, 1)


def test_a_call_without_a_time_is_said_to_be_missing_from_a_window() -> None:
    lines = [entry(1), entry(2), entry(3, timestamp="no time")]
    whole = report_of(lines)
    assert (whole.totals.requests, whole.blind_spots.without_time) == (3, 1)
    assert sum(point.requests for point in whole.timeline.points) == 2
    windowed = report_of(lines, Scope(since=datetime(2026, 1, 1, tzinfo=UTC)))
    assert (windowed.totals.requests, windowed.blind_spots.without_time) == (2, 1)
    assert "left out" in write_report(windowed, "text")


def test_what_is_not_known_is_not_zero() -> None:
    report = report_of([])
    document = as_document(report)
    assert document["totals"]["requests"] == 0
    assert document["success_rate"] is None
    assert document["totals"]["cost_usd"] is None
    assert document["latency"]["mean_ms"] is None
    assert document["period"]["first"] is None
    for form in set(FORMS) - {"json"}:
        text = write_report(report, form)
        assert "unknown" in text
        assert "$0" not in text
        assert "No call is in scope" in text


def test_sources_tell_what_came_late_and_what_could_not_be_read() -> None:
    read = SourceState("group", "ended", feed=Feed(late=3, sampled=2), group=True)
    broken = SourceState("b.jsonl", "error", "it cannot be read")
    spots = report_of([], sources=(read, broken)).blind_spots
    assert (spots.late, spots.sampled) == (3, 2)
    assert spots.unread == ("b.jsonl: it cannot be read",)
    unknown = report_of([], sources=None)
    assert unknown.blind_spots.late is unknown.blind_spots.sampled is None
    assert "NOT READ: b.jsonl: it cannot be read" in write_report(report_of([], sources=(broken,)), "text")


def test_how_lines_came_does_not_change_a_report(lines: list[bytes], sample: Report) -> None:
    with opened(StoreSettings()) as store:
        for start in range(0, len(lines), 500):
            store.ingest(as_slice(lines[start : start + 500], "log", start + 1))
            store.refresh()
        again = make_report(store, Scope(), now=NOW, chain=None)
    for form in FORMS:
        assert write_report(again, form) == write_report(sample, form)


STEPS = {
    "seconds": timedelta(seconds=1),
    "minutes": timedelta(minutes=1),
    "hours": HOUR,
    "days": DAY,
    "quarters": 91 * DAY,
    "centuries": 36_525 * DAY,
}


@pytest.mark.parametrize("bounded", [False, True])
def test_a_timeline_has_every_call_and_few_points(bounded: bool) -> None:
    """Whatever its length; calls at the very edges of steps among them."""
    begin = datetime(2, 3, 4, 5, 0, tzinfo=UTC)
    starts = {name: [begin + step * number for number in (0, 1, 2, 7, 60)] for name, step in STEPS.items()}
    lines = [
        entry(number, user_id=name, timestamp=instant(start))
        for number, (name, start) in enumerate((name, one) for name, some in starts.items() for one in some)
    ]
    with opened() as store:
        feed(store, {"log": lines})
        for name, some in starts.items():
            window = Scope(some[0], some[-1] + timedelta.resolution) if bounded else Scope()
            scope = window.narrowed(exact("user", name))
            period = Period(scope.since, scope.until, None, some[0], some[-1], None, None)
            found = timeline(store, scope, period, NOW)
            assert 2 <= len(found.points) <= 93
            assert {two.start - one.start for one, two in pairwise(found.points)} == {found.step}
            assert [point.requests for point in found.points] == [
                sum(point.start <= one < point.start + found.step for one in some) for point in found.points
            ]
            assert sum(point.requests for point in found.points) == len(some)


def test_steps_without_a_call_are_there() -> None:
    lines = calls({"started": START}, {"started": START + 20 * DAY})
    points = report_of(lines).timeline.points
    assert [point.requests for point in points] == [1, *[0] * 19, 1]
    asked = report_of(lines, Scope(START - 2 * DAY, START + 30 * DAY)).timeline.points
    assert [point.requests for point in asked] == [0, 0, 1, *[0] * 19, 1, *[0] * 10]
    week = report_of(lines, Scope(datetime(2026, 2, 23, tzinfo=UTC), datetime(2026, 3, 2, tzinfo=UTC)))
    assert [point.requests for point in week.timeline.points] == [0, 0, 0, 0, 1, 0, 0]


def test_a_redacted_report_names_no_user_and_repeats_no_text() -> None:
    lines = calls({"user": "alice@example.com"}, {"user": None})
    lines.append(line(START, "API key created", "k-1", user_sub="alice@example.com"))
    scope = Scope().narrowed(read_filter("-user:alice@elsewhere.example"))
    chain = verification()
    spoken = replace(chain, findings=(replace(chain.findings[0], detail="alice said"),))
    report = report_of(lines, scope, chain=spoken)
    hidden = redacted(report, lambda user: f"user-{len(user)}")
    for form in FORMS:
        assert "alice" in write_report(report, form)
        assert "alice" not in write_report(hidden, form)
    assert {row.key[0] for row in hidden.users.rows} == {"user-17", None}
    assert hidden.users.totals == report.users.totals


def test_a_chain_does_not_change_with_the_period_and_says_so() -> None:
    report = report_of(calls({}), Scope(until=START), chain=verification("ok"))
    assert report.chain is not None
    assert report.totals.requests == 0
    assert any("outside the period" in sentence for sentence in report.unattested)


def test_a_store_that_was_kept_gives_the_same_report(tmp_path: Path, lines: list[bytes]) -> None:
    kept = StoreSettings(database=tmp_path / "kept.duckdb")
    with opened(kept) as store:
        feed(store, {"log": lines})
        before = make_report(store, Scope(), now=NOW, chain=None)
    again = Store(kept)
    try:
        again.refresh()
        assert make_report(again, Scope(), now=NOW, chain=None) == before
    finally:
        again.close()
