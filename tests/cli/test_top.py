"""`top`: its JSON to the letter, its figures against an independent fold and Decimal prices, its other formats."""

from __future__ import annotations

import codecs
import csv
import gzip
import io
import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from llmwatch.pricing.price import PriceKey
from llmwatch.pricing.resolver import PriceResolver
from tests.cli.running import DATA, SAMPLE, Ran, here, outside
from tests.cli.traffic import KIMI, LINES_OF_A_CALL, START, call
from tests.oracle.fold import Call, Folded, fold, group
from tests.oracle.tokens import Tokens

MEASURES = [
    "requests",
    "errors",
    "aborted",
    "unfinished",
    "unmetered",
    "input_tokens",
    "cache_read_tokens",
    "cache_write_tokens",
    "output_tokens",
    "cost_usd",
    "unpriced",
    "latency_p50_ms",
    "latency_p95_ms",
    "first_seen",
    "last_seen",
]
COLUMNS = [
    "user",
    "model",
    "provider",
    "key",
    "team",
    "project",
    "status",
    "error",
    "dialect",
    "source",
    "hour",
    "day",
]
COUNTS = ["requests", "errors", "aborted", "unfinished", "unmetered", "unpriced"]
TOKENS = ["input_tokens", "cache_read_tokens", "cache_write_tokens", "output_tokens"]
NOW = datetime(2026, 3, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def truth() -> Folded:
    return fold({"sample": SAMPLE.read_bytes().splitlines()}, NOW)


@pytest.fixture(scope="module")
def sample() -> Ran:
    return outside("top", SAMPLE, "--json", "--limit", "0")


def test_the_document_has_the_keys_of_the_contract_and_no_others(sample: Ran) -> None:
    document = sample.document
    assert sample.code == 0
    assert list(document) == ["scope", "by", "rows", "groups", "totals", "counters"]
    assert document["scope"] == {"since": None, "until": None, "filter": None}
    assert document["by"] == ["user", "model"]
    assert {tuple(row) for row in document["rows"]} == {("user", "model", *MEASURES)}
    assert list(document["totals"]) == MEASURES
    assert list(document["counters"]) == [
        "lines",
        "events",
        "calls",
        "other_requests",
        "malformed",
        "unrecognised",
        "late",
        "sampled",
    ]
    assert sample.err == b""


def test_counts_are_whole_numbers_and_times_are_utc(sample: Ran) -> None:
    for row in [*sample.document["rows"], sample.document["totals"]]:
        assert {type(row[name]) for name in COUNTS} == {int}
        assert {type(row[name]) for name in TOKENS} <= {int, type(None)}
        for name in ("first_seen", "last_seen"):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z", row[name])


@pytest.mark.parametrize(
    ("by", "attributes"),
    [
        ("user,model", ["user", "model"]),
        ("user", ["user"]),
        ("model", ["model"]),
        ("status", ["outcome"]),
        ("model,user,status", ["model", "user", "outcome"]),
    ],
)
def test_figures_are_those_of_an_independent_fold(truth: Folded, by: str, attributes: list[str]) -> None:
    document = here("top", SAMPLE, "--json", "--by", by).document
    expected = figures_of(truth.calls, attributes)
    assert {tuple(row[name] for name in by.split(",")) for row in document["rows"]} == set(expected)
    assert len(document["rows"]) == len(expected) == document["groups"]
    for row in document["rows"]:
        assert measured(row) == expected[tuple(row[name] for name in by.split(","))]
    assert measured(document["totals"]) == figures_of(truth.calls)[()]


def test_counters_say_where_every_line_went(truth: Folded, sample: Ran) -> None:
    counters = sample.document["counters"]
    assert (counters["lines"], counters["events"]) == (truth.lines, truth.events)
    assert (counters["malformed"], counters["unrecognised"]) == (truth.malformed, truth.unrecognised)
    assert (counters["calls"], counters["other_requests"]) == (truth.llm_calls, truth.other_requests)
    assert counters["lines"] == sum(bool(line.strip()) for line in SAMPLE.read_bytes().splitlines())


def test_a_row_costs_what_the_published_prices_say(sample: Ran) -> None:
    """Claude Sonnet 4.6 in the US profile: $3.30, $0.33, $4.125, $16.50 for a million tokens."""
    rows = [
        row
        for row in sample.document["rows"]
        if row["model"] == "us.anthropic.claude-sonnet-4-6" and row["input_tokens"] is not None
    ]
    assert len(rows) > 10
    for row in rows:
        rates = {
            "input_tokens": "3.30",
            "cache_read_tokens": "0.33",
            "cache_write_tokens": "4.125",
            "output_tokens": "16.50",
        }
        cost = sum(row[name] * Decimal(rate) for name, rate in rates.items()) / 1_000_000
        assert row["cost_usd"] == float(cost)


@pytest.mark.parametrize("column", COLUMNS)
def test_every_column_groups_and_no_call_is_lost(column: str) -> None:
    document = here("top", SAMPLE, "--json", "--by", column).document
    rows, totals = document["rows"], document["totals"]
    assert document["by"] == [column]
    assert {tuple(row) for row in rows} == {(column, *MEASURES)}
    assert len({row[column] for row in rows}) == len(rows)
    assert {type(row[column]) for row in rows} <= {str, type(None)}
    for name in (*COUNTS, *TOKENS):
        assert sum(row[name] or 0 for row in rows) == totals[name]


@pytest.mark.parametrize(
    ("column", "values"),
    [
        ("provider", {"bedrock"}),
        ("dialect", {"router"}),
        ("source", {str(SAMPLE)}),
        ("hour", {"2026-02-27T16:00Z"}),
        ("day", {"2026-02-27"}),
        ("key", {None}),
    ],
)
def test_columns_hold_what_the_log_says(column: str, values: set[str | None]) -> None:
    rows = here("top", SAMPLE, "--json", "--by", column).document["rows"]
    assert {row[column] for row in rows} == values


@pytest.mark.parametrize("column", MEASURES)
def test_measures_sort_largest_first_and_unknown_last(column: str) -> None:
    rows = here("top", SAMPLE, "--json", "--by", "user", "--sort", column).document["rows"]
    values = [row[column] for row in rows]
    numbers = [value for value in values if value is not None]
    assert values == numbers + [None] * (len(values) - len(numbers))
    assert numbers == sorted(numbers, reverse=column != "first_seen")
    assert len(numbers) > 1


def test_names_sort_from_a_to_z() -> None:
    rows = here("top", SAMPLE, "--json", "--by", "model,user", "--sort", "user").document["rows"]
    users = [row["user"] for row in rows]
    assert users == sorted(users)


def test_the_limit_takes_rows_and_leaves_the_totals(sample: Ran) -> None:
    limited = here("top", SAMPLE, "--json", "--limit", "7").document
    assert limited["rows"] == sample.document["rows"][:7]
    assert limited["totals"] == sample.document["totals"]
    assert limited["groups"] == len(sample.document["rows"])
    assert here("top", SAMPLE, "--json", "--limit", 10**20).document["rows"] == sample.document["rows"]


def test_a_window_counts_the_calls_begun_in_it(truth: Folded) -> None:
    middle = sorted(call.first_seen for call in truth.calls if call.first_seen)[len(truth.calls) // 2]
    moment = middle.isoformat().replace("+00:00", "Z")
    halves = {
        option: here("top", SAMPLE, "--json", "--by", "user", option, moment).document
        for option in ("--since", "--until")
    }
    late = [call for call in truth.calls if call.first_seen and call.first_seen >= middle]
    early = [call for call in truth.calls if call.first_seen and call.first_seen < middle]
    for option, calls in (("--since", late), ("--until", early)):
        assert calls
        document = halves[option]
        assert document["scope"][option[2:]] == moment
        assert measured(document["totals"]) == figures_of(calls)[()]
        assert document["counters"]["calls"] == document["totals"]["requests"]


@pytest.mark.parametrize("form", ["json", "table", "csv", "jsonl", "parquet"])
def test_a_window_without_calls_is_an_answer(form: str) -> None:
    ran = here("top", SAMPLE, "--since", "2027-01-01", "--format", form)
    assert ran.code == 0
    if form == "json":
        assert ran.document["rows"] == []
        assert ran.document["counters"]["lines"] == 1982
        totals = ran.document["totals"]
        assert [totals[name] for name in COUNTS] == [0] * 6
        assert totals["cost_usd"] is None


def test_unknown_names_are_null_and_never_dropped(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call(None, "r-1") + call("a@example.com", "r-2"))
    document = here("top", log, "--json").document
    assert {row["user"] for row in document["rows"]} == {None, "a@example.com"}
    assert "(unknown)" in here("top", log).text


def test_token_sums_are_exact_at_any_size(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    size = 2**62 + 1
    log.write_bytes(b"".join(call("a@example.com", f"r-{n}", prompt=size) for n in range(5)))
    ran = here("top", log, "--json")
    assert ran.document["totals"]["input_tokens"] == 5 * size


def test_text_in_json_is_exact(tmp_path: Path) -> None:
    names = ["\x1b[31mred", "a\x7fb", "\u202eevil", "naïve@example.com", "tab\there", "\x9b1m"]
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(call(name, f"r-{n}") for n, name in enumerate(names)))
    ran = here("top", log, "--json")
    assert {row["user"] for row in ran.document["rows"]} == set(names)
    assert ran.out.isascii()
    assert ran.out.rstrip(b"\n").decode().isprintable()


def test_json_lines_are_the_rows_alone(sample: Ran) -> None:
    assert here("top", SAMPLE, "--format", "jsonl").json_lines == sample.document["rows"]


def test_csv_is_the_rows_with_empty_cells_for_unknown(sample: Ran) -> None:
    rows = list(csv.DictReader(io.StringIO(here("top", SAMPLE, "--format", "csv").text)))
    as_text = [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in sample.document["rows"]
    ]
    assert rows == as_text


def test_no_csv_cell_is_a_formula(tmp_path: Path) -> None:
    names = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "=cmd|' /C calc'!A0", '=A1,"x"\n=B2']
    log = tmp_path / "log.jsonl"
    log.write_bytes(b"".join(call(name, f"r-{n}", model=name) for n, name in enumerate(names)))
    text = here("top", log, "--format", "csv").text
    header, *rows = csv.reader(io.StringIO(text))
    assert len(rows) == len(names) == text.count("\n") - 1
    for row in rows:
        for cell in row[:2]:
            assert cell[0] not in "=+-@\t\r\n"
        assert len(row) == len(header)


def test_parquet_holds_the_same_rows(sample: Ran, tmp_path: Path) -> None:
    import duckdb

    file = tmp_path / "rows.parquet"
    file.write_bytes(here("top", SAMPLE, "--format", "parquet").out)
    with duckdb.connect() as connection:
        found = connection.execute(
            'SELECT "user", model, requests, input_tokens, cost_usd, latency_p95_ms FROM read_parquet(?)',
            [str(file)],
        )
        rows = found.fetchall()
    wanted = ("user", "model", "requests", "input_tokens", "cost_usd", "latency_p95_ms")
    assert rows == [tuple(row[name] for name in wanted) for row in sample.document["rows"]]


def test_the_table_is_plain_and_aligned() -> None:
    ran = outside("top", SAMPLE)
    header, *lines, total = ran.text.splitlines()
    assert ran.out.isascii()
    assert "\x1b" not in ran.text
    assert len(lines) == 25
    assert total.startswith("TOTAL")
    columns = cells(header)
    assert [name for name, _, _ in columns][:4] == ["USER", "MODEL", "REQUESTS", "ERRORS"]
    for line in lines:
        found = cells(line)
        assert len(found) == len(columns)
        assert [start for _, start, _ in found[:2]] == [start for _, start, _ in columns[:2]]
        assert [end for _, _, end in found[2:]] == [end for _, _, end in columns[2:]]
    assert [end for _, _, end in cells(total)[1:]] == [end for _, _, end in columns[2:]]
    assert not any(line != line.rstrip() for line in (header, *lines, total))


def test_the_table_tells_on_stderr_what_it_leaves_out(sample: Ran) -> None:
    ran = here("top", SAMPLE, "--limit", "10")
    hidden = len(sample.document["rows"]) - 10
    assert f"{hidden:,} more rows" in ran.narration
    assert "1,982 lines" in ran.narration
    assert len(ran.text.splitlines()) == 12


def test_a_budget_and_a_missing_price_are_findings(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("a@example.com", model="nobody.sells-this-1", prompt=10**6))
    dear = tmp_path / "dear.jsonl"
    dear.write_bytes(call("a@example.com", model=KIMI, prompt=10**8))
    assert here("top", dear, "--json", "--fail-over", "1").code == 1
    assert "over budget" in here("top", dear, "--json", "--fail-over", "1").narration
    assert here("top", dear, "--json", "--fail-over", "100000").code == 0
    assert here("top", dear, "--json", "--fail-on-unpriced").code == 0
    unpriced = here("top", log, "--json", "--fail-on-unpriced")
    assert unpriced.code == 1
    assert unpriced.document["totals"]["unpriced"] == 1
    assert unpriced.document["totals"]["cost_usd"] is None
    assert "no price" in unpriced.narration


def test_own_prices_come_first(tmp_path: Path) -> None:
    log, prices = tmp_path / "log.jsonl", tmp_path / "prices.toml"
    log.write_bytes(call("a@example.com", model=KIMI, prompt=1_000_000, completion=1_000_000))
    prices.write_text(f'[[price]]\nmodel = "{KIMI}"\ninput_per_million = 7\noutput_per_million = 11.5\n')
    assert here("top", log, "--json", "--prices", prices).document["totals"]["cost_usd"] == 18.5


@pytest.mark.parametrize("change", ["as it is", "no last newline", "blank lines", "carriage returns"])
def test_a_pipe_and_a_packed_file_give_the_answer_of_the_file(change: str, tmp_path: Path) -> None:
    text = SAMPLE.read_bytes() + (DATA / "hostile.jsonl").read_bytes()
    changes = {
        "no last newline": text.rstrip(b"\n"),
        "blank lines": b"\n" + text.replace(b"\n", b"\n \n\n", 50),
        "carriage returns": text.replace(b"\n", b"\r\n"),
    }
    plain, packed = tmp_path / "log.jsonl", tmp_path / "packed.jsonl.gz"
    plain.write_bytes(changes.get(change, text))
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    by = ("--json", "--by", "user,model,status")
    answer = here("top", plain, *by).document
    assert answer["counters"]["lines"] == sum(bool(content_of(line)) for line in text.split(b"\n"))
    assert here("top", packed, *by).document == answer
    assert outside("top", "-", *by, stdin=plain.read_bytes()).document == answer


def test_files_and_folders_add_up(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(call("a@example.com", "r-1"))
    (tmp_path / "b.jsonl").write_bytes(call("b@example.com", "r-2", started=START))
    document = here("top", tmp_path, "--json", "--by", "source").document
    assert {row["source"] for row in document["rows"]} == {
        str(tmp_path / name) for name in ("a.jsonl", "b.jsonl")
    }
    assert document["counters"]["lines"] == 2 * LINES_OF_A_CALL


def price(model: str | None, tokens: Tokens) -> Decimal | None:
    """In Decimal, from the resolver's rates; the log names no region."""
    found = PriceResolver().resolve(PriceKey("bedrock", model or "", None, START.date()))
    if found is None or model is None:
        return None
    counts = (tokens.input or 0, tokens.cache_read or 0, tokens.cache_write or 0, tokens.output or 0)
    rates = (found.input, found.cache_read, found.cache_write, found.output)
    if found.threshold is not None and sum(counts[:3]) > found.threshold:
        rates = (found.long_input, found.long_cache_read, found.long_cache_write, found.long_output)
    if any(count and rate is None for count, rate in zip(counts, rates, strict=True)):
        return None
    return sum(
        (count * rate for count, rate in zip(counts, rates, strict=True) if rate is not None), Decimal(0)
    )


def content_of(line: bytes) -> bytes:
    """What is left of a line that is not blank."""
    return line.removeprefix(codecs.BOM_UTF8).strip()


def measured(row: dict[str, Any]) -> dict[str, object]:
    """A row's figures, without the grouping."""
    return {
        name: pytest.approx(row[name], rel=1e-12) if isinstance(row[name], float) else row[name]
        for name in MEASURES
    }


def figures_of(calls: Sequence[Call], by: Sequence[str] = ()) -> dict[tuple[object, ...], dict[str, object]]:
    """The oracle's rows as JSON has them. Tokens of which nothing is known are null, which is not zero."""
    counted = {tuple(getattr(call, name) for name in by) for call in calls if call.tokens.known}
    return {
        key: {
            name: None if name in TOKENS and key not in counted else in_json(getattr(row, name))
            for name in MEASURES
        }
        for key, row in group(calls, by, price).items()
    }


def in_json(value: object) -> object:
    if isinstance(value, datetime):
        return value.isoformat().replace("+00:00", "Z")
    return float(value) if isinstance(value, Decimal) else value


def cells(line: str) -> list[tuple[str, int, int]]:
    """What stands in a table's line, and where: cells are two spaces apart."""
    return [(match[0], match.start(), match.end()) for match in re.finditer(r"\S+(?: \S+)*", line)]


def test_a_file_whose_name_is_no_unicode_is_read(tmp_path: Path) -> None:
    name = os.fsdecode(b"r\xff.jsonl")
    (tmp_path / name).write_bytes(SAMPLE.read_bytes())
    named, plain = here("top", tmp_path, "--json").document, here("top", SAMPLE, "--json").document
    assert named["rows"] == plain["rows"]
