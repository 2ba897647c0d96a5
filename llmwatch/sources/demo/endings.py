"""The ways a call ends other than well, how often, and what the router prints of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial

from llmwatch.sources.demo.ask import Ask, converse_usage, mantle_usage
from llmwatch.sources.demo.cast import Route
from llmwatch.sources.demo.statements import MANTLE_HOST, Statement, server_traceback, warning


@dataclass(frozen=True, slots=True)
class Ending:
    """One way to end."""

    chance: float
    """The probability, of all calls of its route and kind."""

    status: int | None
    """What `Request completed` says; None where `Request failed` stands in its place."""

    seconds: tuple[float, float]
    """The least and the most it takes."""

    statements: Callable[[Ask, int], list[Statement]]
    """What the router prints before `Request completed`, of a call that took so many microseconds."""

    partial: bool = False
    """Whether the call was answering: it then takes no longer than it would going well."""

    retried: bool = True
    """Whether its client tries again, if it is one that does."""


def _bedrock(
    kind: str, error: str, place: str, ask: Ask, _took: int, *, metered: bool = False
) -> list[Statement]:
    """An exception of type `kind` at `place` in the router, on the way to Bedrock; maybe after the usage."""
    operation = "ConverseStream" if ask.stream else "Converse"
    said = error.replace("{operation}", operation).replace("{model}", ask.model.identifier)
    trace = f'Traceback (most recent call last):\n  File "/app/main.py", line {place}\n{kind}: {said}'
    failed = Statement(
        "ERROR",
        "ConverseStream failed" if ask.stream else "Converse API call failed",
        {"request_id": ask.request.request_id, "error": said, "type": kind, "traceback": trace},
    )
    return [converse_usage(ask), failed] if metered else [failed]


def _mantle(error: str, ask: Ask, _took: int) -> list[Statement]:
    return [
        Statement(
            "ERROR", "Bedrock Mantle request failed", {"request_id": ask.request.request_id, "error": error}
        )
    ]


def _refused(ask: Ask, _took: int) -> list[Statement]:
    """Mantle's own refusal; a stream that holds no data leaves no line at all."""
    return [] if ask.stream else [mantle_usage(ask, 429, None)]


def _unmetered(ask: Ask, _took: int) -> list[Statement]:
    return [mantle_usage(ask, 200, None)]


def _not_json(ask: Ask, _took: int) -> list[Statement]:
    return [warning("Mantle response not JSON-parseable", request_id=ask.request.request_id, status=503)]


def _gave_up(ask: Ask, took: int) -> list[Statement]:
    """The router's own limit of ten minutes; the exception has no text."""
    return [ask.request.failed("", took), *server_traceback("TimeoutError")]


_HUNG_UP = "Cannot write to closing transport"
_CUT_SHORT = (
    "Response payload is not completed: <TransferEncodingError: 400, "
    "message='Not enough data to satisfy transfer length header.'>"
)
_NO_CONNECTION = (
    f"Cannot connect to host {MANTLE_HOST}:443 ssl:default [Connect call failed ('10.0.31.7', 443)]"
)
_READ_TIMEOUT = (
    'Read timeout on endpoint URL: "https://bedrock-runtime.us-east-1.amazonaws.com/model/{model}/converse"'
)
_STREAM_TIMEOUT = (
    "AWSHTTPSConnectionPool(host='bedrock-runtime.us-east-1.amazonaws.com', port=443): Read timed out."
)
_THROTTLED = (
    "An error occurred (ThrottlingException) when calling the {operation} operation "
    "(reached max retries: 3): Too many tokens, please wait before trying again."
)
_MODEL_ERROR = (
    "An error occurred (modelStreamErrorException) when calling the {operation} operation: "
    "The system encountered an unexpected error during processing. Try your request again."
)

_hung_up = partial(_bedrock, "ClientConnectionResetError", _HUNG_UP, "856, in _write_sse")
_stream = "690, in handle_anthropic_streaming"
_events = "820, in _iter_stream_events"
_answer = "611, in handle_anthropic_non_streaming"

_UNREACHABLE = Ending(0.003, 502, (0.02, 3), partial(_mantle, _NO_CONNECTION))
_DISCONNECTED = Ending(0.002, 502, (0.1, 8), partial(_mantle, "Server disconnected"))
_REFUSED = Ending(0.003, 429, (0.05, 0.4), _refused)
_GAVE_UP = Ending(0.0002, None, (600, 600.1), _gave_up, retried=False)

ENDINGS: Mapping[tuple[Route, bool], tuple[Ending, ...]] = {
    ("converse", True): (
        Ending(0.006, 200, (1.2, 4.5), partial(_bedrock, "ThrottlingException", _THROTTLED, _stream)),
        Ending(0.002, 200, (58, 75), partial(_bedrock, "ReadTimeoutError", _STREAM_TIMEOUT, _events)),
        Ending(
            0.002, 200, (1, 20), partial(_bedrock, "EventStreamError", _MODEL_ERROR, _events), partial=True
        ),
        Ending(0.006, 200, (0.8, 60), _hung_up, partial=True, retried=False),
        Ending(0.002, 200, (900, 900), partial(_hung_up, metered=True), partial=True, retried=False),
    ),
    ("converse", False): (
        Ending(0.008, 502, (1.2, 4.5), partial(_bedrock, "ThrottlingException", _THROTTLED, _answer)),
        Ending(0.003, 502, (58, 75), partial(_bedrock, "ReadTimeoutError", _READ_TIMEOUT, _answer)),
    ),
    ("mantle", True): (
        Ending(0.02, 200, (900, 900), _unmetered, partial=True, retried=False),
        Ending(0.006, 502, (0.5, 60), partial(_mantle, _HUNG_UP), partial=True, retried=False),
        Ending(0.002, 502, (0.5, 30), partial(_mantle, _CUT_SHORT), partial=True),
        _UNREACHABLE,
        _DISCONNECTED,
        _REFUSED,
        _GAVE_UP,
    ),
    ("mantle", False): (
        _UNREACHABLE,
        _DISCONNECTED,
        _REFUSED,
        Ending(0.002, 503, (0.1, 2), _not_json),
        _GAVE_UP,
    ),
}
"""By route and whether the call streams. Together about 1 % of errors, 0.5 % of clients hanging up, and 2 %
of Mantle's streams without usage. The router waits 900 s before it gives up reading; here it waits a minute,
else nobody would see it in a demo."""


def drawn_ending(ask: Ask, chance: float) -> Ending | None:
    """The ending that `chance`, from 0 to 1, falls on; None is well."""
    for ending in ENDINGS[ask.model.route, ask.stream]:
        if chance < ending.chance:
            return ending
        chance -= ending.chance
    return None
