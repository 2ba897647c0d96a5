"""The recipe's own writer and verifier, in its own naive way: what others' code wrote, and what it thinks of a file.

Nothing here is taken from llmwatch, so that a test that compares the two compares two things.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import random
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

Entry = dict[str, Any]

SECRET = "correct horse battery staple"
MODELS = ("anthropic/claude-3.5-sonnet", "openai/gpt-4o-mini", "meta-llama/llama-3.1-70b-instruct")
BEGAN = datetime(2026, 2, 27, 9, 0, 0, 123456, UTC)


def sign(entry: Mapping[str, Any], secret: str = SECRET, previous: str | None = None) -> Entry:
    """The entry with its chain hash and its signature."""
    signed = dict(entry)
    digest = hashlib.sha256()
    if previous:
        digest.update(previous.encode())
    digest.update(json.dumps(entry, sort_keys=True).encode())
    signed["chain_hash"] = digest.hexdigest()
    message = json.dumps(signed, sort_keys=True).encode()
    signed["signature"] = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
    return signed


def lines(
    entries: Iterable[Mapping[str, Any]], secret: str = SECRET, previous: str | None = None
) -> list[bytes]:
    """A chain of entries, each line with its newline."""
    written = []
    for entry in entries:
        signed = sign(entry, secret, previous)
        previous = signed["chain_hash"]
        written.append(json.dumps(signed).encode() + b"\n")
    return written


def write(
    path: Path, entries: Iterable[Mapping[str, Any]], secret: str = SECRET, previous: str | None = None
) -> str | None:
    """Append entries to a file, as one process of the recipe would; returns the chain hash it goes on from."""
    chained = lines(entries, secret, previous)
    with path.open("ab") as file:
        file.writelines(chained)
    return chain_of(chained[-1]) if chained else previous


def verify(path: Path, secret: str = SECRET) -> bool:
    """The recipe's verifier: one file, one bit, and whatever exception a line raises."""
    previous = None
    with path.open() as file:
        for line in file:
            entry = json.loads(line)
            signature = entry.pop("signature")
            message = json.dumps(entry, sort_keys=True).encode()
            expected = hmac.new(secret.encode(), message, hashlib.sha256).hexdigest()
            if not hmac.compare_digest(signature, expected):
                return False
            chain = entry.pop("chain_hash")
            digest = hashlib.sha256()
            if previous:
                digest.update(previous.encode())
            digest.update(json.dumps(entry, sort_keys=True).encode())
            if chain != digest.hexdigest():
                return False
            previous = chain
    return True


def chain_of(line: bytes) -> str:
    """The stored chain hash of a line."""
    chain: str = json.loads(line)["chain_hash"]
    return chain


def entries(count: int, seed: int = 0, began: datetime = BEGAN) -> Iterator[Entry]:
    """Honest entries as a gateway makes them, one in twelve an error; the same for the same seed."""
    chance = random.Random(seed)
    for number in range(count):
        failed = chance.random() < 1 / 12
        answer = "" if failed else f"answer {chance.random()}"
        yield {
            "id": "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}".format(
                *map(chance.getrandbits, (32, 16, 12, 12, 48))
            ),
            "timestamp": stamp(began + timedelta(seconds=2 * number, microseconds=chance.randrange(999_999))),
            "event_type": "chat_completion",
            "user_id": f"user-{chance.randrange(40):03d}",
            "model": chance.choice(MODELS),
            "prompt_hash": sha256(f"prompt {chance.random()}"),
            "response_hash": sha256(answer),
            "prompt_tokens": 0 if failed else chance.randrange(1, 4000),
            "completion_tokens": 0 if failed else chance.randrange(1, 900),
            "latency_ms": chance.uniform(80, 9000),
            "status": "error" if failed else "success",
            "error_type": chance.choice(("RateLimitError", "TimeoutException")) if failed else None,
            "metadata": {
                "session_id": f"s-{chance.getrandbits(48):012x}",
                "feature": chance.choice(("chat", "search")),
            },
        }


def v2(
    entries: Iterable[Entry], first: int = 0, kid: str = "1a2b3c4d", extra: Mapping[str, Any] | None = None
) -> Iterator[Entry]:
    """Entries as our own writer numbers them; `extra` goes into the link of the first (`prev`, `boot`, `adopt`)."""
    for number, entry in enumerate(entries, first):
        link = {"v": 1, "seq": number, "kid": kid, **((extra or {}) if number == first else {})}
        yield {**entry, "metadata": {**(entry["metadata"] or {}), "_lw": link}}


def odd_metadata(chance: random.Random, depth: int = 3) -> Any:
    """Metadata that JSON can hold and people do not expect: an object, or nothing."""
    if depth == 3:
        return None if chance.random() < 0.1 else _object(chance, depth)
    return _value(chance, depth)


def stamp(moment: datetime) -> str:
    """As the recipe writes times: UTC, microseconds, `Z`."""
    return moment.isoformat(timespec="microseconds").replace("+00:00", "Z")


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


_TEXTS = (
    *("", "a", "chat", 'a "quoted" one', "back\\slash", "tab\tand\nnewline\r\b\f", "\0", "\x7f", "\x1f/"),
    *(
        "\u00e9t\u00e9",
        "\u2028",
        "\U0001f600",
        "\ud83d",
        "\udc00x",
        "\ue000",
        '{"id": "',
        '"}, "chain_hash": "',
    ),
    *(
        "true",
        "1",
        "-1",
        "10",
        "9",
        "1.5",
        "signature",
        "chain_hash",
        "_lw",
        ", ",
        '": ',
        "id",
        "metadata",
        "%s",
    ),
)
_NUMBERS = (
    *(
        0,
        1,
        -1,
        7,
        10**15,
        2**53 + 1,
        2**70,
        -(10**18),
        10**19,
        0.0,
        -0.0,
        0.1,
        0.1 + 0.2,
        1e16,
        1e15,
        1.5e300,
    ),
    *(1e-4, 1e-5, 123456789.123456, 812.3559951782227, 99999999999999.9, 5e-324, 1e22, 100.0, 1e100),
    *(float("inf"), float("-inf"), float("nan")),
)


def _value(chance: random.Random, depth: int) -> Any:
    kind = chance.randrange(8 if depth else 5)
    if kind < 2:
        return chance.choice(_TEXTS)
    if kind == 2:
        return chance.choice(_NUMBERS)
    if kind == 3:
        return chance.choice((None, True, False, chance.uniform(-1e4, 1e4), chance.randrange(-999, 99999)))
    if kind == 4:
        return "".join(
            chance.choice('abc "\\/\u00e9\U0001f600\x01,:{}[]') for _ in range(chance.randrange(12))
        )
    if kind == 5:
        return [_value(chance, depth - 1) for _ in range(chance.randrange(4))]
    return _object(chance, depth)


def _object(chance: random.Random, depth: int) -> dict[Any, Any]:
    size = chance.randrange(4)
    if chance.random() < 0.1:  # numbers for keys: Python sorts them as such, and writes them as text
        return {chance.choice((1, 2, 9, 10, 100, -3, 1.5, 20.25)): chance.randrange(9) for _ in range(size)}
    return {chance.choice(_TEXTS): _value(chance, depth - 1) for _ in range(size)}
