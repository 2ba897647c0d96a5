"""How the sources fare, one by one and together: what header, notice and Sources pane all say."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from llmwatch import units
from llmwatch.clean import Clean, clean, join, literal
from llmwatch.query.snapshot import Snapshot
from llmwatch.sources.source import Feed, SourceState, SourceStatus
from llmwatch.tui.widgets.column import Tone

NAME_LIMIT = 1024
"""Log groups may have 512 characters, ARNs more; names are told apart by their ends."""

LATE_LAG_SECONDS = 60.0
"""A reading so far behind is no longer a live one. Polling stays within seconds, a busy sweep within a minute."""

_SPEAKS_FIRST: tuple[SourceStatus, ...] = ("reading", "live", "error", "waiting", "ended")
"""In the order in which one source's status speaks for all of them. Trouble has a line of its own besides."""

SIGNS: dict[SourceStatus, tuple[str, Tone]] = {
    "reading": ("◐", "warning"),
    "live": ("●", "success"),
    "error": ("✖", "error"),
    "waiting": ("○", "warning"),
    "ended": ("■", "muted"),
}


@dataclass(frozen=True, slots=True)
class Feeds:
    """The feeds of all log groups as one: sums, and the worst of what is not summed."""

    working: int
    """Sources that neither fail nor wait, of so many that there are in `sources`."""
    sources: int
    failing: bool
    lag_seconds: float | None
    """Of those that are not stalled."""
    events_per_second: float | None
    late: int
    late_seconds: float
    throttled: int
    sampled: int
    stalled: bool
    stalled_seconds: float | None
    """How long nothing could be read, of the group that has waited the longest."""
    filling: float | None
    """Which part of the past is read, of the group that has read least; None when all is."""


def together(sources: tuple[SourceState, ...]) -> Feeds | None:
    """What all feeds come to; None when no source is a log group."""
    if not any(source.group for source in sources):
        return None
    feeds = [source.feed for source in sources if source.feed is not None]
    open_feeds = [source.feed for source in sources if source.feed is not None and source.status != "ended"]
    rates = [feed.events_per_second for feed in open_feeds if feed.events_per_second is not None]
    parts = [feed.filling for feed in feeds if feed.filling is not None]
    return Feeds(
        working=sum(source.status not in {"error", "waiting"} for source in sources),
        sources=len(sources),
        failing=any(source.status == "error" for source in sources),
        lag_seconds=_longest(feed for feed in open_feeds if not feed.stalled),
        events_per_second=sum(rates) if rates else None,
        late=sum(feed.late for feed in feeds),
        late_seconds=max((feed.late_seconds for feed in feeds), default=0.0),
        throttled=sum(feed.throttled for feed in feeds),
        sampled=sum(feed.sampled for feed in feeds),
        stalled=any(feed.stalled for feed in open_feeds),
        stalled_seconds=_longest(feed for feed in open_feeds if feed.stalled),
        filling=min(parts, default=None),
    )


def _longest(feeds: Iterable[Feed]) -> float | None:
    return max((feed.lag_seconds for feed in feeds if feed.lag_seconds is not None), default=None)


def overall(sources: tuple[SourceState, ...]) -> SourceStatus:
    """The one status that most needs to be known."""
    present = {source.status for source in sources}
    return next((status for status in _SPEAKS_FIRST if status in present), "waiting")


def progress(sources: Iterable[SourceState]) -> Clean:
    """How far reading has come: `43 % of 2.80 GB`, of log groups `43 %`."""
    sources = tuple(sources)
    feeds = together(sources)
    if feeds is not None and feeds.filling is not None:
        return literal(part(feeds.filling))
    read = sum(source.bytes_read for source in sources)
    total = sum(source.bytes_total for source in sources)
    if not total:
        return literal(units.size(read))
    return literal(f"{part(read / total)} of {units.size(total)}")


def part(done: float) -> str:
    """`43 %`. What is not done is never `100 %`."""
    return f"{max(0, min(99, int(done * 100)))} %"


def rank(source: SourceState) -> int:
    """How much somebody is needed: 0 cannot be read, 5 all is well."""
    feed = source.feed
    signs = (
        source.status == "error",
        source.status == "waiting",
        bool(complaint(source)),
        feed is not None and (feed.lag_seconds or 0.0) >= LATE_LAG_SECONDS and source.status != "ended",
        feed is not None and bool(feed.throttled or feed.sampled),
    )
    return signs.index(True) if True in signs else len(signs)


def by_trouble(sources: Iterable[SourceState]) -> list[SourceState]:
    """Those that need somebody first, then by name."""
    return sorted(sources, key=lambda source: (rank(source), source.name))


def complaint(source: SourceState) -> str:
    """What is wrong, as raw text: a sentence with the remedy where there is one. Empty when nothing is."""
    unread = "cannot be read" if source.status == "error" else ""
    return source.detail or standstill(source) or unread


def standstill(source: SourceState) -> str:
    """Since when a log group stands still, as raw text, which says that nothing is lost. Empty if it does not."""
    stalled = source.feed.stalled if source.feed else ""
    return f"stalled: {stalled}; what came since is read when it goes on" if stalled else ""


def is_sought(source: SourceState) -> bool:
    """Whether it is a name of log groups that the service was asked for, and has not answered yet."""
    return source.group and source.feed is None and source.status == "waiting" and not source.detail


def severity(source: SourceState) -> Tone:
    """Red for what cannot be read, amber for what may pass."""
    return "error" if source.status == "error" else "warning"


def why_empty(snapshot: Snapshot, title: Clean, *, filtered: bool) -> Clean:
    """Why there is nothing, and what would bring something."""
    status = overall(snapshot.sources)
    if status == "reading":
        return join([literal("reading "), title, literal(" … "), progress(snapshot.sources)])
    if status in {"waiting", "error"} and any(complaint(source) for source in snapshot.sources):
        return join([literal("nothing read yet from "), title, literal(": press o for its sources")])
    if status == "waiting":
        return _awaited(snapshot.sources, title)
    if filtered:
        return literal("nothing is let through: press F for the filters")
    if snapshot.counters.lines and not snapshot.counters.events:
        return literal("lines were read and none was understood: press 3 and b to see them")
    ending = ": it has ended" if status == "ended" else ": send a request through the gateway"
    return join([literal("no calls yet in "), title, literal(ending)])


def _awaited(sources: tuple[SourceState, ...], title: Clean) -> Clean:
    sought = [clean(source.name, NAME_LIMIT) for source in sources if is_sought(source)]
    if len(sought) > 1:
        return literal(f"looking for the log groups of {units.count(len(sought))} names …")
    if sought:
        return join([literal("looking for log group "), sought[0], literal(" …")])
    return join([literal("waiting for "), title, literal(" to appear")])
