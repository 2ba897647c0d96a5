"""A redacted package names nobody: whatever a log could have put a name into."""

from __future__ import annotations

import base64
import json
from pathlib import Path

import pytest

from tests.audit import recipe
from tests.evidence import packages
from tests.evidence.packages import changed, make, manifest, parquet, records
from tests.evidence.reports import calls, failed

USERS = ("alice@example.com", "bob.builder", "=carol@example.org", "d\u00e9sir\u00e9e", "eve\x00nul")
MODELS = ("grace@example.com's model", "heidi asked for this", "anthropic/claude-3.5-sonnet")
ERRORS = ("ivan@example.com was refused", "RateLimitError")
ROUTER_ERROR = "no access for judy@example.com"
KEPT = {"anthropic/claude-3.5-sonnet", "RateLimitError"}
SECRET = "a secret that is long enough"


@pytest.fixture(scope="module")
def places(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Two logs, under names that name people."""
    top = tmp_path_factory.mktemp("top")
    logs = top / "mallory-logs", top / "niaj"
    for folder in logs:
        folder.mkdir()
    entries = [
        changed(
            number,
            user_id=USERS[number % len(USERS)],
            model=MODELS[number % len(MODELS)],
            status="error" if number % 4 == 0 else "success",
            error_type=ERRORS[number // 4 % 2] if number % 4 == 0 else None,
        )
        for number in range(20)
    ]
    notes = [changed(50, event_type="audit.olivia@example.com", user_id="peggy@example.com")]
    recipe.write(logs[0] / "audit_2026-02-27.jsonl", entries)
    recipe.write(logs[1] / "audit_rupert@example.com.jsonl", notes)
    lines = [
        *calls({"user": "sybil@example.com"}),
        *failed("r-9", f"{ROUTER_ERROR} ", user="trent@example.com"),
    ]
    (logs[1] / "victor.jsonl").write_bytes(b"".join(lines))
    return logs


def secrets_of(*logs: Path) -> set[str]:
    ids = [
        json.loads(line).get("id") or json.loads(line).get("request_id")
        for folder in logs
        for path in folder.iterdir()
        for line in path.read_bytes().splitlines()
    ]
    peggy = ("audit.olivia", "peggy@", "sybil@", "trent@", "judy", "mallory", "niaj", "rupert", "victor")
    texts = {*USERS, *MODELS, *ERRORS, *peggy, *filter(lambda one: one and len(one) > 5, ids)}
    return texts - KEPT


def spellings(text: str) -> set[bytes]:
    shown = text.removeprefix("=")
    escaped = json.dumps(shown)[1:-1]
    return {
        shown.encode(),
        escaped.encode(),
        shown.encode("utf-16-le"),
        base64.b64encode(text.encode()).rstrip(b"="),
        text.encode().hex().encode(),
    }


@pytest.fixture(scope="module")
def pack(places: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    target = tmp_path_factory.mktemp("pack") / "pack"
    more = (places[1] / "victor.jsonl", places[1] / "wendy-is-missing.jsonl")
    make(target, *places, *more, "--redact", code=3)
    return target


def test_no_file_of_it_holds_a_name_or_a_text(places: tuple[Path, Path], pack: Path) -> None:
    unlike = {spelling for text in (*secrets_of(*places), "wendy") for spelling in spellings(text)}
    files = [path for path in pack.rglob("*") if path.is_file()]
    assert len(files) > 8
    for path in files:
        data = path.read_bytes()
        assert not [one for one in unlike if one in data], path.name


def test_the_same_test_finds_names_in_a_package_that_is_not_redacted(
    places: tuple[Path, Path], tmp_path: Path
) -> None:
    make(tmp_path / "pack", *places)
    data = b"".join(path.read_bytes() for path in (tmp_path / "pack").rglob("*") if path.is_file())
    assert all(any(one in data for one in spellings(text)) for text in USERS)
    parts = {name[:6] for name in packages.names(tmp_path / "pack") if name.startswith("log/")}
    assert parts == {"log/1/", "log/2/"}


def test_names_of_models_and_errors_stay_if_they_are_such_names(pack: Path) -> None:
    assert {record["model"] for record in records(pack)} & KEPT
    assert {record["error_type"] for record in records(pack)} & KEPT
    report = json.loads((pack / "report.json").read_bytes())
    assert {row["model"] for row in report["by_model"]} == {record["model"] for record in records(pack)}
    assert {row["user"] for row in report["by_user"]} == {record["user"] for record in records(pack)}


def test_all_forms_have_the_same_pseudonyms(pack: Path) -> None:
    columns = ("user", "request_id", "model", "error_type", "error")
    lines = [tuple(record[name] for name in columns) for record in records(pack)]
    assert lines == [tuple(record[name] for name in columns) for record in parquet(pack)]
    assert all(user.startswith("user-") for user, *_ in lines)
    assert not any(error for *_, error in lines)


def test_a_person_has_one_pseudonym_and_the_same_wherever_the_key_is_the_same(
    places: tuple[Path, Path], pack: Path, tmp_path: Path
) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    key.chmod(0o600)
    for name, words in {
        "one": ("--redact", "--redact-key", key),
        "two": ("--redact", "--redact-key", key),
    }.items():
        make(tmp_path / name, places[0], *words)
    plain = [entry["user_id"] for entry in packages.entries_of(places[0])]
    one, two = ([record["user"] for record in records(tmp_path / name)] for name in ("one", "two"))
    assert one == two
    assert len(set(zip(plain, one, strict=True))) == len(set(plain)) == len(set(one))
    assert not set(one) & {record["user"] for record in records(pack)}
    assert (
        manifest(tmp_path / "one")["redaction"]["key_id"] == manifest(tmp_path / "two")["redaction"]["key_id"]
    )
    assert manifest(pack)["redaction"]["key_id"] is None
    assert SECRET.encode() not in b"".join(p.read_bytes() for p in (tmp_path / "one").iterdir())


def test_the_order_of_users_with_equal_figures_is_not_that_of_their_names(tmp_path: Path) -> None:
    key = tmp_path / "secret"
    key.write_text(SECRET)
    log = packages.write_log(
        tmp_path / "calls.jsonl",
        *({**changed(1), "id": f"call-{n}", "user_id": f"user-{n:03}"} for n in range(12)),
    )
    make(tmp_path / "pack", log, "--redact", "--redact-key", key)
    listed = [row["user"] for row in json.loads((tmp_path / "pack" / "report.json").read_bytes())["by_user"]]
    assert listed == sorted(listed)
    assert listed != [record["user"] for record in records(tmp_path / "pack")]
