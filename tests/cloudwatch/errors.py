"""How the fake refuses a call."""

from __future__ import annotations

from typing import Any

from llmwatch.sources.cloudwatch.api import FailureKind


class ServiceError(Exception):
    """A refusal: its wire form is `code` and the message, its meaning to a reader is `kind`.

    `unreachable` has no wire form: the connection is closed without an answer.
    """

    def __init__(
        self,
        kind: FailureKind,
        code: str,
        message: str,
        *,
        offset: int | None = None,
        fields: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.kind: FailureKind = kind
        self.code = code
        self.message = message
        self.offset = offset
        self.fields = fields or {}
        """What the wire form has besides the message."""


def invalid(message: str) -> ServiceError:
    """A parameter the service does not take."""
    return ServiceError("refused", "InvalidParameterException", message)


def missing(what: str) -> ServiceError:
    """No such log group, log stream or query."""
    return ServiceError("missing", "ResourceNotFoundException", f"The specified {what} does not exist.")


class MalformedQueryError(Exception):
    """What an evaluator of queries raises for a text it cannot read; offsets are characters from 0."""

    def __init__(self, message: str, start: int, end: int) -> None:
        super().__init__(message)
        self.start = start
        self.end = end

    def as_refusal(self) -> ServiceError:
        """The refusal of StartQuery."""
        location = {"startCharOffset": self.start, "endCharOffset": self.end}
        error = {"location": location, "message": str(self)}
        return ServiceError(
            "malformed",
            "MalformedQueryException",
            str(self),
            offset=self.start,
            fields={"queryCompileError": error},
        )
