"""Lines looked for in the bytes of files, only where one does not link: its copies, and what it may follow."""

from __future__ import annotations

import re
from itertools import islice
from mmap import mmap

from llmwatch.audit.chain.ends import Budget
from llmwatch.audit.chain.pieces import Head
from llmwatch.audit.entry import CHAIN

Buffer = bytes | mmap

_CHAIN = re.compile(rb'"%b": "([0-9a-f]{64})"' % CHAIN.encode())
_STEP = 1 << 16
_NEAR = 1 << 18
"""Bytes before and after a line that are searched when there were many searches: some hundred lines."""


def find_copy(data: Buffer, line: bytes, own: int | None, everything: bool) -> int | None:
    """The offset of another whole line with the same bytes, the first of them; `own` is where the line stands."""
    if own is None or everything:
        low, high = 0, len(data)
    else:
        low, high = max(0, own - _NEAR), own + len(line) + _NEAR
    place = data.find(line, low, high)
    while place >= 0:
        if place != own and (place == 0 or data[place - 1 : place] == b"\n"):
            return place
        place = data.find(line, place + 1, high)
    return None


def same_lines(data: Buffer, start: int, end: int, other: Buffer, offset: int) -> tuple[int, int]:
    """(lines, bytes) from `start` to `end` that stand in `other` from `offset` on as well."""
    same = 0
    while start + same < end:
        size = min(_STEP, end - start - same)
        mine = data[start + same : start + same + size]
        yours = other[offset + same : offset + same + size]
        if mine == yours:
            same += size
            continue
        same += next(
            (at for at, (one, two) in enumerate(zip(mine, yours, strict=False)) if one != two), len(yours)
        )
        break
    text = data[start : start + same]
    if start + same == end and not text.endswith(b"\n") and other[offset + same : offset + same + 1] == b"\n":
        return text.count(b"\n") + 1, same
    whole = text.rfind(b"\n") + 1
    return text.count(b"\n", 0, whole), whole


def last_chain(data: bytes) -> str | None:
    """What looks like the last chain hash in it."""
    found = _CHAIN.findall(data)
    return found[-1].decode() if found else None


def count_chains(data: bytes) -> int:
    """How many chain hashes seem to stand in it."""
    return len(_CHAIN.findall(data))


def follows_later(data: Buffer, end: int, head: Head, budget: Budget) -> bool:
    """Whether a line follows one of those soon after it."""
    chains = _CHAIN.findall(data, end, end + _NEAR)
    most = budget.trials(len(chains), False)
    return any(head.fits(chain.decode()) for chain in islice(chains, most))


def follows_earlier(data: Buffer, start: int, head: Head, budget: Budget, everything: bool) -> bool:
    """Whether a line follows any line before it in the file."""
    low = 0 if everything else max(0, start - _NEAR)
    chains = _CHAIN.findall(data, low, start)
    most = budget.trials(len(chains), everything)
    return any(head.fits(chain.decode()) for chain in islice(reversed(chains), most))
