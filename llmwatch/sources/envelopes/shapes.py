"""The known envelopes, as data. Keys are dotted where objects are nested."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

OWN_KEYS = frozenset(("logger", "level", "request_id", "event_type"))
"""An object with any of these at its top is a line of a log itself, and never an envelope: what it holds was chosen by
users. No dialect knows a line without any."""


@dataclass(frozen=True, slots=True)
class Envelope:
    """An object around one message."""

    title: str
    message: str
    """The key of the message, a string or, where `is_object`, an object."""
    needs: Sequence[str] = ()
    """Keys that must be there too, whatever their values."""
    identity: Sequence[str] = ()
    """Keys whose values together name the stream the message comes from."""
    only_objects: bool = False
    """Whether a message that is no JSON object is left as it is: too little tells that this is an envelope."""
    is_object: bool = False


ENVELOPES: Sequence[Envelope] = (
    Envelope("llmwatch recording", "message", ("group", "stream", "timestamp"), ("group", "stream")),
    Envelope("CloudWatch event", "message", ("logStreamName", "timestamp"), ("logStreamName",)),
    Envelope("Logs Insights row", "@message", ("@log", "@logStream"), ("@log", "@logStream")),
    Envelope("Logs Insights row", "@message", ("@logStream",), ("@logStream",)),
    Envelope("Logs Insights row", "@message"),
    Envelope("FireLens", "log", ("container_id",), ("container_id",)),
    Envelope("FireLens", "log", ("ecs_task_arn",), ("ecs_task_arn", "container_name")),
    Envelope(
        "Fluent Bit on Kubernetes",
        "log",
        ("kubernetes",),
        ("kubernetes.namespace_name", "kubernetes.pod_name", "kubernetes.container_name"),
    ),
    Envelope("Docker json-file", "log", ("stream", "time")),  # `stream` is stdout or stderr
    Envelope("Google Cloud", "jsonPayload", ("logName",), ("logName",), is_object=True),
    Envelope("bare", "message", only_objects=True),
    Envelope("bare", "log", only_objects=True),
)
"""The first row that fits a line is taken."""


@dataclass(frozen=True, slots=True)
class Container:
    """An object around a list of objects, each with a message or packed data in it."""

    title: str
    items: str
    """The key of the list."""
    needs: Sequence[str] = ()
    identity: Sequence[str] = ()
    message: str | None = None
    """The key of each item's message; None: items are envelopes themselves."""


CONTAINERS: Sequence[Container] = (
    Container(
        "CloudWatch subscription", "logEvents", ("messageType",), ("logGroup", "logStream"), message="message"
    ),
    Container("Kinesis event", "Records"),
    Container("Firehose event", "records"),
)

PACKED: Mapping[str, Sequence[str]] = {
    "awslogs.data": (),
    "kinesis.data": (),
    "data": (),
    "Data": ("SequenceNumber",),
}
"""Keys of data that is gzip in base64, and keys that must be there too."""
