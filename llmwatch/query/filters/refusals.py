"""Why a text is no filter, in words, and where in it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark.exceptions import UnexpectedInput

_UNFIT = re.compile("[\0\ud800-\udfff]")
_ENDS_WITH_OPERATOR = re.compile(r"[^\W\d][\w.]*(?::|!=|[<>=]=?)")
_BEGINS_LIKE_A_REGEX = re.compile(r"/.*[\\^$|\[\]{}]")
_UNENDED_REGEX = re.compile(r"(?:^|[\s(-])(/[^\s/]*)$")
"""Up to where the parser stopped: it takes a slash without another one after it for the beginning of a word."""
_NO_END = "this begins like a /regex/ and has no end: write / or /i there, or the text in double quotes"
_QUOTED = r'"(?:[^"\\]|\\.)*"'

_BETWEEN = '{0} stands between two filters: write one on each side, or "{0}" for the text'

_STRAY = {
    "-": "a - stands directly before what it leaves out, as in -user:bot",
    "(": 'a space is missing before this parenthesis: add it, or write the text in double quotes, as "f(x)"',
    ",": "a comma stands between values of a field, as in user:alice,bob: write other text in double quotes",
}


class RefusedError(Exception):
    """A sentence with the remedy, and the place: an offset in the text."""

    def __init__(self, sentence: str, place: int) -> None:
        super().__init__(sentence)
        self.place = place


def refuse_characters(text: str) -> None:
    """Raises RefusedError: there is a character that no text can have."""
    if unfit := _UNFIT.search(text):
        name = "NUL" if unfit[0] == "\0" else "half a character"
        raise RefusedError(f"{name} cannot be looked for: leave it out", unfit.start())


def refuse_word(word: str, place: int) -> None:
    """Raises RefusedError: a bare word is most likely meant to be something else."""
    if word.lower() == "not":
        raise RefusedError('write NOT, or - directly before what is left out, or "not" for the text', place)
    if word.lower() in ("or", "and"):
        raise RefusedError(_BETWEEN.format(word), place)
    if word.startswith("'"):
        raise RefusedError("an exact text stands in double quotes", place)
    if _ENDS_WITH_OPERATOR.fullmatch(word):
        sentence = f"a value is missing: write it directly after {word}, or none for what is unknown"
        raise RefusedError(sentence, place + len(word))
    if word.startswith(("=", "<", ">", "!=")):
        raise RefusedError(
            "an operator stands between a field and a value: write cost>0.5 or cost > 0.5", place
        )
    if _BEGINS_LIKE_A_REGEX.match(word):
        raise RefusedError(_NO_END, place)
    if not word.strip("*?"):
        raise RefusedError("every line has this: write more of the text, or leave it out", place)


def refusal(error: UnexpectedInput, text: str) -> RefusedError:
    """Why the parser stopped."""
    token = getattr(error, "token", None)
    kind = None if token is None else token.type
    place = error.pos_in_stream or 0
    if kind == "$END":
        return _at_end(text)
    begins = text[place]
    expected = getattr(error, "expected", None) or getattr(error, "allowed", None) or ()
    if unended := _UNENDED_REGEX.search(text, 0, place):
        return RefusedError(_NO_END, unended.start(1))
    if begins == '"':
        sentence = _of_quote(text[place:])
    elif begins == ")":
        sentence = _of_closing(text[:place])
    elif "_COMMA" in expected and "WORD" not in expected:
        sentence = "between the values of one field stands OR or a comma, as in user:(alice OR bob)"
    elif kind in ("_OR", "_AND"):
        sentence = _BETWEEN.format(token)
    else:
        sentence = _STRAY.get(begins, "this cannot stand here: write it in double quotes if it is text")
    return RefusedError(sentence, place)


def _at_end(text: str) -> RefusedError:
    last = text.rsplit(maxsplit=1)[-1]
    if last.lower() in ("or", "and", "not"):
        sentence = f'something is missing after {last}: write a filter there, or "{last}" for the text'
        return RefusedError(sentence, len(text))
    opened = _open_parentheses(text)
    if opened:
        return RefusedError("this parenthesis is not closed: write ) where it ends", opened[-1])
    return RefusedError("something is missing at the end", len(text))


def _of_quote(rest: str) -> str:
    if re.match(_QUOTED, rest, re.DOTALL) is None:
        return 'this quote is not closed: write " where the text ends, or \\" for the quote itself'
    return "a space is missing before or after this text in quotes"


def _of_closing(before: str) -> str:
    if before.rstrip().endswith("("):
        return "nothing is in these parentheses: write a filter there, or leave them out"
    if _open_parentheses(before):
        return "something is missing before this parenthesis"
    return "no parenthesis is open here: leave this one out"


def _open_parentheses(text: str) -> list[int]:
    """Where those are that nothing closes, outside of quotes."""
    opened: list[int] = []
    for found in re.finditer(rf"{_QUOTED}|[()]", text, re.DOTALL):
        if found[0] == "(":
            opened.append(found.start())
        elif found[0] == ")" and opened:
            opened.pop()
    return opened
