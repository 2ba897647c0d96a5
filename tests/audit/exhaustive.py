"""A small v2 log, and all that may happen to its bytes: every bit, every length, any sequence of changes."""

from __future__ import annotations

import random

from tests.audit.chained import Files, check, day_name, log
from tests.audit.mutations import is_cut, mutate, split_lines

NAME = day_name(0)
SMALL = log("v2", 3)
DATA = b"".join(SMALL[NAME])
BASE = log("v2", 5, 6, 4)


def line_of(offset: int) -> int:
    """The number of the line that a byte of the small log is in."""
    return DATA[:offset].count(b"\n") + 1


def flipped(bit: int) -> str | None:
    """What is wrong with how a flipped bit is reported; None if nothing is."""
    data = bytearray(DATA)
    data[bit // 8] ^= 1 << bit % 8
    checked = check({NAME: [bytes(data)]})
    line = line_of(bit // 8)
    expected = {line, line + 1} if DATA[bit // 8] == ord("\n") else {line}
    if bit // 8 == len(DATA) - 1:
        ends_torn = {("warn", "torn_tail"), ("warn", "missing_newline"), ("tampered", "reencoded")}
        ends_torn |= {("tampered", name) for name in ("edited", "bad_signature", "malformed")}
        names = {(checked.verdict, one.name) for one in checked.findings}
        return None if names and names <= ends_torn else f"bit {bit}: {checked.findings}"
    first = checked.first_bad
    if checked.verdict == "tampered" and first and first[1] in expected:
        return None
    return f"bit {bit}, line {line}: {checked.verdict}, {checked.findings}"


def cut(length: int) -> str | None:
    """What is wrong with how a file that was cut off is reported: at the end of a line nothing can be."""
    checked = check({NAME: [DATA[:length]]})
    data = DATA[:length]
    line = line_of(max(0, length - 1))
    if not data:
        seen = ("unverifiable", {"empty": 1})
    elif data.endswith(b"\n"):
        seen = ("ok", {})
    elif DATA[length : length + 1] == b"\n":
        seen = ("warn", {"missing_newline": 1})
    else:
        seen = ("unverifiable" if line == 1 else "warn", {"torn_tail": 1})
    found = (checked.verdict, checked.counts)
    return None if found == seen else f"{length} bytes: {found}, not {seen}"


def changed(seed: int) -> str | None:
    """What is wrong with the verdict on a log after one to six changes.

    It is ok only if all bytes are as they were; or if the log ends earlier, which without checkpoints nobody can tell.
    """
    chance = random.Random(seed)
    files: Files = mutate(BASE, chance, chance.randrange(1, 7))
    checked = check(files)
    if (checked.verdict == "ok") != is_cut(split_lines(files), BASE):
        return f"seed {seed}: {checked.verdict}, {checked.findings}"
    gaps = {"restart", "interleaved_writers", "deleted", "head_unlinked", "tail_missing"}
    of_lines = [
        (one.file, line)
        for one in checked.findings
        if one.line and one.name not in gaps
        for line in range(one.line, (one.line_to or one.line) + 1)
    ]
    if len(of_lines) != len(set(of_lines)) or len(of_lines) != sum(
        one.count for one in checked.findings if one.line and one.name not in gaps
    ):
        return f"seed {seed}: a line has two classes, or a count is wrong: {checked.findings}"
    return None
