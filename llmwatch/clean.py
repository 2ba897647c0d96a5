"""The one function that makes text from a log fit to be shown.

User agents, ids, model names and error texts are chosen by whoever sends the request. A terminal obeys what
it is sent: an escape sequence may rewrite the screen or the clipboard, a bidi override may show one name as
another. So what is not plainly visible becomes a visible mark, and length has a cap.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

LIMIT = 256
"""The most characters a cell or a field shows."""

COMBINING_RUN = 3
"""Combining marks kept on one character. Languages need no more; a flood climbs over its neighbours."""

_INVISIBLE = frozenset(
    {
        0x034F,  # combining grapheme joiner
        0x115F,  # Hangul fillers: letters by category, blank on screen
        0x1160,
        0x3164,
        0xFFA0,
        0x17B4,  # Khmer inherent vowels
        0x17B5,
        0x2800,  # a Braille cell without dots
        *range(0x180B, 0x1810),  # variation selectors: no width, no ink
        *range(0xFE00, 0xFE10),
        *range(0xE0100, 0xE01F0),
    }
)


@dataclass(frozen=True, slots=True, init=False)
class Clean:
    """Text that is safe on a terminal. Not a `str`, so that no raw text passes for it.

    Any two in a row are clean too: none starts with a character that changes the one before it.
    """

    text: str

    def __init__(self) -> None:
        raise TypeError("Clean text is made by clean() or literal()")


def _made(text: str) -> Clean:
    made = object.__new__(Clean)
    object.__setattr__(made, "text", text)
    return made


def clean(raw: object, limit: int = LIMIT) -> Clean:
    """`raw` as text in which every character is visible, at most `limit` characters long.

    A control character becomes its picture (`␛`), any other that is not to be seen its code (`‹202E›`), and
    what is cut off at the end an `…`.
    """
    text = raw if isinstance(raw, str) else _text_of(raw)
    if len(text) > limit:
        text = text[: limit + 1]
    elif text.isascii() and text.isprintable():
        return _made(text)
    return _cleaned(text, limit)


def literal(text: str) -> Clean:
    """Our own text, from the program and not from data. Refuses what `clean` would change."""
    if not text.isprintable():
        raise ValueError(f"not plain text: {text!r}")
    return _made(text)


def join(parts: Iterable[Clean], separator: Clean | None = None) -> Clean:
    """Clean texts as one."""
    return _made((separator.text if separator else "").join(part.text for part in parts))


def _text_of(raw: object) -> str:
    if isinstance(raw, bytes):
        return raw.decode("utf-8", "backslashreplace")
    return "" if raw is None else str(raw)


class _Marks(dict[int, int | str]):
    """A table for `str.translate` that fills itself; bounded, for the data chooses the characters."""

    def __missing__(self, code: int) -> int | str:
        if len(self) > 8192:
            self.clear()
        shown = self[code] = _shown(code)
        return shown


_MARKS = _Marks()


def _shown(code: int) -> int | str:
    if code < 0x20:
        return 0x2400 + code
    if code == 0x7F:
        return "␡"
    if chr(code).isprintable() and code not in _INVISIBLE:
        return code
    return f"‹{code:02X}›"


@lru_cache(maxsize=4096)
def _cleaned(text: str, limit: int) -> Clean:
    """`text` is cut to `limit` and one more, which bounds what the cache holds."""
    shown = text.translate(_MARKS)
    combining = {char for char in set(shown) if unicodedata.category(char)[0] == "M"}
    if combining:
        shown = _tamed(shown, combining)
    if len(shown) > limit or len(text) > limit:
        shown = shown[: limit - 1] + "…"
    return _made(shown)


def _tamed(text: str, combining: set[str]) -> str:
    """`text` with a base under every combining mark, and long runs of them cut to a count."""
    parts: list[str] = [] if text[0] not in combining else ["◌"]
    run = 0
    for char in text:
        if char in combining:
            run += 1
            if run > COMBINING_RUN:
                continue
        elif run:
            parts.append(_surplus(run))
            run = 0
        parts.append(char)
    parts.append(_surplus(run))
    return "".join(parts)


def _surplus(run: int) -> str:
    return f"‹+{run - COMBINING_RUN}›" if run > COMBINING_RUN else ""
