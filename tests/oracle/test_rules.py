"""The rules of the log, each on the smallest log that can break it."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from tests.oracle import hostile
from tests.oracle.fold import Call, Tokens, fold, group
from tests.oracle.hostile import HostileLine, statement
from tests.oracle.lines import Line, read
from tests.oracle.table import quantile

SEEN = datetime(2026, 2, 27, 16, 47, 0, 2517, tzinfo=UTC)
NOW = SEEN + timedelta(minutes=1)
KIMI, GLM, OPUS = "moonshotai.kimi-k2.5", "zai.glm-4.7", "us.anthropic.claude-opus-4-6-v1"
CHAT = {"method": "POST", "path": "/v1/chat/completions"}
RESTART = statement("Starting Bedrock router", port=8080, version="1")


def start(user: object, **other: object) -> bytes:
    return said("Request started", user, **{**CHAT, **other})


def end(user: object, status: int = 200, **other: object) -> bytes:
    return said("Request completed", user, **{**CHAT, "status": status, "duration_ms": 900, **other})


def said(message: str, user: object, **fields: object) -> bytes:
    return statement(message, **{"request_id": "1", **fields, "user_sub": "", "user_email": user})


def unsaid(message: str, **fields: object) -> bytes:
    return statement(message, request_id="1", **fields)


def forward(user: object, model: object) -> bytes:
    return said("Forwarding to Bedrock Mantle", user, model=model, stream=True)


def mantle(user: object, prompt: object, completion: object = 1, **details: object) -> bytes:
    usage = {"prompt_tokens": prompt, "completion_tokens": completion, **details}
    return said("Mantle streaming complete", user, has_usage=True, usage=usage)


def converse(*counts: object) -> bytes:
    names = ("input_tokens", "output_tokens", "cache_read_tokens", "cache_write_tokens")
    return unsaid("Converse API response", model=OPUS, **dict(zip(names, counts, strict=True)))


def failed(error: str, message: str = "Bedrock Mantle request failed") -> bytes:
    return unsaid(message, level="ERROR", error=error)


def calls(*lines: bytes, now: datetime = NOW) -> Sequence[Call]:
    return fold({"s": lines}, now).calls


def only(*lines: bytes, now: datetime = NOW) -> Call:
    (call,) = calls(*lines, now=now)
    return call


def spent(found: Sequence[Call]) -> set[tuple[str | None, str | None, int | None]]:
    return {(call.user, call.model, call.tokens.input) for call in found}


@pytest.mark.parametrize("line", hostile.corpus(), ids=lambda line: line.name)
def test_a_hostile_line_counts_as_what_it_is(line: HostileLine) -> None:
    found = read(line.raw)
    assert ("event" if isinstance(found, Line) else found.value) == line.kind


def test_the_hostile_lines_are_on_file() -> None:
    assert hostile.PATH.read_bytes() == b"".join(line.raw + b"\n" for line in hostile.corpus())


@pytest.mark.parametrize(
    ("email", "sub", "user"),
    [
        ("a@x", "s", "a@x"),
        ("", "s", "s"),
        (" \t", "s", "s"),
        (None, 12, "12"),
        (True, "s", "true"),
        ({"a": 1}, "s", '{"a":1}'),
        (["é", None], "s", '["é",null]'),
        (float("nan"), "s", "NaN"),
        (0, "s", "0"),
        ("", None, None),
        (" A@x ", "", " A@x "),
    ],
)
def test_identity_is_the_email_else_the_sub(email: object, sub: object, user: str | None) -> None:
    line = read(statement("Request started", request_id="1", user_email=email, user_sub=sub))
    assert isinstance(line, Line)
    assert line.user == user


def test_bytes_that_are_no_utf8_stay_visible() -> None:
    line = read(hostile.started(user_email="?").replace(b"?", b"a\xff"))
    assert isinstance(line, Line)
    assert line.user == "a\\xff"


def test_a_converse_response_is_of_who_ends_next() -> None:
    found = calls(start("a"), start("b"), converse(5, 1, 0, 0), end("b"), converse(7, 1, 0, 0), end("a"))
    assert spent(found) == {("b", OPUS, 5), ("a", OPUS, 7)}


def test_a_converse_response_that_could_be_of_two_is_of_nobody() -> None:
    assert spent(calls(start("a"), start("b"), converse(5, 1, 0, 0))) == {
        ("a", None, None),
        ("b", None, None),
        (None, OPUS, 5),
    }


def test_a_converse_response_that_could_be_of_one_is_theirs() -> None:
    assert spent(calls(start("a"), converse(5, 1, 0, 0))) == {("a", OPUS, 5)}


def test_a_converse_response_may_fail_before_the_end() -> None:
    lines = (converse(5, 1, 0, 0), failed("KeyError", "Converse API call failed"), end("b", 502))
    found = calls(start("a"), start("b"), *lines, end("a"))
    assert {(call.user, call.tokens.input, call.outcome) for call in found} == {
        ("b", 5, "error"),
        ("a", None, "ok"),
    }


def test_a_mantle_usage_has_the_model_its_person_forwarded() -> None:
    crossed = (start("a"), start("b"), forward("b", GLM), forward("a", KIMI))
    found = calls(*crossed, mantle("b", 5), mantle("a", 7), end("a"), end("b"))
    assert spent(found) == {("b", GLM, 5), ("a", KIMI, 7)}


def test_one_person_with_two_models_at_once_keeps_the_tokens_and_loses_the_model() -> None:
    both = (start("a"), start("a"), forward("a", GLM), forward("a", KIMI))
    found = calls(*both, mantle("a", 5), end("a"), mantle("a", 7), end("a"))
    assert spent(found) == {("a", None, 5), ("a", None, 7)}


def test_one_person_with_one_model_twice_at_once_keeps_it() -> None:
    both = (start("a"), start("a"), forward("a", GLM), forward("a", GLM))
    assert spent(calls(*both, mantle("a", 5), mantle("a", 7), end("a"), end("a"))) == {
        ("a", GLM, 5),
        ("a", GLM, 7),
    }


def test_a_retry_after_two_models_at_once_keeps_its_own() -> None:
    both = (
        start("a"),
        start("a"),
        forward("a", GLM),
        failed("x"),
        end("a", 502),
        forward("a", KIMI),
        end("a"),
    )
    found = calls(*both, start("a"), forward("a", OPUS), mantle("a", 7), end("a"))
    assert spent(found) == {("a", None, None), ("a", OPUS, 7)}


def test_an_end_given_to_the_wrong_one_of_a_persons_calls_is_undone() -> None:
    both = (start("a"), start("a"), forward("a", GLM), unsaid("Calling ConverseStream API", model=OPUS))
    hung_up = said("Request failed", "a", **CHAT, level="ERROR", error="Cannot write to closing transport")
    found = calls(*both, hung_up, mantle("a", 7), end("a"))
    assert sorted((call.outcome, call.model, call.tokens.input) for call in found) == [
        ("aborted", OPUS, None),
        ("ok", GLM, 7),
    ]


def test_an_error_is_of_who_ends_right_after() -> None:
    ran = (start("a"), start("b"), forward("a", GLM), forward("b", GLM))
    found = calls(*ran, failed("refused"), end("b"), end("a"))
    assert {call.user: call.outcome for call in found} == {"a": "ok", "b": "error"}


def test_a_retry_under_one_id_is_another_call() -> None:
    one = (start("a"), forward("a", GLM), failed("refused"), end("a", 502))
    two = (start("a"), forward("a", KIMI), mantle("a", 7), end("a"))
    assert [(call.model, call.outcome) for call in calls(*one, *two)] == [(GLM, "error"), (KIMI, "ok")]


def test_a_restart_ends_what_ran_and_the_next_process_is_new() -> None:
    before = (start("a"), forward("a", GLM))
    found = calls(*before, RESTART, start("a"), forward("a", KIMI), mantle("a", 7))
    assert [(call.model, call.tokens.input, call.outcome) for call in found] == [
        (GLM, None, "unfinished"),
        (KIMI, 7, "open"),
    ]


def test_shutting_down_ends_nothing() -> None:
    leaving = statement("Shutting down gracefully...")
    assert only(start("a"), forward("a", GLM), leaving, mantle("a", 7), end("a")).outcome == "ok"


@pytest.mark.parametrize(("minutes", "outcome"), [(14.9, "open"), (15, "unfinished")])
def test_a_call_is_unfinished_after_15_minutes(minutes: float, outcome: str) -> None:
    assert only(start("a"), forward("a", GLM), now=SEEN + timedelta(minutes=minutes)).outcome == outcome


def test_streams_do_not_mix() -> None:
    found = fold({"one": [start("a"), forward("a", GLM)], "two": [mantle("a", 7), end("a")]}, NOW).calls
    assert [(call.stream, call.model, call.outcome) for call in found] == [
        ("one", GLM, "open"),
        ("two", None, "ok"),
    ]


def test_a_log_that_begins_in_the_middle_of_a_call() -> None:
    calling = unsaid("Calling ConverseStream API", model=OPUS)
    counts = {"prompt_tokens": 7, "completion_tokens": 1, "cache_read_tokens": 3}
    emitted = said("Stream usage emitted", "a", model=OPUS, **counts)
    call = only(calling, emitted, end("a"))
    assert (call.user, call.model, call.outcome, call.tokens) == ("a", OPUS, "ok", Tokens(7, 3, 0, 1))


def test_lines_from_before_identities_are_of_nobody() -> None:
    begun = unsaid("Request started", **CHAT)
    done = unsaid("Request completed", **CHAT, status=200, duration_ms=5)
    assert only(begun, converse(5, 1, 0, 0), done).user is None


@pytest.mark.parametrize(
    ("usage", "tokens"),
    [
        (mantle("a", 10, 2), Tokens(10, 0, 0, 2)),
        (mantle("a", 10, 2, prompt_tokens_details={"cached_tokens": 4}), Tokens(6, 4, 0, 2)),
        (mantle("a", 10, 2, prompt_tokens_details={"cached_tokens": 14}), Tokens(0, 14, 0, 2)),
        (mantle("a", 4, 0, prompt_tokens_details={"cached_tokens": 4}), Tokens(0, 4, 0, 0)),
        (mantle("a", 10, 2, prompt_tokens_details={"cached_tokens": None}), Tokens(10, 0, 0, 2)),
        (mantle("a", 10, 2, prompt_tokens_details=None), Tokens(10, 0, 0, 2)),
        (mantle("a", 10, None), Tokens(10, 0, 0, None)),
        (mantle("a", None, 2), Tokens(None, 0, 0, 2)),
        (mantle("a", 2**80, 12.0), Tokens(2**80, 0, 0, 12)),
        (mantle("a", float("nan"), True), Tokens()),
        (mantle("a", 0, 0), Tokens()),
        (mantle("a", 0, None), Tokens()),
        (mantle("a", None, None, prompt_tokens_details={"cached_tokens": 4}), Tokens()),
        (said("Mantle streaming complete", "a", has_usage=True, usage={}), Tokens()),
        (said("Mantle streaming complete", "a", has_usage=False, usage=None), Tokens()),
        (converse(10, 2, 3, 4), Tokens(10, 3, 4, 2)),
        (converse(0, 0, 3, 0), Tokens(0, 3, 0, 0)),
        (converse(10, 2, None, None), Tokens(10, 0, 0, 2)),
        (converse(0, 0, 0, 0), Tokens()),
    ],
)
def test_tokens_are_disjoint_or_unmetered(usage: bytes, tokens: Tokens) -> None:
    routed = () if b"Converse" in usage else (forward("a", GLM),)
    call = only(start("a"), *routed, usage, end("a"))
    assert (call.tokens, call.unmetered) == (tokens, not tokens.known)


def test_a_call_without_a_usage_line_is_unmetered_only_where_it_went_well() -> None:
    for status, unmetered in ((200, True), (429, False)):
        assert only(start("a"), forward("a", GLM), end("a", status)).unmetered is unmetered


@pytest.mark.parametrize(("status", "unmetered"), [(200, True), (429, False)])
def test_a_refusal_without_usage_is_not_unmetered(status: int, unmetered: bool) -> None:
    answer = said("Mantle non-streaming response", "a", status=status, has_usage=False, usage=None)
    assert only(start("a"), forward("a", GLM), answer, failed("x"), end("a", 502)).unmetered is unmetered


@pytest.mark.parametrize(
    ("lines", "outcome"),
    [
        ((end("a"),), "ok"),
        ((end("a", 429),), "error"),
        ((failed("refused"), end("a")), "error"),
        ((failed("Cannot write to closing transport"), end("a", 502)), "aborted"),
        ((failed("Cannot write to closing transport"), failed("refused"), end("a")), "error"),
        ((mantle("a", 5), failed("refused"), end("a", 502)), "error"),
        ((said("Request failed", "a", **CHAT, level="ERROR", error=""),), "error"),
    ],
)
def test_errors_decide_then_the_status(lines: tuple[bytes, ...], outcome: str) -> None:
    assert only(start("a"), forward("a", GLM), *lines).outcome == outcome


def test_requests_that_reach_no_model_are_counted_apart() -> None:
    keys = {"method": "POST", "path": "/v1/api-keys"}
    managed = (start("", **keys), unsaid("API key created", user_sub="s"), end("", 201, **keys))
    result = fold({"s": [*managed, start("a"), end("a", 400), start("a"), end("a")]}, NOW)
    assert (result.llm_calls, result.other_requests) == (1, 2)
    assert group(result.calls, ["user"])["a",].requests == 1


def test_rows_add_up_and_a_missing_price_is_no_cost() -> None:
    lines = (
        (start("a"), forward("a", KIMI), mantle("a", 2**62), end("a", duration_ms=100)),
        (start("a"), forward("a", KIMI), mantle("a", 2**62), end("a", duration_ms=300)),
        (start("a"), forward("a", GLM), mantle("a", 5), end("a", duration_ms=200)),
        (
            start("a"),
            forward("a", GLM),
            mantle("a", None, None),
            failed("x"),
            end("a", 502, duration_ms=None),
        ),
    )
    prices = {KIMI: Decimal("0.6")}

    def price(model: str | None, tokens: Tokens) -> Decimal | None:
        return prices[model] * (tokens.input or 0) if model in prices else None

    rows = group(calls(*(line for each in lines for line in each)), ["user", "model"], price)
    kimi, glm = rows["a", KIMI], rows["a", GLM]
    assert (kimi.requests, kimi.input_tokens, kimi.cost_usd) == (2, 2**63, Decimal("0.6") * 2**63)
    assert (kimi.latency_p50_ms, kimi.latency_p95_ms, kimi.unpriced) == (200, 290, 0)
    assert (glm.requests, glm.errors, glm.unmetered, glm.unpriced, glm.cost_usd) == (2, 1, 1, 1, None)
    assert (glm.first_seen, glm.last_seen, glm.latency_p50_ms) == (SEEN, SEEN, 200)


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([], 0.5, None), ([7.0], 0.95, 7.0), ([3, 1, 2, 4], 0.5, 2.5), ([0, 100], 0.95, 95.0)],
)
def test_quantiles_lie_on_the_line_between_neighbours(
    values: list[float], share: float, expected: float | None
) -> None:
    assert quantile(values, share) == expected
