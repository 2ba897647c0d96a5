"""What is taken out of a package that may be read by those who may not know who the users are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from llmwatch.audit.entry import Secret

_DIGITS = 16
"""Hex digits of a pseudonym: two of a million users share one with a chance of 1 in 37 million."""

_PSEUDONYMS = {"user": "user", "request_id": "request"}
_EMPTIED = ("error", "path", "requested_model", "source", "stream")

POLICY: Mapping[str, str] = {
    **dict.fromkeys(_PSEUDONYMS, "pseudonym: HMAC-SHA-256 with the redaction key, the first 16 hex digits"),
    **dict.fromkeys(_EMPTIED, "left out"),
    "filter": "left out",
    "log": "left out: its lines name users",
}
"""Column or part of a package → what became of it."""


@dataclass(frozen=True)
class Redaction:
    """A redaction with a key. The same person has the same pseudonym wherever the key is the same."""

    key: bytes
    kept: bool
    """The key is kept by whoever made the package; else nobody has it any more."""

    @cached_property
    def _secret(self) -> Secret:
        return Secret(self.key)

    @property
    def kid(self) -> str:
        """Names the key, and does not tell it."""
        return self._secret.kid

    def pseudonym(self, user: str) -> str:
        """What stands for a user, everywhere in the package."""
        return self._hidden("user", user)

    def hide(self, columns: Mapping[str, object]) -> dict[str, object]:
        """A record without what names people, and without free text."""
        return {name: self._changes.get(name, _same)(value) for name, value in columns.items()}

    @cached_property
    def _changes(self) -> dict[str, Callable[[object], object]]:
        hidden: dict[str, Callable[[object], object]] = dict.fromkeys(_EMPTIED, _nothing)
        for name, word in _PSEUDONYMS.items():
            hidden[name] = partial(self._named, word)
        return hidden

    def _named(self, word: str, value: object) -> str | None:
        return None if value is None else self._hidden(word, str(value))

    def _hidden(self, word: str, value: str) -> str:
        data = f"llmwatch {word}\0{value}".encode("utf-8", "surrogatepass")
        return f"{word}-{self._secret.sign(data)[:_DIGITS]}"


def _same(value: object) -> object:
    return value


def _nothing(_: object) -> None:
    return None
