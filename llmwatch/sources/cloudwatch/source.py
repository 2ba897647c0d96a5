"""Log groups as a source of lines: threads that ask, and a buffer that is read."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

from llmwatch.errors import LlmwatchError
from llmwatch.sources.cloudwatch.api import LogsApi
from llmwatch.sources.cloudwatch.buffer import Buffer
from llmwatch.sources.cloudwatch.live import LiveTail
from llmwatch.sources.cloudwatch.poller import Job, LookUp, Outcome, Poller, Settings
from llmwatch.sources.source import SourceState
from llmwatch.store.slice import Slice

_THREADS = 4
"""Requests that may be under way at once: an answer of 1 MB takes longer than the budget's pause."""
_WAKING_SECONDS = 0.2
_LAST_WAIT_SECONDS = 0.2


class CloudWatchSource:
    """Lines of log groups, each once. Reading begins with the first call of `read`.

    With `follow`, `read` gives what has come; without, it goes on until the range is read.
    """

    def __init__(
        self,
        api: LogsApi,
        settings: Settings,
        *,
        follow: bool,
        keep_records: bool = False,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._api = api
        self._follow = follow
        self._live = settings.live
        self._clock = clock
        self._poller = Poller(settings, self._service_time, now=clock())
        self._buffer = Buffer(keep_records=keep_records)
        self._lock = threading.Condition()
        self._stopped = False
        self._bug: BaseException | None = None
        self._threads: list[threading.Thread] = []
        self._sessions: LiveTail | None = None

    def read(self) -> Iterator[Slice]:
        """What has come since the last call; of a range that ends, all of it.

        Raises:
            LlmwatchError: nothing can be read at all, and nobody wants to wait for that to change.

        """
        if not self._threads and not self._stopped:
            self._start()
        while True:
            done = self._done()
            yield from self._buffer.take()
            if done:
                self._raise()
            if self._follow or done:
                return
            self._buffer.wait(_WAKING_SECONDS)

    def finish(self) -> Iterator[Slice]:
        """What is left in the buffer."""
        yield from self._buffer.take()

    @property
    def ended(self) -> bool:
        """Whether all that was asked for has been given."""
        return self._done() and self._buffer.empty

    def states(self) -> tuple[SourceState, ...]:
        """How each group fares."""
        with self._lock:
            self._poller.held_up = self._buffer.full
            return self._poller.states(self._clock())

    def close(self) -> None:
        """End the threads; one that waits for an answer is left to itself."""
        with self._lock:
            closed, self._stopped = self._stopped, True
            self._lock.notify_all()
        if closed:
            return
        self._buffer.close()
        if self._sessions:
            self._sessions.close()
        until = time.monotonic() + _LAST_WAIT_SECONDS
        for thread in self._threads:
            thread.join(max(0.0, until - time.monotonic()))

    def _start(self) -> None:
        for number in range(_THREADS):
            thread = threading.Thread(target=self._work, name=f"cloudwatch-{number}", daemon=True)
            thread.start()
            self._threads.append(thread)
        if self._live:
            self._sessions = LiveTail(
                self._api, self._poller, self._lock, self._buffer, self._clock, self._report
            )
            self._sessions.start()

    def _done(self) -> bool:
        with self._lock:
            busy = any(thread.is_alive() for thread in self._threads)
            return self._stopped or self._bug is not None or (self._poller.ended and not busy)

    def _raise(self) -> None:
        if self._bug is not None:
            raise self._bug
        failure = self._poller.failure()
        if failure is not None and not self._stopped:
            raise failure

    def _work(self) -> None:
        try:
            while (job := self._next()) is not None:
                outcome = self._run(job)
                with self._lock:
                    new = self._poller.done(job, outcome, self._clock())
                    turn = self._buffer.turn() if new else None
                    self._lock.notify_all()
                if turn is not None and not isinstance(job, LookUp):
                    self._buffer.put(job.tail.group, new, turn)
        except BaseException as bug:  # noqa: BLE001 (raised where the source is read)
            self._report(bug)

    def _report(self, bug: BaseException) -> None:
        """A thread has ended by what no thread should meet."""
        with self._lock:
            self._bug = bug
            self._lock.notify_all()

    def _next(self) -> Job | None:
        """The next job; waits until there is one. None when there will be none."""
        with self._lock:
            while not (self._stopped or self._bug or self._poller.ended):
                job = self._poller.next_job(self._clock())
                if not isinstance(job, float):
                    return job
                self._lock.wait(job)
            return None

    def _run(self, job: Job) -> Outcome:
        with self._lock:
            renew, self._poller.renew = self._poller.renew, False
        try:
            if renew:
                self._api.renew()
            return job.run(self._api)
        except LlmwatchError as failure:
            return failure

    def _service_time(self) -> int:
        service = self._api.service_time()
        if service is None:
            return int(time.time() * 1000)
        if self._poller.skew_seconds is None:
            self._poller.skew_seconds = time.time() - service
        return int(service * 1000)
