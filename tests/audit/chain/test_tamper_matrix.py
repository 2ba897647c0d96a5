"""Every change to a log, in every format: what is said of it, where, and how often; and what nobody can see."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.audit import recipe
from tests.audit.chained import FORMATS, NO_KEYS, Files, check, day_name, edited, log, rechained

ONE, TWO, THREE = (day_name(number) for number in range(3))
LINES = (8, 10, 6)
"""Of the three days; most changes are made to the second."""

Place = tuple[str, int | None]


@dataclass(frozen=True)
class Seen:
    """What is said of a change, in one format."""

    verdict: str
    counts: dict[str, int]
    first: Place | None = None


def tampered(name: str, count: int, line: int | None, file: str = TWO) -> Seen:
    return Seen("tampered", {name: count}, (file, line))


UNSEEN = Seen("ok", {})


@dataclass(frozen=True)
class Row:
    """A change. `plain` holds for both conventions of the recipe, unless `carry` says otherwise."""

    name: str
    change: Callable[[Files], object]
    plain: Seen
    v2: Seen | None = None
    carry: Seen | None = None

    def seen(self, kind: str) -> Seen:
        if kind == "v2":
            return self.v2 or self.plain
        return self.carry or self.plain if kind == "carry" else self.plain


def put(number: int, change: Callable[[bytes], bytes]) -> Callable[[Files], object]:
    """Change one line of the second day."""
    return lambda files: files[TWO].__setitem__(number - 1, change(files[TWO][number - 1]))


def cut(first: int, last: int | None = None, file: str = TWO) -> Callable[[Files], object]:
    return lambda files: files[file].__delitem__(slice(first - 1, last or first))


def insert(
    number: int, line: Callable[[Files], bytes | list[bytes]], file: str = TWO
) -> Callable[[Files], object]:
    """Lines that stand from this number on afterwards."""

    def change(files: Files) -> None:
        new = line(files)
        files[file][number - 1 : number - 1] = [new] if isinstance(new, bytes) else new

    return change


def order(*numbers: int) -> Callable[[Files], object]:
    """The lines of the second day, by the numbers they had."""

    def change(files: Files) -> None:
        files[TWO][:] = [files[TWO][number - 1] for number in numbers]

    return change


def move(source: str, number: int, target: str, to: int) -> Callable[[Files], object]:
    return lambda files: files[target].insert(to - 1, files[source].pop(number - 1))


def chain(number: int) -> Callable[[Files], object]:
    """Change a line and make its chain hash anew."""

    def change(files: Files) -> None:
        before = recipe.chain_of(files[TWO][number - 2])
        files[TWO][number - 1] = rechained(files[TWO][number - 1], before)

    return change


def chain_to_the_end(number: int) -> Callable[[Files], object]:
    def change(files: Files) -> None:
        before = recipe.chain_of(files[TWO][number - 2])
        for index in range(number - 1, len(files[TWO])):
            value = "mallory" if index == number - 1 else "user-001"
            files[TWO][index] = rechained(files[TWO][index], before, value=value)
            before = recipe.chain_of(files[TWO][index])

    return change


def respell(old: bytes, new: bytes) -> Callable[[bytes], bytes]:
    def change(line: bytes) -> bytes:
        assert old in line
        return line.replace(old, new, 1)

    return change


def reverse_keys(line: bytes) -> bytes:
    return json.dumps(dict(reversed(json.loads(line).items()))).encode() + b"\n"


def respell_number(line: bytes) -> bytes:
    text = json.dumps(json.loads(line)["latency_ms"]).encode()
    return respell(b'"latency_ms": ' + text, b'"latency_ms": ' + text + b"0")(line)


def without_number(files: Files) -> bytes:
    """A plain line, rightly signed: the format had been given up, or the key was used elsewhere."""
    entry = next(recipe.entries(1, 99))
    return recipe.lines([entry], previous=recipe.chain_of(files[TWO][4]))[0]


def rewrite(files: Files) -> None:
    """Whoever has the key signs another past."""
    entries = [json.loads(line) for line in files[TWO]]
    for entry in entries:
        entry.pop("chain_hash"), entry.pop("signature")
        entry["user_id"] = "mallory"
    carries = check(files).files[TWO].convention == "carry"
    files[TWO][:] = recipe.lines(entries, previous=recipe.chain_of(files[ONE][-1]) if carries else None)


def rename(old: str, new: str) -> Callable[[Files], object]:
    return lambda files: files.__setitem__(new, files.pop(old))


def swap_files(files: Files) -> None:
    files[ONE], files[TWO] = files[TWO], files[ONE]


FORGED = b'{"id": "x", "user_id": "mallory"}\n'
RESPELLED = tampered("reencoded", 1, 5)
DAMAGED = tampered("malformed", 1, 5)

ROWS = (
    Row("nothing", lambda files: None, UNSEEN),
    # one line changed
    Row("edit", put(5, edited), tampered("edited", 1, 5)),
    Row("edit, first line", put(1, edited), tampered("edited", 1, 1)),
    Row("edit, last line", put(10, edited), tampered("edited", 1, 10)),
    Row("edit and chain", chain(5), tampered("edited", 1, 5)),
    Row("edit and chain, last line", chain(10), tampered("bad_signature", 1, 10)),
    Row(
        "edit and chain to the end of the file",
        chain_to_the_end(5),
        tampered("bad_signature", 6, 5),
    ),
    Row(
        "signature", put(5, lambda line: edited(line, "signature", "0" * 64)), tampered("bad_signature", 1, 5)
    ),
    Row(
        "no signature", put(5, lambda line: edited(line, "signature", None)), tampered("bad_signature", 1, 5)
    ),
    Row(
        "signature, last line",
        put(10, lambda line: edited(line, "signature", "0" * 64)),
        tampered("bad_signature", 1, 10),
    ),
    Row("chain hash", put(5, lambda line: edited(line, "chain_hash", "0" * 64)), tampered("edited", 1, 5)),
    Row(
        "chain hash, first line",
        put(1, lambda line: edited(line, "chain_hash", "0" * 64)),
        tampered("edited", 1, 1),
    ),
    Row(
        "chain hash, last line",
        put(10, lambda line: edited(line, "chain_hash", "0" * 64)),
        tampered("edited", 1, 10),
    ),
    Row(
        "chain hash of a number", put(5, lambda line: edited(line, "chain_hash", 5)), tampered("edited", 1, 5)
    ),
    Row(
        "edits next to each other",
        lambda files: [put(number, edited)(files) for number in (5, 6, 7)],
        tampered("edited", 3, 5),
    ),
    Row(
        "edits apart",
        lambda files: [put(number, edited)(files) for number in (3, 5, 9)],
        tampered("edited", 3, 3),
    ),
    # lines taken away
    Row("delete", cut(5), tampered("deleted", 1, 5)),
    Row(
        "delete several",
        cut(5, 7),
        tampered("deleted", 1, 5),
        v2=tampered("deleted", 3, 5),
    ),
    Row(
        "delete at two places",
        lambda files: (cut(8)(files), cut(3)(files)),
        tampered("deleted", 2, 3),
    ),
    Row(
        "delete the first line",
        cut(1),
        tampered("head_unlinked", 1, 1),
        v2=tampered("deleted", 1, 1),
    ),
    Row(
        "delete the first line of the log",
        cut(1, file=ONE),
        Seen("warn", {"head_unlinked": 1}),
        v2=tampered("deleted", 1, 1, ONE),
    ),
    Row(
        "delete the last line",
        cut(10),
        UNSEEN,
        carry=tampered("head_unlinked", 1, 1, THREE),
        v2=tampered("tail_missing", 1, 9),
    ),
    Row(
        "delete the last lines",
        cut(7, 10),
        UNSEEN,
        carry=tampered("head_unlinked", 1, 1, THREE),
        v2=tampered("tail_missing", 1, 6),
    ),
    Row("delete the last lines of the log", cut(4, 6, THREE), UNSEEN),
    Row(
        "delete all lines of a file",
        cut(1, 10),
        Seen("warn", {"empty": 1}),
        carry=Seen("tampered", {"empty": 1, "head_unlinked": 1}, (THREE, 1)),
        v2=Seen("tampered", {"empty": 1, "tail_missing": 1}, (TWO, None)),
    ),
    # lines put in
    Row("insert a forged line", insert(5, lambda files: FORGED), tampered("inserted", 1, 5)),
    Row("insert a forged copy", insert(5, lambda files: edited(files[TWO][3])), tampered("inserted", 1, 5)),
    Row(
        "insert a forged line that links",
        insert(5, lambda files: rechained(files[TWO][4], recipe.chain_of(files[TWO][3]))),
        tampered("inserted", 1, 5),
    ),
    Row(
        "insert several forged lines",
        insert(5, lambda files: [edited(files[TWO][number]) for number in (1, 7, 3)]),
        tampered("inserted", 3, 5),
    ),
    Row("insert before the first line", insert(1, lambda files: FORGED), tampered("inserted", 1, 1)),
    Row("insert garbage", insert(5, lambda files: b"\x00\xff garbage\n"), tampered("inserted", 1, 5)),
    Row("insert an empty object", insert(5, lambda files: b"{}\n"), tampered("inserted", 1, 5)),
    Row("insert a blank line", insert(5, lambda files: b"\n"), tampered("inserted", 1, 5)),
    Row("append a blank line", insert(11, lambda files: b"\n"), tampered("inserted", 1, 11)),
    Row(
        "append a forged line",
        insert(11, lambda files: FORGED),
        tampered("edited", 1, 11),
        carry=tampered("inserted", 1, 11),
        v2=tampered("inserted", 1, 11),
    ),
    Row("repeat a line", insert(6, lambda files: files[TWO][4]), tampered("duplicate", 1, 6)),
    Row("repeat the first line", insert(2, lambda files: files[TWO][0]), tampered("duplicate", 1, 2)),
    Row("repeat the last line", insert(11, lambda files: files[TWO][9]), tampered("duplicate", 1, 11)),
    Row("repeat a line further on", insert(9, lambda files: files[TWO][4]), tampered("duplicate", 1, 9)),
    Row("repeat a line further up", insert(3, lambda files: files[TWO][6]), tampered("duplicate", 1, 3)),
    Row("repeat a block", insert(8, lambda files: files[TWO][2:5]), tampered("duplicate", 3, 8)),
    Row("repeat a block at once", insert(6, lambda files: files[TWO][2:5]), tampered("duplicate", 3, 6)),
    Row("replay the first line", insert(6, lambda files: files[TWO][0]), tampered("duplicate", 1, 6)),
    Row("replay from an earlier file", insert(3, lambda files: files[ONE][6]), tampered("duplicate", 1, 3)),
    Row(
        "replay an earlier file's first line",
        insert(3, lambda files: files[ONE][0]),
        tampered("duplicate", 1, 3),
    ),
    Row("replay from a later file", insert(3, lambda files: files[THREE][4]), tampered("duplicate", 1, 3)),
    Row(
        "replay from another log of the same key",
        insert(3, lambda files: recipe.lines(recipe.entries(3, 77))[2]),
        tampered("inserted", 1, 3),
        v2=tampered("downgraded", 1, 3),
    ),
    # lines in another order
    Row("swap", order(1, 2, 3, 4, 6, 5, 7, 8, 9, 10), tampered("reordered", 1, 5)),
    Row("swap the first two", order(2, 1, 3, 4, 5, 6, 7, 8, 9, 10), tampered("reordered", 1, 1)),
    Row("swap the last two", order(1, 2, 3, 4, 5, 6, 7, 8, 10, 9), tampered("reordered", 1, 9)),
    Row("swap two that are apart", order(1, 2, 8, 4, 5, 6, 7, 3, 9, 10), tampered("reordered", 2, 3)),
    Row("move down", order(1, 2, 4, 5, 6, 7, 3, 8, 9, 10), tampered("reordered", 1, 7)),
    Row("move up", order(1, 2, 7, 3, 4, 5, 6, 8, 9, 10), tampered("reordered", 1, 3)),
    Row("rotate a block", order(1, 2, 6, 7, 8, 3, 4, 5, 9, 10), tampered("reordered", 3, 3)),
    Row("move a block down", order(1, 4, 5, 6, 7, 8, 2, 3, 9, 10), tampered("reordered", 2, 7)),
    Row("turn a block round", order(1, 2, 6, 5, 4, 3, 7, 8, 9, 10), tampered("reordered", 3, 3)),
    # across files
    Row("move into the file after", move(TWO, 5, THREE, 3), tampered("reordered", 1, 3, THREE)),
    Row("move into the file before", move(TWO, 5, ONE, 3), tampered("reordered", 1, 3, ONE)),
    Row(
        "move the first line to the end of the file before",
        move(TWO, 1, ONE, 9),
        Seen("warn", {"restart": 1}),
        carry=UNSEEN,
        v2=tampered("reordered", 1, 9, ONE),
    ),
    Row(
        "move the last line to the beginning of the file after",
        move(TWO, 10, THREE, 1),
        Seen("warn", {"restart": 1}),
        carry=UNSEEN,
        v2=tampered("reordered", 1, 1, THREE),
    ),
    Row(
        "delete a file",
        lambda files: files.pop(TWO),
        UNSEEN,
        carry=tampered("head_unlinked", 1, 1, THREE),
        v2=tampered("file_missing", 1, None),
    ),
    Row(
        "delete the first file",
        lambda files: files.pop(ONE),
        UNSEEN,
        carry=Seen("warn", {"head_unlinked": 1}),
        v2=tampered("file_missing", 1, None, ONE),
    ),
    Row("delete the last file", lambda files: files.pop(THREE), UNSEEN),
    Row(
        "rename a file past the next",
        rename(TWO, day_name(8)),
        UNSEEN,
        carry=tampered("file_renamed", 1, None, THREE),
        v2=tampered("file_renamed", 1, None, day_name(8)),
    ),
    Row(
        "rename a file in its place",
        rename(TWO, "audit_2026-03-02b.jsonl"),
        UNSEEN,
        v2=tampered("file_renamed", 1, None, "audit_2026-03-02b.jsonl"),
    ),
    Row("rename the last file", rename(THREE, day_name(8)), UNSEEN),
    Row(
        "rename the last file to the front",
        rename(THREE, "audit_2026-01-01.jsonl"),
        UNSEEN,
        carry=tampered("file_renamed", 1, None, "audit_2026-01-01.jsonl"),
        v2=tampered("file_renamed", 1, None, "audit_2026-01-01.jsonl"),
    ),
    Row(
        "swap two files",
        swap_files,
        UNSEEN,
        carry=tampered("file_renamed", 1, None),
        v2=Seen("tampered", {"file_renamed": 2}, (ONE, None)),
    ),
    Row(
        "copy a file",
        lambda files: files.__setitem__(day_name(8), list(files[TWO])),
        tampered("duplicate", 10, 1, day_name(8)),
    ),
    # other bytes of the same meaning
    Row("a number spelled otherwise", put(5, respell_number), RESPELLED),
    Row("a letter as an escape", put(5, respell(b'"user_id"', b'"\\u0075ser_id"')), RESPELLED),
    Row("a space less", put(5, respell(b'": ', b'":')), RESPELLED),
    Row("a space more", put(5, respell(b", ", b",  ")), RESPELLED),
    Row("a leading space", put(5, lambda line: b" " + line), RESPELLED),
    Row("a carriage return", put(5, respell(b"\n", b"\r\n")), RESPELLED),
    Row("keys in another order", put(5, reverse_keys), RESPELLED),
    Row(
        "a whole file with carriage returns",
        lambda files: [put(number, respell(b"\n", b"\r\n"))(files) for number in range(1, 11)],
        tampered("reencoded", 10, 1),
    ),
    Row(
        "a second user",
        put(5, respell(b'"user_id"', b'"user_id": "mallory", "user_id"')),
        tampered("duplicate_keys", 1, 5),
    ),
    Row(
        "a second chain hash",
        put(5, respell(b'"chain_hash"', b'"chain_hash": "0", "chain_hash"')),
        tampered("duplicate_keys", 1, 5),
    ),
    # bytes lost
    Row("half a line", put(5, lambda line: line[:300] + b"\n"), DAMAGED),
    Row("half a line and its newline", put(5, lambda line: line[:300]), DAMAGED),
    Row("NULs", put(5, lambda line: b"\0" * (len(line) - 1) + b"\n"), DAMAGED),
    Row("no UTF-8", put(5, respell(b"user", b"\xffser")), DAMAGED),
    Row("not an object", put(5, lambda line: b"[" + line[:-1] + b"]\n"), DAMAGED),
    Row("a newline", put(5, respell(b"\n", b"")), DAMAGED),
    Row(
        "half the last line",
        put(10, lambda line: line[:300]),
        Seen("warn", {"torn_tail": 1}),
        carry=tampered("torn_tail", 1, 10),
        v2=tampered("torn_tail", 1, 10),
    ),
    Row(
        "half the last line of the log",
        lambda files: files[THREE].__setitem__(5, files[THREE][5][:300]),
        Seen("warn", {"torn_tail": 1}),
    ),
    Row(
        "the last newline",
        put(10, respell(b"\n", b"")),
        Seen("warn", {"missing_newline": 1}),
        v2=tampered("missing_newline", 1, 10),
    ),
    Row(
        "the last newline of the log",
        lambda files: files[THREE].__setitem__(5, files[THREE][5][:-1]),
        Seen("warn", {"missing_newline": 1}),
    ),
    Row(
        "a fragment between two lines",
        insert(5, lambda files: files[TWO][7][:200] + b"\n"),
        Seen("warn", {"torn_fragment": 1}),
        v2=tampered("inserted", 1, 5),
    ),
    Row(
        "a fragment before a line",
        put(5, lambda line: b'{"id": "0", "timest' + line),
        Seen("warn", {"torn_fragment": 1}),
        v2=tampered("malformed", 1, 5),
    ),
    # with the key
    Row(
        "a plain line that links",
        insert(6, without_number),
        Seen("warn", {"interleaved_writers": 1}),
        v2=tampered("downgraded", 1, 6),
    ),
    Row(
        "a day written anew",
        rewrite,
        UNSEEN,
        carry=tampered("head_unlinked", 1, 1, THREE),
        v2=tampered("tail_missing", 1, 10),
    ),
)


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("row", [pytest.param(row, id=row.name) for row in ROWS])
def test_a_change_is_found_where_it_is_and_called_what_it_is(row: Row, kind: str, tmp_path: Path) -> None:
    files = log(kind, *LINES)
    row.change(files)
    checked = check(files, tmp_path)
    seen = row.seen(kind)
    assert (checked.verdict, checked.counts) == (seen.verdict, seen.counts), checked.findings
    first = checked.first_bad
    assert (first[:2] if first else None) == seen.first
    assert checked.lines == sum(len(b"".join(data).splitlines()) for data in files.values())


@pytest.mark.parametrize("kind", FORMATS)
@pytest.mark.parametrize("file", [0, 1, 2])
@pytest.mark.parametrize("right", [{2}, {3, 4, 5}, {5}, {4, 5}])
def test_a_signature_is_what_is_bad_where_only_that_was_changed(
    kind: str, file: int, right: set[int]
) -> None:
    """Also in the first line of a file that goes on from the one before. `right`: lines that are left alone."""
    files = log(kind, *LINES)
    lines = files[day_name(file)]
    changed = [number for number in range(len(lines)) if number not in right]
    for number in changed:
        lines[number] = edited(lines[number], "signature", "0" * 64)
    checked = check(files)
    assert checked.places == {"bad_signature": [number + 1 for number in changed]}


def test_an_edit_of_a_day_of_one_line_does_not_rename_the_day_before() -> None:
    files = log("v2", 1, 1, 1)
    files[TWO] = [edited(files[TWO][0])]
    checked = check(files)
    assert (checked.counts, checked.first_bad) == ({"edited": 1}, (TWO, 1, "edited"))


def test_a_copy_at_the_end_of_a_day_hides_no_line() -> None:
    files = log("v2", 3, 3)
    files[ONE].append(files[TWO][0])
    checked = check(files)
    assert (checked.counts, checked.first_bad) == ({"duplicate": 1}, (ONE, 4, "duplicate"))


def test_the_first_line_of_our_own_leaves_no_fragment_before_it() -> None:
    files = log("v2", 3, 3)
    files[ONE].insert(0, b'{"id": "ab\n')
    assert check(files).counts == {"inserted": 1}
    plain = log("fresh", 3)
    plain[ONE].insert(0, b'{"id": "ab\n')
    assert check(plain).counts == {"torn_fragment": 1}


SIGNATURES = {row.name for row in ROWS if row.name.startswith(("signature", "no signature"))}
"""Changes that only a key can see."""


@pytest.mark.parametrize("kind", FORMATS)
def test_without_the_key_the_chain_alone_shows_all_but_signatures_and_a_chain_that_was_made_anew(
    kind: str, tmp_path: Path
) -> None:
    for row in ROWS:
        files = log(kind, *LINES)
        row.change(files)
        checked = check(files, tmp_path, NO_KEYS)
        made_anew = kind == "fresh" and row.name in (
            "edit and chain, last line",
            "edit and chain to the end of the file",
        )
        if row.name in SIGNATURES or made_anew:
            assert (checked.verdict, checked.findings) == ("unverifiable", ()), row.name
        elif row.seen(kind).verdict == "tampered":
            assert checked.verdict == "tampered", row.name
        for path in tmp_path.iterdir():
            path.unlink()
