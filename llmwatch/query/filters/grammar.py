"""The grammar of filters."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from lark import Lark

GRAMMAR = r"""
?start: either
?either: both (_OR both)*
?both: one (_AND? one)*
?one: EXACT | REGEX | SAVED | WORD | field | group | negated
group: OPEN either _CLOSE
negated: (MINUS | NOT) one
field: FIELD (value (_COMMA value)* | _values)
_values: OPEN value ((_OR | _COMMA) value)* _CLOSE
?value: EXACT | VALUE

FIELD.3: /[^\W\d][\w.]*(?:(?::|!=|>=|<=|==?|>|<)(?=[^\s),])|\s+(?:!=|>=|<=|==?|>|<)\s+(?=[^\s),]))/
_OR.2: /or(?=[\s()]|$)/i
_AND.2: /and(?=[\s()]|$)/i
NOT.2: /NOT(?=[\s()]|$)/
EXACT.2: /(?<![^\s(:=<>,\-])"(?:[^"\\]|\\.)*"(?=[\s),]|$)/s
REGEX.2: /\/(?:[^\/\\\n]|\\[^\n])+\/i?(?=[\s)]|$)/
SAVED.2: /@[A-Za-z0-9_-]+(?=[\s)]|$)/
MINUS: /-(?=[^\s)])/
WORD: /[^\s"()\-,][^\s"()]*/
VALUE: /[^\s"(),]+/
OPEN: /(?<![^\s(\-:=<>,])\(/
_CLOSE: ")"
_COMMA: ","
%ignore /\s+/
"""


@cache
def parser() -> Lark:
    """Built once; it may be used by several threads at a time."""
    from lark import Lark

    return Lark(GRAMMAR, parser="lalr", lexer="contextual", maybe_placeholders=False)
