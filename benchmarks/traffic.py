"""Router lines from a seed: `python -m benchmarks.traffic REQUESTS SEED > FILE`.

About 6.5 lines and 2 kB a request, of 200 people on 8 models, half of them on each back end. The same seed gives
the same bytes, and a longer run begins with a shorter one.
"""

from __future__ import annotations

import heapq
import sys
from collections.abc import Iterable, Iterator
from datetime import datetime, timedelta
from random import Random
from typing import BinaryIO
from uuid import UUID

from benchmarks.statements import Call, Fields, lines_of

START = datetime(2026, 2, 27, 16, 47)  # noqa: DTZ001

CONVERSE = (
    ("claude-opus", "us.anthropic.claude-opus-4-6-v1"),
    ("claude-sonnet", "us.anthropic.claude-sonnet-4-6"),
    ("claude-sonnet-45", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"),
)
MANTLE = (
    ("kimi-k25", "moonshotai.kimi-k2.5"),
    ("deepseek-v3", "deepseek.v3.2"),
    ("minimax-m2", "minimax.minimax-m2.1"),
    ("glm-4", "zai.glm-4.7"),
    ("qwen3-coder", "qwen.qwen3-coder-next"),
)
Line = tuple[datetime, bytes]


def calls(seed: int, start: datetime = START, gap_us: int = 15_100) -> Iterator[list[Line]]:
    """Without end, the lines of one request after the other: a new one about every `gap_us` microseconds."""
    dice = Random(seed)  # noqa: S311
    people = [(_identifier(dice), f"user{number:03d}@example.com") for number in range(200)]
    moment = start
    while True:
        moment += timedelta(microseconds=dice.randrange(gap_us // 75, 2 * gap_us))
        sub, mail = people[min(int(dice.expovariate(1 / 25)), len(people) - 1)]
        source = "jwt" if dice.random() < 0.7 else "api_key"
        mantle = dice.random() < 0.45
        call = _throw(dice, {"user_sub": sub, "user_email": mail}, mantle=mantle)
        took = int(dice.lognormvariate(8, 0.8))
        end = moment + timedelta(milliseconds=took)
        named = {"requested_model": call.asked, "mapped_model": call.model}
        opening: Fields = {**_CHAT, "user_agent": "opencode/1.2.0 ai-sdk/5", "auth_source": source, **call.who}
        closing: Fields = {
            **_CHAT,
            "status": 502 if call.fails else 200,
            "duration_ms": took,
            "auth_source": source,
            **call.who,
        }
        before, after = _mantle(call) if mantle else _converse(call)
        yield [
            _line(moment, call, "Request started", opening),
            _line(moment, call, "Model mapped", dict(named)),
            _line(moment, call, "Routing decision", {**named, "route": "mantle" if mantle else "converse"}),
            *(_line(moment, call, message, fields) for message, fields in before),
            _line(end, call, *after),
            _line(end, call, "Request completed", closing),
        ]


def _throw(dice: Random, who: Fields, *, mantle: bool) -> _Call:
    asked, model = dice.choice(MANTLE if mantle else CONVERSE)
    return _Call(
        request_id=_identifier(dice),
        who=who,
        asked=asked,
        model=model,
        stream=dice.random() < 0.8,
        fails=dice.random() < 0.01,
        prompt=int(dice.lognormvariate(8, 1.2)),
        completion=int(dice.lognormvariate(5.5, 1)),
        cache_read=0 if mantle or dice.random() > 0.6 else int(dice.lognormvariate(9, 1)),
        cache_write=0 if mantle or dice.random() > 0.2 else int(dice.lognormvariate(7, 1)),
        metered=dice.random() < 0.97,
    )


def _identifier(dice: Random) -> str:
    return str(UUID(int=dice.getrandbits(128)))


def by_time(requests: Iterable[list[Line]]) -> Iterator[Line]:
    """The same lines as a router writes them: calls that are open at once lie among each other."""
    waiting: list[tuple[datetime, int, bytes]] = []
    number = 0
    for lines in requests:
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


def write(out: BinaryIO, count: int, seed: int) -> None:
    """The first `count` requests."""
    for _, lines in zip(range(count), calls(seed), strict=False):
        out.writelines(text for _, text in lines)


if __name__ == "__main__":
    write(sys.stdout.buffer, int(sys.argv[1]), int(sys.argv[2]))
