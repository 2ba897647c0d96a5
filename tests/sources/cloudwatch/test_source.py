"""CloudWatchSource in its threads, against the fake over HTTP: it ends when it is told to, and keeps within bounds."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from llmwatch.errors import LlmwatchError, SourceError, UsageError
from llmwatch.sources.cloudwatch.access import Connection
from llmwatch.sources.cloudwatch.api import GroupPage
from llmwatch.sources.cloudwatch.client import CloudWatch
from llmwatch.sources.cloudwatch.names import NoSuchGroup
from llmwatch.sources.cloudwatch.poller import Settings
from llmwatch.sources.cloudwatch.source import CloudWatchSource
from llmwatch.sources.cloudwatch.tail import Range
from llmwatch.store.slice import Slice
from tests.cloudwatch.clock import RealClock
from tests.cloudwatch.faults import FaultPlan
from tests.cloudwatch.model import Model
from tests.cloudwatch.server import FakeServer
from tests.sources.cloudwatch.answering import machine

pytestmark = pytest.mark.timeout(60)

PATIENCE = 20.0
MOST_BYTES = 24 << 20
"""More than waits to be read: half of what there is in all."""
ONCE = Range(stop_at=0)


@pytest.fixture(autouse=True)
def nobodys_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    model = Model()
    model.create_group("router")
    with FakeServer(model) as running:
        running.service.clock = Interruptible(running.stopping)
        yield running


class Interruptible(RealClock):
    """The machine's clock, whose sleepers wake when the service stops."""

    def __init__(self, stopping: threading.Event) -> None:
        self._stopping = stopping

    def sleep(self, seconds: float) -> None:
        self._stopping.wait(seconds)


@contextmanager
def reading(
    server: FakeServer,
    *names: str,
    follow: bool = True,
    settings: Settings | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Iterator[CloudWatchSource]:
    """A source on the service, closed at the end."""
    api = CloudWatch(Connection(endpoint_url=server.url))
    wanted = Range(since=now() - 3_600_000, stop_at=None if follow else 0)
    settings = settings or Settings(names or ("router",), wanted, per_second=25)
    source = CloudWatchSource(api, settings, follow=follow, clock=clock)
    try:
        yield source
    finally:
        source.close()


def now() -> int:
    return int(time.time() * 1000)


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def hasty(speed: float) -> Callable[[], float]:
    """A steady clock that goes faster than time."""
    began = time.monotonic()
    return lambda: began + speed * (time.monotonic() - began)


def has_ended(source: CloudWatchSource) -> bool:
    return source.ended


def statuses(source: CloudWatchSource) -> dict[str, str]:
    return {state.name: state.status for state in source.states()}


def lines(pieces: Iterator[Slice]) -> list[str]:
    return [line.decode() for piece in pieces for line in piece.data.splitlines()]


def test_a_range_is_read_to_its_end_by_one_call(server: FakeServer) -> None:
    written = [f"line {number}" for number in range(300)]
    for number, text in enumerate(written):
        server.model.add("router", now() - 3_000_000 + 10_000 * number, text)
    server.set_faults(FaultPlan(page_events=20))
    with reading(server, follow=False) as source:
        assert not has_ended(source)
        assert Counter(lines(source.read())) == Counter(written)
        assert has_ended(source)
        assert statuses(source) == {"router": "ended"}
        assert lines(source.finish()) == []


def test_a_range_ends_as_soon_as_its_last_page_has_come(server: FakeServer) -> None:
    """Half a second leaves room for a busy machine; nothing waits for a second thread's turn."""
    server.model.add("router", now() - 1_000, "line")
    with reading(server, follow=False) as source:
        assert lines(source.read()) == ["line"]
        assert server.service.answered is not None
        late = time.time() - server.service.answered
        assert late < 0.7


def test_what_is_read_may_be_followed_and_left_at_any_time(server: FakeServer) -> None:
    with reading(server, clock=hasty(10)) as source:
        got: list[str] = []

        def has(count: int) -> bool:
            got.extend(lines(source.read()))
            return len(got) >= count

        for count in (1, 2):
            server.model.add("router", now(), f"line {count}")
            wait_until(lambda: has(count))  # noqa: B023  called before the next one
        assert not has_ended(source)
        began = time.monotonic()
        source.close()
        source.close()
        assert time.monotonic() - began < 3
        assert has_ended(source)
        assert lines(source.read()) == []
        assert got == ["line 1", "line 2"]


def test_nobody_waits_for_an_answer_that_hangs(server: FakeServer) -> None:
    """`top` reads in a thread of its own, which an interrupt ends too, and closes once there and once at the end."""
    server.set_faults(FaultPlan(latency=(20, 20)))
    with reading(server, follow=False) as source:
        got: list[str] = []
        reader = threading.Thread(target=lambda: got.extend(lines(source.read())))
        threads = threading.active_count()
        reader.start()
        wait_until(lambda: threading.active_count() > threads + 2)
        began = time.monotonic()
        source.close()
    reader.join(3)
    assert not reader.is_alive()
    assert time.monotonic() - began < 3
    assert got == []


def test_it_may_be_closed_while_it_begins(server: FakeServer, monkeypatch: pytest.MonkeyPatch) -> None:
    begun, closed = threading.Event(), threading.Event()
    start = threading.Thread.start

    def slow_start(thread: threading.Thread) -> None:
        if thread.name.startswith("cloudwatch"):
            begun.set()
            closed.wait(0.2)
        start(thread)

    monkeypatch.setattr(threading.Thread, "start", slow_start)
    with reading(server, follow=False) as source:
        reader = threading.Thread(target=lambda: list(source.read()))
        reader.start()
        assert begun.wait(PATIENCE)
    closed.set()
    reader.join(3)
    assert not reader.is_alive()


def test_a_slow_reader_fills_no_memory_and_gets_lines_in_order(server: FakeServer) -> None:
    text = "x" * 500_000
    for number in range(80):
        server.model.add("router", now() - 1_000_000 + number, f"{number} {text}")
    wanted = Range(since=now() - 3_600_000, stop_at=0, newest_first=False)
    with reading(server, follow=False, settings=Settings(("router",), wanted, per_second=25)) as source:
        got: list[int] = []
        for piece in source.read():
            taken = piece.data.splitlines()
            assert len(piece.data) < MOST_BYTES
            got += [int(line.split()[0]) for line in taken]
            wait_until_it_rests(lambda: server.service.calls["FilterLogEvents"])
    assert got == list(range(80))


def wait_until_it_rests(value: Callable[[], int]) -> None:
    """Until a number that grows every 40 ms, while there is room, has been the same for a while."""
    last, since = value(), time.monotonic()
    until = since + PATIENCE
    while time.monotonic() - since < 0.3:
        assert time.monotonic() < until
        if value() != last:
            last, since = value(), time.monotonic()
        time.sleep(0.01)


REFUSED: list[tuple[str, FaultPlan, type[LlmwatchError], str]] = [
    ("router", FaultPlan(denied=("FilterLogEvents",)), SourceError, "logs:FilterLogEvents"),
    ("ruoter", FaultPlan(), NoSuchGroup, "near it: router"),
    ("not a name", FaultPlan(), UsageError, "no log group's name"),
    ("none/*", FaultPlan(), NoSuchGroup, "none/"),
]


@pytest.mark.parametrize(("name", "faults", "kind", "words"), REFUSED, ids=[case[0] for case in REFUSED])
def test_reading_raises_why_nothing_can_be_read(
    server: FakeServer, name: str, faults: FaultPlan, kind: type[LlmwatchError], words: str
) -> None:
    server.set_faults(faults)
    settings = Settings((name,), ONCE, per_second=25, patience="none")
    with reading(server, follow=False, settings=settings) as source:
        with pytest.raises(kind, match=words):
            list(source.read())
        assert source.ended


def test_what_can_be_read_is_given_although_the_rest_cannot(server: FakeServer) -> None:
    server.model.add("router", now() - 1_000, "line")
    settings = Settings(("router", "elsewhere"), ONCE, per_second=25, patience="none")
    with reading(server, follow=False, settings=settings) as source:
        assert lines(source.read()) == ["line"]
        states = {state.name: state for state in source.states()}
        assert states["router"].status == "ended"
        assert states["elsewhere"].status == "error"
        assert "elsewhere" in states["elsewhere"].detail


def test_a_bug_in_a_thread_is_raised_where_the_source_is_read(server: FakeServer) -> None:
    class Broken(CloudWatch):
        def describe_groups(self, **_: object) -> GroupPage:
            raise ZeroDivisionError("a bug")

    settings = Settings(("router",), ONCE)
    source = CloudWatchSource(Broken(Connection(endpoint_url=server.url)), settings, follow=False)
    try:
        with pytest.raises(ZeroDivisionError, match="a bug"):
            list(source.read())
    finally:
        source.close()


def test_groups_of_a_prefix_are_found_when_they_appear(server: FakeServer) -> None:
    """Names are looked up again after a minute."""
    got: list[str] = []
    with reading(server, "rout*", "later/*", clock=hasty(60)) as source:

        def has(text: str) -> bool:
            got.extend(lines(source.read()))
            return text in got

        server.model.add("router", now(), "old")
        wait_until(lambda: has("old"))
        wait_until(lambda: statuses(source) == {"router": "live", "later/*": "waiting"})
        for name in ("route/66", "later/on"):
            server.model.create_group(name)
            server.model.add(name, now(), f"in {name}")
        wait_until(lambda: has("in route/66"))
        wait_until(lambda: has("in later/on"))
        wait_until(lambda: statuses(source) == dict.fromkeys(("router", "route/66", "later/on"), "live"))
        got += lines(source.read())
    assert Counter(got) == Counter(["old", "in route/66", "in later/on"])
