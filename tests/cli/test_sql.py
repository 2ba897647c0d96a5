"""`sql`: it answers, it can do nothing else, and a store that is kept has every line once."""

from __future__ import annotations

import signal
import time
from pathlib import Path

import pytest

from tests.cli.running import SAMPLE, Ran, assert_refused, ended, here, outside, process
from tests.cli.traffic import LINES_OF_A_CALL, call

SECRET = "canary-5e1f"

READING = [
    "SELECT * FROM read_csv('{secret}')",
    "SELECT * FROM read_csv('/etc/passwd')",
    "SELECT * FROM '{secret}'",
    "SELECT * FROM read_text('{secret}')",
    "SELECT * FROM read_blob('{secret}')",
    "SELECT * FROM read_json('{secret}')",
    "SELECT * FROM parquet_scan('{secret}')",
    "SELECT * FROM sniff_csv('{secret}')",
    "SELECT * FROM glob('{folder}/*')",
    "SELECT * FROM glob('/dev/shm/**')",
    "SELECT * FROM read_text('https://example.com/')",
    "SELECT * FROM calls, read_csv_auto('{secret}')",
    "SELECT (SELECT content FROM read_text('{secret}')) FROM calls",
    "SELECT * FROM sqlite_scan('{secret}', 'a')",
    "SELECT * FROM query('SELECT * FROM read_text(''{secret}'')')",
    "SELECT * FROM read_text('https://example.com/x.csv')",
    "SELECT * FROM 'https://example.com/x.parquet'",
    "SELECT * FROM 's3://bucket/x.parquet'",
    "SELECT * FROM duckdb_secrets()",
    "SELECT * FROM duckdb_settings()",
    "SELECT * FROM pragma_database_list()",
    "SELECT getenv('HOME')",
    "SHOW TABLES",
    "SELECT * FROM information_schema.tables",
]
WITHIN = [
    "SELECT * FROM lines",
    "SELECT * FROM store.main.lines",
    "SELECT * FROM store.main.calls",
    "SELECT * FROM main.calls",
    "SELECT * FROM raw.lines",
    "SELECT * FROM folded_calls",
    "DESCRIBE lines",
    "SELECT (SELECT count(*) FROM lines)",
    "SELECT 1 ORDER BY (SELECT count(*) FROM lines)",
    "WITH x AS (SELECT * FROM lines) SELECT 1",
    "SELECT * FROM query_table('lines')",
    "SELECT * FROM query('SELECT * FROM lines')",
    "SELECT * FROM read_text(current_setting('allowed_directories')[1] || '*')",
    "SELECT * FROM read_blob(current_setting('allowed_directories')[2] || '*')",
    "SELECT * FROM glob(current_setting('allowed_directories')[1] || '*')",
]
"""What reads the store's own tables and files, past the views."""
WRITING = [
    "COPY calls TO '{folder}/new'",
    "COPY (SELECT 1) TO '{folder}/new' (FORMAT parquet)",
    "COPY calls FROM '{secret}'",
    "EXPLAIN ANALYZE COPY calls TO '{folder}/new'",
    "EXPORT DATABASE '{folder}/new'",
    "IMPORT DATABASE '{folder}'",
    "ATTACH '{folder}/new' AS x",
    "DETACH store",
    "INSTALL httpfs",
    "LOAD httpfs",
    "CREATE SECRET s (TYPE s3)",
    "PRAGMA database_list",
    "PRAGMA memory_limit='100GB'",
    "SET memory_limit = '100GB'",
    "SET enable_external_access = true",
    "SET VARIABLE now = 1",
    "RESET memory_limit",
    "USE memory",
    "CALL enable_logging()",
    "SELECT * FROM enable_logging()",
    "CREATE TABLE x (a INT)",
    "CREATE TEMP TABLE x (a INT)",
    "CREATE OR REPLACE VIEW calls AS SELECT 1",
    "CREATE MACRO m() AS 1",
    "INSERT INTO lines SELECT * FROM lines",
    "DELETE FROM lines",
    'UPDATE lines SET "user" = NULL',
    "DROP TABLE lines",
    "DROP VIEW calls",
    "ALTER TABLE lines ADD COLUMN x INT",
    "TRUNCATE lines",
    "MERGE INTO lines USING calls ON true WHEN MATCHED THEN DELETE",
    "WITH x AS (DELETE FROM lines RETURNING *) SELECT * FROM x",
    "EXPLAIN ANALYZE DELETE FROM lines",
    "SELECT * FROM query('DROP TABLE lines')",
    "BEGIN",
    "COMMIT",
    "CHECKPOINT",
    "VACUUM",
    "PREPARE p AS SELECT 1",
]
SEVERAL = [
    "SELECT 1; SELECT 2",
    "SELECT 1; DROP TABLE lines",
    "COMMIT; DROP TABLE lines",
    "SELECT 1;;DELETE FROM lines;",
    "/* SELECT */ DROP TABLE lines -- SELECT",
    "",
    ";",
    "-- nothing",
]
TOO_MUCH = [
    "SELECT list(range) FROM range(1000000000)",
    "WITH RECURSIVE t(n) AS (SELECT repeat('x', 1000) UNION ALL SELECT a.n || a.n FROM t a) SELECT max(n) FROM t",
    "SELECT * FROM (" * 2_000 + "SELECT 1" + ")" * 2_000,
    "SELECT " + "(" * 20_000 + "1" + ")" * 20_000,
    "SELECT " + "+".join("1" * 900),
    "SELECT * FROM range(1000000) a, range(1000000) b",
    "SELECT a.*, b.* FROM calls a, calls b, calls c, calls d",
    "SELECT repeat('x', 1000000) FROM range(1000000)",
]


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A store that has the sample."""
    database = tmp_path_factory.mktemp("kept") / "kept.duckdb"
    assert here("top", SAMPLE, "--db", database).code == 0
    return database


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("victim")
    (folder / "secret.csv").write_text(f"a,b\n{SECRET},2\n")
    return folder


@pytest.mark.parametrize("attack", [*READING, *WITHIN, *WRITING, *SEVERAL])
def test_whatever_is_no_single_query_of_the_tables_is_refused(attack: str, kept: Path, folder: Path) -> None:
    secret = folder / "secret.csv"
    ran = here("sql", attack.format(secret=secret, folder=folder), "--db", kept)
    assert_refused(ran, 2, "refused" if "refused" in ran.narration else "one SELECT")
    assert SECRET not in ran.narration
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]
    assert SECRET in secret.read_text()
    assert "/dev/shm" not in ran.narration.replace(attack, "")


def test_attacks_leave_the_store_as_it_was(kept: Path, folder: Path) -> None:
    for attack in WRITING[-20:]:
        here("sql", attack.format(secret=folder, folder=folder), "--db", kept)
    assert counted(kept) == (1982, 300)


@pytest.mark.parametrize("query", TOO_MUCH, ids=range(len(TOO_MUCH)))
def test_a_query_that_wants_too_much_is_refused(query: str, kept: Path) -> None:
    began = time.monotonic()
    ran = outside("sql", query, "--db", kept, "--memory", "256M")
    assert_refused(ran, 2, "refused")
    assert time.monotonic() - began < 20


@pytest.mark.parametrize("form", ["json", "csv"])
def test_a_query_that_takes_too_long_is_stopped(form: str, kept: Path) -> None:
    query = "SELECT * FROM range(1000000) a, range(1000000) b WHERE a.range >= 0"
    wanted = query if form == "csv" else f"SELECT count(*) FROM ({query} AND hash(a.range, b.range) = 1)"
    ran = here("sql", wanted, "--db", kept, "--format", form, "--timeout", "0.5")
    assert ran.code == 2
    assert "stopped after 0.5 seconds" in ran.narration
    assert "--timeout" in ran.narration


@pytest.mark.parametrize("seconds", ["-1", "nan", "inf"])
def test_a_time_limit_is_a_time(seconds: str, kept: Path) -> None:
    assert_refused(here("sql", "SELECT 1", "--db", kept, "--timeout", seconds), 2, "--timeout")
    assert here("sql", "SELECT 1", "--db", kept, "--timeout", "0").code == 0


def test_the_memory_of_the_process_is_as_free_as_before(kept: Path) -> None:
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_DATA)
    here("sql", "SELECT repeat('x', 1000000) FROM range(100000)", "--db", kept, "--memory", "256M")
    assert resource.getrlimit(resource.RLIMIT_DATA) == before


def test_an_endless_query_ends_with_ctrl_c(kept: Path) -> None:
    query = "WITH RECURSIVE t(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM t) SELECT count(*) FROM t"
    program = process("sql", query, "--db", kept, "--memory", "256M")
    try:
        time.sleep(0.7)
        assert program.poll() is None
        program.send_signal(signal.SIGINT)
        program.wait(2)
    finally:
        program.kill()
        ran = ended(program)
    assert ran == Ran(130, b"", b"")


def test_the_answer_has_columns_rows_and_counters() -> None:
    query = (
        'SELECT status, count(*) AS n, sum(cost_usd) AS "cost of it" FROM calls GROUP BY ALL ORDER BY n DESC'
    )
    document = here("sql", query, SAMPLE, "--json").document
    assert list(document) == ["columns", "rows", "counters"]
    assert document["columns"] == ["status", "n", "cost of it"]
    assert [list(row) for row in document["rows"]] == [document["columns"]] * len(document["rows"])
    assert document["rows"][0]["status"] == "ok"
    assert sum(row["n"] for row in document["rows"]) == 300
    assert document["counters"]["lines"] == 1982


def test_an_event_a_line_and_their_numbers() -> None:
    rows = here(
        "sql", "SELECT line, source FROM events ORDER BY line", SAMPLE, "--format", "jsonl"
    ).json_lines
    assert rows == [{"line": number, "source": str(SAMPLE)} for number in range(1, 1983)]


def test_rejected_lines_can_be_read(tmp_path: Path) -> None:
    log = tmp_path / "log.jsonl"
    log.write_bytes(call("a@example.com") + b"Traceback (most recent call last):\n{}\n\n" + b'{"torn": \n')
    rows = here("sql", "SELECT line, reason, raw FROM rejected ORDER BY line", log, "--json").document["rows"]
    assert rows == [
        {"line": LINES_OF_A_CALL + 1, "reason": "malformed", "raw": "Traceback (most recent call last):"},
        {"line": LINES_OF_A_CALL + 2, "reason": "unrecognised", "raw": "{}"},
        {"line": LINES_OF_A_CALL + 4, "reason": "malformed", "raw": '{"torn": '},
    ]


def test_values_of_every_kind_are_valid_json(kept: Path) -> None:
    query = """SELECT 170141183460469231731687303715884105727::HUGEINT AS huge, 'nan'::DOUBLE AS nan,
        '-inf'::DOUBLE AS infinite, [1, NULL] AS list, {'a': DATE '2026-02-27'} AS struct,
        1.5::DECIMAL(9, 2) AS decimal,
        TIMESTAMP '2026-02-27 16:47:00.5' AS time, INTERVAL 90 MINUTE AS span, true AS yes, NULL AS nothing,
        chr(27) || '[31m' || chr(127) || chr(8238) AS text"""
    ran = here("sql", query, "--db", kept, "--format", "jsonl")
    assert b"NaN" not in ran.out
    assert b"Infinity" not in ran.out
    assert ran.json_lines == [
        {
            "huge": 2**127 - 1,
            "nan": None,
            "infinite": None,
            "list": [1, None],
            "struct": {"a": "2026-02-27"},
            "decimal": 1.5,
            "time": "2026-02-27T16:47:00.500000Z",
            "span": "1:30:00",
            "yes": True,
            "nothing": None,
            "text": "\x1b[31m\x7f\u202e",
        }
    ]


@pytest.mark.parametrize("form", ["json", "jsonl", "parquet"])
def test_columns_of_one_name_are_refused_where_one_would_be_lost(form: str, kept: Path) -> None:
    assert_refused(here("sql", "SELECT 1 AS a, 2 AS a", "--db", kept, "--format", form), 2, "'a'", "AS")
    assert here("sql", "SELECT 1 AS a, 2 AS a", "--db", kept).text.splitlines()[1].split() == ["1", "2"]


def test_a_table_is_harmless_and_says_null(kept: Path) -> None:
    ran = here("sql", "SELECT NULL AS a, chr(27) || '[2J' AS b, chr(10) || 'x' AS c", "--db", kept)
    assert ran.text.splitlines()[1:] == ["NULL  ␛[2J  ␊x"]


@pytest.mark.parametrize(
    ("query", "words", "place"),
    [
        ("SELECT request_id, nonsense FROM calls", "nonsense", "nonsense"),
        ("SELECT requst_id\nFROM calls", 'Candidate bindings: "request_id"', "requst_id"),
        ("SELECT 1 +\n\t, 2", "syntax error", ", 2"),
        ("SELECT nofunction(1)", "nofunction", "nofunction"),
        ("SELECT sum(status) FROM calls", "argument types", "sum(status)"),
        ("SELECT '\t\x1b\u202eé' + nonsense", "nonsense", "nonsense"),
    ],
)
def test_an_error_points_at_the_place_and_tells_no_internals(
    query: str, words: str, place: str, kept: Path
) -> None:
    ran = here("sql", query, "--db", kept)
    assert_refused(ran, 2, "refused", words)
    *_, line, caret = ran.narration.splitlines()
    assert line[caret.index("^") :].startswith(place)
    assert "Error: " not in ran.narration
    assert "Candidate functions" not in ran.narration


def test_a_table_that_is_not_there_is_told_with_those_that_are(kept: Path) -> None:
    for query in ("SELECT * FROM cals", "SELECT * FROM Lines", "DESCRIBE lines"):
        assert_refused(here("sql", query, "--db", kept), 2, "calls, events, rejected", "--describe")


def test_names_of_a_query_are_its_own(kept: Path) -> None:
    own = "Lines AS (SELECT 7 AS a UNION ALL SELECT range FROM range(1))"
    query = f"WITH {own} SELECT sum(a) AS n FROM lines, CALLS"
    assert here("sql", query, "--db", kept, "--json").document["rows"] == [{"n": 2100}]


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM rejected_lines WHERE EXISTS (WITH rejected_lines AS (SELECT 1) SELECT 1)",
        "WITH x AS (SELECT * FROM lines), lines AS (SELECT 1) SELECT * FROM x",
        "WITH folded_calls AS (SELECT * FROM folded_calls) SELECT * FROM folded_calls",
    ],
)
def test_a_name_that_a_query_gives_opens_no_table_of_the_store(kept: Path, query: str) -> None:
    assert_refused(here("sql", query, "--db", kept), 2)


def test_text_that_is_not_unicode_is_refused(kept: Path) -> None:
    assert_refused(here("sql", "SELECT '\udcff'", "--db", kept), 2, "character 9")


def test_more_rows_than_memory_holds_are_written_as_they_come(kept: Path) -> None:
    query = "SELECT range, repeat('x', 500) FROM range(100000)"
    words = ("sql", query, "--db", kept, "--memory", "256M")
    assert_refused(here(*words, "--json"), 2, "rows fill the memory", "jsonl")
    assert here(*words, "--format", "csv").out.count(b"\n") == 100_001


def test_numbers_stand_right_and_text_left(kept: Path) -> None:
    ran = here("sql", "SELECT 1 AS n, 'a' AS t UNION ALL SELECT 100, 'bcd' ORDER BY n", "--db", kept)
    assert ran.text.splitlines() == ["  n  t", "  1  a", "100  bcd"]


def test_filters_are_written_in_sql(kept: Path) -> None:
    assert_refused(here("sql", "SELECT 1", "--db", kept, "--filter", "user:a"), 2, "--filter")


@pytest.mark.parametrize(
    "query", ["SELECT * FROM calls", "FROM events LIMIT 1", "VALUES (1)", "DESCRIBE calls"]
)
def test_queries_of_the_tables_are_answered(query: str, kept: Path) -> None:
    assert here("sql", query, "--db", kept, "--json").code == 0


def test_describe_tells_every_column_of_the_three_tables(kept: Path) -> None:
    ran = here("sql", "--describe", "--format", "jsonl")
    assert (ran.code, ran.narration) == (0, "")
    described = [(row["table"], row["column"], row["type"]) for row in ran.json_lines]
    for table in ("calls", "events", "rejected"):
        asked = here("sql", f"DESCRIBE {table}", "--db", kept, "--format", "jsonl").json_lines
        assert [row[1:] for row in described if row[0] == table] == [
            (row["column_name"], row["column_type"]) for row in asked
        ]
    header, *rows = here("sql", "--describe").text.splitlines()
    assert header.split() == ["table", "column", "type", "meaning"]
    assert len(rows) == len(described)
    assert not any("…" in row for row in rows if "WARNING, ERROR" not in row)


def test_a_file_read_twice_into_a_kept_store_counts_once(tmp_path: Path) -> None:
    log, database = tmp_path / "log.jsonl", tmp_path / "kept.duckdb"
    log.write_bytes(call("a@example.com", "r-1"))
    assert counted(database, log) == (6, 1)
    assert counted(database, log) == (6, 1)
    with log.open("ab") as file:
        file.write(call("b@example.com", "r-2") + call("b@example.com", "r-3"))
    assert counted(database, log) == (18, 3)
    assert counted(database) == (18, 3)
    log.rename(tmp_path / "log.jsonl.1")
    log.write_bytes(call("c@example.com", "r-4"))
    assert counted(database, tmp_path) == (24, 4)
    assert counted(database, tmp_path) == (24, 4)
    document = here("top", tmp_path, "--db", database, "--json", "--by", "user").document
    assert {row["user"]: row["requests"] for row in document["rows"]} == {
        "a@example.com": 1,
        "b@example.com": 2,
        "c@example.com": 1,
    }


def test_a_call_whose_lines_come_in_two_runs_is_one_call(tmp_path: Path) -> None:
    log, database = tmp_path / "log.jsonl", tmp_path / "kept.duckdb"
    lines = call("a@example.com", "r-1").splitlines(keepends=True)
    log.write_bytes(b"".join(lines[:4]))
    here("top", log, "--db", database)
    log.write_bytes(b"".join(lines))
    row = here("top", log, "--db", database, "--json").document["totals"]
    assert (row["requests"], row["input_tokens"], row["unfinished"]) == (1, 1000, 0)


def test_a_kept_store_is_used_by_one_at_a_time(tmp_path: Path) -> None:
    log, database = tmp_path / "log.jsonl", tmp_path / "kept.duckdb"
    log.write_bytes(call("a@example.com"))
    holder = process("tail", log, "--plain", "--db", database)
    try:
        assert holder.stdout is not None
        holder.stdout.readline()
        assert_refused(outside("top", log, "--db", database), 3, str(database))
    finally:
        holder.terminate()
        ended(holder)


def counted(database: Path, *paths: Path) -> tuple[int, int]:
    """Lines and calls of a kept store, after reading these."""
    counters = here("sql", "SELECT 1", *paths, "--db", database, "--json").document["counters"]
    return counters["lines"], counters["calls"]
