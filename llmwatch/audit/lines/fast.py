"""Lines read without parsing them: by the layout of lines that were read before, from one to the next.

A layout is a pattern that only matches lines with the same keys, in the same order, and with values in the very bytes
that `json.dumps` gives them. The canonical form is then the same pieces in another order. What no layout knows is left
to the slow reader, so that whatever is accepted here, the slow reader accepts with the same canonical bytes.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from llmwatch.audit.entry import CHAIN, SIGNATURE
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.layout import CHAIN_AT, SIGNATURE_AT, Layout, UnknownLayoutError

_DIGITS = 64
_HEX = re.compile("[0-9a-f]{64}")
_MOST_LAYOUTS = 8
PATIENCE = 32
"""So many unknown lines, and then twice as many, and so on, make a reader learn one: a pattern takes milliseconds."""


def _no_signature(_: bytes) -> str:
    """What no key makes."""
    return ""


@dataclass(slots=True)
class Place:
    """Where a reader stands between two lines."""

    offset: int
    chain: str
    """Of the line before; empty at the start of a chain."""

    sequence: int | None
    """The number that the next line must have; None: it has none."""

    lines: int = 0
    """How many are behind it."""


class FastReader:
    """Goes from line to line as long as they are canonical and follow each other."""

    def __init__(self, ring: KeyRing) -> None:
        self._secrets = list(ring.secrets)
        self._layouts: list[Layout] = []
        self._unknown = 0

    def learn(self, data: bytes) -> None:
        """From a line in which the slow reader found no flaw, given without its newline."""
        line = data.decode("latin-1") + "\n"
        if any(next(layout.matches(line, 0), None) for layout in self._layouts):
            return
        self._unknown += 1
        if self._unknown < PATIENCE or self._unknown & (self._unknown - 1):
            return
        with suppress(ValueError, RecursionError, UnknownLayoutError):
            entry = json.loads(data)
            if list(entry)[-2:] == [CHAIN, SIGNATURE]:
                del entry[CHAIN], entry[SIGNATURE]
                self._layouts.insert(0, Layout(entry))
                del self._layouts[_MOST_LAYOUTS:]

    def run(self, text: str, place: Place, signed: bool | None) -> Counter[str]:
        """Go on over all lines that follow each other and end with a newline; returns which key signed how many.

        Args:
            text: the bytes of a file, one character each.
            place: the beginning of a line; it is moved to where the run ends.
            signed: whether signatures must be right, or must not be; None: they are not checked.

        """
        kids: Counter[str] = Counter()
        layouts = self._layouts
        rank = 0
        while rank < len(layouts):
            before = place.offset, self._secrets[:1]
            self._stretch(layouts[rank], text, place, signed, kids)
            if (place.offset, self._secrets[:1]) == before:
                rank += 1
            else:
                layouts.insert(0, layouts.pop(rank))
                rank = 0
        return kids

    def _stretch(
        self, layout: Layout, text: str, place: Place, signed: bool | None, kids: Counter[str]
    ) -> None:
        """Lines of one layout, and if they are signed, under one key."""
        secret = self._secrets[0] if self._secrets else None
        offset, previous, sequence, lines = place.offset, place.chain, place.sequence, 0
        sign, canonical_of = secret.sign if secret else _no_signature, layout.canonical
        for match in layout.matches(text, offset):
            canonical = canonical_of(match, sequence)
            end = match.end()
            chain = text[end + CHAIN_AT : end + CHAIN_AT + _DIGITS]
            if canonical is None or sha256((previous + canonical).encode()).hexdigest() != chain:
                break
            signature = text[end + SIGNATURE_AT : end + SIGNATURE_AT + _DIGITS]
            if not signed and not _HEX.fullmatch(signature):
                break
            if signed is not None:
                data = f'{{"{CHAIN}": "{chain}", {canonical[1:]}'.encode()
                made = sign(data) == signature
                if (not made and self._prefer(data, signature)) or made is not signed:
                    break
            offset, previous, lines = end, chain, lines + 1
            if sequence is not None:
                sequence += 1
            if layout.unknown is not None:
                layout.learn(layout.unknown)
                break
        place.offset, place.chain, place.sequence = offset, previous, sequence
        place.lines += lines
        if secret is not None and signed and lines:
            kids[secret.kid] += lines

    def _prefer(self, data: bytes, signature: str) -> bool:
        """Try the other keys, and put the one that signed first; False if none did."""
        for rank, secret in enumerate(self._secrets[1:], 1):
            if secret.sign(data) == signature:
                self._secrets.insert(0, self._secrets.pop(rank))
                return True
        return False
