"""Log groups from the shell, on a service that fails as the real one does: nothing is lost, doubled or left unsaid.

Most of what happens here is waiting, so all of it happens at once: `scenarios` begins them, each test sees one end.
"""

from __future__ import annotations

import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from tests.cli.cloud import QUICK, Cloud, Event, Running, calls_now, events_of, run, running, sample, shell
from tests.cli.running import Ran, assert_refused
from tests.cli.traffic import LINES_OF_A_CALL
from tests.cloudwatch.faults import FaultPlan, LivePlan, Window
from tests.cloudwatch.model import Model
from tests.cloudwatch.server import FakeServer

pytestmark = pytest.mark.timeout(90)

GROUP = "/acme/router"
TAIL = ("tail", "--plain", "--group", GROUP)
Scenario = Callable[[Path], None]
SCENARIOS: list[Scenario] = []


def scenario(function: Scenario) -> Scenario:
    """Something that happens while the others do; it is given a folder of its own."""
    SCENARIOS.append(function)
    return function


@pytest.fixture(scope="module")
def scenarios(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Scenario, Future[None]]]:
    with ThreadPoolExecutor(len(SCENARIOS)) as pool:
        yield {one: pool.submit(one, tmp_path_factory.mktemp(one.__name__)) for one in SCENARIOS}


def serving(faults: FaultPlan | None = None) -> FakeServer:
    """A service with one group, created long ago."""
    model = Model()
    model.create_group(GROUP)
    return FakeServer(model, faults)


def write(server: FakeServer, *request_ids: str, clock: float = 0.0) -> None:
    """The lines of calls that ended just now by a clock that is so far ahead; no fault keeps them from being stored."""
    store(server, calls_now("user@example.com", *request_ids, ago=3.0 - clock))


def store(server: FakeServer, events: list[Event]) -> None:
    for number, (time_ms, text) in enumerate(events):
        server.model.add(GROUP, time_ms, text.rstrip("\n"), stream=f"web/{number % 2}")


def following(
    server: FakeServer, *words: str, env: dict[str, str] | None = None
) -> AbstractContextManager[Running]:
    return running(*TAIL, *words, "--endpoint-url", server.url, env=env or shell())


def assert_all_once(ran: Ran, *request_ids: str) -> None:
    """Every line of these calls is there, and no other."""
    requests = [line.rpartition("request=")[2] for line in ran.text.splitlines()]
    assert Counter(requests) == dict.fromkeys(request_ids, LINES_OF_A_CALL)


def asked(server: FakeServer, operation: str = "FilterLogEvents") -> int:
    """How many calls were answered."""
    return sum(call.operation == operation and call.outcome == "ok" for call in tuple(server.requests))


@scenario
def credentials_that_expire(folder: Path) -> None:
    def keys(name: str) -> None:
        text = f"[on-call]\naws_access_key_id = {name}\naws_secret_access_key = hush\n"
        (folder / "credentials").write_text(text)

    (folder / "config").write_text("[profile on-call]\nregion = eu-central-1\n")
    keys("AKIAOLD")
    files = {
        "AWS_CONFIG_FILE": str(folder / "config"),
        "AWS_SHARED_CREDENTIALS_FILE": str(folder / "credentials"),
    }
    with serving() as server, following(server, "--profile", "on-call", env=shell({}, **files)) as tail:
        write(server, "r-0")
        tail.wait_for("r-0", LINES_OF_A_CALL)
        server.expired_keys.add("AKIAOLD")
        write(server, "r-1")
        tail.wait_for_word("expired: renew the keys of profile on-call in the AWS files")
        assert tail.count("r-1") in (0, LINES_OF_A_CALL)
        write(server, "r-2")
        keys("AKIANEW")
        tail.wait_for("r-2", LINES_OF_A_CALL)
        write(server, "r-3")
        tail.wait_for("r-3", LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert ran.code == 130
    assert_all_once(ran, "r-0", "r-1", "r-2", "r-3")
    assert [line.split()[0] for line in ran.narration.splitlines()] == ["llmwatch:"] * 2
    assert ran.narration.endswith(f"{GROUP} is read again.\n")


@scenario
def an_outage(_: Path) -> None:
    with serving() as server, following(server) as tail:
        write(server, "r-0")
        tail.wait_for("r-0", LINES_OF_A_CALL)
        server.set_faults(FaultPlan(outages=(Window(),)))
        over = time.monotonic() + 5
        write(server, "r-1")
        tail.wait_for_word(server.url)
        tail.wait_until(lambda: time.monotonic() > over and server.injected["outages"] > 2)
        write(server, "r-2")
        server.set_faults(FaultPlan())
        tail.wait_for("r-2", LINES_OF_A_CALL)
        write(server, "r-3")
        tail.wait_for("r-3", LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert ran.code == 130
    assert_all_once(ran, "r-0", "r-1", "r-2", "r-3")
    first, last = ran.narration.splitlines()
    assert "check the network" in first
    assert last == f"llmwatch: {GROUP} is read again."


def another_clock(ahead: float, words: str) -> None:
    with serving(FaultPlan(clock_offset=ahead)) as server:
        write(server, "r-0", clock=ahead)
        with following(server) as tail:
            tail.wait_for("r-0", LINES_OF_A_CALL)
            write(server, "r-1", clock=ahead)
            tail.wait_for("r-1", LINES_OF_A_CALL)
            tail.wait_for_word("set it")
            followed = tail.stop(signal.SIGINT)
        top = Cloud(server.url).run("top", "--group", GROUP, "--since", "15m", "--json", *QUICK)
    assert_all_once(followed, "r-0", "r-1")
    assert top.code == 0
    assert top.document["totals"]["requests"] == 2
    for ran in (followed, top):
        assert re.search(rf"clock is (599|600|601) s {words} CloudWatch's", ran.narration)
        assert ran.narration.count("\n") == 1


@scenario
def a_clock_that_is_behind(_: Path) -> None:
    another_clock(600.0, "behind")


@scenario
def a_clock_that_is_ahead(_: Path) -> None:
    another_clock(-600.0, "ahead of")


@scenario
def live_tail(_: Path) -> None:
    with serving() as server, following(server, "--live") as tail:
        tail.wait_until(lambda: bool(server.service.tails) and asked(server) > 1)
        server.set_faults(FaultPlan(throttle=1.0))
        for number in range(3):
            written = time.monotonic()
            write(server, f"r-{number}")
            tail.wait_for(f"r-{number}", LINES_OF_A_CALL)
            assert time.monotonic() - written < 2.5
        server.set_faults(FaultPlan())
        before = asked(server)
        tail.wait_until(lambda: asked(server) > before + 2)
        write(server, "r-3")
        before = asked(server)
        tail.wait_until(lambda: asked(server) > before + 1 and tail.count("r-3") == LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert ran.code == 130
    assert_all_once(ran, *(f"r-{number}" for number in range(4)))


@scenario
def live_tail_that_breaks_and_samples(_: Path) -> None:
    plan = FaultPlan(live=LivePlan(breaks_after=(1.0,), most=5))
    with serving(plan) as server, following(server, "--live") as tail:
        tail.wait_until(lambda: server.injected["broken"] == 1)
        write(server, "r-0")
        tail.wait_until(lambda: server.service.sessions == 2)
        burst = [f"r-{number}" for number in range(1, 10)]
        write(server, *burst)
        tail.wait_until(lambda: server.injected["sampled"] > 0)
        before = asked(server)
        tail.wait_until(lambda: asked(server) > before + 1 and len(tail.out) >= 10 * LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert_all_once(ran, "r-0", *burst)


@scenario
def live_tail_that_is_denied(_: Path) -> None:
    with serving(FaultPlan(denied=("StartLiveTail",))) as server, following(server, "--live") as tail:
        tail.wait_for_word("logs:StartLiveTail")
        write(server, "r-0")
        tail.wait_for("r-0", LINES_OF_A_CALL)
        ran = tail.stop(signal.SIGINT)
    assert ran.code == 130
    assert_all_once(ran, "r-0")
    assert ran.narration.count("\n") == 1


@scenario
def a_bad_day(folder: Path) -> None:
    faults = FaultPlan(
        seed=3, page_events=300, throttle=0.3, empty=0.3, duplicate=0.3, expire_token=0.15, short=0.2
    )
    log = sample()
    (folder / "router.jsonl").write_bytes(log)
    with serving(faults) as server:
        store(server, events_of(log))
        of_group = Cloud(server.url).run("top", "--group", GROUP, "--since", "1h", "--json", *QUICK)
        for fault in ("throttle", "empty", "duplicate", "expire_token"):
            assert server.injected[fault] > 0, server.injected
    of_file = run("top", folder / "router.jsonl", "--json")
    assert (of_group.code, of_group.err) == (0, b"")
    assert {**of_group.document, "scope": None} == {**of_file.document, "scope": None}


@scenario
def what_the_policy_lacks(_: Path) -> None:
    with serving(FaultPlan(denied=("FilterLogEvents",))) as server:
        cloud = Cloud(server.url)
        for ran in cloud.runs(("top", "--group", GROUP), TAIL):
            assert_refused(ran, 3, "logs:FilterLogEvents", GROUP, "docs/cloudwatch.md")
        server.set_faults(FaultPlan(denied=("DescribeLogGroups",)))
        write(server, "r-0")
        by_name, by_part = cloud.runs(("top", "--group", GROUP, "--json", *QUICK), ("top", "--group", "acme"))
        assert by_name.document["totals"]["requests"] == 1
        assert_refused(by_part, 3, "acme", "--group")


@pytest.mark.parametrize("name", SCENARIOS, ids=lambda one: one.__name__)
def test_nothing_is_lost_doubled_or_unsaid(name: Scenario, scenarios: dict[Scenario, Future[None]]) -> None:
    scenarios[name].result()
