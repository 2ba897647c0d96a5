"""The errors llmwatch raises at its edges, each with a sentence for the person who reads it.

The exit codes are the command line's promise: 1 a finding, 2 usage, 3 a source failed and may work later.
"""


class LlmwatchError(Exception):
    """Something a person can mend; `str(error)` names the thing and the remedy."""

    exit_code = 3


class UsageError(LlmwatchError):
    """The words of the call are off: a bad flag, date, filter, query or override file."""

    exit_code = 2


class SourceError(LlmwatchError):
    """A source cannot be read now and may be later: missing, unreadable, not a log."""


class StoreError(LlmwatchError):
    """The store cannot go on: its disk is full, its database file is locked or not ours."""
