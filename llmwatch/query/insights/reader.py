"""The text of a query, token by token.

A slash divides or begins a regular expression, and digits before letters are a length of time or nothing: what they
are is for the grammar to say, so tokens are made one at a time, and regular expressions only where one may stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.refused import REFUSED_COMMANDS
from llmwatch.query.insights.regex import checked_regex
from llmwatch.query.insights.tree import Field, Regex

COMMAND_WORDS = (
    "fields", "display", "filter", "where", "filterIndex", "parse", "stats", "sort", "limit", "dedup", "unnest",
)  # fmt: skip

OPERATOR_WORDS = frozenset({"and", "or", "not", "in", "like", "as", "by"})
"""They are no names of fields, unless in backticks."""

_SPACE = re.compile(r"(?:\s+|#[^\n]*)*")
_TOKEN = re.compile(
    r"""(?P<name>(?:@|[^\W\d])[\w@]*)
      | (?P<number>[0-9]+(?:\.[0-9]+)?)
      | (?P<string>"[^"\\]*(?:\\.[^"\\]*)*"|'[^'\\]*(?:\\.[^'\\]*)*')
      | (?P<quoted>`[^`]+`)
      | (?P<symbol><=|>=|!=|=~|==|<>|&&|\|\||[-+*/^%=<>!()\[\],|])""",
    re.VERBOSE | re.DOTALL,
)
_STEP = re.compile(r"\.(?:(?P<name>[\w@]+)|`(?P<quoted>[^`]+)`)|\[(?P<index>[0-9]{1,9})\]")
_REGEX = re.compile(r"/((?:[^/\\\n]|\\[^\n])*)/")
_ESCAPE = re.compile(r"\\([\"'\\ntr])")
_ESCAPED = {"n": "\n", "t": "\t", "r": "\r"}
_LONGEST_SHOWN = 40

_UNEXPECTED = {
    '"': 'the quote is not closed: add a `"`, and write one inside as `\\"`',
    "'": "the quote is not closed: add a `'`, and write one inside as `\\'`",
    "`": "the backtick is not closed, or there is nothing in it: a name stands between two",
    **dict.fromkeys(
        "\u201c\u201d\u201e\u2018\u2019\u00ab\u00bb", "this is no straight quote: write `\"` or `'`"
    ),
    **dict.fromkeys("{}$", "only what is in quotes or backticks has this character"),
    ";": "commands are separated by `|`",
}

Kind = Literal["name", "number", "string", "quoted", "symbol", "end"]


@dataclass(frozen=True, slots=True)
class Token:
    """A piece of the text from `begin` to `end`."""

    kind: Kind
    text: str
    begin: int
    end: int


class Reader:
    """A query's text, and the token that comes next."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.read = 0
        """Where the last token that was taken ends."""
        self.token = self._token(0)

    def fault(self, place: int, sentence: str) -> QueryError:
        """What is wrong at a place."""
        return QueryError(self.text, place, sentence)

    def take(self) -> Token:
        """The next token; another comes after it."""
        return self._skip_to(self.token.end)

    def _skip_to(self, offset: int) -> Token:
        taken = self.token
        self.read = offset
        self.token = self._token(offset)
        return taken

    def _token(self, offset: int) -> Token:
        space = _SPACE.match(self.text, offset)
        begin = space.end() if space else offset
        if begin == len(self.text):
            return Token("end", "", begin, begin)
        match = _TOKEN.match(self.text, begin)
        if match is None:
            letter = self.text[begin]
            known = f"{letter!r} has no meaning here: put names with such characters in backticks"
            raise self.fault(begin, _UNEXPECTED.get(letter, known))
        kind: Kind = match.lastgroup  # type: ignore[assignment]
        return Token(kind, match[0], begin, match.end())

    def ended(self) -> bool:
        """Whether nothing comes any more."""
        return self.token.kind == "end"

    @property
    def word(self) -> str:
        """The next token in small letters if it is a bare name, else nothing."""
        return self.token.text.lower() if self.token.kind == "name" else ""

    @property
    def symbol(self) -> str:
        """The next token if it is a symbol, else nothing."""
        return self.token.text if self.token.kind == "symbol" else ""

    def skip(self, wanted: str) -> bool:
        """Take the next token if it is this symbol or word."""
        if wanted not in (self.symbol, self.word):
            return False
        self.take()
        return True

    def unexpected(self, wanted: str) -> QueryError:
        """Something else should come next."""
        begin = self.token.begin
        if self.ended():
            return self.fault(begin, f"the query ends where {wanted} is expected")
        if self.word and (self.word in map(str.lower, COMMAND_WORDS) or self.word in REFUSED_COMMANDS):
            return self.fault(
                begin, f"{wanted} is expected: if `{self.token.text}` begins a command, put `|` before"
            )
        remedy = ": a field of that name stands in backticks" if self.word in OPERATOR_WORDS else ""
        return self.fault(begin, f"{wanted} is expected, not {self.shown}{remedy}")

    @property
    def shown(self) -> str:
        """The next token, for people."""
        text = self.token.text
        return f"`{text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + '…'}`"

    def need(self, symbol: str, opened: int) -> None:
        """Take the symbol that closes what was opened at a place."""
        if self.skip(symbol):
            return
        if self.ended() or self.symbol == "|":
            raise self.fault(opened, f"the bracket is not closed: add a `{symbol}`")
        raise self.unexpected(f"`,`, an operator or `{symbol}`")

    def string(self) -> str:
        r"""Take a string; what it says.

        A backslash escapes quotes and itself and makes `\n \t \r`. Before anything else it is one.
        """
        return _ESCAPE.sub(lambda match: _ESCAPED.get(match[1], match[1]), self.take().text[1:-1])

    def regex(self, *, named: bool = False) -> Regex:
        """Take a regular expression, which begins at the next token. `named`: see `checked_regex`."""
        place = self.token.begin
        match = _REGEX.match(self.text, place)
        if match is None:
            raise self.fault(place, "the regular expression is not closed on its line: add a `/`")
        if not match[1]:
            raise self.fault(
                place, "the regular expression is empty: write what to look for between the slashes"
            )
        found = checked_regex(self.text, place, match[1], begins=place + 1, named=named)
        after = self.text[match.end() : match.end() + 1]
        if after.isalnum() or after == "/":
            raise self.fault(
                match.end(),
                r"the regular expression ends before this: write a slash in it as `\/`, and put `(?i)` first to ignore "
                "case",
            )
        self._skip_to(match.end())
        return found

    def name(self, wanted: str) -> Field:
        """Take a field, with all of its steps."""
        if self.token.kind not in ("name", "quoted") or self.word in OPERATOR_WORDS:
            raise self.unexpected(wanted)
        place, end = self.token.begin, self.token.end
        steps: list[str | int] = [self.token.text.strip("`")]
        while step := _STEP.match(self.text, end):
            steps.append(int(step["index"]) if step["index"] else step["name"] or step["quoted"])
            end = step.end()
        if self.text[end : end + 1] == ".":
            raise self.fault(
                end, "a name is missing after the dot: put one with other characters in backticks"
            )
        if self.text[end : end + 1] == "[":
            raise self.fault(end, "what stands in the brackets is no index: write a whole number from 0")
        self._skip_to(end)
        return Field(tuple(steps), place)

    def alias(self) -> str:
        """Take a new name."""
        found = self.name("a name")
        if any(isinstance(step, int) for step in found.steps):
            raise self.fault(
                found.place, "a new name has no index: write letters, digits, `_` and `@`, or backticks"
            )
        return ".".join(map(str, found.steps))
