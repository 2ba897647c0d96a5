"""What a package was made from: each file and stream, with the hash of what was read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.query.scope import Scope, aware
from llmwatch.sources.source import OffersFiles, Source, SourceState
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Store

if TYPE_CHECKING:
    from hashlib import _Hash

_PART = 1 << 20


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One file or stream."""

    source: str
    sha256: str | None
    """Of a file's bytes that were read; of a stream's lines as they came, each with a newline. Unknown of what was
    read into a database before."""

    size: int | None
    """Bytes of the same."""

    lines: int
    events: int
    malformed: int
    unrecognised: int
    calls: int
    """Of those in scope."""

    first_time: datetime | None
    last_time: datetime | None


class Witness:
    """A source whose slices are hashed on their way, by the name of what they come from."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._hashes: dict[str, _Hash] = {}
        self._sizes: dict[str, int] = {}

    def seen(self, name: str) -> tuple[str, int] | None:
        """The hash and the size of what came from there."""
        found = self._hashes.get(name)
        return None if found is None else (found.hexdigest(), self._sizes[name])

    def offer(self, take: Callable[[WholeFile], bool]) -> None:
        """Whole files are hashed where they lie."""
        if isinstance(self._source, OffersFiles):
            self._source.offer(take)

    def read(self) -> Iterator[Slice]:
        """As the source gives them."""
        yield from self._noted(self._source.read())

    def finish(self) -> Iterator[Slice]:
        """As the source gives them."""
        yield from self._noted(self._source.finish())

    def _noted(self, slices: Iterator[Slice]) -> Iterator[Slice]:
        for piece in slices:
            self._hashes.setdefault(piece.source, sha256()).update(piece.data)
            self._sizes[piece.source] = self._sizes.get(piece.source, 0) + len(piece.data)
            yield piece

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self._source.ended

    def states(self) -> tuple[SourceState, ...]:
        """How each part fares."""
        return self._source.states()

    def close(self) -> None:
        """Let go."""
        self._source.close()


def list_sources(store: Store, scope: Scope, witness: Witness | None) -> tuple[SourceRecord, ...]:
    """All that lines came from, and files without any, in order of their names."""
    condition, parameters = scope.sql()
    calls = {
        str(source): int(str(count))
        for source, count in store.query(
            f"SELECT source, count(*) FROM calls WHERE reached_model AND {condition} GROUP BY source",
            parameters,
        ).rows
    }
    rows = store.query(
        """SELECT s.source, count(*) FILTER (l.kind IS NOT NULL OR r.seq IS NOT NULL), count(l.kind),
            count(*) FILTER (r.reason = 'malformed'), count(*) FILTER (r.reason = 'unrecognised'),
            min(l.time), max(l.time)
        FROM lines l JOIN slices s USING (slice_id) LEFT JOIN rejected_lines r ON r.seq = l.rowid
        GROUP BY s.source ORDER BY s.source"""
    ).rows
    files = {one.name: one.bytes_read for one in witness.states() if not one.group} if witness else {}
    found = {str(row[0]): row[1:] for row in rows}
    records = []
    for source in sorted({*found, *(name for name in files if Path(name).is_file())}):
        *counts, first, last = found.get(source, (0, 0, 0, 0, None, None))
        lines, events, malformed, unrecognised = (int(str(count)) for count in counts)
        read = _of_file(source, files[source]) if source in files else None
        digest, size = read or (witness.seen(source) if witness else None) or (None, None)
        of_it = lines, events, malformed, unrecognised, calls.get(source, 0)
        records.append(SourceRecord(source, digest, size, *of_it, aware(first), aware(last)))
    return tuple(records)


def _of_file(source: str, size: int) -> tuple[str, int] | None:
    """The hash of its first bytes, so many as were read: a log may have grown since."""
    path = Path(source)
    digest, left = sha256(), size
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            while left and (data := file.read(min(left, _PART))):
                digest.update(data)
                left -= len(data)
    except OSError:
        return None
    return None if left else (digest.hexdigest(), size)


def gaps(states: Sequence[SourceState]) -> tuple[str, ...]:
    """Sentences about what could not be read, or came late."""
    told = [state.sentence for state in states if state.detail]
    for state in states:
        feed = state.feed
        if feed and feed.sampled:
            told.append(f"{state.name}: the service left events out of {feed.sampled:,} updates")
    return tuple(told)


def named_apart(sources: Sequence[SourceRecord]) -> Mapping[str, str]:
    """A number in place of each name, for packages that name nobody."""
    return {one.source: f"source-{number}" for number, one in enumerate(sources, 1)}
