"""One name for each provider, and the bare model id behind the forms in which logs write it."""

from __future__ import annotations

import re
from dataclasses import dataclass

BEDROCK = "bedrock"

PROVIDERS: dict[str, tuple[str, ...]] = {
    BEDROCK: (
        *("aws", "aws-bedrock", "aws.bedrock", "amazon-bedrock", "bedrock-runtime"),
        *("bedrock-converse", "bedrock-mantle"),
    ),
    "openrouter": (),
    "anthropic": (),
    "openai": (),
    "azure": ("azure-openai", "azure-ai", "azure.ai.openai", "azure.ai.inference", "az.ai.openai"),
    "google": ("gemini", "vertex-ai", "gcp.vertex-ai", "gcp.gemini", "gcp.gen-ai"),
    "moonshotai": ("moonshot", "moonshot-ai"),
    "x-ai": ("xai",),
    "mistral": ("mistral-ai", "mistralai"),
    "deepseek": (),
    "zai": ("z-ai", "z.ai"),
    "minimax": (),
    "groq": (),
    "together": ("together-ai",),
    "fireworks": ("fireworks-ai",),
    "cohere": (),
    "cerebras": (),
    "perplexity": (),
}
"""Our name of each provider, and how LiteLLM, OpenTelemetry and others spell it: lower case, `-` for `_`."""

_OWN_NAME = {spelling: own for own, spellings in PROVIDERS.items() for spelling in (own, *spellings)}

_BEDROCK_PATHS = frozenset({"converse", "invoke", "converse-like"})
"""Path steps with which LiteLLM chooses an API of Bedrock; they are no part of the model."""

_REGION = re.compile(r"[a-z]{2}(?:-[a-z]+)+-\d{1,2}")

_ARN = re.compile(r"arn:aws[a-z-]*:bedrock:([a-z0-9-]*):\d*:(?:inference-profile|foundation-model)/(.+)")
"""The two ARNs that hold a model id. Those of application inference profiles, provisioned throughput and
imported models do not: they stay as they are, and only an alias or an override prices them."""


@dataclass(frozen=True, slots=True)
class ModelName:
    """A model id, read: lower case, without prefixes and ARNs.

    `names` are the texts an override may name this model by; `on_mantle` says that the id or the provider
    names Bedrock's OpenAI-shaped endpoint, where a few models have their own price.
    """

    provider: str
    model: str
    region: str | None
    names: tuple[str, ...]
    on_mantle: bool = False


def own_provider(name: str) -> str:
    """Our name of a provider; a name not in the table comes back in lower case."""
    spelling = name.strip().lower().replace("_", "-")
    return _OWN_NAME.get(spelling, spelling)


def read_name(provider: str, model: str, region: str | None) -> ModelName:
    """Read which model `model` names at this provider. A region inside the id serves when none is given."""
    own = own_provider(provider)
    written = rest = model.strip().lower()
    region = (region or "").strip().lower()
    on_mantle = _is_mantle(provider)
    while "/" in rest:
        head, _, tail = rest.partition("/")
        step = head.replace("_", "-")
        if own == BEDROCK and _REGION.fullmatch(head):
            region = region or head
        elif _OWN_NAME.get(step) == own or (own == BEDROCK and step in _BEDROCK_PATHS):
            on_mantle = on_mantle or _is_mantle(head)
        else:
            break
        rest = tail
    if own == BEDROCK and (arn := _ARN.fullmatch(rest)):
        region, rest = region or arn[1], arn[2]
    return ModelName(own, rest, region or None, (rest, written), on_mantle)


def _is_mantle(name: str) -> bool:
    return name.strip().lower().replace("_", "-") == "bedrock-mantle"
