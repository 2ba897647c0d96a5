"""Trees of queries: without their places, printed, and at random."""

from __future__ import annotations

import dataclasses
import random
import re
from decimal import Decimal
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights.reader import OPERATOR_WORDS
from llmwatch.query.insights.signatures import SIGNATURES, Signature
from llmwatch.query.insights.tree import (
    Binary,
    Call,
    Command,
    Dedup,
    Display,
    Expression,
    Field,
    Fields,
    Filter,
    Like,
    Limit,
    Membership,
    Named,
    Negative,
    Not,
    Number,
    Operator,
    Parse,
    Period,
    Regex,
    Sort,
    SortKey,
    Stats,
    Text,
    Unit,
    Unnest,
)

DATA = Path(__file__).parents[2] / "data"


def queries(name: str) -> list[str]:
    return (DATA / name).read_text().rstrip("\n").split("\n---\n")


SAMPLES, RUNBOOK = queries("insights-samples.txt"), queries("insights-router.txt")
REFUSED_SAMPLE = 28


def placeless(node: Any) -> Any:
    """The same with all places 0, and without the texts that name columns."""
    if isinstance(node, tuple):
        return tuple(map(placeless, node))
    if not dataclasses.is_dataclass(node) or isinstance(node, type):
        return node
    values = {field.name: placeless(getattr(node, field.name)) for field in dataclasses.fields(node)}
    values |= {"place": 0} | ({"text": ""} if "text" in values else {})
    return type(node)(**values)


def commands(text: str) -> tuple[Command, ...]:
    """What is compared with a tree that was typed."""
    found: tuple[Command, ...] = placeless(read_query(text).commands)
    return found


def nodes(node: Any) -> list[Any]:
    """A node and all in it."""
    if isinstance(node, tuple):
        return [inner for item in node for inner in nodes(item)]
    if not dataclasses.is_dataclass(node):
        return []
    return [
        node,
        *(inner for field in dataclasses.fields(node) for inner in nodes(getattr(node, field.name))),
    ]


# Printed


class Printer:
    """A tree as text, in one of the many ways to write it."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance

    def query(self, query: tuple[Command, ...]) -> str:
        tokens: list[str] = []
        for command in query:
            tokens += ["|", *self.command(command)] if tokens else self.command(command)
        text = ""
        for before, after in zip(["", *tokens], tokens, strict=False):
            tight = before in ("(", "[", ",", "|") or after in (")", "]", ",", "|")
            choices = [" ", "\n", "\t ", ' # a | "comment\n'] + ["", ""] * tight
            text += (self.chance.choice(choices) if before else "") + after
        return text

    def word(self, word: str) -> str:
        return self.chance.choice([word, word.upper(), word.capitalize()])

    def command(self, command: Command) -> list[str]:
        match command:
            case Fields(items=items):
                return [self.word("fields"), *self.items(items)]
            case Display(items=items):
                return [self.word("display"), *self.items(items)]
            case Filter(condition=condition):
                return [
                    self.word(self.chance.choice(["filter", "where", "filterIndex"])),
                    *self.tokens(condition),
                ]
            case Parse():
                return self.parse(command)
            case Stats(items=items, by=by):
                keys = [self.word("by"), *self.items(by)] if by else []
                return [self.word("stats"), *self.items(items), *keys]
            case Sort(keys=sorts):
                return [self.word("sort"), *self.listed([self.key(key) for key in sorts])]
            case Limit(count=count, any=taken_any):
                return [self.word("limit"), *([self.word("any")] if taken_any else []), str(count)]
            case Dedup(items=fields):
                return [self.word("dedup"), *self.listed([self.tokens(field) for field in fields])]
            case Unnest(source=source, name=name):
                return [
                    self.word("unnest"),
                    *self.operand(source),
                    self.word("into"),
                    self.step(name, first=True),
                ]

    def parse(self, command: Parse) -> list[str]:
        source = [] if command.source is None else self.operand(command.source)
        aliases: list[str] = []
        if isinstance(command.pattern, Text):
            names = [[self.step(name, first=True)] for name in command.names]
            aliases = [self.word("as"), *self.listed(names)]
        return [self.word("parse"), *source, *self.tokens(command.pattern), *aliases]

    def key(self, key: SortKey) -> list[str]:
        order = [self.word("desc")] if key.descending else [self.word("asc")] * self.chance.randrange(2)
        return [*self.tokens(key.expression), *order]

    def items(self, items: tuple[Named, ...]) -> list[str]:
        return self.listed(
            [
                [
                    *self.tokens(item.expression),
                    *([] if item.alias is None else [self.word("as"), self.step(item.alias, first=True)]),
                ]
                for item in items
            ]
        )

    def listed(self, items: list[list[str]]) -> list[str]:
        return [token for number, item in enumerate(items) for token in ([","] * (number > 0) + item)]

    def operand(self, expression: Expression) -> list[str]:
        tokens = self.tokens(expression)
        return (
            ["(", *tokens, ")"]
            if isinstance(expression, Binary | Not | Negative | Membership | Like)
            else tokens
        )

    def tokens(self, expression: Expression) -> list[str]:
        match expression:
            case Text(value=value):
                return [self.text(value)]
            case Number(value=value):
                return [f"{value:f}"]
            case Regex(pattern=pattern):
                return [f"/{pattern.replace('(?P<', self.chance.choice(['(?<', '(?P<']))}/"]
            case Period(count=count, unit=unit):
                return [f"{count}{self.word(unit)}"] if self.chance.randrange(2) else [str(count), unit]
            case Field(steps=steps):
                return [self.field(steps)]
            case Call(name=name, arguments=arguments):
                return [self.word(name), "(", *self.listed([self.tokens(one) for one in arguments]), ")"]
            case Binary(operator=operator, left=left, right=right):
                return [*self.operand(left), self.word(operator), *self.operand(right)]
            case Not(operand=operand):
                return [self.word("not"), *self.operand(operand)]
            case Negative(operand=operand):
                return ["-", *self.operand(operand)]
            case Membership(value=value, items=items, negated=negated):
                listed = self.listed([self.tokens(item) for item in items])
                return [*self.operand(value), *self.negation(negated), self.word("in"), "[", *listed, "]"]
            case Like(value=value, pattern=pattern, negated=negated):
                symbol = not negated and isinstance(pattern, Regex) and self.chance.randrange(2)
                between = "=~" if symbol else self.word("like")
                return [*self.operand(value), *self.negation(negated), between, *self.tokens(pattern)]

    def negation(self, negated: bool) -> list[str]:
        return [self.word("not")] if negated else []

    def text(self, value: str) -> str:
        quote = self.chance.choice("\"'")
        return quote + value.replace("\\", "\\\\").replace(quote, f"\\{quote}") + quote

    def field(self, steps: tuple[str | int, ...]) -> str:
        first, *rest = steps
        return self.step(str(first), first=True) + "".join(
            f"[{step}]" if isinstance(step, int) else f".{self.step(step)}" for step in rest
        )

    def step(self, name: str, first: bool = False) -> str:
        bare = re.fullmatch(r"(?:@|[^\W\d])[\w@]*" if first else r"[\w@]+", name)
        return name if bare and not (first and name.lower() in OPERATOR_WORDS) else f"`{name}`"


# At random

plain = st.characters(exclude_categories=["Cs"], exclude_characters="\0")
texts = st.one_of(
    st.text(plain, max_size=12), st.sampled_from(['"', "'", "\\", "\\n", "a\\", "#", "|", "`", "/"])
)
names = st.one_of(
    st.sampled_from(
        ["a", "b", "user_email", "@timestamp", "@@key", "filter", "count", "desc", "not", "By", "x-y"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="`\0"), min_size=1, max_size=8),
)
steps = st.lists(st.one_of(names, st.sampled_from(["0", "12"]), st.integers(0, 999_999_999)), max_size=3)
fields = st.builds(lambda first, rest: Field((first, *rest), 0), names, steps)
numbers = st.one_of(st.integers(0, 10**30).map(Decimal), st.decimals(0, 10**6, places=3))
regexes = st.sampled_from(
    [
        "Exception",
        "(?i)a|b",
        r"\d+\.\d",
        r"a\/b",
        "[^ ][\\s\\S]*",
        "(x)(y)",
        "é#|`",
        r"\"",
        r"\Q(?<n>\E",
        "[(?<n>]",
    ]
).map(lambda pattern: Regex(pattern, 0))
periods = st.builds(Period, st.integers(1, 999_999), st.sampled_from(list[Unit](Unit.__args__)), st.just(0))  # type: ignore[attr-defined]
named_regexes = st.sampled_from(
    [
        (r"(?P<a>\d+)", ("a",)),
        (r"x=(?P<x>[^,]*), (?P<y_2>.*?)(?:;|$)", ("x", "y_2")),
        (r"\((?P<b>.)[(]", ("b",)),
    ]
)
scalars = [signature for signature in SIGNATURES.values() if not signature.aggregate]
aggregates = [signature for signature in SIGNATURES.values() if signature.aggregate]
operators: list[Operator] = ["+", "-", "*", "/", "^", "%", "=", "!=", "<", "<=", ">", ">=", "and", "or"]


def calls(
    signatures: list[Signature], values: st.SearchStrategy[Expression]
) -> st.SearchStrategy[Expression]:
    @st.composite
    def call(draw: st.DrawFn) -> Expression:
        signature = draw(st.sampled_from(signatures))
        most = signature.least + 3 if signature.most is None else signature.most
        arguments = [
            draw(
                periods if number in signature.periods else regexes if number in signature.regexes else values
            )
            for number in range(draw(st.integers(signature.least, most)))
        ]
        return Call(signature.name, tuple(arguments), 0)

    return call()


def _composed(values: st.SearchStrategy[Expression]) -> st.SearchStrategy[Expression]:
    zero, truth = st.just(0), st.booleans()
    return st.one_of(
        calls(scalars, values),
        st.builds(Binary, st.sampled_from(operators), values, values, zero),
        st.builds(Not, values, zero),
        st.builds(Negative, values, zero),
        st.builds(Membership, values, st.lists(values, min_size=1, max_size=3).map(tuple), truth, zero),
        st.builds(Like, values, st.one_of(texts.map(lambda text: Text(text, 0)), regexes), truth, zero),
    )


leaves: st.SearchStrategy[Expression] = st.one_of(
    fields, texts.map(lambda text: Text(text, 0)), numbers.map(lambda number: Number(number, 0))
)
expressions = st.recursive(leaves, _composed, max_leaves=8)
literals: st.SearchStrategy[Expression] = numbers.map(lambda number: Number(number, 0))


def _items(values: st.SearchStrategy[Expression], prefix: str) -> st.SearchStrategy[tuple[Named, ...]]:
    """With names that are different, and cannot be the text of another item."""
    return st.lists(values, min_size=1, max_size=3).map(
        lambda found: tuple(Named(value, f"{prefix}{number}", "", 0) for number, value in enumerate(found))
    )


aggregated = st.recursive(
    calls(aggregates, expressions),
    lambda values: st.builds(
        Binary, st.sampled_from(operators), values, st.one_of(values, literals), st.just(0)
    ),
    max_leaves=3,
)
sources = expressions.filter(lambda source: not isinstance(source, Text))
"""What begins with a quote is the pattern."""
globs = st.integers(1, 3).flatmap(
    lambda count: st.tuples(
        st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="*\0"), max_size=4),
                 min_size=count + 1, max_size=count + 1).map("*".join),
        st.lists(names, min_size=count, max_size=count, unique=True).map(tuple),
    )
)  # fmt: skip
parses = st.one_of(
    st.builds(
        lambda source, found: Parse(source, Text(found[0], 0), found[1], 0), st.none() | sources, globs
    ),
    st.builds(
        lambda source, found: Parse(source, Regex(found[0], 0), found[1], 0),
        st.none() | sources,
        named_regexes,
    ),
)
limits = st.builds(Limit, st.integers(1, 100_000), st.booleans(), st.just(0))
rows: st.SearchStrategy[Command] = st.one_of(
    st.builds(Fields, _items(expressions, "field "), st.just(0)),
    st.builds(Display, _items(expressions, "shown"), st.just(0)),
    st.builds(Filter, expressions, st.just(0)),
    parses,
    st.builds(Unnest, sources, names, st.just(0)),
)
stats = st.builds(Stats, _items(aggregated, "@made"), st.just(()) | _items(expressions, "key."), st.just(0))
sorts = st.builds(
    Sort,
    st.lists(st.builds(SortKey, expressions, st.booleans(), st.just(0)), min_size=1, max_size=3).map(tuple),
    st.just(0),
)
dedups = st.builds(Dedup, st.lists(fields, min_size=1, max_size=3).map(tuple), st.just(0))


@st.composite
def trees(draw: st.DrawFn) -> tuple[Command, ...]:
    """Commands in an order that is allowed."""
    found = draw(st.lists(rows | stats, max_size=4))
    last = draw(st.lists(sorts | limits | rows, max_size=3))
    end: list[Command] = [draw(dedups), *draw(st.lists(limits, max_size=1))] if draw(st.booleans()) else []
    return (*found, *last, *end) or (draw(limits),)
