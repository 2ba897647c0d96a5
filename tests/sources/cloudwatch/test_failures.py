"""Every way a call fails is a kind and one sentence that names the thing and the remedy."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from email.utils import formatdate
from pathlib import Path
from typing import Any

import botocore.exceptions
import pytest
import urllib3.exceptions
from botocore.exceptions import ClientError

from llmwatch.sources.cloudwatch.access import Connection
from llmwatch.sources.cloudwatch.api import CallFailed, Group
from llmwatch.sources.cloudwatch.client import CloudWatch
from llmwatch.sources.cloudwatch.failures import Asked, failure
from tests.sources.cloudwatch.answering import KEYS, Reply, Service, answering, error, machine

GROUP = Group("/ecs/router", "/ecs/router", "")

CONFIG = """
[profile sso]
sso_session = corp
sso_account_id = 123456789012
sso_role_name = Reader
region = eu-west-1
[sso-session corp]
sso_region = eu-west-1
sso_start_url = https://corp.example/start
[profile deep]
role_arn = arn:aws:iam::123456789012:role/deep
source_profile = sso
region = eu-west-1
[profile half]
aws_access_key_id = AKIAEXAMPLE
region = eu-west-1
[profile placeless]
aws_access_key_id = AKIAEXAMPLE
aws_secret_access_key = hush
[profile process]
credential_process = false
region = eu-west-1
[profile login]
login_session = arn:aws:sts::123456789012:assumed-role/x/y
region = eu-west-1
"""


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, KEYS, CONFIG)


def failed(call: Callable[[], object]) -> CallFailed:
    """How `call` fails; its sentence is fit to be shown."""
    with pytest.raises(CallFailed) as caught:
        call()
    return checked(caught.value)


def checked(caught: CallFailed) -> CallFailed:
    text = str(caught)
    assert text.isprintable()
    assert text.endswith(".")
    assert not text.endswith("..")
    assert len(text) < 1000
    return caught


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Service, CloudWatch]]:
    """A service and its client, which takes its credentials once."""
    with answering(Reply({"logGroups": []})) as service, pytest.MonkeyPatch.context() as monkeypatch:
        machine(monkeypatch, tmp_path_factory.mktemp("machine"))
        api = CloudWatch(Connection(endpoint_url=service.url))
        api.describe_groups()
        yield service, api


@pytest.fixture
def asked_of(service: tuple[Service, CloudWatch]) -> Callable[[Reply], CallFailed]:
    """How a read fails that is answered so."""

    def ask(reply: Reply) -> CallFailed:
        service[0].replies[:] = [reply]
        return failed(lambda: service[1].filter_events(GROUP, start=0, end=None, token="t"))

    return ask


DENIED = (
    "User: arn:aws:sts::123456789012:assumed-role/ops/me is not authorized to perform: logs:FilterLogEvents on "
    "resource: arn:aws:logs:us-east-1:123456789012:log-group:/ecs/router:log-stream: because no identity-based "
    "policy allows the logs:FilterLogEvents action"
)
HERE = "the time of this machine"

ANSWERS = [
    (
        error("ThrottlingException", "Rate exceeded."),
        "throttled",
        ["FilterLogEvents", "Rate exceeded", "--max-tps"],
    ),
    (error("com.amazon#ThrottlingException"), "throttled", ["FilterLogEvents"]),
    (error("LimitExceededException", "15 sessions"), "throttled", ["15 sessions", "wait"]),
    (error("ServiceQuotaExceededException"), "throttled", ["quota"]),
    (error("Whatever", "slow down", 429), "throttled", ["slow down"]),
    (error("InvalidParameterException", "The specified nextToken is invalid."), "bad_token", ["/ecs/router"]),
    (error("InvalidParameterException", "The token has expired"), "bad_token", ["start again"]),
    (error("ExpiredNextTokenException"), "bad_token", ["/ecs/router"]),
    (error("InvalidParameterException", "Invalid filter pattern"), "malformed", ["filter pattern"]),
    (error("InvalidParameterException", "startTime is odd"), "refused", ["startTime is odd"]),
    (
        error("ResourceNotFoundException", "No such group."),
        "missing",
        ["/ecs/router", "us-east-1", "--region"],
    ),
    (
        error("AccessDeniedException", DENIED),
        "denied",
        ["ops/me", "logs:FilterLogEvents", "log-group:/ecs/router"],
    ),
    (
        error("AccessDeniedException", "no"),
        "denied",
        ["logs:FilterLogEvents", "/ecs/router", "docs/cloudwatch.md"],
    ),
    (error("AccessDeniedException", DENIED + " with an explicit deny"), "denied", ["explicitly"]),
    (error("Odd", "no", 403), "denied", ["logs:FilterLogEvents"]),
    (Reply({"__type": "ExpiredTokenException"}, 400, HERE), "credentials", ["expired", "AWS_SESSION_TOKEN"]),
    (error("UnrecognizedClientException", "invalid token"), "credentials", ["not know", "us-east-1"]),
    (Reply({"__type": "InvalidSignatureException"}, 403, HERE), "credentials", ["signature", "secret key"]),
    (Reply({"__type": "SignatureDoesNotMatch"}, 403, ""), "credentials", ["signature"]),
    (
        Reply({"__type": "RequestTimeTooSkewed", "message": "skewed"}, 403, ""),
        "credentials",
        ["clock", "NTP"],
    ),
    (error("ServiceUnavailableException", "busy", 503), "unreachable", ["busy", "try again"]),
    (error("InternalFailure", "", 500), "unreachable", ["InternalFailure"]),
    (Reply(b"<html>Bad gateway</html>", 502), "unreachable", ["502"]),
    (Reply(b"<!doctype html><title>x</title>", 500), "unreachable", ["a web page"]),
    (Reply(b"<html>Sign in to the hotel</html>"), "unreachable", ["not of CloudWatch"]),
    (Reply(b'{"events": [{"message": "cut o'), "unreachable", ["cut off"]),
    (Reply(b"[]"), "unreachable", ["not of CloudWatch"]),
    (Reply(b"[]", 400), "unreachable", ["not of CloudWatch"]),
    (Reply({"events": "x"}), "unreachable", ["not of CloudWatch"]),
    (Reply({"events": []}, cut=True), "unreachable", []),
    (
        error("NewException", "of the \x1b]0;future\x07\n{case} {0.x} ..."),
        "refused",
        ["NewException", "future", "{case}"],
    ),
    (Reply(b"", 302), "refused", ["302"]),
]


@pytest.mark.parametrize(("reply", "kind", "words"), ANSWERS)
def test_an_answer_that_is_an_error(
    reply: Reply, kind: str, words: list[str], asked_of: Callable[[Reply], CallFailed]
) -> None:
    date = formatdate(usegmt=True) if reply.date == HERE else reply.date
    caught = asked_of(replace(reply, date=date))
    assert caught.kind == kind, caught
    assert [word for word in words if word not in str(caught)] == []


@pytest.mark.parametrize(
    ("ahead", "words"),
    [(3 * 3600 + 30, "clock is 3h 00m ahead of the service's"), (-425, "clock is 7m 0")],
)
def test_a_clock_that_is_off_is_said_with_how_far(
    ahead: float, words: str, asked_of: Callable[[Reply], CallFailed]
) -> None:
    for code in ("InvalidSignatureException", "RequestTimeTooSkewed", "ExpiredTokenException"):
        caught = asked_of(Reply({"__type": code}, 403, formatdate(time.time() - ahead, usegmt=True)))
        assert caught.kind == "credentials"
        assert words in str(caught)


def test_a_malformed_query_says_where() -> None:
    place = {"location": {"startCharOffset": 7, "endCharOffset": 9}, "message": "x"}
    with answering(
        error("MalformedQueryException", "unexpected symbol found |", queryCompileError=place)
    ) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        caught = failed(lambda: api.start_query([GROUP], "fields |", since=0, until=1))
    assert (caught.kind, caught.offset) == ("malformed", 7)
    assert "unexpected symbol found |" in str(caught)


def test_a_query_that_is_gone() -> None:
    with answering(error("ResourceNotFoundException", "gone")) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        assert "query q-1" in str(failed(lambda: api.query_results("q-1")))


def test_a_hostile_group_name_is_clean_in_the_sentence() -> None:
    with answering(error("ResourceNotFoundException")) as service:
        api = CloudWatch(Connection(endpoint_url=service.url))
        hostile = Group("\x1b[2J\n{case.asked}", "x", "")
        assert "{case.asked}" in str(failed(lambda: api.filter_events(hostile, start=0, end=None)))


CONNECTIONS = [
    (Connection(), {}, "credentials", ["no AWS credentials", "aws sso login", "--profile", "half"]),
    (Connection(profile="sso"), {}, "credentials", ["`aws sso login --profile sso`"]),
    (Connection(profile="deep"), {}, "credentials", ["`aws sso login --profile sso`"]),
    (Connection(), {"AWS_PROFILE": "sso"}, "credentials", ["`aws sso login --profile sso`"]),
    (Connection(profile="half"), {}, "credentials", ["aws_secret_access_key"]),
    (Connection(profile="process"), {}, "credentials", ["credential_process of profile process"]),
    (Connection(profile="login"), {}, "credentials", ["login"]),
    (Connection(profile="nobody"), {}, "credentials", ["nobody", "name one of sso, deep, half"]),
    (Connection(), {"AWS_PROFILE": "nobody"}, "credentials", ["nobody", "AWS_PROFILE"]),
    (Connection(profile="placeless"), {}, "refused", ["--region", "AWS_DEFAULT_REGION"]),
    (Connection(profile="placeless"), {"AWS_REGION": "x"}, "refused", ["does not read AWS_REGION"]),
    (Connection(region="no where"), KEYS, "refused", ["no where", "--region"]),
    (Connection(endpoint_url="nowhere"), KEYS, "refused", ["nowhere", "--endpoint-url"]),
    (Connection(endpoint_url="http://[x"), KEYS, "refused", ["--endpoint-url"]),
    (Connection(endpoint_url="http://127.0.0.1:9"), KEYS, "unreachable", ["127.0.0.1:9", "--endpoint-url"]),
    (Connection(), {**KEYS, "HTTPS_PROXY": "http://u:hush@127.0.0.1:9"}, "unreachable", ["HTTPS_PROXY"]),
]


@pytest.mark.parametrize(("connection", "environment", "kind", "words"), CONNECTIONS)
def test_a_connection_that_cannot_be(
    connection: Connection,
    environment: dict[str, str],
    kind: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    for name in KEYS:
        monkeypatch.delenv(name, raising=False)
    if not environment.keys() & {"AWS_DEFAULT_REGION"} and not (
        connection.profile or "AWS_PROFILE" in environment
    ):
        environment = {**environment, "AWS_DEFAULT_REGION": "us-east-1"}
    machine(monkeypatch, tmp_path, environment, CONFIG)
    caught = failed(CloudWatch(connection).describe_groups)
    assert caught.kind == kind, caught
    assert [word for word in words if word not in str(caught)] == []
    assert "hush" not in str(caught)


def test_a_broken_configuration(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    machine(monkeypatch, tmp_path, KEYS, "[default\nregion")
    assert "~/.aws/config" in str(failed(CloudWatch(Connection()).describe_groups))


def test_after_the_start_no_code_is_asked_for(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    config = (
        CONFIG + "[profile mfa]\nrole_arn=arn:aws:iam::1:role/r\nmfa_serial=x\nsource_profile=placeless\n"
    )
    machine(monkeypatch, tmp_path, {"AWS_DEFAULT_REGION": "us-east-1"}, config)
    api = CloudWatch(Connection(profile="mfa"))
    api.renew()
    caught = failed(api.describe_groups)
    assert (caught.kind, "MFA" in str(caught)) == ("credentials", True)


def asked(**connection: Any) -> Asked:
    return Asked("FilterLogEvents", "log group g", Connection(**connection))


def of_botocore(name: str, **details: object) -> Exception:
    made: Exception = getattr(botocore.exceptions, name)(**details)
    return made


UNREACHED = {"endpoint_url": "https://logs.us-wset-2.amazonaws.com/", "error": "no such host"}


@pytest.mark.parametrize(
    ("raised", "connection", "kind", "words"),
    [
        (
            of_botocore("EndpointConnectionError", **UNREACHED),
            {"region": "us-wset-2"},
            "unreachable",
            ["--region"],
        ),
        (
            of_botocore("EndpointConnectionError", **UNREACHED),
            {"region": "us-west-2"},
            "unreachable",
            ["network"],
        ),
        (
            of_botocore("ConnectTimeoutError", **UNREACHED),
            {"region": "us-west-2"},
            "unreachable",
            ["us-wset-2"],
        ),
        (of_botocore("ReadTimeoutError", **UNREACHED), {}, "unreachable", ["slow"]),
        (of_botocore("ConnectionClosedError", **UNREACHED), {}, "unreachable", ["broke", "FilterLogEvents"]),
        (of_botocore("SSLError", **UNREACHED), {}, "unreachable", ["secure", "AWS_CA_BUNDLE"]),
        (
            of_botocore("UnauthorizedSSOTokenError"),
            {"profile": "sso"},
            "credentials",
            ["sso login --profile sso"],
        ),
        (
            of_botocore(
                "TokenRetrievalError", provider="sso", error_msg="Token has expired and refresh failed"
            ),
            {"profile": "sso"},
            "credentials",
            ["`aws sso login --profile sso`", "refresh failed"],
        ),
        (
            of_botocore("LoginRefreshRequired"),
            {"profile": "login"},
            "credentials",
            ["`aws login --profile login`"],
        ),
        (of_botocore("LoginTokenLoadError", error_msg="x"), {}, "credentials", ["`aws login`"]),
        (of_botocore("LoginInsufficientPermissions"), {}, "denied", ["signin:CreateOAuth2Token"]),
        (of_botocore("RefreshWithMFAUnsupportedError"), {}, "credentials", ["MFA", "start again"]),
        (
            urllib3.exceptions.ProtocolError("Connection broken"),
            {},
            "unreachable",
            ["broke", "Connection broken"],
        ),
        (ConnectionResetError("reset"), {}, "unreachable", ["reset"]),
        (TimeoutError("timed out"), {}, "unreachable", ["slow"]),
        (ModuleNotFoundError("No module named 'boto3'"), {}, "refused", ["boto3"]),
        (
            RuntimeError("\x1b[31mwhat\nis this"),
            {},
            "refused",
            ["FilterLogEvents", "RuntimeError", "is this"],
        ),
        (
            ClientError({"Error": {"Code": "ExpiredToken", "Message": ""}}, "FilterLogEvents"),
            {"profile": "sso"},
            "credentials",
            ["`aws sso login --profile sso`"],
        ),
        (
            ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "AssumeRole"),
            {},
            "denied",
            ["sts:AssumeRole"],
        ),
        (
            ClientError(
                {"Error": {"Code": "ForbiddenException", "Message": "No access"}}, "GetRoleCredentials"
            ),
            {},
            "denied",
            ["sso:GetRoleCredentials"],
        ),
    ],
)
def test_an_exception_on_the_way(
    raised: Exception,
    connection: dict[str, str],
    kind: str,
    words: list[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if connection.get("profile") is None and "region" not in connection:
        connection = {"region": "us-east-1"}
    caught = checked(failure(raised, asked(**connection)))
    assert caught.kind == kind, caught
    assert [word for word in words if word not in str(caught)] == []


class Anything(dict[str, str]):
    """Whatever a message of botocore is made of."""

    def __missing__(self, key: str) -> str:
        return f"some {key}"


EXCEPTIONS = [
    thing
    for _, thing in inspect.getmembers(botocore.exceptions, inspect.isclass)
    if issubclass(thing, botocore.exceptions.BotoCoreError) and "fmt" in vars(thing)
]


@pytest.mark.parametrize("exception", EXCEPTIONS)
def test_every_exception_of_botocore_has_a_sentence(exception: type[Exception]) -> None:
    raised = exception.__new__(exception)
    details = Anything()
    raised.kwargs = details  # type: ignore[attr-defined]
    raised.args = (vars(exception)["fmt"].format_map(details),)
    caught = checked(failure(raised, asked()))
    assert caught.kind in {"credentials", "unreachable", "refused", "denied"}


@pytest.mark.parametrize(
    "response",
    [
        {"Error": None},
        {"Error": {}},
        {"Error": {"Code": None, "Message": None}, "ResponseMetadata": None},
        {"Error": {"Code": 3, "Message": ["x"]}, "ResponseMetadata": {"HTTPHeaders": {"date": "yesterday"}}},
        {"Error": {"Code": "x"}, "queryCompileError": {"location": {"startCharOffset": "many"}}},
    ],
)
def test_an_error_of_odd_shape_has_a_sentence_too(response: dict[str, object]) -> None:
    raised = ClientError({"Error": {}}, "FilterLogEvents")
    raised.response = response
    assert checked(failure(raised, asked())).kind == "refused"
