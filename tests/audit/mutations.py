"""Changes as someone makes them who can write files and has no key: one at random, and what may come of several."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from tests.audit import recipe
from tests.audit.chained import Files, edited, rechained

Mutation = Callable[[Files, random.Random], None]


def mutate(files: Files, chance: random.Random, count: int) -> Files:
    """A copy with so many changes; some may undo others, or change nothing."""
    changed = {name: list(lines) for name, lines in files.items()}
    for _ in range(count):
        with suppress(
            ValueError, LookupError, TypeError, AttributeError
        ):  # a line that is no record any more
            chance.choice(MUTATIONS)(changed, chance)
    return {name: [line for line in lines if line] for name, lines in changed.items()}


def is_cut(files: Files, original: Files) -> bool:
    """Whether nothing but whole lines at the very end is missing: that only checkpoints can tell.

    Nor does any line tell the name of the last file; its digest does.
    """
    left, whole = ([logs[name] for name in sorted(logs)] for logs in (files, original))
    names = [sorted(logs)[: len(left) - 1] for logs in (files, original)]
    *full, last = left or [[]]
    return (
        bool(last)
        and names[0] == names[1]
        and len(left) <= len(whole)
        and full == whole[: len(full)]
        and last == whole[len(full)][: len(last)]
    )


def split_lines(files: Files) -> Files:
    """The same with one physical line an item."""
    return {name: b"".join(lines).splitlines(keepends=True) for name, lines in files.items()}


def _pick(files: Files, chance: random.Random) -> tuple[list[bytes], int]:
    lines = files[chance.choice([name for name in files if files[name]])]
    return lines, chance.randrange(len(lines))


def _edit(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    key = chance.choice(list(json.loads(lines[index])))
    value = chance.choice(("mallory", 7, None, 1e2, {"a": 1}, "0" * 64))
    lines[index] = edited(lines[index], key, value)


def _edit_and_chain(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    previous = recipe.chain_of(lines[index - 1]) if index else None
    lines[index] = rechained(lines[index], previous, "model", f"m{chance.randrange(9)}")


def _rechain_suffix(files: Files, chance: random.Random) -> None:
    lines, start = _pick(files, chance)
    previous = recipe.chain_of(lines[start - 1]) if start else None
    for index in range(start, len(lines)):
        lines[index] = rechained(lines[index], previous, "model", "changed" if index == start else "same")
        previous = recipe.chain_of(lines[index])


def _number(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    entry: dict[str, Any] = json.loads(lines[index])
    entry["metadata"]["_lw"]["seq"] += chance.choice((-1, 1, 5, -(10**6)))
    lines[index] = json.dumps(entry).encode() + b"\n"


def _unnumber(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    entry: dict[str, Any] = json.loads(lines[index])
    del entry["metadata"]["_lw"]
    lines[index] = json.dumps(entry).encode() + b"\n"


def _byte(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    line = bytearray(lines[index])
    line[chance.randrange(len(line))] ^= 1 << chance.randrange(8)
    lines[index] = bytes(line)


def _delete(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    del lines[index : index + chance.choice((1, 1, 1, 2, 5))]


def _insert(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    source, at = _pick(files, chance)
    lines.insert(index, chance.choice((edited(source[at]), b"\n", b"{}\n", b"\0\0\n", b"garbage\n", b"[]\n")))


def _replay(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    source, at = _pick(files, chance)
    lines[index:index] = source[at : at + chance.choice((1, 1, 2, 4))]


def _replay_at_end(files: Files, chance: random.Random) -> None:
    lines, _ = _pick(files, chance)
    source, at = _pick(files, chance)
    lines.append(source[at])


def _swap(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    other, at = _pick(files, chance)
    lines[index], other[at] = other[at], lines[index]


def _move(files: Files, chance: random.Random) -> None:
    source, at = _pick(files, chance)
    block = source[at : at + chance.choice((1, 1, 2, 3))]
    del source[at : at + len(block)]
    lines = files[chance.choice(list(files))]
    index = chance.randrange(len(lines) + 1)
    lines[index:index] = block


def _respell(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    line = lines[index]
    lines[index] = chance.choice(
        (
            line.replace(b"\n", b"\r\n"),
            line.replace(b'": ', b'":', 1),
            line.replace(b", ", b" , ", 1),
            b" " + line,
            line.replace(b'"user_id"', b'"\\u0075ser_id"'),
            line.replace(b'"user_id"', b'"user_id": "mallory", "user_id"'),
            line.replace(b'"chain_hash"', b'"chain_hash": "0", "chain_hash"'),
            line.replace(b".", b".0", 1),
            json.dumps(dict(reversed(json.loads(line).items()))).encode() + b"\n",
        )
    )


def _tear(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    line = lines[index]
    lines[index] = line[: chance.randrange(len(line))] + chance.choice((b"", b"\n"))


def _join(files: Files, chance: random.Random) -> None:
    lines, index = _pick(files, chance)
    lines[index] = lines[index].rstrip(b"\n")


def _drop_file(files: Files, chance: random.Random) -> None:
    if chance.random() < 0.5:
        del files[chance.choice(list(files))]


def _swap_files(files: Files, chance: random.Random) -> None:
    one, other = chance.choice(list(files)), chance.choice(list(files))
    files[one], files[other] = files[other], files[one]


def _copy_file(files: Files, chance: random.Random) -> None:
    files[f"audit_2026-0{chance.randrange(1, 10)}-17.jsonl"] = list(files[chance.choice(list(files))])


MUTATIONS: tuple[Mutation, ...] = (
    *(_edit, _edit_and_chain, _rechain_suffix, _number, _unnumber, _byte, _delete, _insert, _replay),
    *(_replay_at_end, _swap, _move, _respell, _tear, _join, _drop_file, _swap_files, _copy_file),
)
