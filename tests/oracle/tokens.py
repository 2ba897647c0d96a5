"""What the usage lines count."""

from dataclasses import dataclass

from tests.oracle.lines import Line, count

USAGE = (
    "Converse API response",
    "Stream usage emitted",
    "Mantle non-streaming response",
    "Mantle streaming complete",
)


@dataclass(frozen=True)
class Tokens:
    """Disjoint counts; None is unknown, and all four are where a usage says nothing that can be true."""

    input: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    output: int | None = None

    @property
    def known(self) -> bool:
        return self != Tokens()

    def __add__(self, other: "Tokens") -> "Tokens":
        return Tokens(
            plus(self.input, other.input),
            plus(self.cache_read, other.cache_read),
            plus(self.cache_write, other.cache_write),
            plus(self.output, other.output),
        )


def tokens_of(line: Line) -> Tokens:
    """A usage line's counts. Mantle's prompt includes what came from the cache, Converse's does not."""
    if line.message == "Stream usage emitted":
        tokens = converse_tokens(line, "prompt_tokens", "completion_tokens")
    elif line.message == "Converse API response":
        tokens = converse_tokens(line, "input_tokens", "output_tokens")
    else:
        tokens = mantle_tokens(line.fields.get("usage"))
    if tokens.input is None and tokens.output is None:
        return Tokens()
    if not any((tokens.input, tokens.cache_read, tokens.cache_write, tokens.output)):
        return Tokens()
    return tokens


def converse_tokens(line: Line, read_field: str, written_field: str) -> Tokens:
    return Tokens(
        input=count(line.fields.get(read_field)),
        cache_read=count(line.fields.get("cache_read_tokens")) or 0,
        cache_write=count(line.fields.get("cache_write_tokens")) or 0,
        output=count(line.fields.get(written_field)),
    )


def mantle_tokens(usage: object) -> Tokens:
    if not isinstance(usage, dict):
        return Tokens()
    details = usage.get("prompt_tokens_details")
    cached = (count(details.get("cached_tokens")) or 0) if isinstance(details, dict) else 0
    prompt = count(usage.get("prompt_tokens"))
    return Tokens(
        input=None if prompt is None else max(0, prompt - cached),
        cache_read=cached,
        cache_write=0,
        output=count(usage.get("completion_tokens")),
    )


def plus(one: int | None, other: int | None) -> int | None:
    """A sum of what is known."""
    if one is None or other is None:
        return other if one is None else one
    return one + other
