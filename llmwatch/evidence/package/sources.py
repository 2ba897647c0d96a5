"""What a package was made from: each file and stream, with the hash of what was read."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from hashlib import file_digest, sha256
from pathlib import Path
from typing import TYPE_CHECKING

from llmwatch.query.scope import aware
from llmwatch.sources.source import OffersFiles, Source, SourceState
from llmwatch.store.slice import Slice, WholeFile
from llmwatch.store.store import Store

if TYPE_CHECKING:
    from hashlib import _Hash


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """One file or stream."""

    source: str
    sha256: str | None
    """Of a file's bytes as they are on disk; of a stream's lines as they came, each with a newline; or unknown."""

    size: int | None
    """Bytes of the same."""

    lines: int
    events: int
    malformed: int
    unrecognised: int
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


def list_sources(store: Store, witness: Witness | None) -> tuple[SourceRecord, ...]:
    """All that lines came from, in order of their names."""
    rows = store.query(
        """SELECT s.source, count(*) FILTER (l.kind IS NOT NULL OR r.seq IS NOT NULL), count(l.kind),
            count(*) FILTER (r.reason = 'malformed'), count(*) FILTER (r.reason = 'unrecognised'),
            min(l.time), max(l.time)
        FROM lines l JOIN slices s USING (slice_id) LEFT JOIN rejected_lines r ON r.seq = l.rowid
        GROUP BY s.source ORDER BY s.source"""
    ).rows
    return tuple(_record(row, witness) for row in rows)


def _record(row: Sequence[object], witness: Witness | None) -> SourceRecord:
    source, (lines, events, malformed, unrecognised) = str(row[0]), (int(str(value)) for value in row[1:5])
    digest, size = _of_file(source) or (witness.seen(source) if witness else None) or (None, None)
    return SourceRecord(
        source, digest, size, lines, events, malformed, unrecognised, aware(row[5]), aware(row[6])
    )


def _of_file(source: str) -> tuple[str, int] | None:
    path = Path(source)
    try:
        if not path.is_file():
            return None
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
            return digest, os.fstat(file.fileno()).st_size
    except OSError:
        return None


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
