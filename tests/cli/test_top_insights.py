"""`top --engine insights`: the table of `top`, made by a service that is a plain evaluator of its language."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llmwatch.cli import groups, scan
from llmwatch.sources.cloudwatch import insights
from llmwatch.sources.cloudwatch.api import CallFailed, Group, QueryPage
from tests.cli.running import SAMPLE, Ran, assert_refused, here
from tests.cli.traffic import KIMI, START, call
from tests.insights.evaluate import Event, evaluate

GROUP = Group("router", "router", "arn:aws:logs:us-east-1:123456789012:log-group:router")
SINCE = ("--since", "2026-02-27T16:00Z")
SOME = b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:300])
CALLS = SOME.count(b'"Routing decision"')
ASKED = ("top", "--engine", "insights", "--group", "router", *SINCE)


@dataclass
class Service:
    """The query interface of CloudWatch over some lines, which all came when the first call of `traffic` began."""

    lines: Sequence[bytes] = ()
    groups: tuple[Group, ...] = (GROUP,)
    rows: tuple[dict[str, str], ...] = ()
    running: int = 1
    refused: CallFailed | None = None
    interrupted: bool = False
    stopped: list[str] = field(default_factory=list)
    asked: list[tuple[Any, ...]] = field(default_factory=list)

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        self.asked.append((text, since, until, limit))
        if self.refused:
            raise self.refused
        self.rows = self.rows or evaluate(text, [Event(line.decode()) for line in self.lines]).rows
        return "query-1"

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        if self.interrupted:
            raise KeyboardInterrupt
        if self.running:
            self.running -= 1
            return QueryPage("Running", (), None, None, None, None)
        start = int(token or 0)
        more = start + 10_000 < len(self.rows)
        rows = self.rows[start : start + 10_000]
        return QueryPage("Complete", rows, str(start + 10_000) if more else None, 1900.0, 2_000_000.0, 3e9)

    def stop_query(self, query_id: str) -> None:
        self.stopped.append(query_id)


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service(SOME.splitlines())
    monkeypatch.setattr(groups, "connect", lambda arguments: service)
    monkeypatch.setattr(groups, "named_groups", lambda arguments, api: api.groups)
    monkeypatch.setattr(insights, "_FIRST_POLL_SECONDS", 0.0)
    return service


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """What the service has, as a file."""
    log = tmp_path / "log.jsonl"
    log.write_bytes(SOME)
    return log


def rows_of(ran: Ran) -> list[dict[str, Any]]:
    return [without_latency(row) for row in ran.document["rows"]]


def without_latency(row: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in row.items() if not name.startswith("latency")}


def test_the_document_is_that_of_the_local_engine(service: Service, log: Path) -> None:
    ran, local = here(*ASKED, "--json"), here("top", log, *SINCE, "--json")
    assert ran.code == 0
    assert list(ran.document) == [*local.document, "approximate"]
    assert [list(row) for row in ran.document["rows"]] == [list(row) for row in local.document["rows"]]
    assert rows_of(ran) == rows_of(local)
    assert without_latency(ran.document["totals"]) == without_latency(local.document["totals"])
    for name in ("scope", "by", "groups"):
        assert ran.document[name] == local.document[name]


def test_what_is_not_exact_or_not_known_is_said(service: Service) -> None:
    document = here(*ASKED, "--json").document
    assert [found["column"] for found in document["approximate"]] == ["latency_p50_ms", "latency_p95_ms"]
    assert {tuple(found) for found in document["approximate"]} == {("column", "reason", "count")}
    assert document["counters"] == {
        "lines": 2_000_000,
        "events": 1900,
        "calls": CALLS,
        "other_requests": None,
        "malformed": None,
        "unrecognised": None,
        "late": 0,
        "sampled": 0,
    }


def test_the_table_and_its_notes(service: Service, log: Path) -> None:
    ran, local = here(*ASKED, "--by", "user"), here("top", log, *SINCE, "--by", "user")
    header, *rows = ran.text.splitlines()
    wanted, *local_rows = local.text.splitlines()
    assert header.split() == wanted.split()
    assert [row.split()[:2] for row in rows] == [row.split()[:2] for row in local_rows]
    notes = ran.narration
    assert "not exact, latency_p50_ms, latency_p95_ms: " in notes
    assert f"2,000,000 lines, {CALLS} calls; CloudWatch read 3.00 GB, about $0.01" in notes
    assert "costs" not in notes


def test_ids_of_several_calls_are_told_with_their_number(service: Service) -> None:
    service.lines = [*call("a@example.com", "1").splitlines(), *call("b@example.com", "1").splitlines()]
    assert "not exact, requests: 1 request ids with several calls" in here(*ASKED).narration
    found = here(*ASKED, "--json").document["approximate"]
    assert [doubt["count"] for doubt in found if doubt["column"] == "requests"] == [1]


def test_the_query_is_of_the_scope_and_a_quarter_of_an_hour_around_it(service: Service) -> None:
    here(*ASKED, "--until", "2026-02-27T18:00Z", "--stream", "router/")
    ((text, since, until, limit),) = service.asked
    assert datetime.fromtimestamp(since).astimezone() == datetime.fromisoformat("2026-02-27T15:45Z")
    assert datetime.fromtimestamp(until).astimezone() == datetime.fromisoformat("2026-02-27T18:15Z")
    assert limit == 100_000
    assert '"2026-02-27T18:00:00.000000Z"' in text
    assert r"filter @logStream like /^router\x2f/" in text


@pytest.mark.parametrize(
    ("stored", "created", "words"),
    [
        (10**12, None, "this reads at most about 1.00 TB, about $5.00: all that the groups hold"),
        (10**12, 0, ", less than $0.01, if all days of the groups are alike; they hold 1.00 TB"),
        (10**6, None, "at most about 1.00 MB, less than $0.01"),
        (None, None, None),
    ],
)
def test_the_price_is_told_before(
    service: Service, stored: int | None, created: int | None, words: str | None
) -> None:
    service.groups = (replace(GROUP, stored_bytes=stored, created=created),)
    until = ("--until", "2026-02-27T16:01Z")
    assert (words or "") in here(*ASKED, *until).narration
    assert words is not None or "at most" not in here(*ASKED, *until).narration


def test_own_prices_with_their_days_and_thresholds(service: Service, log: Path, tmp_path: Path) -> None:
    prices = tmp_path / "prices.toml"
    entry = f'[[price]]\nmodel = "{KIMI}"\ninput_per_million = {{}}\noutput_per_million = 1\n'
    long = "long_above_tokens = 5_000\nlong_input_per_million = 100\n"
    prices.write_text(entry.format(1) + long + entry.format(9) + "valid_from = 2026-02-28\n")
    days = [START, START.replace(day=28, month=2)]
    log.write_bytes(
        b"".join(
            call("a@example.com", f"{day.day}-{size}", prompt=size, started=day)
            for day in days
            for size in (4_000, 6_000)
        )
    )
    service.lines = log.read_bytes().splitlines()
    words = ("--prices", prices, "--json", "--by", "user")
    assert rows_of(here(*ASKED, *words)) == rows_of(here("top", log, *SINCE, *words))


def test_progress_is_for_terminals_and_gone_at_the_end(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    terminal = Terminal()
    monkeypatch.setattr(scan, "sys", SimpleNamespace(stderr=terminal))
    assert here(*ASKED).code == 0
    steps = terminal.getvalue().split("\r\033[K")
    assert steps[1:3] == ["CloudWatch: scheduled, 0 s", "CloudWatch: running, 0 s"]
    assert "complete" in steps[3]
    assert "2,000,000 lines, 3.00 GB, about $0.01" in steps[3]
    assert steps[4:] == [""]


def test_rows_for_programs(service: Service) -> None:
    ran = here(*ASKED, "--format", "csv", "--limit", "3")
    assert len(list(csv.DictReader(io.StringIO(ran.text)))) == 3
    assert "not exact" in ran.narration


def test_findings_have_their_exit_code(service: Service) -> None:
    assert here(*ASKED, "--json", "--fail-over", "0.1").code == 1
    assert here(*ASKED, "--json", "--fail-over", "1000", "--fail-on-unpriced").code == 0
    service.lines, service.rows = call("a@example.com", model="nobody.sells-this").splitlines(), ()
    assert here(*ASKED, "--json", "--fail-on-unpriced").code == 1


def test_a_truncated_answer_is_told_and_no_success(service: Service) -> None:
    service.rows = tuple({"call_user": f"u{n}", "row_requests": "1"} for n in range(100_000))
    ran = here(*ASKED, "--json", "--limit", "1")
    assert ran.code == 3
    assert "truncated at 100,000 rows" in ran.narration
    assert ran.document["approximate"][0]["reason"].startswith("truncated")


def test_an_interrupt_stops_the_query(service: Service) -> None:
    service.interrupted = True
    assert here(*ASKED).code == 130
    assert service.stopped == ["query-1"]


def test_a_service_that_does_not_answer_is_a_sentence(service: Service) -> None:
    service.refused = CallFailed("credentials", "the credentials have expired: run aws sso login")
    assert_refused(here(*ASKED), 3, "aws sso login")


def test_groups_without_a_line_of_the_router(service: Service) -> None:
    service.lines = [b"hello"]
    ran = here(*ASKED, "--json")
    assert (ran.code, ran.document["rows"], ran.document["groups"]) == (0, [], 0)


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("--group", "router"), "--since"),
        (SINCE, "--group"),
        ((*SINCE, "--group", "router", str(SAMPLE)), "PATH"),
        ((*SINCE, "--group", "router", "--filter-pattern", "x"), "--filter-pattern"),
        ((*SINCE, "--group", "router", "--filter", "user:a"), "--filter"),
        ((*SINCE, "--group", "router", "--db", "x.duckdb"), "--db"),
        ((*SINCE, "--group", "router", "--by", "error"), "user, model, source"),
        ((*SINCE, "--group", "router", "--by", "nonsense"), "nonsense"),
    ],
)
def test_what_does_not_go_is_refused_before_anything_is_asked(
    service: Service, words: tuple[str, ...], named: str
) -> None:
    assert_refused(here("top", "--engine", "insights", *words), 2, named)
    assert service.asked == []


def test_more_groups_than_a_query_takes_are_refused(service: Service) -> None:
    service.groups = tuple(replace(GROUP, name=f"g{n}") for n in range(51))
    assert_refused(here(*ASKED), 2, "50")
