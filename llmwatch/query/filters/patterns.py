"""Text as RE2 patterns: in the text of a line, which is JSON, and in the value of a field."""

from __future__ import annotations

import re

from llmwatch.query.filters.refusals import RefusedError
from llmwatch.query.filters.tree import Text
from llmwatch.query.regex import PatternError, check_pattern

_SHORT_ESCAPES = {
    '"': '"',
    "\\": "\\",
    "\b": "b",
    "\f": "f",
    "\n": "n",
    "\r": "r",
    "\t": "t",
}
"""Of JSON (RFC 8259, section 7)."""

_ESCAPED_ASCII = frozenset('"\\<>&')
"""Printable ASCII that some encoders escape; `<>&` is a habit of Go's."""

_BETWEEN_WORDS = r"[^0-9A-Za-z\x{80}-\x{10FFFF}]"
"""All beyond ASCII is of words: RE2 takes 10 ms to compile what Unicode calls letters."""

_WILD = {"*": ".*", "?": "."}


def literal_text(words: str) -> Text:
    """Exactly these characters, upper and lower case told apart."""
    plain = all(map(_is_plain, words))
    return Text("".join(map(_spelled, words)), words if plain else None)


def free_text(word: str) -> Text:
    """These characters whatever their case, with `*` and `?` for any."""
    plain = all(_is_plain(char) and char not in _WILD for char in word)
    pattern = "".join(_WILD.get(char) or _spelled_in_any_case(char) for char in word.strip("*"))
    return Text(f"(?i){pattern}", word.lower() if plain else None, folded=plain)


def part_of_value(value: str, *, wild: bool) -> str:
    """A pattern for a value that has these words in it, whatever their case.

    It begins and ends where a word does, words being letters, digits and all beyond ASCII; a `*` at either end lets it
    begin or end in the middle of one.
    """
    core = value.strip("*") if wild else value
    if not core:
        return ""
    begins = not (wild and value.startswith("*")) and (_is_of_word(core[0]) or (wild and core[0] == "?"))
    ends = not (wild and value.endswith("*")) and (_is_of_word(core[-1]) or (wild and core[-1] == "?"))
    body = "".join((_WILD.get(char) if wild else None) or re.escape(char) for char in core)
    return (
        f"(?is){f'(?:^|{_BETWEEN_WORDS})' if begins else ''}{body}{f'(?:{_BETWEEN_WORDS}|$)' if ends else ''}"
    )


def checked_pattern(pattern: str, place: int) -> str:
    """A pattern that a person wrote at that place, if RE2 takes it. Raises RefusedError."""
    try:
        names = check_pattern(pattern)
    except PatternError as error:
        raise RefusedError(str(error), place + error.offset) from None
    if names:
        named = max(pattern.find("(?<"), pattern.find("(?P<"))
        raise RefusedError("groups of a filter have no names: write ( alone", place + max(named, 0))
    return pattern


def _is_plain(char: str) -> bool:
    """Whether JSON has but one usual way to write it."""
    return " " <= char <= "~" and char not in _ESCAPED_ASCII


def _spelled(char: str) -> str:
    """A pattern for the ways in which a line has a character: as it is, or escaped."""
    if _is_plain(char):
        return re.escape(char)
    units = char.encode("utf-16-be")
    codes = (int.from_bytes(units[at : at + 2], "big") for at in range(0, len(units), 2))
    forms = [f"\\x{{{ord(char):x}}}", "".join(f"\\\\u{_in_either_case(f'{code:04x}')}" for code in codes)]
    if short := _SHORT_ESCAPES.get(char):
        forms.append(rf"\\{re.escape(short)}")
    return f"(?:{'|'.join(forms)})"


def _spelled_in_any_case(char: str) -> str:
    """Of a pattern that is not sensitive to case; DuckDB's lower() also makes an i of a dotted capital one."""
    cases = {char, char.lower(), char.upper(), *("iİ" if char in "iIİ" else "")}
    if len(cases) <= 2 and _is_plain(char):
        return re.escape(char)
    return f"(?:{'|'.join(sorted({_spelled(one) for one in cases if len(one) == 1}))})"


def _in_either_case(digits: str) -> str:
    return "".join(f"[{digit}{digit.upper()}]" if digit.isalpha() else digit for digit in digits)


def _is_of_word(char: str) -> bool:
    return not char.isascii() or char.isalnum()
