"""Logs as the recipe's programs really write them: none of their lines is ever said to have been changed."""

from __future__ import annotations

import gzip
import json
import os
import random
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from llmwatch.audit.chain.checker import ChainChecker
from llmwatch.audit.entry import Secret
from llmwatch.audit.findings import Finding
from llmwatch.audit.folder import log_file
from llmwatch.audit.keys import KeyRing
from tests.audit import recipe
from tests.audit.chained import NO_KEYS, RING, check, day_entries, day_name, log

ONE = day_name(0)
SECRETS = ("the first secret", "the second secret")
ROTATED = KeyRing(tuple(Secret(secret.encode()) for secret in SECRETS))
HARMLESS = {
    *("restart", "interleaved_writers", "torn_fragment", "torn_tail", "missing_newline", "alt_canonical"),
    "head_unlinked",
}
CASES = int(os.environ.get("LLMWATCH_HONEST_LOGS", "150"))


@dataclass
class Gateway:
    """Processes of the recipe that write into one folder, day after day."""

    chance: random.Random
    files: dict[str, bytes] = field(default_factory=dict)
    tips: dict[int, str | None] = field(default_factory=dict)
    secret: str = SECRETS[0]
    forks: bool = True
    day: int = 0
    torn: bool = False
    number: int = 0

    def run(self, days: int) -> None:
        for self.day in range(days):
            self.files[day_name(self.day)] = b""
            self.torn = False
            for entry in day_entries(day_name(self.day), self.chance.randrange(3, 14), self.number):
                if not self.tips or self.chance.random() < 0.1:
                    self.start()
                self.write(entry)
                if self.chance.random() < 0.08:
                    self.crash(entry)
                elif self.forks and self.chance.random() < 0.05:
                    self.fork()

    def start(self) -> None:
        self.number += 1
        self.tips[self.number] = None
        if self.chance.random() < 0.3:
            self.secret = SECRETS[1]

    def fork(self) -> None:
        self.number += 1
        self.tips[self.number] = self.chance.choice(list(self.tips.values()))

    def write(self, entry: recipe.Entry) -> None:
        process = self.chance.choice(list(self.tips))
        if self.chance.random() < 0.2:
            entry["metadata"] = {9: "a", 10: "b", 100: "c"}
        line = recipe.lines([entry], self.secret, self.tips[process])[0]
        self.tips[process] = recipe.chain_of(line)
        self.files[day_name(self.day)] += line
        self.torn = False

    def crash(self, entry: recipe.Entry) -> None:
        """A process dies in the middle of a line; what is written next stands behind the fragment."""
        if self.torn:
            return
        process = self.chance.choice(list(self.tips))
        line = recipe.lines([{**entry, "id": "0"}], self.secret, self.tips.pop(process))[0]
        self.files[day_name(self.day)] += line[: self.chance.randrange(1, len(line) - 2)]
        self.torn = True


def test_no_line_of_an_honest_log_is_accused(tmp_path: Path) -> None:
    for seed in range(CASES):
        gateway = Gateway(random.Random(seed))
        gateway.run(3)
        checked = check({name: [data] for name, data in gateway.files.items()}, tmp_path, ROTATED)
        assert checked.verdict in ("ok", "warn"), (seed, checked.findings)
        assert set(checked.counts) <= HARMLESS, seed
        assert checked.hmac_ok == checked.lines - checked.counts.get("torn_tail", 0), seed
        assert {file.convention for file in checked.files.values()} <= {"fresh", "carry"}, seed


@pytest.mark.parametrize("ring", [NO_KEYS, KeyRing((Secret(b"another"),))], ids=["no keys", "another key"])
def test_no_line_is_accused_for_want_of_the_key(ring: KeyRing) -> None:
    """But for processes that were forked: without the key, these look like a line that someone put in."""
    for seed in range(CASES // 3):
        gateway = Gateway(random.Random(seed), forks=False)
        gateway.run(3)
        checked = check({name: [data] for name, data in gateway.files.items()}, ring=ring)
        assert checked.verdict == "unverifiable", checked.findings
        assert not errors(checked.findings)


def conventions(checked_files: object) -> list[str]:
    return [file.convention for file in checked_files.values()]  # type: ignore[attr-defined]


def test_a_writer_that_runs_over_midnight_carries_its_chain() -> None:
    checked = check(log("carry", 5, 4, 3))
    assert (checked.verdict, checked.findings) == ("ok", ())
    assert conventions(checked.files) == ["fresh", "carry", "carry"]


def test_the_chain_may_be_carried_over_days_without_a_file() -> None:
    days = log("carry", 5, 4)
    checked = check({day_name(0): days[day_name(0)], day_name(9): days[day_name(1)]})
    assert (checked.verdict, conventions(checked.files)) == ("ok", ["fresh", "carry"])


def test_two_writers_that_run_over_midnight_are_each_followed() -> None:
    first, second = (list(recipe.lines(day_entries(day_name(0), 6, seed))) for seed in (1, 2))
    files = {
        day_name(0): [first[0], second[0], first[1], second[1], first[2]],
        day_name(1): [second[2], first[3], second[3], second[4], first[4]],
    }
    checked = check(files)
    assert (checked.verdict, checked.counts) == ("warn", {"restart": 1, "interleaved_writers": 2})
    assert conventions(checked.files) == ["fresh", "carry"]
    assert checked.hmac_ok == 10


def test_processes_that_are_forked_after_a_line_go_on_from_the_same_one() -> None:
    shared = recipe.lines(day_entries(day_name(0), 2, 1))
    tip = recipe.chain_of(shared[-1])
    one, two = (recipe.lines(day_entries(day_name(0), 3, seed), previous=tip) for seed in (2, 3))
    checked = check({day_name(0): [*shared, *one[:2], two[0], one[2], *two[1:]]})
    assert (checked.verdict, checked.counts) == ("warn", {"interleaved_writers": 1})


def test_a_log_whose_beginning_is_not_there_is_unlinked_and_not_accused() -> None:
    days = log("carry", 5, 4, 3)
    del days[day_name(0)]
    checked = check(days)
    assert (checked.verdict, checked.counts) == ("warn", {"head_unlinked": 1})
    assert conventions(checked.files) == ["unlinked", "carry"]


def test_a_second_writer_may_have_begun_in_a_file_that_is_not_there() -> None:
    first, second = (list(recipe.lines(day_entries(day_name(0), 6, seed))) for seed in (1, 2))
    checked = check({day_name(0): [first[1], second[2], first[2], second[3], first[3]]})
    assert (checked.verdict, checked.counts) == ("warn", {"head_unlinked": 2, "interleaved_writers": 1})


def test_a_process_for_every_line_is_told_as_one_finding() -> None:
    lines = [recipe.lines([entry])[0] for entry in day_entries(day_name(0), 50, 1)]
    checked = check({day_name(0): lines})
    assert (checked.verdict, len(checked.findings)) == ("warn", 1)
    assert [(one.name, one.line, one.line_to, one.count) for one in checked.findings] == [
        ("restart", 2, 50, 49)
    ]
    assert checked.counts == {"restart": 49}


def test_a_crash_and_a_new_process_leave_a_fragment_before_a_whole_entry() -> None:
    lines = recipe.lines(day_entries(day_name(0), 6, 1))
    after = recipe.lines(day_entries(day_name(0), 3, 2))
    checked = check({day_name(0): [*lines[:5], lines[5][:200], *after]})
    assert (checked.verdict, checked.counts) == ("warn", {"torn_fragment": 1, "restart": 1})
    assert checked.places == {"torn_fragment": [6], "restart": [6]}
    assert (checked.lines, checked.hmac_ok) == (8, 8)


def test_a_fragment_on_a_line_of_its_own_is_torn_as_well() -> None:
    lines = recipe.lines(day_entries(day_name(0), 6, 1))
    after = recipe.lines(day_entries(day_name(0), 3, 2))
    checked = check({day_name(0): [*lines[:5], lines[5][:200] + b"\n", *after]})
    assert (checked.verdict, checked.counts) == ("warn", {"torn_fragment": 1, "restart": 1})
    checked = check({day_name(0): [*lines[:3], lines[5][:200] + b"\n", *lines[3:]]})
    assert (checked.verdict, checked.places) == ("warn", {"torn_fragment": [4]})


def test_numbers_as_keys_are_sorted_as_numbers_by_the_program_that_had_them() -> None:
    entries = day_entries(day_name(0), 4, 1)
    entries[1]["metadata"] = {9: "a", 10: "b"}
    entries[2]["metadata"] = {"scores": {9.5: 1, 10.25: 2}}
    checked = check({day_name(0): recipe.lines(entries)})
    assert (checked.verdict, checked.places, checked.hmac_ok) == ("ok", {"alt_canonical": [2, 3]}, 4)


def test_keys_that_were_rotated_are_all_tried() -> None:
    entries = day_entries(day_name(0), 6, 1)
    before = recipe.lines(entries[:3], SECRETS[0])
    after = recipe.lines(entries[3:], SECRETS[1], recipe.chain_of(before[-1]))
    assert check({day_name(0): [*before, *after]}, ring=ROTATED).verdict == "ok"


def test_an_archived_day_is_read_as_it_was(tmp_path: Path) -> None:
    days = log("carry", 5, 4)
    checker = ChainChecker(RING, whole=True)
    archive = tmp_path / "archive"
    archive.mkdir()
    path = archive / f"{day_name(0)}.gz"
    path.write_bytes(gzip.compress(b"".join(days[day_name(0)])))
    checker.check(log_file(path), b"".join(days[day_name(0)]))
    replayed = [*days[day_name(1)][:2], days[day_name(0)][2], *days[day_name(1)][2:]]
    checker.check(log_file(tmp_path / day_name(1)), b"".join(replayed))
    checker.finish()
    assert [(one.name, one.line) for one in checker.findings] == [("duplicate", 3)]


@pytest.mark.parametrize("kind", ["fresh", "carry", "v2"])
def test_without_keys_the_chain_is_checked_and_signatures_are_not(kind: str) -> None:
    files = log(kind, 5, 6)
    checked = check(files, ring=NO_KEYS)
    assert (checked.findings, checked.hmac_ok, checked.lines) == ((), 0, 11)
    entry = json.loads(files[day_name(1)][3])
    files[day_name(1)][3] = json.dumps({**entry, "signature": "0" * 64}).encode() + b"\n"
    assert check(files, ring=NO_KEYS).findings == ()


@pytest.mark.parametrize("kind", ["fresh", "carry", "v2"])
def test_a_key_that_was_not_given_is_one_finding_for_a_file(kind: str) -> None:
    checked = check(log(kind, 5, 6), ring=KeyRing((Secret(b"another"),)))
    assert checked.verdict == "unverifiable"
    assert [(one.name, one.line, one.line_to, one.count) for one in checked.findings] == [
        ("wrong_key", 1, 5, 5),
        ("wrong_key", 1, 6, 6),
    ]


def test_a_key_that_is_given_explains_no_wrong_signature() -> None:
    ring = KeyRing((Secret(b"another", named=Secret(recipe.SECRET.encode()).kid),))
    checked = check(log("v2", 5), ring=ring)
    assert (checked.verdict, checked.counts) == ("tampered", {"bad_signature": 5})


def test_files_that_others_vouch_for_are_linked_to() -> None:
    for kind in ("carry", "v2"):
        days = log(kind, 5, 4, 3)
        checker = ChainChecker(RING, whole=True)
        first, *_, last = days[day_name(0)]
        chains = recipe.chain_of(first), recipe.chain_of(last)
        checker.skip(log_file(Path(day_name(0))), *chains, 0 if kind == "v2" else None, 5)
        for number in (1, 2):
            checker.check(log_file(Path(day_name(number))), b"".join(days[day_name(number)]))
        checker.finish()
        assert checker.findings == ()
        assert {file.convention for file in checker.files} == {kind}


def test_lines_before_a_file_that_others_vouch_for_are_missed() -> None:
    days = log("v2", 5, 4)
    checker = ChainChecker(RING, whole=True)
    checker.check(log_file(Path(day_name(0))), b"".join(days[day_name(0)][:-2]))
    first, *_, last = days[day_name(1)]
    checker.skip(log_file(Path(day_name(1))), recipe.chain_of(first), recipe.chain_of(last), 5, 4)
    checker.finish()
    assert [(one.name, one.file, one.count) for one in checker.findings] == [("tail_missing", day_name(0), 2)]


def test_files_of_which_only_the_last_line_is_known_are_linked_to() -> None:
    for kind in ("carry", "v2"):
        days = log(kind, 5, 4, 3)
        checker = ChainChecker(RING, whole=True)
        for number in (0, 1):
            last = days[day_name(number)][-1]
            sequence = (4, 8)[number] if kind == "v2" else None
            checker.skip(log_file(Path(day_name(number))), None, recipe.chain_of(last), sequence, 1)
        checker.check(log_file(Path(day_name(2))), b"".join(days[day_name(2)]))
        checker.finish()
        assert checker.findings == ()


def test_files_of_which_nothing_is_known_are_not_accused() -> None:
    for kind in ("carry", "v2"):
        days = log(kind, 5, 4, 3)
        checker = ChainChecker(RING, whole=True)
        checker.check(log_file(Path(ONE)), b"".join(days[ONE]))
        checker.skip(log_file(Path(day_name(1))), None, "", None, 1)
        checker.check(log_file(Path(day_name(2))), b"".join(days[day_name(2)]))
        checker.finish()
        assert not errors(checker.findings)


def errors(findings: tuple[Finding, ...]) -> list[Finding]:
    return [one for one in findings if one.severity == "error"]


def test_files_that_were_named_one_by_one_miss_no_others() -> None:
    for kind in ("fresh", "carry", "v2"):
        days = log(kind, 5, 4, 3)
        del days[day_name(0)]
        assert not errors(check(days, whole=False).findings)


def test_a_log_that_was_adopted_goes_on_with_numbers() -> None:
    plain = log("carry", 4, 3)
    tip = recipe.chain_of(plain[day_name(1)][-1])
    adopt = {"files": 2, "lines": 7, "sha256": "0" * 64, "last_chain": tip, "verdict": "ok"}
    kid = RING.secrets[0].kid
    ours = list(recipe.v2(day_entries(day_name(2), 4, 5), 7, kid, {"prev": None, "adopt": adopt}))
    same_day = {**plain, day_name(1): [*plain[day_name(1)], *recipe.lines(ours, previous=tip)]}
    assert check(same_day).findings == ()
    next_day = {**plain, day_name(2): recipe.lines(ours)}
    checked = check(next_day)
    assert (checked.findings, conventions(checked.files)) == ((), ["fresh", "carry", "v2"])
    del next_day[day_name(1)][-1]
    assert check(next_day).counts == {"tail_missing": 1}
    del next_day[day_name(1)]
    assert check(next_day).counts == {"tail_missing": 1}
