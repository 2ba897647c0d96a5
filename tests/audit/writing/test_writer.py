"""What a writer promises while nothing goes wrong: the lines, the days, the seals, several processes, the keys."""

from __future__ import annotations

import gzip
import json
import os
import random
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path
from threading import Thread
from time import monotonic, sleep
from typing import Any

import pytest

from llmwatch.audit.entry import Secret
from llmwatch.audit.notes import NoteSigner
from llmwatch.audit.writing.writer import AuditError, AuditWriter, EntryError, entry
from tests.audit import recipe
from tests.audit.sealed import ORIGIN, SECRET, SIGNER
from tests.audit.soundness import (
    assert_sound,
    checkpoints_of,
    digests_of,
    entries_of,
    ids_of,
    lines_of,
    verified,
)


class Clock:
    """The time, as a test says."""

    def __init__(self) -> None:
        self.now = datetime(2026, 2, 27, 23, 50, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now

    def pass_(self, **length: float) -> None:
        self.now += timedelta(**length)


@pytest.fixture
def clock() -> Clock:
    return Clock()


Open = Callable[..., AuditWriter]


@pytest.fixture
def write(tmp_path: Path, clock: Clock) -> Open:
    def open_writer(secret: Any = SECRET, signer: NoteSigner = SIGNER, **options: Any) -> AuditWriter:
        options.setdefault("checkpoint_seconds", 3600)
        return AuditWriter(tmp_path, secret, signer, **{"clock": clock, **options})

    return open_writer


def some(count: int, seed: int = 0) -> list[recipe.Entry]:
    return list(recipe.entries(count, seed))


def links(folder: Path) -> list[Any]:
    return [(one["metadata"] or {}).get("_lw") for one in entries_of(folder)]


def test_importing_it_takes_no_heavy_package() -> None:
    heavy = "{'cryptography', 'duckdb', 'textual', 'boto3'} & set(sys.modules)"
    program = f"import sys, llmwatch.audit.writing.writer; sys.exit(bool({heavy}))"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


def test_a_line_is_the_recipes_with_a_link_in_its_metadata(write: Open, tmp_path: Path) -> None:
    given = some(3)
    with write() as writer:
        receipts = [writer.append(one) for one in given]
    written = entries_of(tmp_path)
    assert [list(one) for one in written] == [[*given[0], "chain_hash", "signature"]] * 3
    boot = written[0]["metadata"]["_lw"]["boot"]
    extra: list[dict[str, Any]] = [
        {"file": "audit_2026-02-27.jsonl", "prev": None, "boot": boot},
        {},
        {},
    ]
    for number, (one, entry_) in enumerate(zip(written, given, strict=True)):
        link = {"v": 1, "seq": number, "kid": SECRET.kid, **extra[number]}
        assert one["metadata"] == {**entry_["metadata"], "_lw": link}
        assert {**one, "metadata": None} == {
            **entry_,
            "metadata": None,
            "chain_hash": one["chain_hash"],
            "signature": one["signature"],
        }
    assert [(one.sequence, one.file, one.chain) for one in receipts if one] == [
        (number, "audit_2026-02-27.jsonl", one["chain_hash"]) for number, one in enumerate(written)
    ]
    assert_sound(tmp_path)


def test_the_builder_makes_the_recipes_fields() -> None:
    at = datetime(2024, 1, 15, 10, 30, 45, 123456, tzinfo=UTC)
    made = entry(
        user_id="u",
        model="openai/gpt-4o-mini",
        prompt="hé",
        prompt_tokens=3,
        latency_ms=1.5,
        status="error",
        error_type="TimeoutError",
        metadata={"feature": "chat"},
        at=at,
    )
    assert list(made) == list(some(1)[0])
    assert made["timestamp"] == "2024-01-15T10:30:45.123456Z"
    assert (made["prompt_hash"], made["response_hash"]) == (recipe.sha256("hé"), recipe.sha256(""))
    assert len(str(made["id"])) == 36
    assert str(made["id"])[14] == "4"


def test_a_file_for_each_day_and_the_day_before_is_sealed(write: Open, tmp_path: Path, clock: Clock) -> None:
    with write() as writer:
        for number in range(4):
            writer.append_many(some(3, number))
            clock.pass_(days=1 if number != 1 else 3)
    assert sorted(path.name for path in tmp_path.glob("*.jsonl")) == [
        f"audit_{day}.jsonl" for day in ("2026-02-27", "2026-02-28", "2026-03-03", "2026-03-04")
    ]
    assert [digest.file for digest, _ in digests_of(tmp_path)] == [
        f"audit_{day}.jsonl" for day in ("2026-02-27", "2026-02-28", "2026-03-03")
    ]
    for path in tmp_path.glob("*.jsonl"):
        own = [json.loads(line)["metadata"]["_lw"] for line in path.read_bytes().splitlines()]
        assert [link.get("file") for link in own] == [path.name, *[None] * (len(own) - 1)]
    assert_sound(tmp_path)
    assert checkpoints_of(tmp_path)[-1].size == 12


def test_a_day_that_ended_while_nobody_wrote_is_sealed_at_the_next_start(
    write: Open, tmp_path: Path, clock: Clock
) -> None:
    with write() as writer:
        writer.append_many(some(3))
    clock.pass_(days=2)
    write().close()
    assert [digest.lines for digest, _ in digests_of(tmp_path)] == [3]
    with write() as writer:
        writer.append(some(1, 1)[0])
    assert_sound(tmp_path)
    assert ids_of(tmp_path) == [one["id"] for one in [*some(3), *some(1, 1)]]


@pytest.mark.parametrize("restart", [False, True])
@pytest.mark.parametrize("sealed", [False, True])
def test_a_clock_that_goes_back_over_midnight_adds_nothing_behind_a_newer_day(
    write: Open, tmp_path: Path, clock: Clock, restart: bool, sealed: bool
) -> None:
    writer = write()
    writer.append(some(1)[0])
    clock.pass_(minutes=20)
    if sealed:
        writer.close()
        writer = write()  # the day is over: sealed, and nothing is in the new one yet
    else:
        writer.append(some(1, 1)[0])
    clock.pass_(minutes=-20)
    if restart:
        writer.close()
        writer = write()
    receipt = writer.append(some(1, 2)[0])
    writer.close()
    assert receipt is not None
    assert receipt.file == "audit_2026-02-28.jsonl"
    assert_sound(tmp_path)


def test_the_chain_goes_on_over_restarts_of_a_day(write: Open, tmp_path: Path) -> None:
    for number in range(4):
        with write() as writer:
            writer.append(some(1, number)[0])
    assert_sound(tmp_path)
    assert len({link["boot"] for link in links(tmp_path)}) == 4


def test_checkpoints_come_with_lines_with_time_on_demand_and_at_the_end(write: Open, tmp_path: Path) -> None:
    writer = write(checkpoint_lines=4)
    for one in some(9):
        writer.append(one)
    assert [each.size for each in checkpoints_of(tmp_path)] == [
        1,
        5,
        9,
    ]  # the first line of a log has one at once
    writer.append(some(1, 1)[0])
    newest = writer.checkpoint()
    assert newest == checkpoints_of(tmp_path)[-1]
    assert newest is not None
    assert newest.size == 10
    writer.checkpoint()
    writer.append_many(some(2, 2))
    writer.append(some(1, 3)[0])
    writer.close()
    assert [each.size for each in checkpoints_of(tmp_path)] == [1, 5, 9, 10, 12, 13]


def test_a_line_that_no_other_follows_is_signed_after_some_seconds(write: Open, tmp_path: Path) -> None:
    with write(checkpoint_seconds=0.05) as writer:
        writer.append_many(some(2))
        writer.append(some(1, 1)[0])
        until = monotonic() + 20
        while checkpoints_of(tmp_path)[-1].size < 3 and monotonic() < until:
            sleep(0.01)
        assert checkpoints_of(tmp_path)[-1].size == 3


def test_threads_share_a_writer(write: Open, tmp_path: Path) -> None:
    with write(checkpoint_lines=7) as writer:
        threads = [
            Thread(target=lambda seed=seed: [writer.append(one) for one in some(20, seed)])
            for seed in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(ids_of(tmp_path)) == sorted(one["id"] for seed in range(4) for one in some(20, seed))
    assert_sound(tmp_path)


def test_processes_take_turns_on_one_folder_over_days(write: Open, tmp_path: Path, clock: Clock) -> None:
    """Two writers stand for two processes here: each has its own descriptors, lock and memory."""
    chance = random.Random(5)
    writers = [write(checkpoint_lines=5) for _ in range(3)]
    expected = []
    for step in range(120):
        given = some(chance.choice((1, 1, 1, 4)), step)
        writer = chance.choice(writers)
        if len(given) == 1:
            writer.append(given[0])
        else:
            writer.append_many(given)
        expected += [one["id"] for one in given]
        if chance.random() < 0.1:
            chance.choice(writers).checkpoint()
        clock.pass_(hours=chance.choice((0, 0, 1, 3, -2)))
    for writer in writers:
        writer.close()
    assert ids_of(tmp_path) == expected
    assert_sound(tmp_path)
    assert len(list(digests_of(tmp_path))) >= 2


def test_a_child_of_a_fork_goes_on_by_itself(write: Open, tmp_path: Path) -> None:
    with write() as writer:
        writer.append(some(1)[0])
        child = os.fork()
        if child == 0:  # pragma: no cover (another process)
            writer.append_many(some(3, 1))
            os._exit(0)
        assert os.waitpid(child, 0)[1] == 0
        writer.append(some(1, 2)[0])
    assert ids_of(tmp_path) == [one["id"] for one in [*some(1), *some(3, 1), *some(1, 2)]]
    assert_sound(tmp_path)
    assert sum("boot" in link for link in links(tmp_path)) == 2


_UNFIT: list[tuple[Any, str]] = [
    ({"_lw": {}}, "_lw"),
    ({"x": float("nan")}, "JSON"),
    ({"x": [float("inf")]}, "JSON"),
    ({"x": object()}, "JSON"),
    ({"x": 10**5000}, "JSON"),
    ({("a",): 1}, "JSON"),
    ({1: "a", "1": "b"}, "two keys"),
    ([1], "object"),
]


@pytest.mark.parametrize(("metadata", "word"), _UNFIT)
def test_what_json_cannot_hold_is_refused_before_anything_is_written(
    write: Open, tmp_path: Path, metadata: Any, word: str
) -> None:
    with write() as writer:
        writer.append(some(1)[0])
        with pytest.raises(EntryError, match=word):
            writer.append_many([some(1, 1)[0], {**some(1, 2)[0], "metadata": metadata}])
        with pytest.raises(EntryError):
            writer.append({**some(1)[0], "chain_hash": "0" * 64})
        writer.append(some(1, 3)[0])
    assert ids_of(tmp_path) == [some(1)[0]["id"], some(1, 3)[0]["id"]]
    assert_sound(tmp_path)


def test_nested_without_end_is_refused(write: Open) -> None:
    deep: list[Any] = []
    for _ in range(100_000):
        deep = [deep]
    with write() as writer, pytest.raises(EntryError, match="JSON"):
        writer.append({**some(1)[0], "metadata": {"x": deep}})


def test_odd_entries_are_written_as_json_gives_them_back(write: Open, tmp_path: Path) -> None:
    """Also what the recipe's own verifier would stumble over, had the recipe's writer written it."""
    chance = random.Random(3)
    given = [{**one, "metadata": recipe.odd_metadata(chance)} for one in some(300)]
    given += [
        {},
        {"id": "x"},
        {"b": 1, "a": {"z": 1, "y": 2}, "id": "y"},
        {"metadata": {"k": {9: 1, 10: 2}}},
        {"metadata": {9: 1, 10: 2}},
    ]
    kept = []
    with write() as writer:
        for one in given:
            try:
                writer.append(one)
            except EntryError:
                continue
            kept.append(json.loads(json.dumps(one)))
    assert len(kept) > 200
    assert_sound(tmp_path)
    for one, found in zip(kept, entries_of(tmp_path), strict=True):
        link = found["metadata"].pop("_lw")
        assert link["kid"] == SECRET.kid
        assert {key: found[key] for key in one if key != "metadata"} == {
            key: one[key] for key in one if key != "metadata"
        }
        assert found["metadata"] == (one.get("metadata") or {})


def test_a_log_of_the_recipe_goes_on_as_ours(write: Open, tmp_path: Path, clock: Clock) -> None:
    recipe.write(tmp_path / "audit_2026-02-26.jsonl", some(4))
    recipe.write(tmp_path / "audit_2026-02-27.jsonl", some(3, 1))
    plain = b"".join(line + b"\n" for line in lines_of(tmp_path))
    with write() as writer:
        writer.append(some(1, 2)[0])
    with write() as writer:
        writer.append(some(1, 3)[0])
        clock.pass_(days=1)
        writer.append(some(1, 4)[0])
    assert_sound(tmp_path, plain=7)
    first = links(tmp_path)[7]
    assert first["adopt"] == {
        "files": 2,
        "lines": 7,
        "sha256": sha256(plain).hexdigest(),
        "last_chain": recipe.chain_of(plain.splitlines()[-1]),
        "verdict": "ok",
    }
    assert "prev" not in first  # it is not the first line of its file
    assert first["file"] == "audit_2026-02-27.jsonl"
    assert [(digest.first, digest.lines) for digest, _ in digests_of(tmp_path)] == [(4, 5)]


@pytest.mark.parametrize("lines", [1, 3])
@pytest.mark.parametrize("ending", [b"\n", b""])
def test_a_log_in_which_the_recipe_crashed_goes_on_as_ours(
    write: Open, tmp_path: Path, clock: Clock, lines: int, ending: bytes
) -> None:
    path = tmp_path / "audit_2026-02-26.jsonl"
    recipe.write(path, some(3))
    glued = b"".join(recipe.lines(some(lines, 1)))
    path.write_bytes(path.read_bytes() + glued[:50] + glued.removesuffix(b"\n") + ending)
    with write() as writer:
        writer.append(some(1, 2)[0])
        clock.pass_(days=1)
        writer.append(some(1, 3)[0])
    ours = [json.loads(line) for line in (tmp_path / "audit_2026-02-27.jsonl").read_bytes().splitlines()]
    first = ours[0]["metadata"]["_lw"]
    adopted = first["adopt"]
    assert (adopted["lines"], adopted["verdict"]) == (3 + lines, "warn")
    assert adopted["last_chain"] == first["prev"]["chain"] == recipe.chain_of(glued.splitlines()[-1])
    verification = verified(tmp_path)
    assert (verification.verdict, set(verification.counts)) == ("warn", {"torn_fragment", "restart"})
    assert verification.coverage.attested == 5 + lines
    assert [one["event_type"] for one in ours] == ["chat_completion"]


def test_archived_days_of_the_recipe_are_part_of_the_log(write: Open, tmp_path: Path) -> None:
    recipe.write(tmp_path / "audit_2026-02-25.jsonl", some(4))
    recipe.write(tmp_path / "audit_2026-02-26.jsonl", some(3, 1))
    (tmp_path / "archive").mkdir()
    data = (tmp_path / "audit_2026-02-25.jsonl").read_bytes()
    (tmp_path / "archive" / "audit_2026-02-25.jsonl.gz").write_bytes(gzip.compress(data))
    (tmp_path / "audit_2026-02-25.jsonl").unlink()
    for number in range(2):
        with write() as writer:
            writer.append(some(1, number + 2)[0])
        (tmp_path / "audit.state").unlink()
    assert links(tmp_path)[3]["seq"] == 7
    assert verified(tmp_path).verdict == "ok"
    assert verified(tmp_path).coverage.attested == 9


@pytest.mark.parametrize("broken", ["edited", "foreign", "restarted"])
def test_what_is_adopted_is_looked_at(write: Open, tmp_path: Path, broken: str) -> None:
    path = tmp_path / "audit_2026-02-26.jsonl"
    recipe.write(path, some(4), secret="another" if broken == "foreign" else recipe.SECRET)
    if broken == "restarted":
        recipe.write(path, some(2, 1))
    elif broken == "edited":
        path.write_bytes(path.read_bytes().replace(b'"user_id": "user-', b'"user_id": "User-', 1))
    with write() as writer:
        writer.append(some(1, 2)[0])
    verdict = {"edited": "tampered", "foreign": "unverifiable", "restarted": "warn"}[broken]
    assert links(tmp_path)[-1]["adopt"]["verdict"] == verdict


def test_keys_rotate(write: Open, tmp_path: Path) -> None:
    new = Secret(b"another secret")
    with write() as writer:
        before = writer.append(some(1)[0])
        writer.rotate(new)
        writer.append(some(1, 1)[0])
    assert before is not None
    old, rotation, after = entries_of(tmp_path)
    assert rotation["event_type"] == "audit.key_rotated"
    assert rotation["metadata"]["_lw"] == {
        "v": 1,
        "seq": 1,
        "kid": SECRET.kid,
        "rot": {"new_kid": new.kid, "proof": new.sign(b"llmwatch rot" + before.chain.encode())},
    }
    assert [one["metadata"]["_lw"]["kid"] for one in (old, rotation, after)] == [
        SECRET.kid,
        SECRET.kid,
        new.kid,
    ]
    with write(new) as writer:
        writer.append(some(1, 2)[0])
    assert len(entries_of(tmp_path)) == 4
    with pytest.raises(AuditError, match=f"goes on under the key {new.kid}"):
        write()
    assert verified(tmp_path, new).verdict == "ok"


def test_a_process_that_missed_a_rotation_writes_no_more(write: Open, tmp_path: Path) -> None:
    with write() as first, write() as second:
        second.append(some(1)[0])
        first.rotate(b"another secret")
        for _ in range(2):
            with pytest.raises(AuditError, match="goes on under the key"):
                second.append(some(1, 1)[0])
    assert len(entries_of(tmp_path)) == 2


def test_a_new_secret_takes_the_place_of_one_that_is_given_as_older(write: Open, tmp_path: Path) -> None:
    with write() as writer:
        writer.append(some(1)[0])
    with write(b"another secret", older=[SECRET]) as writer:
        writer.append(some(1, 1)[0])
    assert [one["event_type"] for one in entries_of(tmp_path)] == [
        "chat_completion",
        "audit.key_rotated",
        "chat_completion",
    ]


def test_a_wrong_secret_is_refused_even_if_only_the_lines_tell(write: Open, tmp_path: Path) -> None:
    with write() as writer:
        writer.append(some(1)[0])
    for name in ("audit.state", "audit_checkpoints.txt"):
        (tmp_path / name).unlink()
    before = lines_of(tmp_path)
    with pytest.raises(AuditError, match=SECRET.kid):
        write(b"another secret")
    assert lines_of(tmp_path) == before


def test_another_signer_is_refused(write: Open) -> None:
    write().append(some(1)[0])
    with pytest.raises(AuditError, match="another key, or for another log"):
        write(signer=NoteSigner(ORIGIN, bytes(32)))
    with pytest.raises(AuditError, match="another key, or for another log"):
        write(signer=NoteSigner("example.com/other", SIGNER.private))


def test_a_closed_writer_writes_no_more(write: Open) -> None:
    writer = write()
    writer.close()
    writer.close()
    with pytest.raises(AuditError, match="closed"):
        writer.append(some(1)[0])
