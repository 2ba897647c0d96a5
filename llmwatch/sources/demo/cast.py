"""Who takes part in the demo: the models of the router, 40 people with their habits, and service accounts.

Figures are chosen so that a person spends from tens of cents to a few dollars an hour at list prices.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

Route = Literal["converse", "mantle"]


@dataclass(frozen=True, slots=True)
class Model:
    """One model of the router's map."""

    identifier: str
    """What Bedrock calls it."""

    route: Route
    tokens_a_second: float
    """How fast it answers."""

    bare_alias: bool = True
    """Whether the router also knows it without `bedrock/`."""


MODELS: Mapping[str, Model] = {
    "claude-opus": Model("us.anthropic.claude-opus-4-6-v1", "converse", 55),
    "claude-sonnet": Model("us.anthropic.claude-sonnet-4-6", "converse", 75),
    "claude-sonnet-45": Model("us.anthropic.claude-sonnet-4-5-20250929-v1:0", "converse", 70),
    "kimi-k25": Model("moonshotai.kimi-k2.5", "mantle", 60),
    "kimi-k2-thinking": Model("moonshotai.kimi-k2-thinking", "mantle", 35, bare_alias=False),
    "deepseek-v3": Model("deepseek.v3.2", "mantle", 45),
    "minimax-m2": Model("minimax.minimax-m2.1", "mantle", 80),
    "glm-4": Model("zai.glm-4.7", "mantle", 60),
    "glm-4-flash": Model("zai.glm-4.7-flash", "mantle", 140),
    "qwen3-coder": Model("qwen.qwen3-coder-next", "mantle", 95),
}
"""Alias → model, as in the router's default map."""


@dataclass(frozen=True, slots=True)
class Habit:
    """How somebody uses models."""

    models: Mapping[str, int]
    """Alias → how often, in relation to the others."""

    calls_a_minute: tuple[float, float]
    """The slowest and the fastest of those with this habit, on average over bursts and pauses."""

    streaming: float
    """The share of calls that stream."""

    context: int
    """The median of tokens read by a call, cached or not."""

    answer: int
    """The median of tokens written by a call."""

    burst: float
    """How many calls follow each other, on average, before a pause."""

    user_agents: tuple[str, ...]


_OPENCODE = (
    "opencode/1.2.0 ai-sdk/5.0.124",
    "opencode/1.2.6 ai-sdk/5.0.124",
    "opencode/1.1.48 ai-sdk/5.0.119",
)
_PYTHON = ("OpenAI/Python 1.109.1", "OpenAI/Python 2.8.1", "python-httpx/0.28.1")

HABITS: Mapping[str, Habit] = {
    "opus": Habit(
        {"claude-opus": 7, "claude-sonnet": 2, "glm-4-flash": 1}, (0.5, 1.2), 0.97, 11_000, 340, 8, _OPENCODE
    ),
    "sonnet": Habit(
        {"claude-sonnet": 15, "claude-sonnet-45": 3, "claude-opus": 1, "glm-4-flash": 1},
        (0.8, 2.0),
        0.95,
        12_000,
        320,
        10,
        _OPENCODE,
    ),
    "kimi": Habit(
        {"kimi-k25": 7, "kimi-k2-thinking": 2, "glm-4": 2, "claude-sonnet": 1},
        (2.5, 5),
        0.9,
        5_000,
        420,
        9,
        _OPENCODE,
    ),
    "coder": Habit(
        {"qwen3-coder": 8, "deepseek-v3": 3, "minimax-m2": 2}, (6, 10), 0.85, 5_000, 260, 14, _OPENCODE
    ),
    "thrifty": Habit(
        {"glm-4-flash": 6, "minimax-m2": 4, "deepseek-v3": 2},
        (6, 12),
        0.8,
        4_000,
        350,
        10,
        _OPENCODE + _PYTHON,
    ),
    "script": Habit(
        {"deepseek-v3": 4, "glm-4": 3, "qwen3-coder": 2, "claude-sonnet-45": 1},
        (1, 4),
        0.3,
        2_500,
        500,
        20,
        (*_PYTHON, "curl/8.7.1"),
    ),
    "evaluation": Habit(
        {"deepseek-v3": 4, "qwen3-coder": 3, "minimax-m2": 3, "glm-4": 2},
        (14, 14),
        0.0,
        1_800,
        450,
        40,
        _PYTHON[:1],
    ),
    "review": Habit(
        {"claude-sonnet": 2, "glm-4": 1}, (3, 3), 0.2, 7_000, 250, 12, ("ci-review/3.4 python-httpx/0.28.1",)
    ),
    "search": Habit({"glm-4-flash": 1}, (24, 24), 0.1, 900, 120, 6, ("doc-search/0.9 OpenAI/JS 6.9.0",)),
    "summary": Habit(
        {"kimi-k25": 1}, (4, 4), 0.05, 6_000, 300, 5, ("batch-summarise/2.1 python-httpx/0.28.1",)
    ),
}

PEOPLE: Mapping[str, str] = {
    "ana.silva": "opus",
    "kwame.mensah": "sonnet",
    "mei.tanaka": "coder",
    "lars.nygaard": "thrifty",
    "priya.raman": "sonnet",
    "tomasz.zielinski": "kimi",
    "olivia.bennett": "opus",
    "yusuf.demir": "coder",
    "chloe.martin": "script",
    "diego.herrera": "sonnet",
    "ngozi.okafor": "kimi",
    "hanna.lindqvist": "coder",
    "wei.zhang": "opus",
    "fatima.alami": "sonnet",
    "sean.oconnor": "thrifty",
    "ingrid.solberg": "script",
    "rohan.mehta": "coder",
    "elena.popescu": "sonnet",
    "jamal.carter": "kimi",
    "sofia.rossi": "opus",
    "minh.tran": "coder",
    "amelie.dubois": "sonnet",
    "zo\u00eb.m\u00fcller": "thrifty",
    "carlos.mendoza": "script",
    "aisha.rahman": "sonnet",
    "viktor.novak": "coder",
    "grace.kimani": "opus",
    "daniel.levi": "kimi",
    "leila.haddad": "sonnet",
    "pieter.vandijk": "thrifty",
    "hyejin.park": "coder",
    "marta.kowalska": "script",
    "oliver.hughes": "sonnet",
    "nadia.petrova": "opus",
    "samuel.adeyemi": "kimi",
    "isabel.fernandes": "coder",
    "arjun.nair": "thrifty",
    "emma.virtanen": "sonnet",
    "lucas.moreau": "script",
    "tevita.latu": "coder",
}
"""The part of the e-mail before `@` → habit. One has letters beyond ASCII, which the router escapes."""

SERVICES: Mapping[str, str] = {
    "svc-nightly-eval": "evaluation",
    "svc-ci-review": "review",
    "svc-doc-search": "search",
    "svc-batch-summarise": "summary",
}

RUNAWAY = "svc-batch-summarise"
"""The account whose Kimi spend takes off."""

SHARED_REQUEST_IDS: Mapping[str, str] = {
    "ingrid.solberg": "1",
    "carlos.mendoza": "test",
    "lucas.moreau": "test",
}
"""Those whose client sends the same `X-Request-ID` on every call."""

UNMAPPED = frozenset({"svc-ci-review"})
"""Those who ask by Bedrock's own identifier, which the router passes on as it is."""

DOMAIN = "example.com"
