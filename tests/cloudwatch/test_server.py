"""Every operation over HTTP, by boto3."""

from __future__ import annotations

import datetime
import time
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from tests.cloudwatch.errors import MalformedQueryError
from tests.cloudwatch.faults import FaultPlan, LivePlan, Window
from tests.cloudwatch.insights import Insights, Script, Statistics
from tests.cloudwatch.model import Model
from tests.cloudwatch.server import FakeServer

pytestmark = pytest.mark.timeout(30)


def now() -> int:
    return int(time.time() * 1000)


@pytest.fixture(autouse=True)
def no_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        "AWS_CONFIG_FILE": "/dev/null",
        "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
        "HOME": "/nonexistent",
    }.items():
        monkeypatch.setenv(name, value)
    for name in ("AWS_PROFILE", "AWS_DEFAULT_REGION", "AWS_REGION", "AWS_ENDPOINT_URL"):
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def server() -> Iterator[FakeServer]:
    model = Model()
    model.create_group("router")
    script = Script(rows=[{"n": "1"}, {"n": "2"}], statistics=Statistics(2, 3, 4), steps=())
    bad = Script(text="bad", malformed=MalformedQueryError("unexpected symbol", 3, 5))
    with FakeServer(model, insights=Insights([bad, script], page_rows=1)) as running:
        yield running


@pytest.fixture
def logs(server: FakeServer) -> Iterator[Any]:
    with server.client() as client:
        yield client


def code_of(error: Any) -> str:
    return str(error.value.response["Error"]["Code"])


def test_put_and_filter(server: FakeServer, logs: Any) -> None:
    logs.create_log_group(logGroupName="fresh")
    logs.create_log_stream(logGroupName="fresh", logStreamName="web/1")
    at = now()
    batch = [{"timestamp": at + number, "message": f"line {number} é"} for number in range(3)]
    logs.put_log_events(logGroupName="fresh", logStreamName="web/1", logEvents=batch)
    answer = logs.filter_log_events(logGroupName="fresh", limit=2)
    assert [event["message"] for event in answer["events"]] == ["line 0 é", "line 1 é"]
    assert set(answer["events"][0]) == {"eventId", "timestamp", "ingestionTime", "logStreamName", "message"}
    rest = logs.filter_log_events(logGroupName="fresh", limit=2, nextToken=answer["nextToken"])
    assert [event["message"] for event in rest["events"]] == ["line 2 é"]
    assert "nextToken" not in rest
    assert [request.operation for request in server.requests] == [
        "CreateLogGroup",
        "CreateLogStream",
        "PutLogEvents",
        "FilterLogEvents",
        "FilterLogEvents",
    ]
    assert server.model.truth("fresh").total() == 3


def test_put_refuses_what_the_service_refuses(logs: Any) -> None:
    logs.create_log_stream(logGroupName="router", logStreamName="s")

    def put(*times: int, message: str = "x") -> Any:
        batch = [{"timestamp": time, "message": message} for time in times]
        return logs.put_log_events(logGroupName="router", logStreamName="s", logEvents=batch)

    for times, message in [((now(), now() - 5_000), "x"), ((now(),), "x" * 1_048_551)]:
        with pytest.raises(logs.exceptions.InvalidParameterException):
            put(*times, message=message)
    answer = put(now() - 15 * 86_400_000)
    assert answer["rejectedLogEventsInfo"] == {"tooOldLogEventEndIndex": 1}
    assert put(now(), now() + 7_300_000)["rejectedLogEventsInfo"] == {"tooNewLogEventStartIndex": 1}
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.put_log_events(
            logGroupName="router", logStreamName="none", logEvents=[{"timestamp": now(), "message": "x"}]
        )
    with pytest.raises(logs.exceptions.ResourceAlreadyExistsException):
        logs.create_log_group(logGroupName="router")


def test_put_events_can_be_seen_later() -> None:
    with FakeServer(faults=FaultPlan(visible_after=(0.2, 0.2))) as server, server.client() as logs:
        logs.create_log_group(logGroupName="g")
        logs.create_log_stream(logGroupName="g", logStreamName="s")
        logs.put_log_events(
            logGroupName="g", logStreamName="s", logEvents=[{"timestamp": now(), "message": "x"}]
        )
        counts = []
        deadline = time.monotonic() + 10
        while 1 not in counts and time.monotonic() < deadline:
            counts.append(len(logs.filter_log_events(logGroupName="g")["events"]))
            time.sleep(0.02)
        assert counts[0] == 0
        assert counts[-1] == 1


def test_groups_and_streams(server: FakeServer, logs: Any) -> None:
    server.model.create_group("Other-router")
    server.model.create_group("linked", account="999999999999")
    for stream in ("b", "a"):
        server.model.add("router", now() - (5 if stream == "a" else 0), "x", stream=stream, visible_at=0)

    def names(**params: Any) -> list[str]:
        return [group["logGroupName"] for group in logs.describe_log_groups(**params)["logGroups"]]

    assert names() == ["Other-router", "router"]
    assert names(includeLinkedAccounts=True) == ["Other-router", "linked", "router"]
    assert names(logGroupNamePrefix="rou") == ["router"]
    assert names(logGroupNamePattern="router") == ["Other-router", "router"]
    assert names(logGroupNamePattern="Router") == []
    answer = logs.describe_log_groups(limit=1)
    assert answer["logGroups"][0]["arn"].endswith(":log-group:Other-router:*")
    assert answer["logGroups"][0]["logGroupArn"].endswith(":log-group:Other-router")
    assert names(nextToken=answer["nextToken"]) == ["router"]
    streams = logs.describe_log_streams(logGroupName="router")["logStreams"]
    assert [stream["logStreamName"] for stream in streams] == ["a", "b"]
    newest = logs.describe_log_streams(logGroupName="router", orderBy="LastEventTime", descending=True)
    assert [stream["logStreamName"] for stream in newest["logStreams"]] == ["b", "a"]
    linked = "arn:aws:logs:eu-central-1:999999999999:log-group:linked"
    assert logs.filter_log_events(logGroupIdentifier=linked)["events"] == []
    for wrong in ({"logGroupName": "linked"}, {"logGroupIdentifier": f"{linked}x"}):
        with pytest.raises(logs.exceptions.ResourceNotFoundException):
            logs.filter_log_events(**wrong)
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.filter_log_events(
            logGroupName="router", logStreamNames=["a"], logStreamNamePrefix="a", startTime=0
        )


def test_the_date_is_the_services(server: FakeServer, logs: Any) -> None:
    server.set_faults(FaultPlan(clock_offset=-3_600))
    answer = logs.filter_log_events(logGroupName="router")
    date = parsedate_to_datetime(answer["ResponseMetadata"]["HTTPHeaders"]["date"])
    behind = datetime.datetime.now(datetime.UTC) - date
    assert 3_599 < behind.total_seconds() < 3_611


def test_refusals_have_the_codes_and_words_of_the_service(server: FakeServer, logs: Any) -> None:
    from botocore.exceptions import ClientError, ConnectionClosedError

    def failing(faults: FaultPlan) -> Any:
        server.set_faults(faults)
        with pytest.raises(ClientError) as caught:
            logs.filter_log_events(logGroupName="router")
        return caught

    assert code_of(failing(FaultPlan(throttle=0.999999))) == "ThrottlingException"
    assert code_of(failing(FaultPlan(expired=(Window(),)))) == "ExpiredTokenException"
    denied = failing(FaultPlan(denied=("FilterLogEvents",)))
    assert code_of(denied) == "AccessDeniedException"
    assert "not authorized to perform: logs:FilterLogEvents on resource" in str(denied.value)
    server.set_faults(FaultPlan(outages=(Window(),)))
    with pytest.raises(ConnectionClosedError):
        logs.filter_log_events(logGroupName="router")
    server.set_faults(FaultPlan())
    with pytest.raises(logs.exceptions.InvalidParameterException, match="The specified nextToken is invalid"):
        logs.filter_log_events(logGroupName="router", nextToken="junk")
    assert logs.filter_log_events(logGroupName="router")["events"] == []


def test_credentials_of_one_key_can_expire(server: FakeServer, logs: Any) -> None:
    from botocore.exceptions import ClientError

    server.expired_keys.add("AKIAIOSFODNN7EXAMPLE")
    with pytest.raises(ClientError) as caught:
        logs.filter_log_events(logGroupName="router")
    assert code_of(caught) == "ExpiredTokenException"
    with server.client(key="AKIAI44QH8DHBEXAMPLE") as other:
        assert other.filter_log_events(logGroupName="router")["events"] == []


def test_queries(server: FakeServer, logs: Any) -> None:
    def start(text: str) -> str:
        answer = logs.start_query(logGroupNames=["router"], startTime=0, endTime=1, queryString=text)
        return str(answer["queryId"])

    query = start("fields n")
    first = logs.get_query_results(queryId=query)
    second = logs.get_query_results(queryId=query, nextToken=first["nextToken"])
    assert first["status"] == second["status"] == "Complete"
    assert [*first["results"], *second["results"]] == [
        [{"field": "n", "value": "1"}],
        [{"field": "n", "value": "2"}],
    ]
    assert "nextToken" not in second
    assert first["statistics"]["bytesScanned"] == 4.0
    with pytest.raises(logs.exceptions.MalformedQueryException) as caught:
        start("bad")
    assert caught.value.response["queryCompileError"] == {
        "location": {"startCharOffset": 3, "endCharOffset": 5},
        "message": "unexpected symbol",
    }
    with pytest.raises(logs.exceptions.InvalidParameterException):
        logs.stop_query(queryId=query)
    server.service.insights.scripts = [Script()]
    assert logs.stop_query(queryId=start("slow"))["success"] is True
    with pytest.raises(logs.exceptions.ResourceNotFoundException):
        logs.get_query_results(queryId="none")


def live(server: FakeServer, logs: Any, plan: LivePlan) -> Any:
    server.set_faults(FaultPlan(live=plan))
    arn = server.model.group("router").arn
    return logs.start_live_tail(logGroupIdentifiers=[arn])["responseStream"]


def test_live_tail_updates_are_decoded(server: FakeServer, logs: Any) -> None:
    stream = live(server, logs, LivePlan(interval=0.05, most=2))
    got: list[dict[str, Any]] = []
    kinds = []
    for event in stream:
        kinds += list(event)
        if "sessionStart" in event:
            assert event["sessionStart"]["logGroupIdentifiers"] == [server.model.group("router").arn]
            for number in range(3):
                server.model.add("router", now(), f"live {number} é")
        update = event.get("sessionUpdate", {})
        got += update.get("sessionResults", [])
        if got:
            assert update["sessionMetadata"]["sampled"] is True
            break
    stream.close()
    assert kinds[0] == "sessionStart"
    assert len(got) == 2
    assert {event["message"] for event in got} < {f"live {number} é" for number in range(3)}
    assert got[0]["logGroupIdentifier"] == server.model.group("router").arn
    assert set(got[0]) == {"logStreamName", "logGroupIdentifier", "message", "timestamp", "ingestionTime"}


@pytest.mark.parametrize(
    ("plan", "code"),
    [
        (LivePlan(interval=0.05, lasts=0.2), "SessionTimeoutException"),
        (LivePlan(interval=0.05, breaks_after=(0.2,)), "SessionStreamingException"),
    ],
)
def test_live_tail_ends_with_an_exception(server: FakeServer, logs: Any, plan: LivePlan, code: str) -> None:
    from botocore.exceptions import EventStreamError

    stream = live(server, logs, plan)
    with pytest.raises(EventStreamError) as caught:
        list(stream)
    stream.close()
    assert code_of(caught) == code
    assert not server.service.tails


def test_live_tail_breaks_by_a_closed_connection(server: FakeServer, logs: Any) -> None:
    from urllib3.exceptions import ProtocolError

    stream = live(server, logs, LivePlan(interval=0.05, breaks_after=(0.2,), breaks_by="closed"))
    with pytest.raises(ProtocolError):
        list(stream)
    stream.close()


def test_live_tail_wants_arns(server: FakeServer, logs: Any) -> None:
    for wrong in ("router", server.model.group("router").arn + ":*"):
        with pytest.raises(logs.exceptions.InvalidParameterException):
            logs.start_live_tail(logGroupIdentifiers=[wrong])


def test_the_server_stops_while_a_session_is_open(server: FakeServer, logs: Any) -> None:
    stream = live(server, logs, LivePlan(interval=0.05))
    assert "sessionStart" in next(iter(stream))
    server.stop()
    server.stop()
    stream.close()
