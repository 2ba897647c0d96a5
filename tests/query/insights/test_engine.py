"""What queries make of lines. Page names are of the CloudWatch Logs user guide ("CWL_QuerySyntax-…")."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from random import Random

import pytest

from llmwatch.errors import UsageError
from llmwatch.query.insights.engine import answer
from llmwatch.query.insights.faults import QueryError
from llmwatch.query.insights.parse import read_query
from llmwatch.store.line_store import LineStore, StoreLines
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.query.insights.asking import NOW, ask, rows, stored, value

DATA = Path(__file__).parent.parent.parent / "data"


def at(clock: str, **fields: object) -> dict[str, object]:
    return {"timestamp": f"2026-02-27T{clock}Z", **fields}


# The samples


def samples(name: str) -> list[str]:
    return [text.strip() for text in (DATA / name).read_text().split("---\n") if text.strip()]


@pytest.mark.parametrize("name", ["insights-samples.txt", "insights-router.txt"])
def test_every_sample_runs_but_the_one_that_is_refused(name: str) -> None:
    lines = (DATA / "router-sample.jsonl").read_text().splitlines()
    refused = []
    with stored(lines) as store:
        for number, text in enumerate(samples(name), 1):
            try:
                found = answer(store, read_query(text), now=NOW)
            except QueryError as error:
                refused.append((number, "pattern" in str(error)))
            else:
                assert found.scanned == len(lines)
                assert all(len(row) == len(found.columns) for row in found.rows)
    assert refused == ([(29, True)] if "samples" in name else [])


def test_the_two_queries_of_the_router_count_what_is_in_its_lines() -> None:
    stream = {"message": "Stream usage emitted", "user_email": "a@example.com", "model": "m"}
    lines = [
        {**stream, "prompt_tokens": 2**53, "completion_tokens": 1},
        {**stream, "prompt_tokens": 1, "completion_tokens": 2},
        {**stream, "user_email": "b@example.com", "prompt_tokens": 7},
        {
            "message": "Mantle streaming complete",
            "user_email": "b@example.com",
            "usage": {"prompt_tokens": 5},
        },
        {"message": "Request completed", "prompt_tokens": 1000},
    ]
    first, second, *_ = samples("insights-samples.txt")
    found = ask(first, *lines)
    assert found.columns == ("user_email", "model", "total_input", "total_output")
    assert found.rows == (("a@example.com", "m", 2**53 + 1, 3), ("b@example.com", "m", 7, None))
    assert (found.scanned, found.matched, found.truncated) == (5, 3, False)
    assert rows(second, *lines) == (("b@example.com", 5, None),)


# Golden tables of the documentation

NOT_NUMBERS = ["!:", "#", "*%04", "0#", "5A", "111A", "2345_", "@", "@_", "A", "A9876fghj", "a12345hfh"]
SORTED = [*NOT_NUMBERS, "0", "01", "1", "2", "3"]
"""The example of the page on `sort`."""


def test_values_sort_as_on_the_page() -> None:
    for seed in range(5):
        shuffled = [{"v": v} for v in Random(seed).sample(SORTED, len(SORTED))]
        assert [row[0] for row in rows("fields v | sort v", *shuffled)] == SORTED
        assert [row[0] for row in rows("fields v | sort v desc", *shuffled)] == SORTED[::-1]
        ends = rows("stats sortsFirst(v), sortsLast(v)", *shuffled)
        assert ends == ((SORTED[0], SORTED[-1]),)


def test_dedup_keeps_the_latest_of_each_and_all_without_a_value() -> None:
    lines = [
        at("10:00:00", server="a", severity="one"),
        at("10:00:02", server="a", severity="two"),
        at("10:00:01", server="b", severity="three"),
        at("10:00:03", severity="no server"),
        at("10:00:04", server=None, severity="none"),
    ]
    text = "fields server, severity | sort {} | dedup server"
    assert [row[1] for row in rows(text.format("@timestamp desc"), *lines)] == [
        "none",
        "no server",
        "two",
        "three",
    ]
    assert [row[1] for row in rows(text.format("@timestamp"), *lines)] == [
        "one",
        "three",
        "no server",
        "none",
    ]
    assert {row[1] for row in rows("fields server, severity | dedup server", *lines)} == {
        "two", "three", "no server", "none"
    }  # fmt: skip
    assert len(rows("dedup server, severity", *lines, *lines)) == 7


def test_parse_takes_a_line_apart_as_on_the_page() -> None:
    text = "25 May 2019 10:24:39,474 [ERROR] {{foo=2, bar=data}} The error was: DataIntegrityException"
    lines = ["user=John Doe, method:PUT, latency := 12", "nothing of the kind", text.replace("{{", "{")]
    glob = 'parse @message "user=*, method:*, latency := *" as @user, @method, @latency'
    assert rows(f"{glob} | stats avg(@latency) by @method, @user", *lines) == (
        (None, None, None),
        ("PUT", "John Doe", 12),
    )
    regex = r"parse @message /user=(?<user2>.*?), method:(?<method2>.*?), latency := (?<latency2>.*)/"
    assert rows(f"{regex} | display user2, method2, latency2 | sort user2 desc", *lines)[0] == (
        "John Doe",
        "PUT",
        "12",
    )
    parsed = 'fields @message | parse @message "* [*] *" as loggingTime, loggingType, loggingMessage'
    assert rows(
        f'{parsed} | filter loggingType in ["ERROR", "INFO"] | display loggingTime, loggingType = "ERROR" as isError',
        *lines,
    ) == (("25 May 2019 10:24:39,474", 1),)


def test_a_line_that_does_not_match_stays_and_an_empty_part_is_a_value() -> None:
    assert rows('parse v "a*" as x | display v, x | sort v', {"v": "a"}, {"v": "b"}, {"w": 1}) == (
        (None, None), ("a", ""), ("b", None)
    )  # fmt: skip


def test_strcontains_gives_one_or_zero() -> None:
    lines = [{"m": "Init Duration: 1"}, {"m": "x"}, {"m": "Init Duration"}]
    assert value('sum(strcontains(m, "Init Duration"))', *lines) == 2
    assert value('strcontains(m, "x")', lines[0]) == 0


@pytest.mark.parametrize(
    ("period", "time"),
    [
        ("300s", "10:07:00.000"),
        ("60s", "10:07:00.000"),
        ("5000ms", "10:07:31.000"),
        ("500ms", "10:07:31.500"),
        ("90m", "10:00:00.000"),
        ("5m", "10:05:00.000"),
        ("48h", "00:00:00.000"),
        ("1h", "10:00:00.000"),
    ],
)
def test_a_period_has_so_many_of_its_unit_at_most(period: str, time: str) -> None:
    assert rows(f"stats count(*) by bin({period})", at("10:07:31.987654")) == ((f"2026-02-27 {time}", 1),)


def test_several_stats_see_the_columns_of_the_one_before() -> None:
    lines = [{"u": "a", "v": 1}, {"u": "a", "v": 3}, {"u": "b", "v": 5}]
    found = ask(
        "stats sum(v) as s, count(*) as n, s / n as mean by u | stats max(s), sum(mean) as m, count(v)",
        *lines,
    )
    assert found.rows == ((5, 7, 0),)
    assert found.columns == ("max(s)", "m", "count(v)")
    assert (found.matched, len(found.remarks)) == (3, 1)
    assert "`v`" in found.remarks[0]


def test_unnest_makes_a_row_an_item_and_copies_the_rest() -> None:
    events = '{"id": 7, "events": [{"name": "x"}, {"name": "y"}, {}]}'
    text = "fields jsonParse(@message) as m | unnest m.events into event | display event.name, m.id"
    assert rows(text, events) == (("x", 7), ("y", 7), (None, 7))
    assert rows("unnest v into x | display x", {"v": "no list"}) == (("no list",),)
    assert rows("unnest v into x | stats sum(x)", {"v": [1, 2]}, {"v": 4}, {"v": []}, {}) == ((7,),)


def test_aliases_are_for_later_items_and_commands() -> None:
    report = (
        "REPORT RequestId: 8f5\tDuration: 102.25 ms\tBilled Duration: 103 ms\t"
        "Memory Size: {} MB\tMax Memory Used: 70 MB\t"
    )
    text = samples("insights-samples.txt")[6]
    assert rows(text, report.format(128), report.format(256), "START RequestId: 8f5", {}) == (
        (256, 70, 70, 70, 186),
    )
    assert rows("stats max(@duration), max(@billedDuration) by @type, @requestId", report.format(128)) == (
        ("REPORT", "8f5", 102.25, 103),
    )


# Fields


def test_fields_are_found_wherever_their_path_leads() -> None:
    content = {
        "a": {"b": 1, "c.d": 2, "list": [{"x": "first"}, {"x": 5}], "1": "one"},
        "a.x": "flat",
        "a.y.z": "deep",
        "@type": "own",
        "json": '{"b": 1}',
        "x y": "space",
    }
    names = [
        "a.b",
        "a.c.d",
        "a.list.1.x",
        "a.list[0].x",
        "a.1",
        "a.x",
        "a.y.z",
        "@@type",
        "json.b",
        "`x y`",
        "`a.b`",
        "A.b",
    ]
    found = rows(f"display {', '.join(f'{name} as n{number}' for number, name in enumerate(names))}", content)
    assert found == ((1, 2, 5, "first", "one", "flat", "deep", "own", None, "space", 1, None),)


def test_values_come_out_as_they_are() -> None:
    content = {
        "n": 2**70,
        "f": 1.5,
        "z": 0,
        "s": "12",
        "t": True,
        "u": False,
        "o": None,
        "m": {"a": [1]},
        "l": [],
        "é": "✓",
    }
    found = ask("display n, f, z, s, t, u, o, m, l, é, missing", content)
    assert found.rows == ((2**70, 1.5, 0, "12", 1, 0, None, '{"a":[1]}', "[]", "✓", None),)
    assert [type(cell) for cell in found.rows[0]][:4] == [int, float, int, str]


def test_what_is_no_json_is_a_line_without_fields() -> None:
    lines = [
        "Traceback (most recent call last):",
        "  File x",
        '{"a": 1',
        "[1]",
        '"text"',
        "5",
    ]
    assert rows("stats count(*), count(a), count(@message)", *lines) == ((6, 0, 6),)


def test_json_with_small_faults_is_read_and_its_text_stays() -> None:
    lines = ['{"a": 1, "s": "\\ud800"}', '{"a": 1, "s": "\x1b[31m"}', '\ufeff{"a": 1}', '{"a": 1, "s": NaN}']
    assert rows("stats sum(a), count(*)", "{}", *lines) == ((4, 5),)
    assert rows("filter a = 1 | display @message | sort @ptr", "{}", *lines) == tuple(
        (line,) for line in lines
    )


def test_a_result_that_is_no_finite_number_is_missing() -> None:
    lines = [{"x": x} for x in (-8, 4, 100, 1e308)]
    assert rows("filter x ^ 0.5 > 3 | stats count(*)", *lines) == ((2,),)
    assert rows("stats max(x * 10), sum(x * 10)", *lines) == ((1000, 960),)
    assert rows("stats max(x ^ 0.5), count(x ^ 0.5)", *lines) == ((1e154, 3),)
    big = [{"x": 1e308}, {"x": 1e308}, {"x": -1e308}]
    assert rows("stats avg(x) as it, stddev(x) as s | filter it > 0 or it <= 0 or s > 0", *big[:2] * 2) == ()
    for expression in (
        "x + x",
        "-x - x",
        "x / 0.1",
        "x % 0",
        "sqrt(-x)",
        "log(-x)",
        "haversine(x, x, -x, -x)",
    ):
        assert value(expression, big[0]) is None


LARGE = 123456789012345678


@pytest.mark.parametrize("quote", ["", '"'])
def test_large_numbers_are_compared_with_all_their_digits(quote: str) -> None:
    ids = [
        {"id": value} for value in (LARGE, LARGE + 1, str(LARGE + 1), -LARGE - 1, 1e30, "a", 1000, "1e3", 2.5)
    ]
    written = f"{quote}{LARGE + 1}{quote}"
    for condition, count in (
        (f"id = {written}", 2),
        (f"id != {written}", 7),
        (f"id >= {written}", 4),
        (f"id < {written}", 5),
        (f"id in [{written}, 1000]", 4),
        (f"id not in [{written}, 1000]", 5),
        (f'id in ["1e400", "1e30", {written}]', 3),
        ('id in ["2.5", 12.5]', 1),
    ):
        assert rows(f"filter {condition} | stats count(*)", *ids) == ((count,),), condition
    assert rows(
        "filter a = b | stats count(*)", {"a": LARGE, "b": LARGE + 1}, {"a": LARGE, "b": str(LARGE)}
    ) == ((1,),)


def test_words_in_backticks_are_fields() -> None:
    assert rows("display `true` as a, true as b, `false` as c, false as d", {"true": 5}) == ((5, 1, None, 0),)


def test_a_number_that_json_has_not_is_missing_and_the_rest_of_its_line_is_not() -> None:
    assert rows("display a, b, c", '{"a": NaN, "b": 1, "c": -Infinity}') == ((None, 1, None),)


def test_without_fields_there_are_time_and_message_newest_first() -> None:
    lines = [at("10:00:00.1239"), {"no": "time"}, at("10:00:01")]
    found = ask("filter 1 = 1", *lines)
    assert found.columns == ("@timestamp", "@message")
    assert [row[0] for row in found.rows] == ["2026-02-27 10:00:01.000", "2026-02-27 10:00:00.123", None]


@pytest.mark.parametrize(
    ("written", "time"),
    [
        ({"timestamp": "2026-02-27T16:47:00.002517Z"}, "2026-02-27 16:47:00.002"),
        ({"time": "2026-02-27T16:47:00+02:00"}, "2026-02-27 14:47:00.000"),
        ({"@timestamp": "2026-02-27 16:47:00,5"}, "2026-02-27 16:47:00.500"),
        ({"ts": 1772210820}, "2026-02-27 16:47:00.000"),
        ({"ts": 1772210820.25}, "2026-02-27 16:47:00.250"),
        ({"timestamp": 1772210820123}, "2026-02-27 16:47:00.123"),
        ({"timestamp": None, "time": "2026-02-27"}, "2026-02-27 00:00:00.000"),
        ({"timestamp": "infinity"}, None),
        ({"timestamp": "yesterday"}, None),
        ({"timestamp": {"a": 1}}, None),
    ],
)
def test_the_time_is_what_the_line_tells(written: object, time: str | None) -> None:
    assert rows("display @timestamp", written) == ((time,),)


def test_the_fields_of_a_line_itself() -> None:
    text = "display @message, @logStream, @log, @ptr, @ingestionTime, @entity"
    assert rows(text, "x", "y") == (
        ("y", "log", "log", "log:2", None, None),
        ("x", "log", "log", "log:1", None, None),
    )


def test_fields_add_up_and_the_last_display_counts() -> None:
    assert ask("fields a | fields a + 1 as b, a", {"a": 1}).columns == ("a", "b")
    found = ask("fields a | display a as x | fields b | display b, a * 2 | limit 1", {"a": 1, "b": 2})
    assert (found.columns, found.rows) == (("b", "a * 2"), ((2, 2),))


# Untyped values


@pytest.mark.parametrize(
    ("condition", "matching"),
    [
        ("v > 9.5", ["10", 100, "b"]),
        ('v = "10.0"', ["10"]),
        ("v = 10", ["10"]),
        ('v < "a"', [9, "10", 100, "-"]),
        ("v != 9", ["10", 100, "b", "-"]),
        ("not (v = 9)", ["10", 100, "b", "-"]),
        ("v in [9, 'b', '100']", [9, 100, "b"]),
        ("v not in [9, 'b']", ["10", 100, "-"]),
        ("v in [w, 10]", ["10"]),
        ("v like '1'", ["10", 100]),
        ("v not like /[0-9]/", ["b", "-"]),
        ("v =~ /^B$/", []),
        ("v =~ /(?i)^B$/", ["b"]),
        ("v + 0 = v", [9, "10", 100]),
        ("ispresent(v) and not isNumeric(v)", ["b", "-"]),
        ("v", [9, "10", 100]),
    ],
)
def test_numbers_are_compared_as_numbers_and_the_rest_as_text(condition: str, matching: list[object]) -> None:
    lines = [{"v": 9}, {"v": "10"}, {"v": 100}, {"v": "b"}, {"v": "-"}, {"w": 1}]
    found = rows(f"filter {condition} | fields v | sort @ptr", *lines)
    assert [row[0] for row in found] == matching


def test_maps_and_lists_equal_nothing() -> None:
    nested = [{"v": {"a": 1}}, {"v": [1]}]
    assert rows('filter v = "x" or v != "x" or v < 3 or v in ["x"] | fields v', *nested) == ()
    assert len(rows('filter not (v = "x") | fields v', *nested)) == 2
    assert rows("stats count(v), count_distinct(v), sum(v), sortsFirst(v), max(strlen(v)) as n", *nested) == (
        (2, 0, None, None, None),
    )
    assert rows("stats count(*) by v", *nested) == ((None, 2),)


def test_numbers_keep_all_their_digits() -> None:
    large = 2**63 + 1
    lines = [{"v": large}, {"v": str(large)}, {"v": 1}]
    assert rows("stats sum(v), max(v), min(v), round(avg(v) / 2 ^ 40) as a", *lines) == (
        (2 * large + 1, large, 1, round(2**24 / 3)),
    )
    assert rows("stats sum(v), max(v)", {"v": 0.1}, {"v": 2}, {"v": "1e-1"}, {"v": "x"}) == ((2.2, 2),)
    assert rows("stats sum(v), sum(v + 0), sum(missing)", {"v": 2}, {"v": 1e30}) == ((1e30, 1e30, None),)


def test_arithmetic() -> None:
    assert value("7 / 2 + 2 * 3 - -1") == 10.5
    assert value("7 % 4 + 2 ^ 3 ^ 0") == 5
    for nothing in ("1 / 0", "1 % 0", "'a' + 1", "missing * 2", "10 ^ 400 - 10 ^ 400", "sqrt(-1)", "log(0)"):
        assert value(nothing) is None, nothing
    assert value("9007199254740993 - 0") == pytest.approx(2**53)


def test_groups_are_of_what_reads_alike() -> None:
    lines = [
        {"v": 5},
        {"v": "5"},
        {"v": "\u00e9"},
        '{"v": "\\u00e9"}',
        {"v": True},
        {"v": 1},
        {"v": None},
        {},
    ]
    assert rows("stats count(*) as n by v", *lines) == ((None, 2), ("é", 2), (1, 2), ("5", 2))


# Aggregates


def test_aggregates() -> None:
    lines = [at(f"10:00:0{n}", v=n, s=f"s{10 - n}", t="x") for n in range(1, 6)] + [at("10:00:09", t=3)]
    text = (
        "stats count(*), count(v), count_distinct(t), avg(v), pct(v, 50), pct(v, 90), round(stddev(v) * 1000) as d, "
        "earliest(s), latest(s), sortsFirst(s), sortsLast(s), max(@timestamp), min(s)"
    )
    assert rows(text, *lines) == (
        (
            6,
            5,
            2,
            3,
            3,
            4.6,
            1581,
            "s9",
            "s5",
            "s5",
            "s9",
            "2026-02-27 10:00:09.000",
            None,
        ),
    )


def test_an_aggregate_over_nothing() -> None:
    found = ask("filter missing = 1 | stats count(*), sum(v), max(v), latest(v), avg(v)", {"v": 1})
    assert (found.rows, found.matched, found.scanned) == (((0, None, None, None, None),), 0, 1)
    assert ask("filter missing = 1 | stats count(*) by v", {"v": 1}).rows == ()


def test_a_time_stays_a_time() -> None:
    assert rows(
        "stats max(@timestamp) as @t by @logStream | display dateceil(@t, 5m), @t > 0", at("10:07:31")
    ) == (("2026-02-27 10:10:00.000", 1),)
    with pytest.raises(QueryError, match="latest"):
        ask("stats max(v) as m by u | stats latest(m)", {})
    with pytest.raises(QueryError, match="bin"):
        ask("stats max(v) as m by u | fields bin(5m)", {})


# Order and limits


def test_lines_that_sort_alike_keep_their_order() -> None:
    lines = [{"n": n, "v": 1} for n in range(30)]
    assert [row[0] for row in rows("fields n | sort v", *lines)] == list(range(30))
    assert [row[0] for row in rows("fields n | sort v desc", *lines)] == list(range(29, -1, -1))


def test_what_is_missing_sorts_first() -> None:
    lines = [{"v": "a"}, {}, {"v": 3}, {"v": "12"}]
    assert [row[0] for row in rows("fields v | sort v", *lines)] == [None, "a", 3, "12"]
    assert [row[0] for row in rows("fields v | sort v desc", *lines)] == ["12", 3, "a", None]


@pytest.mark.parametrize("limit", ["limit 3", "limit any 3", "limit 3 | fields v", "limit 3 | limit 4"])
def test_a_limit_is_told_when_it_hides_rows(limit: str) -> None:
    lines = [{"v": n} for n in range(4)]
    found = ask(f"filter v >= 0 | {limit}", *lines)
    assert (len(found.rows), found.scanned, found.matched) == (3, 4, 4)
    assert found.truncated == ("4" not in limit)
    assert not ask(f"filter v > 0 | {limit}", *lines).truncated


def test_ten_thousand_rows_are_the_usual_limit() -> None:
    found = ask("fields v", *({"v": n} for n in range(10_001)))
    assert (len(found.rows), found.truncated, found.matched) == (10_000, True, 10_001)


@pytest.mark.parametrize(
    ("period", "length"),
    [
        ("500ms", (0.5, None)),
        ("5m", (300.0, None)),
        ("300s", (60.0, None)),  # a minute has no more
        ("90 minutes", (3_600.0, None)),
        ("3d", (259_200.0, None)),
        ("2w", (1_209_600.0, None)),
        ("1mo", (None, 1)),
        ("2q", (None, 6)),
        ("1y", (None, 12)),
    ],
)
def test_how_long_a_bin_is_comes_from_the_query(period: str, length: tuple[float | None, int | None]) -> None:
    for query in (
        f"stats count(*) as n by bin({period}) as t",
        f"stats count(*) as n by bin({period}) as t, v | stats sum(n) by t",
    ):
        found = ask(query, at("10:07:31"))
        assert (found.bin_seconds, found.bin_months) == length
    ((when,),) = rows(f"stats count(*) by bin({period}) as t | display t", at("10:07:31"))
    if length[0] and length[0] <= 86_400:
        since = datetime.fromisoformat(str(when)).replace(tzinfo=UTC).timestamp()
        assert since % length[0] == 0


def test_a_field_that_no_line_has_is_told_with_the_one_that_may_be_meant() -> None:
    lines = [{"user_email": "a@b.c", "usage": {"n": 1}, "error": None, "dotted.key": 1}, "no JSON", "[1]"]

    def told(query: str) -> tuple[str, ...]:
        return ask(query, *lines).remarks

    meant = ("no line has `usr_email`: is `user_email` meant?",)
    assert told("fields usr_email") == meant
    assert told("filter usr_email = 'a@b.c'") == meant
    assert told("stats count(*) as n by usr_email") == meant
    assert told("fields @timestmp") == ("no line has `@timestmp`: is `@timestamp` meant?",)
    assert told("filter qqq > 1") == ("no line has `qqq`",)
    assert told("fields user_email, usage.n, dotted.key") == ()
    assert told("fields error, usage.other | filter user_email = 'else'") == ()
    assert told("fields coalesce(user_email, usr_email)") == ()
    assert told("fields user_email as mine | filter mine = 1 | stats max(mine) as x") == ()


def test_rows_of_a_bin_can_be_drawn() -> None:
    lines = [at("10:07:31"), at("10:01:00")]
    assert ask("stats count(*) by bin(5m) as t, v", *lines).binned == "t"
    assert ask("stats count(*) by bin(5m)", *lines).binned == "bin(5m)"
    assert ask("stats count(*) as n by bin(5m) as t | stats sum(n) by t", *lines).binned == "t"
    assert ask("stats count(*) by datefloor(@timestamp, 5m)", *lines).binned is None
    assert ask("fields bin(5m)", *lines).binned is None
    assert [row[0] for row in ask("stats count(*) by bin(5m)", *lines).rows] == [
        "2026-02-27 10:00:00.000",
        "2026-02-27 10:05:00.000",
    ]


# The window


def test_lines_of_another_time_are_not_read_and_those_without_one_are_told() -> None:
    lines = [at(f"10:00:0{n}", v=n) for n in range(5)] + [{"v": 9}, "no time either"]
    since, until = (datetime(2026, 2, 27, 10, 0, second, tzinfo=UTC) for second in (1, 3))
    interval = "max(queryStartTime()) as a, max(queryEndTime()) as b, max(queryTimeRange()) as r"
    text = f"stats count(*) as n, sum(v) as s, {interval}"
    with stored(lines) as store:
        query = read_query(text)
        found = answer(store, query, now=NOW, since=since, until=until)
        times = ("2026-02-27 10:00:01.000", "2026-02-27 10:00:03.000", 2000)
        assert found.rows == ((2, 3, *times),)
        assert (found.scanned, found.matched) == (7, 2)
        assert [remark[:7] for remark in found.remarks] == ["2 lines"]
        open_ended = answer(store, query, now=NOW, since=since)
        assert open_ended.rows[0][:2] == (4, 10)
        everything = answer(store, query, now=NOW)
        assert everything.rows == ((7, 19, None, "2026-02-28 00:00:00.000", None),)
        assert everything.remarks == ()


def test_the_lines_of_a_store_are_asked_alike() -> None:
    piece = Slice("log", "log", 1, (DATA / "router-sample.jsonl").read_bytes())
    since, until = (datetime(2026, 2, 27, 16, 47, second, tzinfo=UTC) for second in (2, 9))
    with closing(Store(StoreSettings(keep_raw=True))) as store, closing(LineStore()) as lines:
        store.ingest(piece)
        lines.add(piece)
        matched = 0
        for text in samples("insights-router.txt"):
            query = read_query(text)
            found = answer(StoreLines(store), query, now=NOW, since=since, until=until)
            assert found == answer(lines, query, now=NOW, since=since, until=until)
            matched += found.matched or 0
        assert matched > 100


def test_an_empty_log_is_an_answer() -> None:
    with stored([]) as store:
        assert answer(store, read_query("fields @message"), now=NOW).rows == ()
        assert answer(store, read_query("stats count(*)"), now=NOW).rows == ((0,),)


@pytest.mark.parametrize(
    "expression", ["-" * 99 + "1", "(" * 90 + "v" + ")" * 90, "abs(" * 95 + "v" + ")" * 95]
)
def test_what_parses_runs_however_deep(expression: str) -> None:
    ask(f"fields {expression} as x | filter x = 1", {"v": 1})


def test_long_chains_run() -> None:
    chain = " or ".join(f'v = "{number}"' for number in range(700))
    assert len(rows(f"filter {chain}", {"v": "699"}, {"v": "700"})) == 1
    listed = ",".join(map(str, range(2000)))
    assert len(rows(f"filter v in [{listed}]", {"v": "1999"}, {"v": 2000})) == 1
    nested = "coalesce(if(v > 1, v, w), v)"
    for _ in range(5):
        nested = f"coalesce(if({nested} > w, v, w), {nested})"
    assert rows(f"display {nested} as x", {"v": 3, "w": "a"}) == (("a",),)


class Nowhere(LineStore):
    relation = "(SELECT 1 AS message)"


def test_what_the_database_cannot_do_is_an_error_of_the_query() -> None:
    store = Nowhere()
    with closing(store), pytest.raises(UsageError, match="cannot be run"):
        answer(store, read_query("fields @message"), now=NOW)
