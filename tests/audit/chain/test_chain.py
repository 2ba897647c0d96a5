"""The chain of a log: nothing goes unseen, nothing raises, and it costs little."""

from __future__ import annotations

import json
import os
import random
from pathlib import Path

import pytest

from llmwatch.audit.chain import checker as chain
from llmwatch.audit.chain.checker import ChainChecker
from llmwatch.audit.chain.order import Covered, misplaced
from llmwatch.audit.chain.tally import MOST
from llmwatch.audit.findings import COUNTS_LINES
from llmwatch.audit.folder import log_file
from tests.audit import recipe
from tests.audit.chained import FORMATS, NO_KEYS, RING, check, day_entries, day_name, edited, log
from tests.audit.exhaustive import DATA, changed, cut, flipped
from tests.audit.mutations import mutate

CHANGES = int(os.environ.get("LLMWATCH_AUDIT_CHANGES", "300"))
ONE, TWO = day_name(0), day_name(1)


def test_a_flipped_bit_is_found_in_its_line() -> None:
    """One bit of every byte here; all of them in the benchmark."""
    wrong = [flipped(8 * byte + byte % 8) for byte in range(0, len(DATA), 3)]
    assert [one for one in wrong if one] == []


def test_every_bit_of_a_newline_is_found() -> None:
    newlines = [at for at, byte in enumerate(DATA) if byte == ord("\n")]
    assert [one for at in newlines for bit in range(8) if (one := flipped(8 * at + bit))] == []


def test_a_file_that_is_cut_off_is_torn_unless_it_ends_with_a_line() -> None:
    ends = [at + 1 for at, byte in enumerate(DATA) if byte == ord("\n")]
    lengths = {*range(0, len(DATA), 7), *ends, *(end - 1 for end in ends), *(end + 1 for end in ends[:-1])}
    assert [one for length in sorted(lengths) if (one := cut(length))] == []


def test_the_verdict_is_ok_if_and_only_if_the_bytes_are_the_same() -> None:
    assert [one for seed in range(CHANGES) if (one := changed(seed))] == []


@pytest.mark.parametrize("kind", ["fresh", "carry"])
def test_no_sequence_of_changes_to_plain_lines_raises_or_gives_a_line_two_classes(kind: str) -> None:
    base = log(kind, 5, 6, 4)
    for seed in range(CHANGES // 2):
        checked = check(mutate(base, random.Random(seed), 1 + seed % 6))
        of_lines = [one for one in checked.findings if one.name in COUNTS_LINES and one.name != "deleted"]
        lines = [
            (one.file, line)
            for one in of_lines
            for line in range(one.line or 0, (one.line_to or one.line or 0) + 1)
        ]
        assert len(lines) == len(set(lines)) == sum(one.count for one in of_lines)


# What the recipe's own verifier gets wrong.


def test_the_second_day_of_a_writer_that_ran_over_midnight_does_not_fail(tmp_path: Path) -> None:
    files = log("carry", 4, 4)
    checked = check(files, tmp_path)
    assert (recipe.verify(tmp_path / TWO), checked.verdict) == (False, "ok")


def test_a_restart_in_the_middle_of_a_file_does_not_fail(tmp_path: Path) -> None:
    files = {ONE: [*recipe.lines(day_entries(ONE, 3, 1)), *recipe.lines(day_entries(ONE, 3, 2))]}
    checked = check(files, tmp_path)
    assert (recipe.verify(tmp_path / ONE), checked.verdict, checked.counts) == (False, "warn", {"restart": 1})


def test_the_answer_is_more_than_one_bit_and_does_not_stop_at_the_first_break(tmp_path: Path) -> None:
    files = log("fresh", 9)
    for number in (3, 7):
        files[ONE][number - 1] = edited(files[ONE][number - 1])
    checked = check(files, tmp_path)
    assert recipe.verify(tmp_path / ONE) is False
    assert (checked.places, checked.hmac_ok) == ({"edited": [3, 7]}, 7)


def test_an_empty_file_is_not_ok(tmp_path: Path) -> None:
    checked = check({ONE: []}, tmp_path)
    assert (recipe.verify(tmp_path / ONE), checked.verdict, checked.counts) == (
        True,
        "unverifiable",
        {"empty": 1},
    )


def test_json_that_is_spelled_otherwise_is_not_ok(tmp_path: Path) -> None:
    files = log("fresh", 3)
    files[ONE][1] = files[ONE][1].replace(b'"user_id"', b'"user_id": "mallory", "user_id"')
    checked = check(files, tmp_path)
    assert (recipe.verify(tmp_path / ONE), checked.verdict) == (True, "tampered")


def test_a_tail_of_nuls_is_said_to_be_one() -> None:
    lines = log("fresh", 5)[ONE]
    for tail, words in (
        (b"\0" * 4096, "is NUL bytes"),
        (lines[0][:50] + b"\0\0", "only the beginning"),
        (b"x", "is no entry"),
    ):
        checked = check({ONE: [*lines, tail]})
        assert (checked.verdict, checked.counts, checked.lines) == ("warn", {"torn_tail": 1}, 6)
        assert words in checked.findings[-1].detail


def test_half_a_line_after_a_crash_does_not_raise(tmp_path: Path) -> None:
    files = log("fresh", 3)
    files[ONE][2] = files[ONE][2][:200]
    checked = check(files, tmp_path)
    with pytest.raises(ValueError, match="Unterminated string"):
        recipe.verify(tmp_path / ONE)
    assert (checked.verdict, checked.counts) == ("warn", {"torn_tail": 1})


BAD = {
    "not a log": b"root:x:0:0:root:/root:/bin/bash\n" * 3,
    "empty": b"",
    "a newline": b"\n",
    "NULs": b"\0" * 4096,
    "NULs in lines": b"\0\0\0\n" * 40,
    "invalid UTF-8": b"\xff\xfe\xc3(\n" * 5,
    "deep nesting": b"[" * 100_000 + b"\n",
    "deep objects": b'{"a":' * 100_000 + b"\n",
    "huge integers": b'{"id": ' + b"9" * 5000 + b"}\n",
    "null signature": b'{"id": "a", "chain_hash": null, "signature": null}\n',
    "numbers for hashes": b'{"id": "a", "chain_hash": 5, "signature": 6}\n',
    "arrays": b"[]\n[1]\n",
    "scalars": b'null\n1\n"a"\n',
    "plain entries": b"".join(json.dumps(entry).encode() + b"\n" for entry in recipe.entries(5)),
    "strange links": b"".join(
        json.dumps(recipe.sign({"id": "a", "metadata": {"_lw": json.loads(link)}})).encode() + b"\n"
        for link in (
            "null",
            "[]",
            '{"v": 1}',
            '{"v": 1, "seq": -1, "kid": ""}',
            '{"v": 1, "seq": true, "kid": "a"}',
        )
    ),
    "a huge number": json.dumps(
        recipe.sign({"id": "a", "metadata": {"_lw": {"v": 1, "seq": 10**400, "kid": "a"}}})
    ).encode()
    + b"\n",
}


@pytest.mark.parametrize("ring", [RING, NO_KEYS], ids=["keys", "no keys"])
@pytest.mark.parametrize("data", [pytest.param(data, id=name) for name, data in BAD.items()])
def test_bad_input_never_raises_and_is_never_ok(data: bytes, ring: object) -> None:
    ring = RING if ring is RING else NO_KEYS
    assert check({ONE: [data]}, ring=ring).verdict != "ok"
    files = log("v2", 3, 3)
    files[ONE].insert(2, data)
    assert data == b"" or check(files, ring=ring).verdict == "tampered"


def test_a_log_in_which_nothing_is_chained_was_not_tampered_with() -> None:
    checked = check({ONE: [BAD["plain entries"]]})
    assert (checked.verdict, checked.counts) == ("unverifiable", {"malformed": 5})
    mixed = {ONE: [BAD["plain entries"]], TWO: log("fresh", 3)[ONE]}
    assert check(mixed).verdict == "tampered"


def test_blank_lines_do_not_divide_what_is_said_of_a_file_of_another_kind() -> None:
    data = b"one\n\n two\n \nthree\n" * 30
    checked = check({ONE: [data]})
    assert [(one.name, one.line, one.line_to, one.count) for one in checked.findings] == [
        ("malformed", 1, 150, 150)
    ]
    assert checked.lines == checked.counts["malformed"] == 150


def test_of_a_file_of_another_kind_too_the_list_has_an_end_and_all_lines_are_counted() -> None:
    checked = check({ONE: [b'x\n\n{"id": "ab\n' * (MOST + 50)]})
    assert checked.counts == {"malformed": 2 * (MOST + 50), "torn_fragment": MOST + 50}
    rest = [(one.name, one.count) for one in checked.findings if " more, not all" in one.detail]
    assert sorted(rest) == [("malformed", 100), ("torn_fragment", 50)]
    assert len(checked.findings) == 2 * (MOST + 1)


def test_findings_of_a_long_stretch_are_one_range() -> None:
    files = log("v2", 400)
    files[ONE][99:299] = [line.replace(b'": ', b'":', 1) for line in files[ONE][99:299]]
    checked = check(files)
    assert [(one.name, one.line, one.line_to, one.count) for one in checked.findings] == [
        ("reencoded", 100, 299, 200)
    ]


def test_the_list_of_findings_has_an_end_and_the_counts_have_none() -> None:
    files = log("fresh", 2 * MOST + 100)
    files[ONE] = [edited(line) if number % 2 else line for number, line in enumerate(files[ONE])]
    checked = check(files)
    assert checked.counts == {"edited": MOST + 50}
    assert len(checked.findings) == MOST + 1
    assert checked.first_bad == (ONE, 2, "edited")
    assert checked.findings[-1].count == 50


def test_many_lines_that_link_to_nothing_are_classed_in_time() -> None:
    files = log("fresh", 500)
    random.Random(1).shuffle(files[ONE])
    checked = check(files)
    assert checked.verdict == "tampered"
    assert checked.counts["reordered"] > 400


def test_an_honest_log_is_not_kept_in_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor is one of two writers that take turns, of whose lines none follows the one before it."""
    monkeypatch.setattr(chain, "_BATCH", 20)
    one, two = (recipe.lines(day_entries(ONE, 200, seed)) for seed in (1, 2))
    turns = [line for pair in zip(one, two, strict=True) for line in pair]
    for lines in (one, turns):
        checker = ChainChecker(RING, whole=True)
        checker.check(log_file(Path(ONE)), b"".join(lines))
        assert len(checker._assembly.pieces) <= 40
        checker.finish()
        assert {finding.severity for finding in checker.findings} <= {"warn"}


def test_the_fewest_lines_are_out_of_order() -> None:
    """As the longest increasing subsequence has it, found by trying all."""
    chance = random.Random(5)
    for _ in range(200):
        sizes = [chance.randrange(1, 4) for _ in range(chance.randrange(1, 8))]
        starts = [sum(sizes[:index]) for index in range(len(sizes))]
        intervals = [(start, start + size - 1) for start, size in zip(starts, sizes, strict=True)]
        chance.shuffle(intervals)
        out = misplaced(intervals)
        kept = [one for index, one in enumerate(intervals) if index not in out]
        assert kept == sorted(kept)
        assert sum(last - first + 1 for first, last in kept) == best(intervals)


def best(intervals: list[tuple[int, int]]) -> int:
    most = 0
    for chosen in range(1 << len(intervals)):
        kept = [one for index, one in enumerate(intervals) if chosen >> index & 1]
        if kept == sorted(kept):
            most = max(most, sum(last - first + 1 for first, last in kept))
    return most


def test_what_is_covered_is_what_was_added() -> None:
    chance = random.Random(6)
    for _ in range(100):
        covered, plain = Covered(), set()
        for _ in range(chance.randrange(8)):
            first = chance.randrange(40)
            last = first + chance.randrange(6)
            covered.add((first, last))
            plain |= set(range(first, last + 1))
        first = chance.randrange(40)
        last = first + chance.randrange(12)
        asked = set(range(first, last + 1))
        assert covered.count((first, last)) == len(asked & plain)
        parts = covered.parts((first, last))
        assert [number for one, other in parts for number in range(one, other + 1)] == sorted(asked)
        assert all(len({number in plain for number in range(one, other + 1)}) == 1 for one, other in parts)


@pytest.mark.parametrize("kind", FORMATS)
def test_a_log_is_judged_in_parts_as_it_is_as_a_whole(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    files = log(kind, 30, 20)
    files[ONE][10] = edited(files[ONE][10])
    del files[TWO][5]
    whole = check(files)
    monkeypatch.setattr(chain, "_BATCH", 3)
    assert check(files).findings == whole.findings
