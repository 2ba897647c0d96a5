"""Filters as typed, and those saved under a name: all that the screen knows of the language and the configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from llmwatch.query.filters.filter import Filter


class Filters(Protocol):
    """Reads filters, keeps them, gives them back."""

    @property
    def saved(self) -> Mapping[str, str]:
        """Filters by name, as text."""
        ...

    def read(self, text: str) -> Filter:
        """What a text means. May be called from any thread. Raises UsageError."""
        ...

    def exact(self, field: str, value: str | None) -> Filter:
        """The filter that a row of a table stands for."""
        ...

    def save(self, name: str, text: str) -> None:
        """Keep one. Raises LlmwatchError."""
        ...

    def remove(self, name: str) -> None:
        """Keep it no longer. Raises LlmwatchError."""
        ...


class ConfiguredFilters:
    """The filter language, and the filters of the user's configuration, which is read once."""

    def __init__(self) -> None:
        self._saved: dict[str, str] | None = None

    @property
    def saved(self) -> Mapping[str, str]:
        """Filters by name, as text."""
        if self._saved is None:
            from llmwatch.config import load_config

            self._saved = dict(load_config().filters)
        return self._saved

    def read(self, text: str) -> Filter:
        """What a text means."""
        from llmwatch.query.filters.language import read_filter

        return read_filter(text, self.saved if "@" in text else {})

    def exact(self, field: str, value: str | None) -> Filter:
        """The filter that a row of a table stands for."""
        from llmwatch.query.filters.language import exact

        return exact(field, value)

    def save(self, name: str, text: str) -> None:
        """Keep one in the configuration."""
        from llmwatch.config import save_filter

        save_filter(name, text)
        self._saved = None

    def remove(self, name: str) -> None:
        """Take one out of the configuration."""
        from llmwatch.config import remove_filter

        remove_filter(name)
        self._saved = None
