"""A query's text to its tree."""

from __future__ import annotations

import operator
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwatch.errors import UsageError
from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.parse import read_query
from llmwatch.query.insights.signatures import SIGNATURES
from llmwatch.query.insights.tree import (
    MOST_DEPTH,
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
    Unnest,
    children,
)
from llmwatch.query.insights_calls import CallsQuery
from llmwatch.query.scope import Scope
from tests.query.insights.trees import (
    REFUSED_SAMPLE,
    RUNBOOK,
    SAMPLES,
    Printer,
    commands,
    nodes,
    placeless,
    trees,
)

LONGEST = 10_000
some = settings(max_examples=150, derandomize=True, deadline=None)


def field(*steps: str | int) -> Field:
    return Field(steps, 0)


def text(value: str) -> Text:
    return Text(value, 0)


def number(value: str | int) -> Number:
    return Number(Decimal(value), 0)


def call(name: str, *arguments: Expression) -> Call:
    return Call(name, arguments, 0)


def binary(left: Expression, symbol: Operator, right: Expression) -> Binary:
    return Binary(symbol, left, right, 0)


def named(expression: Expression, alias: str | None = None) -> Named:
    return Named(expression, alias, "", 0)


def key(expression: Expression, descending: bool = False) -> SortKey:
    return SortKey(expression, descending, 0)


def condition(written: str) -> Expression:
    (found,) = commands(f"filter {written}")
    assert isinstance(found, Filter)
    return found.condition


def depth(expression: Expression) -> int:
    return 1 + max(map(depth, children(expression)), default=0)


A, B, C = field("a"), field("b"), field("c")

TYPED: list[tuple[str, tuple[Command, ...]]] = [
    (
        SAMPLES[0],
        (
            Fields(
                tuple(
                    named(field(name))
                    for name in ("@timestamp", "user_email", "model", "prompt_tokens", "completion_tokens")
                ),
                0,
            ),
            Filter(Like(field("@message"), Regex("Stream usage emitted", 0), False, 0), 0),
            Stats(
                (
                    named(call("sum", field("prompt_tokens")), "total_input"),
                    named(call("sum", field("completion_tokens")), "total_output"),
                ),
                (named(field("user_email")), named(field("model"))),
                0,
            ),
            Sort((key(field("total_input"), True),), 0),
        ),
    ),
    (
        SAMPLES[6],
        (
            Filter(binary(field("@type"), "=", text("REPORT")), 0),
            Stats(
                (
                    *(
                        named(
                            call(
                                aggregate,
                                binary(binary(field(memory), "/", number(1000)), "/", number(1000)),
                            ),
                            alias,
                        )
                        for aggregate, memory, alias in (
                            ("max", "@memorySize", "provisonedMemoryMB"),
                            ("min", "@maxMemoryUsed", "smallestMemoryRequestMB"),
                            ("avg", "@maxMemoryUsed", "avgMemoryUsedMB"),
                            ("max", "@maxMemoryUsed", "maxMemoryUsedMB"),
                        )
                    ),
                    named(
                        binary(field("provisonedMemoryMB"), "-", field("maxMemoryUsedMB")),
                        "overProvisionedMB",
                    ),
                ),
                (),
                0,
            ),
        ),
    ),
    (
        SAMPLES[13],
        (
            Parse(
                field("@message"),
                text("user=*, method:*, latency := *"),
                ("@user", "@method", "@latency"),
                0,
            ),
            Stats(
                (named(call("avg", field("@latency"))),), (named(field("@method")), named(field("@user"))), 0
            ),
        ),
    ),
    (
        SAMPLES[14],
        (
            Parse(
                field("@message"),
                Regex("user=(?P<user2>.*?), method:(?P<method2>.*?), latency := (?P<latency2>.*?)", 0),
                ("user2", "method2", "latency2"),
                0,
            ),
            Stats(
                (named(call("avg", field("latency2"))),), (named(field("method2")), named(field("user2"))), 0
            ),
        ),
    ),
    (
        SAMPLES[15],
        (
            Fields((named(field("@message")),), 0),
            Parse(field("@message"), text("* [*] *"), ("loggingTime", "loggingType", "loggingMessage"), 0),
            Filter(Membership(field("loggingType"), (text("ERROR"), text("INFO")), False, 0), 0),
            Display(
                (
                    named(field("loggingMessage")),
                    named(binary(field("loggingType"), "=", text("ERROR")), "isError"),
                ),
                0,
            ),
        ),
    ),
    (
        SAMPLES[18],
        (
            Fields((named(call("strlen", field("@message")), "message_length"),), 0),
            Stats(
                (
                    named(call("sum", field("message_length")), "ingested_bytes"),
                    named(call("max", field("@timestamp")), "@t"),
                ),
                (named(field("@logStream")),),
                0,
            ),
            Stats(
                (named(call("avg", field("ingested_bytes"))),),
                (named(call("dateceil", field("@t"), Period(5, "m", 0))),),
                0,
            ),
        ),
    ),
    (
        SAMPLES[19],
        (
            Fields((named(call("jsonParse", field("@message")), "json_message"),), 0),
            Unnest(field("json_message", "events"), "event", 0),
            Display((named(field("event", "name")),), 0),
        ),
    ),
    (
        SAMPLES[20],
        (
            Fields((named(call("jsonParse", field("@message")), "json_message"),), 0),
            Filter(binary(field("json_message", "users", 1, "action"), "=", text("PutData")), 0),
        ),
    ),
    (
        SAMPLES[21],
        (
            Fields((named(field("@timestamp")), named(field("@message"))), 0),
            Filter(
                binary(
                    field("requestParameters", "instancesSet", "items", "0", "instanceId"),
                    "=",
                    text("i-abcde123"),
                ),
                0,
            ),
            Sort((key(field("@timestamp"), True),), 0),
        ),
    ),
    (
        SAMPLES[22],
        (Fields((named(field("@timestamp")), named(field("@message"))), 0), Limit(20, False, 0)),
    ),
    (
        SAMPLES[23],
        (
            Fields((named(field("f1")), named(field("f2")), named(field("f3"))), 0),
            Filter(
                binary(
                    Like(field("f1"), Regex("(?i)(Exception|timeout)", 0), False, 0),
                    "and",
                    Membership(field("f2"), (text("foo"), text("bar"), number(1)), True, 0),
                ),
                0,
            ),
        ),
    ),
    (
        SAMPLES[24],
        (
            Fields(
                (
                    named(field("foo-bar")),
                    named(field("action")),
                    named(call("abs", binary(field("f3"), "-", field("f4")))),
                    named(call("concat", field("Operation"), text("-"), field("StatusCode")), "opStatus"),
                ),
                0,
            ),
        ),
    ),
    (SAMPLES[30], (Fields((named(field("@message")),), 0), Limit(1, True, 0))),
    (
        SAMPLES[33],
        (
            Fields(
                (named(field("@timestamp")), named(field("json_message", "user.id"), "uid")),
                0,
            ),
            Filter(
                binary(binary(field("uid"), "!=", text("")), "and", Not(call("isempty", field("uid")), 0)),
                0,
            ),
            Stats((named(call("count")),), (named(field("uid")),), 0),
        ),
    ),
    (
        SAMPLES[34],
        (
            Stats(
                (
                    named(
                        binary(
                            call("sum", binary(field("prompt_tokens"), "+", field("completion_tokens"))),
                            "/",
                            call("count"),
                        ),
                        "avg_total",
                    ),
                    named(call("stddev", field("latency_ms"))),
                    named(call("sortsFirst", field("model"))),
                    named(call("sortsLast", field("model"))),
                ),
                (named(call("datefloor", field("@timestamp"), Period(15, "m", 0))),),
                0,
            ),
        ),
    ),
    (
        "dedup server, a.b\n|LIMIT 3",
        (Dedup((field("server"), field("a", "b")), 0), Limit(3, False, 0)),
    ),
    ("parse 'a*' as b", (Parse(None, text("a*"), ("b",), 0),)),
    ("parse /(a)(?<b>.)/", (Parse(None, Regex("(?:a)(?P<b>.)", 0), ("b",), 0),)),
    ("parse concat(a, b) '*' as c", (Parse(call("concat", A, B), text("*"), ("c",), 0),)),
    ("unnest jsonParse(a) INTO b", (Unnest(call("jsonParse", A), "b", 0),)),
]

CONDITIONS: list[tuple[str, Expression]] = [
    ("a or b and c", binary(A, "or", binary(B, "and", C))),
    ("not a and b", binary(Not(A, 0), "and", B)),
    ("not a = b", Not(binary(A, "=", B), 0)),
    ("not not a", Not(Not(A, 0), 0)),
    ("a = b + c", binary(A, "=", binary(B, "+", C))),
    ("a - b - c", binary(binary(A, "-", B), "-", C)),
    ("a - (b - c)", binary(A, "-", binary(B, "-", C))),
    ("a + b * c % a", binary(A, "+", binary(binary(B, "*", C), "%", A))),
    ("a ^ b ^ c", binary(A, "^", binary(B, "^", C))),
    ("-a ^ b", Negative(binary(A, "^", B), 0)),
    ("a ^ -b * c", binary(binary(A, "^", Negative(B, 0)), "*", C)),
    ("0 - 1", binary(number(0), "-", number(1))),
    ("a - -1.50", binary(A, "-", Negative(number("1.5"), 0))),
    ("a/b/c", binary(binary(A, "/", B), "/", C)),
    ("a LIKE /b\\/c/ and c", binary(Like(A, Regex("b\\/c", 0), False, 0), "and", C)),
    ("a not like 'b' or c", binary(Like(A, text("b"), True, 0), "or", C)),
    ("a =~ /# no \"comment'/", Like(A, Regex("# no \"comment'", 0), False, 0)),
    ("a like /(?i)[/]x/".replace("[/]", r"[\/]"), Like(A, Regex(r"(?i)[\/]x", 0), False, 0)),
    ("a Not In[1,'b' ,-c]", Membership(A, (number(1), text("b"), Negative(C, 0)), True, 0)),
    (r'''a = "say \"#\" \\ \d \t|"''', binary(A, "=", text('say "#" \\ \\d \t|'))),
    (r"""a = 'it\'s "it"'""", binary(A, "=", text('it\'s "it"'))),
    ("a = 'two\nlines'", binary(A, "=", text("two\nlines"))),
    ("a # b\n# c\n = c", binary(A, "=", C)),
    ("a # the 'end", A),
    ("@@a.`b.c`.@d[0][12].3", field("@@a", "b.c", "@d", 0, 12, "3")),
    ("`-`", field("-")),
    ("`a[0].b`", field("a[0].b")),
    ("Größe.名 = '名'", binary(field("Größe", "名"), "=", text("名"))),
    ("filter = limit", binary(field("filter"), "=", field("limit"))),
    ("desc > asc", binary(field("desc"), ">", field("asc"))),
    ("A", field("A")),
    ("ISPRESENT(a)", call("ispresent", A)),
    ("if (a, b, c)", call("if", A, B, C)),
    ("case(a, 1, b, 2, 3)", call("case", A, number(1), B, number(2), number(3))),
    ("NOW() > tomillis(a)", binary(call("now"), ">", call("toMillis", A))),
    ("regexReplace(a, '(x)\\d', '')", call("regexReplace", A, Regex(r"(x)\d", 0), text(""))),
    ("regexReplace(a, /(?<n>x)/, '')", call("regexReplace", A, Regex("(?P<n>x)", 0), text(""))),
    ("a like /[(?<n>]\\Q(?<n>\\E\\(?<n>/", Like(A, Regex("[(?<n>]\\Q(?<n>\\E\\(?<n>", 0), False, 0)),
    ("a\u00a0=\u3000b", binary(A, "=", B)),
]


@pytest.mark.parametrize(("written", "tree"), TYPED)
def test_a_query_is_read(written: str, tree: tuple[Command, ...]) -> None:
    assert commands(written) == tree


@pytest.mark.parametrize(("written", "tree"), CONDITIONS)
def test_a_condition_is_read(written: str, tree: Expression) -> None:
    assert condition(written) == tree


@pytest.mark.parametrize("sample", [query for query in SAMPLES if query != SAMPLES[REFUSED_SAMPLE]] + RUNBOOK)
def test_every_sample_is_read_with_a_command_for_each_bar(sample: str) -> None:
    lines = [line for line in sample.splitlines() if not line.lstrip().startswith("#")]
    assert len(read_query(sample).commands) == 1 + sum(line.count("|") for line in lines) - sample.count(
        "(Exception|"
    )


def test_the_sample_with_a_command_of_the_service_is_refused_at_its_place() -> None:
    sample = SAMPLES[REFUSED_SAMPLE]
    with pytest.raises(QueryError, match=r"line 3, column 3: `pattern` .*--engine insights") as refused:
        read_query(sample)
    assert refused.value.offset == sample.index("pattern")


@pytest.mark.parametrize("by", [("user", "model"), ("status", "source", "hour", "day"), ("provider",)])
def test_the_query_for_the_tables_is_read(by: tuple[str, ...]) -> None:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    asked = CallsQuery(
        by, Scope(now.replace(month=2), now), now, stream_prefix="router/'\"é/0-1", by_day=True
    )
    query = read_query(asked.text())
    assert len(query.commands) == 15
    assert query.remarks == ()


def test_all_samples_are_read_in_fifty_milliseconds() -> None:
    def took() -> float:
        begin = time.process_time()
        for sample in SAMPLES[:REFUSED_SAMPLE] + SAMPLES[REFUSED_SAMPLE + 1 :]:
            read_query(sample)
        return time.process_time() - begin

    assert min(took() for _ in range(3)) < 0.05


def test_what_is_subtracted_without_spaces_is_remarked_once() -> None:
    query = read_query(
        "fields event-name, event-name as b, a - b, (a)-b, a-1, x-request-id as y | filter p-q > 0"
    )
    marked = ["event-name", "x-request-id", "p-q"]
    assert query.remarks == tuple(
        f"`{name}` is a subtraction: put a field of that name in backticks" for name in marked
    )


def test_columns_are_named_by_alias_or_as_they_are_written() -> None:
    query = read_query(
        "stats  count( * ) , sum(a)  as `the sum`, max(\nb) / 2 by `c-d`, bin(5 m), e.`f g`, h as i.j"
    )
    (stats,) = query.commands
    assert isinstance(stats, Stats)
    assert [item.name for item in (*stats.items, *stats.by)] == [
        "count( * )",
        "the sum",
        "max(\nb) / 2",
        "c-d",
        "bin(5 m)",
        "e.`f g`",
        "i.j",
    ]


def test_a_call_that_names_a_column_of_the_stats_before_is_that_column() -> None:
    _, later, last = commands(
        "stats count(*), avg(a) by bin(5m) | stats max(count(*)) as m by bin(5m) | sort bin(5m), bin(1h), m"
    )
    assert later == Stats((named(call("max", field("count(*)")), "m"),), (named(field("bin(5m)")),), 0)
    assert last == Sort((key(field("bin(5m)")), key(call("bin", Period(1, "h", 0))), key(field("m"))), 0)


@pytest.mark.parametrize(
    ("written", "period"),
    [
        ("5m", Period(5, "m", 0)),
        ("15 minutes", Period(15, "m", 0)),
        ("1 Hour", Period(1, "h", 0)),
        ("300MS", Period(300, "ms", 0)),
        ("2mo", Period(2, "mo", 0)),
        ("1q", Period(1, "q", 0)),
        ("1 week", Period(1, "w", 0)),
        ("03 years", Period(3, "y", 0)),
    ],
)
def test_lengths_of_time(written: str, period: Period) -> None:
    assert condition(f"bin({written}) = 1") == binary(call("bin", period), "=", number(1))


def test_every_function_is_found_in_any_case_and_takes_as_many_arguments_as_it_says() -> None:
    for name, signature in SIGNATURES.items():
        most = signature.least + 4 if signature.most is None else signature.most
        for count in range(most + 2):
            arguments = ["5m" if one in signature.periods else "'a'" for one in range(count)]
            written = f"stats {name.upper()}({', '.join(arguments)}) as x, count(*) as y"
            if not signature.aggregate:
                written = written.replace("stats", "fields").replace(", count(*) as y", "")
            if signature.takes(count):
                (found,) = read_query(written).commands
                assert isinstance(found, Fields | Stats)
                assert found.items[0].expression.name == signature.name  # type: ignore[union-attr]
            elif signature.most is None or count <= signature.most + 1:
                with pytest.raises(QueryError, match=f"`{signature.name}` takes"):
                    read_query(written)


@given(tree=trees(), chance=st.randoms(use_true_random=False))
@some
def test_a_tree_that_is_printed_is_read_back(tree: tuple[Command, ...], chance: random.Random) -> None:
    written = Printer(chance).query(tree)
    if len(written) > LONGEST:
        return
    query = read_query(written)
    assert placeless(query.commands) == tree
    for node in nodes(query.commands):
        assert 0 <= node.place < len(written)
        if isinstance(node, Call):
            assert written[node.place :].lower().startswith(node.name.lower())
        if isinstance(node, Text):
            assert written[node.place] in "\"'"
        if isinstance(node, Named) and not isinstance(node.expression, Field):
            assert written[node.place :].startswith(node.text)


ARITHMETIC: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
    "/": operator.truediv,
}


@given(
    st.sampled_from(["+-", "*/"]).flatmap(
        lambda symbols: st.integers(0, 60).flatmap(
            lambda length: st.lists(
                st.tuples(st.sampled_from(symbols), st.integers(1, 9)), min_size=length, max_size=length
            )
        )
    )
)
@some
def test_a_chain_of_any_length_has_the_value_that_it_has_from_left_to_right(
    chain: list[tuple[str, int]],
) -> None:
    def value(expression: Expression) -> Fraction:
        if isinstance(expression, Binary):
            return ARITHMETIC[expression.operator](value(expression.left), value(expression.right))
        assert isinstance(expression, Number)
        return Fraction(expression.value)

    wanted = Fraction(1)
    for symbol, right in chain:
        wanted = ARITHMETIC[symbol](wanted, Fraction(right))
    found = condition("1" + "".join(f"{symbol}{right}" for symbol, right in chain))
    assert value(found) == wanted
    assert depth(found) <= 18


@pytest.mark.parametrize("joint", ["+", "-", "*", "/", " and ", " or "])
def test_a_chain_of_ten_thousand_characters_is_no_deep_tree(joint: str) -> None:
    written = "filter " + joint.join("a" * ((LONGEST - 7) // (len(joint) + 1)))
    (found,) = read_query(written).commands
    assert isinstance(found, Filter)
    assert depth(found.condition) <= MOST_DEPTH
    assert sum(isinstance(node, Field) for node in nodes(found)) == written.count("a") - written.count("and")


def test_a_malformed_query_is_an_error_of_usage() -> None:
    with pytest.raises(UsageError):
        read_query("")
