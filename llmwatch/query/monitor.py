"""The monitor's engine: one thread that reads, folds, and takes a snapshot a tick for whoever shows it."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Literal

from llmwatch.errors import LlmwatchError
from llmwatch.query.detail import Detail, DetailKey, DetailKind
from llmwatch.query.details import take_detail
from llmwatch.query.events import events_between
from llmwatch.query.found import Found, SearchRequest
from llmwatch.query.insights.answer import Answer
from llmwatch.query.rates import RateWindow, kpis, rate_window
from llmwatch.query.scope import Scope, aware
from llmwatch.query.search import context, search
from llmwatch.query.snapshot import Counters, EventRow, Snapshot, SnapshotRequest, Table
from llmwatch.query.tables import count_all, group_calls
from llmwatch.sources.pump import gathered
from llmwatch.sources.source import Source, SourceState
from llmwatch.store.cancel import Cancel
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store

if TYPE_CHECKING:
    from llmwatch.query.audited import Audited
    from llmwatch.query.auditing import AuditWatch

TICK_SECONDS = 1.0
_READING_SECONDS = 0.1
"""A tick that is overdue still reads for so long: a screen that asks for much must not stop the reading."""
_IDLE_TICK_SECONDS = 5.0
"""While nothing comes, a snapshot this often: rates fall, and open calls become unfinished."""
_SHARE_OF_A_CORE = 0.25
"""A tick that took long is followed by a rest, so that snapshots never take more of the thread than this."""
_LIVE_LAG = timedelta(minutes=2)
_SEQ_OF = """SELECT first_seq + (?2 - first_line) FROM slices
WHERE source = ?1 AND ?2 >= first_line AND ?2 < first_line + rows ORDER BY slice_id DESC LIMIT 1"""


class Monitor:
    """Feeds a screen. `start` once, `stop` once; the other methods may be called from any thread."""

    def __init__(
        self,
        source: Source,
        store: Store,
        *,
        title: str,
        scope: Scope | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        record: Callable[[Slice], None] | None = None,
        audit: AuditWatch | None = None,
    ) -> None:
        self.title = title
        self._source = source
        self._store = store
        self._versioned_scope = (0, scope or Scope())
        """The scope and which it is: both change at once."""
        self._version_sent = -1
        self._clock = clock
        self._record = record
        self._audit = audit
        self._audited: Audited | None = None
        self._deliver: Callable[[Snapshot], None] = lambda _: None
        self._request = SnapshotRequest(panes=frozenset({"kpis", "users", "models", "events"}))
        self._asked = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="monitor", daemon=True)
        self._was_live = False
        self._version = 0
        self._moments: Iterator[tuple[Slice, ...]] | None = None
        self._held: tuple[Slice, ...] = ()
        """Given by the source, and not in the store yet."""
        self._unrecorded: deque[Slice] = deque()
        """In the store, and not recorded yet."""
        self._fared: list[tuple[str, str, str]] = []
        self._counters = Counters()
        self._delivered = float("-inf")

    def start(self, deliver: Callable[[Snapshot], None]) -> None:
        """Begin to read; `deliver` gets the snapshots, in this object's thread."""
        self._deliver = deliver
        self._thread.start()

    def request(self, request: SnapshotRequest) -> None:
        """Take the next snapshot for this, at once."""
        shown = replace(self._request, after_seq=request.after_seq)
        self._request = request
        if request != shown:
            self._asked.set()

    def detail(self, kind: DetailKind, key: DetailKey) -> Detail:
        """What stands behind a row; blocks for as long as it takes."""
        now = self._clock()
        return take_detail(self._store, self.scope, self._window(now), kind, key, now)

    @property
    def scope(self) -> Scope:
        """What every table speaks of now."""
        return self._versioned_scope[1]

    def rescope(self, scope: Scope) -> None:
        """Speak of another scope, at once."""
        self._versioned_scope = (self._versioned_scope[0] + 1, scope)
        self._request = replace(self._request, after_seq=-1)
        self._asked.set()

    def search(self, request: SearchRequest, cancel: Cancel) -> Iterator[Found]:
        """Look through the scope, newest first; see `query.search`."""
        by_time = any(state.feed is not None for state in self._source.states())
        return search(self._store, self.scope, request, now=self._clock(), cancelled=cancel, by_time=by_time)

    def context(self, seq: int, before: int, after: int) -> tuple[EventRow, ...]:
        """An event and its neighbours in the log, whatever the scope."""
        return context(self._store, seq, before, after)

    def ask(self, text: str, cancel: Cancel) -> Answer:
        """A Logs Insights query over the lines in the scope's window; see `query.insights`."""
        from llmwatch.query.insights.engine import answer
        from llmwatch.query.insights.parse import read_query
        from llmwatch.store.line_store import StoreLines

        scope = self.scope
        query = read_query(text)
        if scope.filters:
            remark = "all lines of the time window were asked: a query has its own filter, and the chips are not in it"
            query = replace(query, remarks=(*query.remarks, remark))
        lines = StoreLines(self._store, cancel)
        return answer(lines, query, now=self._clock(), since=scope.since, until=scope.until)

    def stop(self) -> None:
        """End the thread, and wait for it."""
        self._stopped.set()
        self._asked.set()
        if self._thread.is_alive():
            self._store.interrupt()
            self._thread.join(timeout=10)
        if self._audit:
            self._audit.stop()

    def _run(self) -> None:
        next_tick = time.monotonic()
        while not self._stopped.is_set():
            try:
                busy = self._read_some(until=max(next_tick, time.monotonic() + _READING_SECONDS))
                now = time.monotonic()
                if self._asked.is_set() or now >= next_tick:
                    next_tick = now + self._tick()
            except Exception as error:  # noqa: BLE001 (shown on screen; the next tick tries again)
                self._asked.clear()  # else what keeps failing would be tried without a rest
                if self._stopped.is_set():
                    return
                busy, next_tick = False, time.monotonic() + _IDLE_TICK_SECONDS
                self._deliver_failure(error)
            if not busy:
                self._asked.wait(max(0.0, next_tick - time.monotonic()))

    def _read_some(self, until: float) -> bool:
        """Ingest until the tick is due. Returns whether there is more now."""
        self._settle()
        while moment := self._next_moment():
            self._held = moment
            self._see(moment)
            self._settle()
            if time.monotonic() >= until or self._stopped.is_set():
                return True
        if self._audit:
            self._audit.rest(self._source.states())
        return False

    def _see(self, moment: Iterable[Slice]) -> None:
        if self._audit:
            for piece in moment:
                self._audit.see(piece)

    def _next_moment(self) -> tuple[Slice, ...]:
        """What the source gives next; empty when it has given all there is now.

        Its iterator is kept until it has ended, whatever else fails: the source does not give anything twice.
        """
        self._moments = self._moments or gathered(self._all_now())
        try:
            moment = next(self._moments, ())
        except BaseException:
            self._moments = None
            raise
        if not moment:
            self._moments = None
        return moment

    def _all_now(self) -> Iterator[Slice]:
        yield from self._source.read()
        if self._source.ended:
            yield from self._source.finish()

    def _settle(self) -> None:
        """Ingest what the source gave, and record it; what fails is tried again before anything else is read."""
        if self._held:
            self._store.ingest(*self._held)
            if self._record:
                self._unrecorded.extend(self._held)
            self._held = ()
        while self._record and self._unrecorded:
            self._record(self._unrecorded[0])
            self._unrecorded.popleft()

    def _tick(self) -> float:
        """Fold and deliver, if there is a reason to. Returns how long to rest before the next."""
        began = time.monotonic()
        asked = self._asked.is_set()
        self._asked.clear()
        changed = self._store.refresh()
        self._store.compact()
        sources = self._source.states()
        fared, self._fared = self._fared, [(state.name, state.status, state.detail) for state in sources]
        if self._audit:
            self._audit.tend(shown="audit" in self._request.panes)
            changed = changed or self._audit.changed
        changed = changed or fared != self._fared
        if changed or asked or began - self._delivered >= _IDLE_TICK_SECONDS:
            self._version += 1
            self._delivered = began
            self._deliver(self._snapshot(sources))
        took = time.monotonic() - began
        return max(TICK_SECONDS, took / _SHARE_OF_A_CORE)

    def _snapshot(self, sources: tuple[SourceState, ...]) -> Snapshot:
        request, now = self._request, self._clock()
        version, scope = self._versioned_scope
        window, panes = self._window(now), request.panes
        self._audited = self._audit.audited(self._seq_of, shown="audit" in panes) if self._audit else None
        feeds = [source.feed for source in sources if source.feed is not None]
        newest = aware(self._store.query("SELECT max(last_seen) FROM folded_calls").rows[0][0])
        self._counters = replace(
            count_all(self._store, scope, now),
            late=sum(feed.late for feed in feeds),
            sampled=sum(feed.sampled for feed in feeds),
        )

        def table(by: Literal["user", "model"], sort: str, *, descending: bool) -> Table:
            return group_calls(
                self._store,
                scope,
                [by],
                sort=sort,
                descending=descending,
                limit=request.row_limit,
                now=now,
                rates=window,
            )

        snapshot = Snapshot(
            version=self._version,
            now=now,
            counters=self._counters,
            sources=sources,
            lag_seconds=None if newest is None else (now - newest).total_seconds(),
            kpis=kpis(self._store, scope, window, now) if "kpis" in panes else None,
            users=table("user", request.users_sort, descending=request.users_descending)
            if "users" in panes
            else None,
            models=table("model", request.models_sort, descending=request.models_descending)
            if "models" in panes
            else None,
            events=(),
            events_total=self._store.lines,
            by_time=bool(feeds),
            scope_version=version,
            audit=self._audited,
        )
        return self._with_events(snapshot, scope) if "events" in panes else snapshot

    def _with_events(self, snapshot: Snapshot, scope: Scope) -> Snapshot:
        """The events that are new, or, after another scope, all there is to show.

        All again also where a filter asks about calls: what later lines tell of a call changes which of its earlier
        ones are in scope.
        """
        request, end_seq = self._request, self._store.end_seq
        whole = snapshot.scope_version != self._version_sent or any(
            chip.filter.needs_calls for chip in scope.filters
        )
        self._version_sent = snapshot.scope_version
        events = events_between(
            self._store,
            0 if whole else request.after_seq + 1,
            end_seq,
            request.event_limit,
            scope,
            now=snapshot.now,
            by_time=snapshot.by_time,
        )
        return replace(snapshot, events=events, last_seq=end_seq - 1, whole=whole)

    def _seq_of(self, source: str, line: int) -> int | None:
        """The number of a line; of the newest, where a file was read twice. None if it was not read."""
        rows = self._store.query(_SEQ_OF, [source, line]).rows
        return int(str(rows[0][0])) if rows else None

    def _window(self, now: datetime) -> RateWindow:
        window = rate_window(self._store, now, live=self._was_live)
        if not self._was_live and now - window.until < _LIVE_LAG:
            self._was_live = True
            window = rate_window(self._store, now, live=True)
        return window

    def _deliver_failure(self, error: Exception) -> None:
        """A snapshot without tables: the screen keeps those it has, and shows the sentence."""
        known = isinstance(error, LlmwatchError)
        detail = str(error) if known else f"a bug in llmwatch: {type(error).__name__}: {error}"
        state = SourceState(self.title, "error", detail)
        snapshot = Snapshot(
            version=self._version,
            now=self._clock(),
            counters=replace(self._counters, lines=self._store.lines),
            sources=(*self._source.states(), state),
            lag_seconds=None,
            kpis=None,
            users=None,
            models=None,
            events=(),
            events_total=self._store.lines,
            audit=self._audited,
        )
        self._deliver(snapshot)
