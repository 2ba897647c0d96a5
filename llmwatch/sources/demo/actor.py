"""Somebody who calls models: bursts of calls that build on each other, then a pause."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from uuid import UUID

from llmwatch.sources.demo.ask import Ask
from llmwatch.sources.demo.cast import HABITS, MODELS, SHARED_REQUEST_IDS, UNMAPPED, Habit
from llmwatch.sources.demo.statements import Caller, Request

_GAP = 3.0
"""Mean seconds between two calls of a burst."""

_SMALLEST_CACHE = 1_024
"""Tokens below which Bedrock caches nothing."""


def new_id(random: Random) -> str:
    """A request id as the router and most clients make it."""
    return str(UUID(int=random.getrandbits(128), version=4))


@dataclass(slots=True)
class Actor:
    """A person or a service account. All its choices come from the `random` it is handed."""

    caller: Caller
    habit: Habit
    user_agent: str
    calls_a_minute: float
    prefix: str
    """`bedrock/` for those whose client writes it, else empty."""

    by_identifier: bool = False
    """Whether it asks by Bedrock's own name of the model."""

    shared_id: str | None = None
    """The `X-Request-ID` it sends on every call, if it does."""

    retries: bool = False
    """Whether its client tries again after an error, with the same `X-Request-ID`."""

    left: int = 0
    """Calls left in this burst."""

    alias: str = ""
    """The model of this burst."""

    context: float = 0.0
    """Tokens the next call of this burst reads."""

    cached: int = 0
    """Tokens of this burst that are in the model's cache."""

    def pause(self, random: Random) -> float:
        """Seconds until the next call starts. Begins a new burst when the last is over."""
        if self.left > 0:
            self.left -= 1
            return random.expovariate(1 / _GAP)
        self.left = int(random.expovariate(1 / self.habit.burst))
        self.alias = random.choices([*self.habit.models], [*self.habit.models.values()])[0]
        self.context = self.habit.context * random.lognormvariate(-0.1, 0.45)
        self.cached = 0
        calls = self.habit.burst + 0.5
        return random.expovariate(1 / max(60 / self.calls_a_minute * calls - _GAP * (calls - 1), _GAP))

    def ask(self, random: Random) -> Ask:
        """The next call of this burst."""
        context = max(int(self.context), 12)
        self.context *= random.uniform(1.0, 1.06)
        fresh, cache_read, cache_write = self._split(context, random)
        answer = max(int(self.habit.answer * random.lognormvariate(-0.15, 0.75)), 2)
        if self.alias == "kimi-k2-thinking":
            answer *= 3
        return self.asking(random, self.alias, (fresh, cache_read, cache_write, answer))

    def asking(self, random: Random, alias: str, tokens: tuple[int, int, int, int]) -> Ask:
        """A call with the given tokens: fresh, read from the cache, written to it, answered."""
        fresh, cache_read, cache_write, answer = tokens
        model = MODELS[alias]
        thinking = 0.4 + (fresh + cache_write + cache_read / 8) / 40_000
        return Ask(
            request=Request(self.shared_id or new_id(random), self.caller, self.user_agent),
            alias=alias,
            requested=self._name(alias),
            stream=random.random() < self.habit.streaming,
            fresh=fresh,
            cache_read=cache_read,
            cache_write=cache_write,
            answer=answer,
            seconds=(thinking + answer / model.tokens_a_second) * random.uniform(0.8, 1.6),
        )

    def _name(self, alias: str) -> str:
        if self.by_identifier:
            return MODELS[alias].identifier
        return (self.prefix if MODELS[alias].bare_alias else "bedrock/") + alias

    def _split(self, context: int, random: Random) -> tuple[int, int, int]:
        """`context` as tokens that are fresh, read from the cache, and written to it."""
        if MODELS[self.alias].route == "mantle":
            found = int(self.cached * 0.9) // 64 * 64 if random.random() < 0.4 else 0
            self.cached = context
            return context - min(found, context), min(found, context), 0
        if context < 2 * _SMALLEST_CACHE:
            return context, 0, 0
        fresh = random.randrange(3, 600)
        read = min(self.cached, context - fresh)
        self.cached = context - fresh
        return fresh, read, context - fresh - read


def person(name: str, habit_name: str, random: Random, domain: str) -> Actor:
    """One of the people, with traits of their own."""
    habit = HABITS[habit_name]
    user_agent = random.choice(habit.user_agents)
    return Actor(
        caller=Caller(new_id(random), f"{name}@{domain}", "jwt" if random.random() < 0.8 else "api_key"),
        habit=habit,
        user_agent=user_agent,
        calls_a_minute=random.uniform(*habit.calls_a_minute),
        prefix=random.choice(("", "bedrock/")),
        shared_id=SHARED_REQUEST_IDS.get(name),
        retries=user_agent.startswith("opencode") and random.random() < 0.5,
    )


def service(name: str, habit_name: str, random: Random, domain: str) -> Actor:
    """One of the service accounts, which use API keys. Without a name only the key's owner id is known."""
    habit = HABITS[habit_name]
    return Actor(
        caller=Caller(new_id(random), f"{name}@{domain}" if name else "", "api_key"),
        habit=habit,
        user_agent=random.choice(habit.user_agents),
        calls_a_minute=random.uniform(*habit.calls_a_minute),
        prefix="",
        by_identifier=name in UNMAPPED,
        retries=True,
    )
