"""What is said of a log once it is known what each line follows: the class of each line, and what is missing."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta

from llmwatch.audit.chain.damages import Gap, classify, places, standing_in
from llmwatch.audit.chain.order import Covered
from llmwatch.audit.chain.pieces import UNKNOWN, Damage, Piece
from llmwatch.audit.chain.placing import Placed, place
from llmwatch.audit.chain.tally import Tally
from llmwatch.audit.findings import LINE_CLASSES, Finding, Severity
from llmwatch.audit.folder import LogFile
from llmwatch.audit.lines.line import Link

_DETAILS = {
    "reencoded": "it is authentic, but not in the bytes in which it was written",
    "duplicate_keys": "a key is there twice in one object: readers differ on which of the two holds",
    "alt_canonical": "it is authentic; the program that wrote it had numbers for keys",
    "missing_newline": "the last line is whole, but its newline is missing: a writer crashed, or is writing",
    "torn_fragment": "a fragment, as a crash leaves it, and after it a whole and authentic entry",
    "wrong_key": "the chain holds, but every signature of the file was made with a key that was not given",
    "duplicate": "the same line stands elsewhere in the log, where it belongs",
    "downgraded": "it has neither number nor key id, though lines before it have: those are not given up again",
}
_MOVED = "it is authentic, but does not stand where it was written"
_RESTART = "a new chain begins here, as when a process starts: lines at the end of the one before would not be missed"
_INTERLEAVED = "lines of several writers stand between each other: each chain is checked by itself"
_STRAY = "it is authentic, but belongs elsewhere: the lines before and after it link to each other"


class Settlement:
    """Takes pieces in the order of the log; those it has taken are not looked at again."""

    def __init__(self, files: Sequence[LogFile], whole: bool, tally: Tally) -> None:
        """`files` may grow."""
        self._files, self._whole, self._tally = files, whole, tally
        self._before: Piece | None = None
        self._renamed: set[int] = set()
        self._interleaved: dict[int, Finding] = {}
        self._placed = Placed([])
        self._open: dict[int, int] = {}

    def settle(self, pieces: Sequence[Piece], damage: Sequence[Damage]) -> None:
        """Judge pieces that are put together, and the damage after them."""
        self._names = [file.name for file in self._files]
        chained: list[Piece] = []
        between: list[Damage] = []
        for piece in pieces:
            between += piece.damage
            if piece.apart:
                self._report(piece, str(piece.flaw))
            else:
                piece.damage, between = between, []
                chained.append(piece)
        damage, between = [*between, *damage], []
        self._placed = placed = place(chained, self._names)
        self._open = _first_ends(placed)
        self._find_renamed(placed)
        for piece in placed.pieces:
            between += piece.damage
            if not placed.is_kept(piece):
                self._misplaced(piece)
            elif self._is_stray(piece):
                self._tally.add(self._lines(piece, "inserted", _STRAY))
            else:
                if piece.flaw:
                    self._report(piece, piece.flaw)
                self._gap(between, piece)
                between, self._before = [], piece
        self._gap([*between, *damage], None)

    def finish(self) -> None:
        """What is said once of a file."""
        for finding in self._interleaved.values():
            self._tally.add(finding)

    def _report(self, piece: Piece, flaw: str) -> None:
        detail, given = _DETAILS[flaw], None
        if flaw == "torn_fragment" and (piece.sequence is not None or piece.relation == "lost"):
            flaw, detail = "malformed", "a whole entry stands behind something that is none"
        if flaw == "missing_newline" and piece.sequence is not None and piece.file < len(self._files) - 1:
            given, detail = (
                "error",
                "the newline of its last line is gone, though it was there when the log went on",
            )
        self._tally.add(self._lines(piece, flaw, detail, given))  # type: ignore[arg-type]

    def _lines(self, piece: Piece, name: str, detail: str, given: Severity | None = None) -> Finding:
        file = self._names[piece.file]
        return Finding(name, file, piece.first, piece.last, piece.lines, detail=detail, given=given)

    def _misplaced(self, piece: Piece) -> None:
        if piece.flaw and LINE_CLASSES[piece.flaw] == "error":
            self._report(piece, piece.flaw)
        elif piece in self._placed.repeated:
            self._tally.add(self._lines(piece, "duplicate", _DETAILS["duplicate"]))
        elif piece.file not in self._placed.renamed:
            self._tally.add(self._lines(piece, "reordered", _MOVED))

    def _rename(self, file: int, detail: str, expected: str | None) -> None:
        if file in self._renamed:
            return
        self._renamed.add(file)
        name = self._names[file]
        self._tally.add(
            Finding("file_renamed", name, expected=expected, actual=name if expected else None, detail=detail)
        )

    def _find_renamed(self, placed: Placed) -> None:
        """A v2 file names itself, and the one before it. Where none does, the order tells."""
        for piece in placed.pieces:
            here, named = self._files[piece.file], piece.head.link.file if piece.head.link else None
            if named not in (None, here.name) and (here.day or self._whole) and placed.is_kept(piece):
                self._rename(piece.file, "its first v2 line says that its name was another", named)
            link = piece.head.link if piece.begins_file and piece.after else None
            if link and link.previous and piece.after and piece.after.file != piece.file:
                name = self._names[piece.after.file]
                if link.previous.file != name and link.previous.chain == piece.after.chain:
                    detail = (
                        f"{self._names[piece.file]}, which goes on from it, says that its name was another"
                    )
                    self._rename(piece.after.file, detail, link.previous.file)
        if not self._renamed:
            for file in sorted(placed.renamed):
                self._rename(file, "all of its lines belong before or after those of other files", None)

    def _gap(self, damage: Sequence[Damage], after: Piece | None) -> None:
        before, slots, moved = self._before, None, 0
        if after is not None and after.sequence is not None and before is not None:
            last = before.last_sequence
            if last is not None:
                moved = _count(self._placed.elsewhere, last + 1, after.sequence - 1)
                fragment = after.flaw == "torn_fragment"
                slots = max(0, after.sequence - last - 1 - moved - fragment)
        gap = Gap(before, damage, after, slots, self._names)
        standing = standing_in(gap)
        for finding in classify(gap, standing):
            self._tally.add(finding)
        if after is None or after.relation == "given":
            self._before_given(gap, places(standing))
        elif after.sequence is None:
            self._plain(gap, after, standing)
        elif before is None or before.sequence is None:
            self._first_numbered(after, before, places(standing))
        else:
            self._numbered(gap, after, before, places(standing), moved)

    def _before_given(self, gap: Gap, stood: int) -> None:
        """A file that others vouch for: its number tells what is missing before it."""
        missing = (gap.slots or 0) - stood
        if gap.before and gap.after and gap.after.stored and missing > 0 and self._whole:
            self._tail_missing(self._names[gap.before.file], gap.before, missing, gap.after)

    def _numbered(self, gap: Gap, after: Piece, before: Piece, stood: int, moved: int) -> None:
        """Between two v2 lines."""
        missing = (gap.slots or 0) - stood
        other_file = before.file != after.file
        link = after.head.link if after.begins_file else None
        previous = link.previous if link else None
        if missing > 0:
            self._missing(after, before, missing)
        elif not (stood or moved or after.flaw == "torn_fragment"):
            if other_file and previous is None:
                self._tally.add(_unlinked(self._names[after.file], after, "error", _DIVIDED))
            elif after.relation == "lost" and other_file and previous:
                if previous.chain != before.chain:  # else a copy stands between the two
                    self._tail_missing(previous.file, before, 1, after, _REPLACED)
            elif after.relation == "lost":
                self._tally.add(self._deleted(after, 1, at_least=True))
            elif after.relation == "root" and not other_file:
                self._restart(after)

    def _missing(self, after: Piece, before: Piece, missing: int) -> None:
        link = after.head.link if after.begins_file else None
        if before.file == after.file or not link or not link.previous:
            known = before.file == after.file or self._whole
            self._tally.add(self._deleted(after, missing if known else 1, at_least=not known))
        elif link.previous.file in self._names:
            self._tail_missing(link.previous.file, before, missing, after)
        elif self._whole:
            self._file_missing(link.previous.file, after, missing)

    def _tail_missing(
        self,
        file: str,
        before: Piece | None,
        count: int,
        after: Piece,
        detail: str = "",
        at_least: bool = False,
    ) -> None:
        line = before.last if before and self._names[before.file] == file else None
        detail = detail or (
            f"{_lines(count)} gone: {self._names[after.file]} was written after another last line than is there"
        )
        self._tally.add(Finding("tail_missing", file, line, line, count, at_least, detail=detail))

    def _file_missing(self, file: str, after: Piece, count: int | None) -> None:
        lines = f": {_lines(count)} gone" if count else ""
        detail = f"{self._names[after.file]} says that it goes on from this file, which is not there{lines}"
        self._tally.add(Finding("file_missing", file, detail=detail))

    def _deleted(self, after: Piece, count: int, at_least: bool = False) -> Finding:
        number = after.first
        gone = "at least one line is gone" if at_least else f"{_lines(count)} gone"
        if not after.sought:
            gone += ", or stands far off: there were too many to look for,"
        if number > 1:
            detail = f"{gone} after line {number - 1}: line {number} was written after another one"
        else:
            detail = f"{gone} before line 1: it was written after another one"
        return Finding(
            "deleted",
            self._names[after.file],
            number,
            number,
            count,
            at_least,
            expected=after.expected,
            actual=after.stored,
            detail=detail,
        )

    def _first_numbered(self, after: Piece, before: Piece | None, stood: int) -> None:
        """The first v2 line of the log, perhaps after plain ones."""
        link = after.head.link
        sequence = after.sequence or 0
        missing = sequence - _count(self._placed.elsewhere, 0, sequence - 1)
        if stood or link is None or missing <= 0:
            return
        previous, adoption = link.previous, link.adoption
        if before is not None:
            self._adopted(after, before, link)
        elif previous is not None and previous.file in self._names:
            self._tail_missing(previous.file, None, missing, after, at_least=True)
        elif previous is not None:
            if self._whole:
                self._file_missing(previous.file, after, None)
        elif self._whole or not (link.begins_file or adoption):
            exact = self._whole or sequence == 1
            self._tally.add(self._deleted(after, missing if exact else 1, at_least=not exact))

    def _adopted(self, after: Piece, before: Piece, link: Link) -> None:
        """Whether the plain lines before it end as they did."""
        last = link.adoption.last_chain if link.adoption else link.previous.chain if link.previous else None
        if last is None:
            if after.relation == "lost":
                self._tally.add(self._deleted(after, 1, at_least=True))
        elif before.chain not in (last, UNKNOWN):
            if before.file == after.file:
                self._tally.add(self._deleted(after, 1, at_least=True))
            else:
                self._tail_missing(self._names[before.file], before, 1, after, _REPLACED, at_least=True)

    def _plain(self, gap: Gap, after: Piece, standing: Sequence[Damage]) -> None:
        """Before a plain line."""
        before = gap.before
        first = before is None or before.file != after.file
        begun = not first or any(one.file == after.file for one in standing)
        if after.relation == "lost" and not standing and after.flaw != "torn_fragment":
            self._lost(after, before, first)
        elif after.relation == "root" and begun:
            self._restart(after)
        elif not first and (
            after.relation == "fork"
            or (
                after.relation == "end"
                and after.after is not before
                and after.after not in self._placed.moved
            )
        ):
            self._interleave(after)

    def _lost(self, after: Piece, before: Piece | None, first: bool) -> None:
        name = self._names[after.file]
        if first:
            known = before is not None and before.chain != UNKNOWN
            severity: Severity = "error" if known else "warn"
            self._tally.add(_unlinked(name, after, severity, _HEAD if known else _HEAD_UNKNOWN))
        elif self._is_passed_over(after):
            severity = "error" if self._has_earlier_files(after) else "warn"
            self._tally.add(_unlinked(name, after, severity, _SECOND_WRITER))
        else:
            self._tally.add(self._deleted(after, 1, at_least=True))

    def _is_passed_over(self, piece: Piece) -> bool:
        """Whether all chains of the file go on without it, and nothing that is there comes before it."""
        before = self._before
        return (
            piece.sequence is None
            and piece.relation == "lost"
            and before is not None
            and before.file == piece.file
            and before.claimed
            and self._open.get(piece.file, piece.first) >= piece.first
        )

    def _is_stray(self, piece: Piece) -> bool:
        """Whether it belongs elsewhere. If not, a second writer may go on from a file that is not here."""
        if not self._is_passed_over(piece) or piece.claimed or piece.flaw == "torn_fragment":
            return False
        return self._has_earlier_files(piece) or not _is_of_the_day(piece, self._files[piece.file].day)

    def _has_earlier_files(self, piece: Piece) -> bool:
        return any(one.file < piece.file for one in self._placed.pieces)

    def _restart(self, after: Piece) -> None:
        name = self._names[after.file]
        self._tally.add(Finding("restart", name, after.first, after.first, detail=_RESTART))

    def _interleave(self, after: Piece) -> None:
        found = self._interleaved.get(after.file)
        if found is None:
            name = self._names[after.file]
            found = Finding("interleaved_writers", name, after.first, count=0, detail=_INTERLEAVED)
        self._interleaved[after.file] = replace(found, count=found.count + 1)


_DIVIDED = (
    "its first line does not say that it begins a file: lines were moved between files, or a file was divided"
)
_REPLACED = "what comes after it was written after another last line than is there"
_HEAD = (
    "its first line follows none of the files before it: the line it was written after is gone, here or there"
)
_HEAD_UNKNOWN = "its first line was written after another one, in a file that is not here"
_SECOND_WRITER = "a second writer goes on from a line that is not here"


def _lines(count: int) -> str:
    return "1 line is" if count == 1 else f"{count:,} lines are"


def _unlinked(name: str, after: Piece, severity: Severity, detail: str) -> Finding:
    return Finding(
        "head_unlinked",
        name,
        after.first,
        after.first,
        expected=after.expected,
        actual=after.stored,
        detail=detail,
        given=severity,
    )


def _count(covered: Covered, first: int, last: int) -> int:
    return covered.count((first, last)) if first <= last else 0


def _first_ends(placed: Placed) -> dict[int, int]:
    """File → the first line of the first piece after which a chain ends."""
    ends: dict[int, int] = {}
    for piece in placed.pieces:
        if placed.is_kept(piece) and not piece.claimed:
            ends.setdefault(piece.file, piece.first)
    return ends


def _is_of_the_day(piece: Piece, day: date | None) -> bool:
    """Whether an entry says that it is of the day of its file, or began the day before; True if that is not known."""
    line = piece.head.line
    if day is None or line is None or line.canonical is None:
        return True
    try:
        said = date.fromisoformat(str(json.loads(line.canonical)["timestamp"])[:10])
    except (ValueError, KeyError, TypeError, RecursionError):
        return True
    return timedelta(0) <= day - said <= timedelta(1)
