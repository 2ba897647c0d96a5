"""One physical line of an audit log, judged on its own: the slow reader, and the one that is right by definition.

What a line is depends on its neighbours too, but not here: `Line.flaw` is what is wrong with the bytes alone, and
`Line.kid` and `Line.follows` are what the hashes say.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from itertools import islice, product
from threading import Thread
from typing import Any, Literal

from llmwatch.audit.entry import CHAIN, LINK, METADATA, SIGNATURE, chain_hash, signed_bytes
from llmwatch.audit.keys import KeyRing

Order = Mapping[str, int]
"""Top-level key → its place among those of a file's records."""

RECIPE_KEYS = (
    *("id", "timestamp", "event_type", "user_id", "model", "prompt_hash", "response_hash", "prompt_tokens"),
    *("completion_tokens", "latency_ms", "status", "error_type", "metadata"),
)
RECIPE_ORDER: Order = {key: place for place, key in enumerate(RECIPE_KEYS)}

LINK_KEYS = ["v", "seq", "kid"]
"""Of every link, in this order; what else it says comes after."""

_MOST_ARRANGEMENTS = 16
_MOST_GLUED = 16
_HEX = re.compile(r"[0-9a-f]{64}")
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,300})")
_CUT = re.compile(r"[\\\w.+-]{0,9}")
"""What may stand where JSON breaks off: half a number, a literal or an escape."""
_NULLS = re.compile("\0*")

_SORTED = json.JSONEncoder(sort_keys=True, check_circular=False).encode
_UNSORTED = json.JSONEncoder(check_circular=False).encode
_DECODER = json.JSONDecoder()

Flaw = Literal["plain", "malformed", "torn_fragment", "reencoded", "duplicate_keys", "alt_canonical"]
"""What is wrong with a line by itself.

plain           a record with neither chain hash nor signature: there is nothing to verify
malformed       no record at all, or more than one
torn_fragment   the beginning of a record; a whole one may be glued to it (`Line.recovered`)
reencoded       a record, but not in the bytes that a writer gives it
duplicate_keys  the same, because a key is there twice in one object
alt_canonical   authentic, with keys that were numbers in the program that wrote it: nothing is wrong
"""


@dataclass(frozen=True, slots=True)
class Previous:
    """The last line of the file before, as the first line of a v2 file names it."""

    file: str
    sequence: int
    chain: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """The plain lines before the first v2 line, as that line sums them up."""

    files: int
    lines: int
    sha256: str
    last_chain: str
    verdict: str


@dataclass(frozen=True, slots=True)
class Link:
    """What our own writer adds to a line, `metadata._lw`: as true as the line that holds it."""

    sequence: int
    kid: str
    begins_file: bool = False
    """It says which file comes before, or that none does."""

    previous: Previous | None = None
    boot: str | None = None
    """Of the first line of a process."""

    adoption: Adoption | None = None
    file: str | None = None
    """The name of the file in which it is the first of our own; older writers did not say."""

    @property
    def simple(self) -> bool:
        """Nothing but a number and a key."""
        return not self.begins_file and self.boot is None and self.adoption is None and self.file is None


@dataclass(frozen=True, slots=True)
class Line:
    """What one physical line says, and what is wrong with it."""

    canonical: bytes | None = None
    """The bytes that were hashed, without chain hash and signature; None if it is no record."""

    chain: str | None = None
    """The stored chain hash; None if that is not 64 lower-case hex digits."""

    signature: str | None = None
    """The stored signature; None if that is not 64 lower-case hex digits."""

    kid: str | None = None
    """The key under which the signature is right; None: it is not authentic."""

    flaw: Flaw | None = None
    link: Link | None = None
    recovered: Line | None = None
    """A whole record, authentic if any key was given, behind a fragment on the same physical line."""

    others: tuple[bytes, ...] = ()
    """What may have been hashed instead of `canonical`, if keys were numbers once; empty where the signature tells."""

    def follows(self, previous: str) -> bool:
        """The stored chain hash is that of this record after `previous`; `""` stands for the start of a chain."""
        return self.linked(previous) is not None

    def linked(self, previous: str) -> Line | None:
        """Itself if it follows `previous`, as what was hashed then; None if it does not."""
        if self.chain is None or self.canonical is None:
            return None
        if chain_hash(previous, self.canonical) == self.chain:
            return self
        for canonical in self.others:
            if chain_hash(previous, canonical) == self.chain:
                return replace(self, canonical=canonical, others=(), flaw=self.flaw or "alt_canonical")
        return None


MALFORMED = Line(flaw="malformed")


def read_line(data: bytes, ring: KeyRing, order: Order = RECIPE_ORDER) -> Line:
    """What a physical line is, given without its newline; a carriage return is part of it. Never raises.

    `order` is that of the top-level keys in this file. An object in a chained line keeps the order in which its keys
    were written, so the hashes do not say whether that was changed; v2 lines have the recipe's order always.
    """
    try:
        return _read(data, ring, order)
    except RecursionError:
        return _read_alone(data, ring, order)


def _read_alone(data: bytes, ring: KeyRing, order: Order) -> Line:
    """In a thread of its own: how deep an object may be nested does not depend on how deep the caller is."""
    lines = []

    def read() -> None:
        with suppress(RecursionError):
            lines.append(_read(data, ring, order))

    thread = Thread(target=read)
    thread.start()
    thread.join()
    return lines[0] if lines else MALFORMED


def _read(data: bytes, ring: KeyRing, order: Order) -> Line:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return MALFORMED
    try:
        entry = json.loads(text)
    except ValueError:
        return _broken(text, ring, order)
    return _record(text, entry, ring, order) if isinstance(entry, dict) else MALFORMED


def _record(text: str, entry: dict[str, object], ring: KeyRing, order: Order) -> Line:
    flaw = _flaw(text, entry, order)
    chain, signature = _hex(entry.pop(CHAIN, None)), _hex(entry.pop(SIGNATURE, None))
    link = read_link(entry.get(METADATA))
    hashed = _SORTED(entry).encode()
    kid = None
    others: tuple[bytes, ...] = ()
    if chain and flaw != "plain":
        kid = _signer(_signed(entry, chain, hashed, _SORTED), signature, ring, link)
        if kid is None:
            arranged = _arrangements(entry)
            others = tuple(_UNSORTED(one).encode() for one in arranged)
            for one, canonical in zip(arranged, others, strict=True):
                if kid := _signer(_signed(one, chain, canonical, _UNSORTED), signature, ring, link):
                    hashed, others, flaw = canonical, (), flaw or "alt_canonical"
                    break
    return Line(hashed, chain, signature, kid, flaw, link, None, others)


def _flaw(text: str, entry: Mapping[str, object], order: Order) -> Flaw | None:
    keys = list(entry)
    tail = [key for key in (CHAIN, SIGNATURE) if key in entry]
    if not tail:
        return "plain"
    if _UNSORTED(entry) != text:
        return "duplicate_keys" if _has_duplicates(text) else "reencoded"
    metadata = entry.get(METADATA)
    if isinstance(metadata, dict) and read_link(metadata):
        if list(metadata)[-1] != LINK or list(metadata[LINK])[: len(LINK_KEYS)] != LINK_KEYS:
            return "reencoded"
        order = RECIPE_ORDER
    return None if keys[-len(tail) :] == tail and in_order(keys, order) else "reencoded"


def in_order(keys: Iterable[str], order: Order) -> bool:
    """Whether keys come in this order; those it does not have may be anywhere."""
    ranks = [order[key] for key in keys if key in order]
    return ranks == sorted(ranks)


def _has_duplicates(text: str) -> bool:
    found = False

    def pairs(items: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal found
        result = dict(items)
        found |= len(result) != len(items)
        return result

    json.loads(text, object_pairs_hook=pairs)
    return found


def _signed(entry: dict[str, object], chain: str, hashed: bytes, encode: Callable[[object], str]) -> bytes:
    if all(key > CHAIN for key in entry):
        return signed_bytes(chain, hashed)
    complete = {**entry, CHAIN: chain}
    return encode({key: complete[key] for key in sorted(complete)}).encode()


def _signer(data: bytes, signature: str | None, ring: KeyRing, link: Link | None) -> str | None:
    """The key that signed; the one that a line names first, for it is nearly always the one."""
    if signature is None:
        return None
    named = ring.named(link.kid) if link else None
    if named and named.sign(data) == signature:
        return named.kid
    return next((secret.kid for secret in ring.secrets if secret.sign(data) == signature), None)


def _hex(value: object) -> str | None:
    return value if isinstance(value, str) and _HEX.fullmatch(value) else None


def _arrangements(entry: dict[str, object]) -> list[dict[str, object]]:
    """The entry in the orders its keys may have been sorted in, were they not text in the program that wrote it."""
    objects: list[dict[str, object]] = []
    try:
        _objects(list(entry.values()), objects)
        choices = [(id(one), [sorted(one), *found]) for one in objects if (found := _orders(one))]
        combinations = product(*(found for _, found in choices))
        ids = [one for one, _ in choices]
        return [
            _arranged(entry, dict(zip(ids, chosen, strict=True)))
            for chosen in islice(combinations, 1, _MOST_ARRANGEMENTS)
        ]
    except RecursionError:
        return []


def _objects(values: Iterable[object], found: list[dict[str, object]]) -> None:
    for value in values:
        if isinstance(value, dict):
            found.append(value)
            _objects(value.values(), found)
        elif isinstance(value, list):
            _objects(value, found)


def _arranged(one: dict[str, object], orders: Mapping[int, list[str]]) -> dict[str, object]:
    return {key: _inner(one[key], orders) for key in orders.get(id(one)) or sorted(one)}


def _inner(value: object, orders: Mapping[int, list[str]]) -> object:
    if isinstance(value, dict):
        return _arranged(value, orders)
    return [_inner(one, orders) for one in value] if isinstance(value, list) else value


def _orders(one: dict[str, object]) -> list[list[str]]:
    """How the keys may have been sorted other than as text: as numbers, or in halves of surrogate pairs."""
    orders = []
    numbers = {key: _number(key) for key in one}
    if None not in numbers.values():
        orders.append(sorted(one, key=lambda key: numbers[key] or 0))
    if any(key > "\uffff" for text in one for key in text):
        orders.append(sorted(one, key=lambda key: key.encode("utf-16-be", "surrogatepass")))
    return [order for order in orders if order != sorted(one)]


def _number(key: str) -> float | None:
    if key in ("true", "false"):
        return key == "true"
    if _INTEGER.fullmatch(key):
        return int(key)
    try:
        value = float(key)
    except ValueError:
        return None
    return value if json.dumps(value) == key and value == value else None  # noqa: PLR0124 (not a NaN)


def read_link(metadata: object) -> Link | None:
    """What our own writer added to an entry's metadata; None if it did not, or not so."""
    value = metadata.get(LINK) if isinstance(metadata, dict) else None
    if not isinstance(value, dict):
        return None
    try:
        _of_type(value, v=int, seq=int, kid=str)
        boot, file = value.get("boot"), value.get("file")
        if value["v"] != 1 or value["seq"] < 0 or not isinstance(boot, str | None):
            return None
        if not isinstance(file, str | None):
            return None
        return Link(
            value["seq"],
            value["kid"],
            "prev" in value,
            _previous(value.get("prev")),
            boot,
            _adoption(value["adopt"]) if "adopt" in value else None,
            file,
        )
    except (KeyError, TypeError):
        return None


def read_simple_link(metadata: object) -> Link | None:
    """The link of a line that says nothing but its number and its key, in the words of our own writer."""
    link = read_link(metadata)
    if link is None or not isinstance(metadata, dict) or list(metadata[LINK]) != LINK_KEYS:
        return None
    return link if list(metadata)[-1] == LINK else None


def _previous(value: object) -> Previous | None:
    if value is None:
        return None
    fields = _of_type(value, file=str, seq=int, chain=str)
    return Previous(fields["file"], fields["seq"], fields["chain"])


def _adoption(value: object) -> Adoption:
    fields = _of_type(value, files=int, lines=int, sha256=str, last_chain=str, verdict=str)
    return Adoption(**{key: fields[key] for key in ("files", "lines", "sha256", "last_chain", "verdict")})


def _of_type(value: object, **types: type) -> dict[str, Any]:
    """The object. Raises TypeError or KeyError if it is none, or lacks a field; true is no number."""
    if not isinstance(value, dict) or any(type(value[key]) is not wanted for key, wanted in types.items()):
        raise TypeError
    return value


def _broken(text: str, ring: KeyRing, order: Order) -> Line:
    """Text that is no JSON: the beginning of a record, perhaps with a whole one glued to it, or anything."""
    head = f'{{"{next(iter(order), "id")}": '
    start = len(text)
    for _ in range(_MOST_GLUED):
        start = text.rfind(head, 0, start)
        if start <= 0:
            break
        try:
            entry = json.loads(text[start:])
        except ValueError:
            continue
        record = _record(text[start:], entry, ring, order)
        whole = record.kid is not None or not ring.secrets
        if whole and record.chain and record.signature and _are_beginnings(text[:start], head[:-2]):
            return Line(flaw="torn_fragment", recovered=record)
    return Line(flaw="torn_fragment") if _are_beginnings(text, head[:-2]) else MALFORMED


def _are_beginnings(text: str, head: str) -> bool:
    """Whether it is a record cut short, or several: each crash leaves one, and what is written next is glued to it.

    A beginning that is cut shorter is one too. So the next may begin anywhere up to where those before it can reach,
    and mostly begins right there.
    """
    first = len(text) - len(text.lstrip("\0"))
    if not text.startswith("{", first):
        return False
    reach = _reach(text, first, "{")
    start = reach + 1
    for _ in range(_MOST_GLUED):
        if reach == len(text):
            return True
        start = text.rfind("{", first + 1, start)
        if start < 0:
            return False
        further = _reach(text, start, head)
        if further > reach:
            reach, start = further, further + 1
    return reach == len(text)


def _reach(text: str, start: int, head: str) -> int:
    """How far at most the beginning of a record goes that begins there, and the NULs behind it.

    A file system may leave those where bytes were promised and never came.
    """
    size = next((size for size in range(len(head)) if not text.startswith(head[: size + 1], start)), None)
    end = _parsed(text, start) if size is None else start + size
    nulls = _NULLS.match(text, end)
    return nulls.end() if nulls else end


def _parsed(text: str, start: int) -> int:
    """How far an object goes that lacks its end."""
    try:
        return _DECODER.raw_decode(text, start)[1] - 1
    except json.JSONDecodeError as error:
        cut = _CUT.match(text, error.pos)
        return len(text) if "Unterminated string" in error.msg or cut is None else cut.end()
    except ValueError:
        return start
