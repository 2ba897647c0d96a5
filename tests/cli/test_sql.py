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
    "SELECT * FROM duckdb_secrets()",
    "SELECT getenv('HOME')",
]
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


@pytest.mark.parametrize("attack", [*READING, *WRITING, *SEVERAL])
def test_whatever_is_no_single_query_of_the_tables_is_refused(attack: str, kept: Path, folder: Path) -> None:
    secret = folder / "secret.csv"
    ran = here("sql", attack.format(secret=secret, folder=folder), "--db", kept)
    assert_refused(ran, 2, "refused" if "refused" in ran.narration else "one SELECT")
    assert SECRET not in ran.narration
    assert [path.name for path in folder.iterdir()] == ["secret.csv"]
    assert SECRET in secret.read_text()


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


@pytest.mark.parametrize("form", ["json", "jsonl", "csv", "parquet"])
def test_columns_of_one_name_are_refused_where_one_would_be_lost(form: str, kept: Path) -> None:
    assert_refused(here("sql", "SELECT 1 AS a, 2 AS a", "--db", kept, "--format", form), 2, "'a'", "AS")
    assert here("sql", "SELECT 1 AS a, 2 AS a", "--db", kept).text.splitlines()[1].split() == ["1", "2"]


def test_a_table_is_harmless_and_says_null(kept: Path) -> None:
    ran = here("sql", "SELECT NULL AS a, chr(27) || '[2J' AS b, chr(10) || 'x' AS c", "--db", kept)
    assert ran.text.splitlines()[1:] == ["NULL  ␛[2J  ␊x"]


def test_an_error_points_at_the_place(kept: Path) -> None:
    ran = here("sql", "SELECT request_id, nonsense FROM calls", "--db", kept)
    *_, query, caret = ran.narration.splitlines()
    assert ran.code == 2
    assert query[caret.index("^") :].startswith("nonsense")


@pytest.mark.parametrize(
    "query", ["SELECT * FROM calls", "FROM events LIMIT 1", "VALUES (1)", "DESCRIBE calls"]
)
def test_queries_of_the_tables_are_answered(query: str, kept: Path) -> None:
    assert here("sql", query, "--db", kept, "--json").code == 0


def test_describe_lists_the_columns_of_the_three_tables() -> None:
    rows = here("sql", "--describe", "--format", "jsonl").json_lines
    assert {row["table"] for row in rows} == {"calls", "events", "rejected"}
    columns = {row["column"] for row in rows if row["table"] == "calls"}
    assert columns >= {"user", "model", "status", "cost_usd", "input_tokens", "source", "time"}
    assert here("sql", "--describe").text.splitlines()[0].split() == ["table", "column", "type"]


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
