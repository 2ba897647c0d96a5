"""CloudWatch's filter patterns, the part of them that readers may rely on; the rest is refused.

Terms are whole words here, so that a pattern that counts on parts of words is found out: the documentation says
"words, exact phrases or numeric values" and no more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from tests.cloudwatch.errors import ServiceError, invalid

Match = Callable[[str], bool]

_TERM = re.compile(r"""\s*(?P<sign>[?-]?)(?:"(?P<phrase>(?:[^"\\]|\\.)*)"|(?P<word>\w+))(?=\s|$)""", re.ASCII)
_JSON = re.compile(
    r"""\s*\$\.(?P<path>\w+(?:\.\w+)*)\s*=\s*(?:"(?P<text>[^"\\*]*)"|(?P<number>-?\d+(?:\.\d+)?))\s*""",
    re.ASCII,
)


def _refusal(text: str) -> ServiceError:
    return ServiceError("malformed", "InvalidParameterException", f"Invalid filter pattern: {text}")


@lru_cache
def compiled(text: str) -> Match | None:
    """What a pattern matches; None is everything."""
    if len(text) > 1024:
        raise invalid("filterPattern must have length less than or equal to 1024")
    if not text.strip():
        return None
    return _json(text) if text.strip().startswith("{") else _terms(text)


def _terms(text: str) -> Match:
    kinds: dict[str, list[re.Pattern[str]]] = {"": [], "?": [], "-": []}
    at = 0
    while at < len(text.rstrip()):
        found = _TERM.match(text, at)
        if not found:
            raise _refusal(text)
        at = found.end()
        words = found["word"] or re.sub(r"\\(.)", r"\1", found["phrase"] or "")
        kinds[found["sign"]].append(re.compile(rf"(?<!\w){re.escape(words)}(?!\w)"))
    needed, some, banned = kinds[""], kinds["?"], kinds["-"]
    if some and (needed or banned):
        raise _refusal(text)  # the service ignores some of the terms then

    def match(message: str) -> bool:
        return (
            all(term.search(message) for term in needed)
            and not any(term.search(message) for term in banned)
            and (not some or any(term.search(message) for term in some))
        )

    return match


def _json(text: str) -> Match:
    """`{ $.a.b = "x" }`, and several of them joined by `&&` or by `||`, not both."""
    body = text.strip()
    if not body.endswith("}") or ("&&" in body and "||" in body):
        raise _refusal(text)
    every = "||" not in body
    tests = [_JSON.fullmatch(part) for part in re.split(r"&&|\|\|", body[1:-1])]
    wanted: list[tuple[list[str], str | float]] = []
    for found in tests:
        if not found:
            raise _refusal(text)
        value: str | float = float(found["number"]) if found["text"] is None else found["text"]
        wanted.append((found["path"].split("."), value))

    def match(message: str) -> bool:
        try:
            line = json.loads(message)
        except ValueError:
            return False
        hits = (_equal(_reach(line, path), value) for path, value in wanted)
        return all(hits) if every else any(hits)

    return match


def _reach(value: Any, path: list[str]) -> Any:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value


def _equal(value: Any, wanted: str | float) -> bool:
    if isinstance(value, bool):
        return False
    if isinstance(wanted, str):
        return isinstance(value, str) and value == wanted
    return isinstance(value, int | float) and value == wanted
