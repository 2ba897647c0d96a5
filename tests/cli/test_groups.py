"""Log groups from the shell, on an emulator: they are found, read, followed, recorded and refused."""

from __future__ import annotations

import json
import logging
import os
import signal
import stat
import subprocess
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from socket import socket

import pytest
from moto.server import ThreadedMotoServer

from tests.audit import recipe
from tests.cli.cloud import (
    QUICK,
    REGION,
    Cloud,
    Event,
    Running,
    calls_now,
    events_of,
    run,
    running,
    sample,
    shell,
)
from tests.cli.running import Ran, assert_refused, ended, process
from tests.cli.traffic import LINES_OF_A_CALL

pytestmark = pytest.mark.timeout(90)

ONCE = ("--no-follow", *QUICK)


@pytest.fixture(scope="session")
def cloud() -> Iterator[Cloud]:
    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield Cloud(f"http://{host}:{port}")
    server.stop()


@dataclass(frozen=True)
class Logged:
    """The same lines in a group and in a file."""

    group: str
    file: Path

    @property
    def lines(self) -> list[bytes]:
        return self.file.read_bytes().splitlines()


@pytest.fixture(scope="module")
def router(cloud: Cloud, tmp_path_factory: pytest.TempPathFactory) -> Logged:
    """300 calls, the lines of each spread over three streams."""
    log = sample()
    streams = ("web/1", "web/2", "cron/1")
    group = cloud.create("/acme/prod/router-sample", *streams)
    for number, stream in enumerate(streams):
        cloud.put(group, events_of(log)[number::3], stream)
    file = tmp_path_factory.mktemp("router") / "router.jsonl"
    file.write_bytes(log)
    return Logged(group, file)


@pytest.fixture(scope="module")
def waiting(cloud: Cloud) -> Iterator[Running]:
    """A run that waits for a group; it looks every ten seconds, so others have their turn meanwhile."""
    words = ("tail", "--group", "/late/comer", "--wait", "--plain", "--endpoint-url", cloud.url)
    with running(*words, env=shell()) as program:
        yield program


@pytest.fixture(scope="module")
def unheard() -> Iterator[Running]:
    """A run that asks where nobody listens; it tries for half a minute."""
    with socket() as unused:
        unused.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{unused.getsockname()[1]}"
        with running("top", "--group", "router", "--endpoint-url", address, env=shell()) as program:
            yield program


@pytest.fixture(scope="module")
def followers(cloud: Cloud) -> Iterator[Future[None]]:
    """`follow`, which mostly waits, while the tests go on."""
    with ThreadPoolExecutor(1) as pool:
        yield pool.submit(follow, cloud)


def follow(cloud: Cloud) -> None:
    """Four runs on a group that grows, each of which ends in its own way, get every line once."""
    group = cloud.create("/acme/followed", "web/1", "web/2")
    cloud.put(group, calls_now("first@example.com", "r-0"))
    until = datetime.now(UTC) + timedelta(seconds=10)
    words = ("tail", "--group", group, "--endpoint-url", cloud.url)
    with (
        running(*words, "--plain") as plain,
        running(*words, "--json") as as_json,
        running(*words, "--json", "--until", f"{until:%Y-%m-%dT%H:%M:%S.%f}Z") as ending,
        piped(*words, "--plain") as unread,
    ):
        followers = (plain, as_json, ending)
        for follower in followers:
            follower.wait_for("r-0", LINES_OF_A_CALL)
        assert datetime.now(UTC) < until
        cloud.put(group, calls_now("next@example.com", "r-1"), "web/2")
        for follower in followers:
            follower.wait_for("r-1", LINES_OF_A_CALL)
        ended_by_itself = ending.ended(within=15)
        assert datetime.now(UTC) > until
        cloud.put(group, calls_now("last@example.com", "r-2"))
        for follower in (plain, as_json):
            follower.wait_for("r-2", LINES_OF_A_CALL)
        ran = [plain.stop(signal.SIGINT), as_json.stop(signal.SIGTERM), ended_by_itself]
        assert unread.wait(10) == 0
        assert unread.stderr is not None
        assert unread.stderr.read() == b""
    assert [one.code for one in ran] == [130, 143, 0]
    assert [one.err for one in ran] == [b""] * 3
    every = Counter({f"r-{number}": LINES_OF_A_CALL for number in range(3)})
    assert Counter(line.rpartition("request=")[2] for line in ran[0].text.splitlines()) == every
    assert Counter(event["request_id"] for event in ran[1].json_lines) == every
    del every["r-2"]
    assert Counter(event["request_id"] for event in ran[2].json_lines) == every


@contextmanager
def piped(*words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A run whose reader goes away after the first line, as head does."""
    program = process(*words, env=shell())
    assert program.stdout is not None
    assert program.stderr is not None
    try:
        assert b"Request started" in program.stdout.readline()
        program.stdout.close()
        yield program
    finally:
        program.kill()
        program.wait()
        program.stderr.close()


def test_a_group_that_is_not_there_yet_is_waited_for(
    cloud: Cloud, waiting: Running, unheard: Running, followers: Future[None]
) -> None:
    waiting.wait_for_word("/late/comer")
    assert "Waiting for it" in "".join(waiting.err)
    assert waiting.out == []
    assert unheard.program.poll() is None
    assert not followers.done()
    cloud.put(cloud.create("/late/comer"), calls_now("late@example.com", "r-late"))


def test_a_group_gives_the_tables_that_a_file_of_its_lines_gives(cloud: Cloud, router: Logged) -> None:
    times = [time for time, _ in events_of(router.file.read_bytes())]
    moments = (datetime.fromtimestamp((times[0] + passed) / 1000, UTC) for passed in (3_000, 8_000))
    since, until = (moment.isoformat().replace("+00:00", "Z") for moment in moments)
    window = ("--since", since, "--until", until)
    commands: tuple[tuple[str, ...], ...] = (
        ("top", "--json"),
        ("top", "--json", "--by", "model,status", *window),
        (
            "sql",
            "SELECT kind, count(*) AS n, sum(output_tokens) AS o FROM events GROUP BY ALL ORDER BY 1",
            "--json",
        ),
    )
    of_group = cloud.runs(*((*command, "--group", router.group, *QUICK) for command in commands))
    of_file = [run(*command, router.file) for command in commands]
    for ran in (*of_group, *of_file):
        assert (ran.code, ran.err) == (0, b"")
    whole, part, rows = (ran.document for ran in of_group)
    assert whole == of_file[0].document
    assert whole["counters"]["lines"] == len(router.lines) == 1982
    assert rows == of_file[2].document
    # Of a window only that window's lines are read, so their number differs.
    assert {**part, "counters": None} == {**of_file[1].document, "counters": None}
    assert 0 < part["totals"]["requests"] < whole["totals"]["requests"] == 300


@pytest.fixture(scope="module")
def edge(cloud: Cloud) -> tuple[str, str]:
    """Two groups: one with a user in each of two streams, one with a third user."""
    alpha = cloud.create("/acme/edge/Alpha", "web/1", "cron/1")
    beta = cloud.create("/acme/edge/beta")
    cloud.put(alpha, calls_now("web@example.com", "r-1", "r-2"))
    cloud.put(alpha, calls_now("cron@example.com", "r-3"), "cron/1")
    cloud.put(beta, calls_now("beta@example.com", "r-4"))
    return alpha, beta


def test_groups_are_named_in_many_ways(cloud: Cloud, edge: tuple[str, str]) -> None:
    alpha, _ = edge
    described = cloud.ask("DescribeLogGroups", logGroupNamePrefix=alpha)["logGroups"][0]
    assert described["arn"].endswith(":*")
    in_alpha, in_beta = {"web@example.com": 2, "cron@example.com": 1}, {"beta@example.com": 1}
    cases: list[tuple[tuple[str, ...], dict[str, int]]] = [
        (("--group", "ALPHA"), in_alpha),
        (("--group", described["arn"]), in_alpha),
        (("--group", described["logGroupArn"]), in_alpha),
        (("--group", "/acme/edge/*"), in_alpha | in_beta),
        (("--group", alpha, "--group", "beta", "--group", "edge/Alpha"), in_alpha | in_beta),
        (("--group", alpha, "--stream", "cron/"), {"cron@example.com": 1}),
    ]
    ran = cloud.runs(*(("top", "--by", "user", "--json", *words, *QUICK) for words, _ in cases))
    for (words, users), one in zip(cases, ran, strict=True):
        assert (one.code, one.err) == (0, b""), (words, one)
        assert {row["user"]: row["requests"] for row in one.document["rows"]} == users, words


def test_groups_and_files_go_together(cloud: Cloud, edge: tuple[str, str], router: Logged) -> None:
    words = (router.file, "--group", edge[0], "--group", "beta", *QUICK)
    top, tail = cloud.runs(("top", "--json", *words), ("tail", "--json", "--no-follow", *words))
    assert top.document["totals"]["requests"] == 300 + 3 + 1
    assert top.document["counters"]["lines"] == len(router.lines) + 4 * LINES_OF_A_CALL
    said = Counter(event["request_id"] for event in tail.json_lines)
    assert said == Counter(json.loads(line)["request_id"] for line in router.lines) + Counter(
        {f"r-{number}": LINES_OF_A_CALL for number in range(1, 5)}
    )


def test_tail_prints_each_line_once_in_the_order_of_time(cloud: Cloud, router: Logged) -> None:
    words = ("tail", "--group", router.group, *ONCE)
    plain, as_json = cloud.runs((*words, "--plain"), (*words, "--json"))
    for ran in (plain, as_json):
        assert (ran.code, ran.err) == (0, b"")
    lines = plain.text.splitlines()
    assert lines == sorted(lines, key=lambda line: line[:24])
    assert Counter(lines) == Counter(run("tail", router.file, "--no-follow", "--plain").text.splitlines())

    events = as_json.json_lines
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    written = Counter(map(_what_is_said, map(json.loads, router.lines)))
    assert Counter((event["time"], event["request_id"], event["message"]) for event in events) == written
    assert {event["source"] for event in events} == {
        f"{router.group}/{stream}" for stream in ("web/1", "web/2", "cron/1")
    }


def _what_is_said(line: dict[str, str]) -> tuple[str, ...]:
    return line["timestamp"], line["request_id"], line["message"]


def odd_messages() -> dict[str, str]:
    """What is no plain line of JSON, by what it is."""
    one, two, three, four, five, *_ = [text.strip() for _, text in calls_now("odd@example.com", "r-odd")]
    return {
        "not JSON": "Traceback (most recent call last):",
        "text of lines": '  File "x.py", line 1\n    boom()\n',
        "empty": "",
        "blank": "   ",
        "long": one[:-1] + ', "user_agent": "' + "x" * 250_000 + '"}',
        "two objects": f"{two}\n{three}",
        "indented": json.dumps(json.loads(four), indent=2),
        "FireLens": json.dumps(
            {"container_id": "c0ffee", "container_name": "router", "source": "stdout", "log": five}
        ),
    }


@pytest.fixture(scope="module")
def odd(cloud: Cloud) -> str:
    """A group with odd messages between two calls."""
    group = cloud.create("/acme/odd", "web/1", "web/2")
    now = int((datetime.now(UTC) - timedelta(seconds=4)).timestamp() * 1000)
    messages: list[Event] = [(now + place, text) for place, text in enumerate(odd_messages().values())]
    cloud.put(group, [*messages, *calls_now("even@example.com", "r-even")])
    cloud.put(group, calls_now("other@example.com", "r-other"), "web/2")
    return group


def test_odd_messages_are_lines_too(cloud: Cloud, odd: str) -> None:
    words = ("--group", odd, *QUICK)
    top, tail = cloud.runs(("top", "--json", *words), ("tail", "--no-follow", "--plain", *words))
    calls = 2 * LINES_OF_A_CALL
    counters = top.document["counters"]
    assert (counters["malformed"], counters["unrecognised"]) == (2, 0)
    assert counters["events"] == 5 + calls
    assert counters["lines"] == 2 + 5 + calls
    assert {row["user"] for row in top.document["rows"]} == {
        f"{who}@example.com" for who in ("even", "other", "odd")
    }
    assert "2 lines were malformed" in tail.narration
    lines = tail.text.splitlines()
    assert len(lines) == counters["lines"]
    assert sum("malformed" in line and "Traceback" in line for line in lines) == 1
    assert (
        sum("malformed" in line and 'File "x.py", line 1' in line and "boom()" in line for line in lines) == 1
    )
    assert sum("r-odd" in line for line in lines) == 5
    assert max(map(len, lines)) < 1_000


def test_a_recording_holds_every_event_and_reads_like_the_group(
    cloud: Cloud, odd: str, tmp_path: Path
) -> None:
    record = tmp_path / "kept.jsonl"
    words = ("tail", "--group", odd, *ONCE, "--plain", "--endpoint-url", cloud.url)
    mask = os.umask(0)
    try:
        tail = run(*words, "--record", record)
    finally:
        os.umask(mask)
    assert tail.code == 0
    assert stat.S_IMODE(record.stat().st_mode) == 0o600

    kept = [json.loads(line) for line in record.read_bytes().splitlines()]
    keys = ["group", "stream", "timestamp", "ingestion_time", "event_id", "message"]
    assert [list(line) for line in kept] == [keys] * len(kept)
    held = cloud.ask("FilterLogEvents", logGroupName=odd)["events"]
    assert sorted(kept, key=lambda line: int(line["event_id"])) == [
        {
            "group": odd,
            "stream": event["logStreamName"],
            "timestamp": event["timestamp"],
            "ingestion_time": event["ingestionTime"],
            "event_id": event["eventId"],
            "message": event["message"],
        }
        for event in sorted(held, key=lambda event: int(event["eventId"]))
    ]

    refused = run(*words, "--record", record)
    assert_refused(refused, 2, str(record), "another file")
    assert len(record.read_bytes().splitlines()) == len(held)

    assert (
        run("top", record, "--json").document == cloud.run("top", "--group", odd, "--json", *QUICK).document
    )
    again = run("tail", record, "--no-follow", "--plain")
    replayed = run("replay", record, "--speed", "1000000")
    for ran in (again, replayed):
        assert ran.code == 0
        assert Counter(ran.text.splitlines()) == Counter(tail.text.splitlines())
        assert ran.narration == tail.narration


ELSEWHERE = "arn:aws:logs:eu-west-1:123456789012:log-group:/acme/prod/router-sample"
REFUSED: dict[str, tuple[int, tuple[str, ...], tuple[str, ...]]] = {
    "slip of the pen": (
        3,
        ("tail", "--plain", "--group", "ruoter-sample"),
        ("ruoter-sample", "/acme/prod/router-sample"),
    ),
    "prefix of none": (3, ("top", "--group", "/none/*"), ("/none/",)),
    "ambiguous": (2, ("top", "--group", "acme/edge"), ("/acme/edge/Alpha", "/acme/edge/beta", "in full")),
    "no name": (2, ("top", "--group", "a b"), ("a b", "letters")),
    "half an ARN": (
        2,
        ("top", "--group", "arn:aws:logs:us-east-1"),
        ("arn:aws:logs:us-east-1", "write arn:"),
    ),
    "another region": (2, ("top", "--group", ELSEWHERE), ("eu-west-1", REGION, "--region eu-west-1")),
    "empty region": (3, ("top", "--group", "edge/beta", "--region", "eu-west-1"), ("edge/beta", "--region")),
    "no region": (3, ("top", "--group", "edge/beta", "--region", "no region"), ("no region", "--region")),
    "unknown profile": (
        3,
        ("top", "--group", "edge/beta", "--profile", "oncall"),
        ("oncall", "aws configure"),
    ),
    "database": (2, ("top", "--group", "edge/beta", "--db", "x.duckdb"), ("--db", "--record")),
    "empty": (2, ("tail", "--plain", "--group", ""), ("--group is empty",)),
    "no requests": (2, ("top", "--group", "edge/beta", "--max-tps", "0"), ("--max-tps 0", "more than 0")),
    "not a number": (2, ("top", "--group", "edge/beta", "--max-tps", "nan"), ("--max-tps nan",)),
}
NO_CREDENTIALS = (
    ("sql", "SELECT 1", "--group", "edge/beta"),
    ("tail", "--plain", "--group", "/acme/edge/beta"),
)


@pytest.fixture(scope="module")
def refusals(cloud: Cloud, edge: tuple[str, str], router: Logged) -> dict[str, Ran]:
    """How the runs of REFUSED end, where these groups are."""
    assert (*edge, router.group) == ("/acme/edge/Alpha", "/acme/edge/beta", "/acme/prod/router-sample")
    with ThreadPoolExecutor(4) as pool:
        ran = pool.map(lambda case: cloud.run(*case[1]), REFUSED.values())
        return dict(zip(REFUSED, ran, strict=True))


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused_in_a_sentence(name: str, refusals: dict[str, Ran]) -> None:
    code, _, words = REFUSED[name]
    assert_refused(refusals[name], code, *words)


def test_live_needs_a_group(router: Logged) -> None:
    for option in ("--live", "--wait"):
        assert_refused(run("tail", router.file, option), 2, f"{option} goes with --group")


def test_without_credentials_the_ways_to_some_are_named(cloud: Cloud) -> None:
    started = [process(*words, "--endpoint-url", cloud.url, env=shell({})) for words in NO_CREDENTIALS]
    for program in started:
        assert_refused(ended(program), 3, "credentials", "aws sso login", "--profile", "AWS_ACCESS_KEY_ID")


def test_what_can_be_read_is_read_although_something_cannot(cloud: Cloud, edge: tuple[str, str]) -> None:
    words = ("--group", edge[1], "--group", "/none/such", *QUICK)
    top, tail = cloud.runs(("top", "--json", *words), ("tail", "--plain", "--no-follow", *words))
    for ran in (top, tail):
        assert ran.code == 3
        assert ran.narration.startswith("llmwatch: No log group is named /none/such")
        assert ran.narration.count("\n") == 1
    assert top.document["totals"]["requests"] == 1
    assert len(tail.text.splitlines()) == LINES_OF_A_CALL


def test_followers_get_every_line_once_however_they_end(followers: Future[None]) -> None:
    followers.result()


def test_a_group_that_came_is_followed(cloud: Cloud, waiting: Running) -> None:
    waiting.wait_for("r-late", LINES_OF_A_CALL)
    cloud.put("/late/comer", calls_now("late@example.com", "r-later"))
    waiting.wait_for("r-later", LINES_OF_A_CALL)
    ran = waiting.stop(signal.SIGINT)
    assert ran.code == 130
    assert len(waiting.out) == 2 * LINES_OF_A_CALL
    first, *rest = ran.narration.splitlines()
    assert "Waiting for it" in first
    assert all("read again" in line for line in rest)


def test_where_nobody_listens_the_address_is_named(unheard: Running) -> None:
    ran = unheard.ended(within=60)
    assert_refused(ran, 3, "nothing answers at http://127.0.0.1:", "--endpoint-url")


def test_entries_of_an_audit_log_that_arrive_in_a_group_are_verified_and_are_calls(
    cloud: Cloud, tmp_path: Path
) -> None:
    began = datetime.now(UTC) - timedelta(minutes=10)
    first = int(began.timestamp() * 1000)
    lines = [line.decode().rstrip("\n") for line in recipe.lines(recipe.entries(40, began=began))]
    group = cloud.create("/acme/prod/audit", "gateway/1", "gateway/2")
    cloud.put(group, [(first + 2000 * number, line) for number, line in enumerate(lines)], "gateway/1")
    lines = [line.decode().rstrip("\n") for line in recipe.lines(recipe.entries(40, 1, began))]
    lines[16] = lines[16].replace('"status": "success"', '"status": "error"').replace("user-", "user+", 1)
    cloud.put(group, [(first + 2000 * number, line) for number, line in enumerate(lines)], "gateway/2")
    secret = tmp_path / "audit.secret"
    secret.write_text(recipe.SECRET + "\n")
    secret.chmod(0o600)
    whole = ("verify", "--group", group, "--since", "1h", "--key-file", secret, "--json", *QUICK)
    ran = cloud.run(*whole, "--stream", "gateway/1")
    assert (ran.code, ran.document["verdict"]) == (0, "ok"), ran.narration
    assert ran.document["coverage"]["hmac_ok"] == 40
    ran = cloud.run(*whole)
    assert (ran.code, ran.document["verdict"], ran.document["counts"]) == (1, "tampered", {"edited": 1})
    assert ran.document["first_bad"]["line"] == 17
    assert ran.document["first_bad"]["file"].endswith("gateway/2")
    top = cloud.run("top", "--group", group, "--since", "1h", "--by", "dialect", "--json", *QUICK)
    assert [(row["dialect"], row["requests"]) for row in top.document["rows"]] == [("openrouter", 80)]
