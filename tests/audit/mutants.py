"""Lines as programs write them, lines as someone may have changed them, and what two readers say of them."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import dataclass

from llmwatch.audit.entry import Secret
from llmwatch.audit.keys import KeyRing
from llmwatch.audit.lines.fast import FastReader, Place
from llmwatch.audit.lines.line import RECIPE_ORDER, Order, read_line
from tests.audit import recipe

SECRET = Secret(recipe.SECRET.encode())
RING = KeyRing((Secret(b"another"), SECRET))

_TAIL = re.compile(rb', "chain_hash": "[0-9a-f]{64}", "signature": "[0-9a-f]{64}"\}$')
_NUMBERS = (
    b"1e2",
    b"100.00",
    b"01",
    b"-0",
    b"+1",
    b"1E5",
    b".5",
    b"5.",
    b"0x1",
    b"1_0",
    b"NaN",
    b"-Infinity",
    b"-1",
)
_TOKENS = (
    b"null",
    b"true",
    b"false",
    b"{}",
    b"[]",
    b'""',
    b'"x"',
    b"0.1",
    b"1e-05",
    b"0.00001",
    b"1e400",
    b"9" * 30,
)
_BYTES = (
    b"\r",
    b"\t",
    b" ",
    b"\0",
    b"\x7f",
    b"\xc3\xa9",
    b"\xff",
    b'"',
    b"\\",
    b"\\/",
    b"\\u0041",
    b"\\u00E9",
    b"{",
    b"}",
)


@dataclass(frozen=True)
class Outcome:
    """What became of some lines."""

    cases: int = 0
    accepted: int = 0
    changed: int = 0
    """Accepted though they are not as they were written: with other values, signed again."""

    disagreements: tuple[bytes, ...] = ()

    def __add__(self, other: Outcome) -> Outcome:
        return Outcome(
            self.cases + other.cases,
            self.accepted + other.accepted,
            self.changed + other.changed,
            self.disagreements + other.disagreements,
        )


def compare(seed: int, cases: int = 400) -> Outcome:
    """One program's lines and what may be made of them, read both ways. `fast.PATIENCE` should be 1."""
    chance = random.Random(seed)
    program = Program(chance)
    reader = FastReader(RING)
    honest = [program.line() for _ in range(20)]
    for line in honest:
        if read_line(line, RING, program.order).flaw is None:
            reader.learn(line)
            reader.run(_text(line), Place(0, "", _number(line)), signed=True)
    accepted = changed = 0
    disagreements = []
    for case in range(cases):
        written = line = chance.choice(honest) if case % 4 else program.line()
        for _ in range(chance.choice((0, 1, 1, 1, 2, 3))):
            line = chance.choice(_MUTATIONS)(line, chance)
        if chance.random() < 0.5:
            line = sign_again(line)
        line = line.replace(b"\n", b" ")
        taken = agreed(reader, line, program.order)
        accepted += taken is True
        changed += taken is True and line != written
        if taken is None:
            disagreements.append(line)
    return Outcome(cases, accepted, changed, tuple(disagreements))


def agreed(reader: FastReader, line: bytes, order: Order) -> bool | None:
    """Whether the fast reader takes the line; None if it does and should not."""
    slow = read_line(line, RING, order)
    sequence = slow.link.sequence if slow.link else None
    text = _text(line)
    for layout in reader._layouts:
        for match in layout.matches(text, 0):
            canonical = layout.canonical(match, sequence)
            hashes = slow.chain and slow.signature
            judged = canonical is not None and hashes and slow.flaw != "alt_canonical"
            if judged and (slow.flaw or slow.canonical != str(canonical).encode()):
                return None
    taken = False
    for signed, expected in ((True, slow.kid is not None), (False, slow.kid is None), (None, True)):
        place = Place(0, "", sequence)
        kids = reader.run(text, place, signed)
        if place.lines:
            after = Place(len(text), slow.chain or "", None if sequence is None else sequence + 1, 1)
            right = expected and slow.flaw is None and slow.follows("") and place == after
            if not right or dict(kids) != ({slow.kid: 1} if signed else {}):
                return None
            taken = True
    return taken


def sign_again(line: bytes) -> bytes:
    """With the hashes that the recipe would give the values; as it is if it is no record with hashes at its end."""
    try:
        entry = json.loads(line)
        del entry["chain_hash"], entry["signature"]
        signed = recipe.sign(entry)
    except (ValueError, RecursionError, KeyError, TypeError):
        return line
    tail = json.dumps({key: signed[key] for key in ("chain_hash", "signature")})
    return _TAIL.sub(b", " + tail[1:].encode(), line)


class Program:
    """Someone's way to write entries: the recipe's, or the recipe changed a little."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        self._entries = recipe.entries(10**9, chance.getrandbits(32))
        self._own = chance.random() < 0.3
        self._extra = (
            {chance.choice(("cost", "zone", "tags", "app")): recipe.odd_metadata(chance, 1)}
            if self._own
            else {}
        )
        self._shuffled = chance.random() < 0.2
        self._numbered = not self._shuffled and chance.random() < 0.5
        self._metadata = chance.choice((self._steady, self._varying, lambda: recipe.odd_metadata(chance)))
        keys = [*RECIPE_ORDER, *self._extra]
        self._keys = chance.sample(keys, len(keys)) if self._shuffled else keys
        self.order: Order = (
            {key: place for place, key in enumerate(self._keys)} if self._shuffled else RECIPE_ORDER
        )

    def line(self) -> bytes:
        """The next line, without its newline, as the first of a chain."""
        entry = {**next(self._entries), **self._extra, "metadata": self._metadata()}
        entry = {key: entry[key] for key in self._keys}
        if self._numbered:
            entry = next(recipe.v2([entry], self._chance.randrange(10**6)))
        try:
            signed = recipe.sign(entry)
        except TypeError:  # keys that cannot be compared; nobody writes that
            return self.line()
        return json.dumps(signed).encode()

    def _steady(self) -> object:
        chance = self._chance
        return {
            "session_id": f"s-{chance.getrandbits(32):08x}",
            "feature": chance.choice(("chat", "a\\b", "é")),
            "cost": chance.random(),
        }

    def _varying(self) -> object:
        chance = self._chance
        keys = chance.sample(("session_id", "feature", "n", "ok", "Team", "at"), chance.randrange(6))
        return {key: chance.choice(("x", 1, 1.5, True, None, {"b": 1, "a": [1, "x"]})) for key in keys}


def _text(line: bytes) -> str:
    return line.decode("latin-1") + "\n"


def _number(line: bytes) -> int | None:
    link = read_line(line, RING).link
    return link.sequence if link else None


def _byte(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line) + 1)
    return line[:at] + bytes([chance.randrange(256)]) + line[at + 1 :]


def _insert(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line) + 1)
    return line[:at] + chance.choice(_BYTES) + line[at:]


def _delete(line: bytes, chance: random.Random) -> bytes:
    at = chance.randrange(len(line) + 1)
    return line[:at] + line[at + chance.choice((1, 1, 2, 10)) :]


def _replaced(
    line: bytes, pattern: re.Pattern[bytes], new: Callable[[bytes], bytes], chance: random.Random
) -> bytes:
    found = list(pattern.finditer(line))
    if not found:
        return line
    one = chance.choice(found)
    return line[: one.start()] + new(one[0]) + line[one.end() :]


def _token(line: bytes, chance: random.Random) -> bytes:
    value = rb"(?<=: )(?:[0-9.e+-]+|null|true|false|\"[^\"]*\")"
    return _replaced(line, re.compile(value), lambda _: chance.choice(_TOKENS + _NUMBERS), chance)


def _number_again(line: bytes, chance: random.Random) -> bytes:
    spellings = (
        lambda token: token + b"0",
        lambda token: b"0" + token,
        lambda token: token + b".0",
        lambda token: token + b"e0",
        lambda token: b"%.3e" % float(token),
        lambda token: repr(float(token)).encode(),
        lambda token: token.replace(b".", b""),
        lambda token: b"-" + token,
    )
    return _replaced(line, re.compile(rb"(?<=: )-?\d+(?:\.\d+)?(?=[,}])"), chance.choice(spellings), chance)


def _escape(line: bytes, chance: random.Random) -> bytes:
    return _replaced(line, re.compile(rb"[a-z/0-9]"), lambda token: b"\\u%04x" % token[0], chance)


def _space(line: bytes, chance: random.Random) -> bytes:
    new = chance.choice((b"", b"  ", b",", b"\t", b"\r", b" ,"))
    return _replaced(line, re.compile(rb"(?<=[:,]) "), lambda _: new, chance)


def _pairs(line: bytes, chance: random.Random, change: Callable[[list[bytes]], list[bytes]]) -> bytes:
    """Change the list of what stands between `, "`: pairs, mostly."""
    return b', "'.join(change(line.split(b', "')))


def _reorder(line: bytes, chance: random.Random) -> bytes:
    def swap(pairs: list[bytes]) -> list[bytes]:
        one, other = chance.randrange(len(pairs)), chance.randrange(len(pairs))
        pairs[one], pairs[other] = pairs[other], pairs[one]
        return pairs

    return _pairs(line, chance, swap)


def _repeat(line: bytes, chance: random.Random) -> bytes:
    def again(pairs: list[bytes]) -> list[bytes]:
        pairs.insert(chance.randrange(1, len(pairs) + 1), chance.choice(pairs[1:] or pairs))
        return pairs

    return _pairs(line, chance, again)


def _drop(line: bytes, chance: random.Random) -> bytes:
    def less(pairs: list[bytes]) -> list[bytes]:
        del pairs[chance.randrange(len(pairs))]
        return pairs

    return _pairs(line, chance, less)


def _again(line: bytes, chance: random.Random) -> bytes:
    """Written by another program, with the same values."""
    try:
        entry = json.loads(line)
        return chance.choice(
            (
                lambda: json.dumps(entry, sort_keys=True),
                lambda: json.dumps(entry, separators=(",", ":")),
                lambda: json.dumps(entry, ensure_ascii=False),
                lambda: json.dumps(dict(reversed(entry.items()))),
                lambda: json.dumps(entry, indent=1),
            )
        )().encode("utf-8", "surrogatepass")
    except (ValueError, RecursionError, AttributeError):
        return line


def _glue(line: bytes, chance: random.Random) -> bytes:
    return chance.choice(
        (line + line, line[: chance.randrange(len(line) + 1)] + line, line + b" ", b" " + line, line + b"\r")
    )


_MUTATIONS: tuple[Callable[[bytes, random.Random], bytes], ...] = (
    *(_byte, _byte, _insert, _insert, _delete, _token, _token, _number_again, _number_again, _escape, _space),
    *(_reorder, _repeat, _drop, _again, _glue),
)
