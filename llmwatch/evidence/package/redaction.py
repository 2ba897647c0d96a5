"""What is taken out of a package that may be read by those who may not know who the users are."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

from llmwatch.audit.entry import Secret

_DIGITS = 16
"""Hex digits of a pseudonym: two of a million users share one with a chance of 1 in 37 million."""

_PSEUDONYMS = {"user": "user", "request_id": "request"}
_NAMES = ("model", "error_type")
_EMPTIED = ("error", "path", "requested_model", "source", "stream")

_NAME = re.compile(r"[a-z0-9][\w.:/-]{0,127}(@\d{1,8}([:-][\w.:-]{1,32})?)?", re.ASCII | re.IGNORECASE)
"""What models and types of errors are called: no spaces, and no `@` but before a date, as in `claude-x@20250929`."""

_EVENTS = frozenset(("API key created", "API key revoked", "Client version rejected"))
"""Security events of the router: its own words."""

POLICY: Mapping[str, str] = {
    **dict.fromkeys(_PSEUDONYMS, "pseudonym: HMAC-SHA-256 with the redaction key, the first 16 hex digits"),
    **dict.fromkeys(_EMPTIED, "left out"),
    **dict.fromkeys(_NAMES, "kept if it looks like such a name, else a pseudonym"),
    "security events": "kept if they are known or look like a name, else a pseudonym",
    "sources": "numbers in place of names",
    "gaps": "only their number",
    "findings of the chain": "without words; files by their day, or a number",
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

    def name(self, name: str | None) -> str | None:
        """A model or a type of error, unless it looks like text that somebody wrote."""
        return name if name is None or _NAME.fullmatch(name) else self._hidden("other", name)

    def event(self, event: str | None) -> str | None:
        """A security event, by the same rule."""
        return event if event in _EVENTS else self.name(event)

    def hide(self, columns: Mapping[str, object]) -> dict[str, object]:
        """A record without what names people, and without free text."""
        return {name: self._changes.get(name, _same)(value) for name, value in columns.items()}

    @cached_property
    def _changes(self) -> dict[str, Callable[[object], object]]:
        hidden: dict[str, Callable[[object], object]] = dict.fromkeys(_EMPTIED, _nothing)
        for name, word in _PSEUDONYMS.items():
            hidden[name] = partial(self._named, word)
        for name in _NAMES:
            hidden[name] = lambda value: self.name(None if value is None else str(value))
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
