"""Entries on their way into the log: made, checked, and put into the bytes of a v2 line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from uuid import uuid4

from llmwatch.audit.entry import CHAIN, LINK, METADATA, SIGNATURE, Secret, signed_bytes
from llmwatch.audit.line import RECIPE_ORDER
from llmwatch.audit.refusal import EntryError

Fields = dict[str, object]


@dataclass(frozen=True, slots=True)
class Prepared:
    """An entry that JSON gives back as it is, its keys in the recipe's order."""

    fields: Fields
    """With None for the metadata, in its place."""

    metadata: Fields


_SORTED = json.JSONEncoder(sort_keys=True, check_circular=False, allow_nan=False).encode
_UNSORTED = json.JSONEncoder(check_circular=False, allow_nan=False).encode
_SCALARS = frozenset((str, int, float, bool, type(None)))
_RECIPE_KEYS = list(RECIPE_ORDER)


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
    """A copy that is fit to be written.

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
    fields = fields if _flat(fields) else _normal(fields)
    metadata = dict(metadata) if _flat(metadata) else _normal(metadata)
    for key in (CHAIN, SIGNATURE):
        if key in fields:
            raise EntryError(f"an audit entry has {key!r} already: the writer makes that")
    if LINK in metadata:
        raise EntryError(f"metadata of an audit entry has {LINK!r}, which is the writer's own: rename it")
    return Prepared(fields, metadata)


def _place(key: object) -> int:
    return RECIPE_ORDER.get(key, len(RECIPE_ORDER)) if isinstance(key, str) else len(RECIPE_ORDER)


def _flat(fields: Mapping[str, object]) -> bool:
    """Whether there is nothing in it that JSON gives back as something else, or sorts otherwise then."""
    return all(
        type(value) in _SCALARS and type(key) is str and key.isascii() for key, value in fields.items()
    )


def _normal(fields: Mapping[str, object]) -> Fields:
    try:
        text = _UNSORTED(dict(fields))
        normal: Fields = json.loads(text)
        again = _UNSORTED(normal)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(error) from error
    if again != text:
        raise EntryError("an audit entry has two keys that are one in JSON, as 1 and '1' are: rename one")
    return normal


def _unfit(error: Exception) -> EntryError:
    return EntryError(
        f"an audit entry holds what JSON cannot ({error}): use text, finite numbers, true, false, null, lists "
        "and objects"
    )


def encode(given: Prepared, previous: str, link: Fields, secret: Secret) -> tuple[bytes, str]:
    """The line, with its newline, and its chain hash.

    Raises:
        EntryError: JSON cannot hold it.

    """
    fields = {**given.fields, METADATA: {**given.metadata, LINK: link}}
    try:
        hashed = _SORTED(fields).encode()
        text = _UNSORTED(fields)
    except (TypeError, ValueError, RecursionError) as error:
        raise _unfit(error) from error
    chain = sha256(previous.encode() + hashed).hexdigest()
    signature = secret.sign(_to_sign(fields, chain, hashed))
    return f'{text[:-1]}, "{CHAIN}": "{chain}", "{SIGNATURE}": "{signature}"}}\n'.encode(), chain


def _to_sign(fields: Fields, chain: str, hashed: bytes) -> bytes:
    if min(fields) > CHAIN:
        return signed_bytes(chain, hashed)
    return _SORTED({**fields, CHAIN: chain}).encode()
