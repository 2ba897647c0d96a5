"""The class of each line that is not trusted: what the lines around it say of it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmwatch.audit.chain.pieces import Damage, Piece
from llmwatch.audit.findings import Finding, Severity

_STRONG = ("held", "broken", "rehashed")

_EDITED = "what it says is not what its chain hash was made of: it was changed after it was written"
_UNSURE = "it does not link to the line before: it was changed, or lines between the two are gone; only the key tells"
_REHASHED = "its chain hash was changed: with the one that it should have, the line after it follows"
_STANDS_IN = "it is not signed, and stands where a line is gone to which the next one links"
_UNSIGNED = "the chain holds, but no key that was given made its signature"
_RECHAINED = (
    "from here to the end of the file the chain holds, but no key that was given made a signature: "
    "a line was changed and the chain made anew without the key, or another key signed"
)
_UNSIGNED_BETWEEN = "it is not signed, and what follows was made for a line that is gone"
_INSERTED = "the lines before and after it link to each other: it was put between them"
_LOOSE = "no line of the log links to it: it was added"
_BLANK = "it is blank, and no writer leaves blank lines"
_MALFORMED = "it is no entry, and stands where one is gone, or at an end"
_TORN = "it is the beginning of an entry, as a crash leaves it; no line links to it"
_TORN_TAIL = "the last line is only the beginning of an entry: a writer crashed, or is writing"
_NO_TAIL = "the last line is no entry, and has no newline"
_NULLS = "the last line is NUL bytes, as a crash leaves where bytes were promised to a file and never came"
_CUT = "the last line was cut off: what comes after was written when it was whole"


@dataclass(frozen=True, slots=True)
class Gap:
    """What is between two pieces that are in order; None where the log begins or ends."""

    before: Piece | None
    damage: Sequence[Damage]
    after: Piece | None
    slots: int | None
    """How many lines are missing between the two, by their numbers; None if those do not say."""

    names: Sequence[str]
    """Of all files, in order."""

    @property
    def numbered(self) -> bool:
        """Whether our own writer was at work here; it leaves no fragments."""
        return self.before is not None and self.before.sequence is not None

    @property
    def ours(self) -> bool:
        """Whether nobody but our own writer left lines here: the first of its lines says how many there were before."""
        return self.numbered or (self.before is None and self.after is not None and self.after.sequence == 0)

    def is_at_the_end(self, one: Damage) -> bool:
        """Whether nothing trusted follows in its file."""
        return self.after is None or self.after.file != one.file


def standing_in(gap: Gap) -> list[Damage]:
    """What stands for lines of the chain; the rest was added."""
    if gap.slots is None:
        return [one for one in gap.damage if _may_stand(gap, one)]
    standing = [one for one in gap.damage if one.role in _STRONG]
    left = gap.slots - places(standing)
    others = [one for one in gap.damage if one.role in ("lost", "end") and not one.blank]
    for one in sorted(others, key=lambda one: not _claims_a_place(gap, one)):
        if left <= 0:
            break
        standing.append(one)
        left -= places([one])
    return standing


def places(damage: Sequence[Damage]) -> int:
    """How many lines of the chain it may stand for."""
    return sum(one.lines * one.records for one in damage)


def _may_stand(gap: Gap, one: Damage) -> bool:
    if one.role == "end":
        return not one.blank and not (gap.before is not None and gap.before.claimed)
    return one.role in _STRONG or (one.role == "lost" and not one.blank)


def _claims_a_place(gap: Gap, one: Damage) -> bool:
    """Whether it says that it is one of the missing lines."""
    low = gap.before.last_sequence if gap.before else None
    high = gap.after.sequence if gap.after else None
    return one.sequence is not None and low is not None and high is not None and low < one.sequence < high


def classify(gap: Gap, standing: Sequence[Damage]) -> Iterator[Finding]:
    """The class of each line."""
    stands = {id(one) for one in standing}
    for index, one in enumerate(gap.damage):
        following = gap.damage[index + 1] if index + 1 < len(gap.damage) else None
        if id(one) not in stands:
            yield _added(gap, one)
        elif one.readable:
            yield from _changed(gap, one, following)
        else:
            yield _unreadable(gap, one)


def _added(gap: Gap, one: Damage) -> Finding:
    if not one.readable and not one.newline:
        return _tail(gap, one, gap.numbered and not _is_in_last_file(gap, one))
    if one.flaw == "torn_fragment" and not gap.ours:
        return _finding(gap, one, "torn_fragment", _TORN)
    if one.blank:
        return _finding(gap, one, "inserted", _BLANK)
    return _finding(gap, one, "inserted", _INSERTED if one.role == "over" else _LOOSE)


def _unreadable(gap: Gap, one: Damage) -> Finding:
    if not one.newline:
        return _tail(gap, one, one.role != "end" or (gap.numbered and not _is_in_last_file(gap, one)))
    if one.flaw == "torn_fragment" and one.role == "end" and not gap.ours:
        return _finding(gap, one, "torn_fragment", _TORN)
    return _finding(gap, one, "malformed", _MALFORMED)


def _tail(gap: Gap, one: Damage, followed: bool) -> Finding:
    if followed:
        return _finding(gap, one, "torn_tail", _CUT, "error")
    fragment = _TORN_TAIL if one.flaw == "torn_fragment" else _NO_TAIL
    return _finding(gap, one, "torn_tail", _NULLS if one.nulls else fragment)


def _is_in_last_file(gap: Gap, one: Damage) -> bool:
    return one.file == len(gap.names) - 1


def _changed(gap: Gap, one: Damage, following: Damage | None) -> Iterator[Finding]:
    if one.role == "rehashed":
        yield _edited(gap, one, one.first, _REHASHED, "chain_hash")
        return
    at_the_end = gap.is_at_the_end(one)
    holds = one.role == "held" or at_the_end or (following is not None and following.linked)
    unsigned = _RECHAINED if at_the_end and one.role != "held" and one.lines > 1 else _UNSIGNED
    signed_to = one.last if holds else one.last - 1
    first = one.first
    if not one.linked:
        certain = _EDITED if one.role != "lost" or following else _STANDS_IN
        yield _edited(gap, one, first, _UNSURE if one.unsure else certain)
        first += 1
    if first <= signed_to:
        yield _unsigned(gap, one, first, signed_to, unsigned)
    if not holds and first <= one.last:
        yield _edited(gap, one, one.last, _STANDS_IN)


def _unsigned(gap: Gap, one: Damage, first: int, last: int, detail: str) -> Finding:
    name = gap.names[one.file]
    signature = one.head.line.signature if one.head.line else None
    count = last - first + 1
    return Finding(
        "bad_signature", name, first, last, count, field="signature", actual=signature, detail=detail
    )


def _edited(gap: Gap, one: Damage, line: int, detail: str, field: str | None = None) -> Finding:
    name = gap.names[one.file]
    stored = one.chain if one.lines == 1 else None
    expected = one.expected if stored and one.expected != stored else None
    return Finding("edited", name, line, line, field=field, expected=expected, actual=stored, detail=detail)


def _finding(gap: Gap, one: Damage, name: str, detail: str, given: Severity | None = None) -> Finding:
    return Finding(name, gap.names[one.file], one.first, one.last, one.lines, detail=detail, given=given)
