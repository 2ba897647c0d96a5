"""What is sent, what comes back, the service's clock, Live Tail, and one client for all threads."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from llmwatch import __version__
from llmwatch.sources.cloudwatch.access import check_access, credentials_summary
from llmwatch.sources.cloudwatch.api import CallFailed, EventPage, Group, LiveUpdate, LogEvent, LogsApi
from llmwatch.sources.cloudwatch.client import CloudWatch, Connection
from llmwatch.sources.cloudwatch.names import find_groups
from tests.sources.cloudwatch.answering import DATE, KEYS, MOMENT, Reply, answering, error, frame, machine

ARN = "arn:aws:logs:us-east-1:123456789012:log-group:/ecs/router"
OWN = Group("/ecs/router", "/ecs/router", ARN)
LINKED = Group("/ecs/other", ARN.replace("router", "other"), ARN.replace("router", "other"))


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path)


def sent(reply: Reply, call: Any) -> tuple[dict[str, Any], Any]:
    """What `call` sends, and what it returns."""
    with answering(reply) as service:
        api: LogsApi = CloudWatch(Connection(endpoint_url=service.url))
        returned = call(api)
        return service.asked[-1], returned


EVENTS: list[LogEvent] = [
    {"logStreamName": "task/1", "timestamp": 1, "ingestionTime": 2, "message": "a", "eventId": "x"},
    {"logStreamName": "other/1", "timestamp": 1, "ingestionTime": 2, "message": "b", "eventId": "y"},
]


def test_filter_events_sends_no_more_than_is_asked() -> None:
    reply = Reply({"events": EVENTS, "searchedLogStreams": [], "nextToken": "n"})
    request, page = sent(reply, lambda api: api.filter_events(OWN, start=5, end=None))
    assert request == {"logGroupName": "/ecs/router", "startTime": 5, "interleaved": True}
    assert page == EventPage(EVENTS, "n")


def test_filter_events_applies_the_stream_prefix_itself_too() -> None:
    request, page = sent(
        Reply({"events": EVENTS}),
        lambda api: api.filter_events(
            LINKED, start=0, end=9, token="t", stream_prefix="task/", pattern='"Stream usage emitted"'
        ),
    )
    assert request == {
        "logGroupIdentifier": LINKED.arn,
        "startTime": 0,
        "endTime": 9,
        "nextToken": "t",
        "logStreamNamePrefix": "task/",
        "filterPattern": '"Stream usage emitted"',
        "interleaved": True,
    }
    assert page == EventPage(EVENTS[:1], None)


def test_describe_groups_filters_itself_too() -> None:
    reply = Reply(
        {
            "logGroups": [
                {"logGroupName": "/ecs/router", "arn": ARN + ":*", "creationTime": 3},
                {"logGroupName": "/other", "arn": "x", "logGroupArn": "y", "storedBytes": 4},
                {
                    "logGroupName": "/ecs/Router",
                    "arn": "z:*",
                    "logGroupArn": "z",
                    "storedBytes": 0,
                    "retentionInDays": 7,
                },
            ],
            "nextToken": "n",
        }
    )
    request, page = sent(reply, lambda api: api.describe_groups(containing="router"))
    assert request == {"limit": 50, "logGroupNamePattern": "router"}
    assert page.groups == (
        Group("/ecs/router", "/ecs/router", ARN, 3, None),
        Group("/ecs/Router", "/ecs/Router", "z", None, 0, 7),
    )
    assert page.token == "n"
    request, page = sent(reply, lambda api: api.describe_groups(prefix="/ecs", token="t"))
    assert request == {"limit": 50, "logGroupNamePrefix": "/ecs", "nextToken": "t"}
    assert len(page.groups) == 3


@pytest.mark.parametrize(
    ("groups", "named"),
    [
        ([OWN], {"logGroupNames": ["/ecs/router"]}),
        ([OWN, LINKED], {"logGroupIdentifiers": ["/ecs/router", LINKED.arn]}),
    ],
)
def test_start_query(groups: list[Group], named: dict[str, Any]) -> None:
    request, query = sent(
        Reply({"queryId": "q"}), lambda api: api.start_query(groups, "fields a", since=1, until=2, limit=3)
    )
    assert request == {"queryString": "fields a", "startTime": 1, "endTime": 2, "limit": 3, **named}
    assert query == "q"


def test_query_results_page_and_leave_the_pointer_out() -> None:
    results = [
        [{"field": "user", "value": "a"}, {"field": "@ptr", "value": "p"}],
        [{"field": "@ptr", "value": "p"}],
    ]
    body = {"status": "Running", "results": results, "nextToken": "n", "statistics": {"bytesScanned": 7.0}}
    request, page = sent(Reply(body), lambda api: api.query_results("q", "t"))
    assert request == {"queryId": "q", "nextToken": "t"}
    assert (page.status, page.rows, page.token) == ("Running", ({"user": "a"}, {}), "n")
    assert (page.records_matched, page.records_scanned, page.bytes_scanned) == (None, None, 7.0)


def test_stop_query() -> None:
    request, _ = sent(Reply({"success": True}), lambda api: api.stop_query("q"))
    assert request == {"queryId": "q"}


def test_one_failure_is_one_request_and_says_who_asks() -> None:
    with answering(error("ThrottlingException"), Reply({"events": []})) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        with pytest.raises(CallFailed):
            api.filter_events(OWN, start=0, end=None)
        assert len(service.asked) == 1
        assert f"llmwatch/{__version__}" in service.agents[0]


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


def test_the_service_time_is_that_of_the_last_response_and_the_time_since() -> None:
    clock = Clock()
    later = DATE.replace("10:00:00", "10:00:30")
    replies = Reply({"events": []}), error("ThrottlingException"), Reply({"events": []}, date="soon")
    with answering(*replies, Reply({"events": []}, date=later)) as service:
        api = CloudWatch(Connection(endpoint_url=service.url), clock=clock)
        assert api.service_time() is None
        api.filter_events(OWN, start=0, end=None)
        clock.now += 7
        assert api.service_time() == MOMENT + 7
        with pytest.raises(CallFailed):
            api.filter_events(OWN, start=0, end=None)
        assert api.service_time() == MOMENT, "an error has a date too"
        clock.now += 1
        api.filter_events(OWN, start=0, end=None)
        assert api.service_time() == MOMENT + 1, "a date that is none is passed over"
        api.filter_events(OWN, start=0, end=None)
        assert api.service_time() == MOMENT + 30


def test_the_clock_of_something_on_the_way_is_not_the_services() -> None:
    later = DATE.replace("10:00:00", "11:00:00")
    page = Reply(b"<html>busy</html>", 503, later, "text/html", foreign=True)
    with answering(Reply({"events": []}), page) as service:
        api = CloudWatch(Connection(endpoint_url=service.url), clock=Clock())
        api.filter_events(OWN, start=0, end=None)
        with pytest.raises(CallFailed):
            api.filter_events(OWN, start=0, end=None)
        assert api.service_time() == MOMENT


def test_the_service_time_is_never_ahead_of_the_service(moto: str) -> None:
    api = CloudWatch(Connection(endpoint_url=moto))
    for _ in range(20):
        api.describe_groups()
        told = api.service_time()
        assert told is not None
        assert -1.5 < told - time.time() <= 0


def test_many_threads_share_one_client(monkeypatch: pytest.MonkeyPatch) -> None:
    made = []
    real = boto3.Session.client

    def client(self: Any, *arguments: Any, **named: Any) -> Any:
        made.append(threading.get_ident())
        return real(self, *arguments, **named)

    monkeypatch.setattr(boto3.Session, "client", client)
    with answering(Reply({"events": EVENTS})) as service, ThreadPoolExecutor(8) as pool:
        api = CloudWatch(Connection(endpoint_url=service.url))
        assert made == []
        pages = list(pool.map(lambda start: api.filter_events(OWN, start=start, end=None), range(24)))
        assert pages == [EventPage(EVENTS, None)] * 24
        assert sorted(request["startTime"] for request in service.asked) == list(range(24))
        assert len(made) == 1
        api.renew()
        api.filter_events(OWN, start=0, end=None)
        assert len(made) == 2


def test_renew_finds_new_credentials_on_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, {"AWS_DEFAULT_REGION": "us-east-1"})
    with answering(Reply({"events": []})) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        with pytest.raises(CallFailed) as caught:
            api.filter_events(OWN, start=0, end=None)
        assert caught.value.kind == "credentials"
        (tmp_path / "credentials").write_text("[default]\naws_access_key_id=a\naws_secret_access_key=b\n")
        api.renew()
        assert api.filter_events(OWN, start=0, end=None) == EventPage([], None)


STREAM = "application/vnd.amazon.eventstream"


def opened(*events: bytes, hold: bool = False, cut: bool = False) -> Reply:
    start = frame("initial-response", {}), frame("sessionStart", {"sessionId": "s"})
    return Reply(content_type=STREAM, chunks=(*start, *events), hold=hold, cut=cut)


def update(*names: str, sampled: bool = False) -> bytes:
    results = [{"logGroupIdentifier": name, "logStreamName": "task/1", "message": name} for name in names]
    return frame("sessionUpdate", {"sessionMetadata": {"sampled": sampled}, "sessionResults": results})


def test_live_tail_names_groups_by_arn() -> None:
    names = [ARN, f"{ARN}:*", "123456789012:/ecs/router", "/ecs/router", "unknown"]
    reply = opened(update(*names), update(sampled=True))
    request, session = sent(
        reply, lambda api: api.start_live_tail([OWN, Group("/ecs/other", LINKED.arn + ":*", "")], pattern="p")
    )
    assert request == {"logGroupIdentifiers": [ARN, LINKED.arn], "logEventFilterPattern": "p"}
    first, second = session.updates()
    session.close()
    assert [arn for arn, _ in first.events] == [ARN] * 4 + ["unknown"]
    assert [event["message"] for _, event in first.events] == names
    assert (first.sampled, second) == (False, LiveUpdate((), sampled=True))


def test_live_tail_applies_the_stream_prefix_itself_too() -> None:
    request, session = sent(opened(update("a")), lambda api: api.start_live_tail([OWN], stream_prefix="web/"))
    assert request["logStreamNamePrefixes"] == ["web/"]
    assert list(session.updates()) == [LiveUpdate((), sampled=False)]
    session.close()


def test_live_tail_without_an_arn_is_refused_with_the_way_out() -> None:
    with pytest.raises(CallFailed, match="logs:DescribeLogGroups"):
        CloudWatch(Connection()).start_live_tail([Group("a", "a", "")])


def test_a_live_session_ends_quietly_after_its_hours() -> None:
    end = frame("SessionTimeoutException", {"message": "3 hours"}, "exception")
    _, session = sent(opened(update("a"), end), lambda api: api.start_live_tail([OWN]))
    assert len(list(session.updates())) == 1
    session.close()


def test_a_web_page_tells_no_time() -> None:
    with answering(Reply(b"<html></html>", content_type="text/html")) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        with pytest.raises(CallFailed):
            api.describe_groups()
        assert api.service_time() is None


@pytest.mark.parametrize(
    "reply",
    [
        opened(update("a"), frame("SessionStreamingException", {"message": "why"}, "exception")),
        opened(update("a"), cut=True),
        opened(update("a"), update("b")[:-3] + b"odd"),
    ],
)
def test_a_live_session_that_breaks_is_unreachable(reply: Reply) -> None:
    with answering(reply) as service:
        session = CloudWatch(Connection(endpoint_url=service.url)).start_live_tail([OWN])
        updates = session.updates()
        assert len(next(updates).events) == 1
        with pytest.raises(CallFailed) as caught:
            next(updates)
        assert caught.value.kind == "unreachable"
        session.close()


def test_close_wakes_the_thread_that_waits() -> None:
    with answering(opened(update("a"), hold=True)) as service:
        session = CloudWatch(Connection(endpoint_url=service.url)).start_live_tail([OWN])
        seen: queue.Queue[object] = queue.Queue()

        def follow() -> None:
            for one in session.updates():
                seen.put(one)
            seen.put("ended")

        thread = threading.Thread(target=follow)
        thread.start()
        assert isinstance(seen.get(timeout=5), LiveUpdate)
        session.close()
        assert seen.get(timeout=5) == "ended"
        thread.join(5)
        assert not thread.is_alive()
        session.close()


@pytest.fixture(scope="module")
def moto() -> Iterator[str]:
    """The address of a moto server with two groups and some events."""
    logging.getLogger("werkzeug").setLevel(logging.CRITICAL)
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    url = f"http://{host}:{port}"
    writer: Any = boto3.client(
        "logs", endpoint_url=url, region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b"
    )
    for name in ("/ecs/router", "/ecs/other"):
        writer.create_log_group(logGroupName=name)
    now = int(time.time() * 1000)
    for stream in ("task/1", "web/1"):
        writer.create_log_stream(logGroupName="/ecs/router", logStreamName=stream)
        events = [{"timestamp": now - 1000 + number, "message": f"{stream} {number}"} for number in range(3)]
        writer.put_log_events(logGroupName="/ecs/router", logStreamName=stream, logEvents=events)
    writer.close()
    yield url
    server.stop()


def test_moto_from_a_short_name_to_events(moto: str) -> None:
    api = CloudWatch(Connection(endpoint_url=moto))
    (group,) = find_groups(api, "cs/Router")
    assert (group.name, group.arn) == ("/ecs/router", ARN)
    assert find_groups(api, ARN + ":*") == (group,)
    page = api.filter_events(group, start=0, end=None, stream_prefix="task/")
    assert [event["message"] for event in page.events] == ["task/1 0", "task/1 1", "task/1 2"]
    query = api.start_query([group], "fields @message", since=0, until=int(time.time()) + 9)
    assert len(api.query_results(query).rows) == 6
    with pytest.raises(CallFailed) as caught:
        api.filter_events(Group("gone", "gone", ""), start=0, end=None)
    assert caught.value.kind == "missing"
    api.renew()


def test_access_is_tried_without_cost(moto: str) -> None:
    api = CloudWatch(Connection(endpoint_url=moto))
    assert list(check_access(api, OWN)) == [
        ("logs:DescribeLogGroups", "allowed"),
        ("logs:FilterLogEvents", "allowed"),
    ]
    with answering(Reply({"logGroups": []}), error("AccessDeniedException", "no")) as service:
        verdicts = dict(check_access(CloudWatch(Connection(endpoint_url=service.url)), OWN))
        assert "docs/cloudwatch.md" in verdicts["logs:FilterLogEvents"]
        assert service.asked[1]["startTime"] == service.asked[1]["endTime"]


CONFIG = """
[profile work]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = base
region = eu-west-1
[profile base]
aws_access_key_id = AKIAHUSH
aws_secret_access_key = hush
[profile box]
role_arn = arn:aws:iam::123456789012:role/reader
credential_source = Ec2InstanceMetadata
[profile loop]
role_arn = arn:aws:iam::123456789012:role/reader
source_profile = loop
aws_access_key_id = AKIAHUSH
aws_secret_access_key = hush
"""


@pytest.mark.parametrize(
    ("connection", "environment", "words"),
    [
        (Connection(), KEYS, ["environment", "us-east-1"]),
        (Connection(), {**KEYS, "AWS_PROFILE": "work"}, ["environment", "profile work", "us-east-1"]),
        (
            Connection(profile="work"),
            KEYS,
            ["keys from the AWS files of profile base", "role/reader", "profile work"],
        ),
        (Connection(region="eu-north-1", profile="box"), {}, ["EC2", "role/reader", "eu-north-1"]),
        (Connection(profile="loop"), {}, ["keys from the AWS files, then role", "--region"]),
        (Connection(profile="gone"), KEYS, ["no profile gone"]),
        (Connection(), {"AWS_CONTAINER_CREDENTIALS_FULL_URI": "http://x"}, ["container"]),
    ],
)
def test_the_credentials_are_told_without_a_secret_or_a_request(
    connection: Connection,
    environment: dict[str, str],
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name)
    machine(monkeypatch, tmp_path, environment, CONFIG)

    def refuse(*_: object) -> None:
        raise AssertionError("a request")

    monkeypatch.setattr("socket.socket.connect", refuse)
    summary = credentials_summary(connection)
    assert [word for word in words if word not in summary] == []
    assert "hush" not in summary.lower()
