"""The monitor on audit logs: which lines it takes for entries, what it shows of them, and what nobody vouches for."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.query.audited import Audited
from llmwatch.query.auditing import AuditWatch
from llmwatch.query.monitor import Monitor
from llmwatch.query.snapshot import Snapshot, SnapshotRequest
from llmwatch.sources.open import open_paths
from llmwatch.store.slice import Slice
from llmwatch.store.store import Store, StoreSettings
from tests.audit import recipe
from tests.audit.sealed import SIGNER, SealedLog

RING = KeyRing((Secret(recipe.SECRET.encode()),))
DAY = "audit_2026-02-27.jsonl"


def nowhere(source: str, line: int) -> int | None:
    return None


def seen(*pieces: Slice, watch: AuditWatch | None = None) -> Audited | None:
    watch = watch or AuditWatch(RING)
    for piece in pieces:
        watch.see(piece)
    watch.rest(())
    return watch.audited(nowhere)


def verified(watch: AuditWatch) -> Audited:
    """When its verification has ended."""
    watch.tend(shown=True)
    if watch._thread is not None:
        watch._thread.join(30)
    audited = watch.audited(nowhere)
    assert audited is not None
    return audited


def piece(source: str, lines: list[bytes], first: int = 1) -> Slice:
    return Slice(source, source, first, b"".join(lines))


def edited(line: bytes) -> bytes:
    return json.dumps({**json.loads(line), "user_id": "mallory"}).encode() + b"\n"


ROUTER = b'{"timestamp": "2026-02-27T16:47:11Z", "message": "\\"chain_hash\\": \\"x\\", \\"signature\\": \\"y\\""}\n'


def test_other_logs_have_no_part_in_it(tmp_path: Path) -> None:
    path = tmp_path / "router.jsonl"
    path.touch()
    assert seen(piece(str(path), [ROUTER] * 3), piece("g/web", [ROUTER] * 3)) is None


def test_entries_among_the_lines_of_a_stream_are_a_chain() -> None:
    log = recipe.lines(recipe.entries(6))
    audited = seen(piece("g/web", [ROUTER, *log[:3], ROUTER]), piece("g/web", [*log[3:5], ROUTER, log[5]], 6))
    assert audited is not None
    (file,) = audited.files
    assert (file.source, file.state, file.lines, file.hmac_ok) == ("g/web", "ok", 6, 6)
    assert "checkpoints" in " ".join(audited.sentences)


def test_a_break_stays_also_when_the_file_is_mended(tmp_path: Path) -> None:
    path = tmp_path / DAY
    log = recipe.lines(recipe.entries(6))
    changed = [*log[:3], edited(log[3]), *log[4:]]
    path.write_bytes(b"".join(changed))
    watch = AuditWatch(RING)
    audited = seen(piece(str(path), changed), watch=watch)
    assert audited is not None
    assert audited.broken is not None
    assert (audited.broken.file, audited.broken.line, audited.broken.name) == (str(path), 4, "edited")
    path.write_bytes(b"".join(log))
    audited = seen(piece(str(path), log), watch=watch)
    assert audited is not None
    assert audited.broken is not None
    assert audited.findings[0].finding.line == 4
    assert audited.files[0].state == "broken"
    assert not any("put the file back" in sentence for sentence in audited.sentences)
    audited = verified(watch)
    assert audited.broken is not None
    assert audited.findings[0].finding.line == 4
    assert audited.sentences[0].startswith(f"{DAY} line 4: this break was seen, and is not there any more")
    watch.stop()


def test_the_worst_file_comes_first_and_of_the_others_the_newest(tmp_path: Path) -> None:
    watch = AuditWatch(RING)
    for day, bad in (("26", False), ("27", True), ("28", False)):
        path = tmp_path / f"audit_2026-02-{day}.jsonl"
        log = recipe.lines(recipe.entries(3))
        lines = [log[0], edited(log[1]), log[2]] if bad else log
        path.write_bytes(b"".join(lines))
        watch.see(piece(str(path), lines))
    audited = watch.audited(nowhere)
    assert audited is not None
    assert [Path(file.source).name[-8:-6] for file in audited.files] == ["27", "28", "26"]


def test_without_a_public_key_nobody_knows_how_many_lines_are_attested(tmp_path: Path) -> None:
    path = tmp_path / DAY
    log = recipe.lines(recipe.entries(3))
    path.write_bytes(b"".join(log))
    watch = AuditWatch(RING)
    seen(piece(str(path), log), watch=watch)
    assert verified(watch).files[0].attested is None
    watch.stop()


def test_verify_says_what_became_of_the_lines(tmp_path: Path) -> None:
    path = tmp_path / DAY
    log = recipe.lines(recipe.entries(8))
    moved = [*log[:3], log[5], *log[3:5], *log[6:]]
    path.write_bytes(b"".join(moved))
    watch = AuditWatch(RING)
    seen(piece(str(path), moved), watch=watch)
    audited = verified(watch)
    assert [one.finding.name for one in audited.findings] == ["reordered"]
    assert audited.findings[0].source == str(path)
    watch.stop()


def test_what_is_attested_and_what_has_come_since(tmp_path: Path) -> None:
    log = SealedLog(tmp_path)
    path = log.day("2026-02-27", 10, seal=False)
    lines = path.read_bytes().splitlines(keepends=True)
    watch = AuditWatch(RING, SIGNER.verifier)
    seen(piece(str(path), lines), watch=watch)
    audited = verified(watch)
    assert (audited.files[0].attested, audited.files[0].state) == (10, "ok")
    assert audited.sentences
    link = {"v": 1, "seq": 10, "kid": RING.secrets[0].kid}
    entry = next(recipe.entries(1, 99))
    more = recipe.lines(
        [{**entry, "metadata": {**entry["metadata"], "_lw": link}}], previous=recipe.chain_of(lines[-1])
    )
    later = seen(piece(str(path), more, 11), watch=watch)
    assert later is not None
    assert later.broken is None
    assert "1 lines have come since" in later.sentences[-1]
    watch.stop()


@pytest.mark.parametrize(
    ("ring", "state"), [(None, "links only"), (KeyRing((Secret(b"another"),)), "wrong key")]
)
def test_what_no_key_vouches_for_is_not_ok(tmp_path: Path, ring: KeyRing | None, state: str) -> None:
    path = tmp_path / DAY
    path.touch()
    audited = seen(piece(str(path), recipe.lines(recipe.entries(3))), watch=AuditWatch(ring))
    assert audited is not None
    assert (audited.files[0].state, audited.broken) == (state, None)
    assert ring or "no key was given" in audited.sentences[0]


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[tuple[Path, Callable[[], Snapshot]]]:
    """A folder that a monitor watches, and its next snapshot."""
    (tmp_path / DAY).write_bytes(b"".join(recipe.lines(recipe.entries(6))))
    source = open_paths([str(tmp_path)], follow=True)
    store = Store(StoreSettings(keep_raw=True))
    monitor = Monitor(source, store, title="audit", audit=AuditWatch(RING))
    snapshots: list[Snapshot] = []
    monitor.request(SnapshotRequest(frozenset({"events", "audit"})))
    monitor.start(snapshots.append)

    def wait(holds: Callable[[Snapshot], bool]) -> Snapshot:
        until = time.monotonic() + 30
        while not (snapshots and holds(snapshots[-1])):
            assert time.monotonic() < until, snapshots[-1:]
            time.sleep(0.02)
        return snapshots[-1]

    yield tmp_path, wait  # type: ignore[misc]
    monitor.stop()
    source.close()
    store.close()


def test_the_monitor_finds_a_break_as_it_is_written(
    watched: tuple[Path, Callable[[Callable[[Snapshot], bool]], Snapshot]],
) -> None:
    folder, wait = watched
    first = wait(lambda snapshot: snapshot.audit is not None).audit
    assert first is not None
    assert (first.files[0].state, first.broken) == ("ok", None)
    with (folder / DAY).open("ab") as file:
        file.write(edited(recipe.lines(recipe.entries(1, 5))[0]))
    snapshot = wait(lambda snapshot: snapshot.audit is not None and snapshot.audit.broken is not None)
    audited = snapshot.audit
    assert audited is not None
    one = audited.findings[0]
    assert (one.finding.line, one.seq) == (7, 6)


def test_the_monitor_finds_a_file_that_is_cut_off_where_its_chain_holds(
    watched: tuple[Path, Callable[[Callable[[Snapshot], bool]], Snapshot]],
) -> None:
    folder, wait = watched
    wait(lambda snapshot: snapshot.audit is not None)
    log = (folder / DAY).read_bytes().splitlines(keepends=True)
    (folder / DAY).write_bytes(b"".join(log[:4]))
    snapshot = wait(lambda snapshot: snapshot.audit is not None and snapshot.audit.broken is not None)
    audited = snapshot.audit
    assert audited is not None
    one = audited.findings[0].finding
    assert (one.name, one.line, one.count) == ("tail_missing", 4, 2)
