"""Runs and odd lines: each line of a file is in one of them, whichever way the file is read."""

from __future__ import annotations

import io
import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines import blocks, fast, parallel
from llmwatch.audit.lines.line import Link, read_line
from llmwatch.audit.lines.parallel import parallel_segments
from llmwatch.audit.lines.segments import Odd, Run, Segment, key_order, segments
from tests.audit import recipe

SECRET, OLD = Secret(recipe.SECRET.encode()), Secret(b"an old one")
RING = KeyRing((OLD, SECRET))


def log(count: int = 12, numbered: bool = False, **how: Any) -> list[bytes]:
    """A file's lines."""
    entries = recipe.entries(count, how.pop("seed", 0))
    return recipe.lines(
        recipe.v2(entries, kid=SECRET.kid, extra={"prev": None}) if numbered else entries, **how
    )


def spans(found: Iterable[Segment]) -> list[tuple[int, int] | tuple[int, str | None]]:
    """(first, last) line of each run, (line, flaw) of each odd one."""
    return [
        (one.line, one.line + one.lines - 1) if isinstance(one, Run) else (one.number, one.line.flaw)
        for one in found
    ]


def changed(written: list[bytes], number: int, old: bytes, new: bytes) -> bytes:
    """The file with something replaced in one line, counted from 1."""
    assert old in written[number - 1]
    return b"".join([*written[: number - 1], written[number - 1].replace(old, new), *written[number:]])


@pytest.mark.parametrize("numbered", [False, True])
def test_an_honest_file_is_one_run(numbered: bool) -> None:
    written = log(50, numbered)
    (run,) = segments(b"".join(written), RING)
    link = Link(0, SECRET.kid, begins_file=True) if numbered else None
    size, last = sum(map(len, written)), recipe.chain_of(written[-1])
    assert run == Run(1, 50, 0, size, "", last, link, True, {SECRET.kid: 50})
    assert run.last_sequence == (49 if numbered else None)


def test_a_wrong_key_leaves_one_run_that_nobody_signed() -> None:
    data = b"".join(log(50))
    (run,) = segments(data, KeyRing((OLD,)))
    assert isinstance(run, Run)
    assert (run.lines, run.signed, run.kids) == (50, False, {})
    for found in (segments(data, KeyRing()), segments(data, RING, check_signatures=False)):
        (run,) = found
        assert isinstance(run, Run)
        assert (run.lines, run.signed, run.kids) == (50, None, {})


def test_keys_are_counted_apart_and_unsigned_lines_are_runs_of_their_own() -> None:
    first = log(4, secret="an old one")
    second = log(4, seed=1, previous=recipe.chain_of(first[-1]))
    third = log(4, seed=2, secret="a third", previous=recipe.chain_of(second[-1]))
    signed, unsigned = segments(b"".join(first + second + third), RING)
    assert isinstance(signed, Run)
    assert isinstance(unsigned, Run)
    assert (signed.lines, signed.signed, signed.kids) == (8, True, {OLD.kid: 4, SECRET.kid: 4})
    assert (unsigned.line, unsigned.lines, unsigned.signed) == (9, 4, False)
    assert unsigned.before == signed.chain


def test_after_an_edited_line_the_next_follows_what_is_stored_there() -> None:
    data = changed(log(), 5, b'"status": "', b'"status": "x')
    found = list(segments(data, RING))
    assert spans(found) == [(1, 4), (5, None), (6, 12)]
    assert isinstance(found[1], Odd)
    assert (found[1].follows, found[1].line.kid) == (False, None)


def test_lines_without_a_chain_hash_leave_what_is_expected_as_it_was() -> None:
    written = log()
    plain = json.dumps(next(recipe.entries(1))).encode() + b"\n"
    written[6:6] = [b"\n", b"  \n", b"garbage\n", plain, written[0][:100] + b"\n"]
    found = list(segments(b"".join(written), RING))
    odd = [(7, "malformed"), (8, "malformed"), (9, "malformed"), (10, "plain"), (11, "torn_fragment")]
    assert spans(found) == [(1, 6), *odd, (12, 17)]
    assert [one.blank for one in found if isinstance(one, Odd)] == [True, True, False, False, False]


def test_the_record_behind_a_fragment_is_what_the_next_line_follows() -> None:
    written = log()
    written[5] = written[0][:300] + written[5]
    found = list(segments(b"".join(written), RING))
    assert spans(found) == [(1, 5), (6, "torn_fragment"), (7, 12)]
    assert isinstance(found[1], Odd)
    assert found[1].follows


def test_a_line_that_is_gone_a_line_twice_and_a_start_in_the_middle() -> None:
    written = log()
    assert spans(segments(b"".join(written[:4] + written[5:]), RING)) == [(1, 4), (5, None), (6, 11)]
    assert spans(segments(b"".join(written[:4] + written[3:]), RING)) == [(1, 4), (5, None), (6, 13)]
    again = log(4, seed=1)
    assert spans(segments(b"".join(written + again), RING)) == [(1, 12), (13, None), (14, 16)]


def test_a_last_line_without_its_newline_is_odd() -> None:
    found = list(segments(b"".join(log())[:-1], RING))
    assert spans(found) == [(1, 11), (12, None)]
    assert isinstance(found[1], Odd)
    assert (found[1].newline, found[1].follows, found[1].line.kid) == (False, True, SECRET.kid)


def test_numbers_go_on_or_the_line_is_odd() -> None:
    written = log(3)
    entries = list(recipe.v2(recipe.entries(8, 1), 3, SECRET.kid, {"boot": "b"}))
    entries[4]["metadata"]["_lw"]["seq"] = 9
    del entries[7]["metadata"]["_lw"]
    data = b"".join(written + recipe.lines(entries, previous=recipe.chain_of(written[-1])))
    found = list(segments(data, RING))
    assert spans(found) == [(1, 3), (4, 7), (8, None), (9, None), (10, 10), (11, None)]
    assert isinstance(found[1], Run)
    assert found[1].link == Link(3, SECRET.kid, boot="b")
    assert all(one.follows and one.line.kid for one in found if isinstance(one, Odd))
    assert spans(segments(data, RING, sequence=7))[:3] == [(1, None), (2, None), (3, None)]


def test_the_file_may_go_on_from_another() -> None:
    first = log(3)
    second = b"".join(log(3, seed=1, previous=recipe.chain_of(first[-1])))
    assert spans(segments(second, RING)) == [(1, None), (2, 3)]
    assert spans(segments(second, RING, recipe.chain_of(first[-1]))) == [(1, 3)]


def test_signatures_taken_away_are_runs_only_where_a_key_says_so() -> None:
    lines = [json.loads(line) for line in log(4)]
    data = b"".join(
        json.dumps({key: value for key, value in line.items() if key != "signature"}).encode() + b"\n"
        for line in lines
    )
    assert spans(segments(data, RING)) == [(1, 4)]
    assert spans(segments(data, KeyRing())) == [(number, None) for number in range(1, 5)]


def test_keys_in_another_order_than_all_other_lines_have() -> None:
    swapped = (b'"event_type": "chat_completion", ', b"")
    entries = [{"event_type": entry.pop("event_type"), **entry} for entry in map(dict, recipe.entries(12))]
    own = recipe.lines(entries)
    assert spans(segments(b"".join(own), RING)) == [(1, 12)]
    assert key_order(b"".join(own)) == {key: place for place, key in enumerate(entries[0])}
    for number in (1, 2, 7):
        written = log()
        old = written[number - 1]
        new = old.replace(*swapped).replace(b'{"id"', b'{"event_type": "chat_completion", "id"')
        data = changed(written, number, old, new)
        odd = [one for one in segments(data, RING) if isinstance(one, Odd)]
        assert [(one.number, one.line.flaw, one.line.kid) for one in odd] == [
            (number, "reencoded", SECRET.kid)
        ]


def test_an_empty_file_has_nothing() -> None:
    assert list(segments(b"", RING)) == []
    assert spans(segments(b"\n", RING)) == [(1, "malformed")]


def test_a_line_too_long_to_keep_is_malformed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(blocks, "BLOCK", 1_000)
    monkeypatch.setattr(blocks, "LONGEST_LINE", 5_000)
    written = log(3)
    for endless in (b"x" * 20_000, b'{"id": "' + b"x" * 7_000):
        found = list(segments(b"".join([*written[:2], endless + b"\n", written[2]]), RING))
        assert spans(found) == [(1, 2), (3, "malformed"), (4, 4)]
        assert isinstance(found[1], Odd)
        assert found[1].end - found[1].start == len(endless) + 1
        found = list(segments(b"".join([*written, endless]), RING))
        assert spans(found) == [(1, 3), (4, "malformed")]
        assert isinstance(found[1], Odd)
        assert (found[1].newline, found[1].end) == (False, sum(map(len, written)) + len(endless))


def test_progress_counts_all_bytes() -> None:
    data = b"".join(log(200))
    seen: list[int] = []
    list(segments(data, RING, progress=seen.append))
    assert sum(seen) == len(data)
    list(parallel_segments(data, RING, progress=seen.append))
    assert sum(seen) == 2 * len(data)


# Any file, read in any way


def damaged(chance: random.Random) -> bytes:
    """A file to which much has happened."""
    written = log(chance.randrange(1, 30), chance.random() < 0.5, seed=chance.randrange(99))
    for _ in range(chance.randrange(1, 4)):
        written += log(
            chance.randrange(1, 9),
            chance.random() < 0.5,
            seed=chance.randrange(99),
            previous=chance.choice((None, recipe.chain_of(written[-1]))),
            secret=chance.choice((recipe.SECRET, "an old one", "unknown")),
        )
    for _ in range(chance.randrange(6)):
        at = chance.randrange(len(written))
        line = written[at]
        written[at : at + 1] = chance.choice((
            [], [line, line], [b"\n", line], [line[:50] + line], [line[:99] + b"\n", line], [line.replace(b": ", b":")],
            [line.replace(b"success", b"failure")], [line[:-70] + b"0" + line[-69:]], [line, written[0]],
            [line.replace(b'"seq": ', b'"seq": 1')], [b"\xff\n", line], [line[:-1]],
        ))  # fmt: skip
        written = written or [b"\n"]
    return b"".join(written)


def judged_one_by_one(data: bytes, ring: KeyRing) -> Iterator[tuple[int, str, bool | None]]:
    """(number, what it is, signed) of each line, by the rules and with the slow reader alone."""
    chain, sequence = "", None
    for number, text in enumerate(io.BytesIO(data), 1):
        line = read_line(text.removesuffix(b"\n"), ring)
        record = line.recovered or line
        line = line.linked(chain) or line
        numbered = sequence is None or (line.link is not None and line.link.sequence == sequence)
        fine = text.endswith(b"\n") and not line.flaw and line.follows(chain) and numbered
        yield number, "run" if fine else str(line.flaw), line.kid is not None if fine else None
        chain = record.chain or chain
        if record.kid or fine:
            sequence = record.link.sequence + 1 if record.link else sequence
        elif record.chain and sequence is not None:
            sequence += 1


def one_by_one(found: Iterable[Segment]) -> Iterator[tuple[int, str, bool | None]]:
    """The same of segments; they must lie one behind the other."""
    offset, number = 0, 1
    for one in found:
        first, lines = (one.line, one.lines) if isinstance(one, Run) else (one.number, 1)
        assert (one.start, first) == (offset, number)
        offset, number = one.end, number + lines
        for line in range(first, number):
            yield (line, "run", one.signed) if isinstance(one, Run) else (line, str(one.line.flaw), None)


@pytest.mark.parametrize("seed", range(40))
def test_segments_say_of_each_line_what_the_slow_reader_says(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fast, "PATIENCE", 1)
    data = damaged(random.Random(seed))
    found = list(segments(data, RING))
    assert list(one_by_one(found)) == list(judged_one_by_one(data, RING))
    assert not found or found[-1].end == len(data)
    monkeypatch.setattr(blocks, "BLOCK", random.Random(seed).randrange(1, 3_000))
    assert list(segments(io.BytesIO(data), RING)) == found


def start(script: str, *arguments: object) -> subprocess.Popen[str]:
    """A program of its own, with one thread: this one may have several, and then it does not fork."""
    command = [sys.executable, "-W", "error", "-c", script, *map(str, arguments)]
    root = Path(__file__).parents[3]
    return subprocess.Popen(command, cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


COMPARE = """
import random, sys
from pathlib import Path
from llmwatch.audit.lines import fast
from llmwatch.audit.lines import parallel
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.parallel import parallel_segments
from tests.audit.lines.test_segments import RING, damaged

assert parallel._may_fork()
parallel.BIG = 0
begun, start = [], parallel._start
parallel._start = lambda *arguments: begun.append(1) or start(*arguments)
for seed in range(15):
    chance = random.Random(seed)
    data = damaged(chance)
    fast.PATIENCE = chance.choice((1, 32))
    parallel._SLICE = chance.randrange(1, 9_000)
    for ring in (RING,) if seed else (RING, KeyRing()):
        expected = list(parallel_segments(data, ring, processes=1))
        bytes_done = []
        assert list(parallel_segments(data, ring, processes=2, progress=bytes_done.append)) == expected, seed
        assert sum(bytes_done) == len(data)
assert len(begun) == 32
print("the same")
"""

WATCH = """
import multiprocessing, sys, time
from pathlib import Path
from llmwatch.audit.lines import parallel
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.parallel import parallel_segments
from tests.audit.lines.test_segments import RING, log

parallel.BIG, parallel._SLICE = 0, 2_000
data = b"".join(log(2_000))

def progress(done):
    print(*(process.pid for process in multiprocessing.active_children()), flush=True)
    time.sleep(0.05)

list(parallel_segments(data, RING, processes=2, progress=progress))
"""


def test_several_processes_say_what_one_says(tmp_path: Path) -> None:
    with start(COMPARE, tmp_path / "log") as process:
        output, errors = process.communicate(timeout=60)
    assert (output, errors, process.returncode) == ("the same\n", "", 0)


def test_a_program_with_threads_is_not_forked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parallel, "BIG", 0)
    monkeypatch.delattr(parallel, "_together")
    over = threading.Event()
    thread = threading.Thread(target=over.wait)
    thread.start()
    found = list(parallel_segments(b"".join(log(5)), RING, processes=2))
    over.set()
    thread.join()
    assert spans(found) == [(1, 5)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_it_when_it_is_ended(tmp_path: Path, number: signal.Signals) -> None:
    with start(WATCH, tmp_path / "log") as process:
        assert process.stdout is not None
        children = [int(pid) for pid in process.stdout.readline().split()]
        assert len(children) == 2
        process.send_signal(number)
        _, errors = process.communicate(timeout=10)
    assert process.returncode == -number or (number == signal.SIGINT and "KeyboardInterrupt" in errors)
    assert errors.count("Traceback") <= 1
    deadline = time.monotonic() + 10
    while any(map(_runs, children)):
        assert time.monotonic() < deadline
        time.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2][0] != "Z"
    except OSError:
        return False
