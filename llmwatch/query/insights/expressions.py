"""Expressions of a query, by precedence.

From loose to tight: `or` · `and` · `not` · `= != < <= > >= in like =~` · `+ -` · `* / %` · `-x` · `^`.
"""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Literal

from llmwatch.query.insights.faults import nearest
from llmwatch.query.insights.reader import Reader
from llmwatch.query.insights.refused import MEANT_FUNCTIONS, OFFSET, REFUSED_FUNCTIONS, SUBQUERY
from llmwatch.query.insights.regex import checked_regex
from llmwatch.query.insights.signatures import SIGNATURES, Signature
from llmwatch.query.insights.tree import (
    MOST_DEPTH,
    Binary,
    Call,
    Expression,
    Field,
    Like,
    Membership,
    Negative,
    Not,
    Number,
    Operator,
    Period,
    Regex,
    Text,
    Unit,
    children,
)

_OR, _AND, _COMPARISON, _SUM, _PRODUCT, _POWER = range(1, 7)

_LEVELS: dict[str, int] = {
    "or": _OR,
    "and": _AND,
    **dict.fromkeys(("=", "!=", "<", "<=", ">", ">=", "=~", "in", "like", "not"), _COMPARISON),
    "+": _SUM,
    "-": _SUM,
    "*": _PRODUCT,
    "/": _PRODUCT,
    "%": _PRODUCT,
    "^": _POWER,
}
"""What may follow an operand → how tightly it binds; `not` stands before `in` and `like` there."""

_MEANT = {"==": "=", "<>": "!=", "&&": "and", "||": "or", "!": "not"}
_REVERSED: dict[Operator, Operator] = {"-": "+", "+": "-", "/": "*", "*": "/"}

_MOST_UNBALANCED = 16
"""Operators of one chain that hang to the left."""

_MOST_DIGITS = 6
"""Of the number of a length of time."""

_SPELLINGS: dict[Unit, str] = {
    "ms": "ms msec msecs millisecond milliseconds",
    "s": "s sec secs second seconds",
    "m": "m min mins minute minutes",
    "h": "h hr hrs hour hours",
    "d": "d day days",
    "w": "w week weeks",
    "mo": "mo mon month months",
    "q": "q qtr qtrs quarter quarters",
    "y": "y yr yrs year years",
}
_UNITS: dict[str, Unit] = {name: unit for unit, names in _SPELLINGS.items() for name in names.split()}

_PERIOD = "a length of time such as 5m"

Aggregates = Literal["here", "elsewhere", "inside"]
"""Whether an aggregate may stand: inside another one not, and elsewhere than in the items of `stats` neither."""


class ExpressionReader(Reader):
    """Reads expressions."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.aggregates: Aggregates = "elsewhere"
        self.columns: frozenset[str] = frozenset()
        """Texts of the columns of the last `stats` that have no other name: a call of that text means one."""
        self.remarks: list[str] = []
        self._depth = 0

    def whole(self) -> Expression:
        """An expression and all of its parts."""
        found = self._expression()
        self._check_depth(found)
        return found

    def source(self) -> Expression:
        """What `parse` and `unnest` take apart: no more than an operand, for a slash behind it does not divide."""
        found = self._operand()
        self._check_depth(found)
        return found

    def _too_deep(self, place: int) -> Exception:
        return self.fault(
            place, f"the expression is more than {MOST_DEPTH} deep: take it apart with `fields … as …`"
        )

    def _check_depth(self, expression: Expression) -> None:
        left = [(expression, 1)]
        while left:
            found, depth = left.pop()
            if depth > MOST_DEPTH:
                raise self._too_deep(found.place)
            left += [(child, depth + 1) for child in children(found)]

    def _expression(self, level: int = _OR) -> Expression:
        """All that binds at least so tightly."""
        if self._depth == MOST_DEPTH:
            raise self._too_deep(self.token.begin)
        self._depth += 1
        found = self._operand()
        while (reached := self._level()) >= level:
            if reached == _COMPARISON:
                found = self._comparison(found)
            elif reached == _POWER:
                place = self.take().begin
                found = Binary("^", found, self._expression(_POWER), place)
            else:
                found = self._chain(found, reached)
        self._depth -= 1
        return found

    def _level(self) -> int:
        """How tightly the operator binds that comes next; 0 if there is none."""
        if self.word == "is":
            raise self.fault(self.token.begin, "there is no operator `is`: write `ispresent(…)`")
        self._refuse_meant()
        return _LEVELS.get(self.symbol or self.word, 0)

    def _refuse_meant(self) -> None:
        if self.symbol in _MEANT:
            sentence = f"there is no operator `{self.symbol}`: write `{_MEANT[self.symbol]}`"
            raise self.fault(self.token.begin, sentence)

    def _chain(self, first: Expression, level: int) -> Expression:
        operands, operators, places = [first], list[Operator](), list[int]()
        ends = [self.read]
        while self._level() == level:
            operators.append(self.take().text.lower())  # type: ignore[arg-type]
            places.append(self.read - len(operators[-1]))
            operands.append(self._expression(level + 1))
            ends.append(self.read)
        if level == _SUM:
            self._remark_hyphens(operands, places, ends)
        return _joined(operands, operators, places)

    def _remark_hyphens(
        self, operands: Sequence[Expression], places: Sequence[int], ends: Sequence[int]
    ) -> None:
        """Say of `event-name` what it means."""
        begin = None
        for number, place in enumerate(places):
            left, right = operands[number], operands[number + 1]
            joined = (
                self.text[place] == "-"
                and self.text[place - 1] != ")"
                and (isinstance(left, Field) and isinstance(right, Field))
                and (ends[number] == place and right.place == place + 1)
            )
            if joined and begin is None:
                begin = left.place
            if begin is not None and not (joined and number + 1 < len(places)):
                end = ends[number + 1] if joined else ends[number]
                self.remarks.append(
                    f"`{self.text[begin:end]}` is a subtraction: put a field of that name in backticks"
                )
                begin = None

    def _comparison(self, value: Expression) -> Expression:
        negated = self.word == "not"
        place = self.take().begin if negated else self.token.begin
        operator = self.symbol or self.word
        if negated and operator not in ("in", "like"):
            raise self.unexpected("`in` or `like`")
        self.take()
        found: Expression
        if operator == "in":
            found = Membership(value, self._list(), negated, place)
        elif operator in ("like", "=~"):
            found = Like(value, self._pattern(operator), negated, place)
        else:
            found = Binary(operator, value, self._expression(_SUM), place)  # type: ignore[arg-type]
        if self._level() == _COMPARISON:
            raise self.fault(
                self.token.begin, "two comparisons in a row: put `and`, or brackets round one of them"
            )
        return found

    def _pattern(self, operator: str) -> Text | Regex:
        if self.symbol == "/":
            return self.regex()
        if self.token.kind == "string" and operator == "like":
            place = self.token.begin
            return Text(self.string(), place)
        raise self.unexpected("a `/regular expression/`" + (' or a "text"' if operator == "like" else ""))

    def _list(self) -> tuple[Expression, ...]:
        opened = self.token.begin
        if self.skip("("):
            sentence = (
                SUBQUERY
                if self.word == "source"
                else "the values of `in` stand in `[…]`: write these brackets"
            )
            raise self.fault(opened, sentence)
        if not self.skip("["):
            raise self.unexpected("`[`")
        items = [self._expression()]
        while self.skip(","):
            items.append(self._expression())
        self.need("]", opened)
        return tuple(items)

    def _operand(self) -> Expression:
        place = self.token.begin
        if self.token.kind == "string":
            return Text(self.string(), place)
        if self.token.kind == "number":
            return self._number()
        if self.skip("not"):
            return Not(self._expression(_COMPARISON), place)
        if self.skip("-"):
            return Negative(self._expression(_POWER), place)
        if self.skip("("):
            found = self._expression()
            self.need(")", place)
            return found
        return self._named()

    def _number(self) -> Number:
        token = self.take()
        if self.token.kind == "name" and self.token.begin == token.end:
            known = self.word in _UNITS
            raise self.fault(
                token.begin,
                "a length of time stands only in `bin`, `datefloor` and `dateceil`: write a number"
                if known
                else "a name that begins with a digit stands in backticks: put it there",
            )
        return Number(Decimal(token.text), token.begin)

    def _named(self) -> Expression:
        """A field, or a call of a function."""
        if self.symbol == "/":
            sentence = "a regular expression stands only after `like`, `=~` or `parse`: write one there"
            raise self.fault(self.token.begin, sentence)
        self._refuse_meant()
        called = self.token.kind == "name"
        found = self.name("a field, a value or a function")
        if self.symbol != "(" or not called:
            return found
        place, name = found.place, self.text[found.place : self.read]
        signature = self._signature(name, place)
        arguments = self._arguments(signature)
        written = self.text[place : self.read]
        if self.aggregates != "here" and written in self.columns:
            return Field((written,), place)
        if signature.aggregate and self.aggregates != "here":
            raise self.fault(place, _misplaced(signature.name, self.aggregates))
        if not signature.takes(len(arguments)):
            raise self.fault(place, _arity(signature, len(arguments)))
        return Call(signature.name, arguments, place)

    def _signature(self, name: str, place: int) -> Signature:
        lower = name.lower()
        if (found := SIGNATURES.get(lower)) is not None:
            return found
        if lower in REFUSED_FUNCTIONS:
            raise self.fault(place, f"`{name}` {REFUSED_FUNCTIONS[lower]}")
        among = "docs/insights.md lists them all"
        known = MEANT_FUNCTIONS.get(lower)
        names = (signature.name for signature in SIGNATURES.values())
        remedy = f"is `{known}` meant?" if known else nearest(name, names, among)
        raise self.fault(place, f"there is no function `{name[:60]}`: {remedy}")

    def _arguments(self, signature: Signature) -> tuple[Expression, ...]:
        opened = self.take().begin
        outside = self.aggregates
        if signature.aggregate and outside == "here":
            self.aggregates = "inside"
        found: list[Expression] = []
        if signature.name == "count" and self.symbol == "*":
            self.take()
        elif self.symbol != ")":
            found.append(self._argument(signature, 0))
            while self.skip(","):
                found.append(self._argument(signature, len(found)))
        self.aggregates = outside
        self.need(")", opened)
        return tuple(found)

    def _argument(self, signature: Signature, number: int) -> Expression:
        if number in signature.periods:
            return self._period(signature)
        if number not in signature.regexes:
            return self._expression()
        place = self.token.begin
        if self.symbol == "/":
            return self.regex()
        if self.token.kind == "string":
            return checked_regex(self.text, place, self.string(), begins=None)
        raise self.fault(place, f'`{signature.name}` takes its pattern written out: write it as "…" or /…/')

    def _period(self, signature: Signature) -> Period:
        place = self.token.begin
        if self.token.kind != "number":
            raise self.unexpected(_PERIOD)
        count = self.take().text
        unit = _UNITS.get(self.word)
        if unit is None or not count.isdigit() or len(count) > _MOST_DIGITS or int(count) == 0:
            raise self.fault(
                place,
                f"`{signature.name}` takes a length of time: write a whole number from 1 and one of "
                "ms, s, m, h, d, w, mo, q, y",
            )
        self.take()
        return Period(int(count), unit, place)

    def refuse_offset(self) -> None:
        """Refuse what may follow `bin(…)` on CloudWatch."""
        if self.word == "offset":
            raise self.fault(self.token.begin, OFFSET)


def _joined(
    operands: Sequence[Expression], operators: Sequence[Operator], places: Sequence[int]
) -> Expression:
    """The tree of a chain: balanced where it is long, for all that walk it."""
    if len(operators) <= _MOST_UNBALANCED or "%" in operators:
        found = operands[0]
        for operator, operand, place in zip(operators, operands[1:], places, strict=True):
            found = Binary(operator, found, operand, place)
        return found
    middle = len(operators) // 2
    operator, rest = operators[middle], operators[middle + 1 :]
    if operator in ("-", "/"):
        rest = [_REVERSED[other] for other in rest]
    return Binary(
        operator,
        _joined(operands[: middle + 1], operators[:middle], places[:middle]),
        _joined(operands[middle + 1 :], rest, places[middle + 1 :]),
        places[middle],
    )


def _misplaced(name: str, where: Aggregates) -> str:
    if where == "inside":
        return (
            f"`{name}` stands inside another aggregate: compute it in a `stats` before, and name it with `as`"
        )
    return (
        f"`{name}` is an aggregate and stands only in `stats`: name it there with `as`, and use the name here"
    )


def _arity(signature: Signature, count: int) -> str:
    least, most = signature.least, signature.most
    wanted = f"{least} or more" if most is None else f"{least}" if least == most else f"{least} or {most}"
    plural = "" if wanted == "1" else "s"
    return f"`{signature.name}` takes {wanted} argument{plural}, not {count}: write `{signature.written}`"
