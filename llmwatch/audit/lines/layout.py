"""What a line looks like to a pattern, learned from one that was parsed.

The pattern takes a line apart into pieces; a plan puts them together again with the keys of each object sorted.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import itemgetter
from re import Match
from typing import NamedTuple

from llmwatch.audit.entry import CHAIN, LINK, METADATA, SIGNATURE
from llmwatch.audit.lines.line import RECIPE_ORDER, in_order, read_simple_link

_PLAIN = r"[ !#-\[\]-~]*+"
_HIGH = r"00(?:0[0-7bef]|1[0-9a-f]|7f|[89a-f][0-9a-f])|(?!00)[0-9a-f]{4}"
"""Code points that `json.dumps` escapes with four digits."""

_STRING = rf'"{_PLAIN}(?:\\(?:["\\nrtbf]|u(?:{_HIGH})){_PLAIN})*+"'
_TEXT = rf"(?:{_STRING}|null)"
_TRUTH = r"(?:true|false|null)"
_INTEGER = r"(?:0|-?[1-9][0-9]{0,400}+)"
_FLOAT = r"(-?[0-9]++(?:\.[0-9]++)?(?:e[+-][0-9]++)?)"
"""Whether it is how Python writes the number is asked of Python."""

_OPAQUE = r"\{[ -~]*\}"
_TAIL = rf', "{CHAIN}": ".{{64}}", "{SIGNATURE}": ".{{64}}"\}}\n'
CHAIN_AT, SIGNATURE_AT = -148, -67
"""Where their 64 digits begin, from the end of a line with its newline. That they are digits is left to whoever
compares them with what they must be."""

_MOST_SHAPES = 8
"""Learned from the 1st, the 2nd, the 4th, the 8th ... object that no shape knows: one that is frequent is known early,
and where each line has its own, little is lost."""

_MOST_GROUPS = 120
_LONGEST_PATTERN, _LONGEST_START = 4_000, 10_000
"""Beyond these a pattern takes longer to make than it can save."""

_PARSED = -1
"""Stands for the text of an object that is parsed."""

_dumps = json.JSONEncoder(check_circular=False).encode
_dumps_sorted = json.JSONEncoder(sort_keys=True, check_circular=False).encode

Piece = int | str
"""A group of the pattern, or constant text."""


class UnknownLayoutError(Exception):
    """A line that no pattern can be made for."""


class _Plan(NamedTuple):
    """How the canonical form is put together from the groups of a match and then `texts`."""

    pick: Callable[[tuple[str, ...]], Sequence[str]]
    texts: tuple[str, ...]
    floats: tuple[int, ...]
    """Groups with numbers that may not be as Python writes them."""

    sequence: int | None
    """The group with the number of a v2 line."""

    opaque: int | None
    """The group with an object that has to be parsed; its canonical form stands after `texts`."""


class Layout:
    """Records with the same keys at the top, and metadata of several shapes or any."""

    def __init__(self, entry: Mapping[str, object]) -> None:
        """Learn from an entry without its hashes. Raises UnknownLayoutError."""
        if not entry or min(entry) < CHAIN:
            raise UnknownLayoutError
        self._entry = entry
        self._shapes: list[object] = []
        self._met = 0
        self._may_be_numbered = in_order(entry, RECIPE_ORDER)
        self._pattern, self._plans = re.compile(""), dict[int, _Plan]()
        self.unknown: object = None
        """Metadata that was met and is worth learning."""
        self.learn(entry.get(METADATA))

    def learn(self, metadata: object) -> None:
        """Another shape of metadata, where that comes last."""
        self._shapes.append(metadata)
        build = _Build()
        self._plans = build.record(self._entry, self._shapes)
        self._pattern = re.compile("".join(build.text), re.DOTALL)
        self.unknown = None

    def matches(self, text: str, offset: int) -> Iterator[Match[str]]:
        """Lines of this layout, one right after the other; what they hold may still not be canonical."""
        return iter(self._pattern.scanner(text, offset).match, None)  # type: ignore[attr-defined]

    def canonical(self, match: Match[str], sequence: int | None) -> str | None:
        """What was hashed of a line; None if the slow reader has to look at it, or its number is another."""
        values: tuple[str, ...] = match.groups()
        pick, texts, floats, number, opaque = self._plans[match.lastindex or 0]
        for place in floats:
            if repr(float(values[place])) != values[place]:
                return None
        if opaque is not None:
            parsed = self._parse(values[opaque], sequence)
            if parsed is None:
                return None
            values = (*values, *texts, _dumps_sorted(parsed))
        elif (sequence is None) if number is None else (values[number] == str(sequence)):
            values += texts
        else:
            return None
        return "".join(pick(values))

    def _parse(self, text: str, sequence: int | None) -> object:
        """Metadata of a shape that is not known."""
        try:
            metadata = json.loads(text)
            if _dumps(metadata) != text:
                return None
        except (ValueError, RecursionError):
            return None
        if LINK in metadata:
            link = read_simple_link(metadata)
            if not link or link.sequence != sequence or not self._may_be_numbered:
                return None
        elif sequence is not None:
            return None
        self._met += 1
        if len(self._shapes) < _MOST_SHAPES and not self._met & (self._met - 1):
            self.unknown = metadata
        return metadata


class _Build:
    """A pattern as it grows, in the order of the file."""

    def __init__(self) -> None:
        self.text: list[str] = []
        self._groups = 0
        self._floats: list[int] = []
        self._sequence: int | None = None
        self._drafts: list[_Draft] = []

    def record(self, entry: Mapping[str, object], shapes: Sequence[object]) -> dict[int, _Plan]:
        """The whole line; the plans by the number of the group that closes last in a match."""
        last = list(entry)[-1]
        ranks = sorted(entry)
        self.text.append(r"\{")
        pieces = {
            key: self._pair(key, entry[key], key == last, key == ranks[-1], top=True)
            for key in entry
            if not key == last == METADATA
        }
        if sum(map(len, self.text)) > _LONGEST_START:
            raise UnknownLayoutError
        if last == METADATA:
            self._alternatives(shapes, pieces, ranks)
        else:
            self._draft([piece for key in ranks for piece in pieces[key]])
        self.text.append(_TAIL)
        return {draft.mark: self._plan(draft) for draft in self._drafts}

    def _alternatives(
        self, shapes: Sequence[object], pieces: dict[str, list[Piece]], ranks: list[str]
    ) -> None:
        """Metadata in each of the shapes, or any object."""
        follow: list[Piece] = [] if ranks[-1] == METADATA else [", "]
        self.text.append("(?:")
        floats = len(self._floats)
        for shape in shapes:
            before = len(self.text), self._groups
            try:
                pieces[METADATA] = self._pair(
                    METADATA, shape, last_here=True, last_sorted=not follow, top=True
                )
                if sum(map(len, self.text[before[0] :])) > _LONGEST_PATTERN:
                    raise UnknownLayoutError
                self._draft([piece for key in ranks for piece in pieces[key]])
                self.text.append("|")
            except (UnknownLayoutError, RecursionError):
                del self.text[before[0] :]
                self._groups = before[1]
            del self._floats[floats:]
            self._sequence = None
        self.text.append(re.escape(f'"{METADATA}": '))
        opaque = self._capture(_OPAQUE)
        pieces[METADATA] = [f'"{METADATA}": ', _PARSED, *follow]
        self._draft([piece for key in ranks for piece in pieces[key]], opaque)
        self.text.append(")")

    def _pair(
        self, key: str, value: object, last_here: bool, last_sorted: bool, top: bool = False
    ) -> list[Piece]:
        """`"key": value` and what separates it from the next, here and where it goes."""
        name = f"{_dumps(key)}: "
        follow: list[Piece] = [] if last_sorted else [", "]
        numbered = top and key == METADATA and isinstance(value, dict) and LINK in value
        solid = None if numbered else _solid(value)
        if solid is None:
            self.text.append(re.escape(name))
            inner = self._object(value, numbered)
            self.text.append("" if last_here else ", ")
            return [name, *inner, *follow]
        if last_here or last_sorted:
            place = self._capture(re.escape(name) + solid)
            self.text.append("" if last_here else ", ")
            return [place, *follow]
        return [self._capture(f"{re.escape(name)}{solid}, ")]

    def _object(self, value: object, numbered: bool) -> list[Piece]:
        """An object whose keys are not in the order in which they are sorted."""
        if not isinstance(value, dict) or not value:
            raise UnknownLayoutError
        ranks, last = sorted(value), list(value)[-1]
        self.text.append(r"\{")
        pieces = {
            key: self._link(value, key == last, key == ranks[-1])
            if numbered and key == LINK
            else self._pair(key, inner, key == last, key == ranks[-1])
            for key, inner in value.items()
        }
        self.text.append(r"\}")
        return ["{", *(piece for key in ranks for piece in pieces[key]), "}"]

    def _link(self, metadata: object, last_here: bool, last_sorted: bool) -> list[Piece]:
        link = read_simple_link(metadata)
        if link is None or not last_here:
            raise UnknownLayoutError
        kid = _dumps(link.kid)
        self.text.append(re.escape(f'"{LINK}": {{"v": 1, "seq": '))
        self._sequence = self._capture(_INTEGER)
        self.text.append(re.escape(f', "kid": {kid}}}'))
        tail = ', "v": 1}' if last_sorted else ', "v": 1}, '
        return [f'"{LINK}": {{"kid": {kid}, "seq": ', self._sequence, tail]

    def _capture(self, pattern: str) -> int:
        if self._groups >= _MOST_GROUPS or len(pattern) > _LONGEST_PATTERN:
            raise UnknownLayoutError
        place, floats = self._groups, pattern.count(_FLOAT)
        self.text.append(f"({pattern})")
        self._floats += range(place + 1, place + 1 + floats)
        self._groups += 1 + floats
        return place

    def _draft(self, pieces: list[Piece], opaque: int | None = None) -> None:
        """Mark the place in the pattern by an empty group, the last to close."""
        self.text.append("()")
        self._groups += 1
        self._drafts.append(
            _Draft(self._groups, ["{", *pieces, "}"], tuple(self._floats), self._sequence, opaque)
        )

    def _plan(self, draft: _Draft) -> _Plan:
        texts: list[str] = []
        places: list[int] = []
        for constant, group in groupby(draft.pieces, lambda piece: isinstance(piece, str)):
            if constant:
                places.append(self._groups + len(texts))
                texts.append("".join(str(piece) for piece in group))
            else:
                places += [piece for piece in group if isinstance(piece, int)]
        places = [self._groups + len(texts) if place == _PARSED else place for place in places]
        return _Plan(itemgetter(*places), tuple(texts), draft.floats, draft.sequence, draft.opaque)


@dataclass(frozen=True, slots=True)
class _Draft:
    """A plan before the number of groups is known."""

    mark: int
    pieces: list[Piece]
    floats: tuple[int, ...]
    sequence: int | None
    opaque: int | None


def _solid(value: object) -> str | None:  # noqa: PLR0911 (one for each type)
    """The pattern of a value whose canonical form is the form it has; None of an object where they differ."""
    match value:
        case None | str():
            return _TEXT
        case bool():
            return _TRUTH
        case int():
            return _INTEGER
        case float() if math.isfinite(value):
            return _FLOAT
        case dict():
            inner = {key: _solid(one) for key, one in value.items()}
            if list(value) != sorted(value) or None in inner.values():
                return None
            pairs = (re.escape(f"{_dumps(key)}: ") + str(pattern) for key, pattern in inner.items())
            return rf"\{{{', '.join(pairs)}\}}"
        case list():
            parts = [_solid(one) for one in value]
            if None not in parts:
                return rf"\[{', '.join(str(part) for part in parts)}\]"
    raise UnknownLayoutError
