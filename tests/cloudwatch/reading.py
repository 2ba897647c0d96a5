"""Simple readers, for tests of the fake itself."""

from __future__ import annotations

from llmwatch.sources.cloudwatch.api import EventPage, Group, LogEvent, LogsApi

START = 1_772_000_000
"""Where virtual clocks start, in seconds."""
MS = START * 1000


def pages(api: LogsApi, group: Group, *, start: int = MS, end: int | None = None) -> list[EventPage]:
    """A chain of pages, to its end."""
    found = [api.filter_events(group, start=start, end=end)]
    while found[-1].token:
        found.append(api.filter_events(group, start=start, end=end, token=found[-1].token))
    return found


def events(api: LogsApi, group: Group, *, start: int = MS, end: int | None = None) -> list[LogEvent]:
    """The events of a chain."""
    return [event for page in pages(api, group, start=start, end=end) for event in page.events]


def messages(api: LogsApi, group: Group, *, start: int = MS, end: int | None = None) -> list[str]:
    """Their messages."""
    return [event["message"] for event in events(api, group, start=start, end=end)]
