"""One call to a model: what is asked, and what the router prints of its way and its tokens."""

from __future__ import annotations

from dataclasses import dataclass

from llmwatch.sources.demo.cast import MODELS, Model
from llmwatch.sources.demo.statements import Request, Statement, info


@dataclass(frozen=True, slots=True)
class Ask:
    """What a client asks of a model, and what the model makes of it."""

    request: Request
    alias: str
    requested: str
    """The name in the request's body: an alias, one with `bedrock/`, or Bedrock's own."""

    stream: bool
    fresh: int
    """Tokens read, neither from the cache nor written to it."""

    cache_read: int
    cache_write: int
    answer: int
    """Tokens written."""

    seconds: float
    """How long the call takes when all goes well."""

    @property
    def model(self) -> Model:
        """The model it goes to."""
        return MODELS[self.alias]


def routing(ask: Ask) -> list[Statement]:
    """From the request's body to the call of the back end."""
    request_id, model = ask.request.request_id, ask.model.identifier
    names = {"request_id": request_id, "requested_model": ask.requested, "mapped_model": model}
    mapped = [info("Model mapped", **names)] if ask.requested != model else []
    decided = [*mapped, info("Routing decision", **names, route=ask.model.route)]
    to_model: dict[str, object] = {"request_id": request_id, "model": model}
    if ask.model.route == "mantle":
        who = ask.request.caller.identity
        return [*decided, info("Forwarding to Bedrock Mantle", **to_model, stream=ask.stream, **who)]
    calling = "Calling ConverseStream API" if ask.stream else "Calling Converse API"
    return [
        *decided,
        info("Routing to Converse API", **to_model, stream=ask.stream),
        info(calling, **to_model),
    ]


def usage(ask: Ask) -> Statement:
    """The tokens of a call that went well."""
    if ask.model.route == "converse":
        return converse_usage(ask)
    prompt = ask.fresh + ask.cache_read
    told: dict[str, object] = {
        "prompt_tokens": prompt,
        "completion_tokens": ask.answer,
        "total_tokens": prompt + ask.answer,
    }
    if ask.cache_read:
        told["prompt_tokens_details"] = {"cached_tokens": ask.cache_read}
    return mantle_usage(ask, 200, told)


def converse_usage(ask: Ask) -> Statement:
    """Bedrock's count, which leaves the cache out of the tokens read."""
    fields: dict[str, object] = {"request_id": ask.request.request_id, "model": ask.model.identifier}
    cache = {"cache_read_tokens": ask.cache_read, "cache_write_tokens": ask.cache_write}
    if not ask.stream:
        return info(
            "Converse API response", **fields, input_tokens=ask.fresh, output_tokens=ask.answer, **cache
        )
    return info(
        "Stream usage emitted",
        **fields,
        prompt_tokens=ask.fresh,
        completion_tokens=ask.answer,
        total_tokens=ask.fresh + ask.answer,
        **cache,
        **ask.request.caller.identity,
    )


def mantle_usage(ask: Ask, status: int, told: dict[str, object] | None) -> Statement:
    """Mantle's count, as it came; None where it told none."""
    message = "Mantle streaming complete" if ask.stream else "Mantle non-streaming response"
    upstream = {} if ask.stream else {"status": status}
    fields = (
        {"request_id": ask.request.request_id} | upstream | {"has_usage": told is not None, "usage": told}
    )
    return info(message, **fields, **ask.request.caller.identity)
