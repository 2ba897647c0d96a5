"""Lines that arrive, in whatever portions: the chain holds if and only if nobody changed it."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.live import PATIENCE_SECONDS, Chain, Chains
from tests.audit import recipe

RING = KeyRing((Secret(recipe.SECRET.encode()),))
NO_KEYS = KeyRing()
OTHER_KEY = KeyRing((Secret(b"another"),))
FILE = "/logs/audit_2026-02-27.jsonl"
STREAM = "/acme/audit/web/1"


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def lines(count: int = 12, **options: Any) -> list[bytes]:
    return recipe.lines(recipe.entries(count), **options)


def taken(
    portions: Sequence[Sequence[bytes]], ring: KeyRing = RING, source: str = FILE, *, patient: bool = False
) -> Chains:
    chains = Chains(ring, Clock())
    number = 1
    for portion in portions:
        chains.take(source, number, b"".join(portion), patient=patient)
        number += len(portion)
    return chains


def one(chains: Chains) -> Chain:
    return chains.all()[-1]


def first(chain: Chain) -> tuple[str, int | None]:
    return chain.breaks[0].finding.name, chain.breaks[0].finding.line


def edited(line: bytes) -> bytes:
    entry = json.loads(line)
    entry["user_id"] = "mallory"
    return json.dumps(entry).encode() + b"\n"


# Honest


@pytest.mark.parametrize("portion", [1, 5, 12])
@pytest.mark.parametrize("ring", [RING, NO_KEYS, OTHER_KEY])
def test_an_honest_file_is_never_accused(portion: int, ring: KeyRing) -> None:
    log = lines()
    chain = one(taken([log[at : at + portion] for at in range(0, len(log), portion)], ring))
    assert (chain.convention, chain.lines, chain.broken, chain.odd) == ("fresh", 12, 0, 0)
    assert chain.hmac_ok == (12 if ring is RING else 0)


def test_restarts_and_several_writers_are_no_breaks() -> None:
    writers = [lines(9), lines(8, secret=recipe.SECRET)[:8], recipe.lines(recipe.entries(5, seed=3))]
    chance = random.Random(5)
    mixed = []
    while any(writers):
        mixed.append(chance.choice([writer for writer in writers if writer]).pop(0))
    chain = one(taken([mixed[:7], mixed[7:]]))
    assert chain.broken == 0
    assert chain.odd > 2


def test_a_file_goes_on_from_the_day_before() -> None:
    yesterday = lines(4)
    today = recipe.lines(recipe.entries(3, seed=9), previous=recipe.chain_of(yesterday[-1]))
    chains = taken([yesterday])
    chains.take(FILE.replace("27", "28"), 1, b"".join(today))
    assert [(chain.convention, chain.broken) for chain in chains.all()] == [("fresh", 0), ("carry", 0)]


def test_what_begins_in_the_middle_is_unlinked_and_no_break() -> None:
    chain = one(taken([lines()[4:]]))
    assert (chain.convention, chain.broken) == ("unlinked", 0)


def test_our_own_lines_are_numbered() -> None:
    log = recipe.lines(recipe.v2(recipe.entries(6)))
    chain = one(taken([log[:2], log[2:]]))
    assert (chain.convention, chain.broken, chain.hmac_ok) == ("v2", 0, 6)


# Changed

CHANGES: dict[str, tuple[Callable[[list[bytes]], list[bytes]], str, int]] = {
    "edited": (lambda log: [*log[:4], edited(log[4]), *log[5:]], "edited", 5),
    "deleted": (lambda log: [*log[:4], *log[5:]], "deleted", 5),
    "moved": (lambda log: [*log[:4], log[6], *log[4:6], *log[7:]], "deleted", 5),
    "again": (lambda log: [*log[:6], log[3], *log[6:]], "deleted", 7),
    "inserted": (lambda log: [*log[:4], edited(log[9]), *log[4:]], "edited", 5),
    "no entry": (lambda log: [*log[:4], b"hello\n", *log[4:]], "malformed", 5),
    "re-spelled": (lambda log: [*log[:4], log[4].replace(b", ", b","), *log[5:]], "reencoded", 5),
    "signed by another": (
        lambda log: [
            *log[:4],
            *recipe.lines(list(recipe.entries(12))[4:5], "x", recipe.chain_of(log[3])),
            *log[5:],
        ],
        "bad_signature",
        5,
    ),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("portion", [1, 5, 13])
def test_a_change_is_found_at_its_line(change: str, portion: int) -> None:
    changing, name, line = CHANGES[change]
    log = changing(lines())
    chain = one(taken([log[at : at + portion] for at in range(0, len(log), portion)]))
    assert first(chain) == (name, line)
    assert [excerpt.line for excerpt in chain.breaks[0].around] == [line - 1, line, line + 1]


def test_a_break_tells_the_hash_that_was_expected_and_the_one_that_is_there() -> None:
    log = lines()
    finding = one(taken([[*log[:4], edited(log[4])]])).breaks[0].finding
    assert finding.field == "chain_hash"
    assert finding.actual == recipe.chain_of(log[4])
    changed = recipe.sign(
        {
            key: value
            for key, value in json.loads(edited(log[4])).items()
            if key not in ("chain_hash", "signature")
        },
        previous=recipe.chain_of(log[3]),
    )
    assert finding.expected == changed["chain_hash"]


def test_a_signature_that_should_be_there_is_told_to_nobody() -> None:
    log = lines()
    forged = json.loads(log[4])
    forged["signature"] = "0" * 64
    chain = one(taken([[*log[:4], json.dumps(forged).encode() + b"\n", *log[5:]]]))
    assert first(chain) == ("bad_signature", 5)
    assert chain.breaks[0].finding.expected is None


def test_without_a_key_the_links_are_checked() -> None:
    log = lines()
    assert first(one(taken([[*log[:4], edited(log[4]), *log[5:]]], NO_KEYS))) == ("edited", 5)


def test_one_break_is_one_break() -> None:
    log = lines()
    assert one(taken([[*log[:4], edited(log[4]), *log[5:]]])).broken == 1
    assert one(taken([[*log[:4], *log[5:]]])).broken == 1


def test_a_gap_in_the_numbers_is_found_where_the_chain_holds() -> None:
    entries = list(recipe.v2(recipe.entries(6)))
    chain = one(taken([recipe.lines([*entries[:3], *entries[4:]])]))
    finding = chain.breaks[0].finding
    assert (finding.name, finding.line, finding.expected, finding.actual) == ("deleted", 4, "3", "4")


# Files that shrink


def test_a_file_that_is_cut_off_is_found_although_its_chain_holds() -> None:
    log = lines()
    chains = taken([log])
    chains.take(FILE, 1, b"".join(log[:7]))
    assert chains.rest()
    assert first(one(chains)) == ("tail_missing", 7)
    assert one(chains).breaks[0].finding.count == 5


def test_a_file_that_is_written_anew_by_who_has_the_key_is_found() -> None:
    chains = taken([lines()])
    forged = recipe.lines(recipe.entries(20, seed=2))
    chains.take(FILE, 1, b"".join(forged))
    assert first(one(chains)) == ("file_twice_differs", 12)


def test_a_file_that_is_read_twice_is_no_break() -> None:
    log = lines()
    chains = taken([log[:8]])
    chains.take(FILE, 1, b"".join(log))
    assert not chains.rest()
    assert one(chains).broken == 0


# Log groups: the newest part comes first, and some events come late


def test_a_group_that_is_filled_backwards_is_no_break() -> None:
    log = lines(30)
    portions = [log[20:28], log[10:20], log[28:29], log[2:10], log[29:]]
    clock = Clock()
    chains = Chains(RING, clock)
    number = 1
    for portion in portions:
        chains.take(STREAM, number, b"".join(portion), patient=True)
        number += len(portion)
        clock.now += 10 * PATIENCE_SECONDS
        chains.rest(filling=True)
    assert not chains.rest()
    assert (one(chains).broken, one(chains).hmac_ok) == (0, 28)


def test_late_events_are_waited_for_and_missing_ones_are_found() -> None:
    log = lines(12)
    late, missing = [*log[:4], *log[5:8], log[4], *log[8:]], [*log[:4], *log[5:]]
    for portion, broken in ((late, 0), (missing, 1)):
        clock = Clock()
        chains = Chains(RING, clock)
        chains.take(STREAM, 1, b"".join(portion), patient=True)
        assert not chains.rest()
        clock.now = PATIENCE_SECONDS
        chains.rest()
        assert one(chains).broken == broken
