"""The fast reader takes nothing that the slow one would not, and takes what programs write."""

from __future__ import annotations

import json
import os
import random
import time

import pytest

from llmwatch.audit.lines import fast
from llmwatch.audit.lines.fast import FastReader, Place
from llmwatch.audit.lines.line import Link, read_line
from tests.audit import mutants, recipe
from tests.audit.mutants import RING


@pytest.fixture(autouse=True)
def _eager(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fast, "PATIENCE", 1)


_SEEDS = int(os.environ.get("LLMWATCH_FUZZ", "30"))


def test_what_the_fast_reader_takes_the_slow_one_takes_with_the_same_canonical_bytes() -> None:
    total = sum((mutants.compare(seed, 700) for seed in range(_SEEDS)), mutants.Outcome())
    assert total.disagreements == ()
    assert total.accepted > total.cases / 20
    assert total.changed > total.cases / 200


def _run(text: str, sequence: int | None, learned: bytes) -> Place:
    reader = FastReader(RING)
    reader.learn(learned)
    place = Place(0, "", sequence)
    kids = reader.run(text, place, signed=True)
    assert sum(kids.values()) == place.lines
    return place


@pytest.mark.parametrize("numbered", [False, True])
def test_a_whole_honest_log_is_read_fast_from_one_line_learned(numbered: bool) -> None:
    entries = recipe.entries(500, seed=3)
    written = recipe.lines(recipe.v2(entries, first=7) if numbered else entries)
    place = _run(b"".join(written).decode(), 7 if numbered else None, written[0][:-1])
    assert place.lines == 500
    assert place.sequence == (507 if numbered else None)
    assert place.chain == recipe.chain_of(written[-1])


def test_metadata_of_any_shape_is_read_fast() -> None:
    chance = random.Random(5)
    entries = [{**entry, "metadata": _metadata(chance)} for entry in recipe.entries(300)]
    written = recipe.lines(entries)
    assert _run(b"".join(written).decode(), None, written[0][:-1]).lines == 300


def _metadata(chance: random.Random) -> dict[str, object]:
    keys = chance.sample("zyxwvutsrqponmlkjihgfedcba", chance.randrange(1, 8))
    return {
        key: chance.choice((1, 2.5, "text", None, True, [1, {"z": 0, "a": 1}], {"z": 1, "b": {}}))
        for key in keys
    }


def test_a_run_ends_where_numbers_do_not_go_on() -> None:
    entries = list(recipe.v2(recipe.entries(6)))
    entries[3]["metadata"]["_lw"]["seq"] = 8
    written = recipe.lines(entries)
    assert _run(b"".join(written).decode(), 0, written[0][:-1]).lines == 3


def test_signatures_of_several_keys_are_counted_apart() -> None:
    entries = list(recipe.entries(9))
    first = recipe.lines(entries[:4], "another")
    written = first + recipe.lines(entries[4:], previous=recipe.chain_of(first[-1]))
    reader = FastReader(RING)
    reader.learn(written[0][:-1])
    other, known = (secret.kid for secret in RING.secrets)
    assert reader.run(b"".join(written).decode(), Place(0, "", None), signed=True) == {other: 4, known: 5}


def test_a_line_without_its_newline_is_not_taken() -> None:
    written = recipe.lines(recipe.entries(2))
    assert _run(b"".join(written).decode()[:-1], None, written[0][:-1]).lines == 1


def test_metadata_that_nearly_matches_again_and_again_costs_no_more_than_its_length() -> None:
    """Pieces that look like the end of a line make the pattern step back; each byte must be stepped over once."""
    trap = '"}, "chain_hash": "' + "0" * 64 + '", "signature": "' + "0" * 64
    entries = [{**entry, "metadata": {"b": trap * 3, "a": 1}} for entry in recipe.entries(3)]
    line = recipe.lines(entries)[0][:-1]
    reader = FastReader(RING)
    reader.learn(line)
    hostile = (
        line.replace(b'"metadata": {', b'"metadata": {' + b'{"a": "}, \\"chain_hash\\": ' * 20_000) + b"\n"
    )
    began = time.process_time()
    place = Place(0, "", None)
    reader.run(hostile.decode(), place, signed=True)
    assert place.lines == 0
    assert time.process_time() - began < 1


def test_lines_with_no_layout_are_left_to_the_slow_reader() -> None:
    entry = {**next(recipe.entries(1)), **{f"key{number}": number for number in range(500)}}
    line = json.dumps(recipe.sign(entry)).encode()
    assert read_line(line, RING).kid
    assert _run(line.decode() + "\n", None, line).lines == 0


def test_metadata_nested_as_deep_as_can_be_is_no_trouble_to_learn() -> None:
    value: object = {"b": 1, "a": 1}
    for _ in range(450):
        value = {"b": value, "a": 1}
    written = recipe.lines({**entry, "metadata": {"v": value}} for entry in recipe.entries(3))
    assert _run(b"".join(written).decode(), None, recipe.lines(recipe.entries(1))[0][:-1]).lines == 3


def test_the_number_of_a_line_is_that_of_its_own_metadata() -> None:
    link = {"v": 1, "seq": 5, "kid": "1a2b3c4d"}
    entry = {**next(recipe.entries(1)), "zone": {"metadata": {"_lw": link}}}
    entry["metadata"] = {"_lw": {**link, "seq": 6}}
    line = recipe.lines([entry])[0]
    assert read_line(line[:-1], RING).link == Link(6, "1a2b3c4d")
    assert _run(line.decode(), 6, line[:-1]).lines == 1
    assert _run(line.decode(), 5, line[:-1]).lines == 0
