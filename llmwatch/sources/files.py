"""All files as one source: what is where, what is new, and in which order it is read."""

from __future__ import annotations

import os
import time
from collections import OrderedDict, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from llmwatch.sources.discover import Found, rotations_of, text_of
from llmwatch.sources.follower import MovedError, Reader, why
from llmwatch.sources.passage import Likeness, Passage
from llmwatch.sources.source import SourceState
from llmwatch.sources.watch import Identity, Watch, glance
from llmwatch.store.slice import Slice, WholeFile

LISTING_SECONDS = 1.0
"""How often folders are listed, at most."""

GRACE_SECONDS = 2.0
"""How long the beginning of a line at the end of a replaced file waits for its writer to end it."""

LATE_SECONDS = 60.0
"""How long a replaced file is held open for writers that have not let go of it."""

OPEN_FILES = 128
"""How many files are held open; the others are looked at once a second."""

_REMEMBERED = 64
"""How many files that are gone are remembered, to know them again when they come back compressed."""

_LEAST_LIKENESS = 64
"""How many bytes must be the same before a new file at an old name is taken for the old one, copied there."""


_LOSSES = 16
"""How many files that were gone before they were read to their end are told of."""


class FileSource:
    """Reads the files that a set of watches stands for: each byte once, whatever they are renamed to.

    One thread reads; `states` may be asked from any.
    """

    def __init__(
        self, watches: Sequence[Watch], *, follow: bool, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._watches = tuple(watches)
        self._follow = follow
        self._clock = clock
        self._readers: dict[Identity, Reader] = {}
        self._ordered: tuple[Reader, ...] = ()
        self._open: OrderedDict[Reader, None] = OrderedDict()
        self._past: deque[_Past] = deque(maxlen=_REMEMBERED)
        self._copies: dict[Identity, _Copy] = {}
        self._lost: tuple[SourceState, ...] = ()
        self._listed_at = float("-inf")
        self._made = 0
        self._stale = True
        self._ended = False

    # -- the source

    def read(self) -> Iterator[Slice]:
        """All that can be read now, rotations in the order they were written."""
        if self._ended:
            return
        for _ in range(1 if self._follow else 3):  # what moves while it is read is looked for again
            self._look()
            for reader in self._ordered:
                yield from self._advance(reader)
            if not self._stale:
                break
        if self._follow:
            yield from self._let_go()
        self._ended = not self._follow

    def offer(self, take: Callable[[WholeFile], bool]) -> None:
        """The plain files, unless they are followed."""
        if self._ended:
            return
        self._look()
        for reader in () if self._follow else self._ordered:
            whole = reader.whole()
            if whole is not None and take(whole):
                reader.skip()

    def finish(self) -> Iterator[Slice]:
        """The last lines without a newline."""
        for reader in self._ordered:
            piece = reader.finish()
            if piece is not None:
                yield piece

    @property
    def ended(self) -> bool:
        """Whether all is read and nothing is followed."""
        return self._ended

    def states(self) -> tuple[SourceState, ...]:
        """Every file that is there, and every path that is not, in the order the person named them."""
        states: list[SourceState] = []
        readers = self._ordered
        for index, watch in enumerate(self._watches):
            trouble = watch.trouble
            if trouble is not None:
                states.append(trouble)
            for reader in readers:
                here = reader.path is not None and (
                    watch.lists or reader.path == watch.path or reader.is_open
                )
                if reader.watch == index and (here or reader.note or reader.problem):
                    states.append(reader.state(follow=self._follow))
        states += [copy.state for copy in tuple(self._copies.values()) if copy.detail]
        return (*states, *self._lost)

    def close(self) -> None:
        """Let go of all files."""
        for reader in self._ordered:
            reader.close()
        self._open.clear()
        self._ended = True

    def problems(self) -> list[str]:
        """Why nothing at all can be read, a sentence for each path or file; empty when something can."""
        self._look()
        sentences = [watch.trouble.detail for watch in self._watches if watch.trouble is not None]
        for reader in self._ordered:
            problem = reader.examine()
            if not problem:
                return []
            sentences.append(problem)
        return sentences

    # -- looking

    def _look(self) -> None:
        """Look at the files held open and those named; list when one moved or a listing is due."""
        now = self._clock()
        moved = self._stale
        looks = [(watch.path, watch.seen) for watch in self._watches if watch.seen is not None]
        looks += [(reader.path, reader.identity) for reader in self._open if reader.path is not None]
        for path, expected in dict(looks).items() if self._follow else ():
            seen, status = glance(path)
            moved = moved or seen != expected
            reader = None if isinstance(seen, int) or moved else self._readers.get(seen)
            if reader is not None and status is not None:
                reader.status = status
                moved = moved or reader.seems_emptied
        by_time = (
            any(watch.lists for watch in self._watches)
            or len(self._readers) > OPEN_FILES
            or any(reader.out_of_reach for reader in self._ordered)
        )
        if moved or (self._follow and by_time and now - self._listed_at >= LISTING_SECONDS):
            self._listed_at = now
            self._list(now)

    def _list(self, now: float) -> None:
        """Find out where the known files are now and which are new."""
        found: dict[Identity, tuple[int, int, Found]] = {}
        known = self._readers.keys() | self._copies.keys()
        for index, watch in enumerate(self._watches):
            for rank, one in enumerate(watch.find(known)):
                found.setdefault(one.identity, (index, rank, one))
        for identity, reader in tuple(self._readers.items()):
            if identity in found and reader.differs_from(found[identity][2]):
                del self._readers[identity]
                if reader.taken:
                    self._made += 1
                    self._readers[-1, self._made] = reader
                    reader.place(None, -1, now)
                continue
            _, rank, here = found.pop(identity, (0, -1, None))
            reader.place(here, rank, now)
        self._copies = {identity: copy for identity, copy in self._copies.items() if identity in found}
        for index, rank, one in sorted(found.values(), key=lambda entry: entry[2].log.packed):
            if not self._is_copy(one):
                self._add(one, index, rank, now)
        self._order()
        self._stale = False

    def _order(self) -> None:
        self._ordered = tuple(sorted(self._readers.values(), key=lambda reader: reader.order))

    def _add(self, one: Found, watch: int, rank: int, now: float) -> Reader:
        """Begin a new file, where its predecessor stopped if it has one."""
        self._made += 1
        reader = Reader(one, watch, rank, self._made, now)
        old = self._predecessor(one)
        if old is not None and self._take_over(reader, old):
            self._forget(old)
        self._readers[reader.identity] = reader
        return reader

    def _predecessor(self, one: Found) -> Reader | None:
        """The file that is gone and goes on in this one: compressed, or copied and put in its place."""
        for old in self._readers.values():
            if old.path is not None or old.taken < _LEAST_LIKENESS or one.log.base not in old.bases:
                continue
            compressed = one.log.packed and not old.is_open
            replaced = one.path == old.last_path and old.unlinked and old.all_read
            if (compressed or replaced) and _likeness(old.passage(), one.path) == "whole":
                return old
        return None

    def _is_copy(self, one: Found) -> bool:
        """Whether the lines of a new file were or will be read from another, of which it is a copy."""
        sight = (one.status.st_size, one.status.st_mtime_ns)
        known = self._copies.pop(one.identity, None)
        if known is not None and known.sight == sight:
            self._copies[one.identity] = known
            return True
        if one.named:
            return False
        name = text_of(one.path)
        if self._follow and not one.status.st_size and (one.log.rotated or one.log.packed):
            self._copies[one.identity] = _Copy(name, sight, "")  # a copy in the making shows nothing at first
            return True
        for original in self._originals(one):
            try:
                likeness = original.passage.begins(one.path)
            except OSError as error:  # it may be one: not read before that is known
                self._copies[one.identity] = _Copy(name, None, why(name, error))
                return True
            if likeness != "no":
                self._copies[one.identity] = _Copy(name, sight, original.remark)
                return True
        return False

    def _originals(self, one: Found) -> Iterator[_Past]:
        """What the file may be a copy of.

        A compressed one: of a file that is gone or lies beside it. Another rotation: of a file that is being
        copied, or was, in order to empty it.
        """
        packed = one.log.packed
        for reader in self._readers.values():
            if one.log.base not in reader.bases:
                continue
            beside = packed and reader.path == os.path.splitext(one.path)[0]
            gone = packed and reader.path is None and reader.is_open
            emptied = reader.taken > 0 and (reader.current or reader.rewritten())
            if beside or gone or (emptied and (packed or one.log.rotated)):
                remark = (
                    f"{text_of(one.path)} holds the lines of {reader.name} and is not read a second time."
                )
                for passage in reader.passages():
                    yield _Past(reader.bases, passage, emptied=False, remark=remark if beside else "")
        for past in self._past:
            if one.log.base in past.bases and (past.emptied or packed):
                yield past

    # -- reading

    def _advance(self, reader: Reader) -> Iterator[Slice]:
        """Read what is new in one file."""
        try:
            if reader.path is None:
                if not reader.is_open:
                    return
                reader.open()
            if not reader.due:
                return
            reader.open()
            self._hold(reader)
            if reader.rewritten():
                yield from self._restart(reader)
            before = reader.taken
            yield from reader.read()
            if reader.taken != before:
                reader.quiet_since = self._clock()
        except MovedError:
            self._stale = True
        except OSError as error:
            reader.fail(error)
        if reader.log.packed or not self._follow:
            self._close(reader)

    def _restart(self, reader: Reader) -> Iterator[Slice]:
        """Begin a truncated file again; what was not read before is in the copy that was made, if one was."""
        copy = self._copy_of(reader)
        piece = reader.finish() if copy is None else None
        self._past.append(_Past(reader.bases, reader.passage(), emptied=True))
        reader.restart()
        self._stale = True  # it may have been emptied twice: the copy made last shows in a listing
        if copy is not None:
            yield from self._advance(copy)
            return
        reader.note = (
            f"{reader.name} was emptied or written anew between two looks; lines that were written and"
            " removed in between are lost to every reader."
        )
        if piece is not None:
            yield piece

    def _copy_of(self, reader: Reader) -> Reader | None:
        passage = reader.passage()
        for one in reversed(rotations_of(reader.last_path)):
            if one.identity in self._readers or _likeness(passage, one.path) != "whole":
                continue
            self._made += 1
            copy = Reader(one, reader.watch, -1, self._made, self._clock())
            if self._take_over(copy, reader):
                self._readers[copy.identity] = copy
                self._order()
                return copy
        return None

    def _take_over(self, reader: Reader, old: Reader) -> bool:
        try:
            reader.take_over(old)
        except (OSError, MovedError):
            return False
        self._hold(reader)
        return True

    # -- letting go

    def _let_go(self) -> Iterator[Slice]:
        """End the last lines of files that writers have left, and close them in time."""
        now = self._clock()
        for reader in self._ordered:
            if reader.current:
                continue
            quiet = now - reader.quiet_since
            lost = reader.path is None and not reader.is_open
            if reader.has_rest and (quiet >= GRACE_SECONDS or lost):
                piece = reader.finish()
                if piece is not None:
                    yield piece
            if quiet >= LATE_SECONDS:
                self._close(reader)
            if lost:
                self._lost = (*self._lost, *reader.losses())[-_LOSSES:]
                self._past.append(_Past(reader.bases, reader.passage(), emptied=False))
                self._forget(reader)

    def _hold(self, reader: Reader) -> None:
        """Keep a file open, and no more of them than allowed: those that were quiet longest are closed."""
        self._open[reader] = None
        self._open.move_to_end(reader)
        while len(self._open) > OPEN_FILES:
            self._open.popitem(last=False)[0].close()

    def _close(self, reader: Reader) -> None:
        self._open.pop(reader, None)
        reader.close()

    def _forget(self, reader: Reader) -> None:
        self._close(reader)
        self._readers = {identity: one for identity, one in self._readers.items() if one is not reader}
        self._order()


@dataclass(frozen=True, slots=True)
class _Past:
    """What was read of a file, now or once, by the names that its rotations may have in common."""

    bases: frozenset[str]
    passage: Passage
    emptied: bool
    """Whether the file was truncated, so that a plain copy of it may lie beside it."""
    remark: str = ""


@dataclass(frozen=True, slots=True)
class _Copy:
    """A file that is not read, as it was when that was found."""

    name: str
    sight: tuple[int, int] | None
    """Size and time then; None when it could not be opened."""
    detail: str

    @property
    def state(self) -> SourceState:
        return SourceState(self.name, "ended" if self.sight else "error", self.detail)


def _likeness(passage: Passage, path: str) -> Likeness:
    try:
        return passage.begins(path)
    except OSError:
        return "no"
