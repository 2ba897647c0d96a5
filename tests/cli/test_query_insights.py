"""`query --engine insights`: the same document as over files, what it costs before and after, and how it ends."""

from __future__ import annotations

import io
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from llmwatch.cli import groups, query_insights, scan
from llmwatch.query.insights.cloud import answer_of, numbers
from llmwatch.query.insights.parse import read_query
from llmwatch.sources.cloudwatch import insights
from llmwatch.sources.cloudwatch.api import CallFailed, Group, QueryPage
from llmwatch.sources.cloudwatch.insights import QueryResult, QueryStatistics
from tests.cli.cloud import running, shell
from tests.cli.running import SAMPLE, Ran, assert_refused, here
from tests.cloudwatch.errors import MalformedQueryError
from tests.cloudwatch.insights import Insights, Script, Step
from tests.cloudwatch.model import Model
from tests.cloudwatch.server import FakeServer
from tests.insights.evaluate import Event, evaluate

NOW = datetime.now(UTC)
GROUP = Group("router", "router", "arn:aws:logs:us-east-1:123456789012:log-group:router")
CLOUD = ("--engine", "insights", "--group", "router", "--since", "2026-02-27T16:00Z")
SOME = b"".join(SAMPLE.read_bytes().splitlines(keepends=True)[:300])
BY_USER = "stats count(*) as n, sum(duration_ms) as ms by user_email | sort user_email"
TB = 10**12


@dataclass
class Service:
    """The query interface of CloudWatch over some lines; while a query runs it shows the first of its rows."""

    groups: tuple[Group, ...] = (GROUP,)
    rows: tuple[dict[str, str], ...] | None = None
    running: int = 2
    refused: CallFailed | None = None
    asked: list[tuple[str, int, int, int | None]] = field(default_factory=list)

    def start_query(
        self, groups: Sequence[Group], text: str, *, since: int, until: int, limit: int | None = None
    ) -> str:
        self.asked.append((text, since, until, limit))
        if self.refused:
            raise self.refused
        if self.rows is None:
            self.rows = evaluate(text, [Event(line.decode()) for line in SOME.splitlines()]).rows
        return "query-1"

    def query_results(self, query_id: str, token: str | None = None) -> QueryPage:
        rows = self.rows or ()
        if self.running:
            self.running -= 1
            return QueryPage("Running", rows[:2], None, 10.0, 1000.0, 1e6)
        start = int(token or 0)
        more = str(start + 10_000) if start + 10_000 < len(rows) else None
        return QueryPage("Complete", rows[start : start + 10_000], more, 190.0, 300.0, 3e9)

    def stop_query(self, query_id: str) -> None:
        raise AssertionError("it has ended")


@pytest.fixture(autouse=True)
def no_config(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LLMWATCH_CONFIG", str(tmp_path / "config.toml"))


@pytest.fixture
def service(monkeypatch: pytest.MonkeyPatch) -> Service:
    service = Service()
    monkeypatch.setattr(groups, "connect", lambda arguments: service)
    monkeypatch.setattr(groups, "named_groups", lambda arguments, api: api.groups)
    monkeypatch.setattr(insights, "_FIRST_POLL_SECONDS", 0.0)
    return service


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def at_a_terminal(monkeypatch: pytest.MonkeyPatch, typed: str = "") -> Terminal:
    terminal = Terminal()
    for module in (scan, query_insights):
        monkeypatch.setattr(module, "sys", SimpleNamespace(stderr=terminal, stdin=Terminal(typed)))
    return terminal


@pytest.mark.parametrize(
    "query",
    [
        BY_USER,
        "stats count(*) by level | sort level",
        "filter ispresent(usage.prompt_tokens) | stats sum(usage.prompt_tokens) as read by user_email | sort read desc",
    ],
)
def test_both_engines_answer_alike(query: str, service: Service, tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(SOME)
    asked, local = here("query", query, *CLOUD, "--json"), here("query", query, log, "--json")
    assert asked.code == local.code == 0
    for part in ("columns", "rows"):
        assert asked.document[part] == local.document[part]
    assert asked.document["counters"] == {"lines": 300, "matched": 190, "bytes_scanned": 3_000_000_000}
    assert list(asked.document) == list(local.document)


def test_what_is_asked_and_what_is_told(service: Service) -> None:
    ran = here("query", BY_USER + " | limit 20", *CLOUD, "--until", "2026-02-27T18:00Z")
    ((text, since, until, limit),) = service.asked
    assert text == BY_USER + " | limit 20"
    assert [datetime.fromtimestamp(moment, UTC).hour for moment in (since, until)] == [16, 18]
    assert limit == 20
    assert "not known beforehand" in ran.narration
    assert "; 190 of 300 lines; CloudWatch read 3.00 GB, about $0.01" in ran.narration


def test_all_pages_and_what_a_limit_cuts(service: Service) -> None:
    service.rows = tuple({"n": str(n)} for n in range(25_000))
    ran = here("query", "fields n | limit 100000", *CLOUD, "--format", "csv")
    assert ran.text.splitlines() == ["n", *map(str, range(25_000))]
    assert "25,000 rows;" in ran.narration
    service.rows, service.running = service.rows[:10_000], 0
    assert "`| limit 100000` for more" in here("query", "fields n", *CLOUD, "--format", "csv").narration


@pytest.mark.parametrize(
    ("stored", "days", "retention", "words"),
    [
        (TB, None, None, "at most about 1.00 TB, about $5.00: all that the groups hold"),
        (100 * TB // 1000, None, None, None),
        (TB, 1000, None, None),
        (
            TB,
            1000,
            10,
            "at most about 100 GB, about $0.50, if all days of the groups are alike; they hold 1.00 TB",
        ),
        (TB, 4, 10, "at most about 250 GB"),
    ],
)
def test_a_query_that_may_read_much_is_asked_about(
    stored: int, days: int | None, retention: int | None, words: str | None, service: Service
) -> None:
    created = None if days is None else int((NOW - timedelta(days=days)).timestamp() * 1000)
    service.groups = (replace(GROUP, stored_bytes=stored, created=created, retention_days=retention),)
    asked = ("query", BY_USER, *CLOUD[:-1], "1d")
    most = ("--max-scan", "99GB") if stored == TB else ()
    ran = here(*asked, *most)
    if words is None:
        assert (ran.code, "at most about" in ran.narration) == (0, True)
        return
    assert_refused(ran, 2, words, "--max-scan allows 99.0 GB", "--yes")
    assert service.asked == []
    assert words in here(*asked, *most, "--yes").narration
    assert len(service.asked) == 1


@pytest.mark.parametrize(("typed", "code"), [("y\n", 0), ("Yes\n", 0), ("n\n", 2), ("", 2), ("\n", 2)])
def test_a_person_may_say_yes(
    typed: str, code: int, service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.groups = (replace(GROUP, stored_bytes=TB),)
    terminal = at_a_terminal(monkeypatch, typed)
    ran = here("query", BY_USER, *CLOUD)
    assert ran.code == code
    assert "at most about 1.00 TB" in ran.narration
    assert "[y/N]" in terminal.getvalue()
    assert len(service.asked) == (code == 0)


def test_progress_tells_the_bytes_and_the_first_rows(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.rows = ({"user": "a\x1b[2J", "n": "9"}, {"user": "b", "n": "5"}, {"user": "c", "n": "1"})
    terminal = at_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "200")
    assert here("query", "stats count(*) as n by user", *CLOUD).code == 0
    running = [step for step in terminal.getvalue().split("\r\033[K") if "running" in step]
    assert running[0].startswith("CloudWatch: running, 0 s, 1,000 lines, 1.00 MB, less than $0.01")
    assert running[0].endswith("2 rows so far: a␛[2J 9; b 5")
    assert terminal.getvalue().endswith("\r\033[K")


def test_partial_rows_are_written_calmly(service: Service) -> None:
    service.rows = ({"user": "a", "n": "9"}, {"n": "5"})
    service.running = 5
    ran = here("query", "stats count(*) as n by user", *CLOUD, "--partial")
    assert ran.narration.count("not the last word") == 1
    block = ran.narration.partition("2 rows, not the last word:\n")[2].splitlines()
    assert [row.split() for row in block[:3]] == [["user", "n"], ["a", "9"], ["-", "5"]]
    assert "so far" not in here("query", "stats count(*) as n by user", *CLOUD).narration


@pytest.mark.parametrize(
    ("query", "remark"),
    [
        ("fields @message | pattern @message", None),
        ("filter x = ", "CloudWatch is asked, though this looks wrong: line 1, column 12"),
        ("fields a-b", "subtraction"),
        ("fields a", None),
    ],
)
def test_what_the_local_parser_does_not_take_is_asked_all_the_same(
    query: str, remark: str | None, service: Service
) -> None:
    service.rows = ({"a": "1"},)
    ran = here("query", query, *CLOUD, "--json")
    assert ran.code == 0
    assert ran.document["rows"][0]["a"] == 1
    assert [asked[0] for asked in service.asked] == [query]
    said = [line for line in ran.narration.splitlines() if "looks wrong" in line or "subtraction" in line]
    assert len(said) == (remark is not None)
    assert (remark or "") in ran.narration


@pytest.mark.parametrize(
    ("words", "named"),
    [
        (("limit 1", "--group", "router"), "--since"),
        (("limit 1", *CLOUD[-2:]), "--group"),
        (("limit 1", *CLOUD[2:], str(SAMPLE)), "PATH"),
        (("limit 1", *CLOUD[2:], "--stream", "x"), "@logStream"),
        (("limit 1", *CLOUD[2:], "--filter-pattern", "x"), "--filter-pattern"),
        (("limit 1", *CLOUD[2:], "--filter", "user:a"), "--filter"),
        (("limit 1", *CLOUD[2:], "--max-scan", "much"), "--max-scan"),
        ((" ", *CLOUD[2:]), "empty"),
        (("x" * 10_001, *CLOUD[2:]), "10,000"),
        (("filter a = '\udcff'", *CLOUD[2:]), "UTF-8"),
    ],
)
def test_what_does_not_go_is_refused_before_anything_is_asked(
    service: Service, words: tuple[str, ...], named: str
) -> None:
    assert_refused(here("query", *words, "--engine", "insights"), 2, named)
    assert service.asked == []


def result(*rows: dict[str, str]) -> QueryResult:
    return QueryResult(rows, QueryStatistics(), truncated=False)


@pytest.mark.parametrize(
    ("query", "columns"),
    [
        ("stats count(*) as n, max(x) by bin(5m), user", ("bin(5m)", "user", "n", "max(x)", "extra")),
        ("fields b, a | fields n", ("b", "a", "n", "user", "extra")),
        ("fields a | display n, user", ("n", "user", "extra")),
        ("filter x = 1", ("@timestamp", "@message", "user", "n", "extra")),
        (None, ("user", "n", "extra")),
    ],
)
def test_columns_stand_in_the_order_of_the_query(query: str | None, columns: tuple[str, ...]) -> None:
    parsed = None if query is None else read_query(query)
    answer = answer_of(result({"user": "a"}, {"n": "1", "extra": "x"}), parsed)
    assert answer.columns == columns
    assert answer.rows[0][columns.index("user")] == "a" if "user" in columns else True
    assert answer.binned == ("bin(5m)" if query and "bin" in query else None)


@pytest.mark.parametrize(
    ("values", "read"),
    [
        (["1", None, "-20"], [1, None, -20]),
        (["123456789012345678901234567890"], [123456789012345678901234567890]),
        (["1.5", "2", "1.0E7"], [1.5, 2, 1e7]),
        (["1", "a"], ["1", "a"]),
        (["007", "1"], ["007", "1"]),
        (["1", ""], ["1", ""]),
        (["1e999"], ["1e999"]),
        (["+1"], ["+1"]),
        ([" 1"], [" 1"]),
        (["\u0661"], ["\u0661"]),
        (["2026-02-27 16:47:00.000"], ["2026-02-27 16:47:00.000"]),
        ([None], [None]),
        ([], []),
    ],
)
def test_a_column_of_numbers_is_one(values: list[str | None], read: list[Any]) -> None:
    found = list(numbers(values))
    assert found == read
    assert list(map(type, found)) == list(map(type, read))


def serving(*scripts: Script) -> FakeServer:
    """A service with one group and these queries."""
    model = Model()
    model.create_group("router")
    return FakeServer(model, insights=Insights(scripts))


def through(server: FakeServer, query: str, *words: str) -> tuple[object, ...]:
    return ("query", query, *CLOUD, "--endpoint-url", server.url, *words)


def test_the_program_shows_where_the_service_finds_a_fault() -> None:
    query = "fields @timestamp\n| filtre x"
    fault = MalformedQueryError("unexpected symbol filtre", query.index("filtre"), query.index("filtre") + 6)
    with (
        serving(Script("filtre", malformed=fault)) as server,
        running(*through(server, query), env=shell()) as program,
    ):
        ran: Ran = program.ended()
    assert ran.code == 2
    assert ran.out == b""
    *_, line, caret = ran.narration.splitlines()
    assert line[caret.index("^") :] == "filtre x"


def test_ctrl_c_stops_the_query_at_the_service() -> None:
    forever = Script("limit", steps=(Step("Running", [{"n": "1"}]),) * 1000)
    with (
        serving(forever) as server,
        running(*through(server, "limit 1", "--partial"), env=shell()) as program,
    ):
        program.wait_for_word("not the last word")
        began = time.monotonic()
        ran = program.stop(signal.SIGINT)
        stopped = server.service.insights.stopped
    assert ran.code == 130
    assert len(stopped) == 1
    assert time.monotonic() - began < 5
