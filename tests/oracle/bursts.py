"""The router's statements in the order it makes them, and which of them nothing can come between."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from tests.oracle.lines import Line

Route = Literal["converse", "stream", "mantle"]

FORWARDING = "Forwarding to Bedrock Mantle"
ENDS = ("Request completed", "Request failed")
# What each request that reaches a model logs once, all of it with no await between.
ROUTING = (
    "Model mapped",
    "Routing decision",
    "Routing to Converse API",
    "Calling Converse API",
    "Calling ConverseStream API",
    FORWARDING,
)
ROUTES: Mapping[str, Route] = {
    "Calling Converse API": "converse",
    "Converse API response": "converse",
    "Converse API call failed": "converse",
    "Calling ConverseStream API": "stream",
    "Stream usage emitted": "stream",
    "ConverseStream failed": "stream",
    FORWARDING: "mantle",
    "Mantle non-streaming response": "mantle",
    "Mantle streaming complete": "mantle",
    "Mantle response not JSON-parseable": "mantle",
    "Bedrock Mantle request failed": "mantle",
}

# No await lies between a statement and what follows it here: where they do follow, both are of one request,
# and the identity on the one is that of the other. (A line of the routing may be lost, so it can be skipped.)
CALLING = ("Calling Converse API", "Calling ConverseStream API", "Request failed")
DECIDED = ("Routing to Converse API", FORWARDING, "Failed to get Bedrock token", *CALLING)
FOLLOWS: Mapping[str, Sequence[str]] = {
    "Model mapped": ("Routing decision", *DECIDED),
    "Routing decision": DECIDED,
    "Routing to Converse API": CALLING,
    "Converse API response": ("Converse API call failed", *ENDS),
    "Converse API call failed": ENDS,
    "Failed to get Bedrock token": ENDS,
}


@dataclass
class Burst:
    """Lines that follow one another with no await between: they are of one request.

    `next_end`: the end line that comes right after, be it of this request or of another.
    """

    lines: list[Line]
    user: str | None = None
    user_known: bool = False
    next_end: Line | None = None

    def has(self, *messages: str) -> bool:
        return any(line.message in messages for line in self.lines)

    @property
    def is_error(self) -> bool:
        return any(line.is_error for line in self.lines)

    @property
    def route(self) -> Route | None:
        return next((ROUTES[line.message] for line in self.lines if line.message in ROUTES), None)

    @property
    def model(self) -> str | None:
        return next((line.model for line in self.lines if line.model is not None), None)

    @property
    def place(self) -> tuple[str | None, str | None] | None:
        return next((line.place for line in self.lines if line.message in ENDS), None)


def bursts(pile: Sequence[Line]) -> list[Burst]:
    """The lines of one request id in one process, each joined to those that must be of the same request."""
    joined: list[Burst] = []
    for line in pile:
        if joined and line.message in FOLLOWS.get(joined[-1].lines[-1].message, ()):
            joined[-1].lines.append(line)
        else:
            joined.append(Burst([line]))
    for burst, following in zip(joined, [*joined[1:], None], strict=True):
        first = following.lines[0] if following else None
        burst.next_end = first if first and first.message in ENDS else None
        said_by = next((line for line in burst.lines if line.has_identity), None)
        # Without its call's end line in the log, a Converse response is of whoever speaks next under this id.
        if said_by is None and burst.has("Converse API response") and speaks_on(first):
            said_by = first
        if said_by is not None:
            burst.user, burst.user_known = said_by.user, True
    return joined


def speaks_on(line: Line | None) -> bool:
    """Whether a line says who an already running request is by."""
    return line is not None and line.has_identity and line.message != "Request started"
