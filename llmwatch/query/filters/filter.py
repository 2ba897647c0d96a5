"""A filter: what calls, or lines, have in common."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Condition:
    """SQL that is true or false, never NULL, and its parameters: nothing a person typed is in the SQL."""

    sql: str
    parameters: tuple[object, ...] = ()
