"""Router lines from a seed: 200 people on 8 models, half of them on each back end.

That is about 6.5 lines and 2 kB a request. The same seed gives the same lines, and a longer run begins with a
shorter one.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from uuid import UUID

from benchmarks.statements import Call, Line, lines_of

START = datetime(2026, 2, 27, 16, 47)
"""In UTC, as all times here: the router writes it without an offset, and puts a Z behind it."""

LINES_A_REQUEST = 6.55

_CONVERSE = (
    ("claude-opus", "us.anthropic.claude-opus-4-6-v1"),
    ("claude-sonnet", "us.anthropic.claude-sonnet-4-6"),
    ("claude-sonnet-45", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
)
_MANTLE = (
    ("kimi-k25", "moonshotai.kimi-k2.5"),
    ("deepseek-v3", "deepseek.v3.2"),
    ("minimax-m2", "minimax.minimax-m2.1"),
    ("glm-4", "zai.glm-4.7"),
    ("qwen3-coder", "qwen.qwen3-coder-next"),
)


def requests(count: int, seed: int, start: datetime = START, gap_ms: float = 15.1) -> Iterator[list[Line]]:
    """The lines of one request after the other; a new one begins every `gap_ms` milliseconds on average."""
    return map(lines_of, islice(_calls(Random(seed), start, gap_ms), count))


def _calls(dice: Random, moment: datetime, gap_ms: float) -> Iterator[Call]:
    people = [(_identifier(dice), f"user{number:03d}@example.com") for number in range(200)]
    while True:
        moment += timedelta(milliseconds=dice.uniform(0, 2 * gap_ms))
        yield _call(dice, moment, people[min(int(dice.expovariate(1 / 25)), len(people) - 1)])


def _call(dice: Random, moment: datetime, person: tuple[str, str]) -> Call:
    mantle = dice.random() < 0.45
    requested, model = dice.choice(_MANTLE if mantle else _CONVERSE)
    return Call(
        request_id=_identifier(dice),
        began=moment,
        took_ms=int(dice.lognormvariate(8, 0.8)),
        user_sub=person[0],
        user_email=person[1],
        auth_source="jwt" if dice.random() < 0.7 else "api_key",
        mantle=mantle,
        requested=requested,
        model=model,
        stream=dice.random() < 0.8,
        fails=dice.random() < 0.01,
        metered=dice.random() < 0.97,
        prompt=int(dice.lognormvariate(8, 1.2)),
        completion=int(dice.lognormvariate(5.5, 1)),
        cache_read=int(dice.lognormvariate(9, 1)) if dice.random() < 0.6 else 0,
        cache_write=int(dice.lognormvariate(7, 1)) if dice.random() < 0.2 else 0,
    )


def _identifier(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128)))


def by_time(groups: Iterable[list[Line]]) -> Iterator[Line]:
    """The same lines as a router writes them: those of calls that are open at once lie among each other."""
    waiting: list[tuple[datetime, int, bytes]] = []
    number = 0
    for lines in groups:
        began = lines[0][0]
        while waiting and waiting[0][0] <= began:
            moment, _, text = heapq.heappop(waiting)
            yield moment, text
        for moment, text in lines:
            number += 1
            heapq.heappush(waiting, (moment, number, text))
    while waiting:
        moment, _, text = heapq.heappop(waiting)
        yield moment, text
