"""Entries on their way into the log: made, checked, and put into the bytes of a v2 line."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from hashlib import sha256
from json.encoder import encode_basestring_ascii
from math import isfinite
from secrets import token_hex
from typing import Any
from uuid import uuid4

from llmwatch.audit.entry import CHAIN, LINK, METADATA, SIGNATURE, Secret, chain_hash, signed_bytes
from llmwatch.audit.lines.line import RECIPE_ORDER
from llmwatch.audit.writing.refusal import EntryError

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry as JSON, as it is written and as it is hashed; each in two parts, between which its link goes."""

    head: str
    tail: str
    hashed_head: str
    hashed_tail: str


_SORTED = json.JSONEncoder(sort_keys=True, check_circular=False, allow_nan=False).encode
_UNSORTED = json.JSONEncoder(check_circular=False, allow_nan=False).encode
_RECIPE_KEYS = list(RECIPE_ORDER)
_PLACE = token_hex(16)
_LINK = f'"{LINK}": "{_PLACE}"'
"""Stands for the link until that is known; nothing else has it in it, for nobody can guess it."""
_BEFORE_CHAIN = f'{{"{CHAIN}": '


def entry(  # noqa: PLR0913 (the recipe's fields)
    *,
    user_id: str,
    model: str,
    prompt: str = "",
    response: str = "",
    prompt_tokens: int = 0,
    completion_tokens: int = 0,
    latency_ms: float = 0.0,
    status: str = "success",
    error_type: str | None = None,
    metadata: Mapping[str, object] | None = None,
    event_type: str = "chat_completion",
    at: datetime | None = None,
) -> Fields:
    """An entry with the recipe's fields; of the two texts only the hashes are kept.

    `at` is in any time zone, and now if it is not given. On errors the response is empty and the tokens are 0.
    """
    return {
        "id": str(uuid4()),
        "timestamp": timestamp(at or datetime.now(UTC)),
        "event_type": event_type,
        "user_id": user_id,
        "model": model,
        "prompt_hash": _text_hash(prompt),
        "response_hash": _text_hash(response),
        "prompt_tokens": prompt_tokens,
        "completion_tokens": completion_tokens,
        "latency_ms": latency_ms,
        "status": status,
        "error_type": error_type,
        "metadata": dict(metadata) if metadata is not None else None,
    }


def note(event_type: str, at: datetime, metadata: Fields) -> Prepared:
    """An entry of the writer about the log itself: no user, no model, no call."""
    return prepare(entry(user_id="", model="", event_type=event_type, at=at, metadata=metadata))


def timestamp(moment: datetime) -> str:
    """As the recipe writes times: UTC, microseconds, `Z`."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def _text_hash(text: str) -> str:
    return sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def prepare(given: Mapping[str, object]) -> Prepared:
    """An entry that is fit to be written, its keys in the recipe's order, its metadata an object.

    Raises:
        EntryError: JSON cannot hold it, or it uses a name that is the writer's.

    """
    fields = dict(given)
    metadata = fields.pop(METADATA, None)
    if metadata is None:
        metadata = {}
    elif not isinstance(metadata, Mapping):
        raise EntryError(f"metadata of an audit entry is {type(metadata).__name__}: make it an object")
    fields[METADATA] = None
    if list(fields) != _RECIPE_KEYS:
        fields = {key: fields[key] for key in sorted(fields, key=_place)}
    try:
        return _prepared(fields, dict(metadata))
    except (TypeError, ValueError, RecursionError) as error:
        raise EntryError(
            f"an audit entry holds what JSON cannot ({error}): use text, finite numbers, true, false, null, lists "
            "and objects"
        ) from error


def _prepared(fields: Fields, metadata: Fields) -> Prepared:
    for key in (CHAIN, SIGNATURE):
        if key in fields:
            raise EntryError(f"an audit entry has {key!r} already: the writer makes that")
    if LINK in metadata:
        raise EntryError(f"metadata of an audit entry has {LINK!r}, which is the writer's own: rename it")
    inner = _members({**metadata, LINK: _PLACE})
    outer = _members(fields)
    if inner is None or outer is None:
        fields, metadata = _normal(fields), _normal(metadata)
        fields[METADATA] = {**metadata, LINK: _PLACE}
        written, hashed = _UNSORTED(fields), _SORTED(fields)
    else:
        place = list(fields).index(METADATA)
        outer[place] = f'"{METADATA}": {{{", ".join(inner)}}}'
        written = f"{{{', '.join(outer)}}}"
        outer[place] = f'"{METADATA}": {{{", ".join(sorted(inner))}}}'
        hashed = f"{{{', '.join(sorted(outer))}}}"
    return Prepared(*written.split(_LINK), *hashed.split(_LINK))


def _members(fields: Fields) -> list[str] | None:
    """The members of an object as JSON, if there is nothing in it that JSON gives back as something else.

    They sort as their names do: the quote that ends a name comes before all that names are made of.
    """
    try:
        return [_member(key) + _TEXTS[type(value)](value) for key, value in fields.items()]
    except LookupError:
        return None


@lru_cache(1000)
def _member(key: object) -> str:
    """The beginning of a member. Raises LookupError if its name is not of ASCII letters, digits and underscores."""
    if type(key) is not str or not (key.isascii() and key.isidentifier()):
        raise LookupError(key)
    return f'"{key}": '


def _finite(number: float) -> str:
    if not isfinite(number):
        raise ValueError(f"{number} is no number in JSON")
    return repr(number)


_TEXTS: Mapping[type, Callable[[Any], str]] = {
    str: encode_basestring_ascii,
    int: int.__repr__,
    float: _finite,
    bool: {True: "true", False: "false"}.__getitem__,
    type(None): {None: "null"}.__getitem__,
}
"""How JSON spells what has one spelling; a subclass may be spelled otherwise."""


def _place(key: object) -> int:
    return RECIPE_ORDER.get(key, len(RECIPE_ORDER)) if isinstance(key, str) else len(RECIPE_ORDER)


def _normal(fields: Fields) -> Fields:
    text = _UNSORTED(fields)
    normal: Fields = json.loads(text)
    if _UNSORTED(normal) != text:
        raise EntryError("an audit entry has two keys that are one in JSON, as 1 and '1' are: rename one")
    return normal


def encode(
    entry: Prepared, previous: str, number: int, secret: Secret, extra: Fields | None
) -> tuple[bytes, str]:
    """The line, with its newline, and its chain hash. `extra`: what its link says beside the number and the key."""
    link = f'{{"v": 1, "seq": {number}, "kid": "{secret.kid}"}}'
    link_hashed = f'{{"kid": "{secret.kid}", "seq": {number}, "v": 1}}'
    if extra:
        link_hashed = _SORTED(json.loads(link) | extra)
        link = f"{link[:-1]}, {_UNSORTED(extra)[1:]}"
    hashed = f'{entry.hashed_head}"{LINK}": {link_hashed}{entry.hashed_tail}'
    chain = chain_hash(previous, hashed.encode())
    signature = secret.sign(_to_sign(hashed, chain))
    text = f'{entry.head}"{LINK}": {link}{entry.tail[:-1]}, "{CHAIN}": "{chain}", "{SIGNATURE}": "{signature}"}}\n'
    return text.encode(), chain


def _to_sign(hashed: str, chain: str) -> bytes:
    if hashed > _BEFORE_CHAIN:
        return signed_bytes(chain, hashed.encode())
    return _SORTED({**json.loads(hashed), CHAIN: chain}).encode()
