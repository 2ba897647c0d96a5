"""What a filter is in SQL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that is true or false, never NULL, and its parameters: nothing a person typed is in the SQL."""

    sql: str
    parameters: tuple[object, ...] = ()
