"""Lines to calls, one line after the other: the router's rules read so plainly that the eye can check them.

An entry of the audit log is a call by itself, once for all streams, however often it comes.

Calls of different request ids, or of different processes, never touch each other. So the lines of a stream
are cut where a process starts, then dealt out by request id, and each pile is walked once, in file order.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from tests.oracle.call import Call, Outcome
from tests.oracle.entries import Entry, entry_in
from tests.oracle.lines import Line, Unread, read
from tests.oracle.table import Price, Row, group
from tests.oracle.tokens import Tokens
from tests.oracle.whose import walk

__all__ = ["Call", "Folded", "Outcome", "Price", "Row", "Tokens", "fold", "group"]


@dataclass
class Folded:
    """All requests of some lines, and where every line went: lines = events + malformed + unrecognised.

    `unowned` counts events of a request that could be any of several.
    """

    calls: list[Call] = field(default_factory=list)
    lines: int = 0
    events: int = 0
    malformed: int = 0
    unrecognised: int = 0
    unowned: int = 0

    @property
    def llm_calls(self) -> int:
        """`counters.calls` of `top`."""
        return sum(call.reached_model for call in self.calls)

    @property
    def other_requests(self) -> int:
        return len(self.calls) - self.llm_calls


def fold(lines_by_stream: Mapping[str, Sequence[bytes]], now: datetime) -> Folded:
    """Every request of these streams, each stream's lines in the order they were written."""
    folded = Folded()
    entries: dict[Entry, str] = {}
    for stream, raws in lines_by_stream.items():
        read_lines = list(keep_lines(raws, folded))
        for entry in read_lines:
            if isinstance(entry, Entry) and entry.request_id is not None:
                entries.setdefault(entry, stream)
        statements = [line for line in read_lines if isinstance(line, Line)]
        processes = cut_at_starts(statements)
        for number, process in enumerate(processes, 1):
            for pile in by_request(process):
                calls, unowned = walk(pile)
                folded.unowned += unowned
                folded.calls += [call.finish(stream, number < len(processes), now) for call in calls]
    folded.calls += [entry.call(stream) for entry, stream in entries.items()]
    return folded


def keep_lines(raws: Sequence[bytes], folded: Folded) -> Iterable[Line | Entry]:
    """The router's statements and the entries; everything is counted."""
    for raw in raws:
        line: Line | Entry | Unread = read(raw)
        if line is Unread.UNRECOGNISED:
            line = entry_in(raw) or line
        folded.lines += line is not Unread.BLANK
        folded.malformed += line is Unread.MALFORMED
        folded.unrecognised += line is Unread.UNRECOGNISED
        if not isinstance(line, Unread):
            folded.events += 1
            yield line


def cut_at_starts(lines: Sequence[Line]) -> list[list[Line]]:
    """The lines of each process; the last one may still run."""
    processes: list[list[Line]] = [[]]
    for line in lines:
        if line.message == "Starting Bedrock router":
            processes.append([])
        processes[-1].append(line)
    return processes


def by_request(lines: Sequence[Line]) -> Iterable[list[Line]]:
    """The lines of each request id, in order. Lines without one are of no request."""
    piles: dict[str, list[Line]] = {}
    for line in lines:
        if line.request_id is not None:
            piles.setdefault(line.request_id, []).append(line)
    return piles.values()
