"""The evidence package: what is in it, in which form, and that it is all or nothing."""

from __future__ import annotations

import gzip
import json
import stat
from datetime import UTC, datetime
from decimal import Decimal
from hashlib import sha256
from pathlib import Path
from unittest.mock import patch

import pytest

from llmwatch.evidence.package.records import COLUMNS
from llmwatch.store.store import Store
from tests.audit.sealed import SealedLog
from tests.cli.running import SAMPLE, here
from tests.evidence import packages
from tests.evidence.packages import DAYS, changed, entries_of, make, manifest, parquet, records, table
from tests.store.helpers import opened

WINDOW = ("--since", "2026-02-27T09:00:03Z", "--until", "2026-02-28T09:00:03Z")


@pytest.fixture(scope="module")
def log(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return packages.sealed_log(tmp_path_factory.mktemp("log") / "v2")


@pytest.fixture(scope="module")
def pack(log: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pack") / "pack"
    with patch("llmwatch.evidence.package.records._LINES_AT_ONCE", 2):  # in memory, so that there are parts
        make(target, log, *WINDOW)
    return target


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("sample") / "pack"
    make(target, SAMPLE)
    return target


def test_records_are_the_entries_of_the_window_in_the_order_of_the_log(log: Path, pack: Path) -> None:
    begin, end = "2026-02-27T09:00:03", "2026-02-28T09:00:03"
    expected = [
        (
            entry["timestamp"],
            entry["id"],
            entry["user_id"],
            entry["model"],
            {"success": "ok", "error": "error"}[entry["status"]],
            entry["error_type"],
            round(entry["latency_ms"]),
        )
        for entry in entries_of(log)
        if begin <= entry["timestamp"] < end
    ]
    shown = ("time", "request_id", "user", "model", "status", "error_type", "latency_ms")
    assert 3 < len(expected) < sum(DAYS.values())
    assert [tuple(record[name] for name in shown) for record in records(pack)] == expected


@pytest.mark.parametrize("source", ["pack", "sample"])
def test_the_three_forms_hold_the_same_rows_in_the_same_order(pack: Path, sample: Path, source: str) -> None:
    package = {"pack": pack, "sample": sample}[source]
    lines = records(package)
    assert list(lines[0]) == list(COLUMNS)
    assert parquet(package) == [
        {name: _typed(record[name], kind) for name, kind in COLUMNS.items()} for record in lines
    ]
    assert table(package) == [{name: _cell(value) for name, value in record.items()} for record in lines]


def _typed(value: object, kind: str) -> object:
    if value is None:
        return None
    if kind == "TIMESTAMP":
        return datetime.fromisoformat(str(value)).astimezone(UTC).replace(tzinfo=None)
    return Decimal(str(value)) if kind.startswith("DECIMAL") else value


def _cell(value: object) -> str:
    if isinstance(value, float):
        return str(Decimal(repr(value)))
    return "" if value is None else json.dumps(value) if isinstance(value, bool) else str(value)


def test_the_columns_are_those_of_calls() -> None:
    with opened() as store:
        found = {str(row[0]): str(row[1]).replace(",", ", ") for row in store.query("DESCRIBE calls").rows}
    del found["reached_model"], found["first_seq"]
    assert dict(COLUMNS) == found


def test_the_report_is_of_the_same_period_as_the_records(log: Path, pack: Path) -> None:
    """The recipe's package holds the entries that were asked for, and a report on seven days up to today."""
    report = json.loads((pack / "report.json").read_bytes())
    listed = records(pack)
    assert report["totals"]["requests"] == len(listed)
    assert report["period"]["first"] == min(record["time"] for record in listed)
    assert report["scope"] == {
        "since": "2026-02-27T09:00:03Z",
        "until": "2026-02-28T09:00:03Z",
        "filter": None,
    }
    assert {row["user"] for row in report["by_user"]} == {record["user"] for record in listed}
    assert manifest(pack)["window"]["since"] == report["scope"]["since"]
    for form in ("txt", "md", "html"):
        text = (pack / f"report.{form}").read_text()
        assert "2026-02-27 09:00:03" in text
        assert "2026-02-28 09:00:03" in text


HOSTILE = ("=cmd()", "+1", "-2+3", "@x", "\tTAB", "\rCR", '=HYPERLINK("http://x";"y")', "a,b\n=c")
ODD = ('"\\', "\x00\x1b[2J", "\u202e\U0001f600", "x" * 40_000, "line\nbreak", "'")


def test_no_cell_of_the_csv_is_a_formula_and_text_is_exact_elsewhere(tmp_path: Path) -> None:
    texts = (*HOSTILE, *ODD)
    entries = (changed(n, user_id=text, model=text, error_type=text) for n, text in enumerate(texts))
    make(tmp_path / "pack", packages.write_log(tmp_path / "calls.jsonl", *entries))
    rows = table(tmp_path / "pack")
    assert len(rows) == len(texts)
    for row in rows:
        for value in row.values():
            assert not value.startswith(("=", "+", "-", "@", "\t", "\r")), value
            assert value.isprintable()
    assert [record["model"] for record in records(tmp_path / "pack")] == list(texts)
    assert [record["model"] for record in parquet(tmp_path / "pack")] == list(texts)


def test_the_manifest_says_what_was_read(tmp_path: Path) -> None:
    source = packages.write_log(tmp_path / "calls.jsonl", changed(1), changed(2, model="nobody/knows-it"))
    source.write_bytes(source.read_bytes() + b"no JSON\n" + b'{"of": "no format"}\n')
    packed = tmp_path / "more.jsonl.gz"
    packed.write_bytes(gzip.compress(json.dumps(changed(3)).encode() + b"\n"))
    (tmp_path / "empty.jsonl").touch()
    prices = tmp_path / "prices.toml"
    prices.write_text('[alias]\nfast = "some/model"\n')
    make(tmp_path / "pack", source, packed, tmp_path / "empty.jsonl", "--prices", prices)
    found = manifest(tmp_path / "pack")
    by_name = {Path(one["source"]).name: one for one in found["sources"]}
    for path in (source, packed, tmp_path / "empty.jsonl"):
        data = path.read_bytes()
        assert by_name[path.name]["sha256"] == sha256(data).hexdigest()
        assert by_name[path.name]["size"] == len(data)
    first = by_name["calls.jsonl"]
    assert [first[name] for name in ("lines", "events", "malformed", "unrecognised", "calls")] == [
        4,
        2,
        1,
        1,
        2,
    ]
    assert by_name["empty.jsonl"]["lines"] == 0
    assert found["unparsed"] == {"malformed": 1, "unrecognised": 1}
    assert found["unpriced"]["calls"] == 1
    assert found["unpriced"]["models"][0]["model"] == "nobody/knows-it"
    assert found["price_table"]["overrides_sha256"] == sha256(prices.read_bytes()).hexdigest()
    assert all(found["price_table"]["bedrock"].values())
    assert found["price_table"]["genai_prices"]
    assert found["counts"]["calls"] == 3
    assert found["records"] == dict.fromkeys(("records.jsonl", "records.csv", "records.parquet"), 3)
    assert found["signed_by"] is None
    assert found["tool"]["version"]


def test_the_hash_of_a_source_is_of_what_was_read_though_the_log_has_grown(log: Path, tmp_path: Path) -> None:
    source = packages.write_log(tmp_path / "calls.jsonl", changed(1))
    before = source.read_bytes()
    refresh = Store.refresh

    def grown(store: Store) -> None:
        refresh(store)
        source.write_bytes(before * 3)

    with patch.object(Store, "refresh", grown):
        make(tmp_path / "pack", source)
    assert manifest(tmp_path / "pack")["sources"][0]["sha256"] == sha256(before).hexdigest()


def test_what_was_read_before_into_a_database_has_no_hash(tmp_path: Path) -> None:
    source = packages.write_log(tmp_path / "calls.jsonl", changed(1))
    here("top", source, "--db", tmp_path / "kept.db")
    source.write_text("another log by now\n")
    make(tmp_path / "pack", "--db", tmp_path / "kept.db")
    (one,) = manifest(tmp_path / "pack")["sources"]
    assert (one["sha256"], one["lines"], len(records(tmp_path / "pack"))) == (None, 1, 1)


def test_a_source_that_cannot_be_read_is_a_gap(log: Path, tmp_path: Path) -> None:
    ran = make(tmp_path / "pack", SAMPLE, tmp_path / "missing.jsonl", code=3)
    assert "missing.jsonl" in ran.narration
    assert "missing.jsonl" in "".join(manifest(tmp_path / "pack")["gaps"])


def test_the_log_of_the_window_is_there_byte_for_byte_and_all_that_is_signed(log: Path, pack: Path) -> None:
    copied = {path.name: path.read_bytes() for path in (pack / "log").iterdir()}
    wanted = {path.name: path.read_bytes() for path in log.iterdir()}
    del wanted["audit_2026-02-26.jsonl"]
    assert copied == wanted
    assert manifest(pack)["log"] == sorted(f"log/{name}" for name in wanted)


def test_a_day_is_in_the_window_by_the_times_of_its_entries_too(tmp_path: Path) -> None:
    """The writer's clock names the file; that of the gateway the entry."""
    folder = tmp_path / "log"
    SealedLog(folder).day("2026-02-26", 3)
    (folder / "audit_2026-02-26.jsonl").rename(folder / "audit_2025-01-01.jsonl")
    make(tmp_path / "pack", folder, "--since", "2026-02-26")
    assert "log/audit_2025-01-01.jsonl" in packages.names(tmp_path / "pack")


@pytest.mark.parametrize("words", [("--redact",), ("--filter", "status:ok")])
def test_the_log_is_left_out_where_it_holds_more_than_was_asked_for(
    log: Path, tmp_path: Path, words: tuple[str, ...]
) -> None:
    ran = make(tmp_path / "pack", log, *words)
    assert "without the audit log" in ran.narration
    assert not (tmp_path / "pack" / "log").exists()
    assert manifest(tmp_path / "pack")["log_left_out"]


def test_it_is_for_its_owner_alone(pack: Path) -> None:
    modes = {stat.S_IMODE(path.stat().st_mode) for path in pack.rglob("*") if path.is_file()}
    assert (stat.S_IMODE(pack.stat().st_mode), modes) == (0o700, {0o600})


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_what_fails_leaves_nothing_behind(log: Path, tmp_path: Path, error: BaseException) -> None:
    with patch("llmwatch.evidence.package.make.write_seal", side_effect=error):
        ran = here("export", log, "-o", tmp_path / "deep" / "pack")
    assert ran.code == (3 if isinstance(error, OSError) else 130)
    assert not list((tmp_path / "deep").iterdir())


def test_the_list_of_hashes_and_the_signature_are_written_last(log: Path, tmp_path: Path) -> None:
    private, _ = packages.write_keys(tmp_path / "keys")
    seen: list[set[str]] = []

    def settle(folder: Path) -> None:
        seen.append(packages.names(folder))
        assert not (tmp_path / "pack").exists()

    with patch("llmwatch.evidence.package.make._settle", settle):
        make(tmp_path / "pack", log, "--sign-key", private)
    assert seen == [packages.names(tmp_path / "pack")]
    assert {"SHA256SUMS", "SHA256SUMS.note", "README.txt"} < seen[0]
